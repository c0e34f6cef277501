"""Whether two samplers still differ on shared noise, and the first of several that does not.

Sample k of both starts from the same noise, so labels are swapped within pairs: for the mean that
flips the signs of paired differences, for the variance it exchanges squared deviations. Both tests
are of the whole image at once, from inner products only, so there are no pixels to correct for.
Every pixel is in units of the standard deviation of all samples there, which swaps do not change,
so that dim and bright pixels count alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.gram import Gram, GramAccumulator, coupling, group, same_samples
from napari_posterior.checks.reading import BandReader
from napari_posterior.checks.two_sample import PERMUTATIONS, permutation_p
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_posterior.checks.source import Stack

__all__ = ["LEAST_PAIRS", "PairedLook", "climb", "look_at_pairs"]

LEAST_PAIRS: Final = 8
"""Fewer have too few ways of swapping: n pairs give no p-value below ``2^(1 - n)``."""

_TESTS: Final = 2


@dataclass(frozen=True)
class PairedLook:
    """How two samplers differ on the same noise.

    Parameters
    ----------
    pairs : int
        How many were looked at.
    mean_p, variance_p : float
        P-values of no difference of the means, and of the total variances.
    mean_gap : float
        Root mean square over pixels of the difference of the means, in posterior standard
        deviations; without what finite numbers of samples add, and 0 where the estimate is below.
    variance_ratio : float
        Total variance of the second sampler over that of the first, every pixel in units of its
        standard deviation.
    r : float
        Correlation of both on shared noise.
    """

    pairs: int
    mean_p: float
    variance_p: float
    mean_gap: float
    variance_ratio: float
    r: float

    @property
    def p_value(self) -> float:
        """Of no difference in either: twice the smaller one, after Bonferroni."""
        return min(1.0, _TESTS * min(self.mean_p, self.variance_p))

    def rejects(self, *, level: float, negligible: float = 0.0) -> bool:
        """Return whether a difference was found that matters.

        Parameters
        ----------
        level : float
            Of both tests together.
        negligible : float
            Differences that do not matter: of the mean in posterior standard deviations, of the
            variance as a share.
        """
        sizes = (
            (self.mean_p, self.mean_gap),
            (self.variance_p, abs(self.variance_ratio - 1)),
        )
        return any(_TESTS * p <= level and not size < negligible for p, size in sizes)


def look_at_pairs(
    first: Stack,
    second: Stack,
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
    on_step: Callable[[], None] | None = None,
) -> PairedLook:
    """Compare mean and total variance of two samplers on shared noise.

    Parameters
    ----------
    first, second : Stack
        As many samples of each, those at one place on the same noise.
    permutations : int
        How often labels are swapped.
    seed : int
        Of the swaps.
    on_step : callable, optional
        Called after every sample that is read; may raise to end it.

    Raises
    ------
    InputError
        If the stacks differ in shape, hold fewer than 8 samples, or values that are not finite.

    Notes
    -----
    Exact where teacher and student may be exchanged on every noise, which two samplers of one law
    and the same error on it are; otherwise right for many pairs, as any test of a mean by signs.
    """
    if first.shape != second.shape or first.count < LEAST_PAIRS:
        raise InputError(
            f"a paired test needs as many samples of both and {LEAST_PAIRS} or more, not "
            f"{first.count} and {second.count}; draw more"
        )
    gram = _standardised(first, second, on_step)
    count = gram.n_teacher
    variances = [
        group(gram.matrix[np.ix_(rows, rows)]).total_variance
        for rows in (gram.teacher, gram.student)
    ]
    if same_samples(gram):
        return PairedLook(count, 1.0, 1.0, 0.0, 1.0, 1.0)
    test = partial(permutation_p, gram, paired=True, permutations=permutations, seed=seed)
    known = variances[0] > 0
    return PairedLook(
        pairs=count,
        mean_p=test(statistic="mean"),
        variance_p=test(statistic="variance"),
        mean_gap=math.sqrt(max(_paired_square(gram), 0.0) / variances[0]) if known else math.inf,
        variance_ratio=variances[1] / variances[0] if known else math.inf,
        r=coupling(gram),
    )


def climb(
    taus: Iterable[float],
    look: Callable[[float], PairedLook],
    *,
    level: float,
    negligible: float = 0.0,
) -> list[tuple[float, PairedLook, bool]]:
    """Look at rising times until one is not rejected.

    Parameters
    ----------
    taus : iterable of float
        Times of a hand-over, from the cheapest on.
    look : callable
        Draws at one of them and compares.
    level, negligible : float
        See `PairedLook.rejects`.

    Returns
    -------
    list of tuple
        Time, look, and whether it was rejected; only the last one may not be.

    Notes
    -----
    A fixed sequence: the order is set beforehand and the first time that is not rejected ends it.
    A time too late is chosen only if the first time without a difference is rejected, one test,
    so that the level holds without a correction for their number (Westfall & Krishen 2001, J. Stat.
    Plan. Inference 99:25). A time too early is chosen where a difference is there and not found,
    and no level speaks of that.
    """
    found = []
    for tau in taus:
        seen = look(tau)
        rejected = seen.rejects(level=level, negligible=negligible)
        found.append((tau, seen, rejected))
        if not rejected:
            break
    return found


def _standardised(first: Stack, second: Stack, on_step: Callable[[], None] | None) -> Gram:
    reader = BandReader(first, second, on_step)
    gram = GramAccumulator(first.count, second.count)
    for plane in range(first.planes):
        for _, rows in reader.bands(plane):
            scale = rows.std(0, dtype=np.float64)
            scale[scale == 0] = 1.0
            gram.add((rows / scale.astype(np.float32)).reshape(len(rows), -1))
    return gram.result()


def _paired_square(gram: Gram) -> float:
    """Return the squared difference of the means, without bias, from pairs that differ."""
    count = gram.n_teacher
    cross = gram.matrix[:count, count:]
    apart = gram.matrix[:count, :count] + gram.matrix[count:, count:] - cross - cross.T
    return float(apart.sum() - np.trace(apart)) / (count * (count - 1))
