"""The question and its tolerances, to be set before samples are looked at."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.tolerance_rows import Measure, ToleranceRow, change, list_rows, reset
from napari_posterior.widgets.parts import Notice, Words, column, describe, side_by_side
from napari_posterior.widgets.sections.fields import NumberField, Picker

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_posterior.session.models import CompareState

__all__ = ["ToleranceEditor"]

_MOST: Final = 1e6
_LABEL: Final = 96  # px, the least that a title has
_LONGEST_UNIT: Final = 9  # characters
_POST_HOC: Final = (
    "Samples were looked at already: verdicts on what you change now are marked post hoc."
)
_BEFORE: Final = "How much of a difference does not matter to you? Set it before you look."


class ToleranceEditor(QWidget):
    """A row for each check: its limit, the unit, and a way back to the default.

    Parameters
    ----------
    state : CompareState
        Holds the question and the limits; changed here.

    Attributes
    ----------
    edited : Signal()
        A limit was changed by hand.
    """

    edited = Signal()

    def __init__(self, state: CompareState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._shown: tuple[object, ...] = ()
        self._rows: dict[str, _Row] = {}
        self.setObjectName("tolerances")
        self._said, self._refused = Words(_BEFORE, self), Notice(self)
        self._refused.setObjectName("tolerance_refused")
        self._said.setObjectName("tolerance_said")
        self._place = QWidget(self)
        self._grid = QGridLayout(self._place)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(0, 1)
        self._all = QPushButton("Back to the &defaults", self)
        describe(self._all, "tolerance_defaults", "Sets all limits to those of the question")
        self._all.clicked.connect(self._on_all)
        lines = column(self, spacing=6)
        for part in (self._said, self._place, self._refused, self._all):
            lines.addWidget(part)

    def refresh(self, *, looked: bool) -> None:
        """Show the limits; `looked` says whether samples were looked at already."""
        state = self._state
        self._said.say(_POST_HOC if looked else _BEFORE)
        now = (state.question, state.statistics, dict(state.tolerances), state.offered)
        if now == self._shown:
            return
        self._shown = now
        rows = list_rows(state.question, state.statistics, state.tolerances, state.offered)
        if [(one.key, one.form, one.measures, one.required) for one in rows] != [
            (one.row.key, one.row.form, one.row.measures, one.row.required)
            for one in self._rows.values()
        ]:
            self._build(rows)
        for one in rows:
            self._rows[one.key].show_row(one)
        self._all.setEnabled(any(one.changed for one in rows))

    def _build(self, rows: tuple[ToleranceRow, ...]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._rows = {}
        line = 0
        before: bool | None = None
        for one in rows:
            if one.required is not before:
                words = "These decide the whole:" if one.required else "Told too, without deciding:"
                self._grid.addWidget(Words(words, self._place), line, 0, 1, 2)
                before, line = one.required, line + 1
            row = _Row(one, self._place)
            row.changed.connect(partial(self._on_changed, one.key))
            row.dropped.connect(partial(self._on_dropped, one.key))
            self._grid.addWidget(row.label, line, 0)
            self._grid.addWidget(row, line, 1)
            self._rows[one.key] = row
            line += 1

    def _on_changed(self, key: str, low: object, high: object, measure: object) -> None:
        row = self._rows[key].row
        try:
            given = change(
                self._state.tolerances,
                row,
                low=low if isinstance(low, float) else None,
                high=high if isinstance(high, float) else None,
                measure=measure if isinstance(measure, Measure) else None,
            )
        except PosteriorError as error:
            self._refused.say(sentence_of(str(error)))
            self._rows[key].show_row(row)
            return
        self._refused.say("")
        self._take(given)

    def _on_dropped(self, key: str) -> None:
        self._take(reset(self._state.tolerances, key))

    def _on_all(self) -> None:
        self._take({})

    def _take(self, given: dict[str, object]) -> None:
        self._state.tolerances = given
        self.edited.emit()


class _Number(NumberField):
    """A limit; the wheel scrolls the dock."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock."""
        if event is not None:
            event.ignore()


class _Row(QWidget):
    """The fields of one limit."""

    changed = Signal(object, object, object)
    dropped = Signal()

    def __init__(self, row: ToleranceRow, parent: QWidget) -> None:
        super().__init__(parent)
        self.row = row
        title = row.title[:1].upper() + row.title[1:]
        self.label = Words(title, parent)
        self.label.setMinimumWidth(_LABEL)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        tip = f"{title}: the difference that does not matter, in {row.measure.unit}"
        self._low = self._field("low", f"{tip}; lower end")
        self._sign = QLabel(self)
        self._high = self._field("high", tip)
        self._unit = QLabel(self)
        self._units = Picker(self)
        self._drop = QToolButton(self)
        self._drop.setText("↺")
        self._drop.setAutoRaise(True)
        describe(
            self._drop,
            f"tolerance_{row.key}_default",
            "Back to the default",
            spoken=f"{title}: default",
        )
        describe(self._units, f"tolerance_{row.key}_unit", "What the limit is in", spoken="Unit")
        self.label.setBuddy(self._high)
        parts = (self._sign, self._low, self._high, self._unit, self._units, self._drop)
        row_of_parts = side_by_side(*parts)
        row_of_parts.setSpacing(4)
        self.setLayout(row_of_parts)
        self._units.setMinimumContentsLength(_LONGEST_UNIT)
        self._low.valueChanged.connect(self._on_low)
        self._high.valueChanged.connect(self._on_high)
        self._units.activated.connect(self._on_unit)
        self._drop.clicked.connect(self.dropped)

    def show_row(self, row: ToleranceRow) -> None:
        """Show a limit without telling anybody."""
        self.row = row
        between = row.form == "between"
        self._low.setVisible(between and row.low is not None)
        self._sign.setText({"at most": "≤", "around": "±"}.get(row.form, ""))
        self._sign.setVisible(not between)
        self._high.setVisible(row.high is not None)
        for field, value in ((self._low, row.low), (self._high, row.high)):
            if value is not None:
                field.show_value(value)
        one = len(row.measures) == 1
        self._unit.setVisible(one)
        self._units.setVisible(not one)
        self._unit.setText(row.measure.unit)
        names = [(entry.kind, entry.unit, "") for entry in row.measures]
        self._units.set_items(names, row.measure.kind)
        self._drop.setVisible(row.changed)
        self._drop.setToolTip(f"Back to the default, {row.default}")
        self.label.setToolTip(f"Default: {row.default}")

    def _field(self, end: str, tip: str) -> _Number:
        field = _Number(-_MOST, _MOST, unit="", step=0.05, decimals=4, parent=self)
        field.setSuffix("")
        field.setButtonSymbols(field.ButtonSymbols.NoButtons)
        # napari's style sheet asks for more room than these numbers need
        field.setStyleSheet("QAbstractSpinBox { min-width: 0px; padding: 2px; }")
        field.setFixedWidth(field.fontMetrics().horizontalAdvance("0.0000") + 14)
        describe(field, f"tolerance_{self.row.key}_{end}", tip, spoken=tip)
        return field

    def _on_low(self, value: float) -> None:
        self.changed.emit(float(value), None, None)

    def _on_high(self, value: float) -> None:
        self.changed.emit(None, float(value), None)

    def _on_unit(self, place: int) -> None:
        measure = self.row.measures[place]
        if measure.kind != self.row.measure.kind:
            start = {"relative": 10.0, "sd": 0.5}.get(measure.kind, 1.0)
            self.changed.emit(None, start, measure)
