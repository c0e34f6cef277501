"""What a session tells its user when something fails: one sentence, and the log behind it."""

from __future__ import annotations

import logging
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import Notification, NotificationSeverity, notification_manager
from qtpy.QtCore import QObject

from napari_posterior.layers.thread import unwrapped
from napari_posterior.runs.cancel import RunCancelledError
from napari_posterior.runs.events import Failed
from napari_posterior.runs.faults import explain
from napari_posterior.session.log import keep_log, leave_log
from napari_posterior.session.problems import sentence_of

if TYPE_CHECKING:
    from napari_posterior.runs.events import Event
    from napari_posterior.session.compare_job import CompareJob
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.correct_job import CorrectJob
    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.restore_job import RestoreJob

__all__ = ["Telling", "tell_error"]

_LOG = logging.getLogger(__name__)


def tell_error(viewer: Any, sentence: str) -> None:
    """Tell the user of a failure, with a button that opens the log.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy. It is held weakly: napari keeps what it has told for as long as it lives.
    sentence : str
        What happened, and what to do.
    """
    there = weakref.ref(unwrapped(viewer))
    actions = [("Details", partial(_open_details, there))]
    notification_manager.dispatch(_Told(sentence, NotificationSeverity.ERROR, actions=actions))


class _Told(Notification):
    @property
    def source(self) -> str:
        """Who tells, which napari prints beside the buttons: else the object that passed it on."""
        return "napari-posterior"


class Telling(QObject):
    """Tells of runs and comparisons that fail, and keeps the log while the session lives.

    Parameters
    ----------
    viewer : napari.Viewer
        Of the session.
    controller : Controller
        Of the session.
    parent : QObject
        Ends with it.
    """

    def __init__(self, viewer: Any, controller: Controller, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = weakref.ref(unwrapped(viewer))
        self._closed = False
        self._log = keep_log()
        state = controller.state
        state.runs.events.inserted.connect(self._on_entry)
        state.compare.events.job.connect(self._on_job)
        state.corrected.events.job.connect(self._on_job)
        controller.history.refused.connect(self.tell)

    def close(self) -> None:
        """Tell nothing any more, and keep the log no longer."""
        if not self._closed:
            self._closed = True
            leave_log(self._log)

    def tell(self, error: Exception, doing: str = "this") -> None:
        """Tell of what could not be done, in one sentence.

        Parameters
        ----------
        error : Exception
            Why; that something was stopped on purpose is not told.
        doing : str
            What was stopped by it, as the subject of the sentence.
        """
        viewer = self._viewer()
        if not self._closed and viewer is not None and not isinstance(error, RunCancelledError):
            tell_error(viewer, sentence_of(explain(error, doing)))

    def _on_entry(self, _: int, entry: RunEntry) -> None:
        self._on_job(entry.job)
        entry.events.job.connect(self._on_job, unique=True)  # more samples are another job

    def _on_job(self, job: RestoreJob | CompareJob | CorrectJob | None) -> None:
        if job is not None:
            job.events.connect(self._on_event, unique=True)

    def _on_event(self, event: Event) -> None:
        """Tell of a failure: one sentence to the user, the rest to the log."""
        viewer = self._viewer()
        if isinstance(event, Failed) and not self._closed and viewer is not None:
            _LOG.error("a job failed: %s", event.message, exc_info=event.exception)
            tell_error(viewer, event.message)


def _open_details(viewer: weakref.ref[Any], *_: object) -> None:
    from napari_posterior.widgets.log_window import open_log

    there = viewer()
    if there is not None:
        open_log(there)
