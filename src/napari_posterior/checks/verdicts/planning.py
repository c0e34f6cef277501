"""What would settle an open question: how many more samples, or none that can."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from scipy import optimize, stats

from napari_posterior.checks.verdicts.evidence import ASSURANCE, MovableEvidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.verdicts.evidence import Evidence
    from napari_posterior.checks.verdicts.looks import Looks

__all__ = ["AskingEvidence", "MoreSamples", "join_growths", "plan", "tell_plan"]

_MOST_GROWTH: Final = 32.0
_CLEAR_GROWTH: Final = 2.0  # below it no difference would be told by about what there is
_ENDLESS: Final = 1e9
_UNEQUAL: Final = 2  # times as many samples of one run: the other alone may grow

Range = tuple[float, float]


@runtime_checkable
class AskingEvidence(Protocol):
    """Evidence that knows what to draw where that is not more samples of the runs."""

    def ask(self, more: int) -> str:
        """Say what should settle the question if it takes so many more, as a clause."""
        ...


@dataclass(frozen=True)
class MoreSamples:
    """What would settle an open question.

    Parameters
    ----------
    teacher, student : int
        How many more samples of each run.
    range : tuple of int
        Fewest and most for the run that has to grow, the teacher's where both have to, if the
        estimate is up to a standard error off.
    borderline : bool
        The difference seems close to the tolerance: samples will not settle it.
    teacher_only : bool
        Samples of the student alone cannot settle it, however many.
    asked : str
        What should settle it, as a clause, where samples of the runs are not what is asked for.
    """

    teacher: int = 0
    student: int = 0
    range: tuple[int, int] = (0, 0)
    borderline: bool = False
    teacher_only: bool = False
    asked: str = ""

    def less(self, spare: tuple[int, int]) -> MoreSamples:
        """Return what is left to draw where samples of teacher and student are there to pair."""
        if spare == (0, 0):
            return self
        teacher, student = (
            max(more - there, 0)
            for more, there in zip((self.teacher, self.student), spare, strict=True)
        )
        alone = teacher > 0 and student == 0 < self.student
        return replace(
            self, teacher=teacher, student=student, teacher_only=self.teacher_only or alone
        )


def plan(
    evidence: Evidence | None,
    value: float,
    ends: tuple[Range, Range],
    counts: tuple[int, int],
    looks: Looks,
    *,
    no_difference: float = 0.0,
) -> MoreSamples | None:
    """Return the samples that settle a question with 80 % probability, if the estimate holds.

    Parameters
    ----------
    evidence : Evidence or None
        Without it there is no plan.
    value : float
        The estimate.
    ends : tuple
        Limits that *preserved* needs it within, and *not preserved* beyond.
    counts : tuple of int
        Samples of teacher and student.
    looks : Looks
        For the tail.
    no_difference : float
        Where both agree.

    Notes
    -----
    A question is borderline if it would take more than 32 times as many samples although a student
    without any difference would be told in twice as many or fewer. Where even that one would need
    more, an estimate beside the limit says little, and what settles that one is asked for.
    """
    if evidence is None:
        return None
    inner, outer = ends
    inside = inner[0] < value < inner[1]
    if not inside and outer[0] <= value <= outer[1]:
        # what is left for the bias of the reference keeps either verdict from being given here
        return MoreSamples(borderline=True)
    within = [end for end in inner if math.isfinite(end)]
    limits = within
    if not inside:
        limits = [min(filter(math.isfinite, outer), key=lambda limit: abs(limit - value))]

    def needed(known: Evidence, to: Sequence[float], shift: float = 0.0) -> float:
        return join_growths([known.growth(end, looks.tail, shift=shift) for end in to], looks.tail)

    growth = needed(evidence, limits)
    if growth > _MOST_GROWTH:
        if not isinstance(evidence, MovableEvidence):
            return MoreSamples(borderline=True)
        alike = needed(evidence.at(no_difference), within)
        growth = min(growth, alike)
        if alike <= _CLEAR_GROWTH or not math.isfinite(growth):
            return MoreSamples(borderline=True)
    shares = evidence.shares
    more = _split(growth, counts, shares)
    grows = 0 if more[0] else 1
    most = max(growth, _MOST_GROWTH)
    others = [
        _split(min(needed(evidence, limits, shift), most), counts, shares)[grows]
        for shift in (-1.0, 0.0, 1.0)
    ]
    others.append(more[grows])
    alone = shares is not None and more[1] == 0 and shares[0] * growth >= sum(shares)
    return MoreSamples(
        *more,
        (min(others), max(others)),
        teacher_only=alone and more[0] > 0,
        asked=evidence.ask(more[0]) if isinstance(evidence, AskingEvidence) else "",
    )


def tell_plan(
    more: MoreSamples | None, counts: tuple[int, int], looks: Looks, *, counted: str = "samples"
) -> str:
    """Say what would settle an open question, as a clause.

    Parameters
    ----------
    more : MoreSamples or None
        The plan.
    counts : tuple of int
        Samples of teacher and student.
    looks : Looks
        For the next decision.
    counted : str
        What is counted; other than samples, it is asked for as a whole and not at looks.
    """
    if more is None:
        return f"draw more {counted}{' of both runs' if counted == 'samples' else ''}"
    if more.borderline:
        return f"the difference seems close to the limit, and more {counted} will not settle it"
    if more.asked:
        return more.asked
    if counted != "samples":
        return f"about {_round(counts[0] + more.teacher)} {counted} should settle it"
    teacher, student = _round(more.teacher), _round(more.student)
    told = "a few more samples of each run"
    if teacher and student:
        told = f"about {teacher} more teacher and {student} more student samples"
        if counts[0] == counts[1]:
            told = f"about {teacher} more samples of each run"
    elif teacher or student:
        told = f"about {teacher or student} more {'teacher' if teacher else 'student'} samples"
    last = "; more student samples alone cannot help" if more.teacher_only else ""
    least = min(counts[0] + more.teacher, counts[1] + more.student)
    look = looks.after(max(least, (looks.find(min(counts)) or 0) + 1))
    if look is None:
        return f"{told} would be needed, which is beyond the last planned look{last}"
    return f"{told} should settle it (the next decision is at {look}){last}"


def join_growths(growths: Sequence[float], tail: float) -> float:
    """Return the growth of samples that settles several questions at once, as surely as one.

    Parameters
    ----------
    growths : sequence of float
        What settles each of them with 80 % probability.
    tail : float
        Error of the decision.
    """
    largest = max(growths)
    if not largest < _ENDLESS:
        return math.inf
    if len(growths) == 1 or largest == 0:
        return largest
    q = float(stats.norm.isf(tail))
    miss = float(stats.norm.sf(ASSURANCE))

    def missed(factor: float) -> float:
        # at its own growth each limit lies q + .84 standard errors away
        away = [(q + ASSURANCE) * math.sqrt(factor / growth) - q for growth in growths]
        return float(stats.norm.sf(away).sum()) - miss

    most = ((q + float(stats.norm.isf(miss / len(growths)))) / (q + ASSURANCE)) ** 2
    return float(optimize.brentq(missed, largest, 1.001 * most * largest))


def _split(
    growth: float, counts: tuple[int, int], shares: tuple[float, float] | None
) -> tuple[int, int]:
    """Return how many more samples of each run make the information grow."""
    both = tuple(max(math.ceil(count * (growth - 1)), 0) for count in counts)
    few, many = (0, 1) if counts[0] <= counts[1] else (1, 0)
    if shares is None or not sum(shares) > 0 or counts[many] <= _UNEQUAL * counts[few]:
        return both[0], both[1]
    # the larger run has been drawn often enough: only the part of the smaller one has to shrink
    left = sum(shares) / growth - shares[many]
    if left > 0:
        alone = max(math.ceil(counts[few] * (shares[few] / left - 1)), 0)
        if alone <= sum(both):
            return (alone, 0) if few == 0 else (0, alone)
    return both[0], both[1]


def _round(count: int) -> int:
    """Round up to two digits, since the plan is no more exact than that."""
    if count < 10:
        return count
    unit = int(10 ** (len(str(count)) - 2))
    return int(math.ceil(count / unit) * unit)
