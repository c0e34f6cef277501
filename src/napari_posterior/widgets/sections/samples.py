"""Looking through the samples of a run: slider, order, side by side, variation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QWidget

from napari_posterior.checks.finding import number
from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Folded, Notice, Rows, Words, describe
from napari_posterior.widgets.run_picker import RunPicker
from napari_posterior.widgets.sections.fields import Picker
from napari_posterior.widgets.sections.variation import StillSlider, VariationPart
from napari_posterior.widgets.session import session as session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QHideEvent

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["SamplesSection"]

_PERIOD_MS: Final = 200  # of the samples that are played
_DRAWN: Final = "drawn"


class SamplesSection(QWidget):
    """Looks through the samples of a run: one by one, played, sorted, compared, varied.

    What is shown belongs to the session (``npo.session(viewer).views``), so that a second section
    shows the same.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    state : SessionState
        Holds the runs.
    controller : Controller
        Of the session.
    """

    def __init__(
        self,
        viewer: Any,
        state: SessionState,
        controller: Controller,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("samples_section")
        self._viewer, self._state, self._controller = viewer, state, controller
        self._views = session_of(viewer).views
        self._entry: RunEntry | None = None
        self._shown_orders: tuple[list[tuple[str, str, str]], str] = ([], "")
        self._build()
        self._timer = QTimer(self)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self._on_tick)
        self._links = Connections(self)
        self._entry_links = Connections(self)
        runs = state.runs.events
        for signal in (runs.inserted, runs.removed, runs.changed, runs.reordered, runs.child_event):
            self._links.add(signal, self._on_runs)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._links.add(event, self._on_runs)
        for event in (viewer.dims.events.point, viewer.dims.events.range):
            self._links.add(event, self._on_dims)
        self._links.add(self._views.state.events, self._on_views)
        self._on_runs()

    @property
    def entry(self) -> RunEntry | None:
        """The run that is looked at."""
        return self._entry

    def choose(self, entry: RunEntry | None) -> None:
        """Look at another run."""
        if entry is not self._entry:
            self._entry = entry
            self._stop()
        self._show()

    def hideEvent(self, event: QHideEvent | None) -> None:
        """Play no more where nobody sees it."""
        super().hideEvent(event)
        self._stop()

    def _build(self) -> None:
        self._runs = RunPicker(("teacher", "student"), hint="Choose a run", parent=self)
        describe(self._runs, "samples_run", "Whose samples are looked at; K is their number.")
        self._slider = StillSlider(self)
        self._slider.setPageStep(1)
        describe(
            self._slider,
            "sample_slider",
            "Which sample is shown, a number; it moves the slider below the canvas, too.",
        )
        self._where = QLabel("", self)
        describe(self._where, "sample_number", "Which sample is shown, of how many.")
        self._play = QPushButton("Play", self)
        self._play.setCheckable(True)
        describe(self._play, "play", "Show the samples one after the other, 5 each second.")
        self._orders = Picker(self)
        describe(
            self._orders,
            "sort_samples",
            "Show the samples in the order of a number of theirs, smallest first. Nothing is "
            "written: this is a view of the same samples.",
        )
        self._side = QCheckBox("Teacher and student side by side", self)
        describe(
            self._side,
            "side_by_side",
            "Show both runs of Compare beside each other, with one slider and one contrast; "
            "clear it to have the layers back as they were.",
        )
        self._words, self._fault = Words("", self), Notice(self)
        self._words.setObjectName("samples_words")
        self._fault.setObjectName("samples_fault")
        self._variation = VariationPart(self._views, self)
        rows = Rows()
        rows.add("Run", self._runs)
        rows.add("Sample", self._slider, self._where, self._play)
        rows.add("Order", self._orders)
        rows.add_below(self._words)
        rows.add_wide(self._side)
        rows.add_wide(self._fault)
        rows.add_wide(Folded("What varies most", self._variation, self))
        self.setLayout(rows)
        self._runs.picked.connect(self.choose)
        self._slider.valueChanged.connect(self._on_slider)
        self._play.toggled.connect(self._on_play)
        self._orders.activated.connect(self._on_order)
        self._side.clicked.connect(self._on_side)

    def _on_runs(self, *_: object) -> None:
        runs = list(self._state.runs)
        entry = self._entry
        if entry is None or entry not in runs or entry.run is None:
            ended = [one for one in runs if one.role != "point" and one.run is not None]
            entry = ended[-1] if ended else None
        self._runs.show_runs([one for one in runs if one.run is not None], entry)
        self.choose(entry)

    def _show(self) -> None:
        """Show how the samples of the run are looked at."""
        entry, state = self._entry, self._views.state
        count = 0 if entry is None else self._views.count(entry)
        for widget in (self._slider, self._play, self._orders):
            widget.setEnabled(count > 1)
        with QSignalBlocker(self._slider):
            self._slider.setRange(0, max(count - 1, 0))
        self._show_orders()
        self._show_number()
        with QSignalBlocker(self._side):
            self._side.setChecked(state.side_by_side)
        compare = self._state.compare
        both = [one for one in (compare.teacher, compare.student) if one is not None]
        self._side.setEnabled(
            state.side_by_side or (len(both) == 2 and all(self._views.count(one) for one in both))
        )
        self._variation.show_run(entry)
        self._fault.say(state.problem)

    def _show_orders(self) -> None:
        entry = self._entry
        items = [(_DRAWN, "as they were drawn", "")]
        if entry is not None:
            items += [(one.key, f"by {one.title}", "") for one in self._views.choices(entry)]
        sorting = self._views.sorting_of(entry)
        shown = items, _DRAWN if sorting is None else sorting.choice.key
        if shown != self._shown_orders:  # a list that is open is left alone
            self._shown_orders = shown
            self._orders.set_items(*shown)

    def _show_number(self) -> None:
        entry, state = self._entry, self._views.state
        at = None if entry is None else self._views.sample_at(entry)
        with QSignalBlocker(self._slider):
            self._slider.setValue(at or 0)
        count = self._slider.maximum() + 1
        self._where.setText("" if at is None else f"{at + 1} of {count}")
        self._words.say(state.busy or self._told(at))

    def _told(self, at: int | None) -> str:
        """Say by what the samples are sorted, or why there are none; else nothing."""
        if self._entry is None:
            return "There is no run yet; its samples are looked through here."
        if at is None:
            return "The samples of this run are not shown; press Show in its row."
        sorting = self._views.sorting_of(self._entry)
        if sorting is None:
            return ""
        drawn = int(sorting.order[at])
        choice, value = sorting.choice, float(sorting.values[drawn])
        words = f"{value:.0f}" if value == round(value) else number(value, 4)
        unit = f" {choice.unit}" if choice.unit and choice.unit not in choice.title else ""
        pairs = " Pairs of one noise are apart." if self._views.state.side_by_side else ""
        return (
            f"Sorted by {choice.title}: {words}{unit} in this sample, which was drawn "
            f"as number {drawn + 1}.{pairs}"
        )

    def _attempt(self, action: Callable[[], object]) -> None:
        """Do something, and say in one sentence why it cannot be done."""
        try:
            action()
        except PosteriorError as error:
            self._views.state.problem = sentence_of(str(error))
        self._show()

    def _on_views(self, *_: object) -> None:
        self._show()

    def _on_dims(self, *_: object) -> None:
        self._show_number()

    def _on_slider(self, place: int) -> None:
        if self._entry is not None:
            self._views.go_to_sample(self._entry, place)

    def _on_play(self, on: bool) -> None:
        self._play.setText("Pause" if on else "Play")
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    def _stop(self) -> None:
        self._play.setChecked(False)

    def _on_tick(self) -> None:
        entry = self._entry
        count = 0 if entry is None else self._views.count(entry)
        at = None if entry is None else self._views.sample_at(entry)
        if entry is None or at is None or count < 2:
            self._stop()
            return
        self._views.go_to_sample(entry, (at + 1) % count)

    def _on_order(self, *_: object) -> None:
        key, entry = self._orders.currentData(), self._entry
        self._shown_orders = [], ""  # it shows what was chosen, which may come to nothing
        if entry is not None:
            self._attempt(lambda: self._views.sort(entry, None if key == _DRAWN else key))

    def _on_side(self, on: bool) -> None:
        self._attempt(lambda: self._views.show_side_by_side(on))
