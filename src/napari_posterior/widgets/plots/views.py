"""Which plots a question has, from the plain data of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from napari_posterior.widgets.plots.pair import pair_of
from napari_posterior.widgets.plots.threshold import ThresholdView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.page.chart import Chart
    from napari_posterior.checks.report import Report
    from napari_posterior.session.verdict_rows import VerdictRow

__all__ = ["View", "views_of"]

Kind: TypeAlias = Literal["histogram", "interval", "chart", "threshold"]

_CHARTS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "variance": (("spectrum", "by size of detail"),),
    "calibration": (("coverage", "coverage"), ("ranks", "ranks of the known object")),
    "diversity": (
        ("modes_of_variation", "ways to vary"),
        ("samples_in_two_dimensions", "two largest modes"),
    ),
}
"""Names of the charts of a question, and what they are called in a list."""

_CURVE: Final = "threshold_curve"
_RESIDUAL: Final = "likelihood"
_COUNT: Final = "puncta_count"
_ESTIMATE_FIRST: Final = ("mean", "variance", "dependence")


@dataclass(frozen=True, eq=False)
class View:
    """One plot of a question.

    Attributes
    ----------
    key : str
        Name of the plot.
    title : str
        In a few words, for a list.
    kind : str
        Which plot draws it.
    shown : object
        What that plot shows.
    """

    key: str
    title: str
    kind: Kind
    shown: Any


def views_of(
    report: Report, charts: Sequence[Chart], row: VerdictRow, *, names: tuple[str, str]
) -> tuple[View, ...]:
    """Return the plots of a question, the one to be seen first in front.

    Parameters
    ----------
    report : Report
        Of a comparison.
    charts : sequence of Chart
        Those of the report, see `charts.plot_report`.
    row : VerdictRow
        The question.
    names : tuple of str
        What teacher and student are called.
    """
    by_name = {one.name: one for one in charts}
    question, lead = row.question, row.lead
    found: list[View] = []
    if question in ("task", "likelihood"):
        for one in report.figures.values:
            if (one.id == _RESIDUAL) != (question == "task"):
                found.append(View(one.id, one.title, "histogram", pair_of(one, names=names)))
    if question == "task" and (counted := _threshold(report, by_name, names)) is not None:
        found = [counted if one.key == _COUNT else one for one in found]
    for name, title in _CHARTS.get(question, ()):
        if name in by_name:
            found.append(View(name, title, "chart", by_name[name]))
    if lead is None or lead.estimate is None:
        return tuple(found)
    interval = View("interval", "estimate and limit", "interval", lead)
    return (interval, *found) if question in _ESTIMATE_FIRST else (*found, interval)


def _threshold(report: Report, by_name: Mapping[str, Chart], names: tuple[str, str]) -> View | None:
    curve = report.figures.charts.get("curve")
    counted = next((one for one in report.figures.values if one.id == _COUNT), None)
    if not curve or counted is None or _CURVE not in by_name or min(curve["thresholds"]) <= 0:
        return None
    shown = ThresholdView(curve, by_name[_CURVE], pair_of(counted, names=names))
    return View(counted.id, counted.title, "threshold", shown)
