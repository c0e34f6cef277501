"""A statistic of two channels, drawn jointly or restored independently."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.base import Combine, Parameter
from napari_posterior.statistics.colocalisation import (
    manders,
    neighbour_excess,
    pearson,
    share_light,
    standardise,
)
from napari_posterior.statistics.puncta import detect_puncta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from napari_posterior.statistics.context import StatisticContext

    A = TypeVar("A")
    B = TypeVar("B")
    Contexts = tuple[StatisticContext, StatisticContext]

__all__ = ["Colocalisation", "Pairings", "pair_all"]

_SHIFTS_OF_A_PAIRING: Final = 9  # the many pairings average what chance is left in so few


@dataclass(frozen=True)
class Colocalisation:
    """How far two channels of a sample lie in the same places: numbers of a pair of planes.

    ``pearson`` is the correlation of all pixels; ``manders_1`` and ``manders_2`` are the shares of
    the light of either channel, above its object threshold, where the other one is above its own;
    ``neighbours`` is the share of puncta of the first channel with one of the second within
    `distance`, ``neighbours_by_chance`` what random shifts leave of it and ``neighbours_excess``
    the difference. Everything is measured in the region of the contexts. A number that is not
    defined is NaN: no puncta in the first channel, nothing above a threshold, a constant plane.

    Parameters
    ----------
    distance : float
        Largest distance of two neighbours in pixels.
    shifts : int
        Random shifts of a pair of planes.
    seed : int
        Of the shifts, which are the same for every sample and both models.
    """

    distance: float = 3.0
    shifts: int = 99
    seed: int = 0

    title: ClassVar[str] = "colocalisation"
    unit: ClassVar[str] = ""
    combine: ClassVar[Combine] = "mean"
    regions: ClassVar[bool] = True
    channels: ClassVar[int] = 2

    def __post_init__(self) -> None:
        for one in self.parameters:
            object.__setattr__(self, one.name, one.check(getattr(self, one.name)))

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What can be set."""
        told = {
            "distance": Parameter("px", 0.1, doc="Largest distance of two neighbours."),
            "shifts": Parameter("", 2, doc="Random shifts that tell what chance would do."),
            "seed": Parameter("", 0, doc="Of the random shifts."),
        }
        return tuple(replace(told[f.name], name=f.name, default=f.default) for f in fields(self))

    @property
    def name(self) -> str:
        """Identifier; parameters that were set follow in brackets."""
        given = [(f.name, getattr(self, f.name)) for f in fields(self)]
        changed = [
            f"{key}={value!r}"
            for (key, value), f in zip(given, fields(self), strict=True)
            if value != f.default
        ]
        return f"colocalisation({', '.join(changed)})" if changed else "colocalisation"

    def measure(
        self, first: np.ndarray, second: np.ndarray, contexts: Contexts
    ) -> dict[str, float]:
        """Measure one sample whose channels were drawn jointly.

        Parameters
        ----------
        first, second : ndarray, (H, W)
            The planes of both channels, photoelectrons per pixel.
        contexts : (StatisticContext, StatisticContext)
            Thresholds of either channel; pixels count where the regions of both have them.

        Raises
        ------
        InputError
            If a context has no object threshold, or the planes or regions do not fit.
        """
        thresholds, mask = _read(contexts)
        m1, m2 = manders(first, second, thresholds, mask)
        puncta = [_puncta(x, one) for x, one in zip((first, second), contexts, strict=True)]
        near = neighbour_excess(
            puncta[0],
            puncta[1],
            self.distance,
            shape=(first.shape[0], first.shape[1]),
            mask=mask,
            shifts=self.shifts,
            seed=self.seed,
        )
        return {
            "pearson": pearson(first, second, mask),
            "manders_1": m1,
            "manders_2": m2,
            "neighbours": near.fraction,
            "neighbours_by_chance": near.expected,
            "neighbours_excess": near.excess,
        }

    def measure_pairings(
        self, first: Sequence[np.ndarray], second: Sequence[np.ndarray], contexts: Contexts
    ) -> dict[str, Pairings]:
        """Measure channels that were restored independently, over all pairings of their samples.

        All samples of both channels are held in memory, 9 bytes for each pixel of the region.

        Parameters
        ----------
        first, second : sequence of ndarray, (H, W)
            Samples of either channel, two at least, photoelectrons per pixel.
        contexts : (StatisticContext, StatisticContext)
            As in `measure`.

        Raises
        ------
        InputError
            As `measure`, or if a channel has fewer than two samples.
        """
        (low, high), mask = _read(contexts)
        ones = [_Prepared(x, low, contexts[0], mask) for x in first]
        twos = [_Prepared(x, high, contexts[1], mask) for x in second]
        if len({one.shape for one in (*ones, *twos)}) > 1:
            raise InputError("the samples of both channels differ in size; give planes of one size")
        pairs: dict[str, Callable[[_Prepared, _Prepared], float]] = {
            "pearson": lambda a, b: float(a.standard @ b.standard),
            "manders_1": lambda a, b: float(a.share @ b.above),
            "manders_2": lambda a, b: float(b.share @ a.above),
        }
        found = {key: pair_all(ones, twos, h) for key, h in pairs.items()}
        near = [
            [
                neighbour_excess(
                    a.puncta,
                    b.puncta,
                    self.distance,
                    shape=a.shape,
                    mask=mask,
                    shifts=min(self.shifts, _SHIFTS_OF_A_PAIRING),
                    # Every pairing has its own shifts, so that chance averages out.
                    seed=self.seed + i * len(twos) + j,
                )
                for j, b in enumerate(twos)
            ]
            for i, a in enumerate(ones)
        ]
        rows, columns = range(len(ones)), range(len(twos))
        found["neighbours"] = pair_all(rows, columns, lambda i, j: near[i][j].fraction)
        found["neighbours_by_chance"] = pair_all(rows, columns, lambda i, j: near[i][j].expected)
        found["neighbours_excess"] = pair_all(rows, columns, lambda i, j: near[i][j].excess)
        return found


@dataclass(frozen=True, eq=False)
class Pairings:
    """A number of two channels that were restored independently, over all pairings of samples.

    Parameters
    ----------
    values : ndarray, (K_1, K_2)
        One for each pairing; NaN where it is not defined.
    mean : float
        Mean over the pairings where it is defined.
    se : float
        Standard error of `mean`, by the jackknife over the samples of either channel.
    """

    values: np.ndarray
    mean: float
    se: float

    @property
    def sentence(self) -> str:
        """What was assumed."""
        first, second = self.values.shape
        return (
            f"The channels were restored independently, so this is the mean over all {first} x "
            f"{second} pairings of their samples: the posterior correlation between the channels "
            "is taken as zero."
        )


def pair_all(first: Sequence[A], second: Sequence[B], h: Callable[[A, B], float]) -> Pairings:
    """Average a number over all pairings of the samples of two independent channels.

    The mean is a two-sample U-statistic; its variance is the jackknife's, summed over the
    channels (Arvesen, Ann. Math. Statist. 40 (1969) 2076):
    ``(K - 1) / K * sum_i (U_(-i) - mean U_(-i))^2``, U_(-i) being the mean without sample i.

    Parameters
    ----------
    first, second : sequence
        What `h` takes of each sample of either channel.
    h : callable
        Number of one pairing; NaN where it is not defined.

    Raises
    ------
    InputError
        If a channel has fewer than two samples.
    """
    if min(len(first), len(second)) < 2:
        raise InputError("pairing channels needs two samples of each at least; draw more samples")
    values = np.array([[h(a, b) for b in second] for a in first], np.float64)
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(), int(known.sum())
    if not count:
        return Pairings(values, math.nan, math.nan)
    variance = 0.0
    for axis in (1, 0):
        kept = count - known.sum(axis)
        if not kept.all():
            return Pairings(values, float(total / count), math.nan)
        without = (total - np.where(known, values, 0.0).sum(axis)) / kept
        n = len(without)
        variance += (n - 1) / n * float(((without - without.mean()) ** 2).sum())
    return Pairings(values, float(total / count), math.sqrt(variance))


class _Prepared:
    """What the pairings need of one sample of one channel."""

    def __init__(
        self, x: np.ndarray, threshold: float, context: StatisticContext, mask: np.ndarray | None
    ) -> None:
        if mask is not None and mask.shape != x.shape:
            raise InputError("the region and a sample differ in size; give one of its size")
        pixels = x.ravel() if mask is None else x[mask]
        self.shape: tuple[int, int] = (x.shape[0], x.shape[1])
        self.standard = standardise(pixels).astype(np.float32)
        self.share = share_light(pixels, threshold).astype(np.float32)
        self.above = pixels > threshold
        self.puncta = _puncta(x, context)


def _read(contexts: Contexts) -> tuple[tuple[float, float], np.ndarray | None]:
    """Return both thresholds and the pixels that count."""
    first, second = (one.object_threshold for one in contexts)
    if first is None or second is None:
        raise InputError(
            "colocalisation needs thresholds fixed from the measurement; make the contexts with "
            "make_context"
        )
    regions = [one.region for one in contexts if one.region is not None]
    if len({one.shape for one in regions}) > 1:
        raise InputError("the regions of both channels differ in size; give regions of one size")
    mask = np.logical_and.reduce(regions) if regions else None
    if mask is not None and not mask.any():
        raise InputError("the regions of both channels share no pixel; give the same region")
    return (first, second), mask


def _puncta(x: np.ndarray, context: StatisticContext) -> np.ndarray:
    found = detect_puncta(x, context.puncta_threshold, sigma=context.target_sigma)
    return np.asarray(found.positions)
