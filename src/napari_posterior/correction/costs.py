"""What samples cost, and what sharing noise can save: the laws of two levels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_posterior.errors import InputError

__all__ = ["Costs", "speed_up"]


@dataclass(frozen=True)
class Costs:
    """Seconds that one sample takes.

    Parameters
    ----------
    student, teacher : float
        Greater than 0; the measure of a statistic counts with both.

    Raises
    ------
    InputError
        If one is not a positive number.
    """

    student: float
    teacher: float

    def __post_init__(self) -> None:
        if not (0 < self.student < math.inf and 0 < self.teacher < math.inf):
            raise InputError("the seconds of a sample are greater than 0; time one of each sampler")

    @property
    def ratio(self) -> float:
        """How many student samples one teacher sample costs."""
        return self.teacher / self.student

    def of(self, *, students: float, pairs: float) -> float:
        """Return the seconds of students alone and pairs: a pair costs one sample of each."""
        return pairs * (self.teacher + self.student) + students * self.student


def speed_up(r: float, ratio: float, *, nested: bool = True) -> float:
    """Return how many times fewer seconds the corrected mean takes than the teacher alone.

    At one standard error, with the best weight and allocation, and as much variance in both
    samplers.

    Parameters
    ----------
    r : float
        Correlation of what is averaged, in pairs, 0 to 1.
    ratio : float
        How many student samples one teacher sample costs.
    nested : bool
        Whether the students of the pairs count among the students too. If not, weight C / V_S.

    Notes
    -----
    ``(sqrt(1 - r^2) + r / sqrt(k))^-2`` nested, ``(sqrt((1 - r^2)(1 + 1/k)) + r / sqrt(k))^-2``
    otherwise. Source: the optimal allocation of two levels, M. B. Giles, Acta Numerica 24 (2015)
    259-328, section 1.3, with a control variate's weight.
    """
    if not (0 <= r <= 1 and ratio > 0):
        raise ValueError("r lies between 0 and 1, and the ratio of costs is greater than 0")
    rest = (1 - r**2) * (1.0 if nested else 1 + 1 / ratio)
    return float((math.sqrt(rest) + r / math.sqrt(ratio)) ** -2)
