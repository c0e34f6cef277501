"""Choose what is measured on every sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QMenu, QPushButton

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QAction, QMouseEvent
    from qtpy.QtWidgets import QWidget

    from napari_posterior.session.statistic_choices import StatisticChoice

__all__ = ["StatisticPicker"]


class _StayingMenu(QMenu):
    """A menu that stays open while things in it are ticked with the mouse."""

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Tick, and close only for a click elsewhere."""
        action = None if event is None else self.actionAt(event.pos())
        if action is not None and action.isCheckable() and action.isEnabled():
            action.trigger()
        else:
            super().mouseReleaseEvent(event)


class StatisticPicker(QPushButton):
    """A button that says what is measured, with a list to tick.

    Attributes
    ----------
    picked : Signal(tuple)
        The names that are ticked now, one at least; emitted when the user changes them.
    opened : Signal()
        Emitted before the list is shown.
    """

    picked = Signal(tuple)
    opened = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._actions: dict[str, QAction] = {}
        self._titles: dict[str, str] = {}
        self._chosen: tuple[str, ...] = ()
        self._offered: tuple[StatisticChoice, ...] = ()
        menu = _StayingMenu(self)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(self.opened)
        self.setMenu(menu)
        self.setSizePolicy(self.sizePolicy().Policy.Ignored, self.sizePolicy().verticalPolicy())
        self.setStyleSheet("text-align: left; padding-left: 7px;")  # as in the lists above it
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_choice(self, offered: Sequence[StatisticChoice], chosen: tuple[str, ...]) -> None:
        """Show what there is and what is ticked, without telling anybody."""
        if tuple(offered) == self._offered and chosen == self._chosen:
            return
        if tuple(offered) != self._offered:
            self._fill(tuple(offered))
        self._chosen = chosen
        for name, action in self._actions.items():
            action.setChecked(name in chosen)
        self._show()

    def _fill(self, offered: tuple[StatisticChoice, ...]) -> None:
        self._offered = offered
        self._titles = {one.name: one.title for one in offered}
        menu = self.menu()
        if menu is None:
            return
        menu.clear()
        self._actions = {}
        for one in offered:
            action = menu.addAction(one.title[:1].upper() + one.title[1:])
            if action is None:
                continue
            action.setCheckable(True)
            action.setToolTip(f"{one.name}: {one.unit}" if one.unit else one.name)
            action.triggered.connect(self._on_ticked)
            self._actions[one.name] = action

    def _on_ticked(self, *_: object) -> None:
        ticked = [name for name, action in self._actions.items() if action.isChecked()]
        # those that are no plain name, such as with parameters from the console, stay
        kept = [name for name in self._chosen if name in ticked or name not in self._actions]
        now = (*kept, *(name for name in ticked if name not in kept))
        if not now:  # the last one cannot be taken away
            for name in self._chosen:
                if name in self._actions:
                    self._actions[name].setChecked(True)
            return
        self._chosen = now
        self._show()
        self.picked.emit(now)

    def _show(self) -> None:
        words = [self._titles.get(name, name.replace("_", " ")) for name in self._chosen]
        told = ", ".join(words)
        self.setText(told if len(words) < 3 else f"{words[0]} and {len(words) - 1} more")
        self.setToolTip(f"What is measured on every sample: {told}")
