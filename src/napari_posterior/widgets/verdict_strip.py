"""The strip of the seven verdicts: a mark, a name, a word and a number each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QFont, QFontMetrics, QPainter
from qtpy.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_posterior.widgets.parts import describe
from napari_posterior.widgets.verdict_marks import colour_of, paint_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QWheelEvent

    from napari_posterior.session.verdict_rows import VerdictRow
    from napari_posterior.widgets.theme import Palette

__all__ = ["VerdictStrip"]

_FIRST_CHOICE: Final = "task"
_MARK: Final = 16
_GAP: Final = 6
_PAD: Final = 3


class VerdictStrip(QListWidget):
    """Seven rows, one a question; the arrow keys move between them.

    Attributes
    ----------
    chosen : Signal(str)
        The key of the question whose row was selected.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[VerdictRow, ...] = ()
        self._question = _FIRST_CHOICE
        describe(
            self,
            "verdicts",
            "The seven questions with their verdicts; select one to see its plot",
            spoken="Verdicts",
        )
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListWidget.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setStyleSheet("QListWidget { background: transparent; }")
        self._delegate = _Line(self)
        self.setItemDelegate(self._delegate)
        self.currentRowChanged.connect(self._on_row)
        self._fit()

    @property
    def rows(self) -> tuple[VerdictRow, ...]:
        """What is shown."""
        return self._rows

    @property
    def current(self) -> VerdictRow | None:
        """The row that is selected."""
        return next((one for one in self._rows if one.question == self._question), None)

    def show_rows(self, rows: Sequence[VerdictRow]) -> None:
        """Show other answers; the question that was selected stays so."""
        self._rows = tuple(rows)
        before = self.blockSignals(True)
        self.clear()
        for row in self._rows:
            item = QListWidgetItem()
            item.setData(Qt.ItemDataRole.UserRole, row)
            item.setData(Qt.ItemDataRole.DisplayRole, row.spoken)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, row.spoken)
            item.setToolTip(f"{row.asks}\n{row.spoken}")
            self.addItem(item)
        self.setCurrentRow(self._place())
        self.blockSignals(before)
        self._fit()

    def choose(self, question: str) -> None:
        """Select the row of a question."""
        for place, row in enumerate(self._rows):
            if row.question == question:
                self.setCurrentRow(place)

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._delegate.palette = palette
        self.viewport().update()  # type: ignore[union-attr]

    def sizeHint(self) -> QSize:
        """Be as high as all rows: the dock scrolls, not the strip."""
        return QSize(200, self._height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return QSize(120, self._height())

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock, which scrolls."""
        if event is not None:
            event.ignore()

    def _place(self) -> int:
        places = (i for i, one in enumerate(self._rows) if one.question == self._question)
        return next(places, 0 if self._rows else -1)

    def _on_row(self, place: int) -> None:
        if 0 <= place < len(self._rows) and self._rows[place].question != self._question:
            self._question = self._rows[place].question
            self.chosen.emit(self._question)

    def _height(self) -> int:
        return len(self._rows) * self._delegate.height(self.font()) + 2

    def _fit(self) -> None:
        self.setFixedHeight(self._height())


class _Line(QStyledItemDelegate):
    """Draws one row in two lines: mark, name and verdict; below them the number."""

    palette: Palette | None = None

    def height(self, font: QFont) -> int:
        """Return the height of a row, in pixels."""
        return 2 * QFontMetrics(font).height() + 2 * _PAD

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        """Take two lines of text."""
        return QSize(120, self.height(option.font))

    def paint(
        self,
        painter: QPainter | None,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        """Draw a row; the one that is selected has a bar on its left and a brighter ground."""
        row: Any = index.data(Qt.ItemDataRole.UserRole)
        palette = self.palette
        if painter is None or row is None or palette is None:
            return
        painter.save()
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        rect = QRect(option.rect)
        ground = _ground(palette)
        if selected:
            painter.fillRect(rect, ground)
            painter.fillRect(QRect(rect.left(), rect.top(), 3, rect.height()), _bar(palette))
        if selected and bool(option.state & QStyle.StateFlag.State_HasFocus):
            painter.setPen(QColor(palette.text))
            painter.drawRect(rect.adjusted(0, 0, -1, -1))
        colour = colour_of(row.verdict, palette, ground.name() if selected else "")
        inside = rect.adjusted(3 + _GAP, _PAD, -_GAP, -_PAD)
        half = inside.height() // 2
        mark = QRectF(inside.left(), inside.top() + (half - _MARK) / 2, _MARK, _MARK)
        paint_mark(painter, row.verdict, mark, colour)
        first = QRect(inside.left() + _MARK + _GAP, inside.top(), inside.width(), half)
        first.setRight(inside.right())
        bold = QFont(option.font)
        bold.setBold(True)
        verdict_width = QFontMetrics(bold).horizontalAdvance(row.verdict) + 2
        painter.setFont(bold)
        painter.setPen(colour)
        painter.drawText(first, _RIGHT, row.verdict)
        painter.setFont(option.font)
        painter.setPen(QColor(palette.text))
        name = first.adjusted(0, 0, -verdict_width - _GAP, 0)
        painter.drawText(name, _LEFT, _fit(row.name, option.font, name.width()))
        second = QRect(first.left(), first.bottom() + 1, first.width(), half)
        told = f"{row.short}; {row.others}" if row.others else row.short
        painter.setPen(QColor(palette.text if selected else palette.soft))
        painter.drawText(second, _LEFT, _fit(told, option.font, second.width()))
        painter.restore()


_LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def _fit(text: str, font: QFont, width: int) -> str:
    return QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, width)


def _ground(palette: Palette) -> QColor:
    """Return the ground of the row that is selected: a step from the background to the text."""
    back, text = QColor(palette.background), QColor(palette.text)
    share = 0.12
    mixed = (
        round((1 - share) * one + share * two)
        for one, two in zip(back.getRgb()[:3], text.getRgb()[:3], strict=True)
    )
    return QColor(*mixed)


def _bar(palette: Palette) -> QColor:
    return QColor(palette.student)
