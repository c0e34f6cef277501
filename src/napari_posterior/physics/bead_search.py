"""Beads in an image: found, fitted, and told from what is no usable bead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.kernel import fit_gaussian

__all__ = [
    "HALF_SIZE",
    "Bead",
    "background_of",
    "box_around",
    "check_bead_image",
    "common_size",
    "find_peaks",
    "judge_peak",
    "of_common_size",
]

HALF_SIZE: Final = 4.0
"""Sigmas from the middle of a bead to the side of its box."""

_FOUND_SNR: Final = 6.0
_LEAST_SNR: Final = 10.0
_LONGEST: Final = 1.5
_SIZE_RANGE: Final = 1.3
_NEAREST: Final = 6.0
_LARGEST_SPOT: Final = 0.2
_LEAST_DARK: Final = 0.1
_MOST_CANDIDATES: Final = 500
_FULL: Final = 3


@dataclass(frozen=True)
class Bead:
    """One bead.

    Parameters
    ----------
    position : tuple of float
        (row, column) or (plane, row, column) in pixels.
    sigma : float
        Standard deviation in pixels of its Gaussian of least squares.
    axial_sigma : float, optional
        The same along z, in planes.
    elongation : float
        Longer over shorter lateral axis.
    peak : float
        Height of the Gaussian over the background, in the unit of the image.
    snr : float
        `peak` over the spread of the background.
    """

    position: tuple[float, ...]
    sigma: float
    axial_sigma: float | None
    elongation: float
    peak: float
    snr: float


def check_bead_image(image: Any, saturation: float | None) -> tuple[np.ndarray, float]:
    """Return an image of beads as float64, and the value from which on a pixel is clipped.

    Raises
    ------
    InputError
        If it is not one plane or stack of numbers that vary.
    """
    given = np.asarray(image)
    try:
        values = np.asarray(given.real, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("the bead image is not an array of numbers; give its pixels") from error
    if np.iscomplexobj(given) or values.ndim not in (2, 3) or min(values.shape[-2:]) < 16:
        raise InputError(
            f"the bead image has shape {given.shape}; give height x width, or planes x height x "
            "width, of one channel and at least 16 x 16 pixels"
        )
    if values.ndim == 3 and len(values) < 5:
        raise InputError(f"the bead stack has {len(values)} planes; give 5 or more, or one plane")
    if not np.isfinite(values).all():
        raise InputError("the bead image has NaN or infinite pixels; give numbers everywhere")
    top = float(values.max())
    if top == values.min():
        raise InputError("the bead image is flat; give an image of bright beads on a dark ground")
    if saturation is not None:
        return values, float(saturation)
    if given.dtype.kind in "iu" and top >= np.iinfo(given.dtype).max:
        return values, top
    # a plateau at the top of one spot is what a converter with fewer bits than the type leaves
    if not np.array_equal(values, np.rint(values)):
        return values, np.inf
    labels, _ = ndimage.label(values == top, np.ones((3,) * values.ndim))
    return values, top if np.bincount(labels.ravel())[1:].max() >= _FULL else np.inf


def common_size(values: np.ndarray) -> np.ndarray:
    """Return the sigmas, one an axis, of the brightest spot from its extent at half its height."""
    smooth = ndimage.gaussian_filter(values, 1.0)
    level = float(np.median(smooth))
    above = smooth > (level + smooth.max()) / 2
    labels, count = ndimage.label(above)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    boxes = ndimage.find_objects(labels)
    extents = np.array([[s.stop - s.start for s in box] for box in boxes], np.float64)
    # the median of the larger spots, as noise on a flank leaves small ones
    extent = np.median(extents[sizes >= 0.1 * sizes.max()], axis=0)
    limit = np.array(values.shape) * np.where(np.arange(values.ndim) < values.ndim - 2, 0.7, 0.25)
    if above.mean() > _LARGEST_SPOT or (extent > limit).any():
        raise InputError(
            "no beads stand out: the bright parts of the image are too large for points; give an "
            "image of single sub-resolution beads"
        )
    sigmas: np.ndarray = np.sqrt(np.maximum((extent / 2.355) ** 2 - 1.0, 0.5))
    return sigmas


def find_peaks(values: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the peaks, (n, axes) from the brightest on, and the spread of a dark pixel."""
    smooth = ndimage.gaussian_filter(values, sigma / 2)
    highest = smooth == ndimage.maximum_filter(
        smooth, tuple(2 * np.ceil(1.5 * sigma).astype(int) + 1)
    )
    level = np.median(smooth)
    below = smooth[smooth <= level]
    # the lower half of the values knows nothing of the beads
    spread = float(np.sqrt(np.mean((below - level) ** 2)))
    threshold = level + max(_FOUND_SNR * spread, 0.05 * float(smooth.max() - level))
    peaks = np.argwhere(highest & (smooth > threshold))
    order = np.argsort(-smooth[tuple(peaks.T)], kind="stable")[:_MOST_CANDIDATES]
    raw_level = np.median(values)
    dim = values[values <= raw_level]
    return peaks[order], float(np.sqrt(np.mean((dim - raw_level) ** 2)))


def box_around(
    centre: np.ndarray, half: np.ndarray, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], bool]:
    """Return the part of the image around a place, and whether all of it is inside."""
    low, high = centre - half, centre + half + 1
    whole = bool((low >= 0).all() and (high <= np.array(shape)).all())
    ends = zip(np.maximum(low, 0), np.minimum(high, shape), strict=True)
    return tuple(slice(int(a), int(b)) for a, b in ends), whole


def background_of(
    values: np.ndarray, peaks: np.ndarray, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the background, that broadcasts to the image, and where there are no beads."""
    place = np.zeros(values.shape[-2:], bool)
    half = np.ceil(HALF_SIZE * sigma[-2:]).astype(int)
    for peak in peaks:
        box, _ = box_around(peak[-2:], half, place.shape)
        place[box] = True
    if (~place).mean() < _LEAST_DARK:
        raise InputError("the beads leave no background between them; give an image of fewer beads")
    dark = np.broadcast_to(~place, values.shape)
    level = values.mean(axis=(-2, -1), where=dark, keepdims=True)
    return level, dark


def judge_peak(
    signal: np.ndarray,
    clipped: np.ndarray,
    peak: np.ndarray,
    peaks: np.ndarray,
    sigma: np.ndarray,
    spread: float,
) -> tuple[str, Bead | None]:
    """Return why a peak is no usable bead, or the bead."""
    half = np.ceil(HALF_SIZE * sigma).astype(int)
    # the ends of a bead along z may be out of the stack, its middle may not
    sides = np.where(np.arange(peak.size) < peak.size - 2, 2.0, HALF_SIZE)
    needed = np.ceil(sides * sigma).astype(int)
    if not box_around(peak, needed, signal.shape)[1]:
        return "at the edge", None
    apart = np.sqrt((((peaks - peak) / sigma)[:, -2:] ** 2).sum(1))
    if np.count_nonzero(apart < _NEAREST) > 1:
        return "too close to another", None
    box, _ = box_around(peak, half, signal.shape)
    if clipped[box].any():
        return "clipped", None
    try:
        fit = fit_gaussian(signal[box])
    except InputError:
        return "not a single spot", None
    snr = fit.amplitude / spread if spread > 0 else np.inf
    if snr < _LEAST_SNR:
        return "too dim", None
    if fit.elongation > _LONGEST:
        return "elongated", None
    position = fit.centre + [s.start for s in box]
    if np.abs((position - peak) / sigma).max() > 1.5:
        return "not a single spot", None
    return "", Bead(
        tuple(float(p) for p in position),
        fit.sigma,
        fit.axial_sigma,
        fit.elongation,
        fit.amplitude,
        float(snr),
    )


def of_common_size(beads: list[Bead]) -> tuple[list[Bead], int]:
    """Return the beads within a factor 1.3 of the median width, and how many are not."""
    if not beads:
        return beads, 0
    typical = float(np.median([bead.sigma for bead in beads]))
    kept = [b for b in beads if typical / _SIZE_RANGE < b.sigma < typical * _SIZE_RANGE]
    return kept, len(beads) - len(kept)
