"""Work in steps, one at a turn, so that a window is painted and hears clicks between them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later", "Steps"]

Later: TypeAlias = "Callable[[Callable[[], None]], None]"
"""Calls a function at a later turn, as a timer of some milliseconds does."""


class Steps:
    """Takes steps in the order in which they were added; one that fails holds up no other.

    Parameters
    ----------
    later : Later, optional
        Gives turns; without it all steps are taken at once.
    """

    def __init__(self, later: Later | None = None) -> None:
        self._later = later
        self._steps: deque[Callable[[], None]] = deque()
        self._asked = False

    def add(self, *steps: Callable[[], None]) -> None:
        """Take these after those that wait."""
        self._steps.extend(steps)
        self._ask()

    def finish(self) -> None:
        """Take all that wait now."""
        if self._steps:
            try:
                self._steps.popleft()()
            finally:
                self.finish()

    def drop(self) -> None:
        """Take none that wait."""
        self._steps.clear()

    def _ask(self) -> None:
        if self._later is None:
            self.finish()
        elif self._steps and not self._asked:
            self._asked = True
            self._later(self._turn)

    def _turn(self) -> None:
        self._asked = False
        if self._steps:
            try:
                self._steps.popleft()()
            finally:
                self._ask()
