"""Symmetric filters as sums of shifted planes, in single precision.

They take a third of the time of `scipy.ndimage`, and unlike products with banded matrices they
start no threads beside those that work on other samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_shifted", "curved_taps", "gaussian_taps", "mirrored", "row_blocks"]

_BLOCK: Final = 1 << 15  # values worked on at once, which stay in a processor's cache


def gaussian_taps(width: float, reach: float) -> np.ndarray:
    """Return the taps of a Gaussian of sum 1 at 0, 1, ..., float32.

    Parameters
    ----------
    width : float
        Standard deviation in pixels.
    reach : float
        Where it is cut off, in widths.
    """
    return _gaussian(width, reach)[2].astype(np.float32)


def curved_taps(width: float, reach: float) -> np.ndarray:
    """Return the taps of ``width^2`` times the second derivative of a Gaussian, float32.

    Parameters
    ----------
    width : float
        Standard deviation in pixels.
    reach : float
        Where it is cut off, in widths.
    """
    k, twice, near = _gaussian(width, reach)
    curve = ((k / width) ** 2 - 1) * near
    # cut off, the taps would answer to a level, and wrongly to a parabola
    curve -= near * (twice * curve).sum()
    return np.asarray(curve * (2 * width**2 / (twice * k**2 * curve).sum()), np.float32)


def add_shifted(
    source: np.ndarray,
    kernels: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    start: int,
    stride: int,
    spare: np.ndarray,
    more: bool = False,
) -> None:
    """Write ``sum_k taps[|k|] source[start + k stride:]`` into the total of every kernel.

    Images are taken as one long row each, in which the next pixel along an axis is `stride` away:
    rows one by one would take four times as long.

    Parameters
    ----------
    source : ndarray, (m,)
        Float32, with all that the taps reach on both sides.
    kernels : sequence of (taps, total)
        Taps at 0, 1, ..., equally many, and float32 memory for the total, (n,).
    start : int
        Where in the source the first value of the totals lies.
    stride : int
        From a tap to the next.
    spare : ndarray, (2, n) or longer
        Float32 memory to work in.
    more : bool
        Add to what is in the totals.
    """
    size = len(kernels[0][1])
    pair, product = spare[:, :size]
    for k in range(len(kernels[0][0])):
        before, after = start - k * stride, start + k * stride
        both = source[after : after + size]
        if k:
            both = np.add(source[before : before + size], both, out=pair)
        for taps, total in kernels:
            if k or more:
                np.multiply(both, taps[k], out=product)
                total += product
            else:
                np.multiply(both, taps[0], out=total)


def mirrored(values: np.ndarray, *reach: int) -> np.ndarray:
    """Return the values with so many mirrored ones at both ends of each axis."""
    return np.pad(values, [(r, r) for r in reach], mode="symmetric")


def row_blocks(height: int, width: int) -> list[slice]:
    """Return the blocks of rows that a plane is worked on in, the largest first."""
    rows = max(1, _BLOCK // width)
    return [slice(start, min(start + rows, height)) for start in range(0, height, rows)]


def _gaussian(width: float, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return places from the middle, how often each stands, and a Gaussian of sum 1 there."""
    k = np.arange(math.ceil(reach * width) + 1, dtype=np.float64)
    twice = np.where(k > 0, 2.0, 1.0)  # those before 0 are as those after it
    near = np.exp(-(k**2) / (2 * width**2))
    return k, twice, near / (twice * near).sum()
