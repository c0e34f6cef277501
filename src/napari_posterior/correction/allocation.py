"""How many students and pairs to draw, and what that promises beside the teacher alone.

Whether nested or not (see `two_level`), the variance is ``A / N + B / M`` and the cost
``a N + c M``, with N pairs and

    nested       A = V_T - G, G = 2 slope C - slope^2 V_S, a = c_T;    B = G, c = c_S; M = R + N
    independent  A = V_(T - slope S), a = c_T + c_S;     B = slope^2 V_S, c = c_S; M = R

so the best ratio is ``N / M = sqrt(A c / (B a))`` and the best cost times variance
``(sqrt(A a) + sqrt(B c))^2``. Source: M. B. Giles, Acta Numerica 24 (2015) 259-328, section 1.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.numerals import number

if TYPE_CHECKING:
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.pilot import Pilot

__all__ = ["LEAST_SQUARE", "Offer", "Plan", "TooLittleCorrelation", "allocate"]

LEAST_SQUARE: Final = 0.3
"""Squared correlation below which nothing is corrected."""
_LEAST_PAIRS: Final = 8
"""Fewer tell too poorly how far off they are."""
_LEAST_STUDENTS: Final = 8
_AROUND: Final = 64
_ROUNDING: Final = 1e-12  # relative: a budget that buys exactly n samples buys n
_TINY: Final = 1e-300

Counts = Any
"""Numbers, or arrays of numbers that are tried at once."""


class TooLittleCorrelation(PosteriorError):
    """The student follows the teacher too loosely for a correction to gain anything."""


@dataclass(frozen=True)
class Offer:
    """What one way of sampling promises.

    Parameters
    ----------
    teachers, students : int
        Samples of each, those of pairs included.
    seconds : float
        What they take.
    se : float
        Predicted standard error, root mean square over a map.
    bias : float
        Predicted bias, root mean square over a map; 0 where there is none.
    """

    teachers: int
    students: int
    seconds: float
    se: float
    bias: float = 0.0

    @property
    def error(self) -> float:
        """Root mean square error: standard error and bias together."""
        return math.hypot(self.se, self.bias)


@dataclass(frozen=True)
class Plan:
    """How many samples to draw, and what to expect.

    Parameters
    ----------
    pairs, students : int
        Pairs, and students beside them.
    slope, nested
        As `two_level.correct` takes them.
    r : float
        Correlation that the pilot saw.
    corrected, teacher, student : Offer
        Predictions for the corrected estimate, the teacher alone and the student alone: for a
        budget at equal seconds, for a standard error at that error. The student alone is biased.
    refusal : str
        Why nothing should be corrected, in one sentence; empty where it is worth its seconds.
    """

    pairs: int
    students: int
    slope: float
    nested: bool
    r: float
    corrected: Offer
    teacher: Offer
    student: Offer
    refusal: str = ""

    @property
    def speed_up(self) -> float:
        """Seconds times variance of the teacher alone over those of the corrected estimate."""
        return (self.teacher.se**2 * self.teacher.seconds) / (
            self.corrected.se**2 * self.corrected.seconds
        )

    def require(self) -> Plan:
        """Return the plan.

        Raises
        ------
        TooLittleCorrelation
            If it refuses.
        """
        if self.refusal:
            raise TooLittleCorrelation(self.refusal)
        return self


def allocate(
    pilot: Pilot,
    costs: Costs,
    *,
    seconds: float | None = None,
    se: float | None = None,
    slope: float | None = 1.0,
    nested: bool = True,
    most: int | None = None,
) -> Plan:
    """Choose the numbers of pairs and students.

    Parameters
    ----------
    pilot : Pilot
        Of the quantity.
    costs : Costs
        Of one sample.
    seconds, se : float
        One of them: the time to spend, or the standard error wanted, in the quantity's unit.
    slope : float or None
        See `two_level`; None for the best of the pilot, whose pairs are then not used again.
    nested : bool
        Whether the students of the pairs count among the students.
    most : int, optional
        Samples that a sampler can draw at most, those of pairs included: the time that is left by
        fewer students goes to pairs.

    Returns
    -------
    Plan
        With a refusal where r^2 is below 0.3 or the teacher alone does as well.

    Raises
    ------
    InputError
        If not exactly one goal is given, it is not positive, or the time is too short for 8 pairs
        and 8 students; if so many samples as are wanted cannot be drawn; or if the teacher does
        not vary.
    """
    goal = seconds if se is None else se
    if goal is None or None not in (seconds, se) or not 0 < goal < math.inf:
        raise InputError("give either the seconds to spend or the standard error wanted, above 0")
    if not pilot.teacher > 0:
        raise InputError("the teacher's samples do not vary in the pilot; nothing needs correction")
    beta = pilot.slope if slope is None else slope
    timed = se is None
    teacher = _alone(pilot.teacher, costs.teacher, goal, timed=timed)
    student = _alone(pilot.student, costs.student, goal, timed=timed)
    law = _law(pilot, costs, beta, nested=nested, most=most)
    pairs, students = 0, 0
    corrected = Offer(teacher[0], 0, *teacher[1:])
    if law.many > 0:
        pairs, students = law.for_seconds(goal) if timed else law.for_error(goal)
        spent = costs.of(students=students, pairs=pairs)
        error = math.sqrt(law.variance(pairs, students))
        corrected = Offer(pairs, pairs + students, spent, error)
    plan = Plan(
        pairs=pairs,
        students=students,
        slope=beta,
        nested=nested,
        r=pilot.r,
        corrected=corrected,
        teacher=Offer(teacher[0], 0, *teacher[1:]),
        student=Offer(0, student[0], *student[1:], bias=pilot.bias),
    )
    return replace(plan, refusal=_refuse(plan))


@dataclass(frozen=True)
class _Law:
    """Variance ``few / N + many / M`` at the cost ``a N + c M``: see the module."""

    few: float
    a: float
    many: float
    c: float
    nested: bool
    most: float

    def variance(self, pairs: Counts, students: Counts) -> Counts:
        all_ = students + pairs if self.nested else students
        return self.few / pairs + self.many / all_

    def seconds(self, pairs: Counts, students: Counts) -> Counts:
        all_ = students + pairs if self.nested else students
        return self.a * pairs + self.c * all_

    def for_seconds(self, seconds: float) -> tuple[int, int]:
        """Return pairs and students of the least variance within the time."""
        pair = self.seconds(1, 0)
        most = int((seconds - _LEAST_STUDENTS * self.c) / pair * (1 + _ROUNDING))
        if most < _LEAST_PAIRS:
            least = self.seconds(_LEAST_PAIRS, _LEAST_STUDENTS)
            raise InputError(
                f"{number(seconds)} s are too short for {_LEAST_PAIRS} pairs and {_LEAST_STUDENTS} "
                f"students, which take {number(least)} s; give more time or a smaller region"
            )
        most = int(min(most, self.most - _LEAST_STUDENTS))
        best_pairs = seconds / (self.a + self.c / max(self.ratio, _TINY))
        if seconds - self.a * best_pairs > self.c * self.most:
            best_pairs = (seconds - self.c * self.most) / self.a
        tried = _around(best_pairs, most)
        students = np.floor((seconds - pair * tried) / self.c * (1 + _ROUNDING))
        students = np.clip(students, _LEAST_STUDENTS, self.most - tried)
        best = int(np.argmin(self.variance(tried, students)))
        return int(tried[best]), int(students[best])

    def for_error(self, se: float) -> tuple[int, int]:
        """Return pairs and students of the least cost that reach the standard error."""
        square = se**2
        rest = square - self.many / self.most
        least = max(int(self.few / rest) + 1, _LEAST_PAIRS) if rest > 0 else math.inf
        if least + _LEAST_STUDENTS > self.most:
            raise InputError(
                f"a standard error of {number(se, 2)} takes more than the {self.most:.0f} samples "
                "that a run can hold; ask for a larger one"
            )
        best_pairs = (self.few + self.many * self.ratio) / square
        tried = _around(best_pairs, self.most - _LEAST_STUDENTS, least=int(least))
        all_ = np.ceil(self.many / (square - self.few / tried) * (1 - _ROUNDING))
        students = np.maximum(all_ - tried if self.nested else all_, _LEAST_STUDENTS)
        best = int(np.argmin(self.seconds(tried, students)))
        return int(tried[best]), int(min(students[best], self.most - tried[best]))

    @property
    def ratio(self) -> float:
        """The best N / M."""
        return math.sqrt(self.few * self.c / (self.many * self.a))


def _law(pilot: Pilot, costs: Costs, slope: float, *, nested: bool, most: int | None) -> _Law:
    top = math.inf if most is None else float(most)
    many = slope**2 * pilot.student
    crossed = 2 * slope * pilot.covariance
    if not nested:
        few = max(pilot.teacher + many - crossed, 0.0)
        return _Law(few, costs.teacher + costs.student, many, costs.student, nested, top)
    gained = crossed - many
    few = max(pilot.teacher - gained, 0.0)
    return _Law(few, costs.teacher, gained, costs.student, nested, top)


def _around(best: float, most: float, *, least: int = _LEAST_PAIRS) -> np.ndarray:
    """Return whole numbers near the best: the variance is convex in them."""
    middle = min(max(round(best), least), most)
    low, high = max(middle - _AROUND, least), min(middle + _AROUND, most)
    return np.arange(low, high + 1, dtype=np.float64)


def _alone(variance: float, cost: float, goal: float, *, timed: bool) -> tuple[int, float, float]:
    """Return how many samples of one sampler, their seconds and standard error."""
    if timed:
        count = max(int(goal / cost * (1 + _ROUNDING)), 1)
    else:
        count = max(math.ceil(variance / goal**2 * (1 - _ROUNDING)), 1)
    return count, count * cost, math.sqrt(variance / count)


def _refuse(plan: Plan) -> str:
    """Say why nothing should be corrected, or nothing."""
    if max(plan.r, 0.0) ** 2 < LEAST_SQUARE:
        return (
            f"The student follows the teacher too loosely to correct anything (correlation "
            f"{number(plan.r, 2)} on shared noise, {number(math.sqrt(LEAST_SQUARE), 2)} is needed):"
            " draw from the teacher alone, or use a student that is trained on its trajectories."
        )
    if plan.pairs == 0 or plan.speed_up <= 1:
        return (
            "For this quantity the teacher alone is as exact in the same time: draw from the "
            "teacher alone."
        )
    return ""
