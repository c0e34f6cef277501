"""Verdicts: three regions that exclude each other, their errors, and plans that keep their word."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.checks.verdicts.evidence import GapEvidence, TEvidence
from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import (
    NOT_ENOUGH,
    NOT_PRESERVED,
    NOT_TESTABLE,
    PRESERVED,
    holm,
    judge,
    untestable,
)

LOOKS = Looks()
RATIO = Limits(0.8, 1.25, "your limit of 0.8 to 1.25")
GAP = Limits(None, 0.2, "at most 0.2")
SHIFT = Limits(-1.0, 1.0, "±1")


def interval_of(evidence, *, looks=LOOKS):
    reach = evidence.se * float(quantile(looks.tail, evidence.df))
    if evidence.log:
        return evidence.value * math.exp(-reach), evidence.value * math.exp(reach)
    return evidence.value - reach, evidence.value + reach


def quantile(tail, df):
    from scipy import stats

    return stats.t.isf(tail, df)


def verdict_of(value, se, limits, *, df=62.0, log=False, counts=(32, 32), **options):
    evidence = TEvidence(value, se, df, log)
    return judge(
        value,
        interval_of(evidence),
        limits,
        evidence=evidence,
        counts=counts,
        looks=LOOKS,
        no_difference=1.0 if log else 0.0,
        **options,
    )


@given(
    st.floats(-3, 3), st.floats(1e-3, 2), st.floats(3, 500), st.floats(-1, 0.9), st.floats(0, 0.3)
)
def test_a_verdict_is_where_the_interval_is(value, se, df, low, bias) -> None:
    limits = Limits(low, 1.0, "")
    found = verdict_of(value, se, limits, df=df, bias=bias)
    ends = interval_of(TEvidence(value, se, df))
    inside = low + bias < ends[0] and ends[1] < 1.0 - bias
    beyond = ends[1] < low - bias or ends[0] > 1.0 + bias
    assert not (inside and beyond)
    expected = PRESERVED if inside else NOT_PRESERVED if beyond else NOT_ENOUGH
    assert found.verdict == expected


@pytest.mark.parametrize("log", [False, True])
def test_an_interval_alone_gives_the_verdict_of_its_evidence(log: bool) -> None:
    generator = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        value, se = generator.uniform(0.5, 1.6), generator.uniform(0.01, 0.2)
        evidence = TEvidence(value, se, 40.0, log)
        found = [
            judge(value, interval_of(evidence), RATIO, evidence=one, counts=(32, 32), looks=LOOKS,
                  no_difference=1.0).verdict
            for one in (evidence, None)
        ]  # fmt: skip
        assert found[0] == found[1]
        seen.add(found[0])
    assert seen == {PRESERVED, NOT_PRESERVED, NOT_ENOUGH}


@pytest.mark.parametrize("truth", [0.8, 1.25])
def test_on_the_limit_either_verdict_has_the_error_of_the_tail(truth: float) -> None:
    generator = np.random.default_rng(1)
    count = 800
    found = [
        verdict_of(truth * math.exp(0.02 * z), 0.02, RATIO, log=True, df=math.inf).verdict
        for z in generator.normal(size=count)
    ]
    slack = 3 * math.sqrt(LOOKS.tail / count)
    for wrong in (PRESERVED, NOT_PRESERVED):
        assert np.mean([one == wrong for one in found]) == pytest.approx(LOOKS.tail, abs=slack)


@pytest.mark.parametrize("counts", [(15, 64), (64, 15), (4, 4)])
def test_few_samples_decide_nothing_however_clear(counts: tuple[int, int]) -> None:
    for value in (0.0, 9.0):
        found = verdict_of(value, 0.01, SHIFT, counts=counts)
        assert (found.verdict, found.reason) == (NOT_ENOUGH, "few samples")
        assert (found.more.teacher, found.more.student) == tuple(max(16 - k, 0) for k in counts)


def test_without_variation_nothing_is_preserved_and_a_difference_is_seen() -> None:
    inside, beyond = (verdict_of(value, 0.0, SHIFT) for value in (0.0, 2.0))
    assert (inside.verdict, inside.reason) == (NOT_ENOUGH, "no variation")
    assert beyond.verdict == NOT_PRESERVED


def test_a_student_without_any_spread_is_not_preserved() -> None:
    evidence = TEvidence(0.0, 0.0, math.inf)
    found = judge(0.0, (0.0, 0.0), RATIO, evidence=evidence, counts=(16, 16), looks=LOOKS,
                  no_difference=1.0)  # fmt: skip
    assert found.verdict == NOT_PRESERVED


@pytest.mark.parametrize("interval", [(None, None), (0.9, None)])
def test_what_has_no_interval_is_open(interval) -> None:
    found = judge(1.0, interval, RATIO, evidence=None, counts=(32, 32), looks=LOOKS,
                  no_difference=1.0)  # fmt: skip
    assert found.verdict == NOT_ENOUGH


def test_an_open_question_says_that_there_is_a_difference() -> None:
    beyond = verdict_of(0.92, 0.03, RATIO, log=True, df=math.inf)
    assert beyond.verdict == PRESERVED
    unsure = verdict_of(0.85, 0.04, RATIO, log=True, df=math.inf)
    assert (unsure.verdict, unsure.reason) == (NOT_ENOUGH, "different but maybe tolerable")
    assert verdict_of(0.97, 0.2, RATIO, log=True).reason == ""


def test_bias_of_the_reference_is_allowed_for_on_both_sides() -> None:
    kept, lost = 0.9, 0.76
    assert verdict_of(kept, 0.02, RATIO, log=True).verdict == PRESERVED
    assert verdict_of(lost, 0.01, RATIO, log=True).verdict == NOT_PRESERVED
    assert verdict_of(kept, 0.02, RATIO, log=True, bias=0.1).verdict == NOT_ENOUGH
    assert verdict_of(lost, 0.01, RATIO, log=True, bias=0.1).verdict == NOT_ENOUGH


@pytest.mark.parametrize("bias", [0.3, 1.0, 2.5])
def test_a_bias_as_large_as_the_tolerance_leaves_nothing_within(bias: float) -> None:
    for log, limits, value in ((True, RATIO, 1.0), (False, GAP, 0.0)):
        found = verdict_of(value, 0.001, limits, log=log, bias=bias)
        assert found.verdict == NOT_ENOUGH
        assert found.more.borderline


def test_between_what_either_verdict_needs_samples_do_not_help() -> None:
    found = verdict_of(1.24, 0.05, RATIO, log=True, bias=0.05)
    assert found.reason == "borderline"
    assert "will not settle" in found.sentence


# --- what would settle it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "limits", "log"),
    [(1.0, RATIO, True), (1.1, RATIO, True), (1.5, RATIO, True), (0.7, RATIO, True),
     (0.0, SHIFT, False), (0.4, SHIFT, False), (-1.6, SHIFT, False)],
)  # fmt: skip
def test_planned_samples_settle_it_with_the_assurance(value, limits, log) -> None:
    se = 0.18 if log else 0.7
    found = verdict_of(value, se, limits, log=log, df=math.inf)
    assert found.verdict == NOT_ENOUGH
    growth = (32 + found.more.teacher) / 32
    spread = se / math.sqrt(growth)
    count = 800
    wanted = PRESERVED if (0.8 if log else -1) < value < (1.25 if log else 1) else NOT_PRESERVED
    settled = 0
    for z in np.random.default_rng(2).normal(size=count):
        again = value * math.exp(spread * z) if log else value + spread * z
        settled += verdict_of(again, spread, limits, log=log, df=math.inf).verdict == wanted
    assert settled / count == pytest.approx(0.8, abs=0.042)  # 3 standard errors


@pytest.mark.parametrize("gap", [0.0, 0.1, 0.3])
def test_planned_samples_settle_a_gap(gap: float) -> None:
    """With a variance of U that falls as the notes say: V0 with K^2, c with K."""
    still, slope, square = 0.03**2, 0.006, gap**2

    def verdict(u, v0, c):
        evidence = GapEvidence(u, v0, c, 1.0)
        return judge(math.sqrt(max(u, 0)), (0.0, 1.0), GAP, evidence=evidence, counts=(32, 32),
                     looks=LOOKS, distance=True)  # fmt: skip

    found = verdict(square, still, slope)
    assert found.verdict == NOT_ENOUGH
    growth = (32 + found.more.teacher) / 32
    v0, c = still / growth**2, slope / growth
    draws = square + math.sqrt(v0 + c * square) * np.random.default_rng(3).normal(size=800)
    wanted = PRESERVED if gap < 0.2 else NOT_PRESERVED
    settled = np.mean([verdict(u, v0, c).verdict == wanted for u in draws])
    assert 0.75 <= settled <= 0.95


def test_an_estimate_at_the_limit_is_borderline() -> None:
    found = verdict_of(1.24, 0.05, RATIO, log=True)
    assert (found.reason, found.more.borderline) == ("borderline", True)
    assert "more samples will not settle it" in found.sentence


def test_noise_that_drowns_the_tolerance_is_not_called_borderline() -> None:
    found = verdict_of(0.02, 6.0, SHIFT, df=math.inf)
    assert found.reason == ""
    assert found.more.teacher > 32 * 32
    assert "beyond the last planned look" in found.sentence


def test_the_plan_names_the_next_decision() -> None:
    found = verdict_of(1.0, 0.1, RATIO, log=True, df=math.inf)
    assert 32 < 32 + found.more.teacher <= 128
    assert "more samples of each run should settle it (the next decision is at" in found.sentence


def plan_of(shares, counts):
    se = math.sqrt(sum(shares))
    evidence = TEvidence(0.0, se, math.inf, shares=shares)
    found = judge(0.0, interval_of(evidence), SHIFT, evidence=evidence, counts=counts, looks=LOOKS)
    assert found.verdict == NOT_ENOUGH
    return found, se


@pytest.mark.parametrize(("few", "word"), [(0, "teacher"), (1, "student")])
def test_only_the_smaller_run_is_asked_for_where_it_alone_can_settle_it(few: int, word) -> None:
    parts = [0.0, 0.0]
    counts = [160, 160]
    counts[few] = 16
    parts[few], parts[1 - few] = 0.25, 0.025
    found, se = plan_of(tuple(parts), tuple(counts))
    more = (found.more.teacher, found.more.student)
    assert more[few] > 0
    assert more[1 - few] == 0
    assert f"more {word} samples should settle it" in found.sentence
    # what it promises: the error that growing both runs would have reached
    reached = parts[few] * counts[few] / (counts[few] + more[few]) + parts[1 - few]
    both, _ = plan_of((sum(parts) / 2, sum(parts) / 2), (32, 32))
    assert reached == pytest.approx(se**2 * 32 / (32 + both.more.teacher), rel=0.05)


def test_more_student_samples_cannot_help_a_teacher_with_few() -> None:
    found, _ = plan_of((0.25, 0.025), (16, 160))
    assert found.more.teacher_only
    assert "more student samples alone cannot help" in found.sentence
    equal, _ = plan_of((0.14, 0.14), (32, 32))
    assert not equal.more.teacher_only
    assert equal.more.teacher == equal.more.student


def test_a_large_run_grows_too_where_its_own_noise_is_in_the_way() -> None:
    found, _ = plan_of((0.12, 0.12), (16, 160))
    assert found.more.teacher > 0
    assert found.more.student > 0


# --- several at once -----------------------------------------------------------------------------


def test_holm_is_that_of_the_paper() -> None:
    """By hand: 4 x .01, then 3 x .02 and 2 x .03 at the level .06, then .04 lifted to it."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.7]) == [0.7]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_the_p_values_and_bonferroni(p_values) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= 1
        assert q <= max(min(1.0, len(p_values) * one) for one in p_values)
    assert min(adjusted) == min(1.0, len(p_values) * min(p_values))


def test_every_verdict_says_where_it_holds() -> None:
    found = [
        verdict_of(1.0, 0.01, RATIO, log=True),
        verdict_of(2.0, 0.01, RATIO, log=True),
        verdict_of(1.0, 0.2, RATIO, log=True),
        verdict_of(1.0, 0.0, RATIO),
        verdict_of(1.0, 0.1, RATIO, counts=(4, 4)),
        untestable("the teacher does not vary"),
    ]
    assert {one.verdict for one in found} == {PRESERVED, NOT_PRESERVED, NOT_ENOUGH, NOT_TESTABLE}
    assert all("on this image" in one.sentence for one in found)


def test_a_judgement_is_written_as_plain_values() -> None:
    written = verdict_of(1.0, 0.12, RATIO, log=True, origin="user").to_dict()
    assert written["verdict"] == NOT_ENOUGH
    assert written["tolerance"] == [0.8, 1.25]
    assert (written["tolerance_origin"], written["tolerance_set"]) == ("user", "before")
    assert written["more_samples"]["teacher"] > 0
    after = verdict_of(1.0, 0.01, RATIO, log=True, origin="post hoc").to_dict()
    assert after["tolerance_set"] == "after"
    assert after["more_samples"] is None
