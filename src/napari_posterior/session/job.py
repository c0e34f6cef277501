"""Something that takes a while: progress, cancel, result, and events in the right thread.

A job is a state machine::

    idle -> waiting -> running -> done | failed | cancelled

It computes in a thread of its own and is drained by whoever consumes :meth:`Job.iterate`: a Qt
worker, :func:`start_in_thread`, or a plain loop. The snapshot (`state`, `progress`) can be read
from any thread. Signals are another matter: they call back in the thread that emits them. So only
:meth:`Job.publish` emits, and the consumer calls it in the thread where listeners live.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from psygnal import SignalInstance

    from napari_posterior.runs.events import Event
    from napari_posterior.session.progress import JobState, Progress

__all__ = ["Job", "start_in_thread"]

Outcome = TypeVar("Outcome", covariant=True)


class Job(Protocol[Outcome]):
    """What a queue, a worker and a widget need of a job.

    Attributes
    ----------
    title : str
        What it does, for a list of jobs.
    lane : str
        What it occupies: a device, or ``"analysis"``. One job at a time in each.
    key : Hashable
        Equal for jobs that would do the same.
    """

    title: str
    lane: str
    key: Hashable

    @property
    def state(self) -> JobState:
        """Where it stands; can be read from any thread."""
        ...

    @property
    def progress(self) -> Progress:
        """How far it is; can be read from any thread."""
        ...

    @property
    def events(self) -> SignalInstance:
        """Emits every event in the thread that calls `publish`."""
        ...

    def wait_for_turn(
        self, *, deliver: Callable[[Event], None], attend: Callable[[], None]
    ) -> None:
        """Go from idle to waiting; `deliver` gets every event that is published."""
        ...

    def iterate(self) -> Iterator[Event]:
        """Do the work; yield events, the last one terminal; raise nothing."""
        ...

    def publish(self, event: Event) -> None:
        """Tell those who listen, in this thread."""
        ...

    def cancel(self) -> None:
        """Stop within one network call."""
        ...

    def abandon(self, error: Exception) -> None:
        """End as failed a job that could not be started."""
        ...

    def result(self, timeout: float | None = None) -> Outcome:
        """Wait for the end and return what came of it."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; return whether it came."""
        ...


def start_in_thread(
    job: Job[object], deliver: Callable[[Event], None] | None = None
) -> threading.Thread:
    """Run a job without Qt: consume its events in a thread, which is where listeners are called.

    Parameters
    ----------
    job : Job
        Not started yet.
    deliver : callable, optional
        Gets every event; by default ``job.publish``.

    Returns
    -------
    Thread
        It ends when the job has ended and all have been told.
    """
    tell = job.publish if deliver is None else deliver

    def consume() -> None:
        for event in job.iterate():
            tell(event)

    thread = threading.Thread(target=consume, name=f"napari-posterior {job.title}", daemon=True)
    thread.start()
    return thread
