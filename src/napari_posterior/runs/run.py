"""A run that was made: its samples, mean, spread and everything it was made with."""

from __future__ import annotations

import importlib
import math
import operator
import shutil
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import RunError
from napari_posterior.image import Image
from napari_posterior.runs.moments import Moments
from napari_posterior.runs.ome import StoredImage
from napari_posterior.runs.provenance import to_script
from napari_posterior.runs.record import (
    INPUT,
    MEAN,
    SD,
    read_record,
    sample_folder,
    stored_samples,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_posterior.image import Geometry
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.runs.provenance import Provenance
    from napari_posterior.runs.record import RunState
    from napari_posterior.runs.request import RestoreRequest, Role

__all__ = ["Run", "SampleStack"]

_VALUES_AT_ONCE: Final = 2**26
"""Values that are held for a quantile: 256 MiB of float32."""

_BLOCK: Final = 512


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


class Run:
    """A run on disk.

    Made by `restore` and `open_run`. A run that was given no folder lives in a temporary one,
    which is removed when this object is no longer used: keep the object, or copy the folder.

    Parameters
    ----------
    path : path
        The folder.
    temporary : bool
        Remove the folder together with this object.

    Raises
    ------
    RunError
        If the folder is not a run, or cannot be read.
    """

    def __init__(self, path: Path | str, *, temporary: bool = False) -> None:
        self.path = Path(path)
        """The folder of the run."""
        self._record = read_record(self.path)
        self._indices = stored_samples(self.path)
        self._temporary = temporary
        if temporary:
            weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    @property
    def request(self) -> RestoreRequest:
        """What was asked for."""
        return self._record.request

    @property
    def provenance(self) -> Provenance:
        """Where, when and with what the run was made."""
        return self._record.provenance

    @property
    def state(self) -> RunState:
        """How the run ended; ``"interrupted"`` where the program died, or is still drawing."""
        return "interrupted" if self._record.state == "running" else self._record.state

    @property
    def message(self) -> str:
        """Why the run ended so; empty when all went well."""
        return self._record.message

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the run warned of."""
        return self._record.warnings

    @property
    def seconds(self) -> float:
        """Time that drawing took."""
        return self._record.seconds

    @property
    def role(self) -> Role:
        """``"teacher"``, ``"student"`` or ``"point"``."""
        return self.request.role

    @property
    def geometry(self) -> Geometry:
        """Where the pixels of one sample lie; those of the input."""
        return self.request.image.geometry

    @property
    def samples(self) -> SampleStack:
        """The samples, (K, ...) float32, in photoelectrons per pixel; read when indexed."""
        shape = self.request.image.shape
        return SampleStack(self.path, self._indices, self.geometry, shape, owner=self)

    @cached_property
    def input(self) -> np.ndarray:
        """The measured image in ADU, in its own dtype."""
        return self._stored(INPUT)

    @property
    def image(self) -> Image:
        """The measured image with its geometry, as it was restored."""
        record = self.request.image
        return Image(self.input, self.geometry, record.name, record.source)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the samples, float32, in photoelectrons per pixel.

        Raises
        ------
        RunError
            If the run holds no sample.
        """
        return self._moments[0]

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation of the samples (n - 1), float32; NaN where there is one sample."""
        return self._moments[1]

    def quantile(self, q: float | Sequence[float]) -> np.ndarray:
        """Quantile of the samples in each pixel, read block by block.

        Parameters
        ----------
        q : float or sequence of float
            0 to 1.

        Returns
        -------
        ndarray
            float32, of the shape of the image; with one more leading axis for a sequence.

        Raises
        ------
        RunError
            If the run holds no sample, or `q` is outside 0 to 1.
        """
        self._need_samples()
        levels = np.atleast_1d(np.asarray(q, np.float64))
        if not ((levels >= 0) & (levels <= 1)).all():
            raise RunError(f"the quantile {q} is outside 0 to 1; give a fraction such as 0.05")
        samples, shape = self.samples, self.request.image.shape
        result = np.empty((len(levels), *shape), np.float32)
        for block in _blocks(shape, len(samples)):
            values = samples[(slice(None), *block)]
            result[(slice(None), *block)] = np.quantile(values, levels, axis=0)
        return result if np.ndim(q) else result[0]

    def measurement(self, plane: int = 0) -> Measurement:
        """One plane of the input with its camera and PSF.

        Parameters
        ----------
        plane : int
            From 0, in the order of the axes before y and x.
        """
        from napari_posterior.physics.measurement import Measurement

        request = self.request
        y = np.asarray(self.image.plane(plane), np.float32)
        return Measurement(y, request.camera, request.psf, request.background)

    def add_to(self, viewer: Any, **options: Any) -> list[Any]:
        """Show this run in a napari viewer: samples, mean, sd and variance.

        Parameters
        ----------
        viewer : napari viewer
            Where to; `napari.components.ViewerModel` will do.
        **options
            See `napari_posterior.layers.add_run`.

        Returns
        -------
        list of napari Image layers

        Raises
        ------
        RunError
            If the run holds no sample or is damaged.
        """
        # by name: runs know nothing of windows, see docs/decisions/0003-run-add-to.md
        layers = importlib.import_module("napari_posterior.layers")
        return list(layers.add_run(viewer, self, **options))

    def to_script(self) -> str:
        """Write this run as a Python script that makes it again.

        The script takes the image from the folder of the run, or, where that is a temporary one,
        from the file that the image was read from.
        """
        return to_script(self.request, run=None if self._temporary else self.path)

    def __len__(self) -> int:
        return len(self._indices)

    def __repr__(self) -> str:
        return (
            f"Run({self.request.image.name!r}, {self.request.sampler}, "
            f"{len(self)} of {self.request.samples} samples, {self.state}, path={str(self.path)!r})"
        )

    @cached_property
    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        self._need_samples()
        if self._record.moments_of == len(self):
            mean = self._stored(MEAN)
            return mean, self._stored(SD) if len(self) > 1 else np.full_like(mean, np.nan)
        moments = Moments()
        for sample in self.samples:
            moments.add(sample)
        return moments.mean.astype(np.float32), moments.sd.astype(np.float32)

    def _need_samples(self) -> None:
        if not self._indices:
            raise RunError(f"{self.path} holds no samples; resume the run or make it again")

    def _stored(self, name: str) -> np.ndarray:
        try:
            return StoredImage(self.path / name, self.geometry).read()
        except OSError as error:
            raise RunError(
                f"{self.path / name} cannot be read; the run is damaged, so make it again"
            ) from error


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


def _blocks(shape: tuple[int, ...], samples: int) -> Iterator[tuple[int | slice, ...]]:
    """Parts of an image, aligned to its chunks, of which all samples fit into memory."""
    *leading, height, width = shape
    rows = max(1, min(_BLOCK, _VALUES_AT_ONCE // (samples * _BLOCK)))
    for lead in np.ndindex(*leading):
        for x in range(0, width, _BLOCK):
            for y in range(0, height, rows):
                yield (*lead, slice(y, min(y + rows, height)), slice(x, min(x + _BLOCK, width)))
