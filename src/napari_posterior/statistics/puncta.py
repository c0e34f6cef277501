"""Puncta: spots above an amplitude that is fixed before sampling, with their width and light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.statistics.base import Objects, Parameter
from napari_posterior.statistics.context import StatisticContext
from napari_posterior.statistics.registry import statistic
from napari_posterior.statistics.spot_filter import as_widths, spot_response
from napari_posterior.statistics.spot_maxima import (
    Puncta,
    find_maxima,
    least_share,
    refine,
    with_border,
)
from napari_posterior.statistics.spot_scales import find_across_scales
from napari_posterior.statistics.spot_widths import measure_spots, spot_volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.statistics.spot_filter import Widths

__all__ = [
    "CURVE_FACTORS",
    "Puncta",
    "count_curve",
    "detect_puncta",
    "found_puncta",
    "puncta_count",
    "puncta_count_3d",
    "puncta_curve",
    "spot_response",
]

CURVE_FACTORS: Final = (0.5, 0.8, 1.0, 1.25, 2.0)
"""Thresholds at which puncta are counted, in units of the one of the context."""

_Factor = Annotated[
    float, Parameter(minimum=0.01, doc="Times the threshold that was fixed from y.")
]


def detect_puncta(
    x: np.ndarray,
    threshold: float,
    *,
    sigma: Widths = TARGET_SIGMA,
    sigmas: Sequence[Widths] | None = None,
) -> Puncta:
    """Find the local maxima of the spot response with an amplitude above `threshold`.

    Maxima over 3^d pixels are refined by a parabola along each axis, clipped to 0.6 px. At one
    scale the amplitude is that of `spot_response`: of a spot of width `sigma` its own, of others
    less. With several it is that of a spot of the width that was measured.

    Parameters
    ----------
    x : ndarray, (H, W) or (D, H, W)
        One sample, photoelectrons per pixel at the target resolution; or a measured plane or
        stack, in any unit.
    threshold : float
        Smallest amplitude, in the unit of x; fixed before sampling.
    sigma : float or sequence of float
        Width of the spots in pixels, for all axes or one each.
    sigmas : sequence of float, or of sequences of float, optional
        Two or more widths, from small to large, for spots of several sizes; see
        `spot_scales.find_across_scales`.

    Returns
    -------
    Puncta

    Raises
    ------
    InputError
        If `x` is neither a plane nor a stack, the threshold is not positive, or widths do not fit.
    """
    _check_thresholds(threshold)
    x = np.asarray(x)
    if sigmas is not None:
        return find_across_scales(x, threshold, sigmas)
    positions, amplitudes = _find(x, threshold, sigma)
    widths = as_widths(sigma, x.ndim)
    ratios, _ = measure_spots(x, positions, widths)
    intensities = spot_volume(ratios, amplitudes, widths)
    return Puncta(positions, amplitudes, ratios * widths[-1], intensities)


def count_curve(
    x: np.ndarray,
    thresholds: Sequence[float] | np.ndarray,
    *,
    sigma: Widths = TARGET_SIGMA,
    sigmas: Sequence[Widths] | None = None,
) -> np.ndarray:
    """Count the puncta above each of several thresholds, filtering once.

    Parameters
    ----------
    x, sigma, sigmas
        As in `detect_puncta`.
    thresholds : sequence of float
        Smallest amplitudes, in the unit of x.

    Returns
    -------
    ndarray, (n_thresholds,)
        What `detect_puncta` finds at each, int64.
    """
    _check_thresholds(*thresholds)
    if sigmas is None:
        _, amplitudes = _find(np.asarray(x), min(thresholds), sigma)
    else:
        amplitudes = detect_puncta(x, min(thresholds), sigmas=sigmas).amplitudes
    return _count_above(amplitudes, thresholds)


@statistic(name="puncta", title="number of puncta, width and light", unit="puncta", regions=True)
def found_puncta(
    x: np.ndarray,
    context: StatisticContext,
    *,
    threshold_factor: _Factor = 1.0,
) -> Objects:
    """Return the puncta above the threshold of the context, with amplitude, light and width."""
    threshold = threshold_factor * context.puncta_threshold
    found = detect_puncta(x, threshold, sigma=context.target_sigma)
    objects = Objects(
        found.positions,
        {
            "amplitude": found.amplitudes,
            "intensity": found.intensities,
            "width": found.widths,
        },
        {"amplitude": "photoelectrons/px", "intensity": "photoelectrons", "width": "px"},
    )
    return objects.take(context.inside(found.positions))


@statistic(title="puncta count", unit="puncta", combine="sum", regions=True)
def puncta_count(
    x: np.ndarray,
    context: StatisticContext,
    *,
    threshold_factor: _Factor = 1.0,
) -> float:
    """Count the puncta above the threshold of the context."""
    return float(_counts(x, context, [threshold_factor])[0])


@statistic(title="puncta count in 3-D", unit="puncta", volume=True)
def puncta_count_3d(
    x: np.ndarray,
    context: StatisticContext,
    *,
    axial_width: Annotated[
        float, Parameter(unit="planes", minimum=0.3, doc="Width of a punctum along z.")
    ] = 1.0,
    threshold_factor: _Factor = 1.0,
) -> float:
    """Count the puncta of a stack (Z, Y, X), each once whatever planes it is seen in."""
    sigma = (axial_width, context.target_sigma, context.target_sigma)
    return float(len(detect_puncta(x, threshold_factor * context.puncta_threshold, sigma=sigma)))


@statistic(title="puncta count over the threshold", unit="puncta", combine="sum", regions=True)
def puncta_curve(x: np.ndarray, context: StatisticContext) -> dict[str, float]:
    """Count the puncta above 0.5, 0.8, 1, 1.25 and 2 times the threshold of the context."""
    counts = _counts(x, context, CURVE_FACTORS)
    return {f"x{factor:g}": float(n) for factor, n in zip(CURVE_FACTORS, counts, strict=True)}


def _counts(x: np.ndarray, context: StatisticContext, factors: Sequence[float]) -> np.ndarray:
    thresholds = np.asarray(factors) * context.puncta_threshold
    positions, amplitudes = _find(np.asarray(x), thresholds.min(), context.target_sigma)
    return _count_above(amplitudes[context.inside(positions)], thresholds)


def _find(x: np.ndarray, threshold: float, sigma: Widths) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n, d) and amplitudes (n,) above a threshold."""
    bordered = with_border(x.shape)
    bordered[(slice(1, -1),) * x.ndim] = spot_response(x, sigma=sigma)
    least = least_share(as_widths(sigma, x.ndim))
    found = find_maxima(bordered, least * threshold * (1 - 1e-6))
    positions, heights = refine(bordered, found)
    # what the pixel shows bounds it, so that no threshold finds what a lower one does not
    amplitudes = np.minimum(heights, bordered.ravel()[found] / least)
    keep = amplitudes > threshold
    return positions[keep], amplitudes[keep]


def _count_above(amplitudes: np.ndarray, thresholds: Sequence[float] | np.ndarray) -> np.ndarray:
    below = np.searchsorted(np.sort(amplitudes), thresholds, side="right")
    return np.asarray(len(amplitudes) - below, np.int64)


def _check_thresholds(*thresholds: float) -> None:
    for threshold in thresholds:
        if not threshold > 0:
            raise InputError(f"the puncta threshold is {threshold}; give a positive amplitude")
