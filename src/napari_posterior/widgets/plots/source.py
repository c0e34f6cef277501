"""Which numbers are shown: those of a comparison of the chosen runs, else those so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.session.comparing import declared_now
from napari_posterior.session.comparison_choices import name_of
from napari_posterior.widgets.plots.pair import Pair, Series

if TYPE_CHECKING:
    from napari_posterior.checks.report import Report
    from napari_posterior.session.comparison_choices import LayerChoice
    from napari_posterior.session.models import CompareState

__all__ = ["edited_layers", "is_current", "live_pairs", "report_of"]


def report_of(state: CompareState) -> Report | None:
    """Return the last report where it is of the runs that are chosen."""
    return state.report if state.compared == (state.teacher, state.student) else None


def is_current(state: CompareState) -> bool:
    """Whether nothing was declared otherwise since the last report, no region edited."""
    return state.declared == declared_now(state)


def edited_layers(state: CompareState) -> tuple[LayerChoice, ...]:
    """Return the known object and the regions of the last report that were edited since."""
    now, before = declared_now(state), state.declared
    if before is None or (now.truth, now.regions) != (before.truth, before.regions):
        return ()
    pairs = zip((now.truth, now.regions), now.marks, before.marks, strict=True)
    return tuple(one for one, mark, was in pairs if one is not None and mark != was)


def live_pairs(state: CompareState) -> tuple[Pair, ...]:
    """Return the distributions of what was measured so far, one for each quantity."""
    names = name_of(state.teacher, "teacher"), name_of(state.student, "student")
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
