"""Work in a thread of its own, seen from outside as an iterator of events."""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING, TypeAlias

from napari_posterior.runs.events import Cancelled, Event, Failed, Finished
from napari_posterior.runs.faults import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_posterior.runs.cancel import CancelToken

    Report: TypeAlias = Callable[[Event], None]
    Work: TypeAlias = Callable[[Report], object]

__all__ = ["stream_events"]

_LOG = logging.getLogger(__name__)


def stream_events(
    work: Work, token: CancelToken, *, name: str = "napari-posterior-sampling"
) -> Iterator[Event]:
    """Do some work in a thread and yield what it reports, until the event that ends it.

    Progress arrives while the work goes on. All that the work holds (a device, a file, a context
    of torch) is taken and given back in its own thread, however the iterator ends. Closing the
    iterator, or Ctrl-C while it waits, cancels the work; where it was last waited for, closing
    waits for the end too. Dropped elsewhere, as by a garbage collection, nobody waits.

    Parameters
    ----------
    work : callable
        Gets a function that takes events; the last one it reports is terminal. What it raises
        becomes `Failed`.
    token : CancelToken
        Looked at by the work.
    name : str
        Of the thread.

    Yields
    ------
    Event
        One of `Finished`, `Cancelled` or `Failed` is the last. Nothing is raised.
    """
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    thread = threading.Thread(target=_work, args=(work, events.put), name=name, daemon=True)
    home = threading.current_thread()
    thread.start()
    try:
        while True:
            home = threading.current_thread()
            try:
                event = events.get()
            except KeyboardInterrupt:
                token.cancel()
                continue
            yield event
            if isinstance(event, Finished | Cancelled | Failed):
                return
    finally:
        token.cancel()
        if threading.current_thread() is home:
            thread.join()


def _work(work: Work, put: Report) -> None:
    ended = False

    def report(event: Event) -> None:
        nonlocal ended
        ended = ended or isinstance(event, Finished | Cancelled | Failed)
        put(event)

    try:
        work(report)
    except BaseException as error:  # a thread has nobody above it who could be told
        _LOG.debug("the work was left by an exception", exc_info=True)
        if not ended:
            put(Failed(explain(error), 0, error))
    else:
        if not ended:
            put(Failed("the work ended without a word; try it again", 0))
