"""The verdict of a finding: an equivalence test, its mirror, and what would settle it.

An interval inside the tolerance is *preserved*, one wholly outside *not preserved*, any other *not
enough samples*: Goeman, Solari & Stijnen (2010), Stat. Med. 29:2117, three-sided testing. The three
regions exclude each other, so that each wrong verdict has at most the error of one tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from scipy import stats

from napari_posterior.checks.finding import percent
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.checks.verdicts.looks import FEWEST, Looks
from napari_posterior.checks.verdicts.planning import MoreSamples, plan, tell_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.verdicts.evidence import Evidence
    from napari_posterior.checks.verdicts.tolerances import Limits

__all__ = [
    "NOT_ENOUGH",
    "NOT_PRESERVED",
    "NOT_TESTABLE",
    "PRESERVED",
    "Judgement",
    "MoreSamples",
    "Verdict",
    "holm",
    "judge",
    "untestable",
]

Verdict = Literal["preserved", "not preserved", "not enough samples", "not testable"]
PRESERVED: Final = "preserved"
NOT_PRESERVED: Final = "not preserved"
NOT_ENOUGH: Final = "not enough samples"
NOT_TESTABLE: Final = "not testable"


@dataclass(frozen=True)
class Judgement:
    """A verdict and why.

    Parameters
    ----------
    verdict : str
        One of the four.
    sentence : str
        In words, with its scope.
    reason : str
        What it comes from, in a word or two for machines: ``""``, ``"few samples"``,
        ``"different but maybe tolerable"``, ``"borderline"``, ``"no variation"``,
        ``"no interval"``, ``"between looks"`` or ``"untestable"``.
    limits : Limits or None
        The tolerance in the unit of the quantity.
    origin : str
        Who set it: ``"default"``, the name of a preset, ``"user"``, or ``"post hoc"`` where it was
        changed after a look.
    p_preserved, p_not_preserved : float or None
        One-sided p-values of the test and its mirror.
    bias : float
        Bias of the reference, as a share, that was allowed for.
    more : MoreSamples or None
        What would settle it.
    """

    verdict: Verdict
    sentence: str
    reason: str = ""
    limits: Limits | None = None
    origin: str = "default"
    p_preserved: float | None = None
    p_not_preserved: float | None = None
    bias: float = 0.0
    more: MoreSamples | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        limits, more = self.limits, self.more
        return {
            "verdict": self.verdict,
            "verdict_sentence": self.sentence,
            "reason": self.reason,
            "tolerance": None if limits is None else [limits.low, limits.high],
            "tolerance_words": None if limits is None else limits.words,
            "tolerance_origin": self.origin,
            "tolerance_set": "after" if self.origin == "post hoc" else "before",
            "p_preserved": self.p_preserved,
            "p_not_preserved": self.p_not_preserved,
            "reference_bias": self.bias,
            "more_samples": None
            if more is None
            else {
                "teacher": more.teacher,
                "student": more.student,
                "range": list(more.range),
                "borderline": more.borderline,
                "teacher_only": more.teacher_only,
            },
        }


def untestable(why: str) -> Judgement:
    """Return *not testable* for a reason, a clause such as ``"the teacher does not vary"``."""
    return Judgement(NOT_TESTABLE, f"Not testable on this image: {why}.", "untestable")


def judge(
    value: float | None,
    interval: tuple[float | None, float | None],
    limits: Limits,
    *,
    evidence: Evidence | None,
    counts: tuple[int, int],
    looks: Looks,
    no_difference: float = 0.0,
    origin: str = "default",
    bias: float = 0.0,
    distance: bool = False,
    counted: str = "samples",
    spare: tuple[int, int] = (0, 0),
) -> Judgement:
    """Give the verdict on one quantity.

    Parameters
    ----------
    value : float or None
        The estimate.
    interval : tuple of float or None
        At the level of the looks.
    limits : Limits
        The tolerance.
    evidence : Evidence or None
        It decides, by its p-values; without it the interval does.
    counts : tuple of int
        Samples of teacher and student that entered.
    looks : Looks
        For the tail, and for when it decides next.
    no_difference : float
        Where both agree.
    origin : str
        Who set the tolerance.
    bias : float
        By how much, as a share, the reference may itself be off its law. *Preserved* then needs an
        interval as far within the limits, *not preserved* one as far beyond.
    distance : bool
        Whether the quantity cannot be below `no_difference`.
    counted : str
        What the counts are of; other than samples, the same ones serve both.
    spare : tuple of int
        Samples of teacher and student that are there and enter as soon as they have a partner.

    Returns
    -------
    Judgement
    """
    inner, outer = (_moved(limits, factor * bias, no_difference) for factor in (-1, 1))
    p_in, p_out = _p_values(evidence, interval, inner, outer)
    if inner[0] >= inner[1]:
        p_in = 1.0  # the reference may be further off than the limits are wide
    scope = f"judged from {counts[0]} teacher and {counts[1]} student samples"
    if counted != "samples":
        scope = f"judged from {counts[0]} {counted}"
    if bias:
        scope += f", with {percent(bias, 1)} left for the bias of the reference"
    verdict: Verdict
    more = None
    if min(counts) < FEWEST:
        verdict, reason = NOT_ENOUGH, "few samples"
        sentence = (
            f"Not enough samples on this image: a verdict needs {FEWEST} of each run or more, and "
            f"there are {counts[0]} and {counts[1]}."
        )
        more = MoreSamples(max(FEWEST - counts[0], 0), max(FEWEST - counts[1], 0)).less(spare)
    elif value is None or interval == (None, None):
        verdict, reason = NOT_ENOUGH, "no interval"
        sentence = "Not enough samples on this image: too few of their values differ."
    elif interval[0] == interval[1] and inner[0] < value < inner[1]:
        verdict, reason = NOT_ENOUGH, "no variation"
        sentence = (
            "Not enough samples on this image: none differs from the others of its run, so that "
            "nothing tells how far the next one may be."
        )
    elif p_in < looks.tail:
        verdict, reason = PRESERVED, ""
        sentence = f"Preserved on this image: within your limit, {limits.words}; {scope}."
    elif p_out < looks.tail:
        verdict, reason = NOT_PRESERVED, ""
        sentence = f"Not preserved on this image: beyond your limit, {limits.words}; {scope}."
    else:
        guess = evidence or _guess(value, interval, looks)
        more = plan(guess, value, (inner, outer), counts, looks, no_difference=no_difference)
        more = None if more is None else more.less(spare)
        verdict, reason = NOT_ENOUGH, _why_open(interval, no_difference, more, distance=distance)
        held = counts[0] + spare[0], counts[1] + spare[1]
        told = tell_plan(more, held, looks, counted=counted)
        inside = inner[0] < value < inner[1]
        if bias and not inside and outer[0] <= value <= outer[1]:
            # an interval clear of the limit would otherwise stand beside "not enough samples"
            told = (
                f"it is nearer to the limit than the reference may be off ({percent(bias, 1)}), "
                f"and more {counted} will not settle it"
            )
        sentence = (
            "Not enough samples on this image to say on which side of your limit, "
            f"{limits.words}, it lies: {told}."
        )
    return Judgement(
        verdict=verdict,
        sentence=sentence,
        reason=reason,
        limits=limits,
        origin=origin,
        p_preserved=p_in,
        p_not_preserved=p_out,
        bias=bias,
        more=more,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    Holm (1979), Scand. J. Stat. 6:65.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _moved(limits: Limits, share: float, no_difference: float) -> tuple[float, float]:
    """Return the limits, moved outwards by a share."""
    low = -math.inf if limits.low is None else limits.low
    high = math.inf if limits.high is None else limits.high
    if no_difference == 1.0:
        # a bias of all there is leaves nothing within
        return (1.0, 1.0) if share <= -1 else (low / (1 + share), high * (1 + share))
    return low - share, high + share


def _p_values(
    evidence: Evidence | None,
    interval: tuple[float | None, float | None],
    inner: tuple[float, float],
    outer: tuple[float, float],
) -> tuple[float, float]:
    """Return the p-values of the test and its mirror; 0 or 1 where there is an interval alone."""
    known: Evidence = evidence or _Interval(*interval)
    within = [known.below(inner[1]) if inner[1] < math.inf else 0.0]
    within += [known.above(inner[0]) if inner[0] > -math.inf else 0.0]
    beyond = [known.above(outer[1]) if outer[1] < math.inf else 1.0]
    beyond += [known.below(outer[0]) if outer[0] > -math.inf else 1.0]
    return max(within), min(beyond)


def _why_open(
    interval: tuple[float | None, float | None],
    no_difference: float,
    more: MoreSamples | None,
    *,
    distance: bool,
) -> str:
    low, high = interval
    if more is not None and more.borderline:
        return "borderline"
    beyond = low is not None and low > no_difference
    below = high is not None and high < no_difference and not distance
    return "different but maybe tolerable" if beyond or below else ""


@dataclass(frozen=True)
class _Interval:
    """What an interval alone says of a limit: surely, or nothing."""

    low: float | None
    high: float | None

    def below(self, limit: float) -> float:
        return float(self.high is None or self.high >= limit)

    def above(self, limit: float) -> float:
        return float(self.low is None or self.low <= limit)

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        return math.inf

    @property
    def shares(self) -> None:
        return None


def _guess(
    value: float, interval: tuple[float | None, float | None], looks: Looks
) -> TEvidence | None:
    """Take the reach of an interval for that of a normal error."""
    reach = max((abs(value - end) for end in interval if end is not None), default=0.0)
    if not 0 < reach < math.inf:
        return None
    return TEvidence(value, reach / float(stats.norm.isf(looks.tail)), math.inf)
