"""The gap between the sample means, in posterior standard deviations of the teacher."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, number, rounded
from napari_posterior.checks.gram import Gram, Group, centred, group
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
        the variance.

    Notes
    -----
    See `GapEvidence` for the law whose tests are inverted. Samples that share their noise must be
    given in pairs: taken as independent they bias U by ``-2 rho V / K``.
    """
    method = "U-statistic, interval by test inversion" + (", paired" if paired else "")
    teacher = group(_blocks(gram)[0])
    variance = teacher.total_variance
    if not variance > 0:
        return Estimate(None, (None, None), math.nan, math.inf, method)
    law = _paired_law(gram, teacher) if paired else _law(gram, teacher)
    ends = law.interval((1 - level) / 2)
    value = math.sqrt(max(law.square, 0.0) / variance)
    return Estimate(value, ends, math.sqrt(law.still) / variance, law.df, method, law)


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
        correlation=rho if paired else None,
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


def _law(gram: Gram, teacher: Group) -> GapEvidence:
    """Return the law of U of independent runs."""
    m, n = gram.n_teacher, gram.n_student
    student = group(_blocks(gram)[1])
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
    return _find_law(
        gap_squared(gram),
        v0,
        [along[gram.teacher], along[gram.student]],
        trace=teacher.total_variance / m + student.total_variance / n,
        largest=_largest(within, m + n - 2) * (1 / m + 1 / n),
        teacher=teacher,
    )


def _paired_law(gram: Gram, teacher: Group) -> GapEvidence:
    """Return the law of U of runs in pairs, from the inner products of the differences."""
    a, b, c = _blocks(gram)
    differences = a + b - c - c.T
    n = gram.n_teacher
    spread = group(differences)
    return _find_law(
        float((differences.sum() - np.trace(differences)) / (n * (n - 1))),
        2 * max(spread.square, 0.0) / (n * (n - 1)),
        [differences.mean(1)],
        trace=spread.total_variance / n,
        largest=_largest(centred(differences), n - 1) / n,
        teacher=teacher,
    )


def _find_law(
    u: float,
    v0: float,
    along: list[np.ndarray],
    *,
    trace: float,
    largest: float,
    teacher: Group,
) -> GapEvidence:
    """Return the law of U, with the variance that the gap itself adds.

    Parameters
    ----------
    u, v0 : float
        The unbiased squared gap, and its variance where there is none.
    along : list of ndarray, (K,)
        Inner products of the samples of each group with the difference D of the averages.
    trace, largest : float
        Trace and largest eigenvalue of W, the covariance of D.
    teacher : Group
        Spread of the teacher, which the gap is told in units of.

    Notes
    -----
    ``4 D' W D`` has the mean ``4 g' W g + 2 V0`` for a gap g, so that V0 twice less is the variance
    that the gap adds, without bias. Over U it is the slope where the gap is clear of noise; at
    noise level it is drawn, by one ``sqrt(V0)``, to the geometric mean of the average slope of
    noise, ``2 V0 / tr W``, and the largest there can be. Degrees of freedom after Satterthwaite
    (1946), Biometrics Bulletin 2:110. That the unit V_T is an estimate adds ``r U M``, with r the
    jackknife variance of ln V_T. Derived; checked by simulation in
    docs/operating_characteristics.md.
    """
    shares = [float(np.var(part, ddof=1)) / len(part) for part in along]
    bottom = sum(s**2 / (len(part) - 1) for s, part in zip(shares, along, strict=True))
    df = sum(shares) ** 2 / bottom if bottom > 0 else math.inf
    square, noise = max(u, 0.0), math.sqrt(v0)
    average = 2 * v0 / trace if trace > 0 else 0.0
    drawn = noise * math.sqrt(average * 4 * largest)
    added = max(4 * sum(shares) - 2 * v0, 0.0)
    slope = (added + drawn) / (square + noise) if square + noise > 0 else 0.0
    return GapEvidence(u, v0, slope + _doubt(teacher) * square, teacher.total_variance, largest, df)


def _doubt(teacher: Group) -> float:
    """Return the jackknife variance of ln V, that of V over its square where one is left with 0."""
    count, left = len(teacher.without), teacher.without
    scaled = np.log(left) if (left > 0).all() else left / teacher.total_variance
    return float((count - 1) / count * ((scaled - scaled.mean()) ** 2).sum())


def _largest(inner: np.ndarray, freedom: int) -> float:
    """Return the largest eigenvalue of the covariance, less what few samples add to it.

    That of `freedom` samples is too large by the mean of the others, about ``tr(Sigma) / freedom``.
    """
    values = np.linalg.eigvalsh(inner)
    excess = float(values.sum() - values[-1]) / freedom
    return max(float(values[-1]) - excess, 0.0) / freedom
