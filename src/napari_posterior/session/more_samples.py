"""Going on with a run: more samples in the same folder, under the same line of the list."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_posterior.api.settings import Settings
from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished, Warned
from napari_posterior.runs.request import check_samples
from napari_posterior.session.progress import ENDED, Progress
from napari_posterior.session.restore_job import RestoreJob

if TYPE_CHECKING:
    from napari_posterior.image import Image
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run
    from napari_posterior.session.following import RunFollower
    from napari_posterior.session.models import RunEntry, SessionState
    from napari_posterior.session.queue import JobQueue

__all__ = ["MoreSamples", "use_of"]


def use_of(state: SessionState, entry: RunEntry) -> str:
    """Say in one sentence what uses a run, so that its folder must be left alone; empty if none.

    Parameters
    ----------
    state : SessionState
        Where it is on the list.
    entry : RunEntry
        The run.
    """
    if entry.job is not None and entry.state not in ENDED:
        told = "is being drawn" if entry.state == "running" else "waits for its turn"
        return f"{entry.title} {told}; stop it first, or wait for it"
    if entry.busy:
        return f"{entry.title} {entry.busy}; wait for it"
    compare = state.compare
    if compare.job is not None and compare.state not in ENDED and _reads(compare.job, entry):
        return f"{entry.title} is being compared; stop the comparison first, or wait for it"
    if state.corrected.uses(entry):
        return f"{entry.title} is being corrected; stop that first, or wait for it"
    return ""


@dataclass(frozen=True)
class _Before:
    """What a line of the list said before more samples were asked for."""

    job: RestoreJob | None
    state: Any
    progress: Progress
    run: Run
    measured: Any
    samples: int
    message: str


class MoreSamples:
    """Draws more samples of runs that have ended.

    Parameters
    ----------
    state : SessionState
        Holds the list.
    queue : JobQueue
        Where jobs go.
    runs : RunFollower
        Takes what jobs tell into the list.
    """

    def __init__(self, state: SessionState, queue: JobQueue, runs: RunFollower) -> None:
        self._state, self._queue, self._runs = state, queue, runs

    def problem_of(self, entry: RunEntry) -> str:
        """Say in one sentence why no more samples of a run can be drawn; empty if they can."""
        if entry.role == "point":
            return f"{entry.title} is a point estimate: one image, of which there are no more"
        return use_of(self._state, entry)

    def draw(self, entry: RunEntry, samples: int) -> RunEntry:
        """Go on with a run until it holds so many samples in all; returns at once.

        Those that it holds stay as they are, and those that are drawn are what the run would have
        held had it been asked for so many from the beginning. Where it cannot be begun, the run is
        again what it was.

        Parameters
        ----------
        entry : RunEntry
            A run that has ended, however it did; the same one is drawn on.
        samples : int
            In all: more than it holds.

        Returns
        -------
        RunEntry
            `entry`, whose job is another one now.

        Raises
        ------
        InputError
            If it is no number of samples, or the run is a point estimate.
        RunError
            If the run holds nothing, holds as many already, or is in use.
        """
        check_samples(samples)
        if problem := self.problem_of(entry):
            raise RunError(problem)
        run = entry.run
        if run is None or not len(run):
            raise RunError(f"{entry.title} holds no samples to go on from; restore the image again")
        if samples <= max(len(run), run.samples.indices[-1]):
            raise InputError(
                f"{entry.title} holds {len(run)} samples already; ask for more than that in all"
            )
        request = run.request
        job = RestoreJob(
            partial(_image_of, run),
            request.model,
            self._settings(request, samples),
            resume=run.path,
            owner=run,
            title=f"{request.image.name}, {entry.label}",
            key=("more", str(run.path)),
            **self._runs.hooks,
        )
        before = _Before(
            job=entry.job,
            state=entry.state,
            progress=entry.progress,
            run=run,
            measured=entry.measured,
            samples=entry.samples,
            message=entry.message,
        )
        entry.job, entry.samples, entry.message = job, samples, ""
        entry.run = None
        entry.progress, entry.state = Progress(sentence="waits for its turn"), "waiting"
        try:
            self._queue.submit(job, deliver=partial(self._follow, entry, before))
        except RunError:
            _put_back(entry, before)
            raise
        return entry

    def seconds_for(self, entry: RunEntry, samples: int) -> float | None:
        """Return how long drawing to so many samples in all may take, by what the others took.

        Returns
        -------
        float or None
            Seconds on the device that drew the others; None where that is not known.
        """
        run = entry.run
        if run is None or not len(run) or run.seconds <= 0:
            return None
        return max(0, samples - len(run)) * run.seconds / len(run)

    def _follow(self, entry: RunEntry, before: _Before, event: Event) -> None:
        """Take one event of a run that is drawn on."""
        job = entry.job
        if job is None or (isinstance(event, Warned) and event.message in entry.warnings):
            return  # a run that is drawn on says again what it said at its beginning
        ended = isinstance(event, Finished | Cancelled | Failed)
        if not ended:
            self._runs.follow(entry, event)
        elif job.run is None and not job.progress.total:  # it was not begun
            if isinstance(event, Failed):
                told = f"No more samples could be drawn: {event.message.rstrip('.')}."
                entry.warnings = (*entry.warnings, told)
            _put_back(entry, before)
        else:
            entry.saved = None  # the copy is behind now
            self._runs.follow(entry, event)

    def _settings(self, request: RestoreRequest, samples: int) -> Settings:
        """Return the settings of a run, for its own device, or any where that is not there."""
        there = {one.name: one.available for one in self._state.restore.devices}
        kind = request.device.split(":")[0]
        usable = there.get(kind, True)
        return Settings(
            sampler=request.sampler,
            steps=request.steps,
            correction=request.correction,
            samples=samples,
            seed=request.seed,
            camera=request.camera,
            psf=request.psf,
            background=request.background,
            blind=request.blind,
            device=request.device if usable else "auto",
            precision=request.precision,
            tile=request.tile if usable else "auto",
            batch=request.batch if usable else "auto",
        )


def _put_back(entry: RunEntry, before: _Before) -> None:
    entry.run, entry.measured = before.run, before.measured
    entry.samples, entry.message, entry.job = before.samples, before.message, before.job
    entry.progress, entry.state = before.progress, before.state


def _image_of(run: Run) -> Image:
    return run.image


def _reads(job: Any, entry: RunEntry) -> bool:
    return entry.run is not None and str(entry.run.path) in map(str, job.key)
