"""The parts of the dock *Compare* from top to bottom: which runs, plots, and the report's end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QProgressBar, QPushButton, QWidget

from napari_posterior.widgets.findings import FindingList
from napari_posterior.widgets.maps import MapButton
from napari_posterior.widgets.parts import (
    Heading,
    Notice,
    Rows,
    Words,
    column,
    describe,
    side_by_side,
)
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.intervals import IntervalPlot
from napari_posterior.widgets.plots.panel import PlotPanel
from napari_posterior.widgets.run_picker import RunPicker
from napari_posterior.widgets.saving import Saver, folder_for
from napari_posterior.widgets.statistic_picker import StatisticPicker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report
    from napari_posterior.session.models import SessionState
    from napari_posterior.widgets.plots.base import DistributionPlot
    from napari_posterior.widgets.plots.pair import Pair
    from napari_posterior.widgets.theme import Palette

__all__ = ["Choice", "Outcome", "Plots"]


class Choice(QWidget):
    """Which runs are compared, the buttons, and how far the comparison is."""

    def __init__(self, state: SessionState, parent: QWidget) -> None:
        super().__init__(parent)
        self._state = state
        self.teacher = RunPicker(("teacher",), hint="Choose a run", parent=self)
        self.student = RunPicker(("student", "teacher"), hint="Choose a run", parent=self)
        self.statistics = StatisticPicker(self)
        self.make = QPushButton("Ma&ke", self)
        self.compare = QPushButton("C&ompare", self)
        self.cancel = QPushButton("&Cancel", self)
        self.bar = QProgressBar(self)
        self.drawing, self.said, self.failed = Words("", self), Words("", self), Notice(self)
        describe(self.teacher, "teacher_run", "The run of the teacher; K is its number of samples")
        describe(
            self.student,
            "student_run",
            "The run of the student; K is its number of samples. A second run of the teacher shows "
            "how much two runs differ by chance",
        )
        self.statistics.setObjectName("statistics")
        describe(
            self.make,
            "make",
            "Draws samples of the teacher, then of a student, with the settings of Restore",
        )
        describe(
            self.compare,
            "compare",
            "Measures every sample of both runs, and estimates how far they are apart",
        )
        describe(self.cancel, "cancel", "Stops the comparison; the runs stay as they are")
        describe(self.bar, "progress", "Samples measured, percent", spoken="Samples measured")
        for widget, name in (
            (self.drawing, "drawing"), (self.said, "said"), (self.failed, "failed")
        ):  # fmt: skip
            widget.setObjectName(name)
        rows = Rows()
        rows.add("&Teacher run", self.teacher)
        rows.add("&Student run", self.student, self.make)
        rows.add("&Measure", self.statistics)
        lines = column(self, spacing=6)
        lines.addLayout(rows)
        lines.addLayout(side_by_side(self.compare, self.cancel, stretch=(2, 1)))
        for line in (self.bar, self.drawing, self.said, self.failed):
            lines.addWidget(line)

    def refresh(self, *, current: bool) -> None:
        """Show the state; `current` says whether the last report is of these runs."""
        state = self._state.compare
        self.teacher.show_runs(self._state.runs, state.teacher)
        self.student.show_runs(
            [one for one in self._state.runs if one is not state.teacher], state.student
        )
        self.statistics.show_choice(state.offered, state.statistics)
        comparing = state.state in ("waiting", "running")
        drawing = [
            f"#{one.number} {one.label}: {one.progress.sentence}."
            for one in (state.teacher, state.student)
            if one is not None and one.state in ("waiting", "running")
        ]
        self.compare.setEnabled(not comparing and not state.problem)
        self.make.setEnabled(
            not any(one.state in ("waiting", "running") for one in self._state.runs)
        )
        self.cancel.setEnabled(comparing)
        self.bar.setVisible(comparing)
        self.bar.setValue(round(100 * state.progress.fraction))
        self.drawing.say("\n".join(drawing))
        self.failed.say(state.progress.sentence if state.state == "failed" else "")
        if comparing:
            self.said.say(f"{state.progress.sentence}.")
        elif current:
            self.said.say("")
        elif drawing:
            self.said.say("They can be compared when both have ended.")
        else:
            self.said.say(state.problem or "Press Compare to measure every sample of both runs.")


class Plots(QWidget):
    """One plot for each number of the samples, and one for an estimate of the maps.

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
        self.interval = IntervalPlot()
        self._lines = column(self, spacing=6)
        self._lines.addWidget(self.interval.widget)
        self.interval.widget.hide()

    def show_pairs(
        self, pairs: tuple[Pair, ...], *, folder: Path | None, headed: bool = True
    ) -> None:
        """Show these distributions, each below its heading if any; others are hidden."""
        for pair in pairs:
            self._panel(pair).show_pair(pair, folder=folder)
        shown = {pair.id for pair in pairs}
        for key, panel in self._panels.items():
            panel.setVisible(key in shown)
            self._headings[key].setVisible(headed and key in shown)

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._palette = palette
        self.interval.set_palette(palette)
        for panel in self._panels.values():
            panel.plot.set_palette(palette)

    def _panel(self, pair: Pair) -> PlotPanel:
        if pair.id not in self._panels:
            name = f"plot_{pair.id}"
            panel = PlotPanel(self._make_plot(f"{name}_drawing"), name, self)
            heading = Heading(pair.title[:1].upper() + pair.title[1:], self)
            if self._palette is not None:
                panel.plot.set_palette(self._palette)
            self._lines.addWidget(heading)
            self._lines.addWidget(panel)
            self._panels[pair.id], self._headings[pair.id] = panel, heading
        return self._panels[pair.id]


class Outcome(QWidget):
    """The report: findings with the plot and the map of the chosen one, and what to keep in mind.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy; holds the maps.
    plots : Plots
        Shown here, with a report or without.
    """

    group_chosen = Signal()

    def __init__(self, viewer: Any, plots: Plots, parent: QWidget) -> None:
        super().__init__(parent)
        self._report: Report | None = None
        self._folder = Path.home()
        self._page: Path | None = None
        self._saver = Saver(self)
        detail = QWidget(self)
        plots.setParent(detail)  # before the button, so that the tab key comes to it first
        self.map = MapButton(viewer, detail)
        self.findings = FindingList(detail, self)
        self.save, self.open = QPushButton("Save &report...", self), QPushButton("Open it", self)
        self.said, self.footer = Words("", self), Words("", self)
        self.keep, self.warnings = Heading("Keep in mind", self), QWidget(self)
        column(self.warnings)
        describe(self.save, "save_report", "Writes report.html, report.json and its figures")
        describe(self.open, "open_report", "Opens the saved report in the browser")
        self.said.setObjectName("saved")
        self.warnings.setObjectName("warnings")
        self.footer.setObjectName("footer")
        inner = column(detail, spacing=6)
        inner.setContentsMargins(0, 4, 0, 8)
        inner.addWidget(plots)
        inner.addWidget(self.map)
        lines = column(self, spacing=8)
        lines.addWidget(self.findings)
        lines.addLayout(side_by_side(self.save, self.open, stretch=(2, 1)))
        for widget in (self.said, self.keep, self.warnings, self.footer):
            lines.addWidget(widget)
        self.findings.chosen.connect(self._on_chosen)
        self.save.clicked.connect(self._on_save)
        self.open.clicked.connect(self._on_open)
        self._saver.saved.connect(self._on_saved)
        self._saver.failed.connect(self.said.say)
        self._show(None)

    def show_report(self, report: Report | None, *, folder: Path | None = None) -> None:
        """Show a report, or that there is none; `folder` is where it is saved by default."""
        self._folder = folder or self._folder
        if report is not self._report:
            self._show(report)

    def _show(self, report: Report | None) -> None:
        self._report, self._page = report, None
        self.findings.show_report(report)
        self.save.setVisible(report is not None)
        self.open.hide()
        self.said.say("")
        self.footer.say("" if report is None else report.footer)
        self._warn(() if report is None else report.warnings)
        self._on_chosen()

    def _warn(self, warnings: tuple[str, ...]) -> None:
        lines = self.warnings.layout()
        while lines is not None and (item := lines.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.deleteLater()
        for text in warnings:
            notice = Notice(self.warnings)
            notice.say(text)
            if lines is not None:
                lines.addWidget(notice)
        self.keep.setVisible(bool(warnings))
        self.warnings.setVisible(bool(warnings))

    def _on_chosen(self, *_: object) -> None:
        sha256 = None if self._report is None else self._report.teacher.image_sha256
        self.map.set_group(self.findings.current, sha256)
        self.group_chosen.emit()

    def _on_save(self) -> None:
        report = self._report
        folder = QFileDialog.getExistingDirectory(
            self, "A folder for the report is made in", str(self._folder)
        )
        if report is not None and folder:
            self.said.say("Saving the report ...")
            self._saver.save(lambda: _write(report, Path(folder)))

    def _on_saved(self, page: Path) -> None:
        self._page = page
        self.said.say(f"Saved as {page}.")
        self.open.show()

    def _on_open(self) -> None:
        if self._page is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._page)))


def _write(report: Report, parent: Path) -> Path:
    from napari_posterior.checks.page.write import write_report

    return write_report(report, folder_for(report, parent))
