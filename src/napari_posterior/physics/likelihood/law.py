"""What the likelihood of an object gives for measurements of that very object."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Band", "Law", "law_of_sums"]

_NORMAL_95: Final = 1.959964


@dataclass(frozen=True)
class Band:
    """Mean, standard deviation and 95 % band of a number over measurements of one object."""

    mean: float
    sd: float
    low: float
    high: float

    def scaled(self, factor: float) -> Band:
        """Return the band of the number times a positive factor."""
        return Band(*(factor * value for value in (self.mean, self.sd, self.low, self.high)))


@dataclass(frozen=True)
class Law:
    """What a draw from the posterior is compared with.

    Parameters
    ----------
    total : Band
        Of -log p(y|x) summed over the pixels, in nats.
    reduced_chi2 : Band
        Of the mean of (z - lambda)^2 / (lambda + noise^2).
    deviance : Band
        Of the Poisson deviance summed over the pixels.
    draws : int
        Measurements that were simulated.
    """

    total: Band
    reduced_chi2: Band
    deviance: Band
    draws: int


def law_of_sums(groups: Iterable[tuple[np.ndarray, np.ndarray]], *, draws: int) -> list[Band]:
    """Return the law of sums over independent pixels from draws of every pixel.

    The mean and the variance of a sum are the sums of those of its pixels, and so many pixels
    make it normal; so a few draws give the standard deviation closely. The band is
    ``mean -+ 1.96 sd sqrt(1 + 1 / draws)``: the mean itself is known to sd / sqrt(draws). Source:
    the parametric bootstrap of B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap
    (1993), section 6.5, with independence over pixels used.

    Parameters
    ----------
    groups : iterable of (values, counts)
        ``values``, (numbers, draws, n) float64, 0 where not `counts`; ``counts``, (draws, n)
        bool: draws that count at a pixel.
    draws : int
        Draws of all groups together, at least 2.
    """
    tally: np.ndarray | float = 0.0
    sums: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0
    shift: np.ndarray | None = None  # without it the squares would cancel
    for values, counts in groups:
        if shift is None:
            shift = values[:, :1]
        moved = np.where(counts, values - shift, 0.0)
        tally = tally + counts.sum(0)
        sums = sums + moved.sum(1)
        squares = squares + np.square(moved).sum(1)
    assert shift is not None
    number = np.maximum(tally, 1)
    mean = np.where(np.asarray(tally) > 0, shift[:, 0] + sums / number, 0.0).sum(-1)
    spread = np.maximum(squares - np.square(sums) / number, 0.0) / np.maximum(number - 1, 1)
    return [_band(m, math.sqrt(v), draws) for m, v in zip(mean, spread.sum(-1), strict=True)]


def _band(mean: float, sd: float, draws: int) -> Band:
    reach = _NORMAL_95 * sd * math.sqrt(1 + 1 / draws)
    return Band(float(mean), sd, float(mean - reach), float(mean + reach))
