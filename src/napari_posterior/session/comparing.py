"""From the two runs that are chosen to a comparison, and from its events to what is shown."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.tolerances import PRESETS
from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.compare_job import CompareJob
from napari_posterior.session.comparison_choices import Declared, name_of
from napari_posterior.session.experiment_job import ExperimentJob
from napari_posterior.session.looking import LookAwaited
from napari_posterior.session.problems import problem_of_pair
from napari_posterior.session.progress import ENDED, Progress
from napari_posterior.session.tolerance_rows import choose_tolerances

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.session.experiment_job import Asked
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import CompareState, RunEntry
    from napari_posterior.session.queue import JobQueue

__all__ = ["Comparing", "DrawMore", "declared_now"]


class DrawMore(Protocol):
    """Goes on with a run; `History.draw_more` is one."""

    def __call__(self, entry: RunEntry, samples: int) -> RunEntry:
        """Draw until the run holds so many samples in all."""
        ...


def declared_now(state: CompareState) -> Declared:
    """Return what would be declared if the runs were compared now."""
    given = tuple(sorted(state.tolerances.items(), key=lambda one: one[0]))
    layers = state.truth, state.regions
    marks = tuple(None if one is None else one.mark() for one in layers)
    return Declared(state.question, state.statistics, given, *layers, marks)


class Comparing:
    """Compares runs, one pair at a time, and asks for what a comparison still needs.

    Parameters
    ----------
    state : CompareState
        What is chosen and shown.
    queue : JobQueue
        Where jobs go.
    layers : LayerSide or None
        Shows the maps.
    draw_more : DrawMore, optional
        Goes on with a run; without it there is no next look.
    """

    def __init__(
        self,
        state: CompareState,
        *,
        queue: JobQueue,
        layers: LayerSide | None,
        draw_more: DrawMore | None = None,
    ) -> None:
        self._state = state
        self._queue = queue
        self._layers = layers
        self._kept: Path | None = None
        self._pairs: dict[tuple[str, str], int] = {}
        self._of: tuple[RunEntry, RunEntry] | None = None
        self._look = LookAwaited(state, draw_more=draw_more, compare=self.start)
        state.events.teacher.connect(self.check)
        state.events.student.connect(self.check)

    def let_go(self) -> None:
        """Show nothing any more."""
        self._look.forget()
        self._layers = None

    def check(self, *_: object) -> None:
        """Say whether the chosen runs can be compared."""
        self._state.problem = problem_of_pair(self._state)

    def choose_question(self, question: str) -> None:
        """Take another question, with the statistics that it measures.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        if question not in PRESETS:
            raise InputError(f"there is no question {question!r}; choose from {', '.join(PRESETS)}")
        if question != self._state.question:
            self._state.question = question
            self._state.statistics = PRESETS[question].statistics

    def start(self) -> CompareJob:
        """Do what `Controller.compare` promises."""
        state = self._state
        teacher, student, first, second = self._ready()
        if (teacher, student) != self._of:
            self._of, state.experiments = (teacher, student), ()
        tolerances = choose_tolerances(state.question, state.statistics, state.tolerances)
        after: Callable[[Report], object] | None = None
        if self._layers is not None:
            after = partial(self._layers.gather_comparison, first, second)
        job = CompareJob(
            first,
            second,
            statistics=state.statistics,
            tolerances=tolerances,
            looks=state.looks,
            truth=None if state.truth is None else state.truth.take(first),
            regions=() if state.regions is None else state.regions.take(first),
            experiments=state.experiments,
            declared=declared_now(state),
            keep=partial(self._folder_of, first, second),
            title=f"compare #{teacher.number} with #{student.number}",
            names=(name_of(teacher, "teacher"), name_of(student, "student")),
            after=after,
        )
        self._submit(job, partial(self._follow, job, teacher, student))
        return job

    def draw_to_next_look(self) -> int:
        """Draw more samples of both runs, up to the next planned look, and compare again.

        Returns
        -------
        int
            The samples of the smaller run at that look.

        Raises
        ------
        InputError
            If the runs were not compared yet, or no further look is planned.
        RunError
            If one of the runs is in use.
        """
        teacher, student, *_ = self._ready()
        if self._state.compared != (teacher, student) or self._state.report is None:
            raise InputError("compare these two runs first; then more samples can be asked for")
        return self._look.begin(teacher, student)

    def experiment(self, name: Asked, *, device: str = "auto", **options: Any) -> ExperimentJob:
        """Answer a question with new measurements, then compare again with what was found.

        Parameters
        ----------
        name : str
            ``"dependence"`` or ``"self_calibration"``.
        device : str
            Where to restore.
        **options
            Of `check_dependence` or `check_self_calibration`.

        Raises
        ------
        InputError
            If the runs cannot be compared, or there is no such experiment.
        RunError
            If it is going on, or the session is closed.
        """
        teacher, student, first, second = self._ready()
        job = ExperimentJob(
            name,
            first,
            second,
            device=device,
            statistics=self._state.statistics,
            title=f"{name.replace('_', ' ')} of #{teacher.number} and #{student.number}",
            **options,
        )
        self._submit(job, partial(self._follow_experiment, job, teacher, student))
        return job

    def stop(self) -> None:
        """Stop the comparison or experiment, and the samples that are drawn for a look."""
        if self._state.awaited is not None:
            self._look.cancel()
            return
        job = self._state.job
        if job is not None:
            job.cancel()

    def refresh(self) -> None:
        """Take over how far the comparison is; its end waits for the event that tells of it."""
        state = self._state
        job = state.job
        if job is not None and state.state not in ENDED and job.state not in ENDED:
            state.state, state.progress = job.state, job.progress

    def _ready(self) -> tuple[RunEntry, RunEntry, Run, Run]:
        self.check()
        teacher, student = self._state.teacher, self._state.student
        if teacher is None or student is None or self._state.problem:
            raise InputError(self._state.problem)
        if teacher.run is None or student.run is None:
            raise InputError("one of the runs has not ended; wait for it")
        return teacher, student, teacher.run, student.run

    def _submit(self, job: CompareJob | ExperimentJob, deliver: Callable[[Event], None]) -> None:
        state = self._state
        before = state.job, state.state, state.progress
        state.job = job  # events of an older comparison are left alone from here on
        state.state, state.progress = "waiting", Progress(sentence="waits for its turn")
        try:
            self._queue.submit(job, deliver=deliver)
        except RunError:
            state.job, state.state, state.progress = before
            raise

    def _folder_of(self, teacher: Run, student: Run) -> Path:
        """Return where the looks at a pair are kept, so that looking again is paid for."""
        if self._kept is None:
            self._kept = Path(tempfile.mkdtemp(prefix="napari-posterior-looks-"))
            weakref.finalize(self, shutil.rmtree, self._kept, ignore_errors=True)
        pair = str(teacher.path), str(student.path)
        return self._kept / f"{self._pairs.setdefault(pair, len(self._pairs)):04d}"

    def _follow(self, job: CompareJob, teacher: RunEntry, student: RunEntry, event: Event) -> None:
        state = self._state
        if state.job is not job:
            return  # another comparison was asked for since
        ended = isinstance(event, Finished | Cancelled | Failed)
        told = False
        try:
            if isinstance(event, Finished) and job.report is not None:
                # first: who hears of the report asks for these
                state.compared, state.declared = (teacher, student), job.declared
                state.charts, state.costs = job.charts, job.costs
                state.next_look = _next_look(job.report)
                state.report = job.report
                if self._layers is not None and job.gathered is not None:
                    tell = partial(self._tell_end, job)
                    self._layers.show_comparison(teacher, student, job.gathered, tell)
                    told = True
        finally:
            if not told and (ended or job.state not in ENDED):
                state.state, state.progress = job.state, job.progress

    def _tell_end(self, job: CompareJob) -> None:
        """Say that a comparison is over: last, so that who sees the end finds its layers."""
        if self._state.job is job:
            self._state.state, self._state.progress = job.state, job.progress

    def _follow_experiment(
        self, job: ExperimentJob, teacher: RunEntry, student: RunEntry, event: Event
    ) -> None:
        state = self._state
        if state.job is not job:
            return
        if isinstance(event, Finished | Cancelled | Failed) or job.state not in ENDED:
            state.state, state.progress = job.state, job.progress
        if not isinstance(event, Finished) or (state.teacher, state.student) != (teacher, student):
            return
        if self._of != (teacher, student):
            self._of, state.experiments = (teacher, student), ()
        others = tuple(one for one in state.experiments if one.experiment.name != job.name)
        state.experiments = (*others, job.result(0))
        self.start()


def _next_look(report: Report) -> int | None:
    """Return the samples of the smaller run at which a report would be decided next."""
    looks = tuple(int(one) for one in report.plan.get("looks", ()))
    if not looks:
        return None
    return Looks(looks).after(min(report.teacher.samples, report.student.samples) + 1)
