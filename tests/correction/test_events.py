from __future__ import annotations

import numpy as np
import pytest
from coupled_toys import MixturePair, NormalPair, draw_pairs, draw_students

from napari_posterior.correction.estimate import About
from napari_posterior.correction.events import Events, Thresholds
from napari_posterior.errors import InputError

ABOUT = About("probability")
REPEATS = 4000


def _repeat(pair, at, *, pairs, students, seed, repeats=REPEATS) -> Events:
    generator = np.random.default_rng(seed)
    events = Events()
    for teacher, student in draw_pairs(pair, pairs, (repeats, 1), generator):
        events.add_pair(teacher <= at, student <= at)
    for student in draw_students(pair, students, (repeats, 1), generator):
        events.add_student(student <= at)
    return events


@pytest.mark.parametrize("pair", [NormalPair(r=0.9), MixturePair()])
def test_probabilities_on_a_grid_have_no_bias_and_the_error_that_is_told(pair):
    mean, variance = pair.truth
    at = mean + np.sqrt(variance) * np.array([-0.6, 0.1, 0.7])
    found = _repeat(pair, at, pairs=60, students=300, seed=1).probability(ABOUT)
    error = found.value - pair.below(at)
    assert (np.abs(error.mean(0)) < 4 * error.std(0) / np.sqrt(REPEATS)).all()
    assert error.var(0) == pytest.approx((found.se**2).mean(0), rel=0.1)
    held = ((found.low <= pair.below(at)) & (pair.below(at) <= found.high)).mean(0)
    assert (held > 0.93).all()
    assert (found.low >= 0).all() and (found.high <= 1).all()


def test_interval_covers_as_promised_where_pairs_disagree():
    pair = NormalPair(r=0.9)
    found = _repeat(pair, 1.3, pairs=100, students=400, seed=2).probability(ABOUT)
    truth = pair.below(1.3)
    assert 0.93 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.97


def test_agreement_of_all_pairs_leaves_an_interval():
    events = Events()
    for k in range(8):
        events.add_pair(k % 2 == 0, k % 2 == 0)
    for k in range(1000):
        events.add_student(k % 2 == 0)
    found = events.probability(ABOUT)
    assert found.value == pytest.approx(0.5) and found.se < 0.02
    assert found.high - found.low > 0.3
    assert found.difference.p_values == 1


def test_paired_test_is_that_of_pairs_that_disagree():
    events = Events()
    for teacher, student, count in ((1, 1, 30), (1, 0, 9), (0, 1, 1), (0, 0, 10)):
        for _ in range(count):
            events.add_pair(bool(teacher), bool(student))
    for k in range(10):
        events.add_student(k < 5)
    gap = events.probability(ABOUT).difference
    assert gap.value == pytest.approx(-8 / 50)
    assert gap.p_values == pytest.approx(2 * 11 / 1024)


def test_numbers_are_no_events():
    with pytest.raises(InputError, match="booleans"):
        Events().add_student(0.5)


def _distribution(pair, grid, *, pairs, students, seed):
    generator = np.random.default_rng(seed)
    kept = Thresholds(grid)
    for teacher, student in draw_pairs(pair, pairs, (), generator):
        kept.add_pair(float(teacher), float(student))
    for student in draw_students(pair, students, (), generator):
        kept.add_student(float(student))
    return kept.distribution(ABOUT)


def test_distribution_rises_and_is_nearer_than_raw_and_than_the_student():
    pair, grid = MixturePair(), np.linspace(-2, 2, 41)
    truth = pair.below(grid)
    errors = {"cdf": [], "raw": [], "teacher": [], "student": []}
    for seed in range(60):
        found = _distribution(pair, grid, pairs=20, students=200, seed=seed)
        assert (np.diff(found.cdf) >= 0).all() and found.cdf.min() >= 0 and found.cdf.max() <= 1
        assert found.masses.sum() == pytest.approx(1) and (found.masses >= 0).all()
        shown = {"cdf": found.cdf, "raw": found.raw.value, "teacher": found.raw.teacher.value}
        shown["student"] = found.raw.student.value
        for name, values in shown.items():
            errors[name].append(np.sum((values - truth) ** 2))
        assert errors["cdf"][-1] <= errors["raw"][-1] + 1e-12
    means = {name: np.mean(found) for name, found in errors.items()}
    assert means["cdf"] < 0.5 * means["teacher"]
    assert means["cdf"] < means["student"]


def test_quantiles_are_covered_by_their_intervals():
    pair, grid = NormalPair(), np.linspace(-6, 8, 281)
    inside = []
    for seed in range(200):
        found = _distribution(pair, grid, pairs=30, students=300, seed=seed)
        value, (low, high) = found.quantile(0.5)
        assert low <= value <= high
        inside.append(low <= pair.mean <= high)
    assert np.mean(inside) > 0.92


def test_quantile_beyond_the_grid_is_infinite():
    found = _distribution(NormalPair(), np.array([-9.0, -8.0]), pairs=5, students=9, seed=0)
    assert found.quantile(0.5)[0] == np.inf
    with pytest.raises(InputError, match="between 0 and 1"):
        found.quantile(1.0)


def test_grids_that_do_not_increase_and_numbers_that_are_none_are_refused():
    with pytest.raises(InputError, match="increase"):
        Thresholds(np.array([1.0, 1.0]))
    with pytest.raises(InputError, match="not a finite number"):
        Thresholds(np.array([1.0])).add_student(float("nan"))
