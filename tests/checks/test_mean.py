"""The mean gap: unbiased, and its interval holds the gap as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.mean import find_mean_gap, gap_squared, mean_gap

PIXELS = 120


def gram_of(teacher, student):
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def experiments(gap: float, *, count: int, k: tuple[int, int], rho: float = 0.0, seed: int = 0):
    """Gram matrices of Gaussian runs whose means are `gap` posterior SD apart."""
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=PIXELS)
    direction *= gap * np.sqrt(PIXELS) / np.linalg.norm(direction)
    for _ in range(count):
        teacher = generator.normal(size=(k[0], PIXELS))
        student = generator.normal(size=(k[1], PIXELS))
        if rho:
            student = rho * teacher + np.sqrt(1 - rho**2) * student
        yield gram_of(teacher, student + direction)


@pytest.mark.parametrize("gap", [0.0, 0.15, 0.4])
def test_squared_gap_is_unbiased(gap: float) -> None:
    found = [gap_squared(g) for g in experiments(gap, count=400, k=(8, 12), seed=1)]
    se = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - gap**2 * PIXELS) < 3 * se


@pytest.mark.parametrize(("gap", "k"), [(0.0, (16, 16)), (0.15, (16, 32)), (0.4, (12, 12))])
def test_interval_holds_the_gap(gap: float, k: tuple[int, int]) -> None:
    held = []
    for gram in experiments(gap, count=300, k=k, seed=2):
        low, high = mean_gap(gram, level=0.9, paired=False).interval
        held.append(low <= gap <= high)
    assert np.mean(held) >= 0.87


@pytest.mark.parametrize("gap", [0.0, 0.15])
def test_paired_interval_holds_the_gap_and_is_narrower(gap: float) -> None:
    held, widths = [], []
    apart = experiments(gap, count=300, k=(16, 16), seed=4)
    together = experiments(gap, count=300, k=(16, 16), rho=0.9, seed=3)
    for gram, other in zip(together, apart, strict=True):
        alone = mean_gap(other, level=0.9, paired=False).interval
        paired = mean_gap(gram, level=0.9, paired=True).interval
        held.append(paired[0] <= gap <= paired[1])
        widths.append([high - low for low, high in (paired, alone)])
    assert np.mean(held) >= 0.87
    assert np.median(widths, 0)[0] < 0.6 * np.median(widths, 0)[1]


def test_runs_of_one_law_are_compatible_with_no_gap() -> None:
    lows = [
        mean_gap(g, level=0.9, paired=False).interval[0]
        for g in experiments(0.0, count=200, k=(16, 16), seed=4)
    ]
    assert np.mean(np.array(lows) == 0) >= 0.9


def test_equal_samples_have_no_gap() -> None:
    x = np.random.default_rng(5).normal(size=(8, 30))
    estimate = mean_gap(gram_of(x, x), level=0.9, paired=True)
    assert estimate.value == pytest.approx(0, abs=1e-6)
    assert estimate.interval == pytest.approx((0, 0), abs=1e-6)


def test_squared_gap_does_not_change_when_the_runs_are_swapped() -> None:
    generator = np.random.default_rng(6)
    a, b = generator.normal(size=(6, 40)), generator.normal(0.3, 1.5, size=(9, 40))
    assert gap_squared(gram_of(a, b)) == pytest.approx(gap_squared(gram_of(b, a)))


def test_a_teacher_without_spread_gives_no_estimate_and_says_so() -> None:
    x = np.random.default_rng(7).normal(size=(8, 30))
    finding = find_mean_gap(gram_of(np.ones((8, 30)), x), level=0.9, paired=False, rho=None)
    assert finding.estimate is None
    assert "do not vary" in finding.sentence
