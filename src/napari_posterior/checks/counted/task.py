"""A statistic computed on every sample: difference of its means and ratio of its spreads."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, number, percent, rounded
from napari_posterior.checks.intervals import (
    Estimate,
    jackknife_log_ratio,
    leave_one_out_variance,
    mean_difference,
)
from napari_posterior.checks.verdicts.evidence import TEvidence
from napari_posterior.statistics import quantify
from napari_posterior.statistics.proportions import fisher_mid_p, newcombe_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.verdicts.tolerances import Limits
    from napari_posterior.statistics import Statistic, StatisticContext

__all__ = [
    "check_deterministic",
    "find_difference",
    "find_spread_ratio",
    "find_undefined",
    "wide_limit_note",
]

_WIDEST: Final = 1.0  # teacher SD: a limit beyond lets nearly everything pass


def find_difference(
    key: str,
    title: str,
    unit: str,
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    level: float,
    paired: bool,
    extra: dict[str, Any] | None = None,
) -> Finding:
    """Compare the mean of a statistic between two runs.

    Parameters
    ----------
    key, title, unit : str
        Identifier of the finding, the statistic in words, its unit.
    teacher, student : ndarray, (K,)
        The statistic of every sample; in pairs, the same length.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    extra : dict, optional
        Further numbers to keep, such as thresholds.
    """
    estimate = mean_difference(teacher, student, level=level, paired=paired)
    value = float(estimate.value or 0.0)
    means = float(np.mean(teacher)), float(np.mean(student))
    relative = value / means[0] if means[0] else None
    word = f" {unit}" if unit else ""
    written, ends = rounded(value, estimate.interval, sign=True)
    span = f"{confidence(level)} interval {ends}"
    if not estimate.se > 0:
        span = "no variation among these samples, so the interval has no width"
    share = "" if relative is None else f", {number(100 * relative, 2, sign=True)} %"
    if unit and unit in title:  # it counts what it is called after
        _, at, place = key.partition("@")
        where = f"On this image, in {place}," if at else "On this image"
        told = (
            f"{where} a student sample has on average {number(means[1], 3)}{word} and a "
            "teacher sample"
        )
    else:
        told = (
            f"On this image the {title} is on average {number(means[1], 3)}{word} in a student "
            "sample and in a teacher sample"
        )
    sentence = f"{told} {number(means[0], 3)}: a difference of {written}{share} ({span})."
    return Finding(
        id=key,
        title=title,
        question="task",
        kind="statistic",
        estimand="mean over student samples − mean over teacher samples",
        unit=unit,
        estimate=value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        evidence=estimate.evidence,
        p_value=estimate.p_value(0.0),
        p_method=estimate.method,
        correlation=estimate.correlation,
        extra={
            "se": estimate.se,
            "df": estimate.df,
            "teacher_mean": means[0],
            "student_mean": means[1],
            "teacher_sd": float(np.std(teacher, ddof=1)),
            "student_sd": float(np.std(student, ddof=1)),
            "relative": relative,
            **(extra or {}),
        },
    )


def find_spread_ratio(
    key: str, title: str, teacher: np.ndarray, student: np.ndarray, *, level: float, paired: bool
) -> Finding:
    """Compare the standard deviation of a statistic between two runs; see `find_difference`.

    Of a student whose samples all have one value the upper end is not 0: a count that rarely
    changes is the same in a few samples by chance. See `_most_spread`.
    """
    variances = [float(np.var(v, ddof=1)) for v in (teacher, student)]
    squared = jackknife_log_ratio(
        (variances[0], leave_one_out_variance(np.asarray(teacher, np.float64))),
        (variances[1], leave_one_out_variance(np.asarray(student, np.float64))),
        level=level,
        paired=paired,
    )
    estimate, method = _of_root(squared), squared.method
    if estimate.value == 0:
        high = _most_spread(np.asarray(teacher, np.float64), len(student), (1 - level) / 2)
        estimate = replace(estimate, interval=(0.0, high), evidence=None)
        method = "largest share of samples that may differ where none does"
    value, bounds = estimate.value, estimate.interval
    ends = rounded(value, bounds)[1]
    if value is None:
        sentence = (
            f"On this image the {title} is the same in every teacher sample; there is no spread to "
            "compare."
        )
    elif value == 0:
        sentence = (
            f"On this image the {title} is the same in every student sample: it varies at most "
            f"{number(bounds[1], 2)} times as much as in the teacher ({confidence(level)} interval "
            f"{ends})."
        )
    elif bounds[0] is None:
        sentence = (
            f"On this image there are too few different values of the {title} for an interval of "
            "its spread."
        )
    else:
        sentence = (
            f"On this image the {title} varies from sample to sample "
            f"{rounded(value, bounds)[0]} times as much in the student as in the teacher "
            f"({confidence(level)} interval {ends})."
        )
    return Finding(
        id=f"{key}.spread",
        title=f"{title}, spread ratio",
        question="task",
        kind="spread",
        estimand="SD over student samples / SD over teacher samples",
        unit="",
        estimate=value,
        interval=bounds,
        level=level,
        method=method,
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        evidence=estimate.evidence,
        p_value=estimate.p_value(1.0),
        p_method=squared.method,
        correlation=estimate.correlation,
        extra={"se_log_variance": squared.se, "df": squared.df},
    )


def _of_root(squared: Estimate) -> Estimate:
    """Turn a ratio of variances into that of the standard deviations."""
    if squared.value is None:
        return squared
    low, high = (None if end is None else math.sqrt(end) for end in squared.interval)
    known = squared.evidence
    if isinstance(known, TEvidence):
        shares = None if known.shares is None else (known.shares[0] / 4, known.shares[1] / 4)
        known = replace(known, value=math.sqrt(known.value), se=known.se / 2, shares=shares)
    value = math.sqrt(squared.value)
    return replace(squared, value=value, interval=(low, high), se=squared.se / 2, evidence=known)


def _most_spread(teacher: np.ndarray, n_student: int, tail: float) -> float:
    """Return the largest spread ratio that a student without any spread leaves open.

    Where none of K samples differs, ``1 - tail^(1 / K)`` of all may (the "rule of three"); they are
    taken to differ as far as the teacher's do from the value in their middle.
    """
    away = teacher - np.quantile(teacher, 0.5, method="lower")
    jumps = float(np.mean(away[away != 0] ** 2))
    share = 1 - float(tail) ** (1 / n_student)
    return math.sqrt(share * jumps / float(np.var(teacher, ddof=1)))


def find_undefined(
    key: str,
    title: str,
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    level: float,
    paired: bool,
) -> Finding:
    """Compare in how many samples of two runs a statistic is not defined; without a verdict.

    Parameters
    ----------
    key, title : str
        Identifier of the statistic, the same in words.
    teacher, student : ndarray, (K_T,) and (K_S,)
        The statistic of **every** sample, NaN where it is not defined.
    level : float
        Confidence level.
    paired : bool
        Whether samples share their noise. The interval, Newcombe's for independent proportions, is
        then too wide rather than too narrow.

    Returns
    -------
    Finding
        Student's share of undefined samples minus the teacher's.
    """
    columns = np.asarray(teacher, np.float64), np.asarray(student, np.float64)
    missing = [int((~np.isfinite(column)).sum()) for column in columns]
    counts = [len(column) for column in columns]
    ends = newcombe_interval(missing[1], counts[1], missing[0], counts[0], level=level)
    interval = float(ends[0]), float(ends[1])
    value = missing[1] / counts[1] - missing[0] / counts[0]
    p_value = None
    if not paired:
        few, many = np.array([missing[1]]), np.array([missing[0]])
        p_value = float(fisher_mid_p(few, counts[1], many, counts[0])[0])
    span = f"{percent(interval[0], sign=True)} to {percent(interval[1], sign=True)}"
    return Finding(
        id=f"{key}.undefined",
        title=f"{title}, samples without it",
        question="task",
        estimand="share of student samples where it is not defined − that of teacher samples",
        unit="share of samples",
        estimate=value,
        interval=interval,
        level=level,
        method="Newcombe's interval of two proportions",
        n_teacher=counts[0],
        n_student=counts[1],
        coupled=paired,
        sentence=(
            f"On this image the {title} is not defined in {missing[0]} of {counts[0]} teacher "
            f"samples and in {missing[1]} of {counts[1]} student samples, such as where nothing "
            f"was found: a difference of {percent(value, sign=True)} of the samples "
            f"({confidence(level)} interval {span}); they are left out of its comparison."
        ),
        p_value=p_value,
        p_method="" if p_value is None else "Fisher mid-p",
        extra={"teacher_undefined": missing[0], "student_undefined": missing[1]},
    )


def check_deterministic(
    statistic: Statistic, planes: Sequence[np.ndarray], contexts: Sequence[StatisticContext]
) -> str | None:
    """Say what keeps a statistic from being compared: chance in it, or that it alters the sample.

    Parameters
    ----------
    statistic : Statistic
        Perhaps a function of the user.
    planes : sequence of ndarray, (H, W)
        One sample, photoelectrons per pixel.
    contexts : sequence of StatisticContext
        One for each plane.

    Returns
    -------
    str or None
        A sentence; None where it gives the same numbers twice.

    Raises
    ------
    InputError
        If it gives what is not a finite number.
    """
    found = []
    for _ in range(2):
        given = [np.array(plane) for plane in planes]
        found.append(quantify(statistic, given, contexts))
        if not all(map(_equal, given, planes)):
            return (
                f"The statistic {statistic.name!r} changes the sample that it measures; let it "
                "work on a copy."
            )
    first, second = found
    if first.keys() != second.keys():
        return (
            f"The statistic {statistic.name!r} gave other quantities when the same sample was "
            "measured again; return the same names for every sample."
        )
    for key, one in first.items():
        again = second[key].value
        if not _equal(np.asarray(one.value), np.asarray(again)):
            return (
                f"The statistic {statistic.name!r} gave {number(one.value, 4)} and then "
                f"{number(again, 4)} for the same sample; fix the seed of what is random in it."
            )
    return None


def wide_limit_note(limits: Limits, teacher_sd: float | None, *, unit: str = "") -> str | None:
    """Warn of a limit that is wider than the spread of the teacher's own samples.

    Parameters
    ----------
    limits : Limits
        Of a difference, in the unit of the statistic.
    teacher_sd : float or None
        Standard deviation over teacher samples.
    unit : str
        Unit of both.

    Returns
    -------
    str or None
        A sentence; None where the limit is narrower, open, or there is no spread.
    """
    ends = [abs(end) for end in (limits.low, limits.high) if end is not None]
    if not teacher_sd or not ends or min(ends) <= _WIDEST * teacher_sd:
        return None
    word = f" {unit}" if unit else ""
    return (
        f"The limit, {limits.words}, is wider than the spread of the teacher's own samples (1 SD "
        f"is {number(teacher_sd)}{word}): nearly everything passes it."
    )


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.array_equal(one, other, equal_nan=True))
