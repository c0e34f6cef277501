"""An acquired image: pixels with their geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_posterior.image.geometry import Geometry

__all__ = ["Image", "native"]


@dataclass(frozen=True, eq=False)
class Image:
    """An acquired image and its geometry.

    Parameters
    ----------
    data : ndarray, (..., H, W)
        Grey levels in ADU.
    geometry : Geometry
        Where the pixels lie; one entry for each axis of `data`.
    name : str
        What to call it.
    source : str or None
        The file that it was read from.
    origin : tuple of int
        Where the first pixel lies in the image that this is a part of, along each axis; all 0 by
        default. The noise of a sample belongs to that position, so that a part has its part of it.
    whole : tuple of int
        Shape of the image that this is a part of; by default this is all of it.

    Raises
    ------
    InputError
        If the geometry has another number of axes than the data, or the part does not lie in the
        whole.
    """

    data: np.ndarray
    geometry: Geometry
    name: str = "image"
    source: str | None = None
    origin: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", tuple(map(int, self.origin)) or (0,) * self.data.ndim)
        object.__setattr__(self, "whole", tuple(map(int, self.whole)) or self.data.shape)
        if self.data.ndim != self.geometry.ndim:
            raise InputError(
                f"{self.name} has {self.data.ndim} axes but its geometry has "
                f"{self.geometry.ndim}; give one entry for every axis"
            )
        if not len(self.origin) == len(self.whole) == self.data.ndim or any(
            start < 0 or start + size > all_of_it
            for start, size, all_of_it in zip(self.origin, self.data.shape, self.whole, strict=True)
        ):
            raise InputError(
                f"{self.name} of shape {self.data.shape} at {self.origin} does not lie in an image "
                f"of shape {self.whole}; give where its first pixel was"
            )

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of a plane in pixels."""
        return int(self.data.shape[-2]), int(self.data.shape[-1])

    @property
    def n_planes(self) -> int:
        """Number of planes: the product of all axes before y and x."""
        return math.prod(self.data.shape[:-2])

    def index_of(self, plane: int) -> tuple[int, ...]:
        """Position of a plane along the axes before y and x."""
        if not 0 <= plane < self.n_planes:
            raise InputError(
                f"{self.name} has no plane {plane}; choose one from 0 to {self.n_planes - 1}"
            )
        return tuple(int(i) for i in np.unravel_index(plane, self.data.shape[:-2]))

    def plane(self, plane: int) -> np.ndarray:
        """One plane, (H, W), a view of the data."""
        return np.asarray(self.data[self.index_of(plane)])

    def planes(self) -> Iterator[np.ndarray]:
        """All planes in order, each (H, W)."""
        return (self.plane(i) for i in range(self.n_planes))

    def channel_of(self, plane: int) -> int:
        """Index of the channel that a plane belongs to; 0 where there is no channel axis."""
        where = self.index_of(plane)
        return where[self.geometry.axes.index("c")] if "c" in self.geometry.axes else 0

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the first pixel of every plane in the whole image."""
        return self.origin[-2], self.origin[-1]

    def plane_in_whole(self, plane: int) -> int:
        """Return the number of a plane among those of the whole image."""
        where = [i + start for i, start in zip(self.index_of(plane), self.origin, strict=False)]
        return int(np.ravel_multi_index(where, self.whole[:-2])) if where else 0

    def crop(self, slices: Sequence[slice]) -> Image:
        """Return a part of the image that knows where it lies.

        Parameters
        ----------
        slices : sequence of slice
            One for each axis, with a start of 0 or more (or None) and no step.

        Raises
        ------
        InputError
            If a slice is missing, starts below 0 or has a step.
        """
        if any(part.step not in (None, 1) for part in slices):
            raise InputError("a crop cannot leave out pixels; give slices without a step")
        geometry = self.geometry.crop(slices)
        starts = [part.start or 0 for part in slices]
        origin = tuple(first + start for first, start in zip(self.origin, starts, strict=True))
        return replace(self, data=self.data[tuple(slices)], geometry=geometry, origin=origin)


def native(data: np.ndarray) -> np.ndarray:
    """Return the array in the byte order of this machine, integers as the types of fixed width.

    NumPy has two types for some widths (``long`` and ``longlong``), and Zarr knows one of them.
    """
    plain = data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))
    return plain.view(plain.dtype.str) if plain.dtype.kind in "iu" else plain
