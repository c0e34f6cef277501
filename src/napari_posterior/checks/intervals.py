"""Intervals for differences and ratios of two groups of samples, independent or in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

__all__ = [
    "Estimate",
    "delete_one",
    "jackknife_log_ratio",
    "leave_one_out_variance",
    "mean_difference",
]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval.

    Parameters
    ----------
    value : float or None
        None where it cannot be estimated.
    interval : tuple of float or None
        Lower and upper end.
    se, df : float
        Standard error and degrees of freedom behind the interval.
    method : str
        In words.
    """

    value: float | None
    interval: tuple[float | None, float | None]
    se: float
    df: float
    method: str


def mean_difference(
    teacher: np.ndarray, student: np.ndarray, *, level: float, paired: bool
) -> Estimate:
    """Estimate mean(student) - mean(teacher) with Welch's t interval, or the paired one.

    Parameters
    ----------
    teacher, student : ndarray, (K,)
        One value for each sample; in pairs, the same length.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Estimate
        Of zero width where no value varies.
    """
    estimate = float(np.mean(student) - np.mean(teacher))
    if paired:
        differences = np.asarray(student) - np.asarray(teacher)
        count = len(differences)
        se = float(np.std(differences, ddof=1)) / math.sqrt(count)
        df = float(count - 1)
        method = "paired t"
    else:
        parts = [float(np.var(v, ddof=1)) / len(v) for v in (teacher, student)]
        se = math.sqrt(sum(parts))
        bottom = sum(p**2 / (len(v) - 1) for p, v in zip(parts, (teacher, student), strict=True))
        df = sum(parts) ** 2 / bottom if bottom > 0 else float(len(teacher) + len(student) - 2)
        method = "Welch t"
    reach = float(stats.t.isf((1 - level) / 2, df)) * se if se > 0 else 0.0
    return Estimate(estimate, (estimate - reach, estimate + reach), se, df, method)


def leave_one_out_variance(values: np.ndarray) -> np.ndarray:
    """Return the variance (ddof 1) without each value in turn, (K,)."""
    count = len(values)
    squares = (values - values.mean()) ** 2
    variance = squares.sum() / (count - 1)
    left = ((count - 1) * variance - count / (count - 1) * squares) / (count - 2)
    return np.asarray(np.maximum(left, 0.0))


def jackknife_log_ratio(
    teacher: tuple[float, np.ndarray],
    student: tuple[float, np.ndarray],
    *,
    level: float,
    paired: bool,
) -> Estimate:
    """Estimate the ratio student / teacher of two positive quantities on a log scale.

    Parameters
    ----------
    teacher, student : tuple of float and ndarray, (K,)
        The quantity of all samples, and without each sample in turn.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise: then pairs are left out.

    Returns
    -------
    Estimate
        t interval of the logarithm, K_T + K_S - 2 degrees of freedom (K - 1 in pairs). Without
        a value where the teacher's quantity is zero, and without bounds where the quantity
        becomes zero when one sample is left out.
    """
    method = "paired jackknife t of the log ratio" if paired else "jackknife t of the log ratio"
    if not (teacher[0] > 0):
        return Estimate(None, (None, None), math.nan, math.nan, method)
    ratio = student[0] / teacher[0]
    if not (student[0] > 0 and (teacher[1] > 0).all() and (student[1] > 0).all()):
        return Estimate(ratio, (None, None), math.nan, math.nan, method)
    logs = [np.log(teacher[1]), np.log(student[1])]
    parts = [logs[1] - logs[0]] if paired else logs
    se = math.sqrt(sum((len(v) - 1) / len(v) * float(((v - v.mean()) ** 2).sum()) for v in parts))
    df = float(len(parts[0]) - 1 if paired else len(logs[0]) + len(logs[1]) - 2)
    reach = float(stats.t.isf((1 - level) / 2, df)) * se if se > 0 else 0.0
    return Estimate(ratio, (ratio * math.exp(-reach), ratio * math.exp(reach)), se, df, method)


def delete_one(value: float, without: np.ndarray, *, level: float, method: str) -> Estimate:
    """Return the t interval of a number from its values without each unit in turn, (n,)."""
    count = len(without)
    if count < 2:
        return Estimate(value, (None, None), math.nan, math.nan, method)
    se = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    reach = float(stats.t.isf((1 - level) / 2, count - 1)) * se if se > 0 else 0.0
    return Estimate(value, (value - reach, value + reach), se, float(count - 1), method)
