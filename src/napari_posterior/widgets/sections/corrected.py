"""The teacher's mean from few of its samples and many of a student: plan, run, read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSlider,
    QWidget,
)

from napari_posterior.errors import PosteriorError
from napari_posterior.numerals import number
from napari_posterior.session.corrected_state import offer_rows, phase_words
from napari_posterior.session.cost import size_words
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import (
    Folded,
    Notice,
    Rows,
    Words,
    column,
    describe,
    side_by_side,
)
from napari_posterior.widgets.sections.fields import NumberField
from napari_posterior.widgets.sections.running import take_what_is_typed

if TYPE_CHECKING:
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["CorrectedSection"]

_WHAT: Final = (
    "Many samples of the student, corrected by a few of the teacher on the same noise: the "
    "teacher's mean and uncertainty without the student's bias, with error bars."
)
_SHORTEST: Final = 5.0  # s, of the slider; the field takes less and more
_LONGEST: Final = 3600.0
_MOST: Final = 86400.0
_PLACES: Final = 200
_PARTS: Final = 1000
_SUFFIX: Final = ".corrected.zarr"
_HEADS: Final = ("", "samples", "time", "error")


class CorrectedSection(QWidget):
    """A time to spend, what it buys three ways, a button, and what came of it.

    Parameters
    ----------
    state : SessionState
        `corrected` is set and shown.
    controller : Controller
        What the buttons call.
    """

    asked = Signal()
    """The button was pressed: what is still being typed or drawn is to be taken now."""

    started = Signal()
    """Runs have begun, or wait for their turn."""

    def __init__(
        self, state: SessionState, controller: Controller, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._state, self._controller = state, state.corrected, controller
        self._build()
        self._connections = Connections(self)
        self._connections.add(state.corrected.events, self._show)
        self._connections.add(state.restore.events.correction, self._show)
        self._of_runs = Connections(self)
        self._followed: tuple[RunEntry | None, ...] = ()
        self._show()

    def run(self) -> None:
        """Draw what is planned, and correct it."""
        take_what_is_typed(self._run)
        self.asked.emit()
        try:
            self._controller.run_corrected()
        except PosteriorError as error:
            self._show()
            self._problem.say(sentence_of(str(error)))
        else:
            self.started.emit()

    def _build(self) -> None:
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, _PLACES)
        self._slider.setSingleStep(2)
        self._slider.setPageStep(20)
        tip = "Time to spend on samples, in seconds; the slider is logarithmic, from 5 s to 1 h."
        describe(self._slider, "corrected_slider", tip, spoken="Time to spend")
        self._seconds = NumberField(1.0, _MOST, unit="s", step=10.0, decimals=0)
        describe(self._seconds, "corrected_seconds", tip, spoken="Time to spend in seconds")
        self._table = QWidget()
        describe(self._table, "corrected_offers", "", spoken="What the time buys")
        self._cells = self._build_table()
        self._note = Words()
        self._note.setObjectName("corrected_note")
        self._problem = Notice()
        self._problem.setObjectName("corrected_problem")
        self._run = QPushButton("Run corrected")
        describe(
            self._run,
            "run_corrected",
            "Draw the samples of teacher and student that are planned, then correct.",
        )
        self._cancel = QPushButton("Cancel")
        describe(
            self._cancel,
            "cancel_corrected",
            "Stop the runs and the correction; samples drawn so far are kept.",
        )
        self._bar = QProgressBar()
        self._bar.setRange(0, _PARTS)
        self._bar.setTextVisible(False)
        tip = "Done part of this step."
        describe(self._bar, "corrected_progress", tip, spoken="Progress of the step")
        self._now, self._fault = Words(), Notice()
        self._now.setObjectName("corrected_now")
        self._fault.setObjectName("corrected_fault")
        self._found, self._rest, self._saved = Words(), Words(), Words()
        for words, name in (
            (self._found, "corrected_found"),
            (self._rest, "corrected_rest"),
            (self._saved, "corrected_saved"),
        ):
            words.setObjectName(name)
        self._more = Folded("More of what was found", self._rest)
        self._save = QPushButton("Save...")
        describe(
            self._save,
            "save_corrected",
            "Save the maps as OME-Zarr images and the numbers as JSON, in one folder.",
        )
        rows = Rows()
        rows.add("Time", self._slider, self._seconds)
        layout = column(self, spacing=6)
        layout.addWidget(Words(_WHAT))
        layout.addLayout(rows)
        for widget in (self._table, self._note, self._problem):
            layout.addWidget(widget)
        layout.addLayout(side_by_side(self._run, self._cancel, stretch=(2, 1)))
        for widget in (self._bar, self._now, self._fault, self._found, self._more):
            layout.addWidget(widget)
        layout.addLayout(side_by_side(self._saved, self._save, stretch=(1,)))
        self._slider.valueChanged.connect(self._on_slider)
        self._seconds.valueChanged.connect(self._on_seconds)
        self._run.clicked.connect(self.run)
        self._cancel.clicked.connect(self._controller.correcting.stop)
        self._save.clicked.connect(self._on_save)

    def _build_table(self) -> list[list[QLabel]]:
        """Make three rows below a head; numbers stand under each other."""
        grid = QGridLayout(self._table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(0)  # labels have margins of their own
        grid.setVerticalSpacing(2)
        grid.setColumnStretch(3, 1)
        cells: list[list[QLabel]] = []
        for row in range(4):
            cells.append([QLabel() for _ in _HEADS])
            for place, cell in enumerate(cells[-1]):
                cell.setTextFormat(Qt.TextFormat.PlainText)
                if place in (1, 2):  # numbers end below each other
                    cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                grid.addWidget(cell, row, place)
        for cell, head in zip(cells[0], _HEADS, strict=True):
            cell.setText(head)
        return cells[1:]

    def _on_slider(self, place: int) -> None:
        self._state.seconds = _seconds_at(place)

    def _on_seconds(self, value: float) -> None:
        self._state.seconds = value

    def _on_save(self) -> None:
        image = self._session.restore.image
        found = self._state.found
        name = getattr(found, "name", "") or (image.name if image is not None else "image")
        safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save the corrected maps",
            str(Path.home() / f"{safe}{_SUFFIX}"),
            f"Corrected estimates (*{_SUFFIX})",
        )
        if path:
            self.save(path)

    def save(self, path: str) -> None:
        """Save what was found to a folder."""
        try:
            self._controller.correcting.save(path)
        except PosteriorError as error:
            self._fault.say(sentence_of(str(error)))

    def _show(self, *_: object) -> None:
        self._follow()
        self._show_plan()
        self._show_progress()
        self._show_result()

    def _show_plan(self) -> None:
        state = self._state
        for field, value in (
            (self._slider, _place_of(state.seconds)),
            (self._seconds, state.seconds),
        ):
            before = field.blockSignals(True)
            field.setValue(value)  # type: ignore[arg-type]  # a whole number for the slider
            field.blockSignals(before)
        rows = () if state.plan is None else offer_rows(state.plan)
        self._table.setVisible(bool(rows))
        self._table.setAccessibleDescription(" ".join(row.sentence for row in rows))
        for place, cells in enumerate(self._cells):
            row = rows[place] if place < len(rows) else None
            texts = ("",) * 4 if row is None else (row.name, row.samples, row.time, row.error)
            for cell, text in zip(cells, texts, strict=True):
                cell.setText(text)
                cell.setVisible(row is not None)
        self._note.say(self._note_of_plan())
        self._problem.say("" if state.going_on else state.problem)
        able = state.plan is not None and not state.problem and not state.going_on
        self._run.setEnabled(able)
        tip = state.problem
        if state.plan is not None and not tip:
            of = state.plan.corrected
            tip = (
                f"Draw {of.teachers} samples of the teacher and {of.students} of {state.name} from "
                "the same noise, then correct."
            )
        self._run.setToolTip(tip or _WHAT)
        self._run.setAccessibleDescription(tip or _WHAT)
        self._cancel.setEnabled(state.going_on)

    def _note_of_plan(self) -> str:
        state, plan = self._state, self._state.plan
        if plan is None:
            return ""
        told = [
            "Error: what is expected for the mean, in standard deviations (sd) of one sample, from "
            "the figures on the model's card.",
            f"{state.name} alone stays {number(plan.student.bias, 2)} sd off, however many samples "
            "are drawn.",
        ]
        if not state.problem:
            told.append(
                f"Corrected is as exact as {number(plan.speed_up, 2)} times the time of the "
                f"teacher alone; it keeps {size_words(state.stack_bytes)} of samples."
            )
        if self._session.restore.correction is not None:
            told.append("The correction that is chosen above is left out here.")
        return " ".join(told)

    def _show_progress(self) -> None:
        state = self._state
        drawn = all(one is None or one.state in ENDED for one in (state.teacher, state.student))
        self._bar.setVisible(state.going_on and drawn)  # the runs have a bar of their own above
        self._bar.setValue(round(_PARTS * state.progress.fraction))
        self._now.say(phase_words(state))
        self._fault.say(state.fault)

    def _show_result(self) -> None:
        state = self._state
        self._found.say(" ".join(state.told[:2]))
        self._rest.say("\n".join(f"• {one}" for one in state.told[2:]))
        self._more.setVisible(len(state.told) > 2)
        self._save.setVisible(state.found is not None)
        self._saved.say("" if state.saved is None else f"Saved as {state.saved.name}.")

    def _follow(self) -> None:
        """Listen to the runs that are drawn for it."""
        runs = (self._state.teacher, self._state.student)
        if runs == self._followed:
            return
        self._of_runs.cut()
        self._followed = runs
        for entry in runs:
            if entry is not None:
                self._of_runs.add(entry.events, self._on_run)

    def _on_run(self, *_: object) -> None:
        self._show_progress()


def _seconds_at(place: int) -> float:
    """Return the time at a place of the slider, with two digits that count."""
    value = _SHORTEST * (_LONGEST / _SHORTEST) ** (place / _PLACES)
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(round(value / unit) * unit)


def _place_of(seconds: float) -> int:
    within = min(max(seconds, _SHORTEST), _LONGEST)
    return round(_PLACES * math.log(within / _SHORTEST) / math.log(_LONGEST / _SHORTEST))
