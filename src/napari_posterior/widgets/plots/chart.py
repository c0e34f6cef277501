"""A chart of a report as a plot of the dock; what it shows is the same plain data."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyqtgraph
from qtpy.QtWidgets import QWidget

from napari_posterior.checks.page.chart import Dots, Level, Line, Ribbon, Steps
from napari_posterior.checks.report import write_text
from napari_posterior.widgets.parts import Words, column
from napari_posterior.widgets.plots.canvas import Canvas
from napari_posterior.widgets.plots.legend import Legend
from napari_posterior.widgets.plots.marks import bent, items_of, ticks_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from napari_posterior.checks.page.chart import Chart, Mark
    from napari_posterior.widgets.theme import Palette

__all__ = ["ChartPlot", "csv_of_chart"]

_SHADED: Final = ("floor",)


class ChartPlot:
    """Any chart of a report: lines, bands, dots with intervals, limits.

    Parameters
    ----------
    name : str
        Prefix of the names of its widgets.
    height : int
        Of the drawing, in pixels.
    """

    def __init__(self, name: str = "chart", *, height: int = 176) -> None:
        self._chart: Chart | None = None
        self._palette: Palette | None = None
        self._items: list[Any] = []
        self.canvas = Canvas(f"{name}_plot", height=height)
        self._legend = Legend()
        self._widget = QWidget()
        self._widget.setObjectName(name)
        self._caption = Words("", self._widget)
        self._caption.setObjectName(f"{name}_caption")
        self._up = Words("", self._widget)  # an axis that is read without turning the head
        parts = column(self._widget)
        for part in (self._up, self.canvas, self._legend, self._caption):
            parts.addWidget(part)

    @property
    def widget(self) -> QWidget:
        """What is put into the dock."""
        return self._widget

    @property
    def caption(self) -> str:
        """The words below the plot."""
        return self._caption.said

    @property
    def legend(self) -> dict[str, str]:
        """The words of the legend for teacher and student."""
        return self._legend.words()

    @property
    def axes(self) -> tuple[str, str]:
        """The words at the axes, below and on the left."""
        return self.canvas.labels[0], self._up.said

    def show(self, chart: Chart) -> None:
        """Show another chart."""
        self._chart = chart
        self._draw()
        words = dict(chart.legend)
        self._legend.set_words("teacher", words.get("teacher", ""))
        self._legend.set_words("student", words.get("student", ""))
        self._legend.set_words("mark", "")
        shaded = [f" Band: {text}." for role, text in chart.legend if role in _SHADED]
        self._caption.say(chart.caption + "".join(shaded))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        self.canvas.set_palette(palette)
        self._legend.set_palette(palette)
        self._draw()

    def csv(self) -> str:
        """Return the numbers that are shown as a table."""
        return "" if self._chart is None else csv_of_chart(self._chart)

    def export_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the numbers that are shown as a table.

        Raises
        ------
        OutputError
            If the file cannot be written.
        """
        return write_text(Path(path), self.csv())

    def _draw(self) -> None:
        chart, palette = self._chart, self._palette
        if chart is None or palette is None:
            return
        plot = self.canvas.getPlotItem()
        while self._items:  # what others have put into the plot stays
            plot.removeItem(self._items.pop())
        for mark in chart.marks:
            self._items += items_of(mark, chart.x, chart.y, palette)
            if isinstance(mark, Level) and mark.words:
                self._items.append(_label(mark, chart, palette))
        for item in self._items:
            plot.addItem(item, ignoreBounds=True)
        for side, axis in (("bottom", chart.x), ("left", chart.y)):
            plot.getAxis(side).setTicks([ticks_of(axis), []])
        self.canvas.set_labels(bottom=chart.x.label)
        self._up.say(chart.y.label)
        low, high = bent(chart.x, [chart.x.low, chart.x.high])
        bottom, top = bent(chart.y, [chart.y.low, chart.y.high])
        self.canvas.set_range((float(low), float(high)), (float(bottom), float(top)))


def csv_of_chart(chart: Chart) -> str:
    """Return the numbers of a chart as a table with a header, one row for each point."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["chart", "what", chart.x.label, chart.y.label, "low", "high"])
    for mark in chart.marks:
        for row in _rows(mark):
            table.writerow([chart.name, mark.role, *row])
    return out.getvalue()


def _rows(mark: Mark) -> Iterator[tuple[object, ...]]:
    if isinstance(mark, Steps):
        yield from zip(mark.edges[:-1], mark.heights, strict=True)
    elif isinstance(mark, Line):
        yield from zip(mark.x, mark.y, strict=True)
    elif isinstance(mark, Ribbon):
        yield from (
            (x, "", low, high) for x, low, high in zip(mark.x, mark.low, mark.high, strict=True)
        )
    elif isinstance(mark, Dots):
        blank: list[object] = [""] * len(mark.x)
        lows, highs = mark.low or blank, mark.high or blank
        yield from zip(mark.x, mark.y, lows, highs, strict=True)


def _label(mark: Level, chart: Chart, palette: Palette) -> pyqtgraph.TextItem:
    """Write beside a line what it is, on the side where there is room."""
    axis = chart.x if mark.along == "x" else chart.y
    low, high, at = (float(v) for v in bent(axis, [axis.low, axis.high, mark.at]))
    late = at > (low + high) / 2
    item = pyqtgraph.TextItem(mark.words, color=palette.soft, anchor=(1 if late else 0, 1))
    bottom = float(bent(chart.y, [chart.y.low])[0])
    item.setPos(at, bottom) if mark.along == "x" else item.setPos(low, at)
    return item
