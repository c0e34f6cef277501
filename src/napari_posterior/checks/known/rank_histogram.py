"""Ranks of a known object over the pixels: how uniform they are, how far they hang together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.intervals import delete_one
from napari_posterior.checks.known.truth import KNOWN, attainable
from napari_posterior.checks.maps import MapImage

if TYPE_CHECKING:
    from napari_posterior.checks.known.truth import BlockScores

__all__ = [
    "BINS",
    "RankHistogram",
    "correlation_length",
    "coverage_curve",
    "map_misses",
    "rank_histogram",
]

BINS: Final = 10
"""Bins of a rank histogram."""

_CURVE: Final = 19  # levels of a coverage curve at most
_RESAMPLES: Final = 1000
_FALLEN: Final = math.exp(-1)


@dataclass(frozen=True, eq=False)
class RankHistogram:
    """How the ranks of a known object are distributed among the samples of one run.

    Parameters
    ----------
    shares : ndarray, (10,)
        Share of the pixels in each of ten bins of equal width; .1 each of a calibrated run.
    low, high : ndarray, (10,)
        Where the shares of a calibrated run lie, all bins together.
    deviation : ndarray, (11,)
        Cumulative share less that of a calibrated run, at the edges of the bins.
    reach : ndarray, (11,)
        Half the width of the simultaneous band of the deviation about 0.
    p_value : float
        That a calibrated run deviates as far; shown, and never decides.
    words : str
        ``"too narrow"``, ``"too wide"``, ``"too low"``, ``"too high"``, or empty where the ranks
        are within the band.
    """

    shares: np.ndarray
    low: np.ndarray
    high: np.ndarray
    deviation: np.ndarray
    reach: np.ndarray
    p_value: float
    words: str


def rank_histogram(scores: BlockScores, *, level: float = 0.95, seed: int = 0) -> RankHistogram:
    """Return the rank histogram of one run with bands by a bootstrap of blocks.

    Parameters
    ----------
    scores : BlockScores
        30 blocks or more for bands that hold; blocks wider than the ranks hang together.
    level : float
        Of both bands, each for all its points together.
    seed : int
        Of the bootstrap.

    Notes
    -----
    A rank r of K samples is spread evenly over ``[r, r + 1] / (K + 1)``, so that ten bins are
    equally likely whatever K. The band of the cumulative shares is that of Säilynoja, Bürkner &
    Vehtari (2022), Stat. Comput. 32:32, whose independent draws are replaced by whole blocks.
    """
    cells = scores.ranks @ _spread(scores.samples)
    shares = cells.sum(0) / scores.pixels.sum()
    blocks = len(cells)
    picks = np.random.default_rng(seed).multinomial(blocks, [1 / blocks] * blocks, _RESAMPLES)
    drawn = (picks @ cells) / (picks @ scores.pixels)[:, None] - shares
    reach, _ = _band(drawn, shares - 1 / BINS, level)
    added = np.concatenate([np.zeros((_RESAMPLES, 1)), np.cumsum(drawn, axis=1)], axis=1)
    deviation = np.append(0.0, np.cumsum(shares - 1 / BINS))
    width, p_value = _band(added[:, 1:-1], deviation[1:-1], level)
    ends = np.concatenate([[0.0], width, [0.0]])
    outside = bool((np.abs(deviation[1:-1]) > width).any())
    return RankHistogram(
        shares=shares,
        low=np.maximum(1 / BINS - reach, 0.0),
        high=1 / BINS + reach,
        deviation=deviation,
        reach=ends,
        p_value=p_value,
        words=_name_shape(shares) if outside else "",
    )


def coverage_curve(scores: BlockScores, *, level: float) -> dict[str, Any]:
    """Return the coverage at levels that K samples attain, with intervals, as JSON values.

    Parameters
    ----------
    scores : BlockScores
        Of one run.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    dict
        ``nominal``, and what was found: ``value``, ``low`` and ``high``, from small to large.
    """
    most = scores.samples // 2
    steps = np.unique(np.linspace(1, most, min(most, _CURVE)).round().astype(int))[::-1]
    found: dict[str, Any] = {"nominal": [], "value": [], "low": [], "high": []}
    pixels = scores.pixels
    for j in steps.tolist():
        inside = scores.inside(j)
        without = (inside.sum() - inside) / np.maximum(pixels.sum() - pixels, 1)
        one = delete_one(float(inside.sum() / pixels.sum()), without, level=level, method="")
        low, high = (one.value if end is None else end for end in one.interval)
        found["nominal"].append((scores.samples + 1 - 2 * j) / (scores.samples + 1))
        found["value"].append(one.value)
        found["low"].append(min(max(low or 0.0, 0.0), 1.0))
        found["high"].append(min(max(high or 0.0, 0.0), 1.0))
    return found


def correlation_length(ranks: np.ndarray) -> float:
    """Return over how many pixels ranks hang together: where their correlation falls below 1/e.

    Parameters
    ----------
    ranks : ndarray, (H, W)
        Of one plane, see `truth.rank_pixels`.

    Returns
    -------
    float
        Along the axis on which it is longer; 1 or more, at most half the side.
    """
    x = np.asarray(ranks, np.float64)
    x = x - x.mean()
    variance = float((x**2).mean())
    if not variance > 0:
        return 1.0
    return max(_fall(x, axis, variance) for axis in (0, 1))


def map_misses(
    teacher: np.ndarray, student: np.ndarray, samples: int, *, known: str = KNOWN
) -> MapImage:
    """Map the pixels whose known value lies outside the 90 % interval.

    Parameters
    ----------
    teacher, student : ndarray, (H, W)
        Ranks of one plane under either run.
    samples : int
        K, the same for both.
    known : str
        As of `truth.find_calibration`.
    """
    j, exact = attainable(samples, 0.9)
    misses = [(ranks < j) | (ranks > samples - j) for ranks in (teacher, student)]
    return MapImage(
        name="misses",
        title=f"where the {known} is missed",
        values=(misses[0] + 2.0 * misses[1]).astype(np.float32),
        unit="",
        words=(
            f"Pixels whose known value lies outside the interval of {100 * exact:.3g} %: 0 in "
            "neither run, 1 in the teacher's alone, 2 in the student's alone, 3 in both; chance "
            "scatters them, and clusters are a structured error."
        ),
    )


def _spread(samples: int) -> np.ndarray:
    """Return the share of each rank that falls into each bin, (K + 1, 10)."""
    edges = np.arange(BINS + 1) / BINS * (samples + 1)
    ranks = np.arange(samples + 1)[:, None]
    inside = np.minimum(ranks + 1, edges[1:]) - np.maximum(ranks, edges[:-1])
    return np.asarray(np.maximum(inside, 0.0))


def _band(drawn: np.ndarray, found: np.ndarray, level: float) -> tuple[np.ndarray, float]:
    """Return half the width of a simultaneous band about 0, and the p-value of what was found.

    Parameters
    ----------
    drawn : ndarray, (B, n)
        Resampled less found.
    found : ndarray, (n,)
        Less what is expected.
    level : float
        Of all points together.
    """
    sd = np.maximum(drawn.std(0), 1e-12)
    largest = np.abs(drawn / sd).max(1)
    p_value = (1 + (largest >= np.abs(found / sd).max()).sum()) / (len(drawn) + 1)
    return np.asarray(np.quantile(largest, level) * sd), float(p_value)


def _name_shape(shares: np.ndarray) -> str:
    """Say what a histogram that is not flat tells of the samples."""
    ends, slope = shares[0] + shares[-1] - 2 / BINS, shares[-1] - shares[0]
    if abs(slope) > abs(ends):
        # the object above most samples: they are too low
        return "too low" if slope > 0 else "too high"
    return "too narrow" if ends > 0 else "too wide"


def _fall(x: np.ndarray, axis: int, variance: float) -> float:
    """Return the lag at which the correlation along an axis falls below 1/e."""
    size = x.shape[axis]
    before = 1.0
    for lag in range(1, max(size // 2, 1)):
        a = np.take(x, np.arange(size - lag), axis)
        b = np.take(x, np.arange(lag, size), axis)
        now = float((a * b).mean()) / variance
        if now < _FALLEN:
            return float(max(lag - 1 + (before - _FALLEN) / (before - now), 1.0))
        before = now
    return float(max(size / 2, 1.0))
