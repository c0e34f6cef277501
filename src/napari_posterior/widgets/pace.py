"""How often a window is brought up to date: rarely where it is slow to paint."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QEvent, QObject, QTimer

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["Pace"]

_SHORTEST: Final = 100
_LONGEST: Final = 1000

_SHARE: Final = 12
"""What is shown changes so rarely that painting takes one part in this many of the time.

Qt composes the whole window where one number in it changes, and keeps Python from other threads
meanwhile; without a graphics card that takes 10 to 40 ms, several times for one change.
"""


class Pace(QObject):
    """Measures how long a window takes to be painted, and says when to change it again.

    Parameters
    ----------
    window : QWidget
        What is watched; the pace is its child.
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._began: float | None = None
        self._painted = 0.0
        self._over = QTimer(self)
        self._over.setSingleShot(True)
        self._over.timeout.connect(self._note)
        window.installEventFilter(self)

    def wait(self) -> int:
        """Return the milliseconds to leave until the next change, 100 to 1000.

        It is for what was painted since the last call; call it once for each change.
        """
        painted, self._painted = self._painted, 0.0
        return min(_LONGEST, max(_SHORTEST, round(1000 * _SHARE * painted)))

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Note the time before a painting; Qt comes back to the timer when it is over."""
        if event.type() == QEvent.Type.UpdateRequest and self._began is None:
            self._began = time.perf_counter()
            self._over.start(0)
        return False

    def _note(self) -> None:
        if self._began is not None:
            self._painted += time.perf_counter() - self._began
            self._began = None
