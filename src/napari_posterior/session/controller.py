"""Turns what is chosen into jobs, and the events of jobs into what is shown; knows no widget.

Everything here runs in the thread of the window: widgets call it there, and the runner of the
queue delivers events there.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from napari_posterior.api.settings import Settings
from napari_posterior.errors import InputError, RunError
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone, Started, Warned
from napari_posterior.session.compare_job import ANALYSIS, CompareJob
from napari_posterior.session.cost import Rates, estimate_cost
from napari_posterior.session.models import RunEntry, SessionState
from napari_posterior.session.problems import find_model, problem_of_pair, problems_of
from napari_posterior.session.progress import ENDED
from napari_posterior.session.queue import JobQueue
from napari_posterior.session.restore_job import RestoreJob

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_posterior.checks.report import Report
    from napari_posterior.image import Image
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.session.choices import DeviceChoice, ModelChoice, SamplerChoice
    from napari_posterior.session.models import ImageChoice
    from napari_posterior.session.restore_job import RunInProgress

__all__ = ["Controller", "LayerSide"]


class LayerSide(Protocol):
    """Shows runs in a viewer. What reads or computes is called in the thread of a job."""

    def prepare_live(self, run: RunInProgress) -> Any:
        """Make what `show_live` needs; in the thread of the job."""
        ...

    def show_live(self, entry: RunEntry, run: RunInProgress, ready: Any) -> None:
        """Show a run that begins."""
        ...

    def add_sample(self, entry: RunEntry, index: int, sample: Any) -> None:
        """Show one more sample, (...) float32."""
        ...

    def gather(self, run: Run) -> Any:
        """Make what `show_run` needs; in the thread of the job."""
        ...

    def show_run(self, entry: RunEntry, run: Run, gathered: Any) -> None:
        """Show a run that has ended and holds samples."""
        ...

    def drop_live(self, entry: RunEntry) -> None:
        """Take away what was shown of a run that holds nothing."""
        ...

    def gather_comparison(self, teacher: Run, student: Run, report: Report) -> Any:
        """Make what `show_comparison` needs; in the thread of the job."""
        ...

    def show_comparison(self, teacher: RunEntry, student: RunEntry, gathered: Any) -> None:
        """Show the maps of a comparison."""
        ...


class Controller:
    """The logic of one viewer.

    Parameters
    ----------
    state : SessionState, optional
        What is chosen and shown; settings changed there are looked at here.
    queue : JobQueue, optional
        Where jobs go; by default one that runs them in threads.
    layers : LayerSide, optional
        Shows runs; nothing is shown by default.
    """

    def __init__(
        self,
        state: SessionState | None = None,
        *,
        queue: JobQueue | None = None,
        layers: LayerSide | None = None,
    ) -> None:
        self.state = state or SessionState()
        self.queue = queue or JobQueue()
        self._layers = layers
        self._rates = Rates()
        self._shown: set[RunEntry] = set()
        self._asked = 0
        self._resolving = False
        self.state.restore.events.connect(self._on_setting)
        self.state.compare.events.teacher.connect(self._on_selection)
        self.state.compare.events.student.connect(self._on_selection)
        self._resolve()

    def set_models(self, models: tuple[ModelChoice, ...]) -> None:
        """Take the models that there are; choose the first where the chosen one is not there."""
        restore = self.state.restore
        restore.models = models
        usable = [one.name for one in models if not one.problem]
        if usable and restore.model not in usable:
            restore.model = usable[0]

    def set_devices(self, devices: tuple[DeviceChoice, ...]) -> None:
        """Take the devices that there are."""
        self.state.restore.devices = devices

    def run(self) -> RunEntry:
        """Draw what is chosen.

        Raises
        ------
        InputError
            With the first thing that keeps it from starting.
        RunError
            If the same run is being drawn, or the session is closed.
        """
        image, model = self._ready()
        restore = self.state.restore
        sampler = model.sampler(restore.sampler)
        if sampler is None:
            raise InputError(f"{model.name} has no sampler {restore.sampler!r}; choose another")
        return self._submit(image, image.read, model, sampler, steps=self._steps(sampler))

    def run_pair(self, student: str | None = None) -> tuple[RunEntry, RunEntry]:
        """Draw the teacher, then a student, from the same noise and with the same camera.

        Where the teacher is cancelled or fails, the student is cancelled.

        Parameters
        ----------
        student : str, optional
            By default the student that is chosen, else the first of the model.

        Raises
        ------
        InputError, RunError
            As `run` does, and if the model has no student.
        """
        image, model = self._ready()
        chosen = student or self.state.restore.sampler
        name = chosen if chosen in model.students else next(iter(model.students), "")
        first, second = model.sampler("teacher"), model.sampler(name)
        if first is None or second is None:
            raise InputError(f"{model.name} has no student; choose another model")
        read = _once(image.read)
        teacher = self._submit(image, read, model, first, steps=self._steps(first))
        try:
            after = self._submit(
                image, read, model, second, steps=self._steps(second), after=teacher.job
            )
        except RunError:
            self.cancel(teacher)
            raise
        return teacher, after

    def restore(
        self, image: Any, *, model: str | None = None, label: str | None = None, **options: Any
    ) -> RestoreJob:
        """Draw from a console: returns at once.

        Parameters
        ----------
        image : Image, ndarray, path or callable
            As for `RestoreJob`.
        model : str, optional
            By default the one that is chosen.
        label : str, optional
            For the list of runs.
        **options
            Of `Settings`: sampler, steps, samples, seed, camera, psf, device, ...

        Raises
        ------
        RunError
            If the same run is being drawn, or the session is closed.
        """
        settings = Settings(**options)
        name = model or self.state.restore.model
        job = RestoreJob(image, name, settings, **self._hooks())
        known = next((one for one in self.state.restore.models if one.name == name), None)
        sampler = None if known is None else known.sampler(settings.sampler)
        guess = {"teacher": "teacher", "mse": "point"}.get(settings.sampler, "student")
        self._add(
            job,
            label=label or settings.sampler,
            role=guess if sampler is None else sampler.role,
            image_key=job.key[0] if isinstance(job.key, tuple) else job.key,
            samples=settings.samples or self.state.restore.samples,
        )
        return job

    def add_run(self, run: Run, *, image_key: Hashable = None) -> RunEntry:
        """Put a run that was opened from disk on the list."""
        self._asked += 1
        entry = RunEntry(
            number=self._asked,
            label=run.request.sampler,
            role=run.role,
            image_key=run.request.image.sha256 if image_key is None else image_key,
            samples=len(run),
            state="done",
            warnings=run.warnings,
            folder=run.path,
            run=run,
        )
        self.state.runs.append(entry)
        self._offer(entry)
        return entry

    def cancel(self, entry: RunEntry | None = None) -> None:
        """Stop one run within one network call, or all that run or wait; samples are kept."""
        if entry is not None:
            if entry.job is not None:
                entry.job.cancel()
            return
        for job in reversed(self.queue.jobs):
            if job.lane != ANALYSIS:
                job.cancel()

    def forget(self, entry: RunEntry) -> None:
        """Take a run off the list; one that is being drawn is cancelled. Its folder stays."""
        self.cancel(entry)
        if entry in self.state.runs:
            self.state.runs.remove(entry)
        compare = self.state.compare
        if compare.teacher is entry:
            compare.teacher = None
        if compare.student is entry:
            compare.student = None

    def compare(self) -> CompareJob:
        """Compare the two runs that are chosen.

        Raises
        ------
        InputError
            With what keeps it from starting.
        RunError
            If the same comparison is going on, or the session is closed.
        """
        state = self.state.compare
        self._on_selection()
        teacher, student = state.teacher, state.student
        if teacher is None or student is None or state.problem:
            raise InputError(state.problem)
        first, second = teacher.run, student.run
        if first is None or second is None:
            raise InputError("one of the runs has not ended; wait for it")
        after: Callable[[Report], Any] | None = None
        if self._layers is not None:
            after = partial(self._layers.gather_comparison, first, second)
        job = CompareJob(
            first,
            second,
            statistics=state.statistics,
            title=f"compare #{teacher.number} with #{student.number}",
            after=after,
        )
        before = state.job
        state.job = job  # events of an older comparison are left alone from here on
        try:
            self.queue.submit(job, deliver=partial(self._on_compare, job, teacher, student))
        except RunError:
            state.job = before
            raise
        return job

    def refresh(self) -> None:
        """Take the snapshots of all jobs into the state; for a timer, between two events."""
        for entry in self.state.runs:
            if entry.job is not None and entry.state not in ENDED:
                self._snapshot(entry, entry.job)

    def close(self, timeout: float | None = 10.0) -> bool:
        """End with the viewer: cancel all jobs and wait; return whether all have ended."""
        self._layers = None
        self.state.restore.events.disconnect(self._on_setting)
        return self.queue.close(timeout)

    def _ready(self) -> tuple[ImageChoice, ModelChoice]:
        self._resolve()
        restore = self.state.restore
        model = find_model(restore)
        if restore.problems or restore.image is None or model is None:
            raise InputError(restore.problems[0])
        return restore.image, model

    def _steps(self, sampler: SamplerChoice) -> int | None:
        """Return the steps that were chosen for this sampler; None for those of the model."""
        restore = self.state.restore
        chosen = restore.steps if sampler.name == restore.sampler else None
        return chosen if sampler.steps.enabled else None

    def _submit(
        self,
        image: ImageChoice,
        read: Callable[[], Image],
        model: ModelChoice,
        sampler: SamplerChoice,
        *,
        steps: int | None,
        after: RestoreJob | None = None,
    ) -> RunEntry:
        restore = self.state.restore
        samples = 1 if sampler.role == "point" else restore.samples
        settings = Settings(
            sampler=sampler.name,
            steps=steps,
            samples=samples,
            seed=restore.seed,
            camera=restore.camera,
            psf=None if restore.psf_sigma is None else Psf(restore.psf_sigma),
            background=restore.background,
            device=restore.device,
        )
        image_key = (image.key, restore.region, image.shape)
        job = RestoreJob(
            read,
            model.name,
            settings,
            title=f"{image.name}, {sampler.label(steps)}",
            key=(image_key, model.name, settings),
            **self._hooks(),
        )
        return self._add(
            job,
            label=sampler.label(steps),
            role=sampler.role,
            image_key=image_key,
            samples=samples,
            after=after,
        )

    def _add(
        self,
        job: RestoreJob,
        *,
        label: str,
        role: str,
        image_key: Hashable,
        samples: int,
        after: RestoreJob | None = None,
    ) -> RunEntry:
        entry = RunEntry(self._asked + 1, label, role, image_key, samples, job, "waiting")
        # On the list before its first event, which may come at once and in another thread.
        self.state.runs.append(entry)
        try:
            self.queue.submit(job, deliver=partial(self._on_event, entry), after=after)
        except RunError:
            self.state.runs.remove(entry)
            raise
        self._asked += 1
        return entry

    def _hooks(self) -> dict[str, Any]:
        layers = self._layers
        return {} if layers is None else {"before": layers.prepare_live, "after": layers.gather}

    def _on_event(self, entry: RunEntry, event: Event) -> None:
        """Take an event of a run into the state, and to the layers."""
        job, layers = entry.job, self._layers
        if job is None:
            return
        self._snapshot(entry, job)
        if job.live is not None and entry.folder is None:
            entry.folder = job.live.path
        if isinstance(event, Warned):
            entry.warnings = (*entry.warnings, event.message)
        elif isinstance(event, Started):
            entry.samples = event.samples
            if layers is not None and job.live is not None:
                self._shown.add(entry)
                layers.show_live(entry, job.live, job.ready)
        elif isinstance(event, SampleDone):
            if layers is not None and entry in self._shown:
                layers.add_sample(entry, event.index, event.data)
        elif isinstance(event, Finished | Cancelled | Failed):
            entry.message = event.message if isinstance(event, Failed) else ""
            try:
                self._end(entry, job)
            finally:
                # Last, so that who sees the end finds the run and its layers.
                entry.state, entry.progress = job.state, job.progress
                self._on_selection()
                self._resolve()

    def _snapshot(self, entry: RunEntry, job: RestoreJob) -> None:
        """Take over how far a job is; its end waits for the event that tells of it."""
        if job.state not in ENDED:
            entry.state, entry.progress = job.state, job.progress

    def _end(self, entry: RunEntry, job: RestoreJob) -> None:
        run, layers = job.run, self._layers
        entry.run = run
        shown = entry in self._shown
        self._shown.discard(entry)
        if run is not None and len(run):
            self._learn(job, run)
            self._offer(entry)
            if layers is not None:
                layers.show_run(entry, run, job.gathered)
        elif layers is not None and shown:
            layers.drop_live(entry)

    def _learn(self, job: RestoreJob, run: Run) -> None:
        """Keep what the run took, for the next estimate of the cost."""
        request = run.request
        if request.role == "point":
            return
        done = float(len(run) * request.nfe * math.prod(request.image.shape))
        for device in {job.settings.device, request.device}:
            self._rates.learn(
                request.model, device, request.precision, pixel_calls=done, seconds=run.seconds
            )

    def _offer(self, entry: RunEntry) -> None:
        """Choose the newest runs of one image for the comparison."""
        compare = self.state.compare
        if entry.role == "teacher":
            compare.teacher = entry
        elif entry.role == "student":
            compare.student = entry

    def _on_compare(
        self, job: CompareJob, teacher: RunEntry, student: RunEntry, event: Event
    ) -> None:
        state = self.state.compare
        if state.job is not job:
            return  # another comparison was asked for since
        ended = isinstance(event, Finished | Cancelled | Failed)
        try:
            if isinstance(event, Finished):
                state.report = job.report
                if self._layers is not None and job.gathered is not None:
                    self._layers.show_comparison(teacher, student, job.gathered)
        finally:
            if ended or job.state not in ENDED:
                state.state, state.progress = job.state, job.progress

    def _on_selection(self, *_: object) -> None:
        self.state.compare.problem = problem_of_pair(self.state.compare)

    def _on_setting(self, *_: object) -> None:
        self._resolve()

    def _resolve(self) -> None:
        """Work out what follows from the settings."""
        if self._resolving:
            return
        self._resolving = True
        try:
            restore = self.state.restore
            model = find_model(restore)
            sampler = None if model is None else model.sampler(restore.sampler)
            control = None if sampler is None else sampler.steps
            if control != restore.step_control:
                restore.step_control = control
                if control is not None and restore.steps not in control.values:
                    restore.steps = None
            restore.problems = problems_of(restore)
            restore.cost = None
            if sampler is not None and restore.image is not None and not restore.problems:
                restore.cost = estimate_cost(
                    sampler.info(self._steps(sampler)),
                    samples=1 if sampler.role == "point" else restore.samples,
                    shape=restore.image.shape,
                    model=restore.model,
                    device=restore.device,
                    rates=self._rates,
                )
        finally:
            self._resolving = False

    @property
    def busy(self) -> bool:
        """Whether a run is being drawn or waits."""
        return any(e.state not in ENDED and e.state != "idle" for e in self.state.runs)


def _once(read: Callable[[], Image]) -> Callable[[], Image]:
    """Read an image at the first call only, so that two runs have the same pixels."""
    kept: list[Image] = []

    def read_once() -> Image:
        if not kept:
            kept.append(read())
        return kept[0]

    return read_once
