"""A flag that another thread, a signal handler or a button raises to stop a run."""

from __future__ import annotations

import threading

__all__ = ["CancelToken", "RunCancelledError"]


class RunCancelledError(Exception):
    """The token was cancelled; raised inside a run, never seen outside of it."""


class CancelToken:
    """A thread-safe, one-way cancel flag, looked at after every network call."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop; calling it again changes nothing."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Leave the current computation if the run was asked to stop.

        Raises
        ------
        RunCancelledError
            If `cancel` was called.
        """
        if self._event.is_set():
            raise RunCancelledError
