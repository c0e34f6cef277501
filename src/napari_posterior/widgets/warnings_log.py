"""Python warnings of jobs go to the log, whatever else happens to the warnings of the process."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WarningsLog", "log_warnings_of"]

_LOG = logging.getLogger(__name__)


class WarningsLog:
    """Stands in for ``warnings.showwarning``: logs what threads of one kind warn of.

    Only that function is replaced, in the main thread, and warnings of other threads are passed
    on as before. ``warnings.catch_warnings`` would not do: it swaps the filters of the whole
    process, and two that overlap in two threads leave them swapped for good.

    Parameters
    ----------
    prefix : str
        Names of the threads begin with it.
    before : callable
        The ``showwarning`` that was there.
    """

    def __init__(self, prefix: str, before: Callable[..., None]) -> None:
        self._prefix = prefix
        self._before = before
        self._users = 0

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Log the warning if it is one of ours; else show it as before."""
        if self._users and threading.current_thread().name.startswith(self._prefix):
            _LOG.warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)
        else:
            self._before(message, category, filename, lineno, file, line)

    def take(self) -> None:
        """Count one more user."""
        self._users += 1

    def leave(self) -> None:
        """Count one user less; the last one puts back what was there, unless it is covered."""
        self._users -= 1
        if not self._users and warnings.showwarning is self:
            warnings.showwarning = self._before


def log_warnings_of(prefix: str) -> WarningsLog:
    """Log the python warnings of threads whose names begin so, until ``leave`` is called.

    One that is in place already is shared, so that they never pile up.
    """
    found = warnings.showwarning
    if not isinstance(found, WarningsLog):
        found = WarningsLog(prefix, found)
        warnings.showwarning = found
    found.take()
    return found
