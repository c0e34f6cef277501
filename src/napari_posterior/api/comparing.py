"""Compare two runs of one image, or those of several images."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_posterior.api.pairs import open_given, open_pair
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from napari_posterior.checks.experiments.experiment import ExperimentResult
    from napari_posterior.checks.images.many_report import ManyReport
    from napari_posterior.checks.report import Report
    from napari_posterior.checks.verdicts.comparison import Comparison
    from napari_posterior.checks.verdicts.tolerances import Tolerances
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Region, Statistic

    Given = Run | str | os.PathLike[str]

__all__ = ["compare", "compare_images"]


def compare(
    teacher_run: Run | str | os.PathLike[str],
    student_run: Run | str | os.PathLike[str],
    *,
    statistics: str | Sequence[str | Statistic] | None = None,
    truth: Any = None,
    reference: Any = None,
    tolerances: Tolerances | Mapping[str, Any] | str | None = None,
    looks: Sequence[int] | None = None,
    experiments: Sequence[ExperimentResult] = (),
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    regions: Any = None,
    write: bool = True,
    on_step: Callable[[int, int], None] | None = None,
) -> Report:
    """Say what a student run kept of a teacher run of the same image, with error bars.

    Set tolerances before you look. With a folder they are kept there with their time, and so is
    every look: compare again with more samples and the next verdict is still as sure as planned;
    what is changed afterwards is marked post hoc.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Runs of one image with one camera, PSF, model and precision; also a teacher against itself
        with another seed.
    statistics : str, or sequence of str or Statistic, optional
        Computed on every sample; by default those of the question, ``"puncta_count"`` if none is
        named, or those of the folder.
    truth : array-like or path, optional
        The known object, in photoelectrons per pixel at the target resolution.
    reference : array-like or path, optional
        A better image of the same field, such as a longer exposure, where the object is not known:
        samples are seen through the PSF and compared with it.
    tolerances : str, mapping or Tolerances, optional
        A question, ``"restoration"``, ``"puncta"``, ``"intensity"`` or ``"filaments"``, or limits
        by the id of a finding, such as ``{"puncta_count": "20 %", "variance": (0.8, 1.25)}``, with
        ``"question"`` for the others; by default those of the folder, or of ``"restoration"``.
    looks : sequence of int, optional
        From how many samples of the smaller run on it decides; 16, 32, 64, 128 and 256 by default.
    experiments : sequence of ExperimentResult
        What `check_dependence` and `check_self_calibration` found, to be judged with the rest.
    out : path, optional
        Folder of the comparison: plan.json and the report.
    overwrite : bool
        Begin the comparison in `out` anew; the old plan is set aside, and its looks are not paid
        for, as every later report says.
    regions : optional
        Where statistics are computed beside the whole image, as of `measure`; each mean there
        decides too. By default those of the folder.
    write : bool
        Write the report into `out`; otherwise it keeps plan.json alone.
    on_step : callable, optional
        Called with the number of samples done and the number there are, 0 while pixels are read;
        may raise to stop.

    Returns
    -------
    Report
        ``report["mean"].verdict`` is *preserved*, *not preserved*, *not enough samples* or *not
        testable*.

    Raises
    ------
    InputError
        If a run is a point estimate, the first is not of a teacher, they do not belong together,
        a tolerance or a region cannot be used, or `out` keeps the comparison of other runs.
    OutputError
        If the folder cannot be written.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.checks import build_report, write_report
    from napari_posterior.image import load_image

    teacher, student = open_pair(teacher_run, student_run)
    known, better = (
        load_image(one).data if isinstance(one, str | os.PathLike) else one
        for one in (truth, reference)
    )
    comparison, measured = _prepare(
        teacher, student, statistics, tolerances, looks, regions, out=out, overwrite=overwrite
    )
    report = build_report(
        teacher,
        student,
        statistics=measured,
        comparison=comparison,
        regions=comparison.regions,
        truth=known,
        reference=better,
        comparable=True,
        experiments=[finding for one in experiments for finding in one.findings],
        experiment_maps=[image for one in experiments for image in one.maps],
        on_step=on_step,
    )
    told = dict.fromkeys((*report.warnings, *teacher.warnings, *student.warnings))
    report = dataclasses.replace(report, warnings=tuple(told))
    if out is not None and write:
        write_report(report, Path(out).expanduser())
    return report


def compare_images(
    images: Iterable[Report | tuple[Given, Given]],
    *,
    statistics: str | Sequence[str | Statistic] | None = None,
    tolerances: Tolerances | Mapping[str, Any] | str | None = None,
    looks: Sequence[int] | None = None,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    on_step: Callable[[int, int], None] | None = None,
) -> ManyReport:
    """Say what a student keeps of its teacher on images like these; the image is the unit.

    Of five images or more the verdict is on where the next one lies; of fewer, images are listed
    with a bound of the share that may fail.

    Parameters
    ----------
    images : iterable of pair of runs, or of Report
        Teacher and student run of each image, as of `compare`, or its report; two or more, of one
        pair of samplers.
    statistics, tolerances, looks, overwrite
        As of `compare`, for pairs of runs.
    out : path, optional
        Folder to write images.json and images.csv to, and a folder of each pair's comparison.
    on_step : callable, optional
        Called often with the number of images done and the number there are; may raise to stop.

    Returns
    -------
    ManyReport

    Raises
    ------
    InputError
        If there are fewer than two images, one is there twice, or their reports do not belong
        together; also as `compare`.
    OutputError
        If the folder cannot be written.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.checks.images.many import combine

    given = list(images)
    folders: set[Path] = set()

    def each() -> Iterator[Report]:
        for done, one in enumerate(given):
            if not isinstance(one, tuple | list):
                yield one
                continue
            if len(one) != 2:
                raise InputError(f"{len(one)} runs of an image were given; give teacher, student")
            step = None if on_step is None else _fixed_step(on_step, done, len(given))
            teacher = open_given(one[0])
            yield compare(
                teacher,
                one[1],
                statistics=statistics,
                tolerances=tolerances,
                looks=looks,
                out=None if out is None else _place(Path(out), teacher, folders),
                overwrite=overwrite,
                on_step=step,
            )

    found = combine(each())
    if out is not None:
        found.to_json(Path(out).expanduser() / "images.json")
        found.to_csv(Path(out).expanduser() / "images.csv")
    return found


def _prepare(
    teacher: Run,
    student: Run,
    statistics: str | Sequence[str | Statistic] | None,
    tolerances: Tolerances | Mapping[str, Any] | str | None,
    looks: Sequence[int] | None,
    regions: Any,
    *,
    out: str | os.PathLike[str] | None,
    overwrite: bool,
) -> tuple[Comparison, list[Statistic]]:
    """Declare what is compared, before a sample is read."""
    from napari_posterior.api.regions import as_regions
    from napari_posterior.checks.source import describe
    from napari_posterior.checks.verdicts.comparison import Comparison, open_comparison
    from napari_posterior.checks.verdicts.ledger import Pair
    from napari_posterior.statistics import get_statistic

    asked = None
    if statistics is not None:
        given = [statistics] if isinstance(statistics, str) else statistics
        asked = [get_statistic(one) for one in given]
    names = None if asked is None else [one.name for one in asked]
    where = None
    if regions is not None:
        where = as_regions(regions, teacher.request.image.shape[-2:])
        _check_regions(asked or (), where)  # what cannot be measured leaves no plan
    pair = Pair.of(describe(teacher), describe(student))
    declared: dict[str, Any] = {
        "pair": pair,
        "tolerances": tolerances,
        "statistics": names,
        "regions": where,
        "looks": looks,
    }
    if out is None:
        comparison = Comparison.in_memory(**declared)
    else:
        comparison = open_comparison(Path(out).expanduser(), **declared, overwrite=overwrite)
    measured = [get_statistic(name) for name in comparison.statistics] if asked is None else asked
    _check_regions(measured, comparison.regions)
    return comparison, measured


def _check_regions(statistics: Sequence[Statistic], regions: Sequence[Region]) -> None:
    """Refuse regions that a statistic cannot be measured in, before samples are read."""
    unable = [one.name for one in statistics if not (one.regions or one.volume)]
    if regions and unable:
        raise InputError(
            f"{unable[0]} does not take regions; leave it out, or leave the regions out"
        )


def _place(out: Path, run: Run, taken: set[Path]) -> Path:
    """Return a folder for the comparison of an image, named after it."""
    stem = re.sub(r"[^\w.-]+", "_", run.request.image.name) or "image"
    folder, number = out / stem, 2
    while folder in taken:
        folder, number = out / f"{stem}-{number}", number + 1
    taken.add(folder)
    return folder


def _fixed_step(
    on_step: Callable[[int, int], None], done: int, total: int
) -> Callable[[int, int], None]:
    return lambda *_: on_step(done, total)
