"""Puncta of several widths: maxima over places and scales of a pyramid of Gaussians."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from napari_posterior.errors import InputError
from napari_posterior.statistics.shifted_sums import smooth
from napari_posterior.statistics.spot_filter import as_widths, response_gain, without_level
from napari_posterior.statistics.spot_maxima import (
    find_maxima,
    least_share,
    neighbours,
    refine,
    with_border,
)
from napari_posterior.statistics.spot_widths import measure_spots, spot_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_posterior.statistics.spot_filter import Widths

__all__ = ["Found", "find_across_scales"]


_LEAST_STEP: Final = 0.7  # px: no narrower Gaussian makes one scale from the one before


class Found(NamedTuple):
    """Puncta as they are found.

    Parameters
    ----------
    positions : ndarray, (n, d)
        In pixels.
    amplitudes, widths, intensities : ndarray, (n,)
        As in `Puncta`.
    """

    positions: np.ndarray
    amplitudes: np.ndarray
    widths: np.ndarray
    intensities: np.ndarray


class Band(NamedTuple):
    """One scale: what a Gaussian of width `low` shows and one of width `high` does not."""

    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def size(self) -> float:
        """Geometric mean of the widths in the middle, in pixels."""
        return math.prod(self.middle) ** (1 / len(self.middle))

    @property
    def ends(self) -> tuple[float, float]:
        """The ends over the middle."""
        return self.low[-1] / self.middle[-1], self.high[-1] / self.middle[-1]

    def share(self, ratio: float) -> float:
        """Return what is left of the amplitude of a spot `ratio` times as wide as the middle."""
        left = [
            math.prod(
                ratio * m / math.hypot(ratio * m, e) for m, e in zip(self.middle, end, strict=True)
            )
            for end in (self.low, self.high)
        ]
        return left[0] - left[1]


def make_bands(sigmas: Sequence[Widths], ndim: int) -> list[Band]:
    """Return one band for each width; where bands meet is the geometric mean of their widths.

    Raises
    ------
    InputError
        If there are fewer than two widths, or they do not grow.
    """
    middles = [as_widths(sigma, ndim) for sigma in sigmas]
    grow = all(a < b for s, t in pairwise(middles) for a, b in zip(s, t, strict=True))
    if len(middles) < 2 or not grow:
        raise InputError(
            f"the widths of puncta are {list(sigmas)} px; give two or more from small to large, "
            "or one as sigma"
        )
    meets = [_elementwise(lambda a, b: math.sqrt(a * b), *pair) for pair in pairwise(middles)]
    first = _elementwise(lambda m, e: m**2 / e, middles[0], meets[0])
    last = _elementwise(lambda m, e: m**2 / e, middles[-1], meets[-1])
    ends = pairwise([first, *meets, last])
    return [Band(middle, *end) for middle, end in zip(middles, ends, strict=True)]


def find_across_scales(x: np.ndarray, threshold: float, sigmas: Sequence[Widths]) -> Found:
    """Find puncta of several widths, each at the scale that it shows most at.

    The response of a scale is the difference of two Gaussians, one below its width and one above,
    over what that leaves of the amplitude of a matched spot; each Gaussian is made from the one
    before. A maximum over 3^d places and the scales beside it, weighted by ``s^(d/2 - 1)`` so that
    the scale of a spot is its own width, is a punctum. Its amplitude and width are those of
    `measure_spots` at its scale. Of two where the weaker has the stronger within its radius,
    ``sqrt(d) s``, the stronger stays.

    Parameters
    ----------
    x : ndarray, (H, W) or (D, H, W)
        Plane or stack.
    threshold : float
        Smallest amplitude.
    sigmas : sequence of float, or of sequences of float
        Two or more widths in pixels, from small to large.
    """
    values = without_level(x)
    bands = make_bands(sigmas, values.ndim)
    layers = _responses(values, bands)
    weights = [band.size ** (values.ndim / 2 - 1) for band in bands]
    parts = []
    for number, band in enumerate(bands):
        least = least_share(band.middle) * min(map(band.share, band.ends)) / band.share(1.0)
        found = find_maxima(layers[number], least * threshold * (1 - 1e-6))
        for other in (number - 1, number + 1):
            if 0 <= other < len(bands):
                factor = weights[other] / weights[number]
                found = _above(layers[number], found, layers[other], factor, other > number)
        positions, _ = refine(layers[number], found)
        ratios, responses = measure_spots(values, positions, band.middle)
        in_band = np.clip(ratios, *band.ends)
        heights = responses / response_gain(in_band, values.ndim)
        # what the pixel shows bounds it, so that no threshold finds what a lower one does not
        amplitudes = np.minimum(heights, layers[number].ravel()[found] / least)
        keep = amplitudes > threshold
        parts.append(
            (
                positions[keep],
                amplitudes[keep],
                ratios[keep] * band.middle[-1],
                spot_volume(ratios, responses, band.middle)[keep],
                np.full(int(keep.sum()), number),
            )
        )
    *columns, scales = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = _strongest(columns[0], columns[1], np.array([bands[n].middle for n in scales]))
    return Found(*(column[keep] for column in columns))


def _responses(values: np.ndarray, bands: Sequence[Band]) -> list[np.ndarray]:
    """Return the response of every band, from `with_border`."""
    before, width = smooth(values, bands[0].low), bands[0].low
    after = np.empty_like(before)
    layers = [with_border(values.shape) for _ in bands]
    for band, layer in zip(bands, layers, strict=True):
        steps = _elementwise(lambda a, b: math.sqrt(b**2 - a**2), width, band.high)
        if min(steps) >= _LEAST_STEP:
            smooth(before, steps, out=after)
        else:
            smooth(values, band.high, out=after)
        inner = layer[(slice(1, -1),) * layer.ndim]
        np.subtract(before, after, out=inner)
        inner *= np.float32(1 / band.share(1.0))
        before, after, width = after, before, band.high
    return layers


def _elementwise(
    function: Callable[[float, float], float], a: Sequence[float], b: Sequence[float]
) -> tuple[float, ...]:
    return tuple(function(*pair) for pair in zip(a, b, strict=True))


def _above(
    layer: np.ndarray, found: np.ndarray, other: np.ndarray, factor: float, above: bool
) -> np.ndarray:
    """Return those of the maxima of a layer that are none of the other one's flanks."""
    flat, there = layer.ravel(), other.ravel()
    for step in neighbours(layer.shape, itself=True):
        here, beside = flat[found], factor * there[found + step]
        found = found[here > beside if above else here >= beside]
    return found


def _strongest(positions: np.ndarray, amplitudes: np.ndarray, widths: np.ndarray) -> np.ndarray:
    keep = np.ones(len(amplitudes), bool)
    if len(keep) < 2:
        return keep
    # in units of the smallest widths, so that a radius is a number
    unit = widths.min(0)
    reach = math.sqrt(positions.shape[1])
    tree = cKDTree(positions / unit)
    pairs = tree.query_pairs(reach * float((widths / unit).max()), output_type="ndarray")
    swap = amplitudes[pairs[:, 0]] < amplitudes[pairs[:, 1]]
    weaker = np.where(swap, pairs[:, 0], pairs[:, 1])
    stronger = np.where(swap, pairs[:, 1], pairs[:, 0])
    away = (positions[weaker] - positions[stronger]) / widths[weaker]
    keep[weaker[np.linalg.norm(away, axis=1) < reach]] = False
    return keep
