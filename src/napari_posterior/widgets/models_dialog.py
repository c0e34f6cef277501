"""The dialog *Models*: which there are, where they are, and what can be done with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QDialog,
    QFileDialog,
    QGridLayout,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.dialogs import ask, look_like_a_menu, open_once
from napari_posterior.widgets.model_table import ModelTable, size_words
from napari_posterior.widgets.parts import Notice, Words, describe, side_by_side
from napari_posterior.widgets.sections.card import CardWindow

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.model_files import ModelFiles
    from napari_posterior.session.model_rows import ModelRow
    from napari_posterior.widgets.session import Session

__all__ = ["ModelsDialog", "open_models_dialog"]

_EMPTY: Final = "Reading which models there are..."
_TICK_MS: Final = 200


def open_models_dialog(napari_viewer: Any) -> ModelsDialog:
    """Open the dialog, or bring it to the front.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Or its proxy.
    """
    from napari_posterior.widgets.session import session as session_of

    return open_once(napari_viewer, ModelsDialog, partial(ModelsDialog, session_of(napari_viewer)))


class ModelsDialog(QDialog):
    """A table of models and what can be done with the one that is selected.

    Parameters
    ----------
    session : Session
        Of the viewer; all that reads files is done by its `models`, beside the window.
    """

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("models_dialog")
        self.setWindowTitle("Models")
        self._files: ModelFiles = session.models
        self._build()
        self._connections = Connections(self)
        self._connections.add(self._files.changed, self._on_news)
        self._timer = self.startTimer(_TICK_MS)
        self._on_news()
        self._files.refresh()

    def timerEvent(self, event: object) -> None:
        """Show how far a model is looked at."""
        self._show_progress()

    def _build(self) -> None:
        self._filter = QLineEdit()
        self._filter.setPlaceholderText("Filter")
        self._filter.setClearButtonEnabled(True)
        describe(
            self._filter,
            "models_filter",
            "Show the models only that hold this text in any column.",
            spoken="Filter",
        )
        self._import = QPushButton("&Import ▾")
        self._import.setAutoDefault(False)
        look_like_a_menu(self._import)
        describe(
            self._import,
            "models_import",
            "Copy a model into your cache folder; every file is compared with its checksum, and "
            "nothing in it is executed.",
        )
        menu = QMenu(self._import)
        menu.addAction("A &folder...", self._on_import_folder)
        menu.addAction("A &zip archive...", self._on_import_zip)
        self._import.setMenu(menu)
        self.table = ModelTable()
        describe(self.table, "models_table", "The models on this computer.", spoken="Models")
        self._title = Words(_EMPTY)
        self._title.setObjectName("models_title")
        self._reason = Notice()
        self._reason.setObjectName("models_reason")
        self._words = Words()
        self._words.setObjectName("models_words")
        self._bar = QProgressBar()
        describe(self._bar, "models_progress", "How far the model is looked at.", spoken="Progress")
        self._bar.setRange(0, 1000)
        self._bar.setTextVisible(False)
        self._stop = QPushButton("&Stop")
        describe(self._stop, "models_stop", "Stop looking at this model.")
        progress = QWidget()
        self._progress = progress
        progress.setLayout(side_by_side(self._bar, self._stop, stretch=(1,)))
        layout = QVBoxLayout(self)
        layout.addLayout(side_by_side(self._filter, self._import, stretch=(1,)))
        for widget in (self.table, self._title, self._reason, self._words, progress):
            layout.addWidget(widget, 1 if widget is self.table else 0)
        layout.addLayout(self._build_buttons())
        self._filter.textChanged.connect(self.table.filter)
        self._stop.clicked.connect(self._on_stop)
        selection = self.table.selectionModel()
        if selection is not None:
            selection.selectionChanged.connect(self._show_chosen)
        self.table.source.modelReset.connect(self._show_chosen)
        self.table.doubleClicked.connect(self._on_card)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(96 * letter, 24 * self.fontMetrics().lineSpacing())

    def _build_buttons(self) -> QGridLayout:
        told: tuple[tuple[str, str, str, Callable[[], object]], ...] = (
            ("&Card", "models_card", "What the model says of itself.", self._on_card),
            (
                "&Verify",
                "models_verify",
                "Compare every file with its checksum, and what the samplers draw with what they "
                "drew when the model was made.",
                self._on_verify,
            ),
            (
                "Show &files",
                "models_files",
                "Open the folder that the model is in.",
                self._on_files,
            ),
            ("&Remove...", "models_remove", "Remove the model from your cache.", self._on_remove),
            (
                "&Unload from memory",
                "models_unload",
                "Let go of the networks that are kept in memory: those of models that were opened "
                "in the console, and what torch keeps of a GPU after a run.",
                self._on_unload,
            ),
            ("C&lose", "models_close", "Close this window; what goes on goes on.", self.close),
        )
        self._buttons: dict[str, QPushButton] = {}
        buttons = []
        for text, name, tip, act in told:
            button = QPushButton(text)
            button.setAutoDefault(False)  # Enter belongs to the table and the filter
            describe(button, name, tip)
            button.clicked.connect(partial(_call, act))
            self._buttons[name.removeprefix("models_")] = button
            buttons.append(button)
        grid = QGridLayout()
        row = side_by_side(*buttons[:4])
        row.addStretch(1)
        for button in buttons[4:]:
            row.addWidget(button)
        grid.addLayout(row, 0, 0)
        return grid

    def _on_news(self, *_: object) -> None:
        self.table.show_rows(self._files.rows)
        self._import.setEnabled(not self._files.busy)
        told = f"{self._files.busy}..." if self._files.busy else self._files.words
        self._words.say(told[:1].upper() + told[1:] if self._files.busy else told)
        self._show_chosen()
        self._show_progress()

    def _show_chosen(self, *_: object) -> None:
        row, busy = self.table.chosen, bool(self._files.busy)
        self._title.say(_title_of(row) if self._files.rows else _EMPTY)
        self._reason.say("" if row is None else sentence_of(row.reason))
        there = row is not None and row.folder is not None
        verifying = self._is_verifying()
        buttons = self._buttons
        buttons["card"].setEnabled(row is not None and row.choice is not None)
        buttons["verify"].setEnabled(there and not verifying and not busy)
        buttons["files"].setEnabled(there)
        removable = row is not None and row.removable
        buttons["remove"].setEnabled(removable and not busy and not verifying)
        buttons["remove"].setToolTip(
            "Remove the model from your cache."
            if row is None or removable
            else f"{row.name} is not in your cache: only imported models are removed."
        )
        buttons["unload"].setEnabled(not busy)

    def _show_progress(self) -> None:
        job, verifying = self._files.job, self._is_verifying()
        if self._progress.isHidden() == verifying:
            self._progress.setVisible(verifying)
            self._show_chosen()
        if job is not None and verifying:
            self._bar.setValue(round(1000 * job.progress.fraction))
            self._words.say(f"{job.name}: {job.progress.sentence}")

    def _is_verifying(self) -> bool:
        job = self._files.job
        return job is not None and job.state not in ENDED

    def _attempt(self, action: Callable[[], object]) -> None:
        """Do something, and say in one sentence why it cannot be done."""
        try:
            action()
        except PosteriorError as error:
            self._words.say(sentence_of(str(error)))

    def _on_import_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Import a model from its folder")
        if folder:
            self._attempt(partial(self._files.import_model, folder))

    def _on_import_zip(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Import a model from a zip archive", "", "Zip archives (*.zip)"
        )
        if path:
            self._attempt(partial(self._files.import_model, path))

    def _on_card(self, *_: object) -> None:
        row = self.table.chosen
        if row is not None and row.choice is not None:
            window = CardWindow(row.choice, self)
            window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            window.show()

    def _on_verify(self) -> None:
        row = self.table.chosen
        if row is not None:
            self._attempt(partial(self._files.verify, row.name))

    def _on_stop(self) -> None:
        if self._files.job is not None:
            self._files.job.cancel()

    def _on_files(self) -> None:
        row = self.table.chosen
        if row is not None and row.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(row.folder)))

    def _on_remove(self) -> None:
        row = self.table.chosen
        if row is None or not row.removable:
            return
        ask(
            self,
            "models_question",
            f"Remove the model {row.name} {row.version}?",
            f"Its {size_words(row.bytes)} are removed from your cache for good. Runs that were "
            "drawn with it stay, but no more samples of them can be drawn.",
            agree="&Remove",
            then=partial(self._attempt, partial(self._files.remove, row.name)),
        )

    def _on_unload(self) -> None:
        self._attempt(self._files.unload)


def _call(act: Callable[[], object], *_: object) -> None:
    act()


def _title_of(row: ModelRow | None) -> str:
    if row is None:
        return "No model holds this text."
    card = None if row.choice is None else row.choice.card
    told = "" if card is None else f": {card.description}"
    return f"{row.name} {row.version}".rstrip() + told
