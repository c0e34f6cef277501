"""Jobs on napari's worker threads."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Protocol

from napari.qt.threading import GeneratorWorker

from napari_posterior.runs.events import Failed
from napari_posterior.runs.faults import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Call", "JobWorker", "NamedTask", "Task"]

_LOG = logging.getLogger(__name__)


class Task(Protocol):
    """What a worker needs of its work; a `Job` is one."""

    title: str

    def iterate(self) -> Iterator[Any]:
        """Do the work; yield what happens; raise nothing."""
        ...

    def cancel(self) -> None:
        """Stop soon."""
        ...


class NamedTask:
    """A task under its title, which napari prints where it asks whether to close the window.

    Parameters
    ----------
    task : Task
        What is to be done.

    Attributes
    ----------
    begun : bool
        Whether a worker is at it, or was.
    ended : threading.Event
        Set when its worker has nothing more to do.
    """

    def __init__(self, task: Task) -> None:
        self._title = task.title
        self._task: Task | None = task
        self.begun = False
        self.ended = threading.Event()

    def __str__(self) -> str:
        return self._title

    def drain(self) -> Iterator[Any]:
        """Pass on what the task yields, and nothing that it raises."""
        task = self._task
        if task is None:
            return
        self.begun = True
        try:
            yield from task.iterate()
        except Exception as error:  # what a generator worker does with a RuntimeError is no end
            _LOG.exception("%s failed where nothing should", self._title)
            yield Failed(explain(error, self._title), 0, error)

    def cancel(self) -> None:
        """Stop the task."""
        task = self._task
        if task is not None:
            task.cancel()

    def release(self) -> None:
        """Let go of the task: napari keeps the worker as long as the window."""
        self._task = None


class JobWorker(GeneratorWorker):
    """Drains a task in a thread of the pool; `yielded` tells of its events.

    To be made by ``napari.qt.threading.create_worker(..., _worker_class=JobWorker)``, so that
    napari asks before it closes the window over it.

    Parameters
    ----------
    work : NamedTask
        What is drained.
    """

    def __init__(self, work: NamedTask) -> None:
        super().__init__(work.drain)
        self._work = work

    def quit(self) -> None:
        """Cancel the task, and nothing else: its generator ends by itself, with a last event.

        The inherited method would leave the generator where it is: no last event, and its
        clean-up at a garbage collection, in the wrong thread.
        """
        self._work.cancel()

    def run(self) -> None:
        """Drain the task; every worker that starts also ends, with `finished`.

        The inherited method is replaced for two reasons: it takes a RuntimeError for a worker that
        was deleted and returns without an end, and it wraps the work into
        ``warnings.catch_warnings``, which must not overlap in two threads.
        """
        self.started.emit()
        self._running = True
        try:
            result = self.work()
            if isinstance(result, Exception):
                raise result
            self.returned.emit(result)
        except Exception as error:
            self.errored.emit(error)
        self._running = False
        self.finished.emit()
        self._finished.emit(self)
        self._work.ended.set()


class Call:
    """One call of a function as a task; it yields itself when it is over.

    Parameters
    ----------
    title : str
        What it does.
    function : callable
        Called on the worker.

    Attributes
    ----------
    value : object
        What the function returned.
    error : Exception or None
        What it raised.
    """

    def __init__(self, title: str, function: Callable[[], Any]) -> None:
        self.title = title
        self._function = function
        self.value: Any = None
        self.error: Exception | None = None

    def iterate(self) -> Iterator[Call]:
        """Call, and yield once."""
        try:
            self.value = self._function()
        except Exception as error:
            self.error = error
        yield self

    def cancel(self) -> None:
        """Do nothing: a call goes on until it returns."""
