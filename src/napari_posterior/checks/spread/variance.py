"""The total variance of the student's samples against the teacher's, and its map."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import ndimage

from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.gram import Gram, group
from napari_posterior.checks.intervals import Estimate, jackknife_log_ratio
from napari_posterior.checks.two_sample import permutation_p, permutation_words

__all__ = ["MAP_SMOOTHING", "find_variance_ratio", "log2_variance_ratio_map", "variance_ratio"]

MAP_SMOOTHING: Final = 3.0
"""Width in pixels of the Gaussian that maps for looking at are smoothed with."""

_CERTAIN: Final = 0.1  # of the median SD: below it both samplers are certain


def variance_ratio(gram: Gram, *, level: float, paired: bool) -> Estimate:
    """Estimate tr Sigma_S / tr Sigma_T with a jackknife t interval over samples.

    Parameters
    ----------
    gram : Gram
        At least 3 samples of each run; in pairs, as many of each.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    """
    m = gram.n_teacher
    teacher, student = group(gram.matrix[:m, :m]), group(gram.matrix[m:, m:])
    return jackknife_log_ratio(
        (teacher.total_variance, teacher.without),
        (student.total_variance, student.without),
        level=level,
        paired=paired,
    )


def find_variance_ratio(gram: Gram, *, level: float, paired: bool) -> Finding:
    """Compare the total variance of two runs."""
    estimate = variance_ratio(gram, level=level, paired=paired)
    m = gram.n_teacher
    teacher, student = group(gram.matrix[:m, :m]), group(gram.matrix[m:, m:])
    low, high = estimate.interval
    if estimate.value is None:
        sentence = "The ratio cannot be estimated: the teacher's samples do not vary."
    elif estimate.value == 0 or low is None or high is None:
        sentence = "The student's samples do not vary: it gives one image, not draws."
    else:
        sd = math.sqrt(estimate.value)
        change = "as wide as the teacher's"
        if abs(sd - 1) >= 0.005:
            word = "narrower" if sd < 1 else "wider"
            change = f"{percent(abs(sd - 1))} {word} than the teacher's"
        written, ends = rounded(estimate.value, estimate.interval)
        sentence = (
            f"The student's samples have {written} times the variance of the "
            f"teacher's ({confidence(level)} interval {ends}): "
            f"its error bars are {change}."
        )
    return Finding(
        id="variance",
        title="variance ratio",
        estimand="total variance of student / total variance of teacher",
        unit="",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=gram.n_teacher,
        n_student=gram.n_student,
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        question="variance",
        kind="variance",
        evidence=estimate.evidence,
        p_value=permutation_p(gram, statistic="variance", paired=paired),
        p_method=permutation_words(paired=paired),
        correlation=estimate.correlation,
        extra={
            "se_log": estimate.se,
            "df": estimate.df,
            "teacher_variance_per_px": teacher.total_variance / gram.n_pixels,
            "student_variance_per_px": student.total_variance / gram.n_pixels,
            "teacher_dimension": teacher.dimension,
            "student_dimension": student.dimension,
        },
    )


def log2_variance_ratio_map(
    teacher_sd: np.ndarray, student_sd: np.ndarray, *, smoothing: float = 0.0
) -> np.ndarray:
    """Return log2 of the variance ratio student / teacher per pixel, (H, W) float32.

    Pixels where both standard deviations are below a tenth of the median one are NaN: both
    samplers are certain there. The values are for looking at: at one pixel, 10 % of variance
    would need thousands of samples.

    Parameters
    ----------
    teacher_sd, student_sd : ndarray, (H, W)
        Standard deviations over samples, photoelectrons per pixel.
    smoothing : float
        Both variances are averaged with a Gaussian of this width in pixels before the ratio is
        taken, which shows regions instead of the noise of few samples.
    """
    variances = [np.square(np.asarray(sd, np.float64)) for sd in (teacher_sd, student_sd)]
    if smoothing > 0:
        variances = [ndimage.gaussian_filter(v, smoothing, mode="reflect") for v in variances]
    floor = _CERTAIN**2 * float(np.median((variances[0] + variances[1]) / 2))
    floor = max(floor, float(np.finfo(np.float32).tiny))
    ratio = np.log2(np.maximum(variances[1], floor) / np.maximum(variances[0], floor))
    blank = (variances[0] < floor) & (variances[1] < floor)
    return np.where(blank, np.nan, ratio).astype(np.float32)
