"""Intensity of a sample, everywhere or in a region, with or without its background.

All of these are linear in x: the mean over samples is that of the mean image, and what is said of
the mean gap of two runs holds for them as it stands.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.base import Parameter
from napari_posterior.statistics.context import StatisticContext
from napari_posterior.statistics.registry import statistic

__all__ = [
    "corrected_intensity",
    "corrected_mean_intensity",
    "intensity_weights",
    "mean_intensity",
    "total_intensity",
]

_GAP: Final = 2.0  # of the width at which x is seen: the light of a region spills over its edge

_Ring = Annotated[
    float,
    Parameter(
        unit="px",
        minimum=0,
        doc="Width of a ring around the region whose mean is the background; 0 takes the "
        "background of the measurement.",
    ),
]


@statistic(title="total intensity", unit="photoelectrons", combine="sum", regions=True)
def total_intensity(x: np.ndarray, context: StatisticContext) -> float:
    """Return the sum of a sample, in photoelectrons."""
    return float(np.sum(_inside(x, context), dtype=np.float64))


@statistic(title="mean intensity", unit="photoelectrons/px", combine="mean", regions=True)
def mean_intensity(x: np.ndarray, context: StatisticContext) -> float:
    """Return the mean of a sample, in photoelectrons per pixel."""
    return float(np.mean(_inside(x, context), dtype=np.float64))


@statistic(
    title="background-corrected intensity", unit="photoelectrons", combine="sum", regions=True
)
def corrected_intensity(x: np.ndarray, context: StatisticContext, *, ring: _Ring = 0.0) -> float:
    """Return the sum of a sample above its background, in photoelectrons.

    Parameters
    ----------
    x : ndarray, (H, W)
        One sample, photoelectrons per pixel.
    context : StatisticContext
        With the background, and the region if there is one.
    ring : float
        Width in pixels of a ring around the region whose mean is the background instead; see
        `intensity_weights`.

    Raises
    ------
    InputError
        If a ring is asked for without a region, or holds no pixel.
    """
    weights, offset = intensity_weights(x.shape, context, ring=ring)
    return float(np.sum(weights * x, dtype=np.float64) + offset)


@statistic(
    title="background-corrected mean intensity",
    unit="photoelectrons/px",
    combine="mean",
    regions=True,
)
def corrected_mean_intensity(
    x: np.ndarray, context: StatisticContext, *, ring: _Ring = 0.0
) -> float:
    """Return the mean of a sample above its background; see `corrected_intensity`."""
    pixels = _inside(x, context).size
    weights, offset = intensity_weights(x.shape, context, ring=ring)
    return float(np.sum(weights * x, dtype=np.float64) + offset) / pixels


def intensity_weights(
    shape: tuple[int, ...], context: StatisticContext, *, ring: float = 0.0
) -> tuple[np.ndarray, float]:
    """Return weights w and a constant c with which ``sum(w x) + c`` is the corrected intensity.

    Without a ring, w is 1 inside and c is minus the background of the context there. With one, w
    is 1 inside and negative on the ring so that all weights sum to 0, and c is 0. The ring begins
    two widths of x outside the region; what else shines in it counts as background too.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane.
    context : StatisticContext
        With the background, and the region if there is one.
    ring : float
        Width of the ring in pixels; 0 for none.

    Returns
    -------
    weights : ndarray, (H, W) float64
    constant : float
        Photoelectrons.

    Raises
    ------
    InputError
        If a ring is asked for without a region, or holds no pixel.
    """
    from scipy import ndimage

    if context.region is None:
        if ring > 0:
            raise InputError("a ring lies around a region; give a region, or set ring=0")
        inside = np.ones(shape, bool)
    else:
        inside = context.region
    weights = inside.astype(np.float64)
    if not ring > 0:
        return weights, -float(weights.sum()) * context.background_in_x
    away = ndimage.distance_transform_edt(~inside)
    gap = _GAP * context.target_sigma
    around = (away > gap) & (away <= gap + ring)
    if not around.any():
        raise InputError(f"the ring of {ring:g} px around the region holds no pixel; set ring=0")
    weights[around] = -weights.sum() / around.sum()
    return weights, 0.0


def _inside(x: np.ndarray, context: StatisticContext) -> np.ndarray:
    """Return the pixels of the region, (n,), or the plane."""
    if context.region is None:
        return x
    if not context.region.any():
        raise InputError("the region holds no pixel of the image; draw it larger or inside")
    return np.asarray(x[context.region])
