"""The smallest and the largest values of each pixel, of samples that pass by one at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["FEWEST_SAMPLES", "Extremes", "depth_for"]

FEWEST_SAMPLES: Final = 16
"""Of fewer samples nothing is kept: reading all of them again takes no longer."""

_DEEPEST: Final = 16
_SHARE: Final = 8
_VALUES_HELD: Final = 2**27
"""Values of all images of extremes: 512 MiB of float32."""

_BLOCK: Final = 2**16


def depth_for(samples: int, pixels: int) -> int:
    """How many of the smallest, and as many of the largest, values of each pixel to keep.

    Parameters
    ----------
    samples : int
        Of the run.
    pixels : int
        Of one sample, all planes together.

    Returns
    -------
    int
        An eighth of the samples, so that what is kept takes a quarter of their room at most, and
        16 at most; fewer where the image is large, and 0 for a run of fewer than 16 samples.
    """
    if samples < FEWEST_SAMPLES:
        return 0
    return min(_DEEPEST, samples // _SHARE, _VALUES_HELD // (2 * pixels))


class Extremes:
    """The extreme order statistics of each pixel, float32, in memory that does not grow.

    Each new value sinks into the sorted values that are kept, one comparison a rank.

    Parameters
    ----------
    depth : int
        How many to keep at either end; with 0 nothing is done.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self._count = 0
        self._lowest = np.empty((0, 0), np.float32)
        self._highest = self._lowest
        self._shape: tuple[int, ...] = ()

    def add(self, sample: np.ndarray) -> None:
        """Add one sample of finite values; all have the same shape."""
        if not self.depth:
            return
        values = np.asarray(sample, np.float32).reshape(-1)
        if self._count == 0:
            self._shape = np.shape(sample)
            self._lowest = np.full((self.depth, values.size), np.inf, np.float32)
            self._highest = np.full((self.depth, values.size), -np.inf, np.float32)
        self._count += 1
        ranks = min(self.depth, self._count)
        for start in range(0, values.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            _sink(self._lowest[:ranks, part], values[part], np.minimum, np.maximum)
            _sink(self._highest[:ranks, part], values[part], np.maximum, np.minimum)

    @property
    def lowest(self) -> np.ndarray:
        """The smallest values, smallest first, (ranks, ...); no more ranks than samples."""
        return self._shaped(self._lowest)

    @property
    def highest(self) -> np.ndarray:
        """The largest values, largest first, (ranks, ...); no more ranks than samples."""
        return self._shaped(self._highest)

    def _shaped(self, kept: np.ndarray) -> np.ndarray:
        ranks = min(self.depth, self._count)
        return kept[:ranks].reshape(ranks, *self._shape)


def _sink(kept: np.ndarray, values: np.ndarray, first: np.ufunc, last: np.ufunc) -> None:
    """Sort values into rows that are sorted already; what falls off the end is dropped."""
    sinking, spare = values.copy(), np.empty_like(values)
    for row in kept:
        first(row, sinking, out=spare)
        last(row, sinking, out=sinking)
        row[:] = spare
