"""The gap between the sample means, in posterior standard deviations of the teacher."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.finding import Finding, confidence, number, rounded
from napari_posterior.checks.gram import Gram, centred, group
from napari_posterior.checks.intervals import Estimate
from napari_posterior.checks.two_sample import (
    permutation_p,
    permutation_words,
    split_half_floor,
)
from napari_posterior.checks.verdicts.evidence import GapEvidence

if TYPE_CHECKING:
    from napari_posterior.checks.affine import Affine

__all__ = ["find_mean_gap", "gap_squared", "mean_gap"]

_HALVES: Final = 8  # samples, so that a half has a gap without bias


def gap_squared(gram: Gram) -> float:
    """Return the unbiased squared distance of the means, a U-statistic; it can be negative.

    Notes
    -----
    Chen & Qin (2010), Ann. Statist. 38:808. The distance of the two averages itself is biased
    by ``V_T / K_T + V_S / K_S``.
    """
    a, b, c = _blocks(gram)
    m, n = gram.n_teacher, gram.n_student
    return float(
        (a.sum() - np.trace(a)) / (m * (m - 1))
        + (b.sum() - np.trace(b)) / (n * (n - 1))
        - 2 * c.mean()
    )


def mean_gap(gram: Gram, *, level: float, paired: bool) -> Estimate:
    """Estimate G = |mu_S - mu_T| / sqrt(tr Sigma_T) with an interval by test inversion.

    Parameters
    ----------
    gram : Gram
        At least 4 samples of each run; in pairs, as many of each.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Estimate
        In posterior standard deviations; `se` is that of the squared gap at gap 0, relative to
        the variance. The uncertainty of tr Sigma_T itself is left out.

    Notes
    -----
    The squared gap M has ``Var(U) = V0 + c M``; the interval holds the M that a normal test of
    U does not reject: the roots of ``(U - M)^2 = q^2 (V0 + c M)``, the lower one 0 where U is
    within ``q sqrt(V0)`` of 0. Samples that share their noise must be given in pairs: taken as
    independent they bias U by ``-2 rho V / K``.
    """
    method = "U-statistic, interval by test inversion" + (", paired" if paired else "")
    variance = group(_blocks(gram)[0]).total_variance
    if not variance > 0:
        return Estimate(None, (None, None), math.nan, math.inf, method)
    u, v0, c = _paired_law(gram) if paired else _law(gram)
    q = float(stats.norm.isf((1 - level) / 2))
    # A U below 0 is sampling noise: it must not make the upper end narrower than U = 0 would.
    square = max(u, 0.0)
    middle = 2 * square + q**2 * c
    root = math.sqrt(max(middle**2 - 4 * (square**2 - q**2 * v0), 0.0))
    high = max((middle + root) / 2, 0.0)
    low = max((middle - root) / 2, 0.0) if u > q * math.sqrt(v0) else 0.0
    to_gap = [math.sqrt(max(v, 0.0) / variance) for v in (u, low, high)]
    return Estimate(
        to_gap[0],
        (to_gap[1], to_gap[2]),
        math.sqrt(v0) / variance,
        math.inf,
        method,
        GapEvidence(u, v0, c, variance),
    )


def find_mean_gap(
    gram: Gram,
    *,
    level: float,
    paired: bool,
    rho: float | None,
    brightness: Affine | None = None,
) -> Finding:
    """Compare the sample means of two runs.

    Parameters
    ----------
    gram : Gram
        At least 4 samples of each run; in pairs, as many of each.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    rho : float or None
        Correlation of the samples of a pair, to keep.
    brightness : Affine, optional
        From `affine.explain_gap`: told where it explains most of the gap, and never decides.
    """
    estimate = mean_gap(gram, level=level, paired=paired)
    teacher = group(_blocks(gram)[0])
    pixel_sd = math.sqrt(max(teacher.total_variance, 0.0) / gram.n_pixels)
    if estimate.value is None:
        sentence = "The gap cannot be estimated: the teacher's samples do not vary."
        in_photoelectrons = None
    else:
        low, high = (0.0 if v is None else v for v in estimate.interval)
        in_photoelectrons = [v * pixel_sd for v in (estimate.value, low, high)]
        value, ends = rounded(estimate.value, estimate.interval)
        span = f"{confidence(level)} interval {ends}"
        size = (
            f"lie within sampling noise of each other ({span} posterior SD"
            if estimate.value == 0
            else f"are about {value} posterior SD apart ({span}"
        )
        sentence = (
            f"The means of {gram.n_student} student and {gram.n_teacher} teacher samples {size}; "
            f"1 posterior SD is {number(pixel_sd, 2)} photoelectrons per pixel)."
        )
    return Finding(
        id="mean",
        title="gap between the means",
        estimand="RMS over pixels of mean of student − mean of teacher, in teacher SD",
        unit="posterior SD",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=gram.n_teacher,
        n_student=gram.n_student,
        coupled=paired,
        sentence=sentence,
        question="mean",
        kind="mean",
        evidence=estimate.evidence,
        distance=True,
        p_value=None
        if estimate.value is None
        else permutation_p(gram, statistic="mean", paired=paired),
        p_method=permutation_words(paired=paired),
        notes=(brightness.sentence,) if brightness is not None and brightness.explains else (),
        extra={
            "brightness": None if brightness is None else brightness.to_dict(),
            "squared_gap": gap_squared(gram) / gram.n_pixels,
            # of the squared gap over the variance, if the student were the teacher
            "split_half": None if gram.n_teacher < _HALVES else split_half_floor(gram),
            "photoelectrons_per_px": in_photoelectrons,
            "teacher_sd_per_px": pixel_sd,
            "relative_se_of_squared_gap_at_zero": estimate.se,
            "rho": rho,
        },
    )


def _blocks(gram: Gram) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the teacher, student and cross blocks."""
    m = gram.n_teacher
    return gram.matrix[:m, :m], gram.matrix[m:, m:], gram.matrix[:m, m:]


def _law(gram: Gram) -> tuple[float, float, float]:
    """Return U, V0 and c of independent runs."""
    a, b, _ = _blocks(gram)
    m, n = gram.n_teacher, gram.n_student
    teacher, student = group(a), group(b)
    within = gram.matrix.copy()
    for rows in (gram.teacher, gram.student):
        within[rows] -= within[rows].mean(0)
    for rows in (gram.teacher, gram.student):
        within[:, rows] -= within[:, rows].mean(1)[:, None]
    cross = float((within[:m, m:] ** 2).sum()) / ((m - 1) * (n - 1))
    v0 = (
        2 * max(teacher.square, 0.0) / (m * (m - 1))
        + 2 * max(student.square, 0.0) / (n * (n - 1))
        + 4 * cross / (m * n)
    )
    weights = np.concatenate([np.full(m, -1 / m), np.full(n, 1 / n)])
    along = gram.matrix @ weights
    square = float(weights @ along)
    direction = np.mean([np.var(along[rows], ddof=1) for rows in (gram.teacher, gram.student)])
    largest = _largest(within, m + n - 2)
    average = cross / teacher.total_variance
    scale = _scale(float(direction), square, average, largest)
    return gap_squared(gram), v0, 4 * scale * (1 / m + 1 / n)


def _paired_law(gram: Gram) -> tuple[float, float, float]:
    """Return U, V0 and c of runs in pairs, from the inner products of the differences."""
    a, b, c = _blocks(gram)
    differences = a + b - c - c.T
    n = gram.n_teacher
    spread = group(differences)
    u = float((differences.sum() - np.trace(differences)) / (n * (n - 1)))
    square_trace = max(spread.square, 0.0)
    v0 = 2 * square_trace / (n * (n - 1))
    if not spread.total_variance > 0:
        return u, 0.0, 0.0
    along = differences.mean(1)
    largest = _largest(centred(differences), n - 1)
    average = square_trace / spread.total_variance
    scale = _scale(float(np.var(along, ddof=1)), float(along.mean()), average, largest)
    return u, v0, 4 * scale / n


def _largest(inner: np.ndarray, freedom: int) -> float:
    """Return the largest eigenvalue of the covariance, less what few samples add to it.

    That of `freedom` samples is too large by the mean of the others, about ``tr(Sigma) / freedom``.
    """
    values = np.linalg.eigvalsh(inner)
    excess = float(values.sum() - values[-1]) / freedom
    return max(float(values[-1]) - excess, 0.0) / freedom


def _scale(direction: float, square: float, average: float, largest: float) -> float:
    """Return the variance along the gap, pulled towards the largest one as it is noisy."""
    along = direction / square if square > 0 else 0.0
    return math.sqrt(max(along, average) * max(largest, 0.0))
