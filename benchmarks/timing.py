"""What the timing benchmarks share: a clock that can be stopped, medians, words for the machine."""

from __future__ import annotations

import platform
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Clock", "machine", "middle", "set_threads"]


class Clock:
    """Adds up wall and processor seconds of what is done under it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.calls = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.wall += time.perf_counter() - wall
            self.cpu += time.process_time() - cpu
            self.calls += 1

    def without(self, other: Clock) -> tuple[float, float]:
        """Wall and processor seconds of this clock less those of one that ran inside it."""
        return self.wall - other.wall, self.cpu - other.cpu


def middle(values: Sequence[float] | np.ndarray, digits: int = 3) -> str:
    """Words for repeats: the median, and the least and the largest in brackets."""
    median, low, high = np.median(values), min(values), max(values)
    return f"{median:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def set_threads(number: int) -> int:
    """Let torch use so many threads, 0 for as many as it likes; return how many."""
    if number:
        torch.set_num_threads(number)
    return torch.get_num_threads()


def machine() -> str:
    """Name the processor, the version of torch and its threads."""
    return f"{_processor()}, torch {torch.__version__}, {torch.get_num_threads()} threads"


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
