"""Bins and ticks with round edges."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

__all__ = ["log_ticks", "shared_edges", "ticks"]

_MOST_BARS: Final = 24


def shared_edges(teacher: np.ndarray, student: np.ndarray) -> np.ndarray:
    """Choose common bins: one for each whole number where that gives few, else round widths.

    Parameters
    ----------
    teacher, student : ndarray, (K,)
        Finite numbers; at least one in one of them.

    Returns
    -------
    ndarray, (bins + 1,)
        Edges in increasing order.
    """
    joined = np.concatenate([teacher, student]).astype(np.float64)
    low, high = float(joined.min()), float(joined.max())
    whole = bool((joined == np.round(joined)).all())
    if whole and high - low < _MOST_BARS:
        return np.arange(low - 0.5, high + 1.0)
    if high - low <= 1e-9 * max(abs(high), 1e-9):
        half = max(abs(low) * 1e-3, 1e-6)
        return np.array([low - half, low + half])
    bars = int(np.clip(1.3 * len(joined) ** 0.5, 6, _MOST_BARS))
    width = (high - low) / bars
    if whole:  # the same number of whole numbers in every bin
        width = math.ceil(width)
        return np.arange(low - 0.5, high + width, width)
    return np.linspace(low, high, bars + 1)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers between two limits, about `count` of them."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    found = [(first + i) * step for i in range(count + 2)]
    return [round(tick, 10) + 0.0 for tick in found if tick <= high + 1e-9 * step]


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two positive limits; fewer if many.

    Within less than a decade, where these are few, round numbers take their place.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(found) <= most:
            break
    return found if len(found) >= 3 else ticks(low, high, 6)
