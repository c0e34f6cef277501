"""Runs on disk: a folder that is whole up to the last finished sample, whatever happens.

Every image is written under a temporary name and renamed, run.json is replaced in one step.
"""

from __future__ import annotations

import errno
import logging
import math
import shutil
import tempfile
import time
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import OutputError, RunError
from napari_posterior.runs.arrays import write_arrays
from napari_posterior.runs.extremes import Extremes, depth_for
from napari_posterior.runs.moments import Moments
from napari_posterior.runs.ome import StoredImage, round_mantissa, write_group, write_image
from napari_posterior.runs.record import (
    EXTREMES,
    HIGHEST,
    INPUT,
    LOWEST,
    MEAN,
    RECORD,
    SAMPLES,
    SD,
    RunRecord,
    rank_folder,
    read_record,
    sample_folder,
    stored_samples,
    write_record,
)
from napari_posterior.runs.run import Run

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from napari_posterior.image import Image
    from napari_posterior.runs.provenance import Provenance
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.sink import EndState
    from napari_posterior.runs.solver import ImageCheckRecord, SolverBias

__all__ = ["SUFFIX", "RunWriter", "open_run"]

_LOG = logging.getLogger(__name__)

SUFFIX: Final = ".posterior.zarr"
"""How the folder of a run is called by convention."""

_MAY_DIFFER: Final = ("batch", "tile", "device", "samples", "model")
"""Fields that may differ when a run is resumed: they leave a sample as it is (float tolerance).

The model is known by the hash of its files, wherever they lie.
"""

_FULL: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_DENIED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def open_run(path: str | os.PathLike[str]) -> Run:
    """Open a run on disk, also one that was cut short.

    Raises
    ------
    RunError
        If the folder is missing, not a run, or from a newer version.
    """
    return Run(_absolute(path))


class RunWriter:
    """Writes a run as its samples arrive; a `RunSink`.

    Make one with `RunWriter.create` or `RunWriter.resume`.
    """

    def __init__(self, path: Path, record: RunRecord, *, temporary: bool = False) -> None:
        self.path = path
        self._record = record
        self._temporary = (
            weakref.finalize(self, shutil.rmtree, path, ignore_errors=True) if temporary else None
        )
        self._geometry = record.request.image.geometry
        self._moments = Moments()
        self._pixels = math.prod(record.request.image.shape)
        self._extremes = Extremes(depth_for(record.request.samples, self._pixels))
        self._start = time.monotonic() - record.seconds

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        request: RestoreRequest,
        image: Image,
        *,
        provenance: Provenance,
        solver_bias: SolverBias | None = None,
        overwrite: bool = False,
    ) -> RunWriter:
        """Start a run in a new folder.

        Parameters
        ----------
        path : path or None
            The folder, by convention ``NAME.posterior.zarr``; None for a temporary one, which
            lives as long as the `Run` that `open` returns.
        request : RestoreRequest
            What is asked for.
        image : Image
            The measured image, kept with the run.
        provenance : Provenance
            Where, when and with what.
        solver_bias : SolverBias, optional
            What the solver of a teacher was measured to leave open.
        overwrite : bool
            Remove a run that is there already; nothing but a run is ever removed.

        Raises
        ------
        OutputError
            If the folder exists or cannot be written.
        """
        temporary = path is None
        folder = _temporary_folder() if path is None else _absolute(path)
        record = RunRecord(request=request, provenance=provenance, solver_bias=solver_bias)
        writer = cls(folder, record, temporary=temporary)
        with writer._telling():
            if not temporary:
                _make_room(folder, overwrite=overwrite)
            try:
                write_group(folder)
                (folder / SAMPLES).mkdir()
                write_group(folder / SAMPLES)
                writer._write(INPUT, image.data)
                write_arrays(folder, request)
                write_record(folder, writer._record)
            except BaseException:  # Ctrl-C too: what is no run yet would only be in the way
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return writer

    @classmethod
    def resume(cls, path: str | os.PathLike[str], request: RestoreRequest) -> RunWriter:
        """Go on with a run that was cut short, or draw more samples of it.

        Parameters
        ----------
        path : path
            The folder of the run.
        request : RestoreRequest
            The request of that run; batch, tile and device may differ, and the number of samples
            may be larger.

        Raises
        ------
        RunError
            If the folder is not a run, or was made with another request; it names the field.
        OutputError
            If the folder cannot be written.
        """
        folder = _absolute(path)
        record = read_record(folder)
        _check_same(folder, record.request, request)
        kept = tuple(index for index in stored_samples(folder))
        if kept and kept[-1] >= request.samples:
            raise RunError(
                f"{folder} holds samples up to {kept[-1] + 1}, more than the {request.samples} "
                "asked for; ask for as many or more, or choose another folder"
            )
        changes: dict[str, object] = {"state": "running", "message": "", "request": request}
        changes |= {"moments_of": 0, "extremes": 0}
        writer = cls(folder, record.model_copy(update={**changes, "completed": kept}))
        with writer._telling():
            for leftover in (*folder.glob(".*.part"), *(folder / SAMPLES).glob(".*.part")):
                shutil.rmtree(leftover)
            for index in kept:
                stored = StoredImage(sample_folder(folder, index), writer._geometry)
                writer._add(stored.read())
            write_record(folder, writer._record)
            # after the record, which must not promise what is taken away
            shutil.rmtree(folder / EXTREMES, ignore_errors=True)
        return writer

    @property
    def completed(self) -> frozenset[int]:
        """Indices of the samples that are kept already."""
        return frozenset(self._record.completed)

    def write_sample(self, index: int, sample: np.ndarray) -> Path:
        """Write one sample, rounded to 12 explicit mantissa bits; return its folder.

        Raises
        ------
        OutputError
            If the disk is full, the folder is read-only or gone; what was kept before stays.
        """
        rounded = round_mantissa(sample)
        folder = sample_folder(self.path, index)
        with self._telling():
            self._write(f"{SAMPLES}/{folder.name}", rounded)
            self._add(rounded)
            done = tuple(sorted((*self._record.completed, index)))
            self._save(completed=done)
        return folder

    def warn(self, message: str) -> None:
        """Keep a warning with the run."""
        with self._telling():
            self._save(warnings=(*self._record.warnings, message))

    @property
    def image_check(self) -> ImageCheckRecord | None:
        """What the check of the solver on the image found; None where it was not made."""
        return self._record.image_check

    def keep_check(self, check: ImageCheckRecord) -> None:
        """Keep what the check of the solver on the image found."""
        with self._telling():
            self._save(image_check=check)

    def finish(self, state: EndState, message: str = "") -> None:
        """Write mean, sd and, of a finished run, extremes; and how the run ended.

        Raises
        ------
        OutputError
            If they cannot be written; the samples stay as they are.
        """
        with self._telling():
            count = self._moments.count
            try:
                if count:
                    self._write(MEAN, self._moments.mean.astype(np.float32))
                if count > 1:
                    self._write(SD, self._moments.sd.astype(np.float32))
            except OSError as error:
                # the record is small: it may still fit where the images did not
                told = message or f"mean and sd could not be written ({error.strerror})"
                self._save(state="failed", message=told)
                raise
            # who cancels wants the end of it; quantiles are then read from the samples
            depth = self._write_extremes(count) if state == "finished" else 0
            self._save(state=state, message=message, moments_of=count, extremes=depth)

    def open(self) -> Run:
        """Open what was written; a temporary folder now belongs to the `Run` returned."""
        run = Run(self.path, temporary=self._temporary is not None)
        if self._temporary is not None:
            self._temporary.detach()
            self._temporary = None
        return run

    def _add(self, sample: np.ndarray) -> None:
        """Take a sample, as it is stored, into what is known of all of them."""
        self._moments.add(sample)
        self._extremes.add(sample)

    def _write_extremes(self, count: int) -> int:
        """Write the extremes of so many samples; return how many at either end.

        They only save time, so a disk that is too full for them does not fail the run.
        """
        depth = min(self._extremes.depth, depth_for(count, self._pixels))
        if not depth:
            return 0
        try:
            for group in (EXTREMES, LOWEST, HIGHEST):
                (self.path / group).mkdir()
                write_group(self.path / group)
            for end, kept in ((LOWEST, self._extremes.lowest), (HIGHEST, self._extremes.highest)):
                for rank in range(depth):
                    self._write(rank_folder(end, rank), kept[rank])
        except OSError:
            _LOG.debug("extremes are left out", exc_info=True)
            shutil.rmtree(self.path / EXTREMES, ignore_errors=True)
            return 0
        return depth

    def _save(self, **changes: object) -> None:
        """Change the record, on disk first, so that it never claims what is not there."""
        if not (self.path / RECORD).exists():
            raise FileNotFoundError(errno.ENOENT, "the run is gone", str(self.path))
        seconds = time.monotonic() - self._start
        record = self._record.model_copy(update={**changes, "seconds": seconds})
        write_record(self.path, record)
        self._record = record

    def _write(self, name: str, data: np.ndarray) -> None:
        """Write an image under a temporary name, then give it its own."""
        target = self.path / name
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()  # not with parents: a folder that is gone must not come back half empty
        try:
            write_image(part, data, self._geometry, name=target.name)
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
        except BaseException:  # Ctrl-C too
            shutil.rmtree(part, ignore_errors=True)
            raise

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn what goes wrong with the disk into one sentence."""
        kept = len(self._record.completed)
        try:
            yield
        except OSError as error:
            if error.errno in _FULL and not self.path.exists():
                told = (
                    f"the disk is full and {self.path} could not be begun; free some space, or "
                    "choose another folder"
                )
            elif error.errno in _FULL:
                told = (
                    f"the disk is full: {kept} samples are kept in {self.path}; free some space "
                    "and resume the run"
                )
            elif error.errno in _DENIED:
                told = f"{self.path} cannot be written; choose a folder that you may write to"
            elif isinstance(error, FileNotFoundError):
                told = (
                    f"the run folder {self.path} went away while it was written; check the disk "
                    "and restore the image again"
                )
            else:
                reason = error.strerror or str(error)
                told = f"{self.path} cannot be written ({reason}); choose another folder"
            raise OutputError(told) from error


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().absolute()


def _temporary_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="napari-posterior-", suffix=SUFFIX))
    except OSError as error:
        raise OutputError("no temporary folder can be made; give a folder for the run") from error


def _make_room(folder: Path, *, overwrite: bool) -> None:
    """Make the folder, or empty it where that was asked for."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        if not overwrite:
            raise OutputError(
                f"{folder} exists already; choose another name, or ask to overwrite or resume it"
            )
        if not (folder / RECORD).is_file():
            raise OutputError(f"{folder} is not a run and is left alone; choose another name")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _check_same(folder: Path, there: RestoreRequest, asked: RestoreRequest) -> None:
    """Refuse to mix samples of different requests."""
    for field in asked.differences(there):
        if field not in _MAY_DIFFER:
            raise RunError(
                f"{folder} was made {_how(field, there)}, so it cannot be resumed; repeat the "
                "request as it was, or choose another folder"
            )


def _how(field: str, there: RestoreRequest) -> str:
    if field == "bundle_hash":
        return "with another version of the model"
    if field.startswith("image."):
        return f"of another image (its {field.removeprefix('image.')} differs)"
    if field in ("camera", "psf"):
        return f"with another {'PSF' if field == 'psf' else field}"
    return f"with another {field} ({getattr(there, field)})"
