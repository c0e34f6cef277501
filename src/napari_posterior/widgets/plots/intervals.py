"""One estimate with its interval beside its tolerance and the value of no difference."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPen
from qtpy.QtWidgets import QWidget

from napari_posterior.checks.finding import confidence, rounded
from napari_posterior.checks.report import write_text
from napari_posterior.widgets.parts import Words, column
from napari_posterior.widgets.plots.canvas import Canvas
from napari_posterior.widgets.plots.legend import area_of

if TYPE_CHECKING:
    import os

    from napari_posterior.checks.finding import Finding
    from napari_posterior.widgets.theme import Palette

__all__ = ["IntervalPlot"]

_HEIGHT: Final = 90
_SIDE: Final = 0.15
_LEAST_SPAN: Final = 0.05  # so that a hair's breadth does not look like a large difference


class IntervalPlot:
    """The estimate as a dot, its interval as a bar, the tolerance shaded, no difference dotted.

    Parameters
    ----------
    name : str
        Prefix of the names of its widgets.
    """

    def __init__(self, name: str = "interval") -> None:
        self._canvas = Canvas(f"{name}_plot", height=_HEIGHT)
        self._canvas.getPlotItem().hideAxis("left")
        self._widget = QWidget()
        self._widget.setObjectName(name)
        self._words = Words("", self._widget)
        parts = column(self._widget)
        parts.addWidget(self._canvas)
        parts.addWidget(self._words)
        self._finding: Finding | None = None
        self._limit = pyqtgraph.LinearRegionItem(movable=False)
        self._none = pyqtgraph.InfiniteLine(angle=90)
        self._bar = pyqtgraph.PlotDataItem()
        self._dot = pyqtgraph.ScatterPlotItem(symbol="o", size=10, pxMode=True)
        self._limit.hide()
        for item in (self._limit, self._none, self._bar, self._dot):
            self._canvas.getPlotItem().addItem(item, ignoreBounds=True)

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        return self._widget

    @property
    def legend(self) -> str:
        """The line of words below the plot."""
        return self._words.said

    def show(self, finding: Finding) -> None:
        """Show another finding."""
        self._finding = finding
        low, high = finding.interval
        shown = finding.no_difference, low, finding.estimate, high, *_limits(finding)
        points = [v for v in shown if v is not None]
        span = max(max(points) - min(points), _LEAST_SPAN)
        middle = (max(points) + min(points)) / 2
        reach = (0.5 + _SIDE) * span
        bounded = low is not None and high is not None
        self._bar.setData([low, high] if bounded else [], [0.0, 0.0] if bounded else [])
        known = finding.estimate is not None
        self._dot.setData([finding.estimate] if known else [], [0.0] if known else [])
        self._none.setValue(finding.no_difference)
        self._shade(finding, middle - reach, middle + reach)
        self._canvas.set_range((middle - reach, middle + reach), (-1.0, 1.0))
        unit = f" ({finding.unit})" if finding.unit else ", student / teacher"
        self._canvas.set_labels(bottom=finding.title + unit)
        estimate, span_words = rounded(finding.estimate, finding.interval)
        judgement = finding.judgement
        limits = None if judgement is None else judgement.limits
        shaded = "" if limits is None else f" Shaded: your limit, {limits.words}."
        self._words.say(
            f"Dot: estimate {estimate}. Bar: {confidence(finding.level)} interval {span_words}."
            f"{shaded} Dotted line: no difference, {finding.no_difference:g}."
        )

    def csv(self) -> str:
        """Return the numbers that are shown as a table."""
        if self._finding is None:
            return ""
        one = self._finding
        out = io.StringIO()
        table = csv.writer(out, lineterminator="\n")
        table.writerow(
            ["id", "unit", "estimate", "low", "high", "level", "limit low", "limit high"]
        )
        ends = ["" if v is None else v for v in (one.estimate, *one.interval)]
        limits = ["" if v is None else v for v in _limits(one)] or ["", ""]
        table.writerow([one.id, one.unit, *ends, one.level, *limits])
        return out.getvalue()

    def export_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers that are shown as a table.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_text(Path(path), self.csv())

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._canvas.set_palette(palette)
        student = QColor(palette.student)
        bar = QPen(student, 5)
        bar.setCosmetic(True)
        bar.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._bar.setPen(bar)
        self._dot.setPen(pyqtgraph.mkPen(palette.text, width=1.5))
        self._dot.setBrush(student)
        self._limit.setBrush(area_of("mark", palette))
        for edge in self._limit.lines:
            edge.setPen(QPen(Qt.PenStyle.NoPen))
        dotted = QPen(QColor(palette.text), 1.5, Qt.PenStyle.DotLine)
        dotted.setCosmetic(True)
        self._none.setPen(dotted)

    def _shade(self, finding: Finding, left: float, right: float) -> None:
        """Shade the tolerance; an end that is open reaches to the edge."""
        ends = _limits(finding)
        self._limit.setVisible(bool(ends))
        if ends:
            low = finding.no_difference if ends[0] is None and finding.id == "mean" else ends[0]
            self._limit.setRegion(
                (left if low is None else low, right if ends[1] is None else ends[1])
            )


def _limits(finding: Finding) -> tuple[float | None, float | None] | tuple[()]:
    limits = None if finding.judgement is None else finding.judgement.limits
    return () if limits is None else (limits.low, limits.high)
