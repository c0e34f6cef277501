"""The verdicts as shapes that differ without colour, in the colours of the theme."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

from napari_posterior.checks.page.badges import kind_of
from napari_posterior.widgets.theme import readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.widgets.theme import Palette

__all__ = ["colour_of", "icon_of", "paint_mark"]

_WISHES: Final[Mapping[str, tuple[str, str]]] = {
    "kept": ("#58b09c", "#0b6b58"),
    "lost": ("#f08a5d", "#a83a0c"),
    "open": ("#e8b64a", "#8a5600"),
    "mute": ("#9aa3af", "#5b6270"),
}
"""Colours on dark and on light, told apart with the common kinds of colour blindness."""

_LEAST: Final = 4.5


def colour_of(verdict: str, palette: Palette, background: str = "") -> QColor:
    """Return the colour of a verdict, which can be read on the background."""
    ground = background or palette.background
    dark = QColor(palette.background).lightnessF() < 0.5
    wish = _WISHES[kind_of(verdict)][0 if dark else 1]
    return QColor(readable(wish, ground, _LEAST))


def paint_mark(painter: QPainter, verdict: str, place: QRectF, colour: QColor) -> None:
    """Draw the shape of a verdict: full disc, diamond with a bar, half disc, empty square."""
    kind = kind_of(verdict)
    side = min(place.width(), place.height())
    box = QRectF(0, 0, side, side)
    box.moveCenter(place.center())
    inner = box.adjusted(1, 1, -1, -1)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(colour, 1.6)
    painter.setPen(pen)
    if kind == "kept":
        painter.setBrush(colour)
        painter.drawEllipse(inner)
        _cut(painter, inner, ((0.28, 0.52), (0.44, 0.68), (0.74, 0.34)))
    elif kind == "lost":
        middle = inner.center()
        reach = inner.width() / 2
        painter.setBrush(colour)
        corners = ((0.0, -reach), (reach, 0.0), (0.0, reach), (-reach, 0.0))
        painter.drawPolygon(
            QPolygonF([QPointF(middle.x() + x, middle.y() + y) for x, y in corners])
        )
        _cut(painter, inner, ((0.3, 0.5), (0.7, 0.5)))
    elif kind == "open":
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(inner)
        painter.setBrush(colour)
        painter.drawPie(inner, 16 * -90, 16 * 180)
    else:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(inner.adjusted(1, 1, -1, -1))
        if verdict == "not testable":
            painter.drawLine(inner.bottomLeft(), inner.topRight())
    painter.restore()


def icon_of(verdict: str, palette: Palette, *, size: int = 16) -> QIcon:
    """Return the shape of a verdict as an icon."""
    picture = QPixmap(QSize(size, size))
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    paint_mark(painter, verdict, QRectF(0, 0, size, size), colour_of(verdict, palette))
    painter.end()
    return QIcon(picture)


def _cut(painter: QPainter, box: QRectF, points: tuple[tuple[float, float], ...]) -> None:
    """Draw a line over a full shape so that it is seen on it."""
    dark = painter.brush().color().lightnessF() > 0.5
    painter.setPen(QPen(QColor("#1b1d22" if dark else "#ffffff"), max(1.6, box.width() / 8)))
    there = [QPointF(box.left() + x * box.width(), box.top() + y * box.height()) for x, y in points]
    painter.drawPolyline(QPolygonF(there))
