"""Probabilities of events and distributions of numbers, corrected.

An event is 0 or 1 of every sample; a distribution is the event ``h <= t`` on a fixed grid of
thresholds t. Both are means, so `two_level` estimates them without bias; what is added here are
intervals that stay wide where few pairs disagree, an exact paired test, and a distribution that
rises from 0 to 1 with quantiles read from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats

from napari_posterior.correction.terms import Term, add_terms, interval_of, mean_term
from napari_posterior.correction.two_level import TwoLevel, correct
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.correction.comoments import CoMoments
    from napari_posterior.correction.estimate import About, Corrected

__all__ = ["Distribution", "Events", "Thresholds"]


class Events:
    """Events of students alone and of pairs, added one sample at a time."""

    def __init__(self) -> None:
        self._both = TwoLevel()

    @property
    def samples(self) -> TwoLevel:
        """The events as numbers."""
        return self._both

    def add_pair(self, teacher: np.ndarray | bool, student: np.ndarray | bool) -> None:
        """Add whether each event happened under both, (...) bool."""
        self._both.add_pair(_as_event(teacher), _as_event(student))

    def add_student(self, student: np.ndarray | bool) -> None:
        """Add whether each event happened under a student on noise of its own, (...) bool."""
        self._both.add_student(_as_event(student))

    def merge(self, other: Events) -> None:
        """Take over the samples of another stream."""
        self._both.merge(other.samples)

    def probability(
        self, about: About, *, slope: float = 1.0, nested: bool = True, level: float = 0.95
    ) -> Corrected:
        """Estimate the teacher's probability of each event.

        Parameters
        ----------
        about, slope, nested, level
            See `correct`.

        Returns
        -------
        Corrected
            The estimate is raw and may lie just outside 0 to 1; its interval lies inside.

        Notes
        -----
        The interval is computed as if half a pair more had been seen in each of the four cells of
        the table of both, and one student more on each side, so that agreement of all pairs does
        not leave it without width. Source: A. Agresti and Y. Min, Statistics in Medicine 24 (2005)
        729-740. The p-value is McNemar's, exact.
        """
        pairs, students = self._both.pairs, self._both.students
        found = correct(mean_term, pairs, students, about, slope=slope, nested=nested, level=level)
        cells = _cells(pairs)
        careful = add_terms(
            [
                _careful_student(students, found.weight, found.student.value),
                _careful_pairs(cells, pairs.count, found.weight),
            ]
        )
        low, high = interval_of(replace(careful, value=found.value), level=level)
        gap = replace(_careful_pairs(cells, pairs.count, 1.0), value=found.difference.value)
        least, most = (np.clip(end, -1, 1) for end in interval_of(gap, level=level))
        difference = replace(
            found.difference,
            low=least,
            high=most,
            p_values=_mcnemar(cells),
            method="exact McNemar test",
        )
        return replace(
            found, low=np.clip(low, 0, 1), high=np.clip(high, 0, 1), difference=difference
        )


class Thresholds:
    """The distribution of a number on a fixed grid, from students alone and pairs.

    Parameters
    ----------
    grid : ndarray, (G,)
        Increasing thresholds in the unit of the number, fixed before the samples were drawn.

    Raises
    ------
    InputError
        If the grid does not increase or is not finite.
    """

    def __init__(self, grid: np.ndarray) -> None:
        self.grid = np.asarray(grid, np.float64)
        if (
            self.grid.ndim != 1
            or not np.isfinite(self.grid).all()
            or (np.diff(self.grid) <= 0).any()
        ):
            raise InputError("thresholds are finite and increase; give for instance np.arange(50)")
        self.events = Events()

    def add_pair(self, teacher: float, student: float) -> None:
        """Add the number measured on a teacher's and a student's sample of the same noise."""
        self.events.add_pair(self._below(teacher), self._below(student))

    def add_student(self, student: float) -> None:
        """Add the number measured on a student's sample on noise of its own."""
        self.events.add_student(self._below(student))

    def merge(self, other: Thresholds) -> None:
        """Take over the samples of another stream of the same grid."""
        if not np.array_equal(other.grid, self.grid):
            raise ValueError("streams of one grid merge")
        self.events.merge(other.events)

    def distribution(
        self, about: About, *, slope: float = 1.0, nested: bool = True, level: float = 0.95
    ) -> Distribution:
        """Estimate the teacher's distribution; see `Events.probability` for the parameters."""
        raw = self.events.probability(about, slope=slope, nested=nested, level=level)
        return Distribution(self.grid, raw, _rising(raw.value))

    def _below(self, value: float) -> np.ndarray:
        if not np.isfinite(value):
            raise InputError(
                "the statistic is not a finite number on a sample; take one that every sample has"
            )
        return np.asarray(value) <= self.grid


@dataclass(frozen=True, eq=False)
class Distribution:
    """A corrected distribution function.

    Parameters
    ----------
    grid : ndarray, (G,)
        Thresholds.
    raw : Corrected
        Unbiased at each threshold, with interval; it may fall or leave 0 to 1.
    cdf : ndarray, (G,)
        The nearest function that rises, clipped to 0 to 1; no farther from the teacher's, in
        squares summed over the grid, than the raw one. Source: R. E. Barlow et al., Statistical
        Inference under Order Restrictions (1972), theorem 1.7.
    """

    grid: np.ndarray
    raw: Corrected
    cdf: np.ndarray

    @property
    def masses(self) -> np.ndarray:
        """Probability between thresholds, (G + 1,): at most the first, ..., above the last."""
        return np.diff(self.cdf, prepend=0.0, append=1.0)

    def quantile(self, q: float) -> tuple[float, tuple[float, float]]:
        """Return the smallest threshold that at least a share q lies below, with its interval.

        Parameters
        ----------
        q : float
            0 to 1, both excluded.

        Returns
        -------
        float
            Infinite where the grid ends below the quantile.
        tuple of float
            Thresholds at which the interval of the distribution function contains q; the lower
            end is minus infinity where the first of the grid does.
        """
        if not 0 < q < 1:
            raise InputError("a quantile lies between 0 and 1; give for instance 0.5")
        ends = [_rising(end) for end in (self.raw.high, self.raw.low)]
        low, high = (self._first(end, q) for end in ends)
        return self._first(self.cdf, q), (-np.inf if low == self.grid[0] else low, high)

    def _first(self, rising: np.ndarray, q: float) -> float:
        place = int(np.searchsorted(rising, q, side="left"))
        return float(self.grid[place]) if place < len(self.grid) else np.inf


def _rising(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(optimize.isotonic_regression(values).x, 0.0, 1.0))


def _as_event(value: np.ndarray | bool) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype != bool:
        raise InputError("an event happened or did not: give booleans")
    return array.astype(np.float64)


def _cells(pairs: CoMoments) -> np.ndarray:
    """Return how many pairs saw the event under both, teacher only, student only, neither."""
    n = pairs.count
    both = pairs.sum_of(1, 1) + n * pairs.mean(0) * pairs.mean(1)
    teacher, student = n * pairs.mean(0) - both, n * pairs.mean(1) - both
    return np.asarray(np.rint([both, teacher, student, n - both - teacher - student]))


def _careful_pairs(cells: np.ndarray, count: int, weight: float) -> Term:
    """Return the variance of the paired mean with half a pair more in each cell."""
    shares = (cells + 0.5) / (count + 2)
    values = np.array([1 - weight, 1.0, -weight, 0.0])
    mean = np.tensordot(values, shares, 1)
    spread = np.tensordot(values**2, shares, 1) - mean**2
    return Term(mean, spread / (count + 2), float(count - 1))


def _careful_student(students: CoMoments, weight: float, share: np.ndarray) -> Term:
    """Return the variance of the students' share with one more on each side."""
    more = students.count + 2
    p = (students.count * share + 1) / more
    return Term(weight * p, weight**2 * p * (1 - p) / more, float(students.count - 1))


def _mcnemar(cells: np.ndarray) -> np.ndarray:
    """Return exact two-sided p-values from the pairs that disagree."""
    one, other = cells[1], cells[2]
    tail = stats.binom.cdf(np.minimum(one, other), one + other, 0.5)
    return np.asarray(np.minimum(1.0, 2 * tail))
