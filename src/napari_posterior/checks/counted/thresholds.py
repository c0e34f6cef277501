"""Puncta counts over the threshold, and whether the verdict on the count depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.finding import number, percent
from napari_posterior.checks.intervals import Estimate, mean_difference
from napari_posterior.checks.verdicts.verdict import NOT_PRESERVED, PRESERVED, judge
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.checks.verdicts.tolerances import Limits, Tolerance
    from napari_posterior.checks.verdicts.verdict import Verdict

__all__ = ["NEAR", "ThresholdCurve", "ThresholdPoint", "compare_curve", "depends_on_threshold"]

NEAR: Final = (0.8, 1.25)
"""Factors of the threshold between which a verdict should not change: those within 20 or 25 %."""

_OWN: Final = 1.0  # the threshold that was fixed from the measurement


@dataclass(frozen=True)
class ThresholdPoint:
    """Mean counts at one threshold.

    Parameters
    ----------
    factor : float
        Times the threshold that was fixed from the measurement.
    teacher, student : float
        Mean counts over samples.
    teacher_interval, student_interval : tuple of float
        t intervals of these.
    teacher_sd : float
        Standard deviation over teacher samples.
    difference : Estimate
        Student minus teacher.
    counts : tuple of int
        Samples of teacher and student.
    """

    factor: float
    teacher: float
    student: float
    teacher_interval: tuple[float, float]
    student_interval: tuple[float, float]
    teacher_sd: float
    difference: Estimate
    counts: tuple[int, int]

    @property
    def relative(self) -> float | None:
        """Difference as a share of the teacher's mean; None where that is 0."""
        return self._share(self.difference.value)

    @property
    def relative_interval(self) -> tuple[float | None, float | None]:
        """Interval of the difference as a share of the teacher's mean."""
        low, high = self.difference.interval
        return self._share(low), self._share(high)

    def _share(self, value: float | None) -> float | None:
        return None if value is None or not self.teacher else value / self.teacher


@dataclass(frozen=True)
class ThresholdCurve:
    """Counts of two runs over the threshold, from the lowest on.

    Parameters
    ----------
    points : tuple of ThresholdPoint
        One for each threshold.
    unit : str
        Of the counts.
    level : float
        Confidence level of all intervals.
    """

    points: tuple[ThresholdPoint, ...]
    unit: str
    level: float

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a row of JSON values for each threshold, for a plot or a table."""
        return [
            {
                "factor": one.factor,
                "teacher": one.teacher,
                "teacher_low": one.teacher_interval[0],
                "teacher_high": one.teacher_interval[1],
                "student": one.student,
                "student_low": one.student_interval[0],
                "student_high": one.student_interval[1],
                "relative": one.relative,
                "relative_low": one.relative_interval[0],
                "relative_high": one.relative_interval[1],
            }
            for one in self.points
        ]


def compare_curve(
    teacher: Mapping[float, np.ndarray],
    student: Mapping[float, np.ndarray],
    *,
    level: float,
    paired: bool,
    unit: str = "puncta",
) -> ThresholdCurve:
    """Compare the counts of two runs at every threshold.

    Parameters
    ----------
    teacher, student : mapping of float to ndarray, (K,)
        For each factor of the threshold the count of every sample, such as from the statistic
        ``puncta_curve``, whose ``"x0.8"`` is the factor 0.8; in pairs, of the same length.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    unit : str
        Of the counts.

    Returns
    -------
    ThresholdCurve

    Raises
    ------
    InputError
        If the runs were not counted at the same thresholds.
    """
    if teacher.keys() != student.keys():
        raise InputError("the runs were counted at different thresholds; use the same for both")
    points = []
    for factor in sorted(teacher):
        of = [np.asarray(run[factor], np.float64) for run in (teacher, student)]
        points.append(
            ThresholdPoint(
                factor,
                float(of[0].mean()),
                float(of[1].mean()),
                _mean_interval(of[0], level),
                _mean_interval(of[1], level),
                float(of[0].std(ddof=1)),
                mean_difference(of[0], of[1], level=level, paired=paired),
                (len(of[0]), len(of[1])),
            )
        )
    return ThresholdCurve(tuple(points), unit, level)


def depends_on_threshold(curve: ThresholdCurve, tolerance: Tolerance, looks: Looks) -> str | None:
    """Say whether the answer on the count turns over at a threshold nearby.

    It does where one threshold of 0.8, 1 and 1.25 times that of the measurement gives *preserved*
    and another *not preserved*, or where the verdict at 1 is one of these and the estimate at
    another lies on the other side of the tolerance. That fewer puncta leave a question open
    at another threshold does not count.

    Parameters
    ----------
    curve : ThresholdCurve
        With intervals at the level of the looks.
    tolerance : Tolerance
        Of the count; a share or SD is of the teacher at each threshold.
    looks : Looks
        For the tail.

    Returns
    -------
    str or None
        A note ``"Depends on threshold: ..."``; None where it does not, or there is no count at the
        threshold itself.
    """
    near = [one for one in curve.points if one.factor in (*NEAR, _OWN)]
    told, verdicts, inside = [], {}, {}
    for one in near:
        limits = tolerance.resolve(mean=one.teacher, sd=one.teacher_sd, unit=curve.unit)
        if limits is None:
            continue
        verdicts[one.factor] = verdict = _judge(one, limits, looks)
        inside[one.factor] = limits.holds(one.student - one.teacher)
        where = f"{one.factor:g} times the threshold"
        if one.factor == _OWN:
            where = "the threshold itself"
        told.append(f"{_tell(one, curve.unit)} at {where} ({verdict})")
    own = verdicts.get(_OWN)
    if own is None:
        return None
    opposed = {PRESERVED, NOT_PRESERVED} <= set(verdicts.values())
    crossed = own in (PRESERVED, NOT_PRESERVED) and len(set(inside.values())) > 1
    if not opposed and not crossed:
        return None
    return (
        f"Depends on threshold: on this image the {curve.unit} of the student differ by "
        f"{', '.join(told[:-1])} and {told[-1]}."
    )


def _judge(one: ThresholdPoint, limits: Limits, looks: Looks) -> Verdict:
    return judge(
        one.difference.value,
        one.difference.interval,
        limits,
        evidence=one.difference.evidence,
        counts=one.counts,
        looks=looks,
    ).verdict


def _tell(one: ThresholdPoint, unit: str) -> str:
    """Say by how much, as a share where there is a number to take it of."""
    if one.relative is None:
        return f"{number(one.student - one.teacher, 2, sign=True)} {unit} a sample"
    return percent(one.relative, sign=True)


def _mean_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return the t interval of a mean."""
    mean, count = float(values.mean()), len(values)
    reach = float(stats.t.isf((1 - level) / 2, count - 1) * values.std(ddof=1)) / count**0.5
    return mean - reach, mean + reach
