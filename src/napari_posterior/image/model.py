"""An acquired image: pixels with their geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    Raises
    ------
    InputError
        If the geometry has another number of axes than the data.
    """

    data: np.ndarray
    geometry: Geometry
    name: str = "image"
    source: str | None = None

    def __post_init__(self) -> None:
        if self.data.ndim != self.geometry.ndim:
            raise InputError(
                f"{self.name} has {self.data.ndim} axes but its geometry has "
                f"{self.geometry.ndim}; give one entry for every axis"
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


def native(data: np.ndarray) -> np.ndarray:
    """Return the array in the byte order of this machine, integers as the types of fixed width.

    NumPy has two types for some widths (``long`` and ``longlong``), and Zarr knows one of them.
    """
    plain = data if data.dtype.isnative else data.astype(data.dtype.newbyteorder("="))
    return plain.view(plain.dtype.str) if plain.dtype.kind in "iu" else plain
