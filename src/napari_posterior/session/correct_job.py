"""The correction of a student's run by a few samples of its teacher, as a job of low priority."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from napari_posterior.api.progress import time_left
from napari_posterior.errors import RunError
from napari_posterior.runs.events import Failed, Finished, Started, StepDone
from napari_posterior.session.compare_job import ANALYSIS
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic

__all__ = ["CorrectJob"]


class CorrectJob(ThreadedJob[Any]):
    """Correct a run of a student by one of its teacher; the result is that of `npo.correct`.

    Parameters
    ----------
    teacher, student : callable
        Return the runs; called in the thread of the job. None: a run holds nothing.
    statistics : sequence of str or Statistic
        As of :func:`napari_posterior.correct`.
    title : str
        For a list of jobs.
    key : Hashable
        Equal for jobs that would do the same.
    after : callable, optional
        Makes what a window will show of the result, in the thread of the job: it gets both runs
        and the result, and fills `gathered`.

    Attributes
    ----------
    gathered : object
        What `after` returned; None until then.
    told : tuple of str
        The result in sentences.
    """

    doing = "the correction"
    preparing = "opening the runs"

    def __init__(
        self,
        teacher: Callable[[], Run | None],
        student: Callable[[], Run | None],
        *,
        statistics: Sequence[str | Statistic] = (),
        title: str = "correct",
        key: Hashable = None,
        after: Callable[[Run, Run, Any], Any] | None = None,
    ) -> None:
        super().__init__(title, lane=ANALYSIS, key=("correct", key))
        self._sources = teacher, student
        self._statistics, self._after = tuple(statistics), after
        self.gathered: Any = None
        self.told: tuple[str, ...] = ()

    @property
    def found(self) -> Any:
        """The result; None before, and where there is none."""
        return self._outcome

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        from napari_posterior.api.correcting import correct
        from napari_posterior.session.threads import yield_to_others

        yield_to_others()
        self._token.raise_if_cancelled()
        teacher, student = (source() for source in self._sources)
        if teacher is None or student is None:
            raise RunError("one of the runs holds no samples; draw both again")
        total, start, done = max(len(teacher), len(student)), time.monotonic(), 0
        report(Started(total, total, 1, 0))

        def on_sample() -> None:
            nonlocal done
            self._token.raise_if_cancelled()
            done = min(done + 1, total)
            self._count(done)
            left = (time.monotonic() - start) / done * (total - done)
            report(StepDone((), 0, done, total, done / total, left))
            if done == total:
                self._say("putting the samples together")

        found = correct(teacher, student, self._statistics, on_sample=on_sample)
        self._token.raise_if_cancelled()
        self.told = tuple(found.told())
        if self._after is not None:
            self._say("making the maps")
            self.gathered = self._after(teacher, student, found)
        self._outcome = found
        return Finished(total)

    def _describe_running(self, done: int, total: int, seconds_left: float | None) -> str:
        words = f"{done} of {total} samples read"
        return ", ".join(filter(None, (words, time_left(seconds_left))))

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        if isinstance(end, Failed):
            return end.message
        if isinstance(end, Finished):
            return f"corrected in {seconds:.1f} s"
        return "cancelled; samples that were drawn are kept"
