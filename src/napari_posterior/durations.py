"""Times in words, the same wherever a cost or the time left is told."""

from __future__ import annotations

__all__ = ["duration"]


def duration(seconds: float) -> str:
    """Write a time for people: ``"3 s"``, ``"2 min"``, ``"1.5 h"``.

    Parameters
    ----------
    seconds : float
        Less than a second counts as one; minutes from 100 s on, hours from 90 minutes on.
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
