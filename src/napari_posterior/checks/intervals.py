"""Intervals for differences and ratios of two groups of samples, independent or in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import stats

from napari_posterior.checks.verdicts.evidence import Evidence, TEvidence

__all__ = [
    "Estimate",
    "delete_one",
    "jackknife_log_ratio",
    "leave_one_out_total",
    "leave_one_out_variance",
    "mean_difference",
]

_NOTHING: Final = 1e-6  # of a variance: what rounding leaves of copies of one image


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
    evidence : Evidence or None
        What it says about limits; None where there is no standard error.
    correlation : float or None
        In pairs, of what one sample of each run adds to the estimate; None where nothing varies. An
        interval is about ``sqrt(1 - correlation)`` times as wide as that of as many independent
        samples.
    """

    value: float | None
    interval: tuple[float | None, float | None]
    se: float
    df: float
    method: str
    evidence: Evidence | None = None
    correlation: float | None = None

    def p_value(self, no_difference: float) -> float | None:
        """Return the two-sided p-value of no difference; None without a standard error."""
        if self.evidence is None or not self.se > 0:
            return None
        sides = self.evidence.below(no_difference), self.evidence.above(no_difference)
        return min(2 * min(sides), 1.0)


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
    shares: tuple[float, float] | None
    correlation = None
    if paired:
        correlation = _correlation(np.asarray(teacher), np.asarray(student))
        differences = np.asarray(student) - np.asarray(teacher)
        count = len(differences)
        se = float(np.std(differences, ddof=1)) / math.sqrt(count)
        df = float(count - 1)
        shares = None
        method = "paired t"
    else:
        parts = [float(np.var(v, ddof=1)) / len(v) for v in (teacher, student)]
        se = math.sqrt(sum(parts))
        bottom = sum(p**2 / (len(v) - 1) for p, v in zip(parts, (teacher, student), strict=True))
        df = sum(parts) ** 2 / bottom if bottom > 0 else float(len(teacher) + len(student) - 2)
        shares = parts[0], parts[1]
        method = "Welch t"
    reach = float(stats.t.isf((1 - level) / 2, df)) * se if se > 0 else 0.0
    evidence = TEvidence(estimate, se, df, shares=shares)
    ends = estimate - reach, estimate + reach
    return Estimate(estimate, ends, se, df, method, evidence, correlation)


def leave_one_out_variance(values: np.ndarray) -> np.ndarray:
    """Return the variance (ddof 1) without each value in turn, (K,)."""
    return leave_one_out_total((values - values.mean()) ** 2)[1]


def leave_one_out_total(squares: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the total variance of a run, and that without each sample in turn, (K,).

    Parameters
    ----------
    squares : ndarray, (K,)
        Squared distance of each sample from the mean of all, K of 3 or more.

    Notes
    -----
    ``V = sum d / (K-1)`` and ``V_(-i) = ((K-1) V - K/(K-1) d_i) / (K-2)``.
    """
    count = len(squares)
    total = float(squares.sum() / (count - 1))
    left = ((count - 1) * total - count / (count - 1) * squares) / (count - 2)
    return total, np.asarray(np.maximum(left, 0.0))


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
        becomes zero when one sample is left out; 0 without doubt where the student's is zero
        whichever sample is left out.
    """
    method = "paired jackknife t of the log ratio" if paired else "jackknife t of the log ratio"
    if not (teacher[0] > 0):
        return Estimate(None, (None, None), math.nan, math.nan, method)
    ratio = student[0] / teacher[0]
    if max(student[0], student[1].max()) <= _NOTHING * teacher[0]:
        return Estimate(0.0, (0.0, 0.0), 0.0, math.inf, method, TEvidence(0.0, 0.0, math.inf))
    if not (student[0] > 0 and (teacher[1] > 0).all() and (student[1] > 0).all()):
        return Estimate(ratio, (None, None), math.nan, math.nan, method)
    logs = [np.log(teacher[1]), np.log(student[1])]
    parts = [logs[1] - logs[0]] if paired else logs
    squares = [(len(v) - 1) / len(v) * float(((v - v.mean()) ** 2).sum()) for v in parts]
    se = math.sqrt(sum(squares))
    shares = None if paired else (squares[0], squares[1])
    df = float(len(parts[0]) - 1 if paired else len(logs[0]) + len(logs[1]) - 2)
    reach = float(stats.t.isf((1 - level) / 2, df)) * se if se > 0 else 0.0
    ends = ratio * math.exp(-reach), ratio * math.exp(reach)
    evidence = TEvidence(ratio, se, df, True, shares)
    correlation = _correlation(logs[0], logs[1]) if paired else None
    return Estimate(ratio, ends, se, df, method, evidence, correlation)


def delete_one(value: float, without: np.ndarray, *, level: float, method: str) -> Estimate:
    """Return the t interval of a number from its values without each unit in turn, (n,)."""
    count = len(without)
    if count < 2:
        return Estimate(value, (None, None), math.nan, math.nan, method)
    se = math.sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    reach = float(stats.t.isf((1 - level) / 2, count - 1)) * se if se > 0 else 0.0
    evidence = TEvidence(value, se, float(count - 1))
    return Estimate(value, (value - reach, value + reach), se, count - 1.0, method, evidence)


def _correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Return the correlation of two columns; None where one does not vary."""
    away = [column - column.mean() for column in (first, second)]
    scale = math.sqrt(float((away[0] ** 2).sum()) * float((away[1] ** 2).sum()))
    return float((away[0] * away[1]).sum()) / scale if scale > 0 else None
