"""From the two runs that are chosen to a comparison, and from its events to what is shown."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.compare_job import CompareJob
from napari_posterior.session.problems import problem_of_pair
from napari_posterior.session.progress import ENDED, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run
    from napari_posterior.session.layer_side import LayerSide
    from napari_posterior.session.models import CompareState, RunEntry
    from napari_posterior.session.queue import JobQueue

__all__ = ["Comparing"]


class Comparing:
    """Compares runs, one pair at a time.

    Parameters
    ----------
    state : CompareState
        What is chosen and shown.
    queue : JobQueue
        Where jobs go.
    layers : LayerSide or None
        Shows the maps.
    """

    def __init__(self, state: CompareState, *, queue: JobQueue, layers: LayerSide | None) -> None:
        self._state = state
        self._queue = queue
        self._layers = layers
        self._kept: Path | None = None
        self._pairs: dict[tuple[str, str], int] = {}
        state.events.teacher.connect(self.check)
        state.events.student.connect(self.check)

    def let_go(self) -> None:
        """Show nothing any more."""
        self._layers = None

    def check(self, *_: object) -> None:
        """Say whether the chosen runs can be compared."""
        self._state.problem = problem_of_pair(self._state)

    def start(self) -> CompareJob:
        """Do what `Controller.compare` promises."""
        state = self._state
        self.check()
        teacher, student = state.teacher, state.student
        if teacher is None or student is None or state.problem:
            raise InputError(state.problem)
        first, second = teacher.run, student.run
        if first is None or second is None:
            raise InputError("one of the runs has not ended; wait for it")
        after: Callable[[Report], object] | None = None
        if self._layers is not None:
            after = partial(self._layers.gather_comparison, first, second)
        job = CompareJob(
            first,
            second,
            statistics=state.statistics,
            keep=partial(self._folder_of, first, second),
            title=f"compare #{teacher.number} with #{student.number}",
            after=after,
        )
        before = state.job, state.state, state.progress
        state.job = job  # events of an older comparison are left alone from here on
        state.state, state.progress = "waiting", Progress(sentence="waits for its turn")
        try:
            self._queue.submit(job, deliver=partial(self._follow, job, teacher, student))
        except RunError:
            state.job, state.state, state.progress = before
            raise
        return job

    def _folder_of(self, teacher: Run, student: Run) -> Path:
        """Return where the looks at a pair are kept, so that looking again is paid for."""
        if self._kept is None:
            self._kept = Path(tempfile.mkdtemp(prefix="napari-posterior-looks-"))
            weakref.finalize(self, shutil.rmtree, self._kept, ignore_errors=True)
        pair = str(teacher.path), str(student.path)
        return self._kept / f"{self._pairs.setdefault(pair, len(self._pairs)):04d}"

    def refresh(self) -> None:
        """Take over how far the comparison is; its end waits for the event that tells of it."""
        state = self._state
        job = state.job
        if job is not None and state.state not in ENDED and job.state not in ENDED:
            state.state, state.progress = job.state, job.progress

    def _follow(self, job: CompareJob, teacher: RunEntry, student: RunEntry, event: Event) -> None:
        state = self._state
        if state.job is not job:
            return  # another comparison was asked for since
        ended = isinstance(event, Finished | Cancelled | Failed)
        try:
            if isinstance(event, Finished):
                # first: who hears of the report asks for these
                state.compared, state.measured = (teacher, student), job.statistics
                state.report = job.report
                if self._layers is not None and job.gathered is not None:
                    self._layers.show_comparison(teacher, student, job.gathered)
        finally:
            if ended or job.state not in ENDED:
                state.state, state.progress = job.state, job.progress
