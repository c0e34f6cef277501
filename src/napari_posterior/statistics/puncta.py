"""Puncta: detected with one filter of fixed width and a threshold fixed from the measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.statistics.base import statistic

if TYPE_CHECKING:
    from napari_posterior.statistics.context import StatisticContext

__all__ = ["Puncta", "detect_puncta", "puncta_count", "spot_response"]

_LARGEST_STEP: Final = 0.6  # px, of the subpixel fit
_CANDIDATE: Final = 0.75  # of the threshold: a spot between pixels gains by the subpixel fit


@dataclass(frozen=True)
class Puncta:
    """Detected puncta of one plane.

    Parameters
    ----------
    positions : ndarray, (n, 2)
        Row and column in pixels.
    amplitudes : ndarray, (n,)
        Peak height above the surroundings, photoelectrons per pixel.
    """

    positions: np.ndarray
    amplitudes: np.ndarray

    def __len__(self) -> int:
        """Return the number of puncta."""
        return len(self.amplitudes)


def spot_response(x: np.ndarray, *, sigma: float = TARGET_SIGMA) -> np.ndarray:
    """Return ``R = -2 sigma^2 LoG_sigma(x)``, (H, W) float64, in the unit of x.

    At the centre of a Gaussian spot of width `sigma` on a flat or tilted surrounding R is the
    spot's amplitude; at width s it is ``A * 4 s^2 sigma^2 / (s^2 + sigma^2)^2``.
    """
    response = ndimage.gaussian_laplace(
        np.asarray(x, np.float64), sigma, mode="reflect", truncate=8.0
    )
    return np.asarray(-2.0 * sigma**2 * response)


def detect_puncta(x: np.ndarray, threshold: float, *, sigma: float = TARGET_SIGMA) -> Puncta:
    """Find the local maxima of the spot response with an amplitude above `threshold`.

    Maxima of 3 x 3 pixels are refined by a parabola along each axis, clipped to 0.6 px.

    Parameters
    ----------
    x : ndarray, (H, W)
        One sample, photoelectrons per pixel at the target resolution.
    threshold : float
        Smallest amplitude, photoelectrons per pixel; fixed before sampling.
    sigma : float
        Width of the spots in pixels.

    Returns
    -------
    Puncta

    Raises
    ------
    InputError
        If `x` is not two-dimensional or the threshold is not positive.
    """
    if x.ndim != 2:
        raise InputError(f"puncta are detected plane by plane; the array has {x.ndim} axes")
    if not threshold > 0:
        raise InputError(f"the puncta threshold is {threshold}; give a positive amplitude")
    response = spot_response(x, sigma=sigma)
    highest = ndimage.maximum_filter(response, size=3, mode="reflect")
    rows, columns = np.nonzero((response == highest) & (response > _CANDIDATE * threshold))
    # The response of a matched spot, (1 - u) exp(-u) with u = r^2 / (4 sigma^2), is a parabola
    # within 1 % after the cube root; without it, spots between pixels read 8 % low.
    padded = np.cbrt(np.pad(response, 1, mode="symmetric"))
    here = padded[rows + 1, columns + 1]
    offsets, rise = np.zeros((len(rows), 2)), np.zeros(len(rows))
    for axis, (dy, dx) in enumerate(((1, 0), (0, 1))):
        before = padded[rows + 1 - dy, columns + 1 - dx]
        after = padded[rows + 1 + dy, columns + 1 + dx]
        offsets[:, axis], raised = _fit_peak(before, here, after)
        rise += raised
    amplitudes = (here + rise) ** 3
    keep = amplitudes > threshold
    positions = np.stack([rows, columns], axis=1) + offsets
    return Puncta(positions[keep], amplitudes[keep])


def _fit_peak(
    before: np.ndarray, here: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the offset of the maximum and the rise to it, by a parabola through three values."""
    slope, bend = (after - before) / 2, before - 2 * here + after
    curved = bend < 0
    step = np.where(curved, -slope / np.where(curved, bend, -1.0), 0.0)
    step = np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
    return step, slope * step + bend * step**2 / 2


@statistic(title="puncta count", unit="puncta", combine="sum")
def puncta_count(x: np.ndarray, context: StatisticContext) -> float:
    """Count the puncta above the threshold of the context."""
    return float(len(detect_puncta(x, context.puncta_threshold, sigma=context.target_sigma)))
