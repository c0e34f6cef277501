"""Compare two runs on one image: from samples to a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.checks.affine import explain_gap
from napari_posterior.checks.caveats import tell_caveats, tell_scope
from napari_posterior.checks.counted.task import check_deterministic
from napari_posterior.checks.counted.task_findings import find_task
from napari_posterior.checks.familiar import familiar_numbers
from napari_posterior.checks.gram import coupling, group
from napari_posterior.checks.independence import tell_dependence
from napari_posterior.checks.known.compare import KnownFindings, compare_with_known
from napari_posterior.checks.known.counted_truth import find_counted_truth
from napari_posterior.checks.known.reference import (
    REFERENCE,
    REFERENCE_NOTE,
    SeenStack,
    fit_reference,
)
from napari_posterior.checks.likelihood import find_reference_residual, find_residual_difference
from napari_posterior.checks.mean import find_mean_gap
from napari_posterior.checks.measure import SampleMeter
from napari_posterior.checks.pairing import Chosen, choose_samples
from napari_posterior.checks.report import Figures, Report, RunPictures
from napari_posterior.checks.solver import SolverTrust
from napari_posterior.checks.source import Stack, check_comparable, describe
from napari_posterior.checks.spread.answers import find_spread
from napari_posterior.checks.spread.bands import Bands, make_bands, optical_cutoff
from napari_posterior.checks.spread.diversity import eigen_spectrum
from napari_posterior.checks.spread.examples import read_examples
from napari_posterior.checks.spread.leading import find_leading
from napari_posterior.checks.spread.modes import Forms, find_modes, principal_coordinates
from napari_posterior.checks.spread.spectrum import find_spectrum
from napari_posterior.checks.spread.tiles import choose_tile, find_tiles
from napari_posterior.checks.spread.variance import (
    MAP_SMOOTHING,
    find_variance_ratio,
    log2_variance_ratio_map,
)
from napari_posterior.checks.stream import Pass, read_pixels
from napari_posterior.checks.verdicts.comparison import Comparison
from napari_posterior.checks.verdicts.judging import conclude, reference_doubts
from napari_posterior.errors import InputError
from napari_posterior.statistics import Statistic, get_statistic
from napari_posterior.statistics.table import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.measure import MeasuredSample
    from napari_posterior.checks.source import SampleSource
    from napari_posterior.checks.spread.moments import Moments
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.statistics import Region

__all__ = ["build_report"]

Progress = Callable[[int, int], None]


def build_report(
    teacher: SampleSource,
    student: SampleSource,
    *,
    comparison: Comparison | None = None,
    statistics: Sequence[str | Statistic] | None = None,
    truth: Any = None,
    reference: Any = None,
    regions: Sequence[Region] = (),
    experiments: Sequence[Finding] = (),
    experiment_maps: Sequence[MapImage] = (),
    n_gallery: int = 3,
    comparable: bool = False,
    on_step: Progress | None = None,
) -> Report:
    """Compare two runs on one image, and give every finding its verdict.

    Parameters
    ----------
    teacher, student : SampleSource
        Two runs on one image; at least 4 samples each, not necessarily as many.
    comparison : Comparison, optional
        Tolerances, looks and what earlier looks have settled; the defaults, in memory. The look is
        recorded in it.
    statistics : sequence of str or Statistic, optional
        Computed on every sample; those of the comparison by default.
    truth : array-like, (H, W) or the shape of the image, optional
        The known object, photoelectrons per pixel at the target resolution.
    reference : array-like, (H, W) or the shape of the image, optional
        A better image of the same field, in grey levels of its own, where the object is not known.
    regions : sequence of Region
        Where statistics are computed beside the whole image.
    experiments, experiment_maps : sequence of Finding, and of MapImage
        What was found with new draws, to be judged with the rest.
    n_gallery : int
        Samples of each run that are kept for the pictures.
    comparable : bool
        Whether `check_comparable` was called already.
    on_step : callable, optional
        Called with the number of samples measured and the number there are, 0 while pixels are
        read; may raise to end it.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the runs do not belong together (see `check_comparable`), a statistic is unknown or
        the known object has another shape.
    """
    if not comparable:
        check_comparable(teacher, student)
    chosen = [get_statistic(one) for one in _chosen(statistics, comparison)]
    plan = comparison or Comparison.in_memory(statistics=[one.name for one in chosen])
    level = plan.looks.level
    described = describe(teacher), describe(student)
    samples = choose_samples(teacher, student)
    first = samples.teacher
    plane = first.planes // 2
    known = _check_known(truth, reference, first)
    measurements = [teacher.measurement(index) for index in range(first.planes)]
    total = sum(samples.counts)

    def tick() -> None:
        if on_step is not None:
            on_step(0, total)

    bands = make_bands(first.plane_shape, cutoff=optical_cutoff(measurements[0].psf))
    samples, pixels = _read(samples, bands, plane=plane, on_step=tick)
    (first, second), paired, total = samples.stacks, samples.paired, sum(samples.counts)
    size = {"pixel_size": described[0].pixel_size, "unit": described[0].unit}
    meter = SampleMeter(measurements, chosen, regions=regions, **size)  # type: ignore[arg-type]
    tables = [
        _measure(stack, meter, on_step, start, total)
        for stack, start in ((first, 0), (second, first.count))
    ]
    task = find_task(
        meter,
        *tables,
        tolerances=plan.tolerances,
        looks=plan.looks,
        paired=paired,
        indices=(first.indices, second.indices),
    )
    residuals = [[one.residuals for one in table] for table in tables]
    explained = find_reference_residual(residuals[0], level=level, trust=meter.trust)
    tiled, tile_maps = _find_tiles(pixels, plan, first, paired=paired, plane=plane, size=size)
    brightness = None
    if first.planes == 1:  # of a stack, the means of one plane alone are kept
        means = pixels.teacher.mean, pixels.student.mean
        brightness = explain_gap(pixels.gram, *means, paired=paired)
    spectrum = find_spectrum(*pixels.powers, bands, level=level, paired=paired, **size)  # type: ignore[arg-type]
    scored = _score(
        (first, second),
        measurements,
        known=known,
        reference=reference,
        words={"plane": plane, "level": level, "paired": paired, "on_step": tick},
    )
    calibration: list[Finding] = [] if scored is None else list(scored.findings)
    if known is not None:
        calibration += find_counted_truth(
            meter, task.values, task.sites, list(known), level=level, paired=paired
        )
    features = principal_coordinates(pixels.standardised)
    modes, forms = find_modes(features, first.count, level=level, paired=paired)
    found: list[Finding] = [
        find_mean_gap(
            pixels.gram, level=level, paired=paired, rho=samples.rho, brightness=brightness
        ),
        pixels.somewhere[0],
        find_variance_ratio(pixels.gram, level=level, paired=paired),
        tiled,
        *spectrum,
        pixels.somewhere[1],
        *find_leading(pixels.gram, level=level, paired=paired),
        *task.findings,
        explained,
        find_residual_difference(
            residuals[0], residuals[1], level=level, paired=paired, trust=meter.trust
        ),
        *calibration,
        *find_spread(pixels, bands, modes, task.values, level=level, paired=paired, **size),  # type: ignore[arg-type]
        *experiments,
    ]
    solver = described[0].solver or SolverTrust()
    covered = next((one for one in calibration if one.id == "reference.coverage"), None)
    decision = plan.decide((first.count, second.count))
    spare = samples.further if paired else (0, 0)
    findings = plan.settle(found, decision, solver=solver, spare=spare)
    plan.record(decision, findings)
    doubts = reference_doubts(solver, chi2=explained, coverage=covered)
    return Report(
        findings=findings,
        figures=Figures(
            input=_input_plane(teacher, plane, first.plane_shape),
            teacher=_pictures(first, pixels.teacher, plane, n_gallery),
            student=_pictures(second, pixels.student, plane, n_gallery),
            log2_variance_ratio=log2_variance_ratio_map(
                pixels.teacher.sd, pixels.student.sd, smoothing=MAP_SMOOTHING
            ),
            values=(*task.values, task.residual),
            plane=plane,
            planes=first.planes,
            pixel_size=described[0].pixel_size,
            unit=described[0].unit,
            maps=(*pixels.maps, *tile_maps, *(scored.maps if scored else ()), *experiment_maps),
            sites=task.sites,
            forms=read_examples(
                forms, (first, second), (pixels.teacher, pixels.student), plane=plane
            ),
            charts=_charts(findings, pixels, task.curve, forms) | (scored.charts if scored else {}),
        ),
        teacher=described[0],
        student=described[1],
        level=level,
        coupled=paired,
        rho=samples.rho,
        scope=tell_scope(described, first),
        warnings=(
            *tell_caveats(
                described,
                meter.trust,
                pixels.gram,
                samples=samples,
                blocks=None if scored is None else scored.blocks,
            ),
            *(() if reference is None else (REFERENCE_NOTE,)),
            *tell_dependence(pixels.gram),
            *meter.untestable,
            *_chance(meter, first),
            *decision.notes,
        ),
        thresholds={
            "puncta_amplitude": [c.puncta_threshold for c in meter.contexts],
            "puncta_amplitude_unit": "photoelectrons/px",
            "puncta_amplitude_input": [c.puncta_threshold_adu for c in meter.contexts],
            "background": [c.background for c in meter.contexts],
            "fixed_from": "the measurement, before sampling",
        },
        familiar=familiar_numbers(measurements[plane], pixels.teacher.mean, pixels.student.mean),
        overall=conclude(
            findings,
            plan.looks,
            required=plan.tolerances.required,
            decides=decision.decides,
            questionable=doubts,
        ),
        plan=plan.to_dict(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _chosen(
    statistics: Sequence[str | Statistic] | None, comparison: Comparison | None
) -> Sequence[str | Statistic]:
    if statistics is not None:
        return statistics
    return ("puncta_count",) if comparison is None else comparison.statistics


def _read(
    samples: Chosen, bands: Bands, *, plane: int, on_step: Callable[[], None]
) -> tuple[Chosen, Pass]:
    """Read the pixels of the samples that are compared: once, and again where pairs say little."""
    words: Any = {"plane": plane, "on_step": on_step}
    pixels = read_pixels(*samples.stacks, bands, paired=samples.paired, **words)
    settled = samples.settle(coupling(pixels.gram) if samples.paired else None)
    if settled.paired != samples.paired:
        pixels = read_pixels(*settled.stacks, bands, paired=settled.paired, **words)
    return settled, pixels


def _measure(
    stack: Stack, meter: SampleMeter, on_step: Progress | None, done: int, total: int
) -> list[MeasuredSample]:
    """Measure every sample of a run, several at a time."""

    def measure(sample: int) -> MeasuredSample:
        return meter.measure([stack.plane(sample, index) for index in range(stack.planes)])

    found = []
    for number, one in enumerate(in_order(measure, range(stack.count), None), start=1):
        found.append(one)
        if on_step is not None:
            on_step(done + number, total)
    return found


def _chance(meter: SampleMeter, stack: Stack) -> list[str]:
    """Say which statistics, perhaps functions of the user, give no two times the same."""
    planes = [stack.plane(0, index) for index in range(stack.planes)]
    told = (check_deterministic(one, planes, meter.contexts) for one in meter.statistics)
    return [one for one in told if one is not None]


def _find_tiles(
    pixels: Pass, plan: Comparison, stack: Stack, *, paired: bool, plane: int, size: Any
) -> tuple[Finding, tuple[MapImage, ...]]:
    """Compare variances tile by tile, with tiles as large as the teacher's samples ask for."""
    rows = pixels.gram.teacher
    nu = group(pixels.gram.matrix[np.ix_(rows, rows)]).dimension
    side = choose_tile(nu, stack.plane_shape, planes=stack.planes)
    tolerance = plan.tolerances.of("tiles", "tiles")
    limits = None if tolerance is None else tolerance.resolve()
    assert limits is not None  # ratios have a range by default
    return find_tiles(
        pixels.tiles,
        side=side,
        limits=limits,
        level=plan.looks.level,
        paired=paired,
        plane=plane,
        **size,
    )


def _charts(
    findings: Sequence[Finding], pixels: Pass, curve: Mapping[str, Any], forms: Forms
) -> dict[str, Any]:
    """Gather the numbers behind the charts; see `charts.plot_report`."""
    bands: Sequence[Mapping[str, Any]] = next(
        (one.extra["bands"] for one in findings if one.id == "spectrum"), ()
    )
    charts: dict[str, Any] = {"spectrum": list(bands), "curve": dict(curve)}
    places = np.split(forms.coordinates, [forms.n_teacher])
    charts["scatter"] = {"teacher": places[0].tolist(), "student": places[1].tolist()}
    found = eigen_spectrum(pixels.gram)
    if found is not None and found.teacher.sum() > 0:
        whole = float(found.teacher.sum())
        parts = {name: getattr(found, name) for name in ("teacher", "student", "low", "high")}
        charts["eigen"] = {name: (part / whole).tolist() for name, part in parts.items()}
    return charts


def _pictures(stack: Stack, moments: Moments, plane: int, n_gallery: int) -> RunPictures:
    shown = range(min(max(n_gallery, 0), stack.count))
    gallery = np.zeros((len(shown), *stack.plane_shape), np.float32)
    for sample in shown:
        gallery[sample] = stack.plane(sample, plane)
    return RunPictures(moments.mean, moments.sd, gallery)


def _input_plane(source: SampleSource, plane: int, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(np.asarray(source.input).reshape(-1, *shape)[plane])


def _score(
    stacks: tuple[Stack, Stack],
    measurements: Sequence[Measurement],
    *,
    known: np.ndarray | None,
    reference: Any,
    words: Any,
) -> KnownFindings | None:
    """Score the runs against what is known of the object, if anything is."""
    if known is not None:
        return compare_with_known(*stacks, known, **words)
    if reference is None:
        return None
    found = fit_reference(stacks[0], measurements, np.asarray(reference))
    # noise of its own for each sample, the same in pairs
    seeds = (0, 0) if words["paired"] else (0, 1)
    first, second = (
        SeenStack(stack, measurements, noise=found.noise, seed=seed)
        for stack, seed in zip(stacks, seeds, strict=True)
    )
    return compare_with_known(first, second, found.values, what=REFERENCE, **words)


def _check_known(truth: Any, reference: Any, stack: Stack) -> np.ndarray | None:
    """Return the known object, (P, H, W), before time is spent; None without one."""
    if truth is None:
        return None
    if reference is not None:
        raise InputError("give either the known object or a reference, not both")
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
