"""Mean and standard deviation of samples that pass by one at a time."""

from __future__ import annotations

import numpy as np

__all__ = ["Moments"]


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
        value = np.asarray(sample, np.float64)
        if self._count == 0:
            self._mean, self._squares = np.zeros_like(value), np.zeros_like(value)
        self._count += 1
        delta = value - self._mean
        self._mean += delta / self._count
        self._squares += delta * (value - self._mean)

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
