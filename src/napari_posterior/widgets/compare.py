"""The dock *Compare*: seven verdicts on what a student keeps of its teacher's samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget
from superqt.utils import QSignalThrottler

from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.compare_outcome import Outcome
from napari_posterior.widgets.compare_parts import Choice, LivePlots
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.first_help import FirstHelp
from napari_posterior.widgets.parts import Notice, Words, column, describe
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.source import live_pairs, report_of
from napari_posterior.widgets.theme import Palette, ThemeFollower

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QShowEvent

    from napari_posterior.session.models import RunEntry
    from napari_posterior.widgets.plots.base import DistributionPlot

__all__ = ["CompareDock"]

_INTERVAL_MS: Final = 100  # between two redraws
_WIDTH: Final = (340, 380)  # px, least and wished

_EMPTY: Final = (
    "Does a fast student keep what its slow teacher says of your image? Seven questions, each with "
    "a verdict, a number and an interval. There is no run yet."
)

_HELP: Final = (
    "1. Choose a run of the teacher and one of a student, or press Make.",
    "2. Choose your question and, before you look, the differences that do not matter.",
    "3. Press Compare. Select a verdict to see its plot; more samples settle what is open.",
)


class CompareDock(QWidget):
    """Choose two runs, say what matters, compare them, read seven verdicts.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer, as napari hands it to a plugin.
    session : Session, optional
        By default that of the viewer.
    make_plot : callable
        Makes a `DistributionPlot` from the name of its widget.
    """

    def __init__(
        self,
        napari_viewer: Any,
        *,
        session: Any = None,
        make_plot: Callable[[str], DistributionPlot] = HistogramPlot,
    ) -> None:
        super().__init__()
        self.setObjectName("napari_posterior_compare")
        self._viewer = napari_viewer
        self._session = _session_of(napari_viewer) if session is None else session
        self._state = self._session.state
        self._comparing = self._session.controller.comparing
        self._drawn: tuple[object, ...] = ()
        self._build(make_plot)
        self._throttler = QSignalThrottler(parent=self)
        self._throttler.setTimeout(_INTERVAL_MS)
        self._throttler.triggered.connect(self._refresh)
        self._theme = ThemeFollower(napari_viewer, self)
        self._theme.changed.connect(self._paint)
        self._paint(self._theme.palette)
        self._listen()

    def sizeHint(self) -> QSize:
        """Ask for a width at which sentences read well."""
        return QSize(_WIDTH[1], super().sizeHint().height())

    def showEvent(self, event: QShowEvent | None) -> None:
        """Catch up with what has happened meanwhile."""
        super().showEvent(event)
        self._refresh()

    def _build(self, make_plot: Callable[[str], DistributionPlot]) -> None:
        content = QWidget()
        self._help = FirstHelp(
            "compare", _HELP, "comparing.md", remembered=self._session.remembered, parent=content
        )
        self._empty = QWidget(content)
        self._obvious = QPushButton(self._empty)
        describe(self._obvious, "begin", "With the settings of the dock Restore")
        paragraph = column(self._empty, spacing=10)
        paragraph.addWidget(Words(_EMPTY, self._empty))
        paragraph.addWidget(self._obvious)
        self._choice = Choice(self._viewer, self._state, content)
        self._refusal = Notice(content)
        self._refusal.setObjectName("refusal")
        self._plots = LivePlots(content, make_plot)
        self._outcome = Outcome(self._session, content, make_plot=make_plot)
        lines = QVBoxLayout(content)
        lines.setContentsMargins(8, 8, 8, 8)
        lines.setSpacing(8)
        parts = (
            self._help, self._empty, self._choice, self._refusal, self._plots, self._outcome
        )  # fmt: skip
        for part in parts:
            lines.addWidget(part)
        lines.addStretch(1)
        area = QScrollArea(self)
        area.setObjectName("scroll")
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(content)
        column(self).addWidget(area)
        self.setMinimumWidth(_WIDTH[0])

    def _listen(self) -> None:
        """Connect what happens in the session with what is shown, and the buttons with both."""
        links, runs = Connections(self), self._state.runs.events
        self._links = links
        for signal in (runs.inserted, runs.removed, runs.changed, runs.reordered, runs.child_event):
            links.add(signal, self._on_news)
        links.add(self._state.compare.events, self._on_news)
        links.add(self._state.restore.events.image, self._on_news)
        links.add(self._session.remembered.changed, self._on_news)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            links.add(event, self._on_news)
        choice, outcome = self._choice, self._outcome
        choice.teacher.picked.connect(self._on_teacher)
        choice.student.picked.connect(self._on_student)
        choice.question.activated.connect(self._on_question)
        choice.statistics.picked.connect(self._on_statistics)
        choice.statistics.opened.connect(self._on_list)
        choice.make.clicked.connect(self._on_make)
        choice.compare.clicked.connect(self._on_compare)
        choice.stop.clicked.connect(self._on_stop)
        choice.layers.edited.connect(self._on_news)
        self._obvious.clicked.connect(self._on_make)
        outcome.next_look.connect(self._on_next_look)
        outcome.asked.connect(self._on_experiment)

    def _refresh(self) -> None:
        """Show the state; what is not visible waits."""
        if not self.isVisible():
            return
        started = bool(self._state.runs)
        self._empty.setVisible(not started)
        self._choice.setVisible(started)
        self._obvious.setText(
            "&Run teacher and student" if self._has_image() else "Open a &sample image"
        )
        report = report_of(self._state.compare)
        self._help.refresh(wanted=report is None)  # later on verdicts need the room
        if started:
            self._choice.refresh()
        self._outcome.setVisible(started and report is not None)
        self._outcome.show_report(report if started else None, folder=self._folder())
        self._draw(live=report is None)

    def _draw(self, *, live: bool) -> None:
        """Show the numbers so far, where they are others than those that are shown."""
        state = self._state.compare
        entries = (state.teacher, state.student) if live else (None, None)
        drawn = (*entries, *(None if one is None else one.measured for one in entries))
        if len(drawn) == len(self._drawn) and all(
            one is other for one, other in zip(drawn, self._drawn, strict=True)
        ):
            return
        self._drawn = drawn
        self._plots.show_pairs(live_pairs(state) if live else (), folder=self._folder())

    def _paint(self, palette: Palette) -> None:
        self.setStyleSheet(f"Notice {{ color: {palette.mark}; }}")
        self._plots.set_palette(palette)
        self._outcome.set_palette(palette)

    def _has_image(self) -> bool:
        from napari.layers import Image

        chosen = self._state.restore.image is not None
        return chosen or any(isinstance(layer, Image) for layer in self._viewer.layers)

    def _folder(self) -> Path | None:
        teacher = self._state.compare.teacher
        return None if teacher is None or teacher.folder is None else Path(teacher.folder).parent

    def _attempt(self, action: Callable[[], object]) -> None:
        """Do something, and say in one sentence why it cannot be done."""
        try:
            action()
        except PosteriorError as error:
            self._refusal.say(sentence_of(str(error)))
        else:
            self._refusal.say("")
        self._on_news()

    def _on_news(self, *_: object) -> None:
        self._throttler.throttle()

    def _on_teacher(self, entry: RunEntry) -> None:
        self._state.compare.teacher = entry

    def _on_student(self, entry: RunEntry) -> None:
        self._state.compare.student = entry

    def _on_question(self, *_: object) -> None:
        self._comparing.choose_question(str(self._choice.question.currentData()))

    def _on_list(self) -> None:
        """List what was defined in the console meanwhile, too."""
        state = self._state.compare
        self._session.look_for_statistics()
        self._choice.statistics.show_choice(state.offered, state.statistics)

    def _on_statistics(self, names: tuple[str, ...]) -> None:
        self._state.compare.statistics = names

    def _on_make(self) -> None:
        if not self._has_image():
            self._viewer.open_sample("napari-posterior", "puncta")
        elif self._state.restore.image is None:
            self._attempt(self._session.restore_pair)
        else:
            self._attempt(self._session.controller.run_pair)

    def _on_compare(self) -> None:
        self._attempt(self._session.controller.compare)

    def _on_next_look(self) -> None:
        self._attempt(self._comparing.draw_to_next_look)

    def _on_experiment(self, name: str) -> None:
        device = self._state.restore.device
        self._attempt(lambda: self._comparing.experiment(name, device=device))

    def _on_stop(self) -> None:
        self._comparing.stop()


def _session_of(viewer: Any) -> Any:
    from napari_posterior.widgets.session import session

    return session(viewer)
