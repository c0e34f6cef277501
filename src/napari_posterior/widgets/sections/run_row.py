"""One run in the list: how it stands, what it warned of, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QPushButton, QWidget

from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.session.progress import ENDED, count_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.dialogs import look_like_a_menu
from napari_posterior.widgets.log_window import open_log
from napari_posterior.widgets.parts import (
    Notice,
    Words,
    column,
    describe,
    look_folded,
    side_by_side,
)
from napari_posterior.widgets.sections.run_menu import RunMenu

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["RunRow", "show_layers"]

_RESTORED: Final = ("samples", "mean", "point estimate")


def show_layers(viewer: Any, entry: RunEntry) -> bool:
    """Bring the layers of a run to the eye; return whether there are any."""
    there = [layer for layer in viewer.layers if _run_of(layer) == str(entry.folder)]
    restored = [layer for layer in there if quantity_of(layer) in _RESTORED]
    if not restored:
        return False
    for layer in there:
        if quantity_of(layer) != "input":
            layer.visible = layer in restored
    viewer.layers.selection.active = restored[-1]
    return True


class RunRow(QFrame):
    """One run.

    Parameters
    ----------
    entry : RunEntry
        What is shown.
    viewer : napari.Viewer
        Where its layers are.
    state : SessionState
        Holds the other runs.
    controller : Controller
        What the buttons call.
    bring_back : callable
        Shows a run of which no layer is there.
    say : callable
        Shows a sentence about what was done.
    """

    def __init__(
        self,
        entry: RunEntry,
        viewer: Any,
        state: SessionState,
        controller: Controller,
        *,
        bring_back: Callable[[RunEntry], None],
        say: Callable[[str], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.entry = entry
        self._viewer, self._controller, self._bring_back = viewer, controller, bring_back
        self.setObjectName(f"run_{entry.number}")
        self._build()
        self.menu = RunMenu(entry, viewer, state, controller, say=say, parent=self)
        self._more.setMenu(self.menu)
        self._connections = Connections(self)
        self._connections.add(entry.events, self._on_entry)
        self._on_entry()

    def _build(self) -> None:
        self._title = Words()
        self._title.setObjectName("run_title")
        self._title.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self._show = QPushButton("Show")
        describe(self._show, "run_show", "Show the layers of this run, new ones where they went.")
        self._stop = QPushButton("Stop")
        describe(
            self._stop,
            "run_stop",
            "Stop this run within one network call; samples drawn so far are kept.",
        )
        self._details = QPushButton("Details")
        describe(self._details, "run_details", "Open the log, which tells more of what failed.")
        self._more = QPushButton("...")
        look_like_a_menu(self._more)
        describe(
            self._more,
            "run_actions",
            "Compare, more samples, save, copy, delete ...",
            spoken=f"More for run {self.entry.number}",
        )
        self._words = Words()
        self._words.setObjectName("run_words")
        self._folder = Words()
        self._folder.setObjectName("run_folder")
        self._fault = Notice()
        self._fault.setObjectName("run_fault")
        self._fold = QPushButton()
        self._fold.setCheckable(True)
        look_folded(self._fold)
        describe(self._fold, "run_warnings_fold", "Show or hide what this run warned of.")
        self._warnings = Words()
        self._warnings.setObjectName("run_warnings")
        layout = column(self, spacing=2)
        top = (self._title, self._details, self._show, self._stop, self._more)
        layout.addLayout(side_by_side(*top, stretch=(1,)))
        for words in (self._words, self._folder, self._fault):
            layout.addWidget(words)
        layout.addWidget(self._fold, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._warnings)
        self._show.clicked.connect(self._on_show)
        self._stop.clicked.connect(self._on_stop)
        self._details.clicked.connect(self._on_details)
        self._fold.toggled.connect(self._on_entry)

    def _on_show(self) -> None:
        if not show_layers(self._viewer, self.entry):
            self._bring_back(self.entry)

    def _on_stop(self) -> None:
        self._controller.cancel(self.entry)

    def _on_details(self) -> None:
        open_log(self._viewer)

    def _on_entry(self, *_: object) -> None:
        entry = self.entry
        ended = entry.state in ENDED
        self._title.say(entry.title)
        self._words.say(_state_of(entry))
        self._folder.say(_folder_of(entry))
        failed = entry.state == "failed"
        self._fault.say(entry.message if failed else "")
        self._details.setVisible(failed)
        self._show.setVisible(entry.run is not None and len(entry.run) > 0)
        self._stop.setVisible(not ended)
        number = len(entry.warnings)
        self._fold.setVisible(number > 0)
        arrow = "▾" if self._fold.isChecked() else "▸"
        self._fold.setText(f"{arrow} ! {count_of(number, 'warning')}")
        self._warnings.say("\n".join(entry.warnings) if self._fold.isChecked() else "")


def _state_of(entry: RunEntry) -> str:
    if entry.state == "failed":
        return "failed"
    if entry.job is None and entry.run is not None:
        return f"opened from disk: {count_of(len(entry.run))}"
    sentence = entry.progress.sentence
    return f"{entry.state}: {sentence}" if entry.state in ("done", "running") else sentence


def _folder_of(entry: RunEntry) -> str:
    """Say where a run is kept, as far as that matters: a temporary one goes with the window."""
    if entry.busy:
        return f"{entry.busy} ..."
    if entry.saved is not None:
        return f"saved as {entry.saved.name}"
    if entry.run is not None and entry.run.temporary:
        return "not saved: it goes when this window is closed"
    return ""


def _run_of(layer: Any) -> str | None:
    told = layer.metadata.get(KEY)
    found = told.get("run") if isinstance(told, dict) else None
    return None if found is None else str(found)
