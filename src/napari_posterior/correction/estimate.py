"""What a correction gives: `Corrected`, an estimate of the teacher with its error and its gain.

Besides the estimate it keeps what it was made of: the teacher's samples alone, the student's alone,
and their paired `Difference`, which is the student's own bias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.terms import Term

__all__ = ["About", "Corrected", "Difference", "paired_t"]


@dataclass(frozen=True)
class About:
    """What is estimated, of whom.

    Parameters
    ----------
    quantity : str
        In words, such as ``"mean of the puncta count"``.
    unit : str
        Its unit; empty for a plain number.
    teacher, student : str
        Names with steps, such as ``"the teacher with 32 steps"``.
    scope : str
        Where it holds.
    costs : Costs or None
        Seconds a sample; without them no speed-up is told.
    """

    quantity: str
    unit: str = ""
    teacher: str = "the teacher"
    student: str = "the student"
    scope: str = "on this image"
    costs: Costs | None = None


@dataclass(frozen=True, eq=False)
class Difference:
    """Student less teacher, estimated from the pairs alone: the bias of the student.

    Parameters
    ----------
    value, se, low, high : ndarray, (...)
        Estimate, standard error and ends of the interval, in the unit of the quantity.
    p_values : ndarray, (...)
        Of no difference at all, in pairs.
    method : str
        How they were computed.
    """

    value: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_values: np.ndarray
    method: str

    def found(self, *, rate: float = 0.05) -> np.ndarray:
        """Return where they differ at a false discovery rate, (...) bool.

        Source: Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57 (1995) 289-300.
        """
        flat = np.atleast_1d(self.p_values).ravel()
        kept = stats.false_discovery_control(flat) <= rate
        return np.asarray(kept.reshape(np.shape(self.p_values)))


@dataclass(frozen=True, eq=False)
class Corrected:
    """An unbiased estimate of a quantity of the teacher.

    Parameters
    ----------
    about : About
        What is estimated, of whom.
    value, se : ndarray, (...)
        Estimate and standard error, float64; a variance may be negative where it is small: it is
        clipped for display only.
    low, high : ndarray, (...)
        Ends of the interval.
    freedom : ndarray, (...)
        Degrees of freedom of `se`.
    level : float
        Confidence level of each interval.
    students, pairs : int
        Student samples beside the pairs, and pairs.
    weight : float
        Of the student in the sum.
    teacher, student : Term
        From the teacher's samples of the pairs alone, and from the students beside the pairs
        alone: the latter is biased.
    difference : Difference
        Student less teacher, in pairs.
    r : ndarray, (...)
        Correlation, in pairs, of what is averaged; NaN where one does not vary.
    """

    about: About
    value: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    freedom: np.ndarray | float
    level: float
    students: int
    pairs: int
    weight: float
    teacher: Term
    student: Term
    difference: Difference
    r: np.ndarray

    @property
    def gain(self) -> float:
        """Variance of the teacher's samples of the pairs alone over that of the estimate."""
        own = float(np.mean(self.se**2))
        return float(np.mean(self.teacher.variance)) / own if own > 0 else np.nan

    @property
    def speed_up(self) -> float | None:
        """Variance of the teacher alone at equal cost over that achieved, averaged over a map.

        As many times more teacher samples would have been needed. None without costs.
        """
        costs = self.about.costs
        if costs is None:
            return None
        spent = costs.of(students=self.students, pairs=self.pairs)
        return self.gain * self.pairs * costs.teacher / spent


def paired_t(term: Term) -> np.ndarray:
    """Return two-sided p-values of a term that is 0 if nothing differs, (...) float64.

    1 where the value is 0 and does not vary, 0 where it is not 0 and does not vary.
    """
    ratio = np.full(np.shape(term.value), np.inf)
    np.divide(np.abs(term.value), term.se, out=ratio, where=term.se > 0)
    ratio[np.asarray(term.value) == 0] = 0.0
    return np.asarray(2 * stats.t.sf(ratio, term.freedom))
