"""Intensity of a whole sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.statistics.base import statistic

if TYPE_CHECKING:
    from napari_posterior.statistics.context import StatisticContext

__all__ = ["mean_intensity", "total_intensity"]


@statistic(title="total intensity", unit="photoelectrons", combine="sum")
def total_intensity(x: np.ndarray, context: StatisticContext) -> float:
    """Return the sum of a sample, in photoelectrons."""
    return float(np.sum(x, dtype=np.float64))


@statistic(title="mean intensity", unit="photoelectrons/px", combine="mean")
def mean_intensity(x: np.ndarray, context: StatisticContext) -> float:
    """Return the mean of a sample, in photoelectrons per pixel."""
    return float(np.mean(x, dtype=np.float64))
