"""Choose one of the runs of the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal

from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.sections.fields import Picker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_posterior.session.models import RunEntry

__all__ = ["RunPicker"]


class RunPicker(Picker):
    """The runs that fit, those that are being drawn included.

    Parameters
    ----------
    roles : tuple of str
        Roles that fit, in the order in which they are listed.
    hint : str
        Words for no choice.
    """

    picked = Signal(object)
    """The `RunEntry` that was chosen by hand."""

    def __init__(self, roles: tuple[str, ...], *, hint: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._roles = roles
        self._entries: list[RunEntry] = []
        self._shown: tuple[list[str], int] = ([], -1)
        self.setPlaceholderText(hint)
        self.activated.connect(self._on_activated)

    def show_runs(self, runs: Iterable[RunEntry], chosen: RunEntry | None) -> None:
        """Show the runs that fit, newest first, without telling anybody."""
        fitting = [one for one in runs if one.role in self._roles and (one is chosen or _some(one))]
        fitting.sort(key=lambda one: (self._roles.index(one.role), -one.number))
        self._entries = fitting
        place = next((i for i, one in enumerate(fitting) if one is chosen), -1)
        shown = [_title(one) for one in fitting], place
        if shown == self._shown:
            return
        self._shown = shown
        before = self.blockSignals(True)
        self.clear()
        self.addItems(shown[0])
        for row, text in enumerate(shown[0]):
            self.setItemData(row, text, Qt.ItemDataRole.ToolTipRole)
        self.setCurrentIndex(place)
        self.blockSignals(before)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock, which scrolls."""
        if event is not None:
            event.ignore()

    def _on_activated(self, place: int) -> None:
        self._shown = self._shown[0], place
        self.picked.emit(self._entries[place])


def _some(entry: RunEntry) -> bool:
    """Whether there are samples, or will be."""
    return entry.run is not None or entry.state not in ENDED


def _title(entry: RunEntry) -> str:
    if entry.state in ("done", "idle"):
        return entry.title
    return f"#{entry.number} {entry.label} ({entry.state})"
