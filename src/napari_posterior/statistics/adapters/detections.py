"""Detections of other programs on the samples of a run: one table for all, or one for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.adapters.spot_tables import MOST_SAMPLES, SpotTable, read_table
from napari_posterior.statistics.lengths import in_micrometres

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Detections", "read_detections"]

_COUNTED: Final = (
    "RS-FISH numbers time points by counting spots and goes wrong after a sample without spots or "
    "with spots below the intensity threshold; detect every sample as a file of its own and give "
    "all the files"
)


@dataclass(frozen=True, eq=False)
class Detections:
    """Detections of K samples.

    Parameters
    ----------
    positions : tuple of ndarray, (n, 2) or (n, 3) float64
        For each sample: row and column, or plane, row and column, in pixels.
    intensities : tuple of ndarray, (n,) float64, or None
        For each sample the intensities as the program gives them, NaN where one is missing; None
        where a table has none.
    source : str
        ``"TrackMate"``, ``"RS-FISH"`` or ``"plain"``.
    unit : str
        Unit of the positions in the file: ``"pixel"``, ``"micrometer"`` ...; empty where a table
        of physical positions does not say.
    intensity_column : str
        Which column `intensities` is; empty if none.
    notes : tuple of str
        What a user should know of this import, one sentence each.
    """

    positions: tuple[np.ndarray, ...]
    intensities: tuple[np.ndarray, ...] | None
    source: str
    unit: str
    intensity_column: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.positions)

    @property
    def counts(self) -> np.ndarray:
        """Detections in each sample, (K,) int."""
        return np.array([len(one) for one in self.positions], int)


def read_detections(
    path: str | PathLike[str] | Sequence[str | PathLike[str] | None],
    *,
    pixel_size: float | Sequence[float] | None = None,
    samples: int | None = None,
) -> Detections:
    """Read what another program detected on the samples of a run.

    To run such a program on all samples at once, save them as a TIFF time series, one sample for
    each time point. Use the same settings for teacher and student, with a threshold that does not
    adapt to the image. Three tables are known by their columns:

    * TrackMate, its table of all spots (that of the tracks lacks spots that are in no track): the
      sample is FRAME, the position POSITION_Y and POSITION_X in the unit of the image; POSITION_Z
      counts if it is not 0 everywhere.
    * RS-FISH: the sample is t - 1. It numbers time points by counting spots, which goes wrong
      after a sample that has none or has some below the intensity threshold; one file for each
      sample is reliable.
    * plain: the columns y and x in pixels, z if there is one, and sample, from 0, if there are
      several. Spotiflow writes such files, one for each image.

    Parameters
    ----------
    path : path, or sequence of paths
        The table of all samples, or one table for each sample in order; None stands for a sample
        in which nothing was found and for which no file was written.
    pixel_size : float or sequence of float, optional
        Height and width of a pixel, or depth, height and width, in micrometres; for a table of
        physical positions that does not name its unit, in the unit of the table (1 for pixels).
        Of no effect where positions are in pixels.
    samples : int, optional
        Number of samples K. By default the last one with a detection ends the list: give it.

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        If a file cannot be read, is not one of these tables, holds a position or sample that is
        no finite number or out of range, or needs a pixel size.
    """
    if samples is not None and not 1 <= samples <= MOST_SAMPLES:
        raise InputError(f"samples is {samples!r}; give a number from 1 to {MOST_SAMPLES}")
    notes: tuple[str, ...] = ()
    if isinstance(path, str | PathLike):
        table, name = read_table(Path(path)), Path(path).name
        if table.source == "RS-FISH" and np.any(table.samples != 0):
            notes = (_COUNTED,)
        count = _count_samples(table, samples, name)
    else:
        files = [None if one is None else Path(one) for one in path]
        if samples not in (None, len(files)):
            raise InputError(f"there are {len(files)} tables for {samples} samples; give as many")
        table, name, count = _join(files), "the table", len(files)
    pixels = _to_pixels(table, pixel_size, name)
    order = np.argsort(table.samples, kind="stable")
    ends = np.searchsorted(table.samples[order], np.arange(1, count))
    column = table.intensity_column
    intensities = tuple(np.split(table.intensities[order], ends)) if column else None
    positions = tuple(np.split(pixels[order], ends))
    return Detections(positions, intensities, table.source, table.unit, column, notes)


def _count_samples(table: SpotTable, samples: int | None, name: str) -> int:
    if samples is None:
        if not len(table.samples):
            raise InputError(f"{name} holds no detection; say how many samples there are")
        return int(table.samples.max()) + 1
    if samples > 1 and not table.says_sample:
        raise InputError(
            f"{name} does not say which of the {samples} samples a row belongs to; add a column "
            "'sample' that counts from 0"
        )
    if len(table.samples) and table.samples.max() >= samples:
        raise InputError(
            f"{name} has a detection in sample {table.samples.max()}, counted from 0, but there "
            f"are {samples} samples; give the table of this run"
        )
    return samples


def _join(files: Sequence[Path | None]) -> SpotTable:
    """Put tables of one sample each below one another."""
    tables = []
    for index, file in enumerate(files):
        if file is None:
            continue
        one = read_table(file)
        if np.any(one.samples != 0):
            raise InputError(
                f"{file.name} is one of several tables but has several samples itself; give it "
                "alone, or one table for each sample"
            )
        tables.append(replace(one, samples=np.full(len(one.samples), index)))
    if not tables:
        raise InputError("there is no table among the samples; give one file at least")
    first = tables[0]
    for one in tables[1:]:
        if (one.source, one.unit, one.intensity_column) != (
            first.source,
            first.unit,
            first.intensity_column,
        ):
            raise InputError(
                "the tables differ in program, unit or columns; export all in the same way"
            )
    return replace(
        first,
        positions=np.concatenate([one.positions for one in tables]),
        is_volume=any(one.is_volume for one in tables),
        samples=np.concatenate([one.samples for one in tables]),
        intensities=np.concatenate([one.intensities for one in tables]),
    )


def _to_pixels(
    table: SpotTable, pixel_size: float | Sequence[float] | None, name: str
) -> np.ndarray:
    """Return the positions in pixels, (n, 2) or (n, 3)."""
    axes = 3 if table.is_volume else 2
    positions = table.positions[:, 3 - axes :]
    if table.unit == "pixel":
        return positions
    if pixel_size is None:
        unit = table.unit or "a unit that it does not name"
        raise InputError(f"{name} gives positions in {unit}; say the pixel size in micrometres")
    step = in_micrometres((1.0, 1.0), table.unit) if table.unit else (1.0, 1.0)
    if step is None:
        raise InputError(
            f"{name} gives positions in {table.unit[:40]!r}, no unit of microscopy; set the scale "
            "of the image to pixels and detect again"
        )
    sizes = np.asarray(pixel_size, np.float64)
    sizes = np.full(2, sizes) if sizes.ndim == 0 else sizes
    if sizes.shape not in ((2,), (3,)) or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise InputError(f"the pixel size is {pixel_size}; give two or three positive numbers")
    if len(sizes) < axes:
        raise InputError(f"{name} has positions in z; give a pixel size of depth, height and width")
    with np.errstate(over="ignore"):
        pixels = positions * step[0] / sizes[-axes:]
    if not np.all(np.isfinite(pixels)):
        raise InputError(f"{name} has positions that are no pixels; check them and the pixel size")
    return np.asarray(pixels)
