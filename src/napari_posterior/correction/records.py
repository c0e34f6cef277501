"""Corrected estimates as records of numbers and named arrays, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from napari_posterior.correction.bands import Spectrum
from napari_posterior.correction.costs import Costs
from napari_posterior.correction.estimate import About, Corrected, Difference
from napari_posterior.correction.events import Distribution
from napari_posterior.correction.terms import Term

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ArrayRecord", "DistributionRecord", "EstimateRecord", "SpectrumRecord", "arrays_of"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArrayRecord(_Record):
    """An array in JSON; what is no finite number is null and comes back as NaN."""

    shape: tuple[int, ...]
    values: tuple[float | None, ...]

    @classmethod
    def of(cls, array: np.ndarray | float) -> ArrayRecord:
        """Write an array of any shape, as float64."""
        flat = np.asarray(array, np.float64)
        values = tuple(float(v) if np.isfinite(v) else None for v in flat.ravel())
        return cls(shape=flat.shape, values=values)

    def read(self) -> np.ndarray:
        """Return the array, float64."""
        flat = [np.nan if v is None else v for v in self.values]
        return np.array(flat, np.float64).reshape(self.shape)


class EstimateRecord(_Record):
    """A `Corrected` without the arrays that lie elsewhere.

    Parameters
    ----------
    quantity, unit, teacher, student, scope
        Of its `About`.
    seconds : tuple of float or None
        That a sample of the student and of the teacher took.
    level, students, pairs, weight, method
        Of the estimate, and of the test of its difference.
    arrays : dict of str to ArrayRecord
        Those of `arrays_of` that lie here.
    """

    quantity: str
    unit: str
    teacher: str
    student: str
    scope: str
    seconds: tuple[float, float] | None
    level: float
    students: int
    pairs: int
    weight: float
    method: str
    arrays: dict[str, ArrayRecord]

    @classmethod
    def of(cls, found: Corrected, *, apart: tuple[str, ...] = ()) -> EstimateRecord:
        """Write an estimate, but for the arrays named in `apart`."""
        about, costs = found.about, found.about.costs
        held = {name: a for name, a in arrays_of(found).items() if name not in apart}
        return cls(
            quantity=about.quantity,
            unit=about.unit,
            teacher=about.teacher,
            student=about.student,
            scope=about.scope,
            seconds=None if costs is None else (costs.student, costs.teacher),
            level=found.level,
            students=found.students,
            pairs=found.pairs,
            weight=found.weight,
            method=found.difference.method,
            arrays={name: ArrayRecord.of(array) for name, array in held.items()},
        )

    def read(self, apart: Mapping[str, np.ndarray] | None = None) -> Corrected:
        """Return the estimate.

        Raises
        ------
        KeyError
            If an array is neither here nor among those `apart`.
        """
        held = {name: one.read() for name, one in self.arrays.items()} | dict(apart or {})
        costs = None if self.seconds is None else Costs(*self.seconds)
        about = About(self.quantity, self.unit, self.teacher, self.student, self.scope, costs)
        terms = [
            Term(held[f"{who}_value"], held[f"{who}_variance"], held[f"{who}_freedom"])
            for who in ("teacher", "student")
        ]
        gap = Difference(
            value=held["difference_value"],
            se=held["difference_se"],
            low=held["difference_low"],
            high=held["difference_high"],
            p_values=held["difference_p_values"],
            method=self.method,
        )
        return Corrected(
            about=about,
            value=held["value"],
            se=held["se"],
            low=held["low"],
            high=held["high"],
            freedom=held["freedom"],
            level=self.level,
            students=self.students,
            pairs=self.pairs,
            weight=self.weight,
            teacher=terms[0],
            student=terms[1],
            difference=gap,
            r=held["r"],
        )


class SpectrumRecord(_Record):
    """A `Spectrum`."""

    edges: tuple[float, ...]
    variance: EstimateRecord
    r: ArrayRecord

    @classmethod
    def of(cls, found: Spectrum) -> SpectrumRecord:
        """Write a spectrum."""
        variance = EstimateRecord.of(found.variance)
        return cls(edges=found.edges, variance=variance, r=ArrayRecord.of(found.r))

    def read(self) -> Spectrum:
        """Return the spectrum."""
        return Spectrum(self.edges, self.variance.read(), self.r.read())


class DistributionRecord(_Record):
    """A `Distribution`."""

    grid: ArrayRecord
    raw: EstimateRecord
    cdf: ArrayRecord

    @classmethod
    def of(cls, found: Distribution) -> DistributionRecord:
        """Write a distribution."""
        grid, cdf = ArrayRecord.of(found.grid), ArrayRecord.of(found.cdf)
        return cls(grid=grid, raw=EstimateRecord.of(found.raw), cdf=cdf)

    def read(self) -> Distribution:
        """Return the distribution."""
        return Distribution(self.grid.read(), self.raw.read(), self.cdf.read())


def arrays_of(found: Corrected) -> dict[str, np.ndarray]:
    """Return all arrays of an estimate by name, float64; degrees of freedom may be numbers."""
    gap = found.difference
    arrays: dict[str, np.ndarray | float] = {
        "value": found.value,
        "se": found.se,
        "low": found.low,
        "high": found.high,
        "freedom": found.freedom,
        "r": found.r,
        "difference_value": gap.value,
        "difference_se": gap.se,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "difference_p_values": gap.p_values,
    }
    for who, term in (("teacher", found.teacher), ("student", found.student)):
        arrays |= {
            f"{who}_value": term.value,
            f"{who}_variance": term.variance,
            f"{who}_freedom": term.freedom,
        }
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}
