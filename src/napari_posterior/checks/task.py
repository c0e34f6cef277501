"""A statistic computed on every sample: difference of its means and ratio of its spreads."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_posterior.checks.finding import Finding, number, percent, rounded
from napari_posterior.checks.intervals import (
    jackknife_log_ratio,
    leave_one_out_variance,
    mean_difference,
)

__all__ = ["find_difference", "find_spread_ratio"]


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
    span = f"{percent(level)} interval {ends}"
    if not estimate.se > 0:
        span = "no variation among these samples, so the interval has no width"
    share = "" if relative is None else f", {number(100 * relative, 2, sign=True)} %"
    if unit and unit in title:  # it counts what it is called after
        told = f"On average a student sample has {number(means[1], 3)}{word} and a teacher sample"
    else:
        told = (
            f"On average the {title} is {number(means[1], 3)}{word} in a student sample and in a "
            "teacher sample"
        )
    sentence = f"{told} {number(means[0], 3)}: a difference of {written}{share} ({span})."
    return Finding(
        id=key,
        title=title,
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
    """Compare the standard deviation of a statistic between two runs; see `find_difference`."""
    variances = [float(np.var(v, ddof=1)) for v in (teacher, student)]
    squared = jackknife_log_ratio(
        (variances[0], leave_one_out_variance(np.asarray(teacher, np.float64))),
        (variances[1], leave_one_out_variance(np.asarray(student, np.float64))),
        level=level,
        paired=paired,
    )
    value, (low, high) = squared.value, squared.interval
    value = None if value is None else value**0.5
    bounds = (None if low is None else low**0.5, None if high is None else high**0.5)
    if value is None:
        sentence = (
            f"The {title} is the same in every teacher sample; there is no spread to compare."
        )
    elif bounds[0] is None:
        sentence = f"Too few different values of the {title} for an interval of its spread."
    else:
        written, ends = rounded(value, bounds)
        sentence = (
            f"From sample to sample the {title} varies {written} times as much in the "
            f"student ({percent(level)} interval {ends})."
        )
    return Finding(
        id=f"{key}.spread",
        title=f"{title}, spread ratio",
        estimand="SD over student samples / SD over teacher samples",
        unit="",
        estimate=value,
        interval=bounds,
        level=level,
        method=squared.method,
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        extra={"se_log_variance": squared.se, "df": squared.df},
    )
