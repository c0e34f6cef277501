"""Jobs take turns: one at a time on each device, one comparison beside them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_posterior.errors import RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.compare_job import ANALYSIS
from napari_posterior.session.job import start_in_thread
from napari_posterior.session.progress import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.runs.events import Event
    from napari_posterior.session.job import Job

__all__ = ["JobQueue", "Runner", "ThreadRunner"]

_LOG = logging.getLogger(__name__)


class Runner(Protocol):
    """Runs jobs, and decides in which thread listeners are called."""

    def start(self, job: Job[Any], deliver: Callable[[Event], None]) -> None:
        """Consume ``job.iterate()`` in a worker; call `deliver` with every event."""
        ...

    def attend(self) -> None:
        """Do what must go on while somebody waits for a result in this thread."""
        ...


class ThreadRunner:
    """Runs every job in a thread, and calls listeners there: for notebooks and scripts."""

    def start(self, job: Job[Any], deliver: Callable[[Event], None]) -> None:
        """Consume the events of a job in a thread of its own."""
        start_in_thread(job, deliver)

    def attend(self) -> None:
        """Do nothing: the threads go on by themselves."""


@dataclass(eq=False)
class _Entry:
    job: Job[Any]
    after: Job[Any] | None
    running: bool = False


class JobQueue:
    """Lets jobs run in turn, first come first served in each lane.

    Parameters
    ----------
    runner : Runner, optional
        By default a `ThreadRunner`.
    """

    def __init__(self, runner: Runner | None = None) -> None:
        self._runner = runner or ThreadRunner()
        self._lock = threading.RLock()
        self._entries: list[_Entry] = []
        self._closed = False

    @property
    def jobs(self) -> tuple[Job[Any], ...]:
        """Jobs that run or wait, in order."""
        with self._lock:
            return tuple(entry.job for entry in self._entries if entry.job.state not in ENDED)

    def submit(
        self,
        job: Job[Any],
        *,
        deliver: Callable[[Event], None] | None = None,
        after: Job[Any] | None = None,
    ) -> None:
        """Run a job as soon as its lane is free.

        Parameters
        ----------
        job : Job
            Not started yet.
        deliver : callable, optional
            Gets every event of the job, in the thread that the runner delivers to.
        after : Job, optional
            Wait for this job too; where that is cancelled or fails, this one is cancelled.

        Raises
        ------
        RunError
            If the queue is closed, the job was started before, or the same is running or waiting.
        """

        def published(event: Event) -> None:
            try:
                if deliver is not None:
                    deliver(event)
            finally:
                if isinstance(event, Finished | Cancelled | Failed):
                    self._advance()

        with self._lock:
            if self._closed:
                raise RunError("this window is closing and takes no more jobs; open a new one")
            for other in self.jobs:
                if other is job or other.key == job.key:
                    told = "is running" if other.state == "running" else "waits for its turn"
                    raise RunError(
                        f"{other.title} {told} already; wait for it, cancel it, or change a setting"
                    )
            job.wait_for_turn(deliver=published, attend=self._runner.attend)
            self._entries.append(_Entry(job, after))
        self._advance()

    def cancel_all(self) -> None:
        """Cancel what waits, last first, and then what runs."""
        for job in reversed(self.jobs):
            job.cancel()

    def close(self, timeout: float | None = 10.0) -> bool:
        """Take no more jobs, cancel those there are and wait for their end.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait for each job; 0 does not wait.

        Returns
        -------
        bool
            Whether all have ended.
        """
        with self._lock:
            self._closed = True
            jobs = self.jobs
        self.cancel_all()
        ended = [job.wait(timeout) for job in jobs]
        return all(ended)

    def _advance(self) -> None:
        """Start what can be started, and drop what waits in vain."""
        start, drop = [], []
        with self._lock:
            self._entries = [e for e in self._entries if e.job.state not in ENDED]
            for place, entry in enumerate(self._entries):
                before = entry.after
                if entry.running:
                    continue
                if before is not None and before.state in ("cancelled", "failed"):
                    drop.append(entry.job)
                elif (before is None or before.state in ENDED) and not any(
                    _share_a_device(entry.job.lane, other.job.lane)
                    for other in self._entries[:place]
                ):
                    entry.running = True
                    start.append(entry.job)
        for job in drop:
            job.cancel()
        for job in start:
            try:
                self._runner.start(job, job.publish)
            except Exception as error:
                _LOG.exception("%s could not be started", job.title)
                job.abandon(error)


def _share_a_device(lane: str, other: str) -> bool:
    """Whether two lanes may mean one device: ``"auto"`` may be any, ``"cuda"`` any of them."""
    if ANALYSIS in (lane, other):
        return lane == other
    kind, kind_there = lane.split(":")[0], other.split(":")[0]
    if "auto" in (kind, kind_there):
        return True
    return kind == kind_there and (lane == other or lane == kind or other == kind)
