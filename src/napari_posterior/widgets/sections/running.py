"""Start and stop runs; say how far they are, what waits, and why nothing can be started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import QApplication, QCheckBox, QProgressBar, QPushButton, QWidget

from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import find_model, sentence_of
from napari_posterior.session.progress import ENDED
from napari_posterior.session.submission import student_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Notice, Words, column, describe, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["RunningSection", "take_what_is_typed"]

_PARTS: Final = 1000


class RunningSection(QWidget):
    """The buttons, the progress bar and the sentences around them.

    Parameters
    ----------
    state : SessionState
        What is chosen, and the runs.
    controller : Controller
        What the buttons call.
    """

    asked = Signal()
    """A button was pressed: what is still being typed or drawn is to be taken now."""

    started = Signal()
    """A run has begun, or waits for its turn."""

    def __init__(
        self,
        state: SessionState,
        controller: Controller,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._state, self._controller = state, controller
        self._build()
        self._connections = Connections(self)
        self._connections.add(state.restore.events, self._on_setting)
        self._connections.add(state.runs.events, self._on_list)
        self._of_runs = Connections(self)
        self._on_list()

    def run(self) -> None:
        """Draw from the chosen sampler."""
        self._start(self._run, self._controller.run)

    def run_pair(self) -> None:
        """Draw from the teacher, then from the chosen student; compare them if that is wanted."""
        then = self._state.restore.then_compare
        self._start(self._pair, lambda: self._controller.run_pair(then_compare=then))

    def draw_more(self) -> None:
        """Continue the last run, or both runs of the last pair."""
        self._start(self._more, self._controller.more_samples)

    def set_accent(self, background: str, text: str) -> None:
        """Give the button that is meant for most its colours, ``"#rrggbb"``."""
        self._pair.setStyleSheet(
            f"QPushButton {{ font-weight: bold; padding: 6px; }}"
            f"QPushButton:enabled {{ background-color: {background}; color: {text}; }}"
            f"QPushButton:enabled:focus {{ border: 2px solid {text}; }}"
        )

    def _build(self) -> None:
        self._why = Notice()
        self._why.setObjectName("why_not")
        self._pair = QPushButton("&Run teacher and student")
        describe(
            self._pair,
            "run_pair",
            "Draw the samples of the teacher and then those of the student, from the same noise.",
        )
        self._then = QCheckBox("then compare")
        describe(
            self._then,
            "then_compare",
            "As soon as both are drawn, compare them with the tolerances that are set in Compare.",
        )
        self._pair_cost = Words()
        describe(self._pair_cost, "pair_cost", "What the two runs take, one after the other.")
        self._more = QPushButton("More samples")
        self._more.setObjectName("more_samples")
        self._run = QPushButton("R&un teacher")
        self._run.setObjectName("run")
        self._cancel = QPushButton("&Cancel")
        describe(
            self._cancel,
            "cancel",
            "Stop what runs or waits within one network call; samples drawn so far are kept.",
        )
        self._bar = QProgressBar()
        self._bar.setRange(0, _PARTS)
        self._bar.setTextVisible(False)
        describe(self._bar, "progress", "Done part of the run.", spoken="Progress of the run")
        self._now, self._queue = Words(), Words()
        self._now.setObjectName("progress_words")
        self._queue.setObjectName("queue_words")
        layout = column(self, spacing=6)
        layout.addWidget(self._why)
        layout.addWidget(self._pair)
        layout.addLayout(side_by_side(self._then, self._pair_cost, stretch=(0, 1)))
        layout.addLayout(side_by_side(self._run, self._more, self._cancel, stretch=(2, 2, 1)))
        layout.addWidget(self._bar)
        layout.addWidget(self._now)
        layout.addWidget(self._queue)
        self._pair.clicked.connect(self.run_pair)
        self._run.clicked.connect(self.run)
        self._more.clicked.connect(self.draw_more)
        self._then.toggled.connect(self._on_then)
        self._cancel.clicked.connect(self._on_cancel)

    def add_shortcut(self, whole: QWidget) -> None:
        """Let Ctrl+Return run from anywhere in the dock."""
        for keys in ("Ctrl+Return", "Ctrl+Enter"):
            shortcut = QShortcut(QKeySequence(keys), whole)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(self._run.click)

    def _start(self, button: QPushButton, start: Callable[[], object]) -> None:
        take_what_is_typed(button)
        self.asked.emit()
        try:
            start()
        except PosteriorError as error:
            self._show()
            self._why.say(sentence_of(str(error)))
        else:
            self.started.emit()

    def _on_cancel(self) -> None:
        self._controller.cancel()

    def _on_then(self, wanted: bool) -> None:
        self._state.restore.then_compare = wanted

    def _on_setting(self, *_: object) -> None:
        self._show()

    def _on_list(self, *_: object) -> None:
        self._of_runs.cut()
        for entry in self._state.runs:
            self._of_runs.add(entry.events, self._on_entry)
        self._show()

    def _on_entry(self, *_: object) -> None:
        self._show()

    def _show(self) -> None:
        self._show_buttons()
        self._show_progress()

    def _show_buttons(self) -> None:
        state = self._state
        restore, model = state.restore, find_model(state.restore)
        image = restore.image
        told_above = "" if image is None else image.problem.rstrip(".").lower()
        problems = [p for p in restore.problems if p.rstrip(".").lower() != told_above]
        if restore.correction_problem in problems:  # told where it is chosen
            problems.remove(restore.correction_problem)
        student = None if model is None else student_of(restore, model)
        is_going_on = self._controller.is_going_on
        same = is_going_on(restore.sampler)
        pair = same if student is None else any(map(is_going_on, ("teacher", student)))
        if not restore.problems and (same or pair):
            going = "This is being drawn, or waits for its turn"
            problems.append(f"{going}; change a setting to queue another run.")
        self._why.say("\n! ".join(problems))
        able = not restore.problems
        self._run.setText(f"R&un {restore.sampler}".replace("_", " "))
        self._run.setEnabled(able and not same)
        self._pair.setEnabled(
            able
            and not pair
            and model is not None
            and bool(model.students)
            and not restore.correction_problem
        )
        first = restore.problems[0] if restore.problems else ""
        self._run.setToolTip(
            first or f"Draw {restore.samples} samples of {restore.sampler} (Ctrl+Return)."
        )
        self._run.setAccessibleDescription(self._run.toolTip())
        self._then.setChecked(restore.then_compare)
        self._pair_cost.say("" if restore.pair_cost is None else restore.pair_cost.sentence)
        last = self._controller.asked
        self._more.setEnabled(last.can_grow)
        told = " and ".join(entry.title for entry in last.entries) or "the last run"
        self._more.setToolTip(
            f"Draw {restore.samples} more samples of {told}; those that are there stay."
        )
        self._more.setAccessibleDescription(self._more.toolTip())
        live = [entry for entry in state.runs if entry.state in ("running", "waiting")]
        self._cancel.setEnabled(bool(live))

    def _show_progress(self) -> None:
        runs = list(self._state.runs)
        running = [entry for entry in runs if entry.state == "running"]
        waiting = [entry for entry in runs if entry.state == "waiting"]
        ended = [entry for entry in runs if entry.state in ENDED and entry.job is not None]
        shown = next(iter(running or waiting or ended[-1:]), None)
        busy = bool(running) and shown is not None and shown.progress.total == 0
        self._bar.setRange(0, 0 if busy else _PARTS)
        fraction = 0.0 if shown is None else shown.progress.fraction
        self._bar.setValue(round(_PARTS * fraction))
        self._now.say("" if shown is None else _told(shown))
        left = [entry for entry in waiting if entry is not shown]
        self._queue.say(_queued(left))


def take_what_is_typed(button: QWidget) -> None:
    """Let the field that has the focus take what is being typed, as another click would."""
    field = QApplication.focusWidget()
    if field is not None and field is not button:
        field.clearFocus()
        field.setFocus()


def _told(entry: RunEntry) -> str:
    return f"{entry.title}: {entry.progress.sentence.rstrip('.')}."


def _queued(waiting: list[Any]) -> str:
    if not waiting:
        return ""
    verb = "waits" if len(waiting) == 1 else "wait"
    return f"{'; '.join(entry.title for entry in waiting)} {verb} for a free device."
