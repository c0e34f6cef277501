"""Which numbers are shown: those of a comparison of the chosen runs, else those so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.widgets.plots.pair import Pair, Series, pair_of

if TYPE_CHECKING:
    from napari_posterior.checks.report import Report
    from napari_posterior.session.models import CompareState, RunEntry

__all__ = ["name_of", "pairs_of", "report_of"]


def name_of(entry: RunEntry | None, role: str) -> str:
    """Return what a run is called in a legend: ``"#3 teacher-8"``."""
    if entry is None:
        return role
    label = entry.label if entry.label.startswith(role) else f"{role} {entry.label}"
    return f"#{entry.number} {label}"


def report_of(state: CompareState) -> Report | None:
    """Return the last report where it is of the runs and the statistics that are chosen."""
    now = (state.teacher, state.student), state.statistics
    return state.report if (state.compared, state.measured) == now else None


def pairs_of(state: CompareState, report: Report | None) -> tuple[Pair, ...]:
    """Return the distributions of teacher and student, one for each quantity.

    Parameters
    ----------
    state : CompareState
        With the runs that are chosen.
    report : Report or None
        What `report_of` returns for it.
    """
    names = name_of(state.teacher, "teacher"), name_of(state.student, "student")
    if report is not None:
        return tuple(pair_of(values, names=names) for values in report.figures.values)
    measured = [
        {one.id: one for one in (() if entry is None else entry.measured)}
        for entry in (state.teacher, state.student)
    ]
    pairs = []
    for key, one in {**measured[1], **measured[0]}.items():
        teacher, student = (
            Series(name, had[key].values) if key in had else Series(name)
            for name, had in zip(names, measured, strict=True)
        )
        pairs.append(Pair(key, one.title, one.unit, teacher, student, expected=one.expected))
    return tuple(pairs)
