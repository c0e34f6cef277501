"""The factor by which error bars have to be widened to hold what they promise, over images.

The unit is the image, not the pixel: a factor found on some images holds on average for further
images of the same kind and the same sampler, and for nothing else. It widens bars; it does not
bring back a form that is never drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "Recalibration",
    "control_risk",
    "fewest_images",
    "hoeffding_bentkus",
    "needed_factors",
    "recalibrate",
]

_MOST: Final = 100.0  # a larger factor says that the bars mean nothing


@dataclass(frozen=True)
class Recalibration:
    """A factor for the half-widths of intervals about the mean.

    Parameters
    ----------
    factor : float
        Infinite where no factor up to 100 is enough.
    miss : float
        Mean share of pixels missed on the images at hand, widened so.
    before : float
        The same with the intervals as they are.
    target : float
        Share of pixels that may be missed.
    images : int
        How many.
    strict : bool
        Whether it holds with high probability, rather than on average.
    sentence : str
        In words.
    """

    factor: float
    miss: float
    before: float
    target: float
    images: int
    strict: bool
    sentence: str


def needed_factors(mean: np.ndarray, half_width: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return by which factor the interval at each pixel must be widened to hold the known value.

    Parameters
    ----------
    mean, half_width, truth : ndarray, one shape
        Middle of the interval, half its width and the known value, in one unit.

    Returns
    -------
    ndarray, (n,) float64
        Infinite where an interval of no width misses.
    """
    away = np.abs(np.asarray(truth, np.float64) - mean).ravel()
    width = np.broadcast_to(np.asarray(half_width, np.float64), np.shape(truth)).ravel()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(away == 0, 0.0, away / width)


def fewest_images(target: float) -> int:
    """Return the images that conformal risk control needs: ``1 / (n + 1) <= target``."""
    _check_share(target, "share of pixels that may be missed")
    return max(math.ceil(1 / target - 1 - 1e-9), 1)


def control_risk(misses: np.ndarray, target: float) -> bool:
    """Return whether a further image misses no more than `target` on average.

    Conformal risk control, Angelopoulos et al. (2024), ICLR, arXiv:2208.02814:
    ``n / (n + 1) mean + 1 / (n + 1) <= target``.

    Parameters
    ----------
    misses : ndarray, (n,)
        Share of pixels missed on each image.
    target : float
        Largest expected share.
    """
    n = len(misses)
    return bool((float(np.sum(misses)) + 1) / (n + 1) <= target + 1e-12)


def hoeffding_bentkus(miss: float, images: int, target: float) -> float:
    """Return the p-value that the expected share of misses is `target` or more.

    The smaller of Hoeffding's and Bentkus' bounds for the mean of variables between 0 and 1 (Bates
    et al. 2021, J. ACM 68:43).

    Parameters
    ----------
    miss : float
        Mean share over the images.
    images : int
        How many.
    target : float
        Largest expected share.
    """
    low = min(miss, target)
    # relative entropy of two coins, 0 log 0 being 0
    first = low * math.log(low / target) if low > 0 else 0.0
    second = (1 - low) * math.log((1 - low) / (1 - target))
    hoeffding = math.exp(-images * (first + second))
    bentkus = math.e * float(stats.binom.cdf(math.ceil(images * miss - 1e-9), images, target))
    return min(hoeffding, bentkus, 1.0)


def recalibrate(
    factors: Sequence[np.ndarray],
    *,
    target: float = 0.1,
    strict: bool = False,
    error: float = 0.1,
) -> Recalibration:
    """Find the smallest factor that keeps the share of missed pixels below a target.

    Parameters
    ----------
    factors : sequence of ndarray
        For each image, what `needed_factors` gives; of one kind and one sampler.
    target : float
        Share of pixels that may be missed, such as .1 for intervals of 90 %.
    strict : bool
        Whether it has to hold with probability ``1 - error`` over the images at hand, by the bound
        of Hoeffding and Bentkus, instead of on average; that takes about 50 images or more.
    error : float
        See `strict`.

    Returns
    -------
    Recalibration

    Raises
    ------
    InputError
        If there are too few images for the target, or an image without pixels.
    """
    least = fewest_images(target)
    _check_share(error, "error")
    if len(factors) < least:
        raise InputError(
            f"{len(factors)} images are too few for a share of {target:g}; give {least} or more"
        )
    each = [np.sort(np.asarray(one, np.float64).ravel()) for one in factors]
    if any(len(one) == 0 or np.isnan(one).any() for one in each):
        raise InputError("an image has no pixels, or some that are not numbers; leave it out")

    def misses(factor: float) -> np.ndarray:
        return np.array([1 - np.searchsorted(one, factor, side="right") / len(one) for one in each])

    def holds(factor: float) -> bool:
        found = misses(factor)
        if strict:
            return hoeffding_bentkus(float(found.mean()), len(each), target) <= error
        return control_risk(found, target)

    # the share of misses never grows with the factor, and changes only at these
    steps = np.unique(np.concatenate([[0.0], *each]))
    steps = steps[steps <= _MOST]
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(float(steps[middle])) else (middle + 1, high)
    factor = float(steps[low]) if low < len(steps) else math.inf
    before, after = float(misses(1.0).mean()), float(misses(factor).mean())
    return Recalibration(
        factor=factor,
        miss=after,
        before=before,
        target=target,
        images=len(each),
        strict=strict,
        sentence=_tell(factor, before, target, len(each), error if strict else None),
    )


def _tell(factor: float, before: float, target: float, images: int, error: float | None) -> str:
    held = f"On these {images} images the intervals hold {100 * (1 - before):.1f} % of the pixels"
    if not math.isfinite(factor):
        return f"{held}, and no factor up to {_MOST:g} makes them hold {100 * (1 - target):.3g} %."
    sure = "on average" if error is None else f"with probability {100 * (1 - error):.3g} %"
    return (
        f"{held}; widened by a factor of {factor:.3g} about the mean they hold "
        f"{100 * (1 - target):.3g} % or more, {sure}, on further images of the same kind restored "
        "by the same sampler."
    )


def _check_share(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise InputError(f"the {name} is {value}; give a number between 0 and 1")
