"""The upper part of the dock *Compare*: runs, question, tolerances, buttons, progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QProgressBar, QPushButton, QWidget

from napari_posterior.checks.verdicts.tolerances import PRESETS
from napari_posterior.errors import PosteriorError
from napari_posterior.session.tolerance_rows import choose_tolerances
from napari_posterior.widgets.compare_layers import ComparisonLayers
from napari_posterior.widgets.parts import (
    Folded,
    Heading,
    Notice,
    Rows,
    Words,
    column,
    describe,
    side_by_side,
)
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.panel import PlotPanel
from napari_posterior.widgets.plots.source import edited_layers, is_current, report_of
from napari_posterior.widgets.run_picker import RunPicker
from napari_posterior.widgets.sections.fields import Picker
from napari_posterior.widgets.statistic_picker import StatisticPicker
from napari_posterior.widgets.tolerances import ToleranceEditor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qtpy.QtGui import QWheelEvent

    from napari_posterior.session.models import CompareState, SessionState
    from napari_posterior.widgets.plots.base import DistributionPlot
    from napari_posterior.widgets.plots.pair import Pair
    from napari_posterior.widgets.theme import Palette

__all__ = ["Choice", "LivePlots", "QuestionPicker"]

_SHORT: Final = {
    "restoration": "restoration and error bars",
    "puncta": "counting puncta",
    "intensity": "measuring intensity",
    "filaments": "following filaments",
}

_CHANGED: Final = "Settings were changed since; compare again."
_EDITED: Final = "{} was edited since: the verdicts are on what it was before; compare again."


class QuestionPicker(Picker):
    """What the user cares about; the wheel scrolls the dock."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.set_items([(key, _SHORT.get(key, key), "") for key in PRESETS], "restoration")
        for place, one in enumerate(PRESETS.values()):
            self.setItemData(place, one.title, Qt.ItemDataRole.ToolTipRole)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock."""
        if event is not None:
            event.ignore()


class Choice(QWidget):
    """Which runs are compared and what is declared before, and how far the comparison is.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    state : SessionState
        Holds what is chosen.
    """

    def __init__(self, viewer: Any, state: SessionState, parent: QWidget) -> None:
        super().__init__(parent)
        self._state = state
        self.teacher = RunPicker(("teacher",), hint="Choose a run", parent=self)
        self.student = RunPicker(("student", "teacher"), hint="Choose a run", parent=self)
        self.make = QPushButton("Ma&ke", self)
        self.question = QuestionPicker(self)
        self.statistics = StatisticPicker(self)
        self.tolerances = ToleranceEditor(state.compare)
        self.layers = ComparisonLayers(viewer, state.compare, self)
        self.compare = QPushButton("C&ompare", self)
        self.stop = QPushButton("&Stop", self)
        self.bar = QProgressBar(self)
        self.drawing, self.said, self.failed = Words("", self), Words("", self), Notice(self)
        self._describe()
        self._lay_out()

    def refresh(self) -> None:
        """Show the state."""
        state = self._state.compare
        self.teacher.show_runs(self._state.runs, state.teacher)
        self.student.show_runs(
            [one for one in self._state.runs if one is not state.teacher], state.student
        )
        self.question.choose(state.question)
        self.statistics.show_choice(state.offered, state.statistics)
        report = report_of(state)
        self.tolerances.refresh(looked=report is not None)
        self._title(state)
        self._show_progress(state, has_report=report is not None)

    def _title(self, state: CompareState) -> None:
        """Say in the folded line how many limits are not the defaults."""
        try:
            limits = choose_tolerances(state.question, state.statistics, state.tolerances)
        except PosteriorError:
            return
        own = sum(one.origin == "user" for one in limits.given.values())
        count = f": {own} set by you" if own else ": defaults"
        parts = [f"Tolerances{count}"]
        if state.truth is not None:
            parts.append("known object")
        if state.regions is not None:
            parts.append("regions")
        self.folded.rename(", ".join(parts))

    def _show_progress(self, state: CompareState, *, has_report: bool) -> None:
        comparing = state.state in ("waiting", "running")
        busy = comparing or state.awaited is not None
        runs = (state.teacher, state.student)
        drawing = [
            f"#{one.number} {one.label}: {one.progress.sentence}."
            for one in runs
            if one is not None and one.state in ("waiting", "running")
        ]
        self.compare.setEnabled(not busy and not state.problem)
        self.make.setEnabled(
            not any(one.state in ("waiting", "running") for one in self._state.runs)
        )
        self.stop.setVisible(busy)
        self.bar.setVisible(busy)
        fraction = state.progress.fraction if comparing else _least_done(state)
        self.bar.setValue(round(100 * fraction))
        self.drawing.say("\n".join(drawing))
        self.failed.say(state.progress.sentence if state.state == "failed" else "")
        if comparing:
            self.said.say(f"{state.progress.sentence}.")
        elif state.awaited is not None:
            self.said.say(f"Samples for the look at K = {state.awaited} are drawn.")
        elif has_report:
            self.said.say(_what_changed(state))
        elif drawing:
            self.said.say("They can be compared when both have ended.")
        else:
            self.said.say(state.problem)

    def _describe(self) -> None:
        describe(self.teacher, "teacher_run", "The run of the teacher; K is its number of samples")
        describe(
            self.student,
            "student_run",
            "The run of the student; K is its number of samples. A second run of the teacher shows "
            "how much two runs differ by chance",
        )
        describe(
            self.make,
            "make",
            "Draws samples of the teacher, then of a student, with the settings of Restore",
        )
        describe(
            self.question,
            "question",
            "Which answers decide the whole, and what is measured on every sample",
        )
        self.statistics.setObjectName("statistics")
        describe(
            self.compare,
            "compare",
            "Measures every sample of both runs and gives seven verdicts at the tolerances set",
        )
        describe(self.stop, "stop", "Stops at the next sample; what was drawn is kept")
        describe(self.bar, "progress", "Done, percent", spoken="Progress of the comparison")
        for widget, name in (
            (self.drawing, "drawing"), (self.said, "said"), (self.failed, "failed")
        ):  # fmt: skip
            widget.setObjectName(name)

    def _lay_out(self) -> None:
        rows = Rows()
        rows.add("&Teacher run", self.teacher)
        rows.add("&Student run", self.student, self.make)
        rows.add("&I care about", self.question)
        inside = QWidget()
        more = Rows()
        more.add("&Measure", self.statistics)
        more.add("&Known object", self.layers.truth)
        more.add("Re&gions", self.layers.regions)
        lines = column(inside, spacing=6)
        lines.addLayout(more)
        lines.addWidget(self.tolerances)
        self.folded = Folded("Tolerances", inside, self)
        self.folded.toggleButton().setObjectName("tolerances_fold")
        whole = column(self, spacing=6)
        whole.addLayout(rows)
        whole.addWidget(self.folded)
        whole.addLayout(side_by_side(self.compare, self.stop, stretch=(2, 1)))
        for line in (self.bar, self.drawing, self.said, self.failed):
            whole.addWidget(line)


class LivePlots(QWidget):
    """One plot for each number of the samples that are being drawn.

    Parameters
    ----------
    make_plot : callable
        Makes a `DistributionPlot` from the name of its widget.
    """

    def __init__(
        self, parent: QWidget, make_plot: Callable[[str], DistributionPlot] = HistogramPlot
    ) -> None:
        super().__init__(parent)
        self._make_plot = make_plot
        self._palette: Palette | None = None
        self._panels: dict[str, PlotPanel] = {}
        self._headings: dict[str, Heading] = {}
        self._lines = column(self, spacing=6)

    def show_pairs(self, pairs: tuple[Pair, ...], *, folder: Path | None) -> None:
        """Show these distributions, each below its heading; others are hidden."""
        for pair in pairs:
            self._panel(pair).show_pair(pair, folder=folder)
        shown = {pair.id for pair in pairs}
        for key, panel in self._panels.items():
            panel.setVisible(key in shown)
            self._headings[key].setVisible(key in shown)

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        for panel in self._panels.values():
            panel.plot.set_palette(palette)

    def _panel(self, pair: Pair) -> PlotPanel:
        if pair.id not in self._panels:
            name = f"live_{pair.id}"
            panel = PlotPanel(self._make_plot(f"{name}_drawing"), name, self)
            heading = Heading(pair.title[:1].upper() + pair.title[1:], self)
            if self._palette is not None:
                panel.plot.set_palette(self._palette)
            self._lines.addWidget(heading)
            self._lines.addWidget(panel)
            self._panels[pair.id], self._headings[pair.id] = panel, heading
        return self._panels[pair.id]


def _what_changed(state: CompareState) -> str:
    """Say what is no more as it was when the runs were compared; empty where nothing is."""
    if is_current(state):
        return ""
    names = " and ".join(one.name for one in edited_layers(state))
    return _EDITED.format(names) if names else _CHANGED


def _least_done(state: CompareState) -> float:
    """Return how far the run is that is furthest from its end."""
    done = [
        one.progress.fraction
        for one in (state.teacher, state.student)
        if one is not None and one.state in ("waiting", "running")
    ]
    return min(done, default=0.0)
