"""The pixels of two runs, plane by plane and in bands of rows that bound the memory.

Each plane is read twice: for sums, means and standard deviations, and then, in units of the latter,
for what has to know them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.reading import BandReader
from napari_posterior.checks.spread.bands import BandMeter, Bands
from napari_posterior.checks.spread.moments import Moments
from napari_posterior.checks.spread.pixel_tests import PixelTests
from napari_posterior.checks.spread.scale import pooled_scale
from napari_posterior.checks.spread.tiles import TileSquares, TileSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.source import Stack

__all__ = ["Pass", "read_pixels"]


@dataclass(frozen=True, eq=False)
class Pass:
    """What the pixels give.

    Parameters
    ----------
    gram : Gram
        Inner products over all planes.
    standardised : Gram
        The same of samples in units of the standard deviation of both runs at each pixel.
    tiles : TileSquares
        Squared distances from the mean, cell by cell.
    powers : tuple of ndarray, (K_T, n) and (K_S, n)
        Power of each sample's deviation in each band of frequency.
    teacher, student : Moments
        Maps of one plane.
    maps : tuple of MapImage
        Where the runs differ on that plane.
    somewhere : tuple of Finding
        Whether they differ somewhere in it.
    """

    gram: Gram
    standardised: Gram
    tiles: TileSquares
    powers: tuple[np.ndarray, np.ndarray]
    teacher: Moments
    student: Moments
    maps: tuple[MapImage, ...]
    somewhere: tuple[Finding, ...]


def read_pixels(
    teacher: Stack,
    student: Stack,
    bands: Bands,
    *,
    plane: int,
    paired: bool,
    on_step: Callable[[], None] | None = None,
) -> Pass:
    """Accumulate inner products, maps and spectra.

    Parameters
    ----------
    teacher, student : Stack
        Samples of the same image; in pairs, as many of each.
    bands : Bands
        Of spatial frequency.
    plane : int
        The plane whose maps are kept.
    paired : bool
        Whether sample i of both runs share their noise.
    on_step : callable, optional
        Called often; may raise to end it.

    Raises
    ------
    InputError
        If a sample has values that are not finite.
    """
    shape, counts = teacher.plane_shape, (teacher.count, student.count)
    reader = BandReader(teacher, student, on_step)
    grams = GramAccumulator(*counts), GramAccumulator(*counts)
    tiles = TileSums(*counts, shape, planes=teacher.planes)
    tests = PixelTests(shape, counts, paired=paired)
    powers = np.zeros((sum(counts), bands.count))
    shown: tuple[Moments, Moments] | None = None
    for index in range(teacher.planes):
        moments = _Maps(shape), _Maps(shape)
        for start, rows in reader.bands(index):
            grams[0].add(rows.reshape(len(rows), -1))
            tiles.add(rows, start, plane=index)
            for maps, part in zip(moments, reader.split(rows), strict=True):
                maps.add(part, start)
        both = moments[0].result(), moments[1].result()
        scale = pooled_scale(*both, counts).astype(np.float32)
        halo = tests.halo if index == plane else 0
        for start, rows in reader.bands(index, halo=halo):
            stop = min(start + reader.band, shape[0])
            if index == plane:
                shown = both
                tests.add(*reader.split(rows), start, stop, on_step=on_step)
            above = start - max(start - halo, 0)
            inner = rows[:, above : above + stop - start]
            grams[1].add((inner / scale[start:stop]).reshape(len(rows), -1))
        meter = BandMeter(bands, *both, counts)
        for k in range(sum(counts)):
            powers[k] += meter.measure(reader.plane(k, index), int(k >= counts[0]))
    assert shown is not None
    maps_, somewhere = tests.finish()
    return Pass(
        gram=grams[0].result(),
        standardised=grams[1].result(),
        tiles=tiles.result(),
        powers=(powers[: counts[0]], powers[counts[0] :]),
        teacher=shown[0],
        student=shown[1],
        maps=maps_,
        somewhere=somewhere,
    )


class _Maps:
    """Mean and standard deviation of a plane, band by band."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._mean, self._sd = (np.empty(shape, np.float32) for _ in range(2))

    def add(self, rows: np.ndarray, start: int) -> None:
        stop = start + rows.shape[1]
        self._mean[start:stop] = rows.mean(0, dtype=np.float64)
        self._sd[start:stop] = rows.std(0, ddof=1, dtype=np.float64)

    def result(self) -> Moments:
        return Moments(self._mean, self._sd)
