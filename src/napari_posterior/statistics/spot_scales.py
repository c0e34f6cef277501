"""Puncta of several widths: maxima over places and scales of differences of Gaussians.

Gaussians are products in the cosine transform, which mirrors at the edges: few long calls, where
shifted sums are so many short ones that threads over samples wait for each other.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from scipy.fft import dctn, idctn, next_fast_len
from scipy.spatial import cKDTree

from napari_posterior.errors import InputError
from napari_posterior.statistics.spot_filter import as_widths, response_gain, without_level
from napari_posterior.statistics.spot_maxima import (
    Puncta,
    border_around,
    find_maxima,
    least_share,
    neighbours,
    refine,
)
from napari_posterior.statistics.spot_widths import measure_spots, spot_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_posterior.statistics.spot_filter import Widths

__all__ = ["find_across_scales"]


_REACH: Final = 4.0  # widths: what is mirrored beyond an edge
_PITCH: Final = 16  # values after a row


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


def find_across_scales(x: np.ndarray, threshold: float, sigmas: Sequence[Widths]) -> Puncta:
    """Find puncta of several widths, each at the scale that it shows most at.

    The response of a scale is the difference of two Gaussians, one below its width and one above,
    over what that leaves of the amplitude of a matched spot. A maximum over 3^d places and the
    scales beside it, weighted by ``s^(d/2 - 1)`` so that the scale of a spot is its own width, is
    a punctum. Its amplitude and width are those of `measure_spots` at its scale. Of two where the
    weaker has the stronger within its radius, ``sqrt(d) s``, the stronger stays.

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
    weights = [band.size ** (values.ndim / 2 - 1) for band in bands]
    layers = _responses(values, bands)
    below: np.ndarray | None = None
    layer = next(layers)
    parts = []
    for number, band in enumerate(bands):
        above = next(layers, None)
        least = least_share(band.middle) * min(map(band.share, band.ends)) / band.share(1.0)
        found = find_maxima(layer, least * threshold * (1 - 1e-6))
        if below is not None:
            factor = weights[number - 1] / weights[number]
            found = _above(layer, found, below, factor, False)
        if above is not None:
            factor = weights[number + 1] / weights[number]
            found = _above(layer, found, above, factor, True)
        positions, _ = refine(layer, found)
        ratios, responses = measure_spots(values, positions, band.middle)
        in_band = np.clip(ratios, *band.ends)
        heights = responses / response_gain(in_band, values.ndim)
        # what the pixel shows bounds it, so that no threshold finds what a lower one does not
        amplitudes = np.minimum(heights, layer.ravel()[found] / least)
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
        if above is not None:
            below, layer = layer, above
    *columns, scales = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = _strongest(columns[0], columns[1], np.array([bands[n].middle for n in scales]))
    return Puncta(*(column[keep] for column in columns))


def _responses(values: np.ndarray, bands: Sequence[Band]) -> Iterator[np.ndarray]:
    """Yield the response of every band, bordered; the two before it stay as they are."""
    reach = [math.ceil(_REACH * width) for width in bands[-1].high]
    sizes = tuple(map(_quick, values.shape, reach))
    spectrum, narrow, wide, layers = _memory(values.shape, sizes)
    given = spectrum[..., : sizes[-1]]
    more = [(0, size - there) for size, there in zip(sizes, values.shape, strict=True)]
    given[...] = np.pad(values, more, mode="symmetric") if any(map(any, more)) else values
    given[...] = dctn(given, overwrite_x=True)
    _pass_gaussian(spectrum, sizes, bands[0].low, out=narrow)
    for number, band in enumerate(bands):
        _pass_gaussian(spectrum, sizes, band.high, out=wide)
        narrow -= wide
        response = idctn(narrow[..., : sizes[-1]], overwrite_x=True)
        layer = border_around(layers[number % len(layers)], values.shape)
        share = np.float32(1 / band.share(1.0))
        inner = layer[(slice(1, -1),) * layer.ndim]
        np.multiply(response[tuple(map(slice, values.shape))], share, out=inner)
        narrow, wide = wide, narrow
        yield layer


def _quick(size: int, reach: int) -> int:
    """Return a size that is transformed quickly: the same, or with room for mirrored values."""
    if next_fast_len(size, real=True) == size:
        return size
    larger = int(next_fast_len(size + reach, real=True))
    # few planes are quick in any number
    return larger if larger < 2 * size else size


def _memory(
    shape: tuple[int, ...], sizes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return room for a spectrum, two products with it, and three bordered responses, flat.

    It is one piece: smaller ones go back to the system and are made anew for every sample. Rows of
    spectra have zeros after them: those as long as a power of two share the lines of a cache, and
    transforms of columns would take half as long again.
    """
    pitched = (*sizes[:-1], sizes[-1] + _PITCH)
    larger = max(math.prod(pitched), math.prod(size + 2 for size in shape))
    memory = np.empty((6, larger), np.float32)
    spectrum, narrow, wide = memory[:3, : math.prod(pitched)].reshape(3, *pitched)
    spectrum[..., sizes[-1] :] = 0
    return spectrum, narrow, wide, memory[3:]


def _pass_gaussian(
    spectrum: np.ndarray, sizes: Sequence[int], widths: Sequence[float], *, out: np.ndarray
) -> None:
    """Write what a Gaussian of sum 1 leaves of the cosine transform of an array of these sizes."""
    for axis, (size, width) in enumerate(zip(sizes, widths, strict=True)):
        rising = math.pi * width / size * np.arange(spectrum.shape[axis])
        left = np.exp(-(rising**2) / 2).astype(np.float32)
        left = left.reshape(-1, *[1] * (spectrum.ndim - 1 - axis))
        np.multiply(out if axis else spectrum, left, out=out)


def _elementwise(
    function: Callable[[float, float], float], a: Sequence[float], b: Sequence[float]
) -> tuple[float, ...]:
    return tuple(function(*pair) for pair in zip(a, b, strict=True))


def _above(
    layer: np.ndarray, found: np.ndarray, other: np.ndarray, factor: float, above: bool
) -> np.ndarray:
    """Return those of the maxima of a layer that are none of the other one's flanks."""
    steps = np.array([0, *neighbours(layer.shape)])
    here, beside = layer.ravel()[found], factor * other.ravel()[found[:, None] + steps].max(1)
    return np.asarray(found[here > beside if above else here >= beside])


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
