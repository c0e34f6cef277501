"""Evidence: p-values are those of the tests whose inversion gives the intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.intervals import (
    jackknife_log_ratio,
    leave_one_out_variance,
    mean_difference,
)
from napari_posterior.checks.mean import mean_gap
from napari_posterior.checks.verdicts.evidence import GapEvidence, TEvidence

TAIL = 0.0122


def welch():
    generator = np.random.default_rng(0)
    return generator.normal(5, 1, 18), generator.normal(5.4, 2, 24)


@pytest.mark.parametrize("limit", [-1.0, 0.0, 0.3, 2.0])
def test_p_values_are_those_of_scipy(limit: float) -> None:
    teacher, student = welch()
    found = mean_difference(teacher, student, level=0.9, paired=False).evidence
    moved = student - limit
    for side, p in (("greater", found.above(limit)), ("less", found.below(limit))):
        assert p == pytest.approx(
            stats.ttest_ind(moved, teacher, equal_var=False, alternative=side).pvalue
        )


def test_paired_p_values_are_those_of_scipy() -> None:
    teacher, _ = welch()
    student = teacher + np.random.default_rng(1).normal(0.2, 0.3, len(teacher))
    found = mean_difference(teacher, student, level=0.9, paired=True).evidence
    expected = stats.ttest_rel(student, teacher, alternative="greater").pvalue
    assert found.above(0.0) == pytest.approx(expected)
    assert found.shares is None


def difference():
    return mean_difference(*welch(), level=1 - 2 * TAIL, paired=False)


def ratio():
    parts = [(float(x.var(ddof=1)), leave_one_out_variance(x)) for x in welch()]
    return jackknife_log_ratio(*parts, level=1 - 2 * TAIL, paired=False)


def gap(shift: float = 0.5):
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(36, 80))
    rows[16:] += shift
    accumulator = GramAccumulator(16, 20)
    accumulator.add(rows)
    return mean_gap(accumulator.result(), level=1 - 2 * TAIL, paired=False)


@pytest.mark.parametrize("make", [difference, ratio, gap])
def test_the_ends_of_the_interval_have_the_p_value_of_its_tail(make) -> None:
    estimate = make()
    low, high = estimate.interval
    assert low > 0 or make is difference
    assert estimate.evidence.below(high) == pytest.approx(TAIL, rel=1e-6)
    assert estimate.evidence.above(low) == pytest.approx(TAIL, rel=1e-6)


def test_a_gap_within_noise_has_the_interval_from_zero() -> None:
    estimate = gap(0.0)
    assert estimate.interval[0] == 0
    assert estimate.evidence.above(0.0) > TAIL
    assert estimate.evidence.below(estimate.interval[1]) == pytest.approx(TAIL, rel=1e-6)


def test_a_negative_estimate_of_the_squared_gap_is_no_stronger_than_zero() -> None:
    below, none = GapEvidence(-0.5, 0.01, 0.1, 1.0), GapEvidence(0.0, 0.01, 0.1, 1.0)
    assert below.below(0.3) == none.below(0.3)
    assert below.above(0.3) > none.above(0.3)


@pytest.mark.parametrize(
    "evidence", [TEvidence(0.9, 0.1, 30), TEvidence(0.9, 0.1, 30, log=True), gap().evidence]
)
def test_p_values_move_one_way_with_the_limit(evidence) -> None:
    limits = np.linspace(0.05, 2.5, 60)
    below = np.array([evidence.below(limit) for limit in limits])
    above = np.array([evidence.above(limit) for limit in limits])
    assert (np.diff(below) <= 1e-12).all()
    assert (np.diff(above) >= -1e-12).all()
    assert ((below < 0.5) | (above < 0.5) | np.isclose(below, 0.5)).all()


def test_a_ratio_is_above_every_limit_that_is_not_positive() -> None:
    evidence = TEvidence(0.9, 0.1, 30, log=True)
    assert evidence.above(0.0) == 0
    assert evidence.below(-1.0) == 1


def test_without_error_limits_are_plain() -> None:
    evidence = TEvidence(0.5, 0.0, math.inf)
    assert (evidence.below(0.6), evidence.above(0.6)) == (0, 1)
    assert (evidence.below(0.5), evidence.above(0.5)) == (1, 1)


def test_an_unknown_error_proves_nothing() -> None:
    evidence = TEvidence(0.5, math.nan, 10.0)
    assert (evidence.below(0.6), evidence.above(0.4)) == (1, 1)


def test_shares_add_up_to_the_squared_error() -> None:
    for estimate in (difference(), ratio()):
        assert sum(estimate.evidence.shares) == pytest.approx(estimate.se**2)


@pytest.mark.parametrize(
    "evidence",
    [
        TEvidence(0.05, 0.1, math.inf),
        TEvidence(1.02, 0.2, math.inf, log=True),
        GapEvidence(0.004, 0.02**2, 0.001, 1.0),
    ],
    ids=["difference", "ratio", "gap"],
)
def test_growth_is_what_reaches_the_limit_with_the_assurance(evidence) -> None:
    limit = 1.25 if isinstance(evidence, TEvidence) and evidence.log else 0.2
    factor = evidence.growth(limit, TAIL)
    reach = stats.norm.isf(TAIL) + 0.84
    if isinstance(evidence, GapEvidence):
        spread = math.sqrt(evidence.still / factor**2 + evidence.slope * limit**2 / factor)
        assert limit**2 - evidence.square == pytest.approx(reach * spread)
    else:
        away = math.log(limit / evidence.value) if evidence.log else limit - evidence.value
        assert away == pytest.approx(reach * evidence.se / math.sqrt(factor))


@pytest.mark.parametrize("u", [0.5, 3.0, 9.0])
def test_a_gap_of_one_dimension_is_judged_by_the_chi_squared_law(u: float) -> None:
    variance = 0.3  # of a normal difference, whose square less its variance is U
    evidence = GapEvidence(u * variance, 2 * variance**2, 4 * variance, 1.0, variance)
    assert evidence.above(0.0) == pytest.approx(stats.chi2.sf(u + 1, 1))


@pytest.mark.parametrize(("square", "side"), [(0.0, "below"), (0.15, "above")])
def test_growth_is_by_the_law_of_the_tests(square: float, side: str) -> None:
    evidence = GapEvidence(square, 0.02**2, 0.006, 1.0, 0.004, 20.0)
    factor = evidence.growth(0.2, TAIL)
    still, slope = evidence.still / factor**2, evidence.slope / factor
    spread = math.sqrt(still + slope * 0.04)
    # what the samples are planned for: an estimate that falls short by the assurance still settles
    short = 0.84 * spread * (1 if side == "below" else -1)
    law = (still, slope, 1.0, evidence.largest / factor, evidence.df * factor)
    found = GapEvidence(square + short, *law)
    assert getattr(found, side)(0.2) == pytest.approx(TAIL, rel=1e-5)


def test_growth_has_no_end_where_the_estimate_is_the_limit() -> None:
    assert TEvidence(0.2, 0.1, 30).growth(0.2, TAIL) == math.inf
    assert GapEvidence(0.2**2, 0.001, 0.001, 1.0).growth(0.2, TAIL) == math.inf
