"""Where the numbers of camera and PSF come from, and the way back to those before."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from psygnal import Signal

from napari_posterior.errors import InputError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.estimate_job import EstimateJob, read_on_pixels
from napari_posterior.session.progress import ENDED

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from napari_posterior.physics.camera import Camera
    from napari_posterior.runs.events import Event
    from napari_posterior.session.estimate_job import Estimate, Subject
    from napari_posterior.session.models import ImageChoice, RestoreState
    from napari_posterior.session.psf_choice import PsfChoice
    from napari_posterior.session.queue import JobQueue

__all__ = ["Acquisition", "Part"]

Part: TypeAlias = Literal["camera", "psf"]


@dataclass(frozen=True)
class _Source:
    """Where a value came from, for as long as it is the one that is set."""

    value: Camera | PsfChoice
    words: str
    interval: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class Acquisition:
    """Finds the numbers of camera and PSF on a worker, and takes them into the state.

    Parameters
    ----------
    restore : RestoreState
        `camera` and `psf` are set there.
    queue : JobQueue
        Where the jobs go.

    Attributes
    ----------
    problem : str
        Why the last estimate came to nothing, in one sentence; empty if it did not.
    """

    changed = Signal()
    """A job begins or ends, or numbers were taken over."""

    def __init__(self, restore: RestoreState, queue: JobQueue) -> None:
        self._restore, self._queue = restore, queue
        self._sources: dict[Part, _Source] = {}
        self._before: list[tuple[Camera | None, PsfChoice, dict[Part, _Source]]] = []
        self._job: EstimateJob | None = None
        self.problem = ""

    @property
    def job(self) -> EstimateJob | None:
        """The job that goes on; None where none does."""
        job = self._job
        return None if job is None or job.state in ENDED else job

    @property
    def can_undo(self) -> bool:
        """Whether there are numbers to go back to."""
        return bool(self._before)

    def origin(self, part: Part) -> str:
        """Say where a number comes from: ``"estimated from cell"``; empty where it was typed."""
        source = self._source(part)
        return "" if source is None else source.words

    def interval(self, part: Part) -> tuple[float, float] | None:
        """Return the 95 % interval of a number that was estimated here."""
        source = self._source(part)
        return None if source is None else source.interval

    @property
    def notes(self) -> tuple[str, ...]:
        """What the estimates that are set say of themselves, a sentence each."""
        parts: tuple[Part, ...] = ("camera", "psf")
        sources = [self._source(part) for part in parts]
        return tuple(note for one in sources if one is not None for note in one.notes)

    def estimate_camera(self) -> EstimateJob:
        """Estimate gain, offset and read noise from the image that is chosen, on a worker.

        Returns
        -------
        EstimateJob
            When it is done the numbers are in the state, with their 95 % intervals.

        Raises
        ------
        InputError
            If no image is chosen, or it cannot be read.
        RunError
            If the same is being estimated, or the session is closed.
        """
        image = self._image()
        return self._start("camera", image.read, image.name)

    def estimate_psf(self) -> EstimateJob:
        """Estimate the PSF sigma from the small spots of the image that is chosen, on a worker.

        Returns, raises as `estimate_camera`.
        """
        image = self._image()
        return self._start("psf", image.read, image.name)

    def read_camera(self, source: str | os.PathLike[str] | Any, *, name: str) -> EstimateJob:
        """Read a camera from a file, or from an array of three maps, on a worker.

        Parameters
        ----------
        source : path or array
            As `napari_posterior.read_camera` takes it.
        name : str
            What to call it.
        """
        return self._start("camera file", lambda: source, name)

    def read_psf(self, source: Any, *, name: str, beads: bool = False) -> EstimateJob:
        """Read a sampled PSF from a file or an image, on a worker.

        Parameters
        ----------
        source : path, array, Image or callable
            The image of one point, or what returns it there.
        name : str
            What to call it.
        beads : bool
            Whether it is an image of several beads, of which the mean is taken.
        """
        image = self._restore.image
        read = partial(read_on_pixels, source, None if image is None else image.pixel_um)
        return self._start("beads" if beads else "psf file", read, name)

    def undo(self) -> None:
        """Go back to the numbers before the last estimate or file."""
        if self._before:
            camera, psf, sources = self._before.pop()
            self._sources = sources
            self._restore.camera, self._restore.psf = camera, psf
            self.changed.emit()

    def _image(self) -> ImageChoice:
        image = self._restore.image
        if image is None:
            raise InputError("choose an image first")
        if image.problem:
            raise InputError(image.problem)
        return image

    def _start(self, what: Subject, read: Callable[[], Any], name: str) -> EstimateJob:
        job = EstimateJob(what, read, name=name)
        before, self._job, self.problem = self._job, job, ""
        try:
            self._queue.submit(job, deliver=lambda event: self._follow(job, name, event))
        except BaseException:
            self._job = before
            raise
        self.changed.emit()
        return job

    def _follow(self, job: EstimateJob, name: str, event: Event) -> None:
        if job is not self._job or not isinstance(event, Finished | Cancelled | Failed):
            return
        if isinstance(event, Failed):
            self.problem = event.message
        if isinstance(event, Finished) and job.estimate is not None:
            self._take(job.what, name, job.estimate)
        self.changed.emit()

    def _take(self, what: Subject, name: str, found: Estimate) -> None:
        restore = self._restore
        self._before.append((restore.camera, restore.psf, dict(self._sources)))
        if found.camera is not None:
            words = f"from {name}" if what == "camera file" else f"estimated from {name}"
            interval = found.camera.gain_interval
            self._sources["camera"] = _Source(found.camera, words, interval, found.notes)
            restore.camera = found.camera
        if found.psf is not None:
            words = f"from {name}" if what == "psf file" else f"estimated from {name}"
            self._sources["psf"] = _Source(found.psf, words, found.psf_interval, found.notes)
            restore.psf = found.psf

    def _source(self, part: Part) -> _Source | None:
        source = self._sources.get(part)
        value = getattr(self._restore, part)
        return (
            source if source is not None and value is not None and source.value == value else None
        )
