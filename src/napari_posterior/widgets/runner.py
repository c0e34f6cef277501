"""Runs the jobs of a queue on workers, and tells of them in the thread of the window."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QCoreApplication, QEventLoop, QObject, Signal, Slot

from napari_posterior.errors import RunError
from napari_posterior.runs.events import Failed
from napari_posterior.runs.faults import explain
from napari_posterior.widgets.keeper import LAST_WAIT, keep_python_for
from napari_posterior.widgets.warnings_log import WarningsLog, log_warnings_of
from napari_posterior.widgets.worker import Call, JobWorker, NamedTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.runs.events import Event
    from napari_posterior.session.job import Job
    from napari_posterior.widgets.worker import Task

__all__ = ["QtRunner"]

_LOG = logging.getLogger(__name__)

_OURS = "napari-posterior"
"""How the names of threads begin in which jobs compute."""

_ATTEND_MS = 20
"""Milliseconds of Qt events at a time for who waits; a job looks in every 50 ms."""


class _Desk(QObject):
    """Takes what one worker tells, in the thread that made the desk."""

    def __init__(
        self,
        runner: QtRunner,
        work: NamedTask,
        deliver: Callable[[Any], None],
        fault: Callable[[Exception], None],
        *,
        for_job: bool,
    ) -> None:
        super().__init__()
        self._runner = runner
        self.work = work
        self._deliver: Callable[[Any], None] | None = deliver
        self._fault: Callable[[Exception], None] | None = fault
        self.for_job = for_job
        self.worker: Any = None

    @Slot(object)
    def take(self, event: Any) -> None:
        """Pass an event on."""
        if self._deliver is not None:
            self._deliver(event)

    @Slot(object)
    def take_fault(self, error: Exception) -> None:
        """Hear of a worker that failed: a fault of ours, which must not stay unseen."""
        _LOG.error("the worker of %s failed", self.work, exc_info=error)
        if self._fault is not None:
            self._fault(error)

    @Slot()
    def end(self) -> None:
        """Let go of everything."""
        self.close()
        self.work.release()
        self.worker = None
        self._runner.forget(self)

    def close(self) -> None:
        """Pass nothing on any more."""
        self._deliver, self._fault = None, None


class QtRunner(QObject):
    """Runs jobs of a queue on napari's worker threads, and calls listeners in the main thread.

    To be made in the main thread.

    Attributes
    ----------
    busy_changed : Signal(bool)
        A job runs now, or none does any more.
    """

    busy_changed = Signal(bool)
    _handed_over = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._home = threading.get_ident()
        self._desks: list[_Desk] = []
        self._closed = False
        self._log: WarningsLog | None = None
        self._handed_over.connect(self.start)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return any(desk.for_job for desk in self._desks)

    @Slot(object, object)
    def start(self, job: Job[Any], deliver: Callable[[Event], None]) -> None:
        """Consume the events of a job on a worker, and deliver them in the main thread.

        Parameters
        ----------
        job : Job
            Not started yet.
        deliver : callable
            Gets every event.

        Raises
        ------
        RunError
            If the runner is closed.
        """
        if threading.get_ident() != self._home:  # a waiting job was cancelled from a thread
            self._handed_over.emit(job, deliver)
            return

        def fault(error: Exception) -> None:
            job.cancel()
            job.abandon(error)
            deliver(Failed(explain(error, job.title), 0, error))

        self._run(job, deliver, fault, for_job=True)

    def call(
        self,
        title: str,
        function: Callable[[], Any],
        then: Callable[[Any], None],
        otherwise: Callable[[Exception], None] | None = None,
    ) -> None:
        """Call a function on a worker, and hand over what it returns in the main thread.

        Parameters
        ----------
        title : str
            What it does.
        function : callable
            Called on the worker; what it raises is logged.
        then : callable
            Gets what it returned, in the main thread.
        otherwise : callable, optional
            Gets what it raised, in the main thread.
        """

        def deliver(call: Call) -> None:
            if call.error is None:
                then(call.value)
            else:
                _LOG.error("%s failed", title, exc_info=call.error)
                if otherwise is not None:
                    otherwise(call.error)

        def fault(error: Exception) -> None:
            """Say nothing more: it is in the log."""

        self._run(Call(title, function), deliver, fault, for_job=False)

    def attend(self) -> None:
        """Process Qt events for a moment, so that a window lives on while somebody waits.

        In the main thread only; elsewhere there is nothing to do. All events are processed: a
        click on *Cancel*, and the events of jobs, without which the next job of a lane would not
        start. So what is called meanwhile may wait for a result itself; then the outer one comes
        after the inner one. Who waits must expect that the world has changed after.
        """
        if threading.get_ident() == self._home and QCoreApplication.instance() is not None:
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, _ATTEND_MS)

    def close(self) -> None:
        """Start and deliver nothing any more; what runs is cancelled and ends by itself."""
        self._closed = True
        for desk in [*self._desks]:
            desk.close()
            desk.work.cancel()

    def wait(self, timeout: float = LAST_WAIT) -> bool:
        """Wait for the end of all that runs, without processing Qt events.

        Parameters
        ----------
        timeout : float
            Seconds, for all of it together.

        Returns
        -------
        bool
            Whether it came.
        """
        last = time.monotonic() + timeout
        begun = [desk.work for desk in self._desks if desk.work.begun]
        return all(work.ended.wait(max(0.0, last - time.monotonic())) for work in begun)

    def forget(self, desk: _Desk) -> None:
        """Hear that a worker has ended."""
        if desk not in self._desks:
            return
        self._desks.remove(desk)
        if not self._desks and self._log is not None:
            self._log.leave()
            self._log = None
        if desk.for_job and not self.busy and not self._closed:
            self.busy_changed.emit(False)

    def _run(
        self,
        task: Task,
        deliver: Callable[[Any], None],
        fault: Callable[[Exception], None],
        *,
        for_job: bool,
    ) -> None:
        if self._closed:
            raise RunError("this window is closing and starts no more jobs; open a new one")
        was_busy = self.busy
        work = NamedTask(task)
        desk = _Desk(self, work, deliver, fault, for_job=for_job)
        desk.worker = create_worker(
            work,
            _worker_class=JobWorker,
            _start_thread=False,
            _connect={"yielded": desk.take, "errored": desk.take_fault, "finished": desk.end},
        )
        if not self._desks:
            self._log = log_warnings_of(_OURS)
        self._desks.append(desk)
        keep_python_for(work)
        desk.worker.start()
        if for_job and not was_busy:
            self.busy_changed.emit(True)
