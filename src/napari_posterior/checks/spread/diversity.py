"""How much of the posterior the samples span: independent directions, distances, an alarm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.checks.detail import Detail
from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.gram import Gram, centred, group
from napari_posterior.checks.spread.dimension import dimension_ratio
from napari_posterior.checks.spread.variance import variance_ratio
from napari_posterior.checks.two_sample import (
    DIRECTIONS,
    NEIGHBOURS,
    Statistic,
    permutation_test,
    permutation_words,
)
from napari_posterior.checks.verdicts.looks import FEWEST

__all__ = [
    "EigenSpectrum",
    "eigen_spectrum",
    "find_alarm",
    "find_dimension",
    "find_diversity",
    "vendi_score",
]

_BAND: Final = (0.05, 0.95)

_TESTS: Final[tuple[tuple[Statistic, str, str], ...]] = (
    ("energy", "energy distance, photoelectrons/px", "differences of any kind, large ones first"),
    ("mmd", "kernel distance (MMD)", "the same, at the usual distance of two samples"),
    (
        "sliced",
        "sliced Wasserstein distance, photoelectrons/px",
        f"shifts and widths along {DIRECTIONS} random directions",
    ),
    (
        "neighbours",
        "nearest neighbours, share of the own run",
        f"forms of its own: are the {NEIGHBOURS} samples most like one of its run",
    ),
)


def find_dimension(gram: Gram, *, level: float, paired: bool) -> Finding:
    """Compare in how many independent directions the samples of two runs vary.

    Parameters
    ----------
    gram : Gram
        See `dimension_ratio`. With fewer than 16 samples of a run no interval is given.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Finding
        ``"dimension"``.
    """
    estimate = dimension_ratio(gram, level=level, paired=paired)
    m = gram.n_teacher
    both = [group(block).dimension for block in (gram.matrix[:m, :m], gram.matrix[m:, m:])]
    few = min(gram.n_teacher, gram.n_student) < FEWEST
    interval = (None, None) if few else estimate.interval
    if estimate.value is None or not math.isfinite(both[1]):
        sentence = (
            "On this image the directions in which the samples vary cannot be counted: one run "
            "gives the same image in every sample."
        )
    else:
        written, ends = rounded(estimate.value, interval)
        span = f"{confidence(level)} interval {ends}"
        if interval == (None, None):
            span = f"no interval: it takes {FEWEST} samples of each run"
        sentence = (
            f"On this image the student's samples vary in about {_count(both[1])} independent "
            f"directions and the teacher's in about {_count(both[0])}: {written} times as many "
            f"({span})."
        )
    return Finding(
        id="dimension",
        title="independent directions of variation",
        estimand="nu_S / nu_T with nu = tr(Sigma)^2 / tr(Sigma^2)",
        unit="",
        estimate=estimate.value,
        interval=interval,
        level=level,
        method=f"{estimate.method}, U-statistic of tr(Sigma^2)",
        n_teacher=gram.n_teacher,
        n_student=gram.n_student,
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        question="diversity",
        kind="dimension",
        evidence=None if few else estimate.evidence,
        extra={
            "teacher_dimension": both[0],
            "student_dimension": both[1],
            "se_log": estimate.se,
            "df": estimate.df,
        },
    )


def find_diversity(standardised: Gram, *, level: float, paired: bool) -> Finding:
    """Compare how far apart the samples of one run are, every pixel counting alike.

    Parameters
    ----------
    standardised : Gram
        Of samples divided by the SD map over the pooled samples of both runs (plus a tenth of its
        median, where nothing varies), so that bright structures do not decide alone.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Finding
        ``"diversity"``.
    """
    estimate = variance_ratio(standardised, level=level, paired=paired)
    m, pixels = standardised.n_teacher, max(standardised.n_pixels, 1)
    blocks = standardised.matrix[:m, :m], standardised.matrix[m:, m:]
    # the mean squared distance of two samples is twice their variance
    apart = [math.sqrt(2 * max(group(one).total_variance, 0.0) / pixels) for one in blocks]
    if estimate.value is None:
        sentence = (
            "On this image there is no diversity to compare: the teacher's samples do not vary."
        )
    elif estimate.value == 0:
        sentence = (
            "On this image the student's samples do not differ from each other: it gives one "
            "image, not draws."
        )
    else:
        written, ends = rounded(estimate.value, estimate.interval)
        change = estimate.value - 1
        words = "about as far apart as two of the teacher's"
        if abs(change) >= 0.005:
            word = "closer together" if change < 0 else "farther apart"
            words = f"{percent(abs(change))} {word} in squared distance than two of the teacher's"
        sentence = (
            f"On this image two samples of the student are {words}, each pixel in units of its "
            f"spread: {written} times ({confidence(level)} interval {ends})."
        )
    return Finding(
        id="diversity",
        title="distance between samples",
        estimand="mean squared distance of two student samples / of two teacher samples, each "
        "pixel divided by its pooled SD",
        unit="",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=standardised.n_teacher,
        n_student=standardised.n_student,
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        question="diversity",
        kind="diversity",
        evidence=estimate.evidence,
        extra={
            "teacher_distance_per_px": apart[0],
            "student_distance_per_px": apart[1],
            "se_log": estimate.se,
            "df": estimate.df,
        },
    )


def find_alarm(gram: Gram, *, level: float, paired: bool, seed: int = 0) -> Finding:
    """Test whether anything differs at all, an estimate without a verdict.

    The energy distance speaks; three further tests stand in its table, each by itself: of two runs
    of one sampler, one of the four has a p-value below .05 in about a tenth of comparisons.

    Parameters
    ----------
    gram : Gram
        Of both runs; in pairs, as many samples of each.
    level : float
        Confidence level of the report; the alarm has no interval.
    paired : bool
        Whether sample i of both runs share their noise.
    seed : int
        Of the permutations.

    Returns
    -------
    Finding
        ``"alarm"``, with the p-value of the energy distance.
    """
    tests = [permutation_test(gram, statistic=one, paired=paired, seed=seed) for one, *_ in _TESTS]
    energy, root = tests[0], math.sqrt(max(gram.n_pixels, 1))
    unusual = energy.p_value <= 0.05
    told = (
        "differ in something more than two runs of one sampler would; where no other check names "
        "it, look at the forms and the maps"
        if unusual
        else "show no difference of any kind that this test sees, and it overlooks small ones"
    )
    per = root, 1.0, 1.0, 1.0
    rows = tuple(
        (name, one.value / by, one.by_chance / by, one.p_value, sees)
        for one, by, (_, name, sees) in zip(tests, per, _TESTS, strict=True)
    )
    table = Detail(
        "Four tests whether anything differs",
        ("test", "student and teacher", "labels dealt at random", "p of no difference", "sees"),
        rows,
        "Alarms, no verdicts: a small p says that the runs differ in something, which may be within"
        " your limits; a large one does not say that they agree. Of two runs of one sampler one of "
        "the four has p below 0.05 in about a tenth of comparisons.",
    )
    return Finding(
        id="alarm",
        title="difference of any kind",
        estimand="energy distance of the samples, per root of the pixels",
        unit="photoelectrons per pixel",
        estimate=energy.value / root,
        interval=(None, None),
        level=level,
        method="energy distance, above 0 by chance alone",
        n_teacher=gram.n_teacher,
        n_student=gram.n_student,
        coupled=paired,
        sentence=f"On this image the samples of both runs {told} (p = {energy.p_value:.3g}).",
        question="diversity",
        distance=True,
        p_value=energy.p_value,
        p_method=permutation_words(paired=paired),
        extra=table.to_extra(),
    )


@dataclass(frozen=True, eq=False)
class EigenSpectrum:
    """Variance along the principal directions of either run, at one number of samples.

    Parameters
    ----------
    teacher, student : ndarray, (h - 1,)
        Variances from the largest to the smallest, (photoelectrons per pixel)^2 summed over
        pixels; means over random halves.
    low, high : ndarray, (h - 1,)
        Where nine of ten spectra would lie if the student were the teacher, by cutting the
        teacher's samples in halves.
    samples : int
        h, half of the smaller run: eigenvalues of other numbers cannot be compared.
    teacher_vendi, student_vendi : float
        Vendi scores of as many samples of each run.
    vendi_samples : int
        How many.
    """

    teacher: np.ndarray
    student: np.ndarray
    low: np.ndarray
    high: np.ndarray
    samples: int
    teacher_vendi: float
    student_vendi: float
    vendi_samples: int


def eigen_spectrum(gram: Gram, *, halves: int = 50, seed: int = 0) -> EigenSpectrum | None:
    """Return the eigenvalues of both runs, for a plot; None with fewer than 4 samples of a run.

    Parameters
    ----------
    gram : Gram
        Of both runs.
    halves : int
        Random halves of each run.
    seed : int
        Of the halves.
    """
    m, least = gram.n_teacher, min(gram.n_teacher, gram.n_student)
    half = least // 2
    if half < 2:
        return None
    generator = np.random.default_rng(seed)
    blocks = gram.matrix[:m, :m], gram.matrix[m:, m:]
    first, second, student = (np.empty((halves, half - 1)) for _ in range(3))
    for cut in range(halves):
        order = generator.permutation(gram.n_teacher)
        first[cut] = _eigenvalues(blocks[0], order[:half])
        second[cut] = _eigenvalues(blocks[0], order[half : 2 * half])
        student[cut] = _eigenvalues(blocks[1], generator.permutation(gram.n_student)[:half])
    middle = (first.mean(0) + second.mean(0)) / 2
    tiny = max(1e-12 * float(middle.max()), float(np.finfo(np.float64).tiny))
    logs = np.log(np.maximum(first, tiny)) - np.log(np.maximum(second, tiny))
    # complementary halves differ as two runs do; half of that is one against the middle
    low, high = np.quantile(np.concatenate([logs, -logs]), _BAND, axis=0)
    vendi = [
        vendi_score(block[np.ix_(rows, rows)])
        for block, rows in zip(blocks, [np.arange(least)] * 2, strict=True)
    ]
    return EigenSpectrum(
        teacher=middle,
        student=student.mean(0),
        low=middle * np.exp(low),
        high=middle * np.exp(high),
        samples=half,
        teacher_vendi=vendi[0],
        student_vendi=vendi[1],
        vendi_samples=least,
    )


def vendi_score(matrix: np.ndarray) -> float:
    """Return exp of the entropy of the eigenvalues of the normalised kernel, at most K.

    Friedman & Dieng (2023), Trans. Mach. Learn. Res.: how many samples that have nothing in common
    would be as diverse. It grows with K, so that only equal K can be compared.

    Parameters
    ----------
    matrix : ndarray, (K, K)
        Inner products of the samples of one run.

    Notes
    -----
    The kernel is the cosine of the deviations from the mean, so that every sample weighs alike.
    """
    inner = centred(matrix)
    norms = np.sqrt(np.maximum(np.diag(inner), 0.0))
    if not (norms > 1e-6 * max(float(norms.max()), 1e-300)).all():
        return 1.0
    values = np.linalg.eigvalsh(inner / np.outer(norms, norms)) / len(inner)
    values = values[values > 1e-12]
    return float(np.exp(-(values * np.log(values)).sum()))


def _eigenvalues(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of the covariance of some samples, largest first, (n - 1,)."""
    values = np.linalg.eigvalsh(centred(matrix[np.ix_(rows, rows)])) / (len(rows) - 1)
    return np.asarray(np.maximum(values[:0:-1], 0.0))


def _count(value: float) -> str:
    """Write a number of directions, no more exact than it is."""
    if value < 10:
        return f"{value:.2g}"
    # three digits, or else two counts look alike beside a ratio that is not 1
    unit = 10 ** max(math.floor(math.log10(value)) - 2, 0)
    return f"{round(value / unit) * unit:.0f}"
