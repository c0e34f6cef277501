"""The list of runs of a session, and how runs come onto it and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.dialogs import while_there
from napari_posterior.widgets.parts import Heading, Words, column, describe, side_by_side
from napari_posterior.widgets.sections.run_row import RunRow, show_layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["RunRow", "RunsSection", "show_layers"]


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
        self._history, self._bring_back = controller.history, bring_back
        self._rows: list[RunRow] = []
        self._build()
        self._connections = Connections(self)
        self._connections.add(state.runs.events, self._on_list)
        self._connections.add(state.restore.events.image, self._on_list)
        self._connections.add(self._history.changed, self._on_deleted)
        self._on_list()
        self._on_deleted()

    def open_folder(self, folder: str) -> None:
        """Put a run on the list that lies on disk, and show it."""

        def show(entry: RunEntry) -> None:
            if not show_layers(self._viewer, entry):
                self._bring_back(entry)

        self._say("")
        try:
            self._history.open_run(folder, while_there(self, show))
        except PosteriorError as error:
            self._say(sentence_of(str(error)))

    def _build(self) -> None:
        self._open = QPushButton("Open a run...")
        describe(
            self._open, "run_open", "Put a run on the list that was saved, and show its layers."
        )
        self._done = Words()
        self._done.setObjectName("runs_done")
        self._gone = Words()
        self._gone.setObjectName("runs_deleted")
        self._undo = QPushButton("Undo")
        describe(self._undo, "run_undo", "Bring back the run that was deleted, and its folder.")
        self._trash = QWidget()
        self._trash.setLayout(side_by_side(self._gone, self._undo, stretch=(1,)))
        self._layout = column(self, spacing=8)
        self._layout.addLayout(side_by_side(Heading("Runs"), self._open, stretch=(1,)))
        self._layout.addWidget(self._trash)
        self._layout.addWidget(self._done)
        self._above = self._layout.count()
        self._open.clicked.connect(self._on_open)
        self._undo.clicked.connect(self._on_undo)

    def _say(self, sentence: str) -> None:
        self._done.say(sentence)

    def _on_open(self) -> None:
        title = "Open a run: a folder NAME.posterior.zarr"
        folder = QFileDialog.getExistingDirectory(self, title)
        if folder:
            self.open_folder(folder)

    def _on_undo(self) -> None:
        try:
            self._history.undo(while_there(self, self._bring_back))
        except PosteriorError as error:
            self._say(sentence_of(str(error)))

    def _on_deleted(self, *_: object) -> None:
        deleted = self._history.deleted
        self._trash.setVisible(deleted is not None)
        self._gone.say("" if deleted is None else f"{deleted.entry.title} was deleted.")
        self._look()

    def _on_list(self, *_: object) -> None:
        runs = list(self._state.runs)
        for row in [row for row in self._rows if row.entry not in runs]:
            self._rows.remove(row)
            self._layout.removeWidget(row)
            row.hide()
            row.deleteLater()
        shown = {row.entry: row for row in self._rows}
        for entry in runs:
            if entry not in shown:
                shown[entry] = row = self._make_row(entry)
                self._rows.append(row)
        # the newest at the top, and one that was brought back where it was
        order = [shown[entry] for entry in reversed(runs)]
        for place, row in enumerate(order, start=self._above):
            if self._layout.indexOf(row) != place:
                self._layout.removeWidget(row)
                self._layout.insertWidget(place, row)
        self._look()

    def _make_row(self, entry: RunEntry) -> RunRow:
        return RunRow(
            entry,
            self._viewer,
            self._state,
            self._controller,
            bring_back=self._bring_back,
            say=self._say,
            parent=self,
        )

    def _look(self) -> None:
        """Take no room where there is nothing to choose yet."""
        there = bool(self._state.runs) or self._history.deleted is not None
        self.setVisible(there or self._state.restore.image is not None)
