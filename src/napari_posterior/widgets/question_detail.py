"""What belongs to the verdict that is selected: sentence, plot, map, table, what else was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_posterior.session.experiment_job import EXPERIMENTS, duration_of
from napari_posterior.widgets.finding_table import FindingTable
from napari_posterior.widgets.maps import MapButton
from napari_posterior.widgets.parts import Folded, Heading, Words, column, describe, side_by_side
from napari_posterior.widgets.plots.chart import ChartPlot
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.intervals import IntervalPlot
from napari_posterior.widgets.plots.panel import PlotPanel
from napari_posterior.widgets.plots.threshold import ThresholdPlot
from napari_posterior.widgets.sections.fields import Picker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari_posterior.checks.report import Report
    from napari_posterior.session.verdict_rows import VerdictRow
    from napari_posterior.widgets.plots.base import AnyPlot
    from napari_posterior.widgets.plots.views import View
    from napari_posterior.widgets.theme import Palette

__all__ = ["QuestionDetail"]

_WHAT: Final[Mapping[str, str]] = {
    "dependence": "dependence check",
    "calibration": "self-calibration",
}

_WHY: Final[Mapping[str, str]] = {
    "calibration": "Choose a known object above where there is one, or simulate measurements of "
    "what the teacher drew and see whether error bars hold it.",
    "truth": "Measurements of what the teacher drew, simulated anew, test error bars on their own.",
    "dependence": "Redraws the camera noise of one teacher sample and restores it anew with both: "
    "does the answer follow the measurement?",
}


class QuestionDetail(QWidget):
    """One question of a report with all that is known of it.

    Parameters
    ----------
    session : Session
        Of the viewer, which holds the maps.
    make_plot : callable
        Makes a `DistributionPlot` from the name of its widget.

    Attributes
    ----------
    asked : Signal(str)
        The experiment that the user asks for.
    """

    asked = Signal(str)

    def __init__(
        self,
        session: Any,
        parent: QWidget | None = None,
        *,
        make_plot: Callable[[str], AnyPlot] = HistogramPlot,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("question_detail")
        self._make: dict[str, Callable[[str], AnyPlot]] = {
            "histogram": make_plot,
            "interval": IntervalPlot,
            "chart": ChartPlot,
            "threshold": ThresholdPlot,
        }
        self._palette: Palette | None = None
        self._views: tuple[View, ...] = ()
        self._row: VerdictRow | None = None
        self._panels: dict[str, PlotPanel] = {}
        self._folder: Path | None = None
        self._build(session)

    @property
    def panel(self) -> PlotPanel | None:
        """The plot that is shown."""
        return next((one for one in self._panels.values() if one.isVisibleTo(self)), None)

    def show_row(
        self,
        row: VerdictRow | None,
        views: Sequence[View],
        *,
        report: Report | None,
        costs: Mapping[str, str],
        folder: Path | None = None,
    ) -> None:
        """Show another question; the plot that was chosen for it is kept where there is one."""
        same = self._row is not None and row is not None and self._row.question == row.question
        before = self.picker.currentData() if same else None
        self._row, self._views, self._folder = row, tuple(views), folder
        self.setVisible(row is not None)
        if row is None or report is None:
            return
        self._heading.setText(row.name)
        self._heading.setToolTip(row.asks)
        self._sentence.say(row.sentence)
        items = [(one.key, one.title[:1].upper() + one.title[1:], "") for one in self._views]
        keys = [key for key, _, _ in items]
        self.picker.set_items(items, before if before in keys else next(iter(keys), None))
        self.picker.setVisible(len(items) > 1)
        self._show_plot()
        self.table.show_findings(row.findings)
        self.table.setVisible(row.question == "task" or len(self.table.findings) > 1)
        self.map.show_question(row.question, report)
        self._show_experiment(row, costs)
        self._more.say("\n\n".join(_rest(row)))
        self.details.setVisible(bool(self._more.said))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        self.table.set_palette(palette)
        for panel in self._panels.values():
            panel.plot.set_palette(palette)

    def set_busy(self, busy: bool) -> None:
        """Say whether another comparison or experiment can be asked for."""
        self.experiment.setEnabled(not busy)

    def _build(self, session: Any) -> None:
        self._heading = Heading("", self)
        self._sentence = Words("", self)
        self._sentence.setObjectName("sentence")
        self._sentence.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.picker = Picker(self)
        describe(self.picker, "plot_picker", "Which plot is shown", spoken="Plot")
        self._place = QWidget(self)
        self._plots = column(self._place)
        self.map = MapButton(session, self)
        self.experiment = QPushButton(self)
        self._why = Words("", self)
        self._why.setObjectName("experiment_words")
        describe(self.experiment, "run_experiment", "Draws new samples; asks for nothing else")
        self.table = FindingTable(self)
        inside = QWidget()
        self._more = Words("", inside)
        self._more.setObjectName("details")
        column(inside).addWidget(self._more)
        self.details = Folded("Details", inside, self)
        lines = column(self, spacing=6)
        lines.addLayout(side_by_side(self._heading, self.picker, stretch=(0, 1)))
        for part in (
            self._sentence, self._place, self.map, self._why, self.experiment,
            self.table, self.details,
        ):  # fmt: skip
            lines.addWidget(part)
        self.picker.activated.connect(self._show_plot)
        self.experiment.clicked.connect(self._on_experiment)

    def _show_plot(self, *_: object) -> None:
        key = self.picker.currentData()
        view = next((one for one in self._views if one.key == key), None)
        name = "" if view is None else self._name(view)
        for other, panel in self._panels.items():
            panel.setVisible(other == name)
        self._place.setVisible(view is not None)
        if view is None:
            return
        panel = self._panel(view, name)
        panel.show_numbers(view.shown, view.key, folder=self._folder)
        panel.show()

    def _panel(self, view: View, name: str) -> PlotPanel:
        if name not in self._panels:
            panel = PlotPanel(self._make[view.kind](f"{name}_drawing"), name, self._place)
            if self._palette is not None:
                panel.plot.set_palette(self._palette)
            self._plots.addWidget(panel)
            self._panels[name] = panel
        return self._panels[name]

    def _name(self, view: View) -> str:
        # one widget for each kind of plot but the histograms, of which each has its own bins
        return f"plot_{view.key}" if view.kind == "histogram" else f"plot_{view.kind}"

    def _show_experiment(self, row: VerdictRow, costs: Mapping[str, str]) -> None:
        name = EXPERIMENTS.get(row.question)
        there = name is not None and not any(one.id == name for one in row.findings)
        cost = costs.get(name or "", "") if there else ""
        self.experiment.setVisible(bool(cost))
        self._why.say(_WHY["truth" if row.lead else row.question] if cost else "")
        if cost:
            time = duration_of(cost)
            what = _WHAT[row.question]
            self.experiment.setText(f"Run the {what}" + (f" (about {time})" if time else ""))
            self.experiment.setToolTip(cost)

    def _on_experiment(self) -> None:
        if self._row is not None:
            self.asked.emit(EXPERIMENTS[self._row.question])


def _rest(row: VerdictRow) -> list[str]:
    """Return what else was found on a question, a paragraph each."""
    told = []
    for one in row.findings:
        parts = [] if one is row.lead else [one.sentence]
        if one.judgement is not None:
            parts.append(one.judgement.sentence)
        parts += one.notes
        if parts:
            told.append(f"{one.title[:1].upper()}{one.title[1:]}: {' '.join(parts)}")
    return told
