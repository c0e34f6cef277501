"""Connections to signals that end with a Qt object."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

__all__ = ["Connections"]


class Connections:
    """Signals of psygnal and events of napari that a Qt object listens to.

    Neither knows when Qt deletes the object, and a call into a deleted object is a fault. So they
    are cut when the object says that it is gone.

    Parameters
    ----------
    owner : QObject
        Who listens.
    """

    def __init__(self, owner: QObject) -> None:
        self._cuts: list[tuple[Any, Callable[..., Any]]] = []
        owner.destroyed.connect(self.cut)

    def add(self, signal: Any, listener: Callable[..., Any]) -> None:
        """Connect a bound method to a signal of psygnal or an event of napari."""
        signal.connect(listener)
        self._cuts.append((signal, listener))

    def cut(self, *_: object) -> None:
        """Disconnect everything."""
        while self._cuts:
            signal, listener = self._cuts.pop()
            with suppress(ValueError):  # gone already
                signal.disconnect(listener)
