"""From a time budget to a corrected estimate: the plan, two runs, the correction, its layers."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from napari_posterior.api.planning import plan_correction
from napari_posterior.correction.costs import Costs
from napari_posterior.correction.expected import expected_pilot
from napari_posterior.errors import InputError, PosteriorError, RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.correct_job import CorrectJob
from napari_posterior.session.problems import find_model, sentence_of
from napari_posterior.session.progress import ENDED, Progress, count_of
from napari_posterior.session.submission import chosen_steps, student_of

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from napari_posterior.correction.allocation import Plan
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.session.aside import Aside
    from napari_posterior.session.cost import Rates
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import RestoreState, RunEntry, SessionState
    from napari_posterior.session.queue import JobQueue

__all__ = ["Correcting", "DrawPair"]

_PRECISION = "float32"
_BYTES = 4  # of a float32
_NO_RATE = (
    "How long a network call takes on this device is not known yet, so nothing can be planned: "
    "the first run measures it."
)


class DrawPair(Protocol):
    """Draws a teacher and a student on the same noise; `Controller.run_pair` is one."""

    def __call__(
        self, student: str | None = None, *, samples: tuple[int, int] | None = None
    ) -> tuple[RunEntry, RunEntry]:
        """Put both on the list: so many samples of each, without a correction of the student."""
        ...


class Correcting:
    """Estimates the teacher's mean and uncertainty from few of its samples and many of a student.

    Parameters
    ----------
    state : SessionState
        What is chosen, the runs, and `SessionState.corrected`.
    queue : JobQueue
        Where the job goes.
    rates : Rates
        What network calls take.
    layers : LayerSide or None
        Shows the maps.
    draw_pair : DrawPair
        Draws the two runs.
    aside : callable
        Does what reads or writes files beside a window.
    """

    def __init__(
        self,
        state: SessionState,
        *,
        queue: JobQueue,
        rates: Rates,
        layers: LayerSide | None,
        draw_pair: DrawPair,
        aside: Aside,
    ) -> None:
        self._session, self._state = state, state.corrected
        self._queue, self._rates, self._layers = queue, rates, layers
        self._draw_pair, self._aside = draw_pair, aside
        self._planned: Hashable = None
        state.restore.events.connect(self.work_out)
        self._state.events.seconds.connect(self.work_out)
        self.work_out()

    def let_go(self) -> None:
        """Listen no more, and show nothing any more."""
        self._session.restore.events.disconnect(self.work_out)
        self._state.events.seconds.disconnect(self.work_out)
        self._layers = None

    def work_out(self, *_: object) -> None:
        """Plan anew what the time would be spent on, or say why it cannot be planned."""
        restore = self._session.restore
        try:
            student, steps, costs = self._costs(restore)
            asked = id(find_model(restore)), student, steps, self._state.seconds, costs
            if asked == self._planned:
                return
            self._planned = asked
            plan = self._plan(restore, student, steps, costs)
        except PosteriorError as error:
            self._planned = None
            self._state.plan, self._state.problem = None, sentence_of(str(error))
            return
        values = 0 if restore.image is None else math.prod(restore.image.shape)
        drawn = plan.corrected.teachers + plan.corrected.students
        self._state.name, self._state.stack_bytes = student, drawn * values * _BYTES
        self._state.problem = sentence_of(plan.refusal)
        self._state.plan = plan

    def run(self) -> tuple[RunEntry, RunEntry]:
        """Draw what is planned, and correct the student's run by the teacher's when it is there.

        Returns
        -------
        teacher, student : RunEntry
            Ordinary lines of the list.

        Raises
        ------
        InputError
            With what keeps it from starting.
        RunError
            If one is going on, or the session is closed.
        """
        self.work_out()
        plan, state = self._state.plan, self._state
        if plan is None or state.problem:
            raise InputError(state.problem)
        if state.going_on:
            raise RunError(f"{self._title} is going on; wait for it, or cancel it")
        samples = plan.corrected.teachers, plan.corrected.students
        teacher, student = self._draw_pair(state.name, samples=samples)
        self.start(teacher, student)
        return teacher, student

    def start(
        self, teacher: RunEntry, student: RunEntry, *, statistics: Sequence[Any] | None = None
    ) -> CorrectJob:
        """Correct a run of a student by one of its teacher, as soon as the student's has ended.

        Parameters
        ----------
        teacher, student : RunEntry
            Of one image, model and seed; the student's holds more samples.
        statistics : sequence of str or Statistic, optional
            What else is estimated; by default what the dock *Compare* measures.

        Raises
        ------
        InputError
            If they are not a teacher and a student, or one was not begun.
        RunError
            If a correction is going on, or the session is closed.
        """
        _check_roles(teacher, student)
        state = self._state
        if state.going_on:
            raise RunError(f"{self._title} is going on; wait for it, or cancel it")
        after = None if self._layers is None else self._layers.gather_corrected
        wanted = self._session.compare.statistics if statistics is None else tuple(statistics)
        job = CorrectJob(
            partial(_run_of, teacher),
            partial(_run_of, student),
            statistics=wanted,
            title=f"correct #{student.number} by #{teacher.number}",
            key=(teacher.number, student.number),
            after=after,
        )
        before = state.job, state.state, state.progress, state.teacher, state.student
        state.teacher, state.student = teacher, student
        state.state, state.progress = "waiting", Progress(sentence="waits for the runs")
        state.job, state.fault = job, ""
        waits = student.job if student.state not in ENDED else None
        try:
            self._queue.submit(job, deliver=partial(self._follow, job), after=waits)
        except RunError:
            state.job, state.state, state.progress, state.teacher, state.student = before
            raise
        return job

    def stop(self) -> None:
        """Stop it, whatever it is at; samples that were drawn are kept."""
        state = self._state
        if not state.going_on:
            return
        for one in (state.job, *(e.job for e in (state.student, state.teacher) if e is not None)):
            if one is not None and one.state not in ENDED:
                one.cancel()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Save what came of it, beside the window; `CorrectedState.saved` says when it is there.

        Parameters
        ----------
        folder : path
            ``NAME.corrected.zarr``, which must not exist; the ending is added.

        Raises
        ------
        InputError
            If there is nothing to save.
        """
        found, state = self._state.found, self._state
        if found is None:
            raise InputError("nothing was corrected yet; press Run corrected first")
        state.fault = ""

        def saved(path: Path) -> None:
            if state.found is found:
                state.saved = path

        def refuse(error: Exception) -> None:
            state.fault = sentence_of(str(error))

        self._aside("saving the corrected maps", partial(found.save, folder), saved, refuse)

    def refresh(self) -> None:
        """Take over how far it is; its end waits for the event that tells of it."""
        job, state = self._state.job, self._state
        if job is not None and state.state not in ENDED and job.state not in ENDED:
            state.state, state.progress = job.state, job.progress

    @property
    def _title(self) -> str:
        job = self._state.job
        return "a correction" if job is None else job.title

    def _costs(self, restore: RestoreState) -> tuple[str, int, Costs]:
        """Return student, its steps, and the seconds that a sample of each takes."""
        image, model = restore.image, find_model(restore)
        if restore.problems or image is None or model is None:
            raise InputError(restore.problems[0] if restore.problems else "choose an image")
        name, teacher = student_of(restore, model), model.sampler("teacher")
        sampler = None if name is None else model.sampler(name)
        if name is None or sampler is None or teacher is None:
            raise InputError(f"{model.name} has no student; choose another model")
        info = sampler.info(chosen_steps(restore, sampler))
        calls = info.nfe, teacher.info(chosen_steps(restore, teacher)).nfe
        seconds = [
            self._rates.expect(
                restore.model,
                restore.device,
                _PRECISION,
                pixel_calls=float(each * math.prod(image.shape)),
            )
            for each in calls
        ]
        if seconds[0] is None or seconds[1] is None:
            raise InputError(_NO_RATE)
        return name, info.steps, Costs(student=seconds[0], teacher=seconds[1])

    def _plan(self, restore: RestoreState, student: str, steps: int, costs: Costs) -> Plan:
        model = find_model(restore)
        if model is None or model.card is None:
            raise InputError(f"{restore.model} cannot be used; choose another model")
        if expected_pilot(model.card, student, steps) is None:
            raise InputError(
                f"the card of {model.name} does not tell how closely {student} follows its teacher "
                f"in {count_of(steps, 'step')}; choose another student or number of steps"
            )
        return plan_correction(
            model.card, student, steps=steps, seconds=self._state.seconds, costs=costs
        )

    def _follow(self, job: CorrectJob, event: Event) -> None:
        state = self._state
        if state.job is not job:
            return
        ended = isinstance(event, Finished | Cancelled | Failed)
        try:
            if isinstance(event, Finished) and job.found is not None:
                state.saved, state.told = None, job.told
                state.found = job.found
                if isinstance(job.gathered, tuple):
                    self._show(job.gathered)
        finally:
            if isinstance(event, Failed):
                state.fault = event.message
            if ended or job.state not in ENDED:
                state.state, state.progress = job.state, job.progress

    def _show(self, layers: tuple[Any, ...]) -> None:
        """Show one map after the other, so that the window can draw itself in between."""
        if not layers or self._layers is None:
            return
        self._layers.show_corrected(layers[0])
        if layers[1:]:
            self._aside("showing the next map", _nothing, lambda _: self._show(layers[1:]))


def _check_roles(teacher: RunEntry, student: RunEntry) -> None:
    if teacher.role != "teacher":
        raise InputError(f"{teacher.title} is not a run of the teacher; choose one that is")
    if student.role != "student":
        raise InputError(f"{student.title} is not a run of a student; choose one that is")
    if teacher.image_key is not None and teacher.image_key != student.image_key:
        raise InputError("the runs are of two images or regions; choose two of one")
    for entry in (teacher, student):
        if entry.run is None and (entry.job is None or entry.state in ENDED):
            raise InputError(f"{entry.title} holds no samples; draw it again")


def _run_of(entry: RunEntry) -> Run | None:
    """Return the run of a line of the list; of one whose end is not told yet, from its job."""
    if entry.run is not None:
        return entry.run
    if entry.job is not None and entry.job.state not in ENDED:
        raise RunError(f"{entry.title} has not ended; wait for it")
    return None if entry.job is None else entry.job.run


def _nothing() -> None:
    """Do nothing: what follows is done in another turn of the event loop."""
