"""Filaments: ridges above a contrast fixed from the measurement, thinned to their middle lines.

A row of puncta can look like a filament to a ridge filter. So the length is given at 0.8 and 1.25
times the threshold too: that of a filament hardly changes, that of a row of puncta does.

Filaments are always traced on the whole plane; a region selects from what was traced, so that its
edge makes no ends.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.statistics.base import FunctionStatistic
from napari_posterior.statistics.context import StatisticContext
from napari_posterior.statistics.lengths import in_micrometres
from napari_posterior.statistics.registry import statistic
from napari_posterior.statistics.skeleton import Skeleton, make_skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "connection",
    "connections",
    "filament_fragments",
    "filament_length",
    "filament_length_um",
    "filament_threshold",
    "ridge_contrast",
    "trace_filaments",
]

_FILTER: Final = 1.5  # of the width at which x is seen: filaments are a little wider than a line
_SHORTEST: Final = 3.0  # of the filter's width: spurs below it go, and picks reach as far
_OTHER_THRESHOLDS: Final = (0.8, 1.25)

Point = tuple[float, float]


def ridge_contrast(x: np.ndarray, *, target_sigma: float = TARGET_SIGMA) -> np.ndarray:
    """Return the contrast of bright ridges, (H, W) float64, in the unit of x.

    The filter of Sato et al., Medical Image Analysis 2 (1998) 143, at one width f, 1.5 times
    `target_sigma`. On the middle of a straight line of Gaussian profile, height A and width s it
    is ``A s f^2 / (s^2 + f^2)^(3/2)``; it is scaled so that this is A at s = `target_sigma`. A
    line 1.5 times as wide reads 0.92 A, a single punctum 0.55 A.

    Parameters
    ----------
    x : ndarray, (H, W)
        One sample, photoelectrons per pixel.
    target_sigma : float
        Width in pixels at which x is seen.
    """
    from skimage.filters import sato

    width = _FILTER * target_sigma
    plane = np.asarray(x, np.float64)
    response = sato(plane, sigmas=[width], black_ridges=False)  # type: ignore[no-untyped-call]
    scale = (target_sigma**2 + width**2) ** 1.5 / (target_sigma * width**2)
    return np.asarray(scale * response)


def filament_threshold(context: StatisticContext) -> float:
    """Return the smallest contrast of a filament in x, photoelectrons per pixel.

    A line of contrast A and width t in x, seen through a PSF of width p under noise of variance v
    per pixel, has in y the profile ``A (t/p) exp(-d^2 / 2 p^2)``. Matched to a stretch of it as
    long as the ridge filter of width f averages over, ``2 sqrt(pi) f``, A is estimated with

        sd = sqrt(v p / (2 pi f)) / t,

    which is ``t / sqrt(2 p f)`` times the sd of the amplitude of a punctum (`amplitude_sd`). The
    threshold is as many sd as that of puncta, and as that one is fixed by the measurement alone.
    """
    width = _FILTER * context.target_sigma
    share = context.target_sigma / math.sqrt(2 * context.psf_sigma * width)
    return context.puncta_threshold * share


def trace_filaments(
    x: np.ndarray, threshold: float, *, target_sigma: float = TARGET_SIGMA
) -> Skeleton:
    """Thin the ridges above `threshold` to lines; branches below 4.5 `target_sigma` are pruned.

    Parameters
    ----------
    x : ndarray, (H, W)
        One sample, photoelectrons per pixel at the target resolution.
    threshold : float
        Smallest contrast, photoelectrons per pixel; fixed before sampling.
    target_sigma : float
        Width in pixels at which x is seen.

    Raises
    ------
    InputError
        If `x` is not two-dimensional or the threshold is not positive.
    """
    if x.ndim != 2:
        raise InputError(f"filaments are traced plane by plane; the array has {x.ndim} axes")
    return _trace(ridge_contrast(x, target_sigma=target_sigma), threshold, target_sigma)


@statistic(title="filament length", unit="px", combine="sum", regions=True)
def filament_length(x: np.ndarray, context: StatisticContext) -> dict[str, float]:
    """Return the length of all filaments in pixels, also at 0.8 and 1.25 times the threshold.

    Steps along diagonals count sqrt 2; what that makes of a line is told by `Skeleton.length`. A
    step over the edge of the region counts half: the lengths in regions that share out the plane
    add up to that of the plane.
    """
    contrast = ridge_contrast(x, target_sigma=context.target_sigma)
    found = {"": 1.0} | {f"threshold_x{factor:g}": factor for factor in _OTHER_THRESHOLDS}
    threshold = filament_threshold(context)
    return {
        key: _length(_trace(contrast, factor * threshold, context.target_sigma), context)
        for key, factor in found.items()
    }


@statistic(title="filament length in micrometres", unit="µm", combine="sum", regions=True)
def filament_length_um(x: np.ndarray, context: StatisticContext) -> float:
    """Return the length of all filaments in micrometres; see `filament_length`.

    Raises
    ------
    InputError
        If the pixel size is not known.
    """
    size = in_micrometres(context.pixel_size, context.unit)
    if size is None:
        raise InputError(
            "filament_length_um needs the pixel size of the image in micrometres; "
            "set the scale of the image, or ask for filament_length"
        )
    return _length(_traced(x, context), context, size)


@statistic(title="filament fragments", unit="fragments", combine="sum", regions=True)
def filament_fragments(x: np.ndarray, context: StatisticContext) -> float:
    """Count the connected fragments of all filaments, those that touch the region."""
    traced = _traced(x, context)
    return float(len(np.unique(traced.fragment[context.inside(traced.positions)])))


def connection(start: Point, end: Point, *, name: str = "connection") -> FunctionStatistic:
    """Make a statistic that is 1 where a sample connects two picked points, else 0.

    Its mean over samples is the probability of the connection. Points are connected if the
    nearest skeleton pixels, at most 4.5 times the width at which x is seen away, belong to one
    fragment. With a region, the path between them must stay inside it.

    Parameters
    ----------
    start, end : tuple of float
        Row and column in pixels.
    name : str
        Identifier of the statistic.

    Raises
    ------
    InputError
        When computed, if a point lies outside the plane.
    """

    def connected(x: np.ndarray, context: StatisticContext) -> float:
        for point in (start, end):
            if not all(-0.5 <= p <= n - 0.5 for p, n in zip(point, x.shape, strict=True)):
                raise InputError(f"the point {point} lies outside the plane; pick one inside it")
        traced = _cut(_traced(x, context), context)
        reach = _SHORTEST * _FILTER * context.target_sigma
        first, second = (traced.fragment_near(point, reach) for point in (start, end))
        return float(first is not None and first == second)

    return FunctionStatistic(connected, name, name.replace("_", " "), "", "mean", regions=True)


def connections(
    samples: Iterable[np.ndarray], start: Point, end: Point, context: StatisticContext
) -> np.ndarray:
    """Return for every sample whether it connects two picked points, (K,) of 0 and 1.

    Parameters
    ----------
    samples : iterable of ndarray, (H, W)
        Photoelectrons per pixel; an array (K, H, W) too.
    start, end : tuple of float
        Row and column in pixels; see `connection`.
    context : StatisticContext
        With the threshold.

    Raises
    ------
    InputError
        If a point lies outside the plane.
    """
    asked = connection(start, end)
    return np.array([asked.measure(x, context) for x in samples], np.int8)


def _traced(x: np.ndarray, context: StatisticContext) -> Skeleton:
    threshold = filament_threshold(context)
    return trace_filaments(x, threshold, target_sigma=context.target_sigma)


def _length(
    traced: Skeleton, context: StatisticContext, pixel_size: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Return the length inside the region; a step over its edge counts half."""
    ends = context.inside(traced.positions)[traced.steps].sum(1)
    whole, half = (replace(traced, steps=traced.steps[ends == n]) for n in (2, 1))
    return whole.length(pixel_size) + half.length(pixel_size) / 2


def _cut(traced: Skeleton, context: StatisticContext) -> Skeleton:
    """Return what lies inside the region, its fragments counted anew."""
    if context.region is None:
        return traced
    return traced.select(context.inside(traced.positions))


def _trace(contrast: np.ndarray, threshold: float, target_sigma: float) -> Skeleton:
    if not threshold > 0:
        raise InputError(f"the filament threshold is {threshold}; give a positive contrast")
    shortest = _SHORTEST * _FILTER * target_sigma
    return make_skeleton(contrast > threshold, shortest=shortest)
