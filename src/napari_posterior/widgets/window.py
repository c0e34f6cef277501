"""The window of a viewer, found and watched by public means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Signal

from napari_posterior.errors import InputError
from napari_posterior.layers.thread import unwrapped

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["WindowWatch", "main_window_of"]


def main_window_of(viewer: Any) -> QWidget:
    """Return the main window of a viewer: the one that its menu bar is in.

    Parameters
    ----------
    viewer : napari.Viewer
        As it is, or as napari hands it to a plugin.

    Raises
    ------
    InputError
        If the viewer has no window, or is closed.
    """
    try:
        window: QWidget = unwrapped(viewer).window.main_menu.window()
    except AttributeError:
        raise InputError("a session needs a viewer with a window; open napari.Viewer()") from None
    except RuntimeError:  # Qt has deleted it
        raise InputError("this viewer is closed; open a new one") from None
    return window


class WindowWatch(QObject):
    """Tells when a window is closed for good; no event is held up.

    Parameters
    ----------
    window : QWidget
        What is watched; the watch is its child.

    Attributes
    ----------
    closed : Signal()
        Emitted once, while the window still exists.
    """

    closed = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._asked = False
        self._told = False
        window.installEventFilter(self)
        window.destroyed.connect(self._tell)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Look at an event of the window.

        The user can still say no to a window that was asked to close, and says so while it is
        shown. So what counts is that it is hidden after it was asked; one that was hidden before
        closes without a question. A window that is minimised is hidden too, by the system.
        """
        kind = event.type()
        if kind == QEvent.Type.Close:
            self._asked = True
            gone = not watched.isVisible()
        elif kind == QEvent.Type.Hide:
            gone = self._asked and not event.spontaneous()
        else:
            gone = kind == QEvent.Type.DeferredDelete
        if gone:
            self._tell()
        return False

    def _tell(self, *_: object) -> None:
        if not self._told:
            self._told = True
            self.closed.emit()
