"""How far a job is, as numbers and as words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["ENDED", "JobState", "Progress", "count_of"]

JobState: TypeAlias = Literal["idle", "waiting", "running", "done", "failed", "cancelled"]

ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """A snapshot of a job.

    Attributes
    ----------
    fraction : float
        Done part, 0 to 1.
    seconds_left : float or None
        None while it cannot be told.
    done, total : int
        Samples; `total` is 0 while it is not known.
    sentence : str
        All of it in words, for a line below a progress bar.
    """

    fraction: float = 0.0
    seconds_left: float | None = None
    done: int = 0
    total: int = 0
    sentence: str = "not started"


def count_of(number: int, noun: str = "sample") -> str:
    """Return words for a number of things: ``"1 sample"``, ``"16 samples"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
