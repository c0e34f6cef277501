"""How far apart samples are in fine detail, and in what was measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.intervals import jackknife_log_ratio, leave_one_out_total
from napari_posterior.checks.lengths import pixel_um, tell_length
from napari_posterior.checks.spread.variance import variance_ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.intervals import Estimate
    from napari_posterior.checks.report import Values
    from napari_posterior.checks.spread.bands import Bands

__all__ = ["find_feature_diversity", "find_fine_diversity", "fine_bands"]

_OCTAVE: Final = 2.0
_FEWEST_FEATURES: Final = 2  # of one alone it is the square of its spread ratio


def fine_bands(bands: Bands) -> slice:
    """Return the bands of the finest octave that the optics pass; one at least.

    They reach up to the optical cut-off, or to the last edge where there is none, from half of
    that frequency on.
    """
    passed = bands.count - sum(bands.beyond)
    if passed == 0:
        return slice(0, 0)
    least = bands.edges[passed] / _OCTAVE
    inside = [i for i in range(passed) if bands.edges[i] >= least * (1 - 1e-9)]
    return slice(inside[0] if inside else passed - 1, passed)


def find_fine_diversity(
    teacher: np.ndarray,
    student: np.ndarray,
    bands: Bands,
    *,
    level: float,
    paired: bool,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> Finding | None:
    """Compare how far apart the samples of one run are in the finest detail that the optics pass.

    An estimate without a verdict: ``"spectrum"`` judges the same bands one by one, and one number
    of a question decides, not three that say nearly the same.

    Parameters
    ----------
    teacher, student : ndarray, (K, n)
        What `BandMeter.measure` gives, summed over planes; at least 3 samples of each run, in
        pairs as many of each.
    bands : Bands
        The bands.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Returns
    -------
    Finding or None
        ``"diversity.fine"``; None where the samples do not vary there, or the optics pass none of
        the bands.
    """
    rows = fine_bands(bands)
    power = [np.asarray(run, np.float64)[:, rows].sum(1) for run in (teacher, student)]
    totals = [leave_one_out_total(one) for one in power]
    estimate = jackknife_log_ratio(totals[0], totals[1], level=level, paired=paired)
    if estimate.value is None:
        return None
    um = pixel_um(pixel_size, unit)
    coarse, fine = (tell_length(1 / bands.edges[i], um) for i in (rows.start, rows.stop))
    size = f"below {coarse}" if rows.start == 0 else f"of {fine} to {coarse}"
    share = float(power[0].sum() / max(float(np.sum(teacher)), np.finfo(np.float64).tiny))
    written, ends = rounded(estimate.value, estimate.interval)
    return _finding(
        "diversity.fine",
        "distance between samples in fine detail",
        "mean squared distance of two student samples / of two teacher samples, in the finest "
        "octave of spatial frequency that the optics pass",
        (
            f"On this image fine detail {size} holds {percent(share, 1)} of the variance of the "
            f"teacher's samples, in units of the local variance. There two samples of the student "
            f"are {written} times as far apart in squared distance as two of the teacher's "
            f"({confidence(level)} interval {ends})."
        ),
        estimate,
        (len(teacher), len(student)),
        level=level,
        paired=paired,
        extra={"edges": bands.edges[rows.start : rows.stop + 1], "teacher_share": share},
    )


def find_feature_diversity(
    values: Sequence[Values], counts: tuple[int, int], *, level: float, paired: bool
) -> Finding | None:
    """Compare how far apart the samples of one run are in all that was measured on them together.

    Each number is divided by its standard deviation within both runs. An estimate without a
    verdict: of few numbers, which often go together, the ratio stays unsure however many samples
    there are, and each number has a verdict of its own.

    Parameters
    ----------
    values : sequence of Values
        What was measured; a number that some sample lacks, or that never varies, is left out.
    counts : tuple of int
        Samples of each run, in pairs as many of each.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    Finding or None
        ``"diversity.measured"``; None with fewer than two numbers: the square of the spread ratio
        of one is no new one.
    """
    columns, titles = [], []
    for one in values:
        if (len(one.teacher), len(one.student)) != counts:
            continue
        runs = [np.asarray(run, np.float64) for run in (one.teacher, one.student)]
        squares = sum(float(((run - run.mean()) ** 2).sum()) for run in runs)
        scale = np.sqrt(squares / (sum(counts) - 2))
        level_of = max(float(np.abs(run).max()) for run in runs)
        if scale > 1e-9 * level_of:
            columns.append(np.concatenate(runs) / scale)
            titles.append(one.title)
    if len(columns) < _FEWEST_FEATURES:
        return None
    gram = GramAccumulator(*counts)
    gram.add(np.stack(columns, axis=1))
    estimate = variance_ratio(gram.result(), level=level, paired=paired)
    if estimate.value is None:
        return None
    written, ends = rounded(estimate.value, estimate.interval)
    return _finding(
        "diversity.measured",
        "distance between samples in what was measured",
        "mean squared distance of two student samples / of two teacher samples, of all statistics "
        "in units of their pooled SD",
        (
            f"On this image, in the {len(columns)} numbers that were measured on every sample, each"
            f" in units of its spread, two samples of the student are {written} times as far apart "
            f"in squared distance as two of the teacher's ({confidence(level)} interval "
            f"{ends})."
        ),
        estimate,
        counts,
        level=level,
        paired=paired,
        extra={"statistics": titles},
    )


def _finding(
    key: str,
    title: str,
    estimand: str,
    sentence: str,
    estimate: Estimate,
    counts: tuple[int, int],
    *,
    level: float,
    paired: bool,
    extra: dict[str, object],
) -> Finding:
    return Finding(
        id=key,
        title=title,
        estimand=estimand,
        unit="",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=counts[0],
        n_student=counts[1],
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        question="diversity",
        extra={"se_log": estimate.se, "df": estimate.df, **extra},
    )
