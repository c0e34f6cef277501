"""Maps of offset, read noise and gain, drawn towards one number as far as noise demands.

A map of few frames is mostly noise. Each pixel is therefore moved towards the mean of all by what
its own error is of the spread of the map (empirical Bayes: B. Efron and C. Morris, Journal of the
American Statistical Association 68 (1973) 117-130), and a map that does not spread beyond its
error is one number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import digamma, polygamma

if TYPE_CHECKING:
    from napari_posterior.physics.estimate.frames import Moments

__all__ = ["gain_map", "offset_map", "read_variance_map"]

_SURE: Final = 5.0
_LEAST_GAIN: Final = 0.2


def offset_map(dark: Moments) -> np.ndarray | None:
    """Offset of each pixel in ADU, (H, W), or None if one number does."""
    return _shrink(dark.mean, dark.variance.mean() / dark.frames)


def read_variance_map(dark: Moments) -> np.ndarray | None:
    """Variance of each dark pixel in ADU^2, (H, W), or None if one number does.

    Sample variances are drawn together as G.K. Smyth does, Statistical Applications in Genetics
    and Molecular Biology 3 (2004) article 3: the logarithm of a variance with d degrees of freedom
    scatters by trigamma(d / 2), the rest is true spread and gives the prior's degrees of freedom.
    """
    d = float(dark.frames - 1)
    positive = dark.variance > 0
    if d < 1 or positive.mean() < 0.5:
        return None
    logs = np.log(dark.variance[positive])
    own = float(polygamma(1, d / 2))
    spread = float(logs.var()) - own
    if spread < _SURE * own * np.sqrt(2 / logs.size) * 2:
        return None
    prior = 2 * _inverse_trigamma(spread)
    centre = np.exp(
        logs.mean() - digamma(d / 2) + np.log(d / 2) + digamma(prior / 2) - np.log(prior / 2)
    )
    return np.asarray((prior * centre + d * dark.variance) / (prior + d))


def gain_map(
    flats: list[Moments],
    offset: float | np.ndarray,
    dark_variance: float | np.ndarray,
    gain: float,
) -> np.ndarray | None:
    """Gain of each pixel in ADU/e-, (H, W), or None if one number does.

    Per pixel the slope of ``variance - dark variance`` in ``mean - offset`` over the flats, as in
    F. Huang et al., Nature Methods 10 (2013) 653-658, each weighted by its error.
    """
    above = below = np.zeros(())
    for flat in flats:
        if flat.frames < 2:
            continue
        light = flat.mean - offset
        expected = np.maximum(gain * light, 0) + dark_variance
        weight = (flat.frames - 1) / (2 * np.maximum(expected, 1e-12) ** 2)
        above = above + weight * light * (flat.variance - dark_variance)
        below = below + weight * light**2
    if not below.ndim or not (below > 0).all():
        return None
    gains = _shrink(above / below, 1 / below)
    return None if gains is None else np.maximum(gains, _LEAST_GAIN * gain)


def _shrink(values: np.ndarray, error_squared: float | np.ndarray) -> np.ndarray | None:
    """Values (H, W) moved towards their mean, or None if they spread by their error only."""
    mean, error = float(values.mean()), float(np.mean(error_squared))
    # a robust spread, so that a few hot pixels do not stand for all
    low, high = np.quantile(values, (0.159, 0.841))
    spread = max(float(high - low) / 2, 0.0) ** 2 - error
    if spread <= _SURE * error * np.sqrt(2 / values.size):
        return None
    return np.asarray(mean + (values - mean) * (spread / (spread + error_squared)))


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(x) = value`` for x by Newton's method on 1 / trigamma (Smyth 2004)."""
    x = 0.5 + 1 / value
    for _ in range(20):
        trigamma = float(polygamma(1, x))
        x += trigamma * (1 - trigamma / value) / float(polygamma(2, x))
    return x
