"""Mean and standard deviation of samples that pass by one at a time."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["Moments"]

_BLOCK: Final = 2**16
"""Pixels at a time: they stay in the cache of a core, and what is held besides stays small."""


class Moments:
    """Running mean and squared deviations by Welford's update, in float64.

    Two float64 images are kept whatever the number of samples. Source: B. P. Welford,
    Technometrics 4 (1962) 419-420.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(())
        self._squares = np.zeros(())

    @property
    def count(self) -> int:
        """How many samples were added."""
        return self._count

    def add(self, sample: np.ndarray) -> None:
        """Add one sample; all have the same shape."""
        if self._count == 0:
            shape = np.shape(sample)
            self._mean, self._squares = np.zeros(shape), np.zeros(shape)
        self._count += 1
        values = np.asarray(sample).reshape(-1)
        means, squares = self._mean.reshape(-1), self._squares.reshape(-1)
        for start in range(0, values.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            value = values[part].astype(np.float64)
            delta = value - means[part]
            means[part] += delta / self._count
            squares[part] += delta * (value - means[part])

    @property
    def mean(self) -> np.ndarray:
        """Mean of the samples, float64."""
        return self._mean

    @property
    def sd(self) -> np.ndarray:
        """Standard deviation with ``n - 1`` in the denominator, float64; NaN for n < 2.

        One sample says nothing about spread, so NaN and not zero.
        """
        if self._count < 2:
            return np.full_like(self._mean, np.nan)
        return np.sqrt(self._squares / (self._count - 1))
