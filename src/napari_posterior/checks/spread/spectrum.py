"""The variance ratio band by band of spatial frequency: which detail is kept."""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, number, percent, rounded
from napari_posterior.checks.intervals import jackknife_log_ratio, leave_one_out_total
from napari_posterior.checks.lengths import pixel_um, tell_length
from napari_posterior.checks.spread.bands import Bands
from napari_posterior.checks.verdicts.family import RatioFamily

__all__ = ["find_spectrum"]

_REPEATS: Final = 0.67  # of the variance: below it fine detail is hardly drawn anew
_NOTHING: Final = 1e-300
_LEAST_SHARE: Final = 0.01  # of the variance: finer detail that holds less decides nothing
_FAINT: Final = 0.02  # of the variance: a band of less is said to be faint


def find_spectrum(
    teacher: np.ndarray,
    student: np.ndarray,
    bands: Bands,
    *,
    level: float,
    paired: bool,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> list[Finding]:
    """Compare how much the samples of two runs vary at each size of detail.

    Bands at the fine end that hold less than 1 % of the variance of either run are listed and
    decide nothing. All others are within limits where each is, at the full level; some band is
    beyond them where its p-value times the number of bands is small (Bonferroni).

    Parameters
    ----------
    teacher, student : ndarray, (K, n)
        What `BandMeter.measure` gives, summed over planes; at least 3 samples of each run, in
        pairs as many of each.
    bands : Bands
        The bands.
    level : float
        Confidence level of each interval.
    paired : bool
        Whether sample i of both runs share their noise.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Returns
    -------
    list of Finding
        ``"spectrum"``, with a row for each band in ``extra["bands"]``; and ``"resolution"`` where
        some of them lie beyond the optical cut-off.
    """
    estimates = [
        jackknife_log_ratio(
            leave_one_out_total(np.asarray(first, np.float64)),
            leave_one_out_total(np.asarray(second, np.float64)),
            level=level,
            paired=paired,
        )
        for first, second in zip(teacher.T, student.T, strict=True)
    ]
    kept = _deciding(teacher, student, bands)
    family = RatioFamily(estimates[: kept.count])
    worst = family.clearest
    um = pixel_um(pixel_size, unit)
    total = float(teacher.sum())
    shares = [float(power) / total if total > 0 else None for power in teacher.sum(0)]
    varies = family.estimates[worst].value is not None
    finding = Finding(
        id="spectrum",
        title="variance ratio by size of detail",
        estimand="power of the deviations of student samples / that of teacher samples, in bands "
        "of spatial frequency",
        unit="",
        estimate=family.estimates[worst].value,
        interval=family.interval if varies else (None, None),
        level=level,
        method=f"{family.estimates[worst].method} in each of {kept.count} bands that decide; the "
        "interval reaches from the lowest lower end to the highest upper end",
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=_tell(family, kept, level, um)
        if varies
        else "The ratio cannot be estimated: the teacher's samples do not vary.",
        no_difference=1.0,
        question="variance",
        kind="spectrum",
        evidence=family if varies else None,
        p_value=family.p_value if varies else None,
        p_method=f"jackknife t, times twice the number of bands ({kept.count})",
        correlation=family.estimates[worst].correlation,
        notes=_notes(bands, worst, shares),
        extra={
            "worst_band": worst,
            "worst_interval": family.estimates[worst].interval,
            "cutoff": bands.cutoff,
            "cutoff_per_um": None if um is None or bands.cutoff is None else bands.cutoff / um,
            "bands": [
                {
                    "edges": bands.edges[i : i + 2],
                    "edges_per_um": None
                    if um is None
                    else [e / um for e in bands.edges[i : i + 2]],
                    "ratio": one.value,
                    "low": one.interval[0],
                    "high": one.interval[1],
                    "se_log": one.se,
                    "pair_correlation": one.correlation,
                    "beyond_cutoff": bands.beyond[i],
                    "teacher_share": shares[i],
                    "decides": i < kept.count,
                }
                for i, one in enumerate(estimates)
            ],
        },
    )
    return [finding, *_find_resolution(teacher, student, bands, level, um, paired=paired)]


def _deciding(teacher: np.ndarray, student: np.ndarray, bands: Bands) -> Bands:
    """Leave out the finest bands that hardly vary in either run: their ratio cannot matter."""
    shares = [run.sum(0) / max(float(run.sum()), _NOTHING) for run in (teacher, student)]
    found = np.flatnonzero(np.maximum(*shares) >= _LEAST_SHARE)
    count = int(found[-1]) + 1 if len(found) else bands.count
    return Bands(bands.edges[: count + 1], bands.cutoff)


def _find_resolution(
    teacher: np.ndarray,
    student: np.ndarray,
    bands: Bands,
    level: float,
    um: float | None,
    *,
    paired: bool,
) -> list[Finding]:
    """Return what cannot be tested: detail that the optics do not pass."""
    if bands.cutoff is None or not any(bands.beyond):
        return []
    size = tell_length(1 / bands.cutoff, um)
    beyond = np.array(bands.beyond)
    shares = [float(run[:, beyond].sum() / max(run.sum(), _NOTHING)) for run in (teacher, student)]
    return [
        Finding(
            id="resolution",
            title="detail beyond the optics",
            estimand="period of the frequency that the optics pass 1 % of",
            unit="px" if um is None else "µm",
            estimate=1 / bands.cutoff * (1.0 if um is None else um),
            interval=(None, None),
            level=level,
            method="transfer function of the PSF",
            n_teacher=len(teacher),
            n_student=len(student),
            coupled=paired,
            sentence=(
                f"The optics pass less than 1 % of details finer than {size}; on this image they "
                f"hold {percent(shares[1], 1)} of the variance of the student's samples and "
                f"{percent(shares[0], 1)} of the teacher's, in units of the local variance."
            ),
            question="variance",
            untestable=f"details finer than {size} lie beyond the optical cut-off of the PSF, "
            "where the measurement says nothing and samples show what the model has learned",
            extra={"teacher_share": shares[0], "student_share": shares[1]},
        )
    ]


def _tell(family: RatioFamily, bands: Bands, level: float, um: float | None) -> str:
    worst = family.clearest
    one = family.estimates[worst]
    low, high = one.interval
    if one.value == 0:
        return (
            f"On this image the student's samples do not vary at {_detail(bands, worst, worst, um)}"
            ": it repeats one guess."
        )
    value, ends = rounded(one.value, one.interval)
    span = f"{value} times the teacher's variance ({confidence(level)} interval {ends})"
    if low is None or high is None or low <= 1 <= high or family.p_value >= 1 - level:
        ratios = [e.value for e in family.estimates if e.value is not None]
        return (
            f"On this image the student has {number(min(ratios))} to {number(max(ratios))} "
            f"times the teacher's variance in {bands.count} sizes of detail, and no size stands "
            f"out: the largest difference is at {_detail(bands, worst, worst, um)}, {value} times "
            f"({confidence(level)} interval {ends})."
        )
    less = high < 1
    first, last = _run(family, worst, less=less)
    fine = 0 < first and last == bands.count - 1 and (one.value or 0.0) < _REPEATS
    guess = ", as if it repeated one guess" if fine else ""
    most = "" if first == last else f"most surely {_detail(bands, worst, worst, um)}, with "
    return (
        f"On this image {_detail(bands, first, last, um)} varies {'less' if less else 'more'} in "
        f"the student{guess}: {most}{span}."
    )


def _notes(bands: Bands, worst: int, shares: list[float | None]) -> tuple[str, ...]:
    share = shares[worst]
    if share is None or not (bands.beyond[worst] or share < _FAINT):
        return ()
    where = (
        "lies beyond the optical cut-off, where only what the model has learned speaks, and holds"
        if bands.beyond[worst]
        else "holds"
    )
    return (
        f"The detail that differs most surely {where} {percent(share, 1)} of the variance of the "
        "teacher's samples on this image, in units of the local variance.",
    )


def _run(family: RatioFamily, worst: int, *, less: bool) -> tuple[int, int]:
    """Return the first and last of the bands around one that differ as surely, in its sense."""

    def differs(band: int) -> bool:
        low, high = family.estimates[band].interval
        return (high is not None and high < 1) if less else (low is not None and low > 1)

    first = last = worst
    while first > 0 and differs(first - 1):
        first -= 1
    while last + 1 < len(family.estimates) and differs(last + 1):
        last += 1
    return first, last


def _detail(bands: Bands, first: int, last: int, um: float | None) -> str:
    """Say what a range of bands is, by the periods it holds."""
    coarse, fine = (tell_length(1 / bands.edges[i], um) for i in (first, last + 1))
    if first == 0:
        return "detail of all sizes" if last == bands.count - 1 else f"structure above {fine}"
    if last == bands.count - 1:
        return f"fine detail below {coarse}"
    return f"detail of {fine} to {coarse}"
