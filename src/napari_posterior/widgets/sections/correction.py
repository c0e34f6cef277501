"""How the teacher corrects the samples of a student, and what is drawn then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QWidget

from napari_posterior.sampling.corrections import Guided, HandOver, Refine
from napari_posterior.session.correction_choice import correction_words
from napari_posterior.session.problems import find_model
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Notice, Rows, Words, column, describe
from napari_posterior.widgets.sections.correction_panels import PANELS
from napari_posterior.widgets.sections.fields import Picker

if TYPE_CHECKING:
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.session.models import RestoreState

__all__ = ["CorrectionSection"]

_NONE: Final = "none"
_TITLES: Final = {
    _NONE: "none",
    HandOver.name: "hand-over to the teacher",
    Refine.name: "refined by the teacher",
    Guided.name: "guided by the teacher",
}
_FIRST: Final[dict[str, Correction]] = {kind.name: kind() for kind in (HandOver, Refine, Guided)}


class CorrectionSection(QWidget):
    """Choose a correction of the student and its numbers; read what is drawn with it.

    Parameters
    ----------
    state : RestoreState
        `correction` is set there.
    """

    def __init__(self, state: RestoreState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._build()
        self._connections = Connections(self)
        events = state.events
        for signal in (events.correction, events.correction_problem, events.models, events.model):
            self._connections.add(signal, self._show)
        for signal in (events.sampler, events.student, events.steps):
            self._connections.add(signal, self._show)
        self._show()

    def _build(self) -> None:
        self._kinds = Picker()
        self._kinds.set_items([(key, text, "") for key, text in _TITLES.items()], _NONE)
        describe(
            self._kinds,
            "correction",
            "How the teacher corrects the samples of the student; what is drawn then is said "
            "below. The teacher's own samples stay as they are.",
        )
        self._panels = {name: panel() for name, panel in PANELS.items()}
        self._problem = Notice()
        self._problem.setObjectName("correction_problem")
        self._words = Words()
        self._words.setObjectName("correction_words")
        rows = Rows()
        rows.add("Correction", self._kinds)
        whole = column(self)
        whole.addLayout(rows)
        for name, panel in self._panels.items():
            panel.setObjectName(f"correction_{name.replace('-', '_')}")
            panel.setVisible(False)
            panel.changed.connect(self._on_numbers)
            whole.addWidget(panel)
        whole.addWidget(self._problem)
        whole.addWidget(self._words)
        self._kinds.currentIndexChanged.connect(self._on_kind)

    def _on_kind(self, *_: object) -> None:
        self._state.correction = _FIRST.get(self._kinds.currentData())

    def _on_numbers(self) -> None:
        correction = self._state.correction
        if correction is not None:
            self._state.correction = self._panels[correction.name].read()

    def _show(self, *_: object) -> None:
        correction, model = self._state.correction, find_model(self._state)
        name = _NONE if correction is None else correction.name
        self._kinds.choose(name)
        self._kinds.setEnabled(model is not None and bool(model.students))
        for each, panel in self._panels.items():
            if each == name:
                panel.show_values(correction)
            panel.setVisible(each == name)
        self._problem.say(self._state.correction_problem)
        self._words.say("\n".join(correction_words(self._state, model)))
