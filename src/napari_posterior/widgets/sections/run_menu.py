"""The menu of a run: what can be done with it, and why something cannot."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_posterior.errors import PosteriorError
from napari_posterior.runs.store import SUFFIX
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.dialogs import ask, while_there
from napari_posterior.widgets.docks import COMPARE, open_dock
from napari_posterior.widgets.log_window import copy_report, copy_text
from napari_posterior.widgets.model_table import size_words
from napari_posterior.widgets.sections.more_samples import MoreSamplesDialog
from napari_posterior.widgets.theme import palette_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["RunMenu"]

_OTHER: Final = {"teacher": "student", "student": "teacher"}


class RunMenu(QMenu):
    """What can be done with a run; made anew whenever it is opened.

    Parameters
    ----------
    entry : RunEntry
        The run.
    viewer : napari.Viewer
        Where it is shown.
    state : SessionState
        Holds the other runs.
    controller : Controller
        What the actions call.
    say : callable
        Shows a sentence about what was done, or why it was not.
    """

    def __init__(
        self,
        entry: RunEntry,
        viewer: Any,
        state: SessionState,
        controller: Controller,
        *,
        say: Callable[[str], None],
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("run_menu")
        self.setToolTipsVisible(True)
        self._entry, self._viewer, self._state = entry, viewer, state
        self._controller, self._history = controller, controller.history
        self._say, self._owner = say, parent
        self._pairs = QMenu("&Compare with", self)
        self._pairs.setObjectName("run_pairs")
        self._pairs.setToolTipsVisible(True)
        self.aboutToShow.connect(self.fill)
        self.fill()  # for who looks at it before it is opened, as screen readers do

    def fill(self) -> None:
        """Offer what can be done now."""
        self.clear()
        soft = palette_of(self._viewer).soft
        self.setStyleSheet(f"QMenu::item:disabled {{ color: {soft}; }}")
        entry, history = self._entry, self._history
        ended = entry.state in ENDED or entry.job is None
        held = 0 if entry.run is None else len(entry.run)
        nothing = "" if held else "This run holds no samples."
        waiting = "" if ended else "It is being drawn; stop it first, or wait for it."
        self._add_pairs(waiting or nothing)
        self._add(
            "&Go on..." if held < entry.samples and ended else "&More samples...",
            "run_more",
            "Draw more samples of this run; those that it holds stay as they are.",
            self._on_more,
            why_not=nothing if ended and not held else history.problem_of_more(entry),
        )
        self.addSeparator()
        use = history.problem_of_deleting(entry)
        self._add(
            "&Save as...",
            "run_save",
            "Copy the folder of this run to a place of your choice.",
            self._on_save,
            why_not=waiting or nothing or (sentence_of(entry.busy) and use),
        )
        self._add(
            "Copy as &Python",
            "run_script",
            "Copy a script that makes this run again.",
            self._on_script,
            why_not="" if held or _has_begun(entry) else "It has not begun.",
        )
        self._add(
            "Copy debug &report",
            "run_report",
            "Copy what helps others to help: versions, settings, warnings, the log.",
            self._on_report,
        )
        self._add(
            "Open its &folder",
            "run_folder",
            "Show the files of this run.",
            self._on_folder,
            why_not="" if entry.folder is not None else "It has no folder yet.",
        )
        self.addSeparator()
        self._add(
            "F&orget",
            "run_forget",
            "Take this run off the list; its layers and its folder stay.",
            self._on_forget,
            why_not=waiting,
        )
        self._add(
            "&Delete...",
            "run_delete",
            "Take this run off the list, and its folder and its layers away.",
            self._on_delete,
            why_not=waiting or use,
        )

    def _add(
        self, text: str, name: str, tip: str, act: Callable[[], object], *, why_not: str = ""
    ) -> None:
        action = self.addAction(text)
        if action is None:
            return
        action.setObjectName(name)
        action.setToolTip(sentence_of(why_not) if why_not else tip)
        action.setEnabled(not why_not)
        action.triggered.connect(partial(_call, act))

    def _add_pairs(self, why_not: str) -> None:
        """Offer the runs that this one can be compared with."""
        other = _OTHER.get(self._entry.role)
        fitting = [
            one
            for one in self._state.runs
            if one.role == other and one.image_key == self._entry.image_key and one.run is not None
        ]
        if other is None:
            why_not = "It is a point estimate: one image, not a draw."
        elif not fitting:
            why_not = why_not or f"There is no run of a {other} on this image."
        menu = self._pairs
        menu.clear()
        for one in reversed(fitting):
            action = menu.addAction(one.title)
            if action is not None:
                action.setToolTip("Choose these two in the dock Compare.")
                action.triggered.connect(partial(_call, partial(self._on_pair, one)))
        action = self.addMenu(menu)
        if action is not None:
            action.setEnabled(not why_not)
            action.setToolTip(why_not or "Choose this run and another one in the dock Compare.")

    def _attempt(self, action: Callable[[], object]) -> None:
        try:
            action()
        except PosteriorError as error:
            self._say(sentence_of(str(error)))

    def _on_pair(self, other: RunEntry) -> None:
        pair = {self._entry.role: self._entry, other.role: other}
        self._state.compare.teacher = pair["teacher"]
        self._state.compare.student = pair["student"]
        open_dock(self._viewer, COMPARE)

    def _on_more(self) -> None:
        def draw(samples: int) -> None:
            self._attempt(partial(self._history.draw_more, self._entry, samples))

        MoreSamplesDialog(self._entry, self._history, then=draw, parent=self._owner).open()

    def _on_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(
            self._owner,
            f"Save {self._entry.title}",
            str(Path.home() / _name_of(self._entry)),
            f"Runs (*{SUFFIX})",
        )
        if path:
            self._attempt(partial(self._history.save_as, self._entry, path))

    def _on_script(self) -> None:
        def copy() -> None:
            copy_text(self._history.script_of(self._entry))
            self._say(f"{self._entry.title} is in the clipboard as a Python script.")

        self._attempt(copy)

    def _on_report(self) -> None:
        told = partial(self._say, "The debug report is in the clipboard.")
        copy_report(self._controller, self._owner, self._entry, then=told)

    def _on_folder(self) -> None:
        folder = self._entry.saved or self._entry.folder
        if folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def _on_forget(self) -> None:
        self._controller.forget(self._entry)

    def _on_delete(self) -> None:
        self._attempt(
            partial(self._history.measure, self._entry, while_there(self._owner, self._ask))
        )

    def _ask(self, number: int) -> None:
        entry = self._entry
        copy = f" The copy {entry.saved.name} stays." if entry.saved is not None else ""
        ask(
            self._owner,
            "run_question",
            f"Delete {entry.title}?",
            f"Its folder of {size_words(number)} goes, and its layers with it.{copy} Undo brings "
            "it back until another run is deleted, or this window is closed.",
            agree="&Delete",
            then=partial(self._attempt, partial(self._history.delete, entry)),
        )


def _call(act: Callable[[], object], *_: object) -> None:
    act()


def _has_begun(entry: RunEntry) -> bool:
    return entry.job is not None and entry.job.live is not None


def _name_of(entry: RunEntry) -> str:
    """Return a name for the folder of a run."""
    image = "run" if entry.run is None else entry.run.request.image.name
    words = "".join(c if c.isalnum() or c in "-_" else "-" for c in f"{image}-{entry.label}")
    return f"{words}{SUFFIX}"
