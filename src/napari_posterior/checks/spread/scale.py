"""The unit of standardised samples: how much both runs together vary at a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from napari_posterior.checks.spread.moments import Moments

__all__ = ["pooled_scale"]

_FLOOR: Final = 0.1  # of the median SD
_SMOOTHING: Final = 2.0  # px


def pooled_scale(teacher: Moments, student: Moments, counts: tuple[int, int]) -> np.ndarray:
    """Return the pooled standard deviation plus a tenth of its median, (H, W) float64.

    Pooled, so that exchanging samples between the runs does not change it; the variance is averaged
    with a Gaussian of 2 px, as what few samples leave uncertain of it would bias ratios towards 1
    and spread power over frequencies; the floor keeps pixels where both are certain from deciding.

    Parameters
    ----------
    teacher, student : Moments
        Of the samples that are compared.
    counts : tuple of int
        Samples of each run.
    """
    free = counts[0] - 1, counts[1] - 1
    squares = [np.square(one.sd, dtype=np.float64) for one in (teacher, student)]
    variance = (free[0] * squares[0] + free[1] * squares[1]) / sum(free)
    sd = np.sqrt(ndimage.gaussian_filter(variance, _SMOOTHING, mode="reflect"))
    return np.asarray(sd + max(_FLOOR * float(np.median(sd)), float(np.finfo(np.float32).tiny)))
