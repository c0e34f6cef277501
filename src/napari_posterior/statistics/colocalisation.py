"""Colocalisation of two channels, on samples and never on their mean images.

Averaging samples removes what differs between them, so the correlation of two mean images is
mostly larger than that of any sample; only the latter belongs to the posterior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.spatial import KDTree

from napari_posterior.errors import InputError

__all__ = [
    "NeighbourExcess",
    "manders",
    "neighbour_excess",
    "pearson",
    "share_light",
    "standardise",
]

_FAR: Final = 2.0  # of the distance: a shorter shift leaves true pairs within it


def pearson(first: np.ndarray, second: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Return the correlation of two planes; NaN where one of them is constant.

    Parameters
    ----------
    first, second : ndarray, (H, W)
        One sample of each channel, photoelectrons per pixel.
    mask : ndarray, (H, W) bool, optional
        Pixels to use, fixed before sampling; all by default.

    Raises
    ------
    InputError
        If the shapes differ or the mask holds no pixel.
    """
    a, b = _masked(first, second, mask)
    return float(standardise(a) @ standardise(b))


def standardise(values: np.ndarray) -> np.ndarray:
    """Subtract the mean and divide by the norm: products of such are Pearson's correlations.

    Parameters
    ----------
    values : ndarray, (n,)
        Pixels of one channel.

    Returns
    -------
    ndarray, (n,) float64
        NaN if all values are equal.
    """
    if np.ptp(values) == 0:  # asked first: the mean of equal values is not always that value
        return np.full(len(values), np.nan)
    centred = np.asarray(values, np.float64) - np.mean(values, dtype=np.float64)
    return np.asarray(centred / math.sqrt(float(centred @ centred)))


def manders(
    first: np.ndarray,
    second: np.ndarray,
    thresholds: tuple[float, float],
    mask: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return M1 and M2: the share of each channel's light that lies where the other one is too.

    M1 is the sum of the first channel over the pixels where both are above their thresholds, by
    its sum where it is above its own; M2 the same for the second (Manders, Verbeek, Aten, Journal
    of Microscopy 169 (1993) 375, with thresholds in place of zero). NaN where a channel is nowhere
    above its threshold.

    Parameters
    ----------
    first, second : ndarray, (H, W)
        One sample of each channel, photoelectrons per pixel.
    thresholds : tuple of float
        Of both channels, photoelectrons per pixel, fixed before sampling.
    mask : ndarray, (H, W) bool, optional
        Pixels to use; all by default.

    Raises
    ------
    InputError
        If the shapes differ or the mask holds no pixel.
    """
    a, b = _masked(first, second, mask)
    return (
        float(share_light(a, thresholds[0]) @ (b > thresholds[1])),
        float(share_light(b, thresholds[1]) @ (a > thresholds[0])),
    )


def share_light(values: np.ndarray, threshold: float) -> np.ndarray:
    """Return each pixel's share of the light that lies above the threshold, 0 below it.

    Parameters
    ----------
    values : ndarray, (n,)
        Pixels of one channel, photoelectrons.
    threshold : float
        Photoelectrons per pixel.

    Returns
    -------
    ndarray, (n,) float64
        They add up to 1; NaN if there is no light above the threshold.
    """
    light = np.where(values > threshold, values, 0.0).astype(np.float64)
    total = float(light.sum())
    return light / total if total > 0 else np.full(len(light), np.nan)


@dataclass(frozen=True)
class NeighbourExcess:
    """How many puncta of one channel have a neighbour in the other, and how many would by chance.

    Parameters
    ----------
    puncta : int
        Puncta of the first channel.
    fraction : float
        Share of them that have a neighbour; NaN without puncta.
    expected : float
        The same after random shifts.
    expected_se : float
        Standard error of `expected`, from the finite number of shifts.
    chance_sd : float
        Standard deviation of the fraction between shifts: how far from `expected` the fraction
        of puncta that know nothing of each other lies.
    """

    puncta: int
    fraction: float
    expected: float
    expected_se: float
    chance_sd: float

    @property
    def excess(self) -> float:
        """Fraction minus expectation: 0 if the channels know nothing of each other."""
        return self.fraction - self.expected


def neighbour_excess(
    first: np.ndarray,
    second: np.ndarray,
    distance: float,
    *,
    shape: tuple[int, int],
    mask: np.ndarray | None = None,
    shifts: int = 99,
    seed: int = 0,
    pixel_size: tuple[float, float] = (1.0, 1.0),
) -> NeighbourExcess:
    """Return the share of puncta with a neighbour in the other channel, less that by chance.

    Chance is what remains after the first channel is shifted as a whole, with what leaves the
    bounding box of the mask coming in on its other side (Lotwick, Silverman, J. R. Statist. Soc. B
    44 (1982) 406); so clusters within each channel stay. In a mask of another shape the puncta
    that lie inside after the shift count. Shifts of less than twice the distance are left out.
    Two channels that both fill the same cells have an excess for that alone: use the cells as the
    mask.

    Parameters
    ----------
    first, second : ndarray, (n, 2) and (m, 2)
        Row and column in pixels of the puncta of one sample of each channel.
    distance : float
        Largest distance of a neighbour, in the unit of `pixel_size`.
    shape : tuple of int
        Height and width of the plane.
    mask : ndarray, (H, W) bool, optional
        Where puncta count, fixed before sampling; everywhere by default.
    shifts : int
        Number of random shifts, 2 at least.
    seed : int
        The same seed gives the same shifts for the same mask.
    pixel_size : tuple of float
        Height and width of a pixel.

    Raises
    ------
    InputError
        If a number is out of range, or the mask is too small to shift in.
    """
    if not distance > 0 or shifts < 2:
        raise InputError(
            f"a distance of {distance} and {shifts} shifts cannot be used; give a positive "
            "distance and 2 shifts at least"
        )
    inside = np.ones(shape, bool) if mask is None else np.asarray(mask, bool)
    if inside.shape != tuple(shape) or not inside.any():
        raise InputError("the mask is of another size or empty; give one of the size of the image")
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    corner = np.array([rows[0], columns[0]])
    inside = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size, box = np.asarray(pixel_size, np.float64), np.array(inside.shape)
    # The corner of the box is the corner of its first pixel.
    own, other = (np.reshape(one, (-1, 2)) - corner + 0.5 for one in (first, second))
    own, other = (one[_lands(one, inside)] for one in (own, other))
    moves = _random_shifts(inside.shape, size, _FAR * distance, shifts, seed)
    if not len(own):
        return NeighbourExcess(0, math.nan, math.nan, math.nan, math.nan)
    moved = np.mod(own + moves[:, None], box)
    counted = _lands(moved, inside)
    if len(other):
        tree, reach = KDTree(other * size), np.nextafter(distance, np.inf)
        near = np.isfinite(tree.query(own * size, distance_upper_bound=reach)[0])
        hits = np.zeros(counted.shape, bool)
        where = moved[counted] * size
        hits[counted] = np.isfinite(tree.query(where, distance_upper_bound=reach)[0])
    else:
        near, hits = np.zeros(len(own), bool), np.zeros(counted.shape, bool)
    total = counted.sum()
    if not total:
        return NeighbourExcess(len(own), float(near.mean()), math.nan, math.nan, math.nan)
    expected = hits.sum() / total
    # Of a ratio of sums, whose parts vary together from shift to shift.
    spread = (hits.sum(1) - expected * counted.sum(1)) / (total / shifts)
    sd = float(spread.std(ddof=1))
    return NeighbourExcess(
        len(own), float(near.mean()), float(expected), sd / math.sqrt(shifts), sd
    )


def _masked(
    first: np.ndarray, second: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    shapes = {np.shape(first), np.shape(second)} | ({np.shape(mask)} if mask is not None else set())
    if len(shapes) != 1 or (mask is not None and not mask.any()):
        raise InputError(
            "the channels or their mask differ in size, or the mask is empty; give two planes of "
            "one size and a mask on them"
        )
    where = np.ones(np.shape(first), bool) if mask is None else mask
    return np.asarray(first, np.float64)[where], np.asarray(second, np.float64)[where]


def _lands(positions: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Say whether positions (..., 2), measured from the corner of the box, lie in the mask."""
    pixels = np.floor(positions).astype(int)
    fits = ((pixels >= 0) & (pixels < inside.shape)).all(-1)
    pixels = np.clip(pixels, 0, np.array(inside.shape) - 1)
    return np.asarray(fits & inside[pixels[..., 0], pixels[..., 1]])


def _random_shifts(
    shape: tuple[int, ...], size: np.ndarray, shortest: float, count: int, seed: int
) -> np.ndarray:
    """Draw shifts on the torus, (count, 2) px, none of them shorter than `shortest`."""
    box = np.array(shape)
    if np.hypot(*(box // 2 * size)) < shortest:
        raise InputError(
            "the region is too small to shift puncta in by twice the distance; draw it larger or "
            "choose a smaller distance"
        )
    generator, found = np.random.default_rng(seed), np.zeros((0, 2), int)
    while len(found) < count:
        drawn = generator.integers(box, size=(2 * count, 2))
        length = np.hypot(*(np.minimum(drawn, box - drawn) * size).T)
        found = np.concatenate([found, drawn[length >= shortest]])
    return found[:count]
