"""The dock *Restore*: choose an image, draw samples from teacher and student."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import QFrame, QPushButton, QScrollArea, QVBoxLayout, QWidget

from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.first_help import FirstHelp
from napari_posterior.widgets.parts import Folded, Words, column, describe
from napari_posterior.widgets.sections.camera import CameraSection
from napari_posterior.widgets.sections.corrected import CorrectedSection
from napari_posterior.widgets.sections.image import ImageSection
from napari_posterior.widgets.sections.running import RunningSection
from napari_posterior.widgets.sections.runs import RunsSection
from napari_posterior.widgets.sections.sampler import SamplerSection
from napari_posterior.widgets.sections.samples import SamplesSection
from napari_posterior.widgets.session import session as session_of
from napari_posterior.widgets.theme import Palette, ThemeFollower

if TYPE_CHECKING:
    from napari_posterior.widgets.session import Session

__all__ = ["RestoreDock"]

_WELCOME: Final = (
    "A noisy image has many plausible restorations: teacher and student draw samples of them. "
    "Open an image of yours, or a simulated one."
)
_HELP: Final = (
    "1. Choose an image; give camera and PSF, or let them be estimated.",
    "2. Run teacher and student: samples appear as layers.",
    "3. Read in the dock Compare what the student keeps.",
)
_WIDTH: Final = 360
_MARGIN: Final = 8
_LAYOUT_MS: Final = 50  # after which the sections have their places


class RestoreDock(QWidget):
    """Choose an image and what is known of it, a model and a sampler, and draw samples.

    It keeps nothing itself: what is chosen and what runs belongs to the session of the viewer, so
    that a second dock shows the same.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Or its proxy.
    session : Session, optional
        By default that of the viewer.
    """

    def __init__(self, napari_viewer: Any, *, session: Session | None = None) -> None:
        super().__init__()
        if session is None:
            session = session_of(napari_viewer)
        self.setObjectName("napari_posterior_restore")
        self.setWindowTitle("Restore")
        self._viewer = napari_viewer
        state, controller = session.state, session.controller
        self._welcome = self._build_welcome()
        self.image = ImageSection(napari_viewer, state.restore)
        self.camera = CameraSection(napari_viewer, state.restore, controller)
        self.sampler = SamplerSection(state.restore)
        self.running = RunningSection(state, controller)
        self.corrected = CorrectedSection(state, controller)
        self.fast = Folded("Fast and right: the teacher's mean, corrected", self.corrected)
        describe(
            self.fast.toggleButton(),
            "corrected_fold",
            "Show or hide how few samples of the teacher correct many of a student.",
        )
        if state.corrected.going_on:
            self.fast.expand(animate=False)
        self.runs = RunsSection(napari_viewer, state, controller, bring_back=session.bring_back)
        self.samples = SamplesSection(napari_viewer, state, controller)
        self._look = Folded("Look through the samples", self.samples)
        describe(
            self._look.toggleButton(),
            "samples_fold",
            "Show or hide what helps to look through the samples of a run.",
        )
        self._state = state
        self._form = QWidget()
        form = column(self._form, spacing=10)
        drawing = (self.sampler, _line(), self.running, self.fast)
        for section in (self.image, self.camera, _line(), *drawing):
            form.addWidget(section)
        inside = QWidget()
        whole = column(inside, spacing=10)
        whole.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        remembered = session.remembered
        self.help = FirstHelp(
            "restore", _HELP, "restoring.md", remembered=remembered, parent=inside
        )
        for part in (self.help, self._welcome, self._form, self.runs, self._look):
            whole.addWidget(part)
        whole.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inside)
        inside.installEventFilter(self)
        self._scroll = scroll
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

        self._connections = Connections(self)
        self._connections.add(state.runs.events, self._on_runs)
        self._on_runs()
        self.sampler.asked_for_models.connect(self._on_models)
        self.sampler.asked_for_defaults.connect(remembered.reset)
        self._connections.add(remembered.changed, self._show_help)
        self.running.add_shortcut(self)
        for part in (self.running, self.corrected):
            part.asked.connect(self.image.refresh)
        self._scroller = QTimer(self)
        self._scroller.setSingleShot(True)
        self._scroller.setInterval(_LAYOUT_MS)
        self._scroller.timeout.connect(self._bring_progress_into_sight)
        self.running.started.connect(self._scroller.start)
        self.image.layer_changed.connect(self.camera.show_layer)
        self.image.emptied.connect(self._show_welcome)
        self.camera.show_layer(self.image.layer)
        self._show_welcome(self.image.layer is None)
        follower = ThemeFollower(napari_viewer, self)
        follower.changed.connect(self._paint)
        self._paint(follower.palette)

    def reset_choices(self, *_: object) -> None:
        """Look again which layers there are; napari calls it when they change."""
        self.image.reset_choices()

    def sizeHint(self) -> QSize:
        """Be as wide as a dock beside the viewer should be."""
        return QSize(_WIDTH, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Never be narrower than the widest row; whatever is higher is scrolled to."""
        bar = self._scroll.verticalScrollBar()
        room = 0 if bar is None else bar.sizeHint().width()
        widest = max(part.minimumSizeHint().width() for part in (self._form, self.runs, self._look))
        return QSize(widest + 2 * _MARGIN + room, 200)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask for more width when a row needs it: a scroll area does not by itself."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return False

    def _build_welcome(self) -> QWidget:
        welcome = QWidget()
        welcome.setObjectName("welcome")
        self._open_sample = QPushButton("&Open a sample image")
        describe(
            self._open_sample, "open_sample", "Open simulated puncta, and what they were made of."
        )
        self._open_sample.clicked.connect(self._on_open_sample)
        layout = column(welcome, spacing=10)
        layout.addWidget(Words(_WELCOME))
        layout.addWidget(self._open_sample)
        return welcome

    def _on_runs(self, *_: object) -> None:
        self._look.setVisible(bool(self._state.runs))
        self._show_help()

    def _bring_progress_into_sight(self) -> None:
        self._scroll.ensureWidgetVisible(self.running, 0, _MARGIN)

    def _on_models(self) -> None:
        from napari_posterior.widgets.models_dialog import open_models_dialog

        open_models_dialog(self._viewer)

    def _on_open_sample(self) -> None:
        self._viewer.open_sample("napari-posterior", "puncta")

    def _show_welcome(self, empty: bool) -> None:
        self._welcome.setVisible(empty)
        self._form.setVisible(not empty)
        self._show_help()

    def _show_help(self, *_: object) -> None:
        """Help with what is there; an empty dock has its own words, a run needs the room."""
        self.help.refresh(wanted=self._welcome.isHidden() and not self._state.runs)

    def _paint(self, palette: Palette) -> None:
        self.setStyleSheet(
            f"Notice {{ color: {palette.mark}; }}"
            f"QWidget#line {{ background-color: {palette.soft}; padding: 0px; }}"
        )
        self.running.set_accent(palette.student, palette.background)


def _line() -> QWidget:
    line = QWidget()
    line.setObjectName("line")
    line.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    line.setFixedHeight(1)
    return line
