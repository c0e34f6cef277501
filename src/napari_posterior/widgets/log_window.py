"""The log in a window: what went wrong, to be read and copied."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QTimer
from qtpy.QtGui import QFontDatabase, QGuiApplication, QTextCursor
from qtpy.QtWidgets import QDialog, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from napari_posterior.session.log import CAPACITY, keep_log, leave_log
from napari_posterior.widgets.dialogs import open_once, while_there
from napari_posterior.widgets.parts import Words, describe, side_by_side

if TYPE_CHECKING:
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry
    from napari_posterior.widgets.session import Session

__all__ = ["LogWindow", "copy_report", "copy_text", "open_log"]

_LOOK_MS: Final = 500
_EMPTY: Final = "Nothing was logged yet."
_HEAD: Final = (
    f"The last {CAPACITY} messages of this session, the newest at the bottom. A debug report adds "
    "versions, devices and settings; it names files but not the folders that they are in."
)


def open_log(napari_viewer: Any) -> LogWindow:
    """Open the log, or bring it to the front.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Or its proxy.
    """
    from napari_posterior.widgets.session import session as session_of

    return open_once(napari_viewer, LogWindow, partial(LogWindow, session_of(napari_viewer)))


def copy_report(
    controller: Controller, owner: QWidget, entry: RunEntry | None = None, *, then: Any = None
) -> None:
    """Copy a debug report, which is written on a worker, and then call `then` if `owner` is there.

    Parameters
    ----------
    controller : Controller
        Of the session.
    owner : QWidget
        Who asks.
    entry : RunEntry, optional
        The run that it tells of.
    then : callable, optional
        Called without arguments when it is in the clipboard.
    """
    history = controller.history

    def take(text: str) -> None:
        copy_text(text)
        if then is not None:
            then()

    history.aside("writing a report", lambda: history.debug_report(entry), while_there(owner, take))


def copy_text(text: str) -> None:
    """Put a text into the clipboard."""
    clipboard = QGuiApplication.clipboard()
    if clipboard is not None:
        clipboard.setText(text)


class LogWindow(QDialog):
    """Shows the log, and what is added to it; its text is never taken for HTML.

    Parameters
    ----------
    session : Session
        For the debug report.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("log_window")
        self.setWindowTitle("Log of the posterior samples")
        self._session = session
        self._log = keep_log()
        self._shown = -1
        self.destroyed.connect(partial(leave_log, self._log))
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.refresh)
        self._timer.start()
        self.refresh()

    def refresh(self) -> None:
        """Show what is new; the text stays where it was scrolled to, unless that was the end."""
        if self._log.count == self._shown:
            return
        self._shown = self._log.count
        bar = self._text.verticalScrollBar()
        at_end = bar is None or bar.value() >= bar.maximum()
        place = 0 if bar is None else bar.value()
        self._text.setPlainText("\n".join(self._log.texts) or _EMPTY)
        if at_end:
            self._text.moveCursor(QTextCursor.MoveOperation.End)
        elif bar is not None:
            bar.setValue(place)
        self._copy.setEnabled(bool(self._log.texts))

    def _build(self) -> None:
        self._text = QPlainTextEdit()
        describe(self._text, "log_text", "What this package logged.", spoken="Log")
        self._text.setReadOnly(True)
        self._text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self._copy = QPushButton("Copy &log")
        describe(self._copy, "log_copy", "Copy all of this text, paths included.")
        self._report = QPushButton("Copy debug &report")
        describe(
            self._report,
            "log_report",
            "Copy versions, devices, settings, runs and the last of this log, for a question to "
            "others; files are named without their folders.",
        )
        self._close = QPushButton("&Close")
        describe(self._close, "log_close", "Close this window; the log goes on.")
        self._done = Words()
        self._done.setObjectName("log_done")
        layout = QVBoxLayout(self)
        layout.addWidget(Words(_HEAD))
        layout.addWidget(self._text, 1)
        row = side_by_side(self._copy, self._report, self._done, self._close, stretch=(0, 0, 1))
        layout.addLayout(row)
        self._copy.clicked.connect(self._on_copy)
        self._report.clicked.connect(self._on_report)
        self._close.clicked.connect(self.close)
        self._report.setDefault(True)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(100 * letter, 30 * self.fontMetrics().lineSpacing())

    def _on_copy(self) -> None:
        copy_text(self._text.toPlainText())
        self._done.say("The log is in the clipboard.")

    def _on_report(self) -> None:
        copy_report(self._session.controller, self, then=self._on_reported)

    def _on_reported(self) -> None:
        self._done.say("The report is in the clipboard.")
