"""Statistics of the samples of runs as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.api.regions import as_regions
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic, StatisticContext

__all__ = ["measure", "measure_objects", "planes_reader", "prepare_run"]

Progress = Callable[[int, int], None]


def measure(
    run: Run | str | os.PathLike[str],
    statistics: str | Statistic | Sequence[str | Statistic] = ("puncta_count",),
    *,
    regions: Any = None,
    workers: int | None = None,
    on_step: Progress | None = None,
) -> pd.DataFrame:
    """Measure every sample of a run; thresholds are fixed from the measurement.

    Parameters
    ----------
    run : Run or path
        A run, also one that is still being drawn: what is on disk is measured.
    statistics : str, Statistic, or sequence of them
        Names of `list_statistics`, with parameters such as
        ``"puncta_count(threshold_factor=1.5)"``, or functions made by `statistic`.
    regions : optional
        Where to measure; the whole image by default. See `as_regions`: labels, masks by name,
        files of either, or of shapes that napari saved.
    workers : int, optional
        Threads; as many as there are cores by default.
    on_step : callable, optional
        Called with the number of samples done and that of all; what it raises ends the measuring.

    Returns
    -------
    pandas.DataFrame
        A row for every number: run, sampler, sample, statistic, region, value, unit.

    Raises
    ------
    InputError
        If a statistic is unknown, does not take regions or gives a value that is not finite, or
        the regions do not fit the image.
    RunError
        If the run cannot be opened.
    """
    from napari_posterior.statistics import Statistic, measure_samples, tidy

    one = isinstance(statistics, str | Statistic)
    chosen: Sequence[str | Statistic] = [statistics] if one else statistics  # type: ignore[list-item, assignment]
    opened, contexts = prepare_run(run)
    rows = measure_samples(
        planes_reader(opened),
        opened.samples.indices,
        chosen,
        contexts,
        regions=as_regions(regions, opened.request.image.shape[-2:]),
        workers=workers,
        on_sample=on_step,
    )
    return tidy(rows, run=opened.path.name, sampler=opened.request.sampler)


def measure_objects(
    run: Run | str | os.PathLike[str],
    statistic: str | Statistic = "puncta",
    *,
    regions: Any = None,
    workers: int | None = None,
) -> pd.DataFrame:
    """List every object of every sample: each punctum, each nucleus.

    Parameters
    ----------
    run, regions, workers
        As in `measure`.
    statistic : str or Statistic
        One that gives objects, such as ``"puncta"`` or ``"objects"``.

    Returns
    -------
    pandas.DataFrame
        A row for every object: run, sampler, sample, plane, region, position in pixels, and what
        was measured on it, with units in the names of the columns.

    Raises
    ------
    InputError
        If the statistic gives numbers only, or for the reasons of `measure`.
    RunError
        If the run cannot be opened.
    """
    from napari_posterior.statistics import get_statistic, list_objects

    opened, contexts = prepare_run(run)
    table = list_objects(
        planes_reader(opened),
        opened.samples.indices,
        get_statistic(statistic),
        contexts,
        regions=as_regions(regions, opened.request.image.shape[-2:]),
        workers=workers,
    )
    table.insert(0, "run", opened.path.name)
    table.insert(1, "sampler", opened.request.sampler)
    return table


def prepare_run(run: Run | str | os.PathLike[str]) -> tuple[Run, list[StatisticContext]]:
    """Open a run, and fix the thresholds of its planes from their measurements.

    Raises
    ------
    InputError
        If it holds no sample.
    RunError
        If it cannot be opened.
    """
    from napari_posterior.api import open_run
    from napari_posterior.checks.source import describe
    from napari_posterior.statistics import make_context

    opened = open_run(run) if isinstance(run, str | os.PathLike) else run
    if not len(opened):
        raise InputError(f"the run {opened.path.name} holds no sample yet; draw one first")
    described = describe(opened)
    contexts = [
        make_context(
            opened.measurement(plane), pixel_size=described.pixel_size, unit=described.unit
        )
        for plane in range(opened.request.image.n_planes)
    ]
    return opened, contexts


def planes_reader(run: Run) -> Callable[[int], list[np.ndarray]]:
    """Return a function that reads the planes of a sample by its index in the run."""
    stack, height_width = run.samples, run.request.image.shape[-2:]
    place = {index: position for position, index in enumerate(stack.indices)}
    return lambda index: list(np.asarray(stack[place[index]]).reshape(-1, *height_width))
