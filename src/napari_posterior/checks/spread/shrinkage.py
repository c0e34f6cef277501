"""Variances of single pixels, steadied by those around them, for maps to look at."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import ndimage, special

__all__ = ["shrink_variances"]

_WINDOW: Final = 9  # px across
_ROUNDS: Final = 50


def shrink_variances(variances: np.ndarray, df: int) -> np.ndarray:
    """Pull the variance of each pixel towards the median around it.

    Parameters
    ----------
    variances : ndarray, (H, W)
        Over samples.
    df : int
        Degrees of freedom of each, K - 1.

    Returns
    -------
    ndarray, (H, W) float64
        ``(d0 s0^2 + d s^2) / (d0 + d)``, with s0^2 from the local median of ln s^2 and d0 such that
        the spread of ln s^2 around it is that of a scaled F law: ``Var = trigamma(d/2) +
        trigamma(d0/2)``, the empirical-Bayes moments of Smyth (2004), Stat. Appl. Genet. Mol. Biol.
        3:3, section 6.2. Pixels without variance stay as they are.
    """
    found = np.asarray(variances, np.float64)
    there = found > 0
    if not there.any():
        return found
    logs = np.log(np.where(there, found, np.median(found[there])))
    logs += math.log(df / 2) - float(special.digamma(df / 2))
    local = ndimage.median_filter(logs, _WINDOW, mode="reflect")
    excess = float(np.var((logs - local)[there])) - float(special.polygamma(1, df / 2))
    prior = 2 * _inverse_trigamma(excess) if excess > 0 else math.inf
    if prior == math.inf:
        return np.where(there, np.exp(local), found)
    centre = np.exp(local + float(special.digamma(prior / 2)) - math.log(prior / 2))
    return np.where(there, (prior * centre + df * found) / (prior + df), found)


def _inverse_trigamma(value: float) -> float:
    """Solve ``trigamma(y) = value`` by Newton's method; Smyth (2004), appendix."""
    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    y = 0.5 + 1 / value
    for _ in range(_ROUNDS):
        at = float(special.polygamma(1, y))
        step = at * (1 - at / value) / float(special.polygamma(2, y))
        y += step
        if -step / y < 1e-8:
            break
    return y
