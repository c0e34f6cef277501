"""One number of every sample, kept, so that its mean and its distribution can be told.

The thresholds of a distribution are fixed without the samples that they are applied to. A number
that is whole in every sample has all whole numbers as thresholds: those below the least and above
the most value seen add nothing, as the distribution is 0 and 1 there. Any other number has a grid
around the mean of the first students beside the pairs, and these students are then left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.correction.events import Thresholds
from napari_posterior.correction.two_level import TwoLevel

if TYPE_CHECKING:
    from napari_posterior.correction.estimate import About, Corrected
    from napari_posterior.correction.events import Distribution

__all__ = ["Series"]

_WHOLE: Final = 512
"""Most whole numbers that a grid holds; a number that ranges wider is taken as any other."""
_CHOOSING: Final = 32
"""Students that choose a grid, at most; a quarter of them where there are few."""
_LEAST: Final = 4
_REACH: Final = 4.0  # standard deviations to either side
_STEPS: Final = 40


class Series:
    """A number of every pair and every student.

    Parameters
    ----------
    unit : str
        Of the number.
    """

    def __init__(self, unit: str = "") -> None:
        self.unit = unit
        self._pairs: list[tuple[float, float]] = []
        self._students: list[float] = []

    def add_pair(self, teacher: float, student: float) -> None:
        """Add the number measured on a teacher's and a student's sample of the same noise."""
        self._pairs.append((float(teacher), float(student)))

    def add_student(self, student: float) -> None:
        """Add the number measured on a student's sample on noise of its own."""
        self._students.append(float(student))

    def mean(self, about: About, *, level: float = 0.95) -> Corrected:
        """Estimate the teacher's mean; see `correct`."""
        both = TwoLevel()
        for pair in self._pairs:
            both.add_pair(*pair)
        for student in self._students:
            both.add_student(student)
        return both.mean(about, level=level)

    def distribution(self, about: About, *, level: float = 0.95) -> Distribution | None:
        """Estimate the teacher's distribution.

        Parameters
        ----------
        about : About
            Of the number; the result is about probabilities.
        level : float
            Confidence level of the intervals.

        Returns
        -------
        Distribution or None
            None where too few students are there to choose a grid (16 beside the pairs), or the
            number does not vary among them.
        """
        grid, students = self._grid()
        if grid is None:
            return None
        kept = Thresholds(grid)
        for pair in self._pairs:
            kept.add_pair(*pair)
        for student in students:
            kept.add_student(student)
        unit = f" {about.unit}" if about.unit else ""
        told = replace(about, quantity=f"probability of at most t{unit}, {about.quantity}", unit="")
        return kept.distribution(told, level=level)

    def _grid(self) -> tuple[np.ndarray | None, list[float]]:
        """Return thresholds, and the students that did not choose them."""
        values = np.array([*np.ravel(self._pairs), *self._students])
        if len(values) and (values == np.rint(values)).all() and np.ptp(values) < _WHOLE:
            return np.arange(values.min() - 1, values.max() + 1), self._students
        count = min(_CHOOSING, len(self._students) // 4)
        if count < _LEAST:
            return None, self._students
        chosen = np.array(self._students[:count])
        middle, reach = float(chosen.mean()), _REACH * float(chosen.std(ddof=1))
        if not reach > 0:
            return None, self._students
        grid = np.linspace(middle - reach, middle + reach, _STEPS + 1)
        return grid, self._students[count:]
