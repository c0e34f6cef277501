"""What varies most among the samples of a run, as sliders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QSlider, QWidget

from napari_posterior.checks.finding import number, percent
from napari_posterior.errors import PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.sample_views import COMPONENTS
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Words, column, describe, side_by_side

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

    from napari_posterior.layers.sample_views import SampleViews
    from napari_posterior.session.models import RunEntry

__all__ = ["StillSlider", "VariationPart"]

_REACH: Final = 2.0  # standard deviations at the ends of a slider
_TICKS: Final = 20  # of a slider, for one standard deviation


class StillSlider(QSlider):
    """A slider that leaves the wheel to the dock, which scrolls."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock."""
        if event is not None:
            event.ignore()


class VariationPart(QWidget):
    """Sliders along the principal components of the samples, in standard deviations.

    Parameters
    ----------
    views : SampleViews
        Finds and shows the variation.
    """

    def __init__(self, views: SampleViews, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("variation")
        self._views = views
        self._entry: RunEntry | None = None
        self._find = QPushButton("Find what varies", self)
        describe(
            self._find,
            "find_variation",
            "Work out the principal components of the samples of this run. Sliders then show the "
            "mean and some standard deviations along each as a layer.",
        )
        self._reset = QPushButton("Reset", self)
        describe(self._reset, "reset_variation", "All sliders to 0: the mean of the samples.")
        self._words = Words("", self)
        self._words.setObjectName("variation_words")
        self._sliders: list[QSlider] = []
        self._labels: list[tuple[QLabel, QLabel]] = []
        self._rows = QWidget(self)
        grid = QGridLayout(self._rows)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        for place in range(COMPONENTS):
            name, slider, value = QLabel(""), StillSlider(), QLabel("")
            describe(
                slider,
                f"component_{place + 1}",
                f"How far along component {place + 1} from the mean, in standard deviations, "
                f"-{_REACH:g} to {_REACH:g}.",
                spoken=f"Component {place + 1}",
            )
            slider.setRange(round(-_REACH * _TICKS), round(_REACH * _TICKS))
            slider.setPageStep(_TICKS // 2)
            slider.valueChanged.connect(self._on_slider)
            value.setMinimumWidth(value.fontMetrics().horizontalAdvance("−2.00 SD"))
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            for at, widget in enumerate((name, slider, value)):
                grid.addWidget(widget, place, at)
            self._sliders.append(slider)
            self._labels.append((name, value))
        lines = column(self, spacing=6)
        lines.addLayout(side_by_side(self._find, self._reset, stretch=(2, 1)))
        lines.addWidget(self._rows)
        lines.addWidget(self._words)
        self._find.clicked.connect(self._on_find)
        self._reset.clicked.connect(self._on_reset)
        self._links = Connections(self)
        self._links.add(views.state.events, self._on_views)
        self._show()

    def show_run(self, entry: RunEntry | None) -> None:
        """Look at another run."""
        self._entry = entry
        self._show()

    def _show(self) -> None:
        state = self._views.state
        found = state.variation if state.varied is self._entry else None
        count = 0 if found is None else len(found)
        run = None if self._entry is None else self._entry.run
        self._find.setEnabled(run is not None and found is None and not state.busy)
        self._reset.setEnabled(found is not None and any(state.weights))
        self._rows.setVisible(count > 0)
        for place, (slider, (name, value)) in enumerate(
            zip(self._sliders, self._labels, strict=True)
        ):
            there = found is not None and place < count
            for widget in (slider, name, value):
                widget.setVisible(there)
            if found is None or not there:
                continue
            weight = state.weights[place] if place < len(state.weights) else 0.0
            name.setText(percent(float(found.shares[place])))
            name.setToolTip(
                f"Component {place + 1}: share of the variance among these samples, percent."
            )
            value.setText(f"{number(weight, 2, sign=True)} SD")
            if not slider.isSliderDown():
                with QSignalBlocker(slider):
                    slider.setValue(round(weight * _TICKS))
        if found is None:
            self._words.say("" if not state.busy else state.busy)
            return
        share = percent(float(found.shares.sum()))
        self._words.say(
            f"Together {share} of the variance among these {len(found.scores)} samples. The layer "
            "shows mean and weighted components; it is no sample."
        )

    def _on_views(self, *_: object) -> None:
        self._show()

    def _on_find(self) -> None:
        entry = self._entry
        if entry is None:
            return
        try:
            self._views.vary(entry)
        except PosteriorError as error:
            self._views.state.problem = sentence_of(str(error))

    def _on_reset(self) -> None:
        self._views.set_weights((0.0,) * len(self._views.state.weights))

    def _on_slider(self, *_: object) -> None:
        count = len(self._views.state.weights)
        self._views.set_weights([one.value() / _TICKS for one in self._sliders[:count]])
