"""Compare two runs on one image: from samples to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.familiar import familiar_numbers
from napari_posterior.checks.gram import coupling, same_samples
from napari_posterior.checks.likelihood import find_residual_difference
from napari_posterior.checks.mean import find_mean_gap
from napari_posterior.checks.measure import SampleMeter
from napari_posterior.checks.report import Figures, Report, RunPictures, Values
from napari_posterior.checks.source import MIN_SAMPLES, Stack, check_comparable, describe
from napari_posterior.checks.stream import Moments, read_pixels
from napari_posterior.checks.task import find_difference, find_spread_ratio
from napari_posterior.checks.truth import find_calibration
from napari_posterior.checks.variance import (
    MAP_SMOOTHING,
    find_variance_ratio,
    log2_variance_ratio_map,
)
from napari_posterior.errors import InputError
from napari_posterior.statistics import Statistic, get_statistic

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.gram import Gram
    from napari_posterior.checks.measure import MeasuredSample, SampleValues
    from napari_posterior.checks.source import Description, SampleSource
    from napari_posterior.checks.trust import NoiseTrust

__all__ = ["build_report"]

_ROUGH_BELOW: Final = 16  # samples
_FEW_BLOCKS: Final = 30

Progress = Callable[[int, int], None]


def build_report(
    teacher: SampleSource,
    student: SampleSource,
    *,
    statistics: Sequence[str | Statistic] = ("puncta_count",),
    level: float = 0.90,
    truth: Any = None,
    n_gallery: int = 3,
    on_step: Progress | None = None,
) -> Report:
    """Compare two runs on one image.

    Runs of one seed start from the same noise canvases and are compared in pairs: their samples
    are not independent, and pairs give the narrower intervals. Samples without a partner are
    then left out.

    Parameters
    ----------
    teacher, student : SampleSource
        Two runs on one image; at least 4 samples each, not necessarily as many.
    statistics : sequence of str or Statistic
        Computed on every sample.
    level : float
        Confidence level of the intervals.
    truth : array-like, (H, W) or the shape of the image, optional
        The known object, photoelectrons per pixel at the target resolution.
    n_gallery : int
        Samples of each run that are kept for the pictures.
    on_step : callable, optional
        Called with the number of samples done and the number there are.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the runs do not belong together (see `check_comparable`), a statistic is unknown or
        the known object has another shape.
    """
    if not 0 < level < 1:
        raise InputError(f"the confidence level is {level}; give a number between 0 and 1")
    check_comparable(teacher, student)
    chosen = [get_statistic(name) for name in statistics]
    described = describe(teacher), describe(student)
    stacks = Stack(teacher.samples), Stack(student.samples)
    plane = stacks[0].planes // 2
    known = None if truth is None else _check_truth(truth, stacks[0])

    measurements = [teacher.measurement(i) for i in range(stacks[0].planes)]
    pixels = read_pixels(*stacks, plane=plane, truth=known)
    meter = SampleMeter(
        measurements, chosen, pixel_size=described[0].pixel_size, unit=described[0].unit
    )
    total = stacks[0].count + stacks[1].count
    tables = [
        _measure(stack, meter, on_step, start, total)
        for stack, start in zip(stacks, (0, stacks[0].count), strict=True)
    ]
    *measured, residual = meter.values([*tables[0], *tables[1]])

    seeds = described[0].seed, described[1].seed
    coupled = seeds[0] is not None and seeds[0] == seeds[1]
    _, *pairs = np.intersect1d(stacks[0].indices, stacks[1].indices, return_indices=True)
    in_pairs = pixels.gram.take(*pairs) if coupled and len(pairs[0]) >= MIN_SAMPLES else None
    rho = None if in_pairs is None else coupling(in_pairs)
    # Pairs are never taken as independent: even a weak correlation biases the gap of the means.
    paired = in_pairs is not None
    gram = pixels.gram if in_pairs is None else in_pairs
    keep = pairs if paired else [np.arange(stack.count) for stack in stacks]

    findings: list[Finding] = [
        find_mean_gap(gram, level=level, paired=paired, rho=rho),
        find_variance_ratio(gram, level=level, paired=paired),
    ]
    values: list[Values] = []
    threshold = {
        "puncta_amplitude": [c.puncta_threshold for c in meter.contexts],
        "puncta_amplitude_unit": "photoelectrons/px",
        "puncta_amplitude_input": [c.puncta_threshold_adu for c in meter.contexts],
        "background": [c.background for c in meter.contexts],
        "fixed_from": "the measurement, before sampling",
    }
    undefined: list[str] = []
    for one in measured:
        columns = np.split(one.values, [stacks[0].count])
        first, second = (column[rows] for column, rows in zip(columns, keep, strict=True))
        if not np.isfinite(one.values).all():
            undefined.append(_tell_undefined(one, *columns))
            first, second = _defined(first, second, paired=paired)
            columns = [column[np.isfinite(column)] for column in columns]
        if min(len(first), len(second)) < MIN_SAMPLES:
            continue
        values.append(Values(one.id, one.title, one.unit, columns[0], columns[1]))
        findings.append(
            find_difference(one.id, one.title, one.unit, first, second, level=level, paired=paired)
        )
        findings.append(
            find_spread_ratio(one.id, one.title, first, second, level=level, paired=paired)
        )
    findings.append(
        find_residual_difference(
            [tables[0][row].residuals for row in keep[0]],
            [tables[1][row].residuals for row in keep[1]],
            level=level,
            paired=paired,
            trust=meter.trust,
        )
    )
    values.append(_residual_values(residual, tables, meter.trust))
    if pixels.scores is not None:
        findings += find_calibration(*pixels.scores, level=level, coupled=coupled)

    return Report(
        findings=tuple(findings),
        figures=Figures(
            input=_input_plane(teacher, plane, stacks[0].plane_shape),
            teacher=_pictures(stacks[0], pixels.teacher, plane, n_gallery),
            student=_pictures(stacks[1], pixels.student, plane, n_gallery),
            log2_variance_ratio=log2_variance_ratio_map(
                pixels.teacher.sd, pixels.student.sd, smoothing=MAP_SMOOTHING
            ),
            values=tuple(values),
            plane=plane,
            planes=stacks[0].planes,
            pixel_size=described[0].pixel_size,
            unit=described[0].unit,
        ),
        teacher=described[0],
        student=described[1],
        level=level,
        coupled=coupled,
        rho=rho,
        scope=_scope(described, stacks[0]),
        warnings=(
            *_warnings(
                described,
                meter.trust,
                in_pairs,
                stacks,
                pixels.scores is not None and len(pixels.scores[0].pixels) < _FEW_BLOCKS,
            ),
            *meter.untestable,
            *undefined,
        ),
        thresholds=threshold,
        familiar=familiar_numbers(measurements[plane], pixels.teacher.mean, pixels.student.mean),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _measure(
    stack: Stack, meter: SampleMeter, on_step: Progress | None, done: int, total: int
) -> list[MeasuredSample]:
    """Measure every sample of a run."""
    found = []
    for sample in range(stack.count):
        found.append(meter.measure([stack.plane(sample, index) for index in range(stack.planes)]))
        if on_step is not None:
            on_step(done + sample + 1, total)
    return found


def _defined(
    teacher: np.ndarray, student: np.ndarray, *, paired: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Leave out samples, or pairs, in which a statistic is not defined."""
    there = np.isfinite(teacher), np.isfinite(student)
    if paired:
        both = there[0] & there[1]
        return teacher[both], student[both]
    return teacher[there[0]], student[there[1]]


def _tell_undefined(one: SampleValues, teacher: np.ndarray, student: np.ndarray) -> str:
    missing = [int((~np.isfinite(column)).sum()) for column in (teacher, student)]
    return (
        f"The {one.title} is not defined in {missing[0]} of {len(teacher)} teacher samples and in "
        f"{missing[1]} of {len(student)} student samples, such as where nothing was found; they "
        "are left out of its comparison."
    )


def _residual_values(
    residual: SampleValues,
    tables: Sequence[Sequence[MeasuredSample]],
    trust: NoiseTrust,
) -> Values:
    columns, both = np.split(residual.values, [len(tables[0])]), [*tables[0], *tables[1]]
    return Values(
        residual.id,
        residual.title,
        residual.unit,
        columns[0],
        columns[1],
        expected=residual.expected,
        sd=None
        if residual.expected is None
        else float(np.hypot(trust.doubt, np.mean([r.residuals.chi2_sd for r in both]))),
    )


def _pictures(stack: Stack, moments: Moments, plane: int, n_gallery: int) -> RunPictures:
    shown = range(min(max(n_gallery, 0), stack.count))
    gallery = np.zeros((len(shown), *stack.plane_shape), np.float32)
    for sample in shown:
        gallery[sample] = stack.plane(sample, plane)
    return RunPictures(moments.mean, moments.sd, gallery)


def _input_plane(source: SampleSource, plane: int, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(np.asarray(source.input).reshape(-1, *shape)[plane])


def _check_truth(truth: Any, stack: Stack) -> np.ndarray:
    known = np.asarray(truth, np.float64)
    if known.shape not in (stack.shape[1:], stack.plane_shape) or known.size != stack.planes * (
        stack.plane_shape[0] * stack.plane_shape[1]
    ):
        raise InputError(
            f"the known object has shape {known.shape} and the samples {stack.shape[1:]}; give an "
            "object of the shape of the image"
        )
    if not np.isfinite(known).all():
        raise InputError("the known object has NaN or infinite values; replace them first")
    return known.reshape(stack.planes, *stack.plane_shape)


def _scope(described: tuple[Description, Description], stack: Stack) -> str:
    name = described[0].image_name or "the image"
    height, width = stack.plane_shape
    planes = f", {stack.planes} planes" if stack.planes > 1 else ""
    return (
        f"{name} ({height} × {width} pixels{planes}): {described[1].samples} samples of "
        f"{described[1].label} against {described[0].samples} samples of {described[0].label}."
    )


def _warnings(
    described: tuple[Description, Description],
    trust: NoiseTrust,
    pairs: Gram | None,
    stacks: tuple[Stack, Stack],
    few_blocks: bool,
) -> tuple[str, ...]:
    found = []
    if min(one.samples for one in described) < _ROUGH_BELOW:
        found.append(
            f"With fewer than {_ROUGH_BELOW} samples of a run the intervals are rough; draw "
            f"{_ROUGH_BELOW} or more."
        )
    if trust.doubt:
        found.append(
            "Gain, offset or read noise were estimated from the image: numbers in photoelectrons "
            "and the distance of chi-squared from 1 carry that uncertainty."
        )
    if trust.correlated:
        found.append(trust.correlated)
    if trust.saturated:
        found.append(
            f"{trust.saturated} pixel{'s are' if trust.saturated > 1 else ' is'} saturated and "
            "left out of the likelihood; the object is at least as bright there."
        )
    if pairs is not None and pairs.n_teacher < max(stack.count for stack in stacks):
        found.append(
            f"The runs start from the same noise and are compared in {pairs.n_teacher} pairs; "
            "samples without a partner are left out."
        )
    if pairs is not None and same_samples(pairs):
        found.append(
            "Both runs hold the same samples, so every difference is zero by construction."
        )
    if described[1].role == "teacher":
        found.append("Both runs were drawn by the teacher; “student” stands for the second run.")
    if few_blocks:
        found.append("The image is small for an interval of the coverage; take it as rough.")
    return tuple(found)
