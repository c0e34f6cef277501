"""More levels: students of one and four steps, the teacher with n and with 2n steps.

All samples of a level start from the noise of the level below, so that with the levels 0 ... L

    E g(L) = E g(0) + sum_l E [g(l) - g(l - 1)]

is estimated term by term, each on noise of its own, with few samples where the terms vary little.
The last terms measure what the teacher's own steps cost: the difference of 2n steps from n is its
discretisation bias, up to what 2n steps still leave. Source: M. B. Giles, Operations Research 56
(2008) 607-617.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.correction.comoments import CoMoments
from napari_posterior.correction.estimate import paired_t
from napari_posterior.correction.terms import Term, add_terms, interval_of, mean_term
from napari_posterior.correction.two_level import Estimator, correlation
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Levels", "Telescoped", "allocate_levels"]


@dataclass(frozen=True, eq=False)
class Telescoped:
    """An estimate under the finest level that was asked for.

    Parameters
    ----------
    names : tuple of str, (L + 1,)
        Of the levels, coarsest first.
    counts : tuple of int, (L + 1,)
        Samples of the coarsest, then pairs of each level with the one below.
    terms : tuple of Term, (L + 1,)
        What each adds.
    value, se, low, high : ndarray, (...)
        Estimate, standard error and ends of the interval.
    level : float
        Confidence level.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    terms: tuple[Term, ...]
    value: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    level: float

    @property
    def last_step(self) -> tuple[Term, np.ndarray]:
        """What the finest level changes, with p-values: minus the bias of the one below."""
        return self.terms[-1], paired_t(self.terms[-1])

    @property
    def sample_variances(self) -> tuple[float, ...]:
        """Variance of one sample of each term, averaged over a map: for `allocate_levels`."""
        pairs = zip(self.terms, self.counts, strict=True)
        return tuple(float(np.mean(term.variance)) * count for term, count in pairs)


class Levels:
    """Streams of several samplers on shared noise.

    Parameters
    ----------
    names : sequence of str
        Two or more, from the coarsest to the finest.
    order : int
        2; or 4, for standard errors of variances that hold for any law.
    """

    def __init__(self, names: Sequence[str], *, order: int = 2) -> None:
        if len(names) < 2 or len(set(names)) < len(names):
            raise InputError("give two levels or more, each with a name of its own")
        self.names = tuple(names)
        self.streams = (
            CoMoments(variables=1, order=order),
            *(CoMoments(variables=2, order=order) for _ in names[1:]),
        )

    def add(self, level: int, *samples: np.ndarray | float) -> None:
        """Add a sample of level 0, or one of `level` and one of the level below on its noise."""
        self.streams[level].add(*samples)

    def merge(self, other: Levels) -> None:
        """Take over the samples of another set of streams."""
        if other.names != self.names:
            raise ValueError("streams of the same levels merge")
        for own, more in zip(self.streams, other.streams, strict=True):
            own.merge(more)

    def estimate(
        self,
        *,
        estimator: Estimator = mean_term,
        upto: str | None = None,
        level: float = 0.95,
    ) -> Telescoped:
        """Estimate a quantity under one level.

        Parameters
        ----------
        estimator : callable
            `mean_term` or `variance_term`.
        upto : str, optional
            Name of the level; the finest by default.
        level : float
            Confidence level.

        Raises
        ------
        InputError
            If the name is unknown or a stream has too few samples.
        """
        last = self._place(upto)
        terms = [estimator(self.streams[0], (1.0,))]
        terms += [estimator(stream, (1.0, -1.0)) for stream in self.streams[1 : last + 1]]
        total = add_terms(terms)
        low, high = interval_of(total, level=level)
        return Telescoped(
            names=self.names[: last + 1],
            counts=tuple(stream.count for stream in self.streams[: last + 1]),
            terms=tuple(terms),
            value=total.value,
            se=total.se,
            low=low,
            high=high,
            level=level,
        )

    def correlations(self, *, estimator: Estimator = mean_term) -> tuple[np.ndarray, ...]:
        """Return the correlation of each level with the one below, (L,) of (...)."""
        return tuple(correlation(estimator, stream) for stream in self.streams[1:])

    def _place(self, name: str | None) -> int:
        if name is None:
            return len(self.names) - 1
        if name not in self.names[1:]:
            known = ", ".join(self.names[1:])
            raise InputError(f"there is no level {name!r} to correct to; choose one of {known}")
        return self.names.index(name)


def allocate_levels(
    variances: Sequence[float],
    costs: Sequence[float],
    *,
    seconds: float | None = None,
    se: float | None = None,
    least: int = 2,
) -> tuple[int, ...]:
    """Choose how many samples of the coarsest level and pairs of the others to draw.

    Parameters
    ----------
    variances : sequence of float, (L + 1,)
        Of one sample of each term, see `Telescoped.sample_variances`.
    costs : sequence of float, (L + 1,)
        Seconds of one: of a pair, of both samples.
    seconds, se : float
        One of them: the time to spend, or the standard error wanted.
    least : int
        Of each.

    Returns
    -------
    tuple of int
        ``N_l`` in proportion to ``sqrt(V_l / C_l)``, rounded down for a time and up for an error;
        `least` of each may exceed the time.

    Raises
    ------
    InputError
        If not exactly one goal is given.
    """
    if (seconds is None) == (se is None):
        raise InputError("give either the seconds to spend or the standard error wanted")
    shares = [math.sqrt(max(v, 0.0) / c) for v, c in zip(variances, costs, strict=True)]
    work = sum(math.sqrt(max(v, 0.0) * c) for v, c in zip(variances, costs, strict=True))
    if work == 0:
        return (least,) * len(shares)
    if se is not None:
        return tuple(max(math.ceil(share * work / se**2), least) for share in shares)
    return tuple(max(int(share * float(seconds or 0) / work), least) for share in shares)
