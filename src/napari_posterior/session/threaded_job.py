"""The part of a job that is the same for all of them: states, snapshot, result, a thread."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from psygnal import Signal

from napari_posterior.api.failure import RunFailedError
from napari_posterior.api.progress import time_left
from napari_posterior.errors import RunError
from napari_posterior.runs.cancel import CancelToken, RunCancelledError
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone, Started, StepDone
from napari_posterior.runs.faults import explain
from napari_posterior.runs.pump import stream_events
from napari_posterior.session.progress import ENDED, JobState, Progress, count_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.runs.run import Run

__all__ = ["ThreadedJob"]

_LOG = logging.getLogger(__name__)

_STEP_INTERVAL = 0.05
"""Seconds between two reports of network calls; a window cannot show more."""

_PATIENCE = 0.02
"""Seconds that a caller of `result` sleeps at a time."""

_TELLING = 2.0
"""Seconds that a caller of `result` leaves for telling those who listen."""

Outcome = TypeVar("Outcome")


class ThreadedJob(Generic[Outcome]):
    """A `Job` that works in a thread of its own; `_work` says what.

    Parameters
    ----------
    title : str
        What it does, for a list of jobs.
    lane : str
        What it occupies.
    key : Hashable
        Equal for jobs that would do the same.
    """

    doing: ClassVar[str] = "the job"
    """Subject of the sentence that tells of a fault."""

    preparing: ClassVar[str] = "preparing"
    """Words for the time before the first event."""

    events = Signal(object)

    def __init__(self, title: str, *, lane: str, key: Hashable) -> None:
        self.title = title
        self.lane = lane
        self.key = key
        self._lock = threading.Lock()
        self._token = CancelToken()
        self._ended = threading.Event()
        self._state: JobState = "idle"
        self._progress = Progress()
        self._end: TerminalEvent | None = None
        self._publisher: int | None = None
        self._told = threading.Event()
        self._outcome: Outcome | None = None
        self._deliver: Callable[[Event], None] | None = None
        self._attend: Callable[[], None] | None = None
        self._started_at = 0.0
        self._told_at = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.title!r}, {self.state}: {self.progress.sentence})"

    @property
    def state(self) -> JobState:
        """``"idle"``, ``"waiting"``, ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``."""
        return self._state

    @property
    def progress(self) -> Progress:
        """How far the job is; a snapshot that can be read from any thread."""
        return self._progress

    def wait_for_turn(
        self, *, deliver: Callable[[Event], None], attend: Callable[[], None]
    ) -> None:
        """Go from idle to waiting.

        Parameters
        ----------
        deliver : callable
            Gets every event, in the thread that publishes it, whoever else listens.
        attend : callable
            Called again and again by who waits for the result.

        Raises
        ------
        RunError
            If the job was started before.
        """
        with self._lock:
            if self._state != "idle":
                raise RunError(f"{self.title} was started before; make a new one")
            self._deliver, self._attend = deliver, attend
            self._state = "waiting"
            self._progress = Progress(sentence="waits for its turn")

    def iterate(self) -> Iterator[Event]:
        """Do the work in a thread of its own and yield what happens.

        Yields
        ------
        Event
            The last one is terminal. Nothing is raised: any fault, running out of memory
            included, is a `Failed`. Closing the iterator cancels the work.
        """
        with self._lock:
            mine = self._state in ("idle", "waiting")
            if mine:
                self._state = "running"
                self._progress = replace(self._progress, sentence=self.preparing)
                self._started_at = time.monotonic()
        if mine:
            yield from stream_events(
                self._guarded, self._token, name=f"napari-posterior {self.lane}"
            )
        elif self._end is not None:
            yield self._end
        else:
            _LOG.warning("%s is running already; its events go to the first who asked", self.title)

    def publish(self, event: Event) -> None:
        """Tell those who listen, in this thread; what one of them raises is logged."""
        last = isinstance(event, Finished | Cancelled | Failed)
        if last:
            with self._lock:
                if self._publisher is not None:
                    return
                self._publisher = threading.get_ident()
        for tell in (self._deliver, self.events.emit):
            if tell is None:
                continue
            try:
                tell(event)
            except Exception:
                _LOG.exception("a listener of %s failed", self.title)
        if last:
            self._told.set()

    def cancel(self) -> None:
        """Stop: at once where the job waits, else within one network call; calling again is idle.

        What was drawn before is kept.
        """
        self._token.cancel()
        unstarted = self._finish(Cancelled(0), only_from=("idle", "waiting"))
        if unstarted is not None:
            self.publish(unstarted)

    def abandon(self, error: Exception) -> None:
        """End as failed a job that could not be started."""
        self._token.cancel()
        fault = Failed(explain(error, self.doing), 0, error)
        unstarted = self._finish(fault, only_from=("idle", "waiting"))
        if unstarted is not None:
            self.publish(unstarted)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, and for those who listen to have heard of it.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default as long as it takes.

        Returns
        -------
        bool
            Whether the job has ended.
        """
        until = None if timeout is None else time.monotonic() + timeout
        if not self._wait_for(self._ended, until):
            return False
        if self._deliver is not None and self._publisher != threading.get_ident():
            # A window that is closed meanwhile tells nobody: so not for ever.
            grace = time.monotonic() + _TELLING
            self._wait_for(self._told, grace if until is None else min(grace, until))
        return True

    def _wait_for(self, event: threading.Event, until: float | None) -> bool:
        while not event.is_set():
            left = _PATIENCE if until is None else min(_PATIENCE, until - time.monotonic())
            if left <= 0:
                return False
            if self._attend is not None:
                self._attend()
            event.wait(left)
        return True

    def result(self, timeout: float | None = None) -> Outcome:
        """Wait for the end and return what came of it.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default as long as it takes.

        Returns
        -------
        object
            Also after a cancel, where something was kept.

        Raises
        ------
        TimeoutError
            If the job has not ended by then; it goes on.
        RunError
            If the job was not started, failed, or was cancelled before there was anything.
        """
        if self._state == "idle":
            raise RunError(f"{self.title} was not started; give it to a queue or a thread first")
        if not self.wait(timeout):
            raise TimeoutError(f"{self.title} has not ended after {timeout:g} s; it goes on")
        end = self._end
        if isinstance(end, Failed):
            raise RunFailedError(end.message, kept=end.kept, run=self._partial()) from end.exception
        if self._outcome is None:
            raise RunError(f"{self.title} was cancelled before there was a result; start it again")
        return self._outcome

    @abstractmethod
    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        """Do the work in the thread of this call; report what happens, return how it ended."""

    def _partial(self) -> Run | None:
        """Return what a failed job leaves."""
        return None

    def _describe_running(self, done: int, total: int, seconds_left: float | None) -> str:
        """Words for how far it is."""
        words = f"{done} of {count_of(total)}"
        left = time_left(seconds_left)
        return f"{words}, {left}" if left else words

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        """Words for how it ended."""
        if isinstance(end, Failed):
            return end.message
        if isinstance(end, Finished):
            return f"{count_of(end.kept)} in {seconds:.1f} s"
        if end.kept:
            return f"cancelled, {count_of(end.kept)} kept"
        return "cancelled before the first sample"

    def _guarded(self, report: Callable[[Event], None]) -> None:
        """Work so that nothing escapes; runs in the thread of the job."""

        def tell(event: Event) -> None:
            if self._note(event):
                report(event)

        end: TerminalEvent
        try:
            end = self._work(tell)
        except RunCancelledError:
            end = Cancelled(0)
        except BaseException as error:  # a thread has nobody above it who could be told
            _LOG.debug("%s failed", self.title, exc_info=True)
            end = Failed(explain(error, self.doing), 0, error)
        self._finish(end)
        report(end)

    def _note(self, event: Event) -> bool:
        """Take an event into the snapshot; return whether it is worth passing on."""
        with self._lock:
            seen = self._progress
            if isinstance(event, Started):
                done = event.samples - event.missing
                seen = replace(seen, done=done, total=event.samples)
            elif isinstance(event, SampleDone):
                seen = replace(seen, done=seen.done + 1)
            elif isinstance(event, StepDone):
                seen = replace(seen, fraction=event.fraction, seconds_left=event.seconds_left)
            else:
                return True
            words = self._describe_running(seen.done, seen.total, seen.seconds_left)
            self._progress = replace(seen, sentence=words)
            if isinstance(event, StepDone):
                now = time.monotonic()
                if now - self._told_at < _STEP_INTERVAL:
                    return False
                self._told_at = now
        return True

    def _say(self, sentence: str) -> None:
        """Note in words what is being done."""
        with self._lock:
            self._progress = replace(self._progress, sentence=sentence)

    def _count(self, done: int) -> None:
        """Note how many samples are done, where no `SampleDone` says so."""
        with self._lock:
            self._progress = replace(self._progress, done=done)

    def _finish(
        self, end: TerminalEvent, *, only_from: tuple[JobState, ...] = ("running",)
    ) -> TerminalEvent | None:
        """Note how the job ended; return that, or None where it was not in the right state."""
        with self._lock:
            if self._state not in only_from or self._state in ENDED:
                return None
            seconds = time.monotonic() - self._started_at if self._started_at else 0.0
            self._end = end
            self._state = {Finished: "done", Cancelled: "cancelled"}.get(type(end), "failed")  # type: ignore[assignment]
            self._progress = replace(
                self._progress,
                fraction=1.0 if isinstance(end, Finished) else self._progress.fraction,
                seconds_left=None,
                sentence=self._describe_end(end, seconds),
            )
        self._ended.set()
        return end
