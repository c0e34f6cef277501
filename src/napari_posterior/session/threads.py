"""Manners of a thread that computes beside a window."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["leave_a_core_free", "usable_cores", "yield_to_others"]

_NICENESS = 10


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


def yield_to_others() -> None:
    """Lower the priority of this thread until it ends, where the system can do that."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
