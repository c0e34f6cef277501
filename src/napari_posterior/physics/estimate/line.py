"""The line of noise variance against mean, whose slope is the gain, with its uncertainty.

For a linear camera, ``y = gain * (electrons + read noise) + offset``, the noise variance is
``gain * (mean - offset) + (gain * read noise)^2`` (J.R. Janesick, Photon Transfer, SPIE 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Interval
    from napari_posterior.physics.estimate.points import Points

__all__ = ["NoiseLine", "fit_line"]

_CUT: Final = 4.685
_DRAWS: Final = 200
_MOST_BLOCKS: Final = 4096
_FEWEST_BLOCKS: Final = 12
_WIDEST_RATIO: Final = 3.0
_DARKEST: Final = 0.01
_FEW_BRIGHT: Final = 8
_USUAL_READ_NOISE: Final = 2.0


@dataclass(frozen=True, eq=False)
class NoiseLine:
    """Noise variance in ADU^2 as a line in the mean in ADU.

    Parameters
    ----------
    gain : float
        Slope, ADU/e-; 0 where the blocks are too few or too alike for a line.
    intercept : float
        Variance in ADU^2 at a mean of 0 ADU.
    slopes, intercepts : ndarray, (draws,)
        Of the bootstrap.
    interval : (float, float)
        95 % interval of the slope.
    """

    gain: float
    intercept: float
    slopes: np.ndarray
    intercepts: np.ndarray
    interval: Interval

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out 0 and spans less than a factor of 3."""
        low, high = self.interval
        return self.gain > 0 and 0 < low and high < _WIDEST_RATIO * low

    def variance(self, mean: float) -> float:
        """Noise variance in ADU^2 at a mean in ADU, 0 at least."""
        return max(self.intercept + self.gain * mean, 0.0)


def fit_line(points: Points, *, levels: int = 0) -> NoiseLine:
    """Fit the line, with a 95 % bootstrap interval of its slope.

    Blocks are drawn again within their groups (B. Efron, Annals of Statistics 7 (1979) 1-26).

    Parameters
    ----------
    points : Points
        Blocks.
    levels : int
        If more than 2, the interval is widened by how much worse than by chance the means of so
        many levels of brightness, or of the groups if there are several, lie on the line: the
        ratio of R.T. Birge, Physical Review 40 (1932) 207-227.

    Returns
    -------
    NoiseLine
    """
    flat = np.ptp(points.mean) == 0 if len(points) else True
    if len(points) < _FEWEST_BLOCKS or flat or not (points.variance > 0).any():
        return NoiseLine(0.0, 0.0, np.zeros(1), np.zeros(1), (0.0, float("inf")))
    slope, intercept = _robust_line(points, _first_guess(points), 30)
    rng = np.random.default_rng(0)  # the same image always gives the same interval
    members = [np.flatnonzero(points.group == group) for group in np.unique(points.group)]
    size, drawn = len(points), min(len(points), _MOST_BLOCKS)
    counts = [max(1, round(len(member) * drawn / size)) for member in members]
    lines = np.empty((_DRAWS, 2))
    for draw in range(_DRAWS):
        pick = np.concatenate(
            [
                member[rng.integers(0, len(member), count)]
                for member, count in zip(members, counts, strict=True)
            ]
        )
        lines[draw] = _robust_line(points.take(pick), (slope, intercept), 4)
    # where blocks are many, a part of them is drawn: the spread is then that of the part
    spread = np.sqrt(drawn / size) * _birge_ratio(points, (slope, intercept), levels)
    lines = np.array((slope, intercept)) + spread * (lines - (slope, intercept))
    low, high = np.quantile(lines[:, 0], (0.025, 0.975))
    return NoiseLine(slope, intercept, lines[:, 0], lines[:, 1], (float(low), float(high)))


def _birge_ratio(points: Points, line: tuple[float, float], levels: int) -> float:
    """How much farther than by chance the levels lie from the line, 1 at least."""
    if levels <= 2:
        return 1.0
    grouped = points if len(np.unique(points.group)) > 2 else points.by_level(levels)
    names, index = np.unique(grouped.group, return_inverse=True)
    if len(names) <= 2:
        return 1.0
    fit = line[1] + line[0] * points.mean
    off = (points.variance - fit) / np.maximum(fit, 1e-6 * points.variance.mean())
    # medians, as the line too leaves aside blocks that move or saturate
    middle = np.array([np.median(off[index == i]) for i in range(len(names))])
    spread = [1.4826 * np.median(np.abs(off[index == i] - m)) for i, m in enumerate(middle)]
    error = 1.2533 * np.array(spread) / np.sqrt(np.bincount(index)) + 1e-12
    # medians of skewed variances lie below the line, at all levels alike
    middle -= np.average(middle, weights=error**-2)
    return float(max(1.0, np.sqrt(((middle / error) ** 2).sum() / (len(names) - 2))))


def _first_guess(points: Points) -> tuple[float, float]:
    """Line through the medians of the darkest and the brightest fifth.

    Where little is bright, the brightest are the blocks in the upper half of the levels.
    """
    mean, variance = points.mean, points.variance
    low, high = np.quantile(mean, (0.2, 0.8))
    top = np.sort(mean)[-_FEW_BRIGHT]
    high = max(high, min((low + mean.max()) / 2, top))
    dark, bright = mean <= low, mean >= high
    rise = np.median(variance[bright]) - np.median(variance[dark])
    run = mean[bright].mean() - mean[dark].mean()
    slope = max(float(rise / run), 0.0) if run > 0 else 0.0
    return slope, float(np.median(variance - slope * mean))


def _robust_line(points: Points, start: tuple[float, float], rounds: int) -> tuple[float, float]:
    """Line by reweighted least squares with Tukey's biweight on relative residuals.

    A block's variance scatters in proportion to itself, hence the weights. Its mean scatters too,
    by variance / pixels. Of that, shot noise goes along the line: given their sum, Poisson counts
    are multinomial and their expected variance is their mean. Read noise would flatten the line,
    and its part, the noise of the darkest level and no more than 2 e-, is taken out of the
    denominator.
    """
    mean, variance = points.mean, points.variance
    slope, intercept = start
    floor = 0.5 * float(np.quantile(variance, 0.05))
    if not floor:
        positive = variance[variance > 0]
        if not positive.size:
            return start
        floor = float(positive.min()) / 2
    darkest = float(np.quantile(mean, _DARKEST))
    steadiness = np.sqrt(points.freedom / np.median(points.freedom))
    for _ in range(rounds):
        fit = np.maximum(intercept + slope * mean, floor)
        off = (variance / fit - 1) * steadiness
        scatter = 1.4826 * float(np.median(np.abs(off - np.median(off)))) + 1e-9
        ratio = np.minimum(np.abs(off) / (_CUT * scatter), 1.0)
        weight = ((1 - ratio**2) * steadiness / fit) ** 2
        total = float(weight.sum())
        if total <= 0:
            break
        m, v = float(weight @ mean) / total, float(weight @ variance) / total
        seen = float(weight @ (mean - m) ** 2)
        read = min(max(intercept + slope * darkest, 0.0), (_USUAL_READ_NOISE * slope) ** 2)
        scale = max(seen - read * float(weight @ (1 / points.pixels)), 0.2 * seen)
        if scale <= 0:
            break
        before, slope = slope, float(weight @ ((mean - m) * (variance - v))) / scale
        intercept = v - slope * m
        if abs(slope - before) <= 1e-4 * abs(slope):
            break
    return slope, intercept
