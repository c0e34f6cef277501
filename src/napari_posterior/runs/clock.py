"""How far a run is, and the time that is left of it, from the network calls that were timed."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

__all__ = ["Clock"]

_MARKS: Final = 60
_APART: Final = 1.0
"""Seconds between two marks: the last minute or so counts, as machines change their pace."""


class Clock:
    """Progress over the network calls of a run.

    Parameters
    ----------
    total : float
        Network calls, each counted once for every sample it serves; one on a part of a plane
        counts as that part.

    Attributes
    ----------
    done : float
        Calls so far.
    left : float or None
        Seconds, writing included; None until two calls in a row were timed.
    """

    def __init__(self, total: float) -> None:
        self.total = max(1.0, total)
        self.done = 0.0
        self.left: float | None = None
        self._furthest = 0.0
        self._marks: deque[tuple[float, float]] = deque(maxlen=_MARKS)

    @property
    def fraction(self) -> float:
        """Done part, 0 to 1; it never goes back, even when a batch is drawn again."""
        return min(1.0, self._furthest / self.total)

    def tick(self, calls: float) -> None:
        """Count network calls; the first one, which warms up, is not used for the rate."""
        now = time.monotonic()
        self.done += calls
        self._furthest = max(self._furthest, self.done)
        if self._marks:
            then, before = self._marks[0]
            rate = (now - then) / (self.done - before)
            self.left = max(0.0, rate * (self.total - self.done))
        if not self._marks or now - self._marks[-1][0] >= _APART:
            self._marks.append((now, self.done))

    def go_on_from(self, done: float) -> None:
        """Forget calls that were in vain, and a pace that will be another one."""
        self.done, self.left = done, None
        self._marks.clear()
