"""Histograms of teacher and student in one plot: teacher filled grey, student dashed blue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtGui import QPen
from qtpy.QtWidgets import QWidget

from napari_posterior.checks.report import write_text
from napari_posterior.widgets.parts import column
from napari_posterior.widgets.plots.canvas import Canvas
from napari_posterior.widgets.plots.legend import Legend, area_of, pen_of
from napari_posterior.widgets.plots.pair import csv_of

if TYPE_CHECKING:
    import os

    from napari_posterior.widgets.plots.legend import Role
    from napari_posterior.widgets.plots.pair import Histogram, Pair, Series
    from napari_posterior.widgets.theme import Palette

__all__ = ["HistogramPlot"]

_MEANS: Final = 1.12  # height of the marks of the means, of that of the highest bar
_HEADROOM: Final = 1.22
_SIDE: Final = 0.05

_ROLES: Final[tuple[Role, Role]] = ("teacher", "student")


class HistogramPlot:
    """Two histograms with their means, what is expected, and a legend in words.

    Parameters
    ----------
    name : str
        Prefix of the names of its widgets.
    """

    def __init__(self, name: str = "histogram") -> None:
        self._pair: Pair | None = None
        self._canvas = Canvas(f"{name}_plot")
        self._legend = Legend()
        self._widget = QWidget()
        self._widget.setObjectName(name)
        parts = column(self._widget)
        parts.addWidget(self._canvas)
        parts.addWidget(self._legend)

        plot = self._canvas.getPlotItem()
        self._band = pyqtgraph.LinearRegionItem(movable=False)
        self._line = pyqtgraph.InfiniteLine(angle=90)
        self._curves = {
            role: pyqtgraph.PlotDataItem(stepMode="center", antialias=True) for role in _ROLES
        }
        self._means = {
            role: pyqtgraph.ScatterPlotItem(symbol="t", size=size, pxMode=True)
            for role, size in zip(_ROLES, (9, 10), strict=True)
        }
        self._curves["teacher"].setFillLevel(0)
        for item in (self._band, self._line, *self._curves.values(), *self._means.values()):
            plot.addItem(item, ignoreBounds=True)
        self._band.hide()
        self._line.hide()

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        return self._widget

    @property
    def legend(self) -> dict[str, str]:
        """The words of the legend for teacher, student and what is expected."""
        return self._legend.words()

    @property
    def axes(self) -> tuple[str, str]:
        """The words at the axes, below and on the left."""
        return self._canvas.labels

    def drawn(self, role: Role) -> tuple[np.ndarray, np.ndarray]:
        """Return edges and heights of the bars that are drawn for a role, in percent."""
        x, y = self._curves[role].getData()
        if x is None:
            return np.zeros(0), np.zeros(0)
        return x[1:-1], y[1:-1]

    def pens(self) -> dict[str, QPen]:
        """Return how the lines of teacher and student are drawn."""
        return {role: QPen(curve.opts["pen"]) for role, curve in self._curves.items()}

    def show(self, pair: Pair) -> None:
        """Show other numbers."""
        self._pair = pair
        for role in _ROLES:
            self._legend.set_words(role, pair.words(role))
        self._legend.set_words("mark", pair.expectation)
        self._canvas.set_labels(bottom=pair.axis, left="samples (%)")
        histogram = pair.histogram
        if histogram is None:
            for item in (*self._curves.values(), *self._means.values()):
                item.clear()
            self._line.hide()
            self._band.hide()
            return
        self._canvas.bottom.whole = histogram.whole
        top = max(float(histogram.teacher.max()), float(histogram.student.max()))
        for role in _ROLES:
            series: Series = getattr(pair, role)
            self._draw(role, histogram, getattr(histogram, role))
            mean = series.finite.mean(keepdims=True) if len(series.finite) else series.finite
            self._means[role].setData(mean, np.full(len(mean), _MEANS * top))
        self._mark(pair)
        low, high = self._limits(pair, histogram)
        self._canvas.set_range((low, high), (0.0, _HEADROOM * top))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._canvas.set_palette(palette)
        self._legend.set_palette(palette)
        for role in _ROLES:
            self._curves[role].setPen(pen_of(role, palette))
            self._means[role].setBrush(area_of(role, palette))
            self._means[role].setPen(pyqtgraph.mkPen(getattr(palette, role), width=1.5))
        self._curves["teacher"].setBrush(area_of("teacher", palette))
        self._line.setPen(pen_of("mark", palette))
        self._band.setBrush(area_of("mark", palette))
        for edge in self._band.lines:
            edge.setPen(QPen(Qt.PenStyle.NoPen))

    def csv(self) -> str:
        """Return the numbers that are shown as a table."""
        return "" if self._pair is None else csv_of(self._pair)

    def export_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers that are shown as a table.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_text(Path(path), self.csv())

    def _draw(self, role: Role, histogram: Histogram, heights: np.ndarray) -> None:
        # Bars of no width at both ends, so that the outline comes down to the axis.
        edges = histogram.edges
        x = np.concatenate([edges[:1], edges, edges[-1:]])
        if heights.any():
            self._curves[role].setData(x, np.concatenate([[0.0], heights, [0.0]]))
        else:
            self._curves[role].clear()

    def _mark(self, pair: Pair) -> None:
        self._line.setVisible(pair.expected is not None)
        if pair.expected is not None:
            self._line.setValue(pair.expected)
        band = pair.band
        self._band.setVisible(band is not None)
        if band is not None:
            self._band.setRegion(band)

    def _limits(self, pair: Pair, histogram: Histogram) -> tuple[float, float]:
        points = [histogram.edges[0], histogram.edges[-1], *(pair.band or ())]
        if pair.expected is not None:
            points.append(pair.expected)
        low, high = float(min(points)), float(max(points))
        side = _SIDE * (high - low)
        return low - side, high + side
