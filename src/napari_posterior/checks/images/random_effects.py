"""One effect on several images: its mean over images, and where it lies on the next one.

DerSimonian & Laird (1986), Control. Clin. Trials 7:177, for the variance between images; Hartung &
Knapp (2001), Stat. Med. 20:3875, for the error of the mean, never below that of weights taken as
known: Röver, Knapp & Friede (2015), BMC Med. Res. Methodol. 15:99. The next image is predicted with
the confidence distribution of the variance between images in place of its estimate: Nagashima, Noma
& Furukawa (2019), Stat. Methods Med. Res. 28:1689, from Cochran's Q, Viechtbauer (2007), Stat. Med.
26:37. With the estimate, Higgins, Thompson & Spiegelhalter (2009), an interval of 97.6 % was seen
to hold 86 to 97 % where images differ less than their errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import optimize, stats

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FEWEST_IMAGES", "RandomEffects", "failing_share", "pool_effects"]

FEWEST_IMAGES: Final = 5
"""Images below which nothing is said about the next one."""

_VARIANCES: Final = 512
_LARGEST: Final = 1e5
_HALVINGS: Final = 60


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """An effect that varies from image to image.

    Parameters
    ----------
    mean, se : float
        Mean over images like these, and its standard error.
    between : float
        Variance of the effect between images, tau^2.
    heterogeneity : float
        Cochran's Q: n - 1 is expected where only chance makes images differ.
    images : int
        How many.
    centres, spreads : ndarray, (n,)
        Mean and standard deviation of the next image's effect at each of as many equally likely
        values of the variance between images.
    """

    mean: float
    se: float
    between: float
    heterogeneity: float
    images: int
    centres: np.ndarray
    spreads: np.ndarray

    def interval(self, level: float) -> tuple[float, float]:
        """Return the confidence interval of the mean, t with n - 1 degrees of freedom."""
        reach = float(stats.t.isf((1 - level) / 2, self.images - 1)) * self.se
        return self.mean - reach, self.mean + reach

    def prediction(self, level: float) -> tuple[float, float]:
        """Return where the effect of the next image lies."""
        tail = (1 - level) / 2
        return self._quantile(tail), self._quantile(1 - tail)

    def below(self, limit: float) -> float:
        """Return the one-sided p-value of the next image being at the limit or above."""
        return 1 - self._share(limit)

    def above(self, limit: float) -> float:
        """Return the one-sided p-value of the next image being at the limit or below."""
        return self._share(limit)

    def _share(self, limit: float) -> float:
        """Return the probability that the next image is below a limit."""
        return float(stats.norm.cdf((limit - self.centres) / self.spreads).mean())

    def _quantile(self, share: float) -> float:
        farthest = 10 * float(self.spreads.max())
        low, high = float(self.centres.min()) - farthest, float(self.centres.max()) + farthest
        return float(optimize.brentq(lambda limit: self._share(limit) - share, low, high))


def pool_effects(effects: Sequence[float], errors: Sequence[float]) -> RandomEffects:
    """Pool the effects of several images.

    Parameters
    ----------
    effects, errors : sequence of float
        Effect of each image and its standard error, on a scale on which effects add.

    Raises
    ------
    InputError
        If there are fewer than 3 images, or an error is not positive.
    """
    values, variances = np.asarray(effects, np.float64), np.asarray(errors, np.float64) ** 2
    count = len(values)
    if count < 3 or len(variances) != count:
        raise InputError(f"{count} images cannot be pooled; give 3 or more, each with its error")
    if not (np.isfinite(values).all() and np.isfinite(variances).all() and (variances > 0).all()):
        raise InputError("an image has no standard error; leave it out, or draw more samples of it")
    weights = 1 / variances
    mean = float(np.average(values, weights=weights))
    heterogeneity = float((weights * (values - mean) ** 2).sum())
    spare = float(weights.sum() - (weights**2).sum() / weights.sum())
    between = max(0.0, (heterogeneity - (count - 1)) / spare)
    weights = 1 / (variances + between)
    mean = float(np.average(values, weights=weights))
    scatter = float((weights * (values - mean) ** 2).sum()) / (count - 1)
    se = math.sqrt(max(scatter, 1.0) / float(weights.sum()))
    return RandomEffects(
        mean, se, between, heterogeneity, count, *_predict(values, variances, heterogeneity)
    )


def _predict(
    values: np.ndarray, variances: np.ndarray, heterogeneity: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the next effect over the variances there may be.

    ``Q(tau^2)``, with weights ``1 / (v + tau^2)``, falls with tau^2 and is chi-squared with n - 1
    degrees of freedom at the right one.
    """
    shares = (np.arange(_VARIANCES) + 0.5) / _VARIANCES
    wanted = stats.chi2.isf(shares, len(values) - 1)
    low = np.zeros(_VARIANCES)
    high = np.full(_VARIANCES, float(_LARGEST * (np.var(values) + variances.max())))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        larger = _weigh(middle, values, variances)[0] > wanted
        low, high = np.where(larger, middle, low), np.where(larger, high, middle)
    between = np.where(heterogeneity <= wanted, 0.0, (low + high) / 2)
    _, centres, squares = _weigh(between, values, variances)
    return centres, np.sqrt(between + squares)


def _weigh(
    between: np.ndarray, values: np.ndarray, variances: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return Q, weighted mean and its variance at each variance between images."""
    weights = 1 / (variances + between[:, None])
    means = (weights * values).sum(1) / weights.sum(1)
    q = (weights * (values - means[:, None]) ** 2).sum(1)
    return q, means, 1 / weights.sum(1)


def failing_share(failing: int, images: int, *, level: float = 0.95) -> float:
    """Return the upper bound of the share of images that fail, Clopper & Pearson (1934).

    Of no failure among n images: ``1 - (1 - level)^(1 / n)``.

    Parameters
    ----------
    failing, images : int
        How many failed, of how many drawn at random from those that are spoken of.
    level : float
        One-sided confidence level.
    """
    if failing >= images:
        return 1.0
    return float(stats.beta.ppf(level, failing + 1, images - failing))
