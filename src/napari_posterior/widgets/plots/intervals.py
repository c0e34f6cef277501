"""One estimate with its interval beside the value of no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPen
from qtpy.QtWidgets import QWidget

from napari_posterior.checks.finding import rounded
from napari_posterior.widgets.parts import Words, column
from napari_posterior.widgets.plots.canvas import Canvas

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding
    from napari_posterior.widgets.theme import Palette

__all__ = ["IntervalPlot"]

_HEIGHT: Final = 90
_SIDE: Final = 0.15
_LEAST_SPAN: Final = 0.05  # so that a hair's breadth does not look like a large difference


class IntervalPlot:
    """The estimate as a dot, its interval as a bar, no difference as a dotted line.

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
        self._none = pyqtgraph.InfiniteLine(angle=90)
        self._bar = pyqtgraph.PlotDataItem()
        self._dot = pyqtgraph.ScatterPlotItem(symbol="o", size=10, pxMode=True)
        for item in (self._none, self._bar, self._dot):
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
        low, high = finding.interval
        points = [v for v in (finding.no_difference, low, finding.estimate, high) if v is not None]
        span = max(max(points) - min(points), _LEAST_SPAN)
        middle = (max(points) + min(points)) / 2
        reach = (0.5 + _SIDE) * span
        bounded = low is not None and high is not None
        self._bar.setData([low, high] if bounded else [], [0.0, 0.0] if bounded else [])
        known = finding.estimate is not None
        self._dot.setData([finding.estimate] if known else [], [0.0] if known else [])
        self._none.setValue(finding.no_difference)
        self._canvas.set_range((middle - reach, middle + reach), (-1.0, 1.0))
        unit = f" ({finding.unit})" if finding.unit else ", student / teacher"
        self._canvas.set_labels(bottom=finding.title + unit)
        estimate, span_words = rounded(finding.estimate, finding.interval)
        self._words.say(
            f"Dot: estimate {estimate}. Bar: {100 * finding.level:g} % interval {span_words}. "
            f"Dotted line: no difference, {finding.no_difference:g}."
        )

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
        dotted = QPen(QColor(palette.text), 1.5, Qt.PenStyle.DotLine)
        dotted.setCosmetic(True)
        self._none.setPen(dotted)
