"""A run that was made: its samples, mean, spread and everything it was made with."""

from __future__ import annotations

import importlib
import shutil
import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import RunError
from napari_posterior.image import Image
from napari_posterior.runs.moments import Moments
from napari_posterior.runs.ome import StoredImage
from napari_posterior.runs.provenance import to_script
from napari_posterior.runs.quantiles import from_ranks, from_samples, within
from napari_posterior.runs.record import (
    HIGHEST,
    INPUT,
    LOWEST,
    MEAN,
    SD,
    rank_folder,
    read_record,
    stored_samples,
)
from napari_posterior.runs.stack import SampleStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.image import Geometry
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.runs.provenance import Provenance
    from napari_posterior.runs.record import RunState
    from napari_posterior.runs.request import RestoreRequest, Role
    from napari_posterior.runs.solver import ImageCheckRecord, SolverBias

__all__ = ["Run"]


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
        self._owner: Run | None = None
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
    def solver_bias(self) -> SolverBias | None:
        """What the solver was measured to leave open when the model was built.

        ``solver_bias.reference`` says whether this run is of the reference, and
        ``solver_bias.certificate`` what was measured of it, or None where nothing was. None for a
        student and a point estimate, and for runs of earlier versions.
        """
        return self._record.solver_bias

    @property
    def image_check(self) -> ImageCheckRecord | None:
        """What twice the steps changed on a part of this image, before the first sample.

        Only runs of a teacher have it, and only where it cost little beside the run; else None.
        """
        return self._record.image_check

    @property
    def temporary(self) -> bool:
        """Whether the folder goes when nobody uses this run any more."""
        return self._temporary or (self._owner is not None and self._owner.temporary)

    def keep(self, owner: Run) -> None:
        """Keep the run alive whose temporary folder this one reads too, having gone on with it."""
        self._owner = owner

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
        """The measured image with its geometry, as it was restored: a part knows its place."""
        record = self.request.image
        place = {"origin": record.origin, "whole": record.whole}
        return Image(self.input, self.geometry, record.name, record.source, **place)

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
        """Quantile of the samples in each pixel.

        Near 0 and 1 it comes from the extremes that were kept while the samples were drawn; for
        others all samples are read, block by block.

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
        count = len(self)
        kept = self._record.extremes if self._record.moments_of == count else 0
        if within(levels.tolist(), count, kept):
            result = np.stack([from_ranks(self._rank, level, count) for level in levels.tolist()])
        else:
            result = from_samples(self.samples, levels.tolist())
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
        return to_script(self.request, run=None if self.temporary else self.path)

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

    def _rank(self, rank: int) -> np.ndarray:
        """Read an order statistic that is kept, from 0 for the smallest values."""
        from_top = len(self) - 1 - rank
        low = rank < self._record.extremes
        return self._stored(rank_folder(*((LOWEST, rank) if low else (HIGHEST, from_top))))

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
