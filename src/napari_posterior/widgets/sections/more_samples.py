"""The question how many samples a run should hold in all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_posterior.durations import duration
from napari_posterior.runs.request import MAX_SAMPLES
from napari_posterior.session.progress import count_of
from napari_posterior.widgets.parts import Words, describe, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.history import History
    from napari_posterior.session.models import RunEntry

__all__ = ["MoreSamplesDialog"]

_TIP: Final = (
    "Samples that the run will hold in all; those that it holds stay as they are, and the others "
    "are drawn from the noise that follows theirs."
)


class MoreSamplesDialog(QDialog):
    """Asks for a number of samples, and says how long they may take.

    Parameters
    ----------
    entry : RunEntry
        A run that holds samples.
    history : History
        Knows what they took.
    then : callable
        Gets the number.
    """

    def __init__(
        self,
        entry: RunEntry,
        history: History,
        *,
        then: Callable[[int], object],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("more_samples")
        self.setWindowTitle("More samples")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._entry, self._history, self._then = entry, history, then
        self._held = 0 if entry.run is None else len(entry.run)
        self._build()
        self._on_number()
        self.accepted.connect(self._on_accepted)

    def _build(self) -> None:
        least = min(self._held + 1, MAX_SAMPLES)
        self._number = QSpinBox()
        self._number.setRange(least, MAX_SAMPLES)
        self._number.setKeyboardTracking(False)
        self._number.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.PlusMinus)
        asked = self._entry.samples
        wished = asked if asked > self._held else 2 * self._held
        self._number.setValue(min(max(wished, least), MAX_SAMPLES))
        describe(self._number, "more_number", _TIP, spoken="Samples in all")
        label = QLabel("&Samples in all")
        label.setBuddy(self._number)
        self._cost = Words()
        self._cost.setObjectName("more_cost")
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self._draw = QPushButton("&Draw")
        describe(self._draw, "more_draw", "Go on with this run, with the settings that it has.")
        self._buttons.addButton(self._draw, QDialogButtonBox.ButtonRole.AcceptRole)
        layout = QVBoxLayout(self)
        layout.addWidget(Words(f"{self._entry.title} holds {count_of(self._held)}."))
        row = side_by_side(label, self._number)
        row.addStretch(1)
        layout.addLayout(row)
        layout.addWidget(self._cost)
        layout.addStretch(1)
        layout.addWidget(self._buttons)
        self._draw.setDefault(True)
        self._number.valueChanged.connect(self._on_number)
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        letter = self.fontMetrics().averageCharWidth()
        self.resize(56 * letter, 10 * self.fontMetrics().lineSpacing())

    def _on_number(self, *_: object) -> None:
        number = self._number.value()
        more = f"{count_of(number - self._held)} more"
        seconds = self._history.seconds_for(self._entry, number)
        run = self._entry.run
        if seconds is None or run is None:
            self._cost.say(f"{more}.")
            return
        self._cost.say(
            f"{more}, about {duration(seconds)} on {run.request.device}, by what the first "
            f"{self._held} took."
        )

    def _on_accepted(self) -> None:
        self._then(self._number.value())
