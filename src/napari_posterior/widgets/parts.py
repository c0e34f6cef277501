"""Small pieces that the docks share: words that wrap, folded sections, rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Folded",
    "Heading",
    "Notice",
    "Rows",
    "Words",
    "breakable",
    "column",
    "describe",
    "look_folded",
    "side_by_side",
]

_WIDEST_LABEL: Final = "Background"
_NO_LIMIT: Final = 16777215  # QWIDGETSIZE_MAX
_LONG_WORD: Final = re.compile(r"\S{20,}")
_BREAK: Final = "\u200b"  # zero-width space


def breakable(text: str) -> str:
    """Let long words, as names of files are, go on in the next line."""

    def split(found: re.Match[str]) -> str:
        word = found.group()
        return _BREAK.join(word[i : i + 10] for i in range(0, len(word), 10))

    return _LONG_WORD.sub(split, text)


def describe(widget: QWidget, name: str, tip: str, *, spoken: str = "") -> None:
    """Give a widget a name for the console and tests, a tooltip, and a name for screen readers.

    Parameters
    ----------
    widget : QWidget
        The control.
    name : str
        Its `objectName`.
    tip : str
        What it does, with the unit of its value.
    spoken : str, optional
        For screen readers, where the control has no text of its own.
    """
    widget.setObjectName(name)
    widget.setToolTip(tip)
    widget.setAccessibleDescription(tip)
    if spoken:
        widget.setAccessibleName(spoken)


def column(parent: QWidget, *, spacing: int = 4) -> QVBoxLayout:
    """Give a widget a layout from top to bottom, without margins."""
    layout = QVBoxLayout(parent)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    return layout


def side_by_side(*widgets: QWidget, stretch: Sequence[int] = ()) -> QHBoxLayout:
    """Lay widgets out from left to right."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(6)
    for place, widget in enumerate(widgets):
        layout.addWidget(widget, stretch[place] if place < len(stretch) else 0)
    return layout


class Words(QLabel):
    """Plain text that wraps, never wider than its place; what it says is never taken for HTML."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(breakable(text))
        if parent is not None or not text:  # shown without a parent it would be a window
            self.setVisible(bool(text))

    def say(self, text: str) -> None:
        """Show a text; nothing is shown, and no room taken, for an empty one."""
        if self.said != text or text == "":
            self.setText(breakable(text))
        self.setVisible(bool(text))

    @property
    def said(self) -> str:
        """What it shows."""
        return self.text().replace(_BREAK, "")

    def minimumSizeHint(self) -> QSize:
        """Take any width: lines are broken between letters where need be."""
        return QSize(0, self.fontMetrics().height())


class Notice(Words):
    """A sentence about something that is wrong, or to keep in mind; marked by more than colour."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)

    def say(self, text: str) -> None:
        """Show one sentence; nothing for an empty one."""
        super().say(f"! {text}" if text else "")

    @property
    def said(self) -> str:
        """The sentence without its mark."""
        return super().said.removeprefix("! ")


class Heading(QLabel):
    """The name of a section."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        font = self.font()
        font.setBold(True)
        self.setFont(font)


class RowLabel(QLabel):
    """The label of a row: as wide as the widest of all sections, in whatever font."""

    def sizeHint(self) -> QSize:
        """Take the room of the widest label."""
        hint, metrics = super().sizeHint(), self.fontMetrics()
        own = metrics.horizontalAdvance(self.text().replace("&", ""))
        widest = metrics.horizontalAdvance(_WIDEST_LABEL)
        return QSize(hint.width() + max(0, widest - own), hint.height())

    def minimumSizeHint(self) -> QSize:
        """As `sizeHint`."""
        return self.sizeHint()


class Rows(QGridLayout):
    """Rows of a label and what it names; the labels of all sections are of one width."""

    def __init__(self) -> None:
        super().__init__()
        self.setContentsMargins(0, 0, 0, 0)
        self.setHorizontalSpacing(8)
        self.setVerticalSpacing(4)
        self.setColumnStretch(1, 1)

    def add(self, text: str, control: QWidget, *beside: QWidget) -> QLabel:
        """Add a row; `text` names `control` and carries its mnemonic, if any."""
        row = self.rowCount()
        label = RowLabel(text)
        label.setBuddy(control)
        if not control.accessibleName():
            control.setAccessibleName(text.replace("&", ""))
        self.addWidget(label, row, 0)
        if beside:
            self.addLayout(side_by_side(control, *beside, stretch=(1,)), row, 1)
        else:
            self.addWidget(control, row, 1)
        return label

    def add_below(self, widget: QWidget) -> None:
        """Add something below the control of the last row, over the width of the controls."""
        self.addWidget(widget, self.rowCount(), 1)

    def add_wide(self, widget: QWidget) -> None:
        """Add something over the whole width."""
        self.addWidget(widget, self.rowCount(), 0, 1, 2)


def look_folded(button: QPushButton) -> None:
    """Let a button that opens and closes something look like a title, not like a choice."""
    button.setStyleSheet(
        "QPushButton, QPushButton:checked"
        " { text-align: left; padding: 3px 0px; border: none; background-color: transparent; }"
        "QPushButton:hover, QPushButton:focus { text-decoration: underline; }"
    )


class _NoIcon(QIcon):
    """An icon that shows nothing.

    With PySide6 an empty icon is false, and superqt takes what is false for not given.
    """

    def __bool__(self) -> bool:
        return True


class Folded(QCollapsible):
    """A section that is opened by its title; closed, it takes no focus and one line."""

    def __init__(self, title: str, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(title, parent, _NoIcon(), _NoIcon())  # the arrow is part of the text
        self._title = title
        self.setDuration(0)
        layout, before = self.layout(), self.content()
        if layout is not None:
            layout.setContentsMargins(0, 0, 0, 0)
            layout.setSpacing(4)
            layout.removeWidget(before)
        before.deleteLater()
        button = self.toggleButton()
        look_folded(button)
        self.setContent(content)
        self.toggled.connect(self._on_toggled)
        self.collapse(animate=False)

    def rename(self, title: str) -> None:
        """Say something else in the line that opens it."""
        if title != self._title:
            self._title = title
            self._on_toggled(self.isExpanded())

    def _on_toggled(self, opened: bool) -> None:
        self.toggleButton().setText(f"{'▾' if opened else '▸'} {self._title}")
        content = self.content()
        # What is folded must not be reached by Tab; what is open grows with its words.
        content.setVisible(opened)
        content.setMaximumHeight(_NO_LIMIT if opened else 0)
