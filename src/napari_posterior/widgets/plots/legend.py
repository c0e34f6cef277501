"""The legend of a plot: a swatch as the plot draws it, and a line of words that wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from qtpy.QtCore import QLineF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_posterior.widgets.parts import Words, column

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

    from napari_posterior.widgets.theme import Palette

__all__ = ["Legend", "Role", "Swatch", "area_of", "pen_of"]

Role: TypeAlias = Literal["teacher", "student", "mark"]

_OPACITY: Final = {"teacher": 110, "student": 0, "mark": 50}  # of areas, of 255


def pen_of(role: Role, palette: Palette) -> QPen:
    """Return how a line is drawn: teacher solid, student dashed, what is expected dotted."""
    width, style = {
        "teacher": (1.5, Qt.PenStyle.SolidLine),
        "student": (2.0, Qt.PenStyle.DashLine),
        "mark": (1.5, Qt.PenStyle.DashDotLine),
    }[role]
    pen = QPen(QColor(getattr(palette, role)), width, style)
    pen.setCosmetic(True)
    return pen


def area_of(role: Role, palette: Palette) -> QColor:
    """Return the colour of an area; that of the student is empty."""
    colour = QColor(getattr(palette, role))
    colour.setAlpha(_OPACITY[role])
    return colour


class Swatch(QWidget):
    """A small picture of how a role is drawn."""

    def __init__(self, role: Role) -> None:
        super().__init__()
        self._role: Role = role
        self._palette: Palette | None = None
        self.setFixedSize(28, 14)

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw an area with its outline, or a line in a band."""
        if self._palette is None:
            return
        painter = QPainter(self)
        frame = QRectF(self.rect()).adjusted(1, 2, -1, -2)
        painter.fillRect(frame, area_of(self._role, self._palette))
        painter.setPen(pen_of(self._role, self._palette))
        if self._role == "mark":
            middle = frame.center().x()
            painter.drawLine(QLineF(middle, 0, middle, self.height()))
        else:
            painter.drawRect(frame)
        painter.end()


class Legend(QWidget):
    """A line of words for each role; lines without words are hidden."""

    def __init__(self) -> None:
        super().__init__()
        lines = column(self, spacing=2)
        self._lines: dict[Role, tuple[QWidget, Swatch, Words]] = {}
        roles: tuple[Role, ...] = ("teacher", "student", "mark")
        for role in roles:
            line = QWidget(self)
            swatch, words = Swatch(role), Words("", line)
            words.setObjectName(f"legend_{role}")
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.addWidget(swatch, 0, Qt.AlignmentFlag.AlignTop)
            row.addWidget(words, 1)
            lines.addWidget(line)
            self._lines[role] = line, swatch, words

    def set_words(self, role: Role, text: str) -> None:
        """Say what a role is; without words its line is hidden."""
        line, _, words = self._lines[role]
        words.say(text)
        line.setVisible(bool(text))

    def words(self) -> dict[str, str]:
        """Return what the legend says."""
        return {role: words.said for role, (_, _, words) in self._lines.items() if words.said}

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        for _, swatch, _ in self._lines.values():
            swatch.set_palette(palette)
