"""Manners of a thread that computes beside a window."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["leave_a_core_free", "share_the_interpreter", "usable_cores", "yield_to_others"]

_NICENESS = 10

_TURN = 0.0001
"""Seconds after which a thread that computes is given the interpreter, where a window holds it.

Python's own 5 ms are waited for after every call of torch while a window draws.
"""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def leave_a_core_free() -> Iterator[None]:
    """Let torch compute on all cores but one in this thread, so that a window stays quick."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, usable_cores() - 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Turns:
    """Python's switch interval, shortened while anyone wants that."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = 0
        self._before = 0.0

    def shorten(self) -> None:
        with self._lock:
            if not self._wanted:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(min(_TURN, self._before))
            self._wanted += 1

    def restore(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                sys.setswitchinterval(self._before)


_TURNS = _Turns()


@contextmanager
def share_the_interpreter() -> Iterator[None]:
    """Let threads take turns fifty times as often, so that computing waits less for a window."""
    _TURNS.shorten()
    try:
        yield
    finally:
        _TURNS.restore()


def yield_to_others() -> None:
    """Lower the priority of this thread until it ends, where the system can do that."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
