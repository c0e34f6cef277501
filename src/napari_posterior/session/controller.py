"""Turns what is chosen into jobs, and the events of jobs into what is shown; knows no widget.

Everything here runs in the thread of the window: widgets call it there, and the runner of the
queue delivers events there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_posterior.errors import InputError, RunError
from napari_posterior.session.acquisition import Acquisition
from napari_posterior.session.aside import Aside, at_once
from napari_posterior.session.asked import LastAsked, is_going_on
from napari_posterior.session.choices import label_of_run
from napari_posterior.session.compare_job import ANALYSIS
from napari_posterior.session.comparing import Comparing
from napari_posterior.session.consequences import Consequences
from napari_posterior.session.console import choose_student, submit_typed, submit_typed_pair
from napari_posterior.session.correcting import Correcting
from napari_posterior.session.cost import Rates
from napari_posterior.session.following import RunFollower
from napari_posterior.session.history import History
from napari_posterior.session.inspecting import Inspecting
from napari_posterior.session.layer_side import LayerSide
from napari_posterior.session.models import ImageChoice, RunEntry, SessionState
from napari_posterior.session.problems import find_model
from napari_posterior.session.queue import JobQueue
from napari_posterior.session.submission import (
    sampler_of,
    submit_choice,
    submit_pair,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.runs.run import Run
    from napari_posterior.session.choices import DeviceChoice, ModelChoice
    from napari_posterior.session.compare_job import CompareJob
    from napari_posterior.session.restore_job import RestoreJob
    from napari_posterior.session.statistic_choices import StatisticChoice
    from napari_posterior.session.submission import Submission

__all__ = ["Controller", "LayerSide"]


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
    aside : callable, optional
        Does what reads or writes files beside a window; by default that is done at once.

    Attributes
    ----------
    history : History
        What can be done with runs that were drawn.
    acquisition : Acquisition
        Finds the numbers of camera and PSF.
    asked : LastAsked
        The last run or pair, and the comparison that follows it.
    rates : Rates
        What network calls take.
    comparing : Comparing
        What can be done with the two runs that are chosen for a comparison.
    inspecting : Inspecting
        What is looked at: a pixel or a punctum.
    correcting : Correcting
        Estimates the teacher from few of its samples and many of a student.
    """

    def __init__(
        self,
        state: SessionState | None = None,
        *,
        queue: JobQueue | None = None,
        layers: LayerSide | None = None,
        aside: Aside = at_once,
    ) -> None:
        self.state = state or SessionState()
        self.queue = queue or JobQueue()
        self.rates = rates = Rates()
        self._runs = RunFollower(self.state, layers=layers, rates=rates, on_end=self._on_end_of_run)
        self._consequences = Consequences(self.state.restore, rates=rates)
        self.acquisition = Acquisition(self.state.restore, self.queue)
        self._asked = 0
        self.inspecting = Inspecting(self.state, aside)
        self.history = History(
            *(self.state, self.queue, self._runs, layers),
            add_run=self.add_run,
            forget=self.forget,
            aside=aside,
        )
        self.comparing = Comparing(
            self.state.compare,
            queue=self.queue,
            layers=layers,
            draw_more=self.history.draw_more,
        )
        self.asked = LastAsked(self.state, self.compare, grow=self.history.draw_more)
        self.correcting = Correcting(
            self.state,
            queue=self.queue,
            rates=rates,
            layers=layers,
            draw_pair=self.run_pair,
            aside=aside,
        )

    def is_going_on(self, sampler: str) -> bool:
        """Whether the run of this sampler, with all that is chosen, is drawn or waits already."""
        return is_going_on(self.state, sampler)

    def set_models(self, models: tuple[ModelChoice, ...]) -> None:
        """Take the models that there are; choose the first where the chosen one is not there."""
        restore = self.state.restore
        restore.models = models
        usable = [one.name for one in models if not one.problem]
        if usable and restore.model not in usable:
            restore.model = usable[0]

    def set_statistics(self, offered: tuple[StatisticChoice, ...]) -> None:
        """Take the statistics that there are."""
        self.state.compare.offered = offered

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
        sampler = sampler_of(model, restore.sampler)
        entry = self._add(submit_choice(restore, image, model, sampler, hooks=self._runs.hooks))
        self.asked.note(entry)
        return entry

    def run_pair(
        self,
        student: str | None = None,
        *,
        then_compare: bool = False,
        samples: tuple[int, int] | None = None,
    ) -> tuple[RunEntry, RunEntry]:
        """Draw the teacher, then a student, from the same noise and with the same camera.

        Where the teacher is cancelled or fails, the student is cancelled.

        Parameters
        ----------
        student : str, optional
            By default the student that is chosen, else the first of the model.
        then_compare : bool
            Compare the two as soon as both have been drawn.
        samples : tuple of int, optional
            Of teacher and student, without the correction that is chosen; by default as many of
            each as are chosen.

        Raises
        ------
        InputError, RunError
            As `run` does, and if the model has no student, or none of this name.
        """
        image, model = self._ready()
        restore = self.state.restore
        found = sampler_of(model, choose_student(restore, None, student))
        hooks = self._runs.hooks
        pair = self._add_pair(
            *submit_pair(restore, image, model, found, samples=samples, hooks=hooks)
        )
        self.asked.note(*pair, then_compare=then_compare)
        return pair

    def run_corrected(self) -> tuple[RunEntry, RunEntry]:
        """Draw what `state.corrected` plans, then correct it; see `Correcting.run`."""
        return self.correcting.run()

    def more_samples(self, count: int | None = None) -> tuple[RunEntry, ...]:
        """Draw more samples of the last run, or of both runs of the last pair.

        Parameters
        ----------
        count : int, optional
            How many more of each; by default as many as are chosen.

        Raises
        ------
        InputError, RunError
            If there is no such run, or it cannot be continued.
        """
        return self.asked.draw_more(self.state.restore.samples if count is None else count)

    def look_again(self) -> None:
        """Work out again what follows from the settings, as after a new rate."""
        self._consequences.work_out()
        self.correcting.work_out()

    def restore(
        self,
        image: Any,
        *,
        model: str | os.PathLike[str] | Bundle | None = None,
        label: str | None = None,
        image_key: Hashable = None,
        **options: Any,
    ) -> RestoreJob:
        """Draw from a console: returns at once.

        Parameters
        ----------
        image : ImageChoice, Image, ndarray, path or callable
            As for `RestoreJob`; of a choice, the part that it stands for.
        model : str, path or Bundle, optional
            By default the one that is chosen.
        label : str, optional
            For the list of runs; by default sampler and steps.
        image_key : Hashable, optional
            Equal for runs that can be compared; by default the pixels tell.
        **options
            Of `Settings`: sampler, steps, samples, seed, camera, psf, device, ...

        Raises
        ------
        InputError, ModelError
            If an option, the model or the sampler cannot be used.
        RunError
            If the same run is being drawn, or the session is closed.
        """
        made = submit_typed(
            self.state.restore,
            image,
            model=model,
            label=label,
            image_key=image_key,
            options=options,
            hooks=self._runs.hooks,
        )
        self._add(made)
        return made.job

    def restore_pair(
        self,
        image: Any,
        *,
        model: str | os.PathLike[str] | Bundle | None = None,
        student: str | None = None,
        steps: int | None = None,
        image_key: Hashable = None,
        **options: Any,
    ) -> tuple[RestoreJob, RestoreJob]:
        """Draw the teacher, then a student, from a console, as `run_pair` does.

        Parameters
        ----------
        image, model, image_key, **options
            As of `restore`, without `sampler`.
        student : str, optional
            By default the student that is chosen, else the first of the model.
        steps : int, optional
            Of the teacher; the student takes those that it states.

        Raises
        ------
        InputError, ModelError, RunError
            As `restore` does, and if the model has no student, or none of this name.
        """
        teacher, after = submit_typed_pair(
            self.state.restore,
            image,
            model=model,
            student=student,
            steps=steps,
            image_key=image_key,
            options=options,
            hooks=self._runs.hooks,
        )
        self._add_pair(teacher, after)
        return teacher.job, after.job

    def add_run(self, run: Run, *, image_key: Hashable = None) -> RunEntry:
        """Put a run that was opened from disk on the list."""
        self._asked += 1
        entry = RunEntry(
            number=self._asked,
            label=label_of_run(run, beside=self.state.image_names),
            role=run.role,
            image_key=run.request.image.sha256 if image_key is None else image_key,
            samples=len(run),
            state="done",
            warnings=run.warnings,
            folder=run.path,
            run=run,
        )
        self.state.runs.append(entry)
        self._runs.offer(entry)
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
        return self.comparing.start()

    def refresh(self) -> None:
        """Take the snapshots of all jobs into the state; for a timer, between two events."""
        self._runs.refresh()
        self.comparing.refresh()
        self.correcting.refresh()

    def close(self, timeout: float | None = 10.0) -> bool:
        """End with the viewer: cancel all jobs and wait; return whether all have ended."""
        self._runs.let_go()
        self.comparing.let_go()
        self.correcting.let_go()
        self._consequences.let_go()
        self.asked.let_go()
        self.history.close()
        return self.queue.close(timeout)

    def _ready(self) -> tuple[ImageChoice, ModelChoice]:
        self._consequences.work_out()
        restore = self.state.restore
        model = find_model(restore)
        if restore.problems or restore.image is None or model is None:
            raise InputError(restore.problems[0])
        return restore.image, model

    def _add_pair(self, teacher: Submission, student: Submission) -> tuple[RunEntry, RunEntry]:
        first = self._add(teacher)
        try:
            return first, self._add(student, after=teacher.job)
        except RunError:
            self.cancel(first)
            raise

    def _add(self, made: Submission, *, after: RestoreJob | None = None) -> RunEntry:
        """Put a run on the list, and its job into the queue."""
        entry = made.entry(self._asked + 1)
        # On the list before its first event, which may come at once and in another thread.
        self.state.runs.append(entry)
        try:
            self.queue.submit(made.job, deliver=partial(self._runs.follow, entry), after=after)
        except RunError:
            self.state.runs.remove(entry)
            raise
        self._asked += 1
        return entry

    def _on_end_of_run(self) -> None:
        self.comparing.check()
        self.look_again()
