"""Quantiles of samples in each pixel: from extremes that are kept, or from all samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_posterior.runs.stack import SampleStack

__all__ = ["from_ranks", "from_samples", "within"]

_VALUES_AT_ONCE: Final = 2**26
"""Values that are held for a quantile: 256 MiB of float32."""

_BLOCK: Final = 512


def within(levels: Sequence[float], count: int, depth: int) -> bool:
    """Whether extremes are enough for these quantiles.

    Parameters
    ----------
    levels : sequence of float
        0 to 1.
    count : int
        How many samples there are.
    depth : int
        How many values are kept at either end.
    """
    return all(
        rank < depth or rank >= count - depth
        for level in levels
        for rank, share in _neighbours(level, count)
        if share
    )


def from_ranks(read: Callable[[int], np.ndarray], level: float, count: int) -> np.ndarray:
    """Return a quantile from the order statistics beside it.

    Parameters
    ----------
    read : callable
        Gives the order statistic of a rank, from 0 for the smallest values.
    level : float
        0 to 1.
    count : int
        How many samples there are.

    Returns
    -------
    ndarray
        float32. Linear between neighbours, as `numpy.quantile` does it (Hyndman and Fan, American
        Statistician 50 (1996) 361-365, definition 7).
    """
    (below, share_below), (above, share_above) = _neighbours(level, count)
    value = read(below).astype(np.float64)
    if share_above:
        value = share_below * value + share_above * read(above)
    return value.astype(np.float32)


def from_samples(samples: SampleStack, levels: Sequence[float]) -> np.ndarray:
    """Return quantiles from all samples, read block by block.

    Parameters
    ----------
    samples : SampleStack, (K, ...)
        One sample at least.
    levels : sequence of float
        0 to 1.

    Returns
    -------
    ndarray, (levels, ...)
        float32.
    """
    shape = samples.shape[1:]
    result = np.empty((len(levels), *shape), np.float32)
    for block in _blocks(shape, len(samples)):
        values = samples[(slice(None), *block)]
        result[(slice(None), *block)] = np.quantile(values, levels, axis=0)
    return result


def _neighbours(level: float, count: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """Ranks beside a quantile, and the share of each."""
    place = level * (count - 1)
    below = math.floor(place)
    return (below, 1 - (place - below)), (below + 1, place - below)


def _blocks(shape: tuple[int, ...], samples: int) -> Iterator[tuple[int | slice, ...]]:
    """Parts of an image, aligned to its chunks, of which all samples fit into memory."""
    *leading, height, width = shape
    rows = max(1, min(_BLOCK, _VALUES_AT_ONCE // (samples * _BLOCK)))
    for lead in np.ndindex(*leading):
        for x in range(0, width, _BLOCK):
            for y in range(0, height, rows):
                yield (*lead, slice(y, min(y + rows, height)), slice(x, min(x + _BLOCK, width)))
