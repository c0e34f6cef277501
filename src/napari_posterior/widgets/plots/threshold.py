"""Puncta counts at other thresholds: a curve with a threshold that can be dragged."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent, QPen
from qtpy.QtWidgets import QPushButton, QWidget

from napari_posterior.checks.finding import number, percent
from napari_posterior.checks.report import write_text
from napari_posterior.widgets.parts import Words, column, describe
from napari_posterior.widgets.plots.chart import ChartPlot
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.legend import pen_of
from napari_posterior.widgets.plots.pair import Pair, Series

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from napari_posterior.checks.page.chart import Chart
    from napari_posterior.widgets.theme import Palette

__all__ = ["ThresholdPlot", "ThresholdView", "read_off"]

_EXPLORATORY: Final = "Exploratory: the verdict stays with the declared threshold."
_CURVE_HEIGHT: Final = 132
_STEP: Final = 1.05  # of the threshold, for a key


class ThresholdView:
    """What is shown: a curve, its chart, and the counts at the declared threshold.

    Parameters
    ----------
    curve : mapping
        ``figures.charts["curve"]`` of a report: ``thresholds``, ``unit``, ``chosen``, ``teacher``
        and ``student``; ``counts`` of every sample at each threshold where they are kept.
    chart : Chart
        Of the curve.
    pair : Pair
        Counts of every sample at the declared threshold.
    """

    def __init__(self, curve: Mapping[str, Any], chart: Chart, pair: Pair) -> None:
        self.curve, self.chart, self.pair = curve, chart, pair
        self.thresholds = np.asarray(curve["thresholds"], np.float64)
        self.unit = str(curve.get("unit") or "")
        self.chosen = float(curve["chosen"])

    def pair_at(self, threshold: float) -> Pair | None:
        """Return the counts of every sample at the threshold next to this one, where kept."""
        counts = self.curve.get("counts")
        if not counts:
            return None
        place = int(np.abs(np.log(self.thresholds / threshold)).argmin())
        series = [
            Series(getattr(self.pair, role).name, np.asarray(counts[role][place], np.float64))
            for role in ("teacher", "student")
        ]
        return Pair(self.pair.id, self.pair.title, self.pair.unit, series[0], series[1])


def read_off(curve: Mapping[str, Any], threshold: float) -> dict[str, tuple[float, ...]]:
    """Read mean counts and their intervals off the curve, between its points along the logarithm.

    Parameters
    ----------
    curve : mapping
        As of `ThresholdView`.
    threshold : float
        In the unit of the curve.

    Returns
    -------
    dict
        ``"teacher"`` and ``"student"``: mean, lower and upper end.
    """
    x = np.log(np.asarray(curve["thresholds"], np.float64))
    at = float(np.log(threshold))
    found = {}
    for role in ("teacher", "student"):
        side = curve[role]
        lines = [side["value"], side.get("low") or side["value"], side.get("high") or side["value"]]
        found[role] = tuple(float(np.interp(at, x, line)) for line in lines)
    return found


class _Canvas(QWidget):
    """Takes the arrow keys for the threshold."""

    moved = Signal(float)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Move the threshold by a twentieth."""
        if event is None:
            return
        steps = {Qt.Key.Key_Left: 1 / _STEP, Qt.Key.Key_Right: _STEP}
        factor = steps.get(Qt.Key(event.key()))
        if factor is None:
            super().keyPressEvent(event)
        else:
            self.moved.emit(factor)


class ThresholdPlot:
    """The histogram of counts, and below it the curve with the threshold to drag.

    Dragging reads stored counts; nothing is detected anew.

    Parameters
    ----------
    name : str
        Prefix of the names of its widgets.
    """

    def __init__(self, name: str = "threshold") -> None:
        self._view: ThresholdView | None = None
        self._at = 0.0
        self._stays = False
        self._widget = _Canvas()
        self._widget.setObjectName(name)
        self._widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._widget.setAccessibleName("Detection threshold")
        self.histogram = HistogramPlot(f"{name}_histogram")
        self.chart = ChartPlot(f"{name}_curve", height=_CURVE_HEIGHT)
        self.chart.widget.setParent(self._widget)  # of which the canvas only is shown
        self.chart.widget.hide()
        self.back = QPushButton("Back to the declared threshold", self._widget)
        describe(self.back, f"{name}_back", "Shows the counts that the verdict is about")
        self._words = Words("", self._widget)
        self._words.setObjectName(f"{name}_words")
        parts = column(self._widget)
        parts.addWidget(self.histogram.widget)
        for part in (self.chart.canvas, self._words, self.back):
            parts.addWidget(part)
        self.line = pyqtgraph.InfiniteLine(angle=90, movable=True)
        self.line.setCursor(Qt.CursorShape.SizeHorCursor)
        # for good: an item that belongs to no plot may be painted when its plot has gone
        self.chart.canvas.getPlotItem().addItem(self.line, ignoreBounds=True)
        self.line.setZValue(1)  # above the curve
        self.line.hide()
        self.line.sigPositionChanged.connect(self._on_dragged)
        self.back.clicked.connect(self.reset)
        self._widget.moved.connect(self._on_key)

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        return self._widget

    @property
    def words(self) -> str:
        """What is read off at the threshold."""
        return self._words.said

    @property
    def threshold(self) -> float:
        """Where the threshold is now, in the unit of the curve."""
        return self._at

    def show(self, view: ThresholdView) -> None:
        """Show another curve, at the declared threshold."""
        self._view = view
        self.chart.show(view.chart)
        self.chart.canvas.set_labels(bottom=view.chart.x.label, left=view.pair.unit)
        self.line.show()
        self.line.setBounds([float(v) for v in np.log10(view.thresholds[[0, -1]])])
        self.reset()

    def reset(self) -> None:
        """Go back to the declared threshold."""
        if self._view is not None:
            self.move_to(self._view.chosen)

    def move_to(self, threshold: float) -> None:
        """Read the counts at another threshold, in the unit of the curve."""
        view = self._view
        if view is None:
            return
        low, high = view.thresholds[[0, -1]]
        self._at = float(min(max(threshold, low), high))
        before = self.line.blockSignals(True)
        self.line.setValue(float(np.log10(self._at)))
        self.line.blockSignals(before)
        declared = abs(self._at / view.chosen - 1) < 1e-6
        moved = None if declared else view.pair_at(self._at)
        self.histogram.show(moved or view.pair)
        self._stays = not declared and moved is None
        self.back.setVisible(not declared)
        self._words.say(self._tell(declared=declared))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self.histogram.set_palette(palette)
        self.chart.set_palette(palette)
        pen = QPen(pen_of("mark", palette))
        pen.setStyle(Qt.PenStyle.SolidLine)
        pen.setWidthF(3.0)
        self.line.setPen(pen)
        hover = QPen(pen)
        hover.setWidthF(5.0)
        self.line.setHoverPen(hover)

    def csv(self) -> str:
        """Return the curve as a table with a header, one row for each threshold."""
        if self._view is None:
            return ""
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        ends = ("mean", "low", "high")
        table.writerow(
            [f"threshold, {self._view.unit}"]
            + [f"{role} {end}" for role in ("teacher", "student") for end in ends]
        )
        for threshold in self._view.thresholds:
            found = read_off(self._view.curve, float(threshold))
            table.writerow([repr(float(threshold)), *found["teacher"], *found["student"]])
        return out.getvalue()

    def export_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the curve as a table.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_text(Path(path), self.csv())

    def _tell(self, *, declared: bool) -> str:
        view = self._view
        if view is None:
            return ""
        found = read_off(view.curve, self._at)
        (one, *of_teacher), (other, *of_student) = found["teacher"], found["student"]
        share = f", {percent(other / one - 1, sign=True)}" if one else ""
        unit = f" {view.unit}" if view.unit else ""
        told = (
            f"Above {number(self._at)}{unit}: teacher {_span(one, of_teacher)}, student "
            f"{_span(other, of_student)} puncta a sample{share}."
        )
        if declared:
            return f"{told} Drag the line, or use the arrow keys, to try other thresholds."
        still = " The bars above are those of the declared one." if self._stays else ""
        return f"{told} {_EXPLORATORY}{still}"

    def _on_dragged(self, *_: object) -> None:
        self.move_to(float(10 ** self.line.value()))

    def _on_key(self, factor: float) -> None:
        self.move_to(self._at * factor)


def _span(value: float, ends: list[float]) -> str:
    return f"{number(value)} ({number(ends[0])} to {number(ends[1])})"
