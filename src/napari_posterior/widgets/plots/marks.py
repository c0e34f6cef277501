"""The marks of a chart as items of pyqtgraph, in the colours of the theme."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyqtgraph
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QPen

from napari_posterior.checks.page.bins import log_ticks, ticks
from napari_posterior.checks.page.chart import Dots, Level, Line, Ribbon, Steps, Zone
from napari_posterior.widgets.plots.legend import area_of, pen_of

if TYPE_CHECKING:
    from napari_posterior.checks.page.chart import Axis, Mark, Role
    from napari_posterior.widgets.theme import Palette

__all__ = ["bent", "items_of", "ticks_of"]

_FAINT: Final = {"floor": 60, "limit": 45, "none": 35, "mark": 50, "teacher": 60, "student": 60}
_DOT: Final = 8


def bent(axis: Axis, values: Any) -> np.ndarray:
    """Return values as they lie along an axis: their logarithm where it is logarithmic."""
    found = np.asarray(values, np.float64)
    return np.log10(np.maximum(found, 1e-300)) if axis.log else found


def ticks_of(axis: Axis, *, count: int = 5) -> list[tuple[float, str]]:
    """Return places and words of the ticks of an axis."""
    if axis.log:
        found = log_ticks(axis.low, axis.high, count + 1)
    else:
        found = ticks(axis.low, axis.high, count)
    return [(float(bent(axis, [v])[0]), _tell(v, percent=axis.percent)) for v in found]


def items_of(mark: Mark, x: Axis, y: Axis, palette: Palette) -> list[Any]:
    """Return what a mark is drawn with."""
    if isinstance(mark, Steps):
        return [_steps(mark, x, y, palette)]
    if isinstance(mark, Line):
        item = pyqtgraph.PlotDataItem(bent(x, mark.x), bent(y, mark.y), antialias=True)
        item.setPen(_pen(mark.role, palette))
        return [item]
    if isinstance(mark, Ribbon):
        return _ribbon(mark, x, y, palette)
    if isinstance(mark, Dots):
        return _dots(mark, x, y, palette)
    if isinstance(mark, Zone):
        return [_zone(mark, x if mark.along == "x" else y, palette)]
    return [_level(mark, x if mark.along == "x" else y, palette)]


def _steps(mark: Steps, x: Axis, y: Axis, palette: Palette) -> Any:
    edges = bent(x, mark.edges)
    ends = np.concatenate([edges[:1], edges, edges[-1:]])
    heights = np.concatenate([[0.0], bent(y, mark.heights), [0.0]])
    item = pyqtgraph.PlotDataItem(ends, heights, stepMode="center", antialias=True)
    item.setPen(_pen(mark.role, palette))
    if mark.role == "teacher":
        item.setFillLevel(0.0)
        item.setBrush(area_of("teacher", palette))
    return item


def _ribbon(mark: Ribbon, x: Axis, y: Axis, palette: Palette) -> list[Any]:
    across = bent(x, mark.x)
    edges = [pyqtgraph.PlotCurveItem(across, bent(y, side)) for side in (mark.low, mark.high)]
    for edge in edges:
        edge.setPen(QPen(Qt.PenStyle.NoPen))
    return [*edges, pyqtgraph.FillBetweenItem(*edges, brush=_area(mark.role, palette))]


def _dots(mark: Dots, x: Axis, y: Axis, palette: Palette) -> list[Any]:
    across, up = bent(x, mark.x), bent(y, mark.y)
    found: list[Any] = []
    if mark.low is not None and mark.high is not None:
        low, high = bent(y, mark.low), bent(y, mark.high)
        bars = np.repeat(across, 2), np.stack([low, high], 1).ravel()
        item = pyqtgraph.PlotDataItem(*bars, connect="pairs")
        solid = QPen(_colour(mark.role, palette), 2.5)
        solid.setCosmetic(True)
        item.setPen(solid)
        found.append(item)
    # of two clouds in one chart the teacher's are discs and the student's diamonds
    dots = pyqtgraph.ScatterPlotItem(
        across, up, symbol="o" if mark.role == "teacher" else "d", size=_DOT, pxMode=True
    )
    dots.setBrush(_colour(mark.role, palette))
    dots.setPen(pyqtgraph.mkPen(palette.background, width=0.8))
    return [*found, dots]


def _zone(mark: Zone, axis: Axis, palette: Palette) -> Any:
    ends = [float(v) for v in bent(axis, [max(mark.low, axis.low), min(mark.high, axis.high)])]
    along = "vertical" if mark.along == "x" else "horizontal"
    item = pyqtgraph.LinearRegionItem(ends, orientation=along, movable=False)
    item.setBrush(_area(mark.role, palette))
    for edge in item.lines:
        edge.setPen(QPen(Qt.PenStyle.NoPen))
    item.setZValue(-10)
    return item


def _level(mark: Level, axis: Axis, palette: Palette) -> Any:
    item = pyqtgraph.InfiniteLine(
        float(bent(axis, [mark.at])[0]), angle=90 if mark.along == "x" else 0
    )
    item.setPen(_pen(mark.role, palette))
    return item


def _colour(role: Role, palette: Palette) -> QColor:
    names = {"teacher": palette.teacher, "student": palette.student, "mark": palette.mark}
    return QColor(names.get(role, palette.soft))


def _area(role: Role, palette: Palette) -> QColor:
    colour = QColor(palette.mark if role == "limit" else _colour(role, palette))
    colour.setAlpha(_FAINT[role])
    return colour


def _pen(role: Role, palette: Palette) -> QPen:
    if role in ("teacher", "student", "mark"):
        return pen_of(role, palette)
    pen = QPen(_colour(role, palette), 1.5, Qt.PenStyle.DotLine)
    pen.setCosmetic(True)
    return pen


def _tell(value: float, *, percent: bool) -> str:
    shown = 100 * value if percent else value
    if shown == 0:
        return "0"
    digits = 0 if abs(shown) >= 100 else 3 - math.ceil(math.log10(abs(shown)) + 1e-9)
    text = f"{shown:.{max(0, min(digits, 6))}f}".rstrip("0") if digits > 0 else f"{shown:.0f}"
    return text.rstrip(".").replace("-", "−")
