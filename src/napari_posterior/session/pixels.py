"""What the samples of one or two runs say of one pixel, read where waiting is no harm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.image import Geometry
    from napari_posterior.runs.run import Run

__all__ = ["LEVEL", "Marginal", "NamedRun", "PixelReading", "place_in_words", "read_pixel"]

LEVEL: Final = 0.9
"""Share of the samples between the ends of the interval that is shown."""

_SHORT: Final = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm"}
_PIXEL: Final = "pixel"


@dataclass(frozen=True, eq=False)
class NamedRun:
    """A run as it is called where it is shown.

    Parameters
    ----------
    name : str
        ``"#3 teacher-8"``.
    run : Run
        With one sample at least.
    """

    name: str
    run: Run


@dataclass(frozen=True, eq=False)
class Marginal:
    """The samples of one run at one pixel.

    Parameters
    ----------
    name : str
        What the run is called.
    values : ndarray, (K,) float64
        Photoelectrons per pixel, in the order of the samples.
    """

    name: str
    values: np.ndarray

    @cached_property
    def mean(self) -> float:
        """Mean of the samples."""
        return float(self.values.mean())

    @cached_property
    def sd(self) -> float | None:
        """Standard deviation (n - 1); None where there is one sample."""
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else None

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """Ends between which `LEVEL` of the samples lie; None where there is one sample.

        Linear between neighbours, as `Run.quantile` does it.
        """
        if len(self.values) < 2:
            return None
        low, high = np.quantile(self.values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    @property
    def words(self) -> str:
        """Mean, SD, interval and K: ``"12.1, SD 3.4, 90 %: 7.2 to 18, K = 16"``."""
        told = number(self.mean)
        if self.sd is not None and self.interval is not None:
            low, high = (number(end) for end in self.interval)
            told += f", SD {number(self.sd, 2)}, {100 * LEVEL:.0f} %: {low} to {high}"
        return f"{told}, K = {len(self.values)}"


@dataclass(frozen=True, eq=False)
class PixelReading:
    """What is known of one pixel.

    Parameters
    ----------
    index : tuple of int
        Of the pixel in the image that was restored, counted from 0.
    place : str
        The same in words, with the position in units of length where they are known.
    adu : float
        The measurement in grey levels.
    electrons : float
        The measurement in photoelectrons, without the background of the camera's side, so that it
        compares with the samples.
    saturated : bool
        Whether the camera was full there: it was at least as bright.
    teacher, student : Marginal or None
        The samples; None for a run that is not there.
    sha256 : str
        Of the image.
    """

    index: tuple[int, ...]
    place: str
    adu: float
    electrons: float
    saturated: bool
    teacher: Marginal | None
    student: Marginal | None
    sha256: str

    @property
    def measured(self) -> str:
        """The measurement in words: ``"22.9 photoelectrons/px (148 ADU)"``."""
        least = "at least " if self.saturated else ""
        note = ", saturated" if self.saturated else ""
        return f"{least}{number(self.electrons)} photoelectrons/px ({self.adu:.5g} ADU{note})"


def read_pixel(
    index: Sequence[int], *, teacher: NamedRun | None = None, student: NamedRun | None = None
) -> PixelReading:
    """Read all samples at one pixel; of each sample only the chunk that holds it is read.

    Parameters
    ----------
    index : sequence of int
        Of the pixel in the image, along all its axes.
    teacher, student : NamedRun, optional
        Runs of one image; one at least.

    Raises
    ------
    RunError
        If a run is damaged.
    """
    given = [one for one in (teacher, student) if one is not None]
    run = given[0].run
    at = tuple(int(i) for i in index)
    request = run.request
    lead = request.image.shape[:-2]
    plane = int(np.ravel_multi_index(at[:-2], lead)) if lead else 0
    measurement = run.measurement(plane)
    marginals = [None if one is None else _marginal(one, at) for one in (teacher, student)]
    return PixelReading(
        index=at,
        place=place_in_words(at, run.geometry),
        adu=float(run.input[at]),
        electrons=float(measurement.electrons[at[-2:]]) - request.background,
        saturated=not bool(measurement.valid[at[-2:]]),
        teacher=marginals[0],
        student=marginals[1],
        sha256=request.image.sha256,
    )


def place_in_words(index: Sequence[float], geometry: Geometry) -> str:
    """Say where a pixel is: ``"row 12, column 30 (1.2, 3 µm)"``, counted from 0 as napari does."""
    whole = [round(i) for i in index]
    lead = [f"{axis} = {i}" for axis, i in zip(geometry.axes[:-2], whole[:-2], strict=True)]
    told = ", ".join([*lead, f"row {whole[-2]}, column {whole[-1]}"])
    unit = geometry.units[-1]
    if unit == _PIXEL or geometry.units[-2] != unit:
        return told
    world = (
        number(start + i * step)
        for i, start, step in zip(
            index[-2:], geometry.translate[-2:], geometry.scale[-2:], strict=True
        )
    )
    return f"{told} ({', '.join(world)} {_SHORT.get(unit, unit)})"


def _marginal(one: NamedRun, index: tuple[int, ...]) -> Marginal:
    return Marginal(one.name, np.asarray(one.run.samples[(slice(None), *index)], np.float64))
