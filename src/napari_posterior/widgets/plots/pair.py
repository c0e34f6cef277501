"""What a plot of two distributions shows: numbers and words, no Qt."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import number
from napari_posterior.checks.page.bins import shared_edges

if TYPE_CHECKING:
    from napari_posterior.checks.report import Values

__all__ = ["Histogram", "Pair", "Series", "csv_of", "pair_of"]

BAND: Final = 2.0
"""Half width of the band around what is expected, in standard deviations."""

_PURE: Final = ("", "reduced chi-squared")  # a number of its own, near 1


@dataclass(frozen=True, eq=False)
class Series:
    """A number of every sample of one run.

    Parameters
    ----------
    name : str
        What the run is called, as in ``"#3 teacher-8"``.
    values : ndarray, (K,)
        One for each sample; what is not finite is left out of the plot.
    """

    name: str
    values: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @cached_property
    def finite(self) -> np.ndarray:
        """The numbers that can be shown, (K,) float64."""
        values = np.asarray(self.values, np.float64)
        return values[np.isfinite(values)]


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shares of samples in bins that teacher and student have in common.

    Parameters
    ----------
    edges : ndarray, (bins + 1,)
        Whole numbers lie in the middle of their bins.
    teacher, student : ndarray, (bins,)
        Percent of the samples of the run; zeros for a run without samples.
    whole : bool
        Whether all numbers are whole.
    """

    edges: np.ndarray
    teacher: np.ndarray
    student: np.ndarray
    whole: bool


@dataclass(frozen=True, eq=False)
class Pair:
    """The distributions of a number over the samples of teacher and student.

    Parameters
    ----------
    id, title, unit : str
        As in `Values` of a report.
    teacher, student : Series
        Either may be empty while samples are drawn.
    expected, sd : float or None
        What is expected of a draw from the posterior, and its standard deviation, if known.
    """

    id: str
    title: str
    unit: str
    teacher: Series
    student: Series
    expected: float | None = None
    sd: float | None = None

    @property
    def axis(self) -> str:
        """Words for the axis of the numbers: their unit, for each sample."""
        return f"{self.unit or self.title} per sample"

    @cached_property
    def histogram(self) -> Histogram | None:
        """Both distributions in common bins; None where there is no number yet."""
        both = self.teacher.finite, self.student.finite
        joined = np.concatenate(both)
        if not len(joined):
            return None
        edges = shared_edges(*both)
        teacher, student = (
            100 * np.histogram(values, edges)[0] / max(len(values), 1) for values in both
        )
        return Histogram(edges, teacher, student, whole=bool((joined == np.round(joined)).all()))

    @property
    def band(self) -> tuple[float, float] | None:
        """Ends of the band around what is expected."""
        if self.expected is None or not self.sd:
            return None
        return self.expected - BAND * self.sd, self.expected + BAND * self.sd

    def words(self, role: str) -> str:
        """Return a line of the legend: ``"#3 teacher: K = 32, mean ▼ 41, SD 6 puncta"``.

        Parameters
        ----------
        role : str
            ``"teacher"`` or ``"student"``.
        """
        series = self.teacher if role == "teacher" else self.student
        values = series.finite
        if not len(values):
            return f"{series.name}: no sample yet"
        told = f"{series.name}: K = {len(values)}, mean ▼ {number(float(values.mean()))}"
        if len(values) > 1:
            told += f", SD {number(float(values.std(ddof=1)), 2)}"
        return told if self.unit in _PURE else f"{told} {self.unit}"

    @property
    def expectation(self) -> str:
        """The line of the legend for what is expected; empty where that is not known."""
        if self.expected is None:
            return ""
        told = f"expected of a draw from the posterior: {number(self.expected)}"
        if self.band is None:
            return told
        return f"{told}; band: ± {BAND:g} SD, {number(self.band[0])} to {number(self.band[1])}"


def pair_of(values: Values, *, names: tuple[str, str]) -> Pair:
    """Return what a plot shows of one quantity of a report.

    Parameters
    ----------
    values : Values
        Of ``report.figures.values``.
    names : tuple of str
        What teacher and student are called.
    """
    return Pair(
        values.id,
        values.title,
        values.unit,
        Series(names[0], values.teacher),
        Series(names[1], values.student),
        values.expected,
        values.sd,
    )


def csv_of(pair: Pair) -> str:
    """Return the numbers as a table with a header, one row for each sample."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["role", "run", "draw", "quantity", "unit", "value"])
    for role, series in (("teacher", pair.teacher), ("student", pair.student)):
        for draw, value in enumerate(np.asarray(series.values, np.float64), 1):
            table.writerow([role, series.name, draw, pair.title, pair.unit, repr(float(value))])
    return out.getvalue()
