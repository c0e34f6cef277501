"""The docks of this package in a window: found, opened and raised by public means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QDockWidget

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["COMPARE", "PLUGIN", "RESTORE", "find_dock", "open_dock"]

PLUGIN: Final = "napari-posterior"
RESTORE: Final = "Restore"
COMPARE: Final = "Compare"

_NAMES: Final = {RESTORE: "napari_posterior_restore", COMPARE: "napari_posterior_compare"}


def find_dock(viewer: Any, name: str) -> QWidget | None:
    """Return the widget of a dock; None where it is not open.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    name : str
        `RESTORE` or `COMPARE`.
    """
    for widget in viewer.window.dock_widgets.values():
        if getattr(widget, "objectName", str)() == _NAMES[name]:
            found: QWidget = widget
            return found
    return None


def open_dock(viewer: Any, name: str) -> QWidget:
    """Open a dock, or bring the one that is open to the front.

    Parameters
    ----------
    viewer, name
        As of `find_dock`.

    Returns
    -------
    QWidget
        What is inside of the dock.
    """
    widget = find_dock(viewer, name)
    if widget is None:
        beside = any(find_dock(viewer, other) is not None for other in _NAMES)
        _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name, tabify=beside)
    frame = widget.parent()
    while frame is not None and not isinstance(frame, QDockWidget):
        frame = frame.parent()
    if frame is not None:
        frame.show()
        frame.raise_()
    return widget
