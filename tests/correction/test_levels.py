from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from napari_posterior.correction.levels import Levels, allocate_levels
from napari_posterior.correction.terms import mean_term, variance_term
from napari_posterior.errors import InputError

NAMES = ("student, 1 step", "student, 4 steps", "teacher, 16 steps", "teacher, 32 steps")
GAINS = (0.8, 0.93, 0.985, 0.997)
SHIFTS = (0.4, 0.1, 0.02, 0.004)
BENDS = (0.3, 0.1, 0.02, 0.004)
COUNTS = (400, 100, 30, 12)
REPEATS = 4000


def _sample(level: int, z: np.ndarray) -> np.ndarray:
    """A map that comes nearer to z level by level."""
    return SHIFTS[level] + GAINS[level] * z + BENDS[level] * np.sin(2 * z)


def _variance(level: int) -> float:
    # E z sin 2z = 2 exp(-2), E sin^2 2z = (1 - exp(-8)) / 2
    a, c = GAINS[level], BENDS[level]
    return a**2 + 4 * a * c * math.exp(-2) + c**2 * (1 - math.exp(-8)) / 2


@pytest.fixture(scope="module")
def levels() -> Levels:
    generator = np.random.default_rng(1)
    kept = Levels(NAMES, order=4)
    for level, count in enumerate(COUNTS):
        for _ in range(count):
            z = generator.standard_normal(REPEATS)
            below = [_sample(level - 1, z)] if level else []
            kept.add(level, _sample(level, z), *below)
    return kept


@pytest.mark.parametrize("upto", [1, 2, 3])
@pytest.mark.parametrize("estimator", [mean_term, variance_term])
def test_sum_is_unbiased_for_the_level_asked_for(levels, upto, estimator):
    found = levels.estimate(estimator=estimator, upto=NAMES[upto])
    truth = SHIFTS[upto] if estimator is mean_term else _variance(upto)
    assert abs(found.value.mean() - truth) < 4 * found.value.std() / math.sqrt(REPEATS)
    assert found.value.var() == pytest.approx(float(np.mean(found.se**2)), rel=0.1)
    assert 0.93 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.97
    assert found.counts == COUNTS[: upto + 1]


def test_last_step_measures_what_the_teachers_steps_cost(levels):
    term, p_values = levels.estimate().last_step
    lost = SHIFTS[3] - SHIFTS[2]
    assert abs(term.value.mean() - lost) < 4 * term.value.std() / math.sqrt(REPEATS)
    assert np.mean(p_values < 0.05) > 0.9


def test_levels_follow_each_other_ever_more_closely(levels):
    r = [float(np.mean(one)) for one in levels.correlations()]
    assert r == sorted(r) and r[-1] > 0.999


def test_streams_of_levels_merge():
    one, other = Levels(NAMES[:2]), Levels(NAMES[:2])
    for z in (0.1, -0.5, 1.2):
        one.add(0, z)
        other.add(1, z + 0.1, z)
        one.add(1, 2 * z, z)
        other.add(0, z)
    one.merge(other)
    assert one.estimate().counts == (6, 6)
    assert one.estimate().terms[1].value == pytest.approx((0.1 + 0.8 / 3) / 2)


def test_unknown_levels_are_refused():
    with pytest.raises(InputError, match="choose one of"):
        Levels(NAMES).estimate(upto=NAMES[0])
    with pytest.raises(InputError, match="two levels"):
        Levels(["alone"])


def test_allocation_reaches_the_error_at_the_least_cost():
    variances, costs, se = (1.0, 0.05, 0.004), (1.0, 5.0, 40.0), 0.06
    found = allocate_levels(variances, costs, se=se)
    spent = np.dot(found, costs)
    assert np.dot(variances, 1 / np.array(found)) <= se**2
    tried = itertools.product(range(200, 900, 2), range(10, 120), range(2, 20))
    numbers = np.array(list(tried), np.float64)
    enough = (np.array(variances) / numbers).sum(1) <= se**2
    assert spent <= 1.02 * (numbers[enough] @ costs).min() + sum(costs)


def test_allocation_keeps_to_the_time():
    found = allocate_levels((1.0, 0.05, 0.004), (1.0, 5.0, 40.0), seconds=2000.0)
    assert 1900 < np.dot(found, (1.0, 5.0, 40.0)) <= 2000
    with pytest.raises(InputError, match="either"):
        allocate_levels((1.0,), (1.0,))
