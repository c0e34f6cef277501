"""The samples of a run as one array that stays on disk."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.runs.ome import StoredImage
from napari_posterior.runs.record import sample_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_posterior.image import Geometry

__all__ = ["SampleStack"]


class SampleStack:
    """The samples of a run as one array that is read from disk when it is indexed.

    Parameters
    ----------
    folder : Path
        The run.
    indices : tuple of int
        The samples, one for each entry of the first axis.
    geometry : Geometry
        Of one sample.
    image_shape : tuple of int
        Of one sample.
    owner : object, optional
        Kept alive as long as the stack: the run whose temporary folder it reads.
    """

    def __init__(
        self,
        folder: Path,
        indices: tuple[int, ...],
        geometry: Geometry,
        image_shape: tuple[int, ...],
        *,
        owner: object = None,
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._geometry = geometry
        self.indices = indices
        self.shape: tuple[int, ...] = (len(indices), *image_shape)
        self.dtype = np.dtype(np.float32)

    @property
    def ndim(self) -> int:
        """Number of axes, the sample axis included."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all samples would take in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[position] for position in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("the samples are on disk; an array of them is always a copy")
        return np.asarray(self[:], dtype)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read what NumPy indexing selects; only the samples that it needs are read.

        The first axis takes an integer, a slice, or a list or array of integers or booleans.
        """
        first, *rest = self._complete(key if isinstance(key, tuple) else (key,))
        if not isinstance(first, slice | list | tuple | np.ndarray):
            position = operator.index(first)
            if not -len(self) <= position < len(self):
                raise IndexError(f"sample {position} is out of range for {len(self)} samples")
            return self._read(position % len(self), rest)
        where = np.arange(len(self))[first]
        if where.size == 0:
            nothing = np.empty((1, *self.shape[1:]), self.dtype)[(slice(0), *rest)]
            return np.asarray(nothing)
        one = self._read(int(where[0]), rest)
        stack = np.empty((len(where), *one.shape), self.dtype)
        stack[0] = one
        for row, position in enumerate(where[1:], start=1):
            stack[row] = self._read(int(position), rest)
        return stack

    def __repr__(self) -> str:
        return f"SampleStack(shape={self.shape}, dtype={self.dtype}, folder={str(self._folder)!r})"

    def _complete(self, key: tuple[Any, ...]) -> list[Any]:
        """One entry for each axis."""
        if any(part is None for part in key):
            raise IndexError("new axes cannot be made here; take the samples first")
        dots = [i for i, part in enumerate(key) if part is Ellipsis]
        given = len(key) - len(dots)
        if len(dots) > 1 or given > self.ndim:
            raise IndexError(f"{len(key)} indices do not fit {self.ndim} axes")
        at = dots[0] if dots else len(key)
        fill = [slice(None)] * (self.ndim - given)
        return [*key[:at], *fill, *key[at + len(dots) :]]

    def _read(self, position: int, rest: Sequence[Any]) -> np.ndarray:
        stored = StoredImage(sample_folder(self._folder, self.indices[position]), self._geometry)
        if all(_is_plain(part) for part in rest):
            sizes = zip(rest, self.shape[1:], strict=True)
            return stored.read(tuple(_as_plain(part, size) for part, size in sizes))
        return np.asarray(stored.read()[tuple(rest)])


def _is_plain(part: Any) -> bool:
    if isinstance(part, slice):
        return part.step is None or part.step > 0
    return isinstance(part, int | np.integer)


def _as_plain(part: Any, size: int) -> int | slice:
    """Index or slice without negative numbers."""
    if isinstance(part, slice):
        return slice(*part.indices(size))
    position = operator.index(part)
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of range for an axis of {size}")
    return position % size
