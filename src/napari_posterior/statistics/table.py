"""Statistics of many samples as one tidy table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.base import Objects
from napari_posterior.statistics.evaluate import measure_planes, quantify
from napari_posterior.statistics.registry import get_statistic

if TYPE_CHECKING:
    import pandas as pd

    from napari_posterior.statistics.base import Statistic
    from napari_posterior.statistics.context import StatisticContext
    from napari_posterior.statistics.regions import Region

__all__ = ["ROW", "WHOLE", "Row", "in_order", "list_objects", "measure_samples", "tidy"]

WHOLE = "whole image"
"""Name of the region that is no part."""

ROW = ("sample", "statistic", "region", "value", "unit")
"""Columns of the table."""

Planes = Sequence[np.ndarray]


@dataclass(frozen=True)
class Row:
    """One number of one sample.

    Parameters
    ----------
    sample : int
        Index of the sample in its run.
    statistic : str
        Name of the statistic; of one that gives several numbers ``name.key``.
    region : str
        Name of the region.
    value : float
        The number; NaN where it is not defined, such as the mean width of no puncta.
    unit : str
        Its unit.
    """

    sample: int
    statistic: str
    region: str
    value: float
    unit: str


def measure_samples(
    read: Callable[[int], Planes],
    indices: Sequence[int],
    statistics: Sequence[str | Statistic],
    contexts: Sequence[StatisticContext],
    *,
    regions: Sequence[Region] = (),
    workers: int | None = None,
    on_sample: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Measure samples, several at a time; the order of the rows does not depend on it.

    Parameters
    ----------
    read : callable
        Gives the planes (H, W) of a sample by its index; called in several threads.
    indices : sequence of int
        The samples.
    statistics : sequence of str or Statistic
        What to measure.
    contexts : sequence of StatisticContext
        One for each plane, fixed from the measurement.
    regions : sequence of Region
        Where; the whole plane if there is none.
    workers : int, optional
        Threads; as many as there are cores by default.
    on_sample : callable, optional
        Called in this thread with the number of samples done and that of all; what it raises ends
        the measuring.

    Returns
    -------
    list of Row
        By sample, statistic and region.

    Raises
    ------
    InputError
        If a statistic is unknown, does not take regions, or gives a value that is not finite.
    """
    chosen = [get_statistic(one) for one in statistics]
    where: Sequence[Region | None] = regions or (None,)

    def measure(index: int) -> list[Row]:
        planes = read(index)
        return [
            Row(
                index,
                f"{one.name}.{key}" if key else one.name,
                WHOLE if region is None else region.name,
                found.value,
                found.unit,
            )
            for one in chosen
            for region in where
            for key, found in quantify(one, planes, contexts, region=region).items()
        ]

    rows: list[Row] = []
    for done, found in enumerate(in_order(measure, indices, workers), start=1):
        rows += found
        if on_sample is not None:
            on_sample(done, len(indices))
    return rows


def list_objects(
    read: Callable[[int], Planes],
    indices: Sequence[int],
    chosen: Statistic,
    contexts: Sequence[StatisticContext],
    *,
    regions: Sequence[Region] = (),
    workers: int | None = None,
) -> pd.DataFrame:
    """List every object of every sample: sample, plane, region, row, column, and its columns.

    Parameters are those of `measure_samples`. A column is called by its unit too, such as
    ``area [px^2]``.

    Raises
    ------
    InputError
        If the statistic gives numbers and no objects, or for the reasons of `measure_samples`.
    """
    import pandas as pd

    where: Sequence[Region | None] = regions or (None,)

    def measure(index: int) -> list[pd.DataFrame]:
        planes, tables = read(index), []
        for region in where:
            for plane, found in enumerate(measure_planes(chosen, planes, contexts, region=region)):
                if not isinstance(found, Objects):
                    raise InputError(
                        f"{chosen.name} gives numbers and no objects; ask for puncta or objects"
                    )
                columns: dict[str, Any] = {
                    "sample": index,
                    "plane": plane,
                    "region": WHOLE if region is None else region.name,
                    "row [px]": found.positions[:, 0],
                    "column [px]": found.positions[:, 1],
                }
                for name, column in found.columns.items():
                    unit = found.units[name]
                    columns[f"{name} [{unit}]" if unit else name] = column
                tables.append(pd.DataFrame(columns))
        return tables

    tables = [one for some in in_order(measure, indices, workers) for one in some]
    return pd.concat(tables, ignore_index=True)


def tidy(rows: Sequence[Row], **also: Any) -> pd.DataFrame:
    """Make a table of rows, with further columns in front that are the same in all of them."""
    import pandas as pd

    table = pd.DataFrame([[getattr(one, name) for name in ROW] for one in rows], columns=list(ROW))
    for place, (name, value) in enumerate(also.items()):
        table.insert(place, name, value)
    return table


def in_order(
    measure: Callable[[int], Any], indices: Sequence[int], workers: int | None
) -> Iterator[Any]:
    """Measure in threads and yield in order; at most two samples a thread are held."""
    threads = max(1, min(workers or os.cpu_count() or 1, len(indices)))
    left = iter(indices)
    with ThreadPoolExecutor(threads, thread_name_prefix="napari-posterior measuring") as pool:
        going = [pool.submit(measure, index) for index in islice(left, 2 * threads)]
        try:
            while going:
                yield going.pop(0).result()
                going += [pool.submit(measure, index) for index in islice(left, 1)]
        finally:
            for one in going:
                one.cancel()
