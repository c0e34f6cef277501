"""The lower part of the dock *Compare*: headline, seven verdicts, and the one selected."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QFileDialog, QPushButton, QWidget

from napari_posterior.session.comparison_choices import name_of
from napari_posterior.session.verdict_rows import list_verdicts
from napari_posterior.widgets.inspector import InspectorPanel
from napari_posterior.widgets.parts import (
    Folded,
    Heading,
    Notice,
    Words,
    column,
    describe,
    side_by_side,
)
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.views import views_of
from napari_posterior.widgets.question_detail import QuestionDetail
from napari_posterior.widgets.saving import Saver, folder_for
from napari_posterior.widgets.verdict_strip import VerdictStrip

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.report import Report
    from napari_posterior.session.models import CompareState
    from napari_posterior.widgets.plots.base import DistributionPlot
    from napari_posterior.widgets.theme import Palette

__all__ = ["Outcome"]


class Outcome(QWidget):
    """A report: the whole in a line, the seven verdicts, and the one that is selected.

    Parameters
    ----------
    session : Session
        Of the viewer.
    make_plot : callable
        Makes a `DistributionPlot` from the name of its widget.

    Attributes
    ----------
    next_look : Signal()
        More samples are wanted.
    asked : Signal(str)
        The experiment that the user asks for.
    """

    next_look = Signal()
    asked = Signal(str)

    def __init__(
        self,
        session: Any,
        parent: QWidget,
        *,
        make_plot: Callable[[str], DistributionPlot] = HistogramPlot,
    ) -> None:
        super().__init__(parent)
        self._state: CompareState = session.state.compare
        self._report: Report | None = None
        self._folder = Path.home()
        self._page: Path | None = None
        self._saver = Saver(self)
        self.headline, self.scope = Heading("", self), Words("", self)
        self.headline.setWordWrap(True)
        self.headline.setObjectName("headline")
        self.scope.setObjectName("scope")
        self.strip = VerdictStrip(self)
        self.detail = QuestionDetail(session, self, make_plot=make_plot)
        self.inspector = InspectorPanel(session.viewer, session, self)
        self.look = QPushButton(self)
        describe(
            self.look,
            "next_look",
            "Draws more samples of both runs up to the next planned look, then compares again; "
            "the error of the verdicts stays as planned",
        )
        self._build_end()
        lines = column(self, spacing=6)
        lines.addWidget(self.headline)
        lines.addWidget(self.scope)
        lines.addWidget(self.strip)
        lines.addLayout(side_by_side(self.look, self.save, stretch=(1, 1)))
        for part in (self.said, self.open, self.detail, self.inspector, self.about):
            lines.addWidget(part)
        for one, other in pairwise(
            (self.strip, self.look, self.save, self.open, self.detail.picker)
        ):
            QWidget.setTabOrder(one, other)
        self.strip.chosen.connect(self._on_chosen)
        self.look.clicked.connect(self.next_look)
        self.detail.asked.connect(self.asked)
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
        state = self._state
        busy = state.state in ("waiting", "running") or state.awaited is not None
        self.detail.set_busy(busy)
        self.look.setVisible(report is not None and state.next_look is not None)
        self.look.setEnabled(not busy and not state.problem)
        self.look.setText(f"&Next look at K = {state.next_look}")

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self.strip.set_palette(palette)
        self.detail.set_palette(palette)

    def _build_end(self) -> None:
        self.save, self.open = QPushButton("Save &report...", self), QPushButton("Open it", self)
        describe(
            self.save, "save_report", "Writes report.html, report.json, tables (CSV) and figures"
        )
        describe(self.open, "open_report", "Opens the saved report in the browser")
        self.said = Words("", self)
        self.said.setObjectName("saved")
        self._about = QWidget()
        self._about_lines = column(self._about, spacing=4)
        self.about = Folded("About this comparison", self._about, self)
        self.about.toggleButton().setObjectName("about_fold")

    def _show(self, report: Report | None) -> None:
        self._report, self._page = report, None
        there = report is not None
        for part in (self.headline, self.strip, self.save, self.about):
            part.setVisible(there)
        self.open.hide()
        self.said.say("")
        self.scope.say("" if report is None else report.scope)
        if report is not None:
            self.headline.setText(report.overall.headline)
            self.headline.setToolTip(report.overall.sentence)
            self.strip.show_rows(list_verdicts(report))
            self._tell(report)
        self._on_chosen()
        self.inspector.refresh()

    def _tell(self, report: Report) -> None:
        """Say all that belongs to the whole report, below everything else."""
        from napari_posterior.checks.finding import confidence

        while (item := self._about_lines.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        phrase = report.solver.phrase
        words = [
            ("overall", report.overall.sentence),
            (
                "estimates",
                f"Intervals of {confidence(report.level)}. A difference is student − teacher "
                "(none: 0), a ratio is student / teacher (none: 1).",
            ),
            ("solver", f"{phrase[:1].upper()}{phrase[1:]}."),
            *(("questionable", one) for one in report.overall.questionable),
            ("footer", report.footer),
        ]
        for name, text in words:
            line = Words(text, self._about)
            line.setObjectName(name)
            self._about_lines.addWidget(line)
        for text in report.warnings:
            notice = Notice(self._about)
            notice.say(text)
            self._about_lines.addWidget(notice)

    def _on_chosen(self, *_: object) -> None:
        report, state = self._report, self._state
        row = None if report is None else self.strip.current
        views = ()
        if report is not None and row is not None:
            names = name_of(state.teacher, "teacher"), name_of(state.student, "student")
            views = views_of(report, state.charts, row, names=names)  # type: ignore[assignment]
        self.detail.show_row(row, views, report=report, costs=state.costs, folder=self._folder)

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
