"""The list of runs: how each stands, what it warned of, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QPushButton, QWidget

from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.session.progress import ENDED, count_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import (
    Heading,
    Notice,
    Words,
    column,
    describe,
    look_folded,
    side_by_side,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["RunRow", "RunsSection", "show_layers"]

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
    controller : Controller
        What the buttons call.
    bring_back : callable
        Shows a run of which no layer is there.
    """

    def __init__(
        self,
        entry: RunEntry,
        viewer: Any,
        controller: Controller,
        *,
        bring_back: Callable[[RunEntry], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.entry = entry
        self._viewer, self._controller, self._bring_back = viewer, controller, bring_back
        self.setObjectName(f"run_{entry.number}")
        self._build()
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
        self._forget = QPushButton("Forget")
        describe(
            self._forget,
            "run_forget",
            "Take this run off the list; its layers and its folder stay.",
        )
        self._words = Words()
        self._words.setObjectName("run_words")
        self._fault = Notice()
        self._fault.setObjectName("run_fault")
        self._fold = QPushButton()
        self._fold.setCheckable(True)
        look_folded(self._fold)
        describe(self._fold, "run_warnings_fold", "Show or hide what this run warned of.")
        self._warnings = Words()
        self._warnings.setObjectName("run_warnings")
        layout = column(self, spacing=2)
        top = side_by_side(self._title, self._show, self._stop, self._forget, stretch=(1,))
        layout.addLayout(top)
        layout.addWidget(self._words)
        layout.addWidget(self._fault)
        layout.addWidget(self._fold, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self._warnings)
        self._show.clicked.connect(self._on_show)
        self._stop.clicked.connect(self._on_stop)
        self._forget.clicked.connect(self._on_forget)
        self._fold.toggled.connect(self._on_entry)

    def _on_show(self) -> None:
        if not show_layers(self._viewer, self.entry):
            self._bring_back(self.entry)

    def _on_stop(self) -> None:
        self._controller.cancel(self.entry)

    def _on_forget(self) -> None:
        self._controller.forget(self.entry)

    def _on_entry(self, *_: object) -> None:
        entry = self.entry
        ended = entry.state in ENDED
        self._title.say(entry.title)
        self._words.say(_state_of(entry))
        self._fault.say(entry.message if entry.state == "failed" else "")
        self._show.setVisible(entry.run is not None and len(entry.run) > 0)
        self._stop.setVisible(not ended)
        self._forget.setVisible(ended)
        number = len(entry.warnings)
        self._fold.setVisible(number > 0)
        arrow = "▾" if self._fold.isChecked() else "▸"
        self._fold.setText(f"{arrow} ! {count_of(number, 'warning')}")
        self._warnings.say("\n".join(entry.warnings) if self._fold.isChecked() else "")


class RunsSection(QWidget):
    """All runs of this session, the newest at the top.

    Parameters
    ----------
    viewer : napari.Viewer
        Where layers are.
    state : SessionState
        Holds the runs.
    controller : Controller
        What the buttons call.
    bring_back : callable
        Shows a run of which no layer is there.
    """

    def __init__(
        self,
        viewer: Any,
        state: SessionState,
        controller: Controller,
        *,
        bring_back: Callable[[RunEntry], None],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("runs")
        self._viewer, self._state, self._controller = viewer, state, controller
        self._bring_back = bring_back
        self._rows: list[RunRow] = []
        self._layout = column(self, spacing=8)
        self._layout.addWidget(Heading("Runs"))
        self._connections = Connections(self)
        self._connections.add(state.runs.events, self._on_list)
        self._on_list()

    def _on_list(self, *_: object) -> None:
        runs = list(self._state.runs)
        for row in [row for row in self._rows if row.entry not in runs]:
            self._rows.remove(row)
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        shown = [row.entry for row in self._rows]
        for entry in runs:
            if entry not in shown:
                row = RunRow(
                    entry,
                    self._viewer,
                    self._controller,
                    bring_back=self._bring_back,
                    parent=self,
                )
                self._rows.append(row)
                self._layout.insertWidget(1, row)  # below the heading
        self.setVisible(bool(runs))


def _state_of(entry: RunEntry) -> str:
    if entry.state == "failed":
        return "failed"
    if entry.job is None and entry.run is not None:
        return f"opened from disk: {count_of(len(entry.run))}"
    sentence = entry.progress.sentence
    return f"{entry.state}: {sentence}" if entry.state in ("done", "running") else sentence


def _run_of(layer: Any) -> str | None:
    told = layer.metadata.get(KEY)
    found = told.get("run") if isinstance(told, dict) else None
    return None if found is None else str(found)
