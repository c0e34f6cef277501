"""Layers go while the OpenGL context of napari's canvas is current.

napari 0.9 frees what a removed layer had on the graphics card at once, in whatever OpenGL context
is current: between two paintings that is the one in which Qt composes the window. Mesa, which draws
where there is no graphics card, then ends the process at the next painting of the canvas.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_posterior.widgets.connections import Connections

__all__ = ["CanvasContext"]


class CanvasContext(QObject):
    """Makes the context of the canvas current before a layer goes, whoever removes it.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose layers are watched.
    window : QWidget
        Its main window; it becomes the parent.
    """

    def __init__(self, viewer: Any, window: QWidget) -> None:
        super().__init__(window)
        self._links = Connections(self)
        events = viewer.layers.events
        for name in ("removing", "begin_batch"):  # napari 0.8 has no batches
            if (event := getattr(events, name, None)) is not None:
                self._links.add(event, self.make_current)

    def make_current(self, *_: object) -> None:
        """Make it current, where the canvas was shown."""
        with suppress(RuntimeError):  # Qt has deleted the window
            window = self.parent()
            middle = window.centralWidget() if isinstance(window, QMainWindow) else None
            for canvas in [] if middle is None else middle.findChildren(QOpenGLWidget):
                if canvas.isValid():
                    canvas.makeCurrent()
