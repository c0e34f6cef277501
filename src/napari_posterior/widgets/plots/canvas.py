"""A pyqtgraph plot that keeps still: no zooming, and the wheel scrolls the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyqtgraph

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_posterior.widgets.theme import Palette

__all__ = ["Canvas"]

_HEIGHT = 176


class _Axis(pyqtgraph.AxisItem):
    """An axis that can keep to whole numbers."""

    whole = False

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, Any]]:
        """Leave out what is not whole, where all numbers are."""
        levels = super().tickValues(minVal, maxVal, size)
        if not self.whole:
            return levels
        return [(step, [v for v in values if v == round(v)]) for step, values in levels]

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        """Write 15 and not 15.0, where all numbers are whole."""
        if self.whole:
            return [f"{value:.0f}" for value in values]
        return super().tickStrings(values, scale, spacing)


class Canvas(pyqtgraph.PlotWidget):
    """An empty plot in the colours of the viewer's theme.

    Parameters
    ----------
    name : str
        Of the object, for tests and style sheets.
    height : int
        In pixels.
    """

    def __init__(self, name: str, *, height: int = _HEIGHT) -> None:
        self.bottom = _Axis("bottom")
        super().__init__(axisItems={"bottom": self.bottom}, enableMenu=False)  # a menu takes 14 ms
        self.setObjectName(name)
        self.setFixedHeight(height)
        self.setMinimumWidth(120)
        plot = self.getPlotItem()
        menu = plot.ctrlMenu  # never shown; without a parent it would outlive the plot
        menu.setParent(self, menu.windowFlags())  # without its flags it would lie on the plot
        plot.hideButtons()
        plot.setMouseEnabled(x=False, y=False)
        plot.disableAutoRange()
        plot.setContentsMargins(0, 8, 8, 6)  # room for the outermost words at the axes
        for side in ("bottom", "left"):
            plot.getAxis(side).enableAutoSIPrefix(False)
            plot.getAxis(side).setStyle(maxTickLevel=1)
        self._labels = {"bottom": "", "left": ""}
        self._style: dict[str, str] = {}

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self.setBackground(palette.background)
        for side in ("bottom", "left"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(palette.soft)
            axis.setTextPen(palette.text)
            axis.setTickFont(self.font())
        self._style = {"color": palette.text}
        if self.font().pointSizeF() > 0:
            self._style["font-size"] = f"{self.font().pointSizeF()}pt"
        self._write_labels()

    def set_labels(self, *, bottom: str, left: str = "") -> None:
        """Name the axes, with units."""
        labels = {"bottom": bottom, "left": left}
        if labels != self._labels:
            self._labels = labels
            self._write_labels()

    @property
    def labels(self) -> tuple[str, str]:
        """The names of the axes, below and on the left."""
        return self._labels["bottom"], self._labels["left"]

    def set_range(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        """Show these limits, without a margin."""
        self.getPlotItem().setRange(xRange=x, yRange=y, padding=0)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock."""
        if event is not None:
            event.ignore()

    def _write_labels(self) -> None:
        for side, text in self._labels.items():
            self.getPlotItem().getAxis(side).setLabel(text, **self._style)
