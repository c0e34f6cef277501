"""A pilot: few pairs that say what a correction will gain, before it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.correction.terms import mean_term
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.correction.comoments import CoMoments
    from napari_posterior.correction.two_level import Estimator

__all__ = ["Pilot", "measure_pilot"]

_LEAST = 4


@dataclass(frozen=True)
class Pilot:
    """Variances of what is averaged, of one sample, themselves averaged over a map.

    Parameters
    ----------
    teacher, student : float
        Variances, in the square of the quantity's unit.
    covariance : float
        In pairs.
    bias_square : float
        Squared bias of the student, without bias, hence sometimes negative.
    pairs : int
        How many pairs it saw; 0 where the numbers are known.
    """

    teacher: float
    student: float
    covariance: float
    bias_square: float = 0.0
    pairs: int = 0

    @property
    def r(self) -> float:
        """Correlation of teacher and student; 0 where one does not vary."""
        scale = math.sqrt(self.teacher * self.student)
        return min(max(self.covariance / scale, -1.0), 1.0) if scale > 0 else 0.0

    @property
    def slope(self) -> float:
        """The best slope, C / V_S; 0 where the student does not vary."""
        return self.covariance / self.student if self.student > 0 else 0.0

    def at_most(self, r: float) -> Pilot:
        """Return the pilot of a quantity whose samples follow no closer than with correlation r."""
        return replace(self, covariance=min(self.r, r) * math.sqrt(self.teacher * self.student))

    @property
    def bias(self) -> float:
        """Bias of the student, root mean square over a map, not below 0."""
        return math.sqrt(max(self.bias_square, 0.0))


def measure_pilot(pairs: CoMoments, *, estimator: Estimator = mean_term) -> Pilot:
    """Measure what a correction of one quantity depends on.

    Parameters
    ----------
    pairs : CoMoments
        Of teacher and student, 4 pairs or more; 8 or more are advised. They are not used again in
        the estimate whose sizes or weight they choose.
    estimator : callable
        `mean_term`, or `variance_term` for a variance.

    Raises
    ------
    InputError
        If there are fewer than 4 pairs.
    """
    if pairs.count < _LEAST:
        raise InputError(f"a pilot needs {_LEAST} pairs or more; draw 8")
    teacher, student, gap = (
        estimator(pairs, weights) for weights in ((1.0, 0.0), (0.0, 1.0), (1.0, -1.0))
    )
    first, second, both = (
        pairs.count * float(np.mean(term.variance)) for term in (teacher, student, gap)
    )
    return Pilot(
        teacher=first,
        student=second,
        covariance=(first + second - both) / 2,
        bias_square=float(np.mean(gap.value**2 - gap.variance)),
        pairs=pairs.count,
    )
