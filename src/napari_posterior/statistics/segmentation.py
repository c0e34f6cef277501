"""Segmentation: one level fixed from the measurement, and what lies above it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.physics.measurement import Measurement

__all__ = ["SMALLEST", "SMOOTHING", "object_threshold", "segment", "smooth_by_psf"]

SMALLEST: Final = 64.0
"""Area in pixels below which nothing is an object."""

SMOOTHING: Final = 1.0
"""Width in pixels of the Gaussian that takes the grain from outlines."""

_FLOOR: Final = 1.0  # percent of the pixels: what is taken for no light
_LEAST_SNR: Final = 3.0  # of a pixel of the smoothed measurement at the threshold


def object_threshold(measurement: Measurement) -> float:
    """Return the level in x above which a pixel belongs to an object, photoelectrons per pixel.

    The measurement is smoothed by its PSF, its first percentile is taken as the floor, and the
    threshold of Otsu (IEEE Trans. Syst. Man Cybern. 9 (1979) 62) is found for the square root of
    the light above the floor. The square root makes shot noise equally wide everywhere (Anscombe,
    Biometrika 35 (1948) 246) and keeps dim objects beside bright ones. Gain and offset of the
    camera cancel in this. Otsu's method divides any plane in two, so the threshold lies at least
    3 standard deviations of the smoothed noise, ``sqrt(b + read^2) / (2 sqrt(pi) sigma)``, above
    b, the mean of what is below it. Objects of less than a quarter of the light of most others
    can be missed, and so can those that cover very little of the plane.

    Parameters
    ----------
    measurement : Measurement
        One plane, or a stack that is smoothed plane by plane.
    """
    from skimage.filters import threshold_otsu

    smooth = smooth_by_psf(measurement)
    floor = float(np.percentile(smooth, _FLOOR))
    root = np.sqrt(np.clip(smooth - floor, 0.0, None))
    level = floor + float(threshold_otsu(root)) ** 2  # type: ignore[no-untyped-call]
    below = max(float(smooth[smooth <= level].mean()), 0.0)
    variance = below + measurement.camera.typical.read_noise**2
    sd = math.sqrt(variance / math.pi) / (2 * measurement.psf.sigma)
    return max(level, below + _LEAST_SNR * sd) - measurement.background


def smooth_by_psf(measurement: Measurement) -> np.ndarray:
    """Return a measurement smoothed by its PSF plane by plane, photoelectrons per pixel."""
    light = measurement.electrons.astype(np.float64)
    widths = (0.0,) * (light.ndim - 2) + (measurement.psf.sigma,) * 2
    return np.asarray(ndimage.gaussian_filter(light, widths, mode="reflect"))


def segment(
    x: np.ndarray,
    threshold: float,
    *,
    minimum_area: float = SMALLEST,
    smoothing: float = SMOOTHING,
    fill_holes: bool = True,
) -> np.ndarray:
    """Label what lies above a threshold; pixels that touch at a corner belong together.

    Parameters
    ----------
    x : ndarray, (H, W)
        One sample, photoelectrons per pixel at the target resolution.
    threshold : float
        Photoelectrons per pixel; fixed before sampling, see `object_threshold`.
    minimum_area : float
        Smallest object in pixels.
    smoothing : float
        Width in pixels of a Gaussian applied before; 0 for none.
    fill_holes : bool
        Whether what an object encloses is part of it.

    Returns
    -------
    ndarray, (H, W) int32
        0 for none, then 1, 2, ... from the top.

    Raises
    ------
    InputError
        If `x` is not two-dimensional or the threshold is not finite.
    """
    from skimage.measure import label

    if x.ndim != 2:
        raise InputError(f"objects are found plane by plane; the array has {x.ndim} axes")
    if not math.isfinite(threshold):
        raise InputError(f"the object threshold is {threshold}; give a finite level")
    plane = np.asarray(x, np.float64)
    if smoothing > 0:
        plane = ndimage.gaussian_filter(plane, smoothing, mode="reflect")
    mask = plane > threshold
    if fill_holes:
        mask |= _enclosed(mask)
    labels = np.asarray(label(mask, connectivity=2))  # type: ignore[no-untyped-call]
    kept = np.bincount(labels.ravel()) >= minimum_area
    kept[0] = False
    return np.asarray((np.cumsum(kept) * kept)[labels], np.int32)


def _enclosed(mask: np.ndarray) -> np.ndarray:
    """Return what the mask encloses: the rest that cannot be left without a diagonal step."""
    rest, count = ndimage.label(~mask)
    opened = np.zeros(count + 1, bool)
    for edge in (rest[0], rest[-1], rest[:, 0], rest[:, -1]):
        opened[edge] = True
    opened[0] = True
    return np.asarray(~opened[rest])
