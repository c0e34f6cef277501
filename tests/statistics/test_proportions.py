"""Intervals and a test for counts out of K samples, against scipy, print and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from napari_posterior.errors import InputError
from napari_posterior.statistics.proportions import (
    fisher_mid_p,
    mcnemar_mid_p,
    newcombe_interval,
    paired_interval,
    wilson_interval,
)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_wilson_is_that_of_scipy_for_every_count(level):
    for total in (1, 2, 7, 32):
        counts = np.arange(total + 1)
        found = np.stack(wilson_interval(counts, total, level=level), axis=1)
        expected = [
            stats.binomtest(int(k), total).proportion_ci(level, method="wilson") for k in counts
        ]
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_without_trials_nothing_is_known():
    assert [float(end) for end in wilson_interval(0, 0)] == [0.0, 1.0]
    assert [float(end) for end in newcombe_interval(0, 0, 3, 8)] == [-1.0, 1.0]
    assert [float(end) for end in newcombe_interval(3, 8, 0, 0)] == [-1.0, 1.0]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
    ],
)
def test_newcombe_gives_the_published_intervals(counts, expected):
    # R. G. Newcombe, Statistics in Medicine 17, 873 (1998), table II, method 10.
    np.testing.assert_allclose(np.ravel(newcombe_interval(*counts)), expected, atol=6e-5)


def test_newcombe_changes_sign_when_the_groups_are_exchanged():
    a, b = np.meshgrid(np.arange(17), np.arange(25))
    low, high = newcombe_interval(a, 16, b, 24)
    swapped_low, swapped_high = newcombe_interval(b, 24, a, 16)
    np.testing.assert_allclose(low, -swapped_high, atol=1e-12)
    np.testing.assert_allclose(high, -swapped_low, atol=1e-12)


@pytest.mark.parametrize("total", [16, 64])
def test_wilson_covers_the_truth_as_often_as_it_says(total):
    truth = np.linspace(0.02, 0.98, 97)
    counts = np.random.default_rng(3).binomial(total, truth, (4000, 97))
    low, high = wilson_interval(counts, total)
    covered = ((low <= truth) & (truth <= high)).mean(0)
    assert covered.mean() == pytest.approx(0.952, abs=0.008)
    assert covered.min() > 0.83  # the formula's known dip near 0 and 1


@pytest.mark.parametrize(("first", "second"), [(16, 16), (64, 64), (16, 128)])
def test_newcombe_covers_the_truth_as_often_as_it_says(first, second):
    rng = np.random.default_rng(4)
    p, q = rng.random((2, 400))
    low, high = newcombe_interval(
        rng.binomial(first, p, (2000, 400)), first, rng.binomial(second, q, (2000, 400)), second
    )
    covered = ((low <= p - q) & (p - q <= high)).mean(0)
    assert covered.mean() == pytest.approx(0.953, abs=0.008)
    assert np.quantile(covered, 0.05) > 0.92


@pytest.mark.parametrize(("first", "second"), [(12, 12), (12, 7), (1, 1)])
def test_fisher_mid_p_leaves_out_half_of_the_tables_as_probable_as_the_observed_one(first, second):
    for k, m in itertools.product(range(first + 1), range(second + 1)):
        exact = stats.fisher_exact([[k, first - k], [m, second - m]])[1]
        tables = np.arange(max(0, k + m - second), min(first, k + m) + 1)
        chance = stats.hypergeom.pmf(tables, first + second, k + m, first)
        as_probable = chance[np.isclose(chance, chance[tables == k], rtol=1e-9)].sum()
        found = fisher_mid_p(np.array([k]), first, np.array([m]), second)
        assert found[0] == pytest.approx(exact - as_probable / 2, abs=1e-10)


def reject(p: float, q: float, total: int) -> float:
    """Chance that the mid-p is below 5 %, summed over all outcomes."""
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(total + 1), np.arange(total + 1)))
    chance = stats.binom.pmf(a, total, p) * stats.binom.pmf(b, total, q)
    return float(chance[fisher_mid_p(a, total, b, total) < 0.05].sum())


@pytest.mark.parametrize(
    ("p", "q", "power"),
    [
        (0.9, 0.7, (0.24, 0.50, 0.83, 0.98)),
        (0.9, 0.5, (0.71, 0.96, 1.0, 1.0)),
        (0.1, 0.0, (0.02, 0.22, 0.77, 1.0)),
    ],
)
def test_a_changed_punctum_is_found_as_often_as_planned(p, q, power):
    found = [reject(p, q, total) for total in (16, 32, 64, 128)]
    np.testing.assert_allclose(found, power, atol=0.03)


def test_an_unchanged_punctum_is_seldom_called_changed():
    sizes = [reject(p, p, 32) for p in np.linspace(0.02, 0.98, 25)]
    assert max(sizes) < 0.051
    assert max(sizes) > 0.04


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="above its total"):
        wilson_interval(np.array([3, 9]), 8)
    with pytest.raises(InputError, match="below 0"):
        fisher_mid_p(np.array([-1]), 8, np.array([2]), 8)
    with pytest.raises(InputError, match="confidence level"):
        wilson_interval(3, 8, level=95.0)


def trinomial(n, lost, won):
    """All (lost, won) of n pairs with their probabilities."""
    table = [(a, b) for a in range(n + 1) for b in range(n + 1 - a)]
    chance = stats.multinomial.pmf(
        [(a, b, n - a - b) for a, b in table], n, (lost, won, 1 - lost - won)
    )
    return *np.array(table).T, chance


def test_mcnemar_mid_p_leaves_out_half_of_what_is_as_probable_as_the_observed_one():
    lost, won = np.array([0, 1, 3, 5, 12]), np.array([0, 7, 3, 2, 0])
    exact = [
        stats.binomtest(a, a + b, 0.5).pvalue if a + b else 1.0
        for a, b in zip(lost.tolist(), won.tolist(), strict=True)
    ]
    expected = np.array(exact) - stats.binom.pmf(lost, lost + won, 0.5)
    expected[[0, 2]] = 1.0  # as many each way: the exact p-value is cut at 1
    assert mcnemar_mid_p(lost, won) == pytest.approx(expected)
    assert mcnemar_mid_p(won, lost) == pytest.approx(expected)


@pytest.mark.parametrize("pairs", [16, 32])
@pytest.mark.parametrize("each", [0.02, 0.1, 0.3])
def test_mcnemar_mid_p_errs_about_as_often_as_it_says(pairs, each):
    lost, won, chance = trinomial(pairs, each, each)
    assert chance[mcnemar_mid_p(lost, won) < 0.05].sum() <= 0.053


@pytest.mark.parametrize("pairs", [16, 32])
def test_either_end_of_the_paired_interval_misses_about_as_often_as_it_says(pairs):
    missed = []
    for lost, won in itertools.product((0.0, 0.03, 0.1, 0.25, 0.4), repeat=2):
        first, second, chance = trinomial(pairs, lost, won)
        low, high = paired_interval(first, second, pairs, level=0.9)
        missed += [chance[low > won - lost + 1e-12].sum(), chance[high < won - lost - 1e-12].sum()]
    assert np.mean(missed) <= 0.05
    assert max(missed) <= 0.075


def test_the_paired_interval_is_narrow_where_pairs_agree_and_turns_with_the_runs():
    low, high = paired_interval(np.array([0]), np.array([0]), 32, level=0.9)
    alone = newcombe_interval(np.array([16]), 32, np.array([16]), 32, level=0.9)
    assert high[0] - low[0] < 0.6 * (alone[1] - alone[0])[0]
    forth = paired_interval(np.array([3]), np.array([1]), 16)
    back = paired_interval(np.array([1]), np.array([3]), 16)
    assert (forth[0], forth[1]) == (pytest.approx(-back[1]), pytest.approx(-back[0]))
    assert paired_interval(np.array([0]), np.array([0]), 0) == ([-1.0], [1.0])


def test_more_pairs_that_differ_than_there_are_pairs_are_refused():
    with pytest.raises(InputError, match="above its total"):
        paired_interval(np.array([5]), np.array([4]), 8)
