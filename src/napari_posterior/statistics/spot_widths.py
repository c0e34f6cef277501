"""The width of a spot from its response to two filters, in closed form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.statistics.spot_filter import response_at

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["measure_spots", "spot_volume"]

_WIDER: Final = math.sqrt(2)  # narrower misses pixels, wider meets neighbours
_WIDEST: Final = 3.0  # filter widths


def measure_spots(
    x: np.ndarray, positions: np.ndarray, widths: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Measure how wide spots are, and how they respond at their centres.

    By `response_gain` a spot rho times as wide as the filter responds to a filter kappa times as
    wide with ``R' / R = kappa^2 ((1 + rho^2) / (kappa^2 + rho^2))^(d/2 + 1)``; solved for rho,

        rho^2 = (kappa^2 z - 1) / (1 - z),    z = (R' / (kappa^2 R))^(2 / (d + 2)).

    Here kappa is the root of 2. A spot of the width of the filter is measured to 0.2 % without
    noise and to 3 % at an amplitude 20 times the noise of a pixel; an equal one 4, 5 or 6 widths
    away takes 10, 6 or 2 % off.

    Parameters
    ----------
    x : ndarray, (H, W) or (D, H, W)
        Plane or stack.
    positions : ndarray, (n, d)
        Centres in pixels.
    widths : sequence of float
        Of the filter along each axis, in pixels.

    Returns
    -------
    ratios : ndarray, (n,)
        rho, from 0, where the spot is narrower than pixels can show, to 3, where it is wider.
    responses : ndarray, (n,)
        R, in the unit of x.
    """
    if not len(positions):
        return np.zeros(0), np.zeros(0)
    wider = [_WIDER * width for width in widths]
    near, far = response_at(x, positions, sigmas=(widths, wider))
    share = np.maximum(far, 0.0) / np.where(near > 0, near, np.inf) / _WIDER**2
    z = share ** (2 / (x.ndim + 2))
    largest = (1 + _WIDEST**2) / (_WIDER**2 + _WIDEST**2)
    z = np.clip(z, 1 / _WIDER**2, largest)
    return np.sqrt((_WIDER**2 * z - 1) / (1 - z)), near


def spot_volume(ratios: np.ndarray, responses: np.ndarray, widths: Sequence[float]) -> np.ndarray:
    """Return the sum of all pixels of Gaussian spots, (n,), from the answer of `measure_spots`.

    It is ``A (2 pi)^(d/2) prod_a (rho s_a)`` with ``A = R / gain(rho)``, in which rho cancels but
    for ``R (2 pi)^(d/2) prod_a s_a ((1 + rho^2) / 2)^(d/2 + 1)``.
    """
    ndim = len(widths)
    of_matched = (2 * math.pi) ** (ndim / 2) * math.prod(widths)
    return np.asarray(responses * of_matched * ((1 + ratios**2) / 2) ** (ndim / 2 + 1))
