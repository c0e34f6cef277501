"""The numbers of each correction of a student, as fields."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractSpinBox, QLabel, QSpinBox, QWidget

from napari_posterior.sampling.corrections import MAX_ROUNDS, Correction, Guided, HandOver, Refine
from napari_posterior.widgets.parts import Rows, describe
from napari_posterior.widgets.sections.fields import NumberField, Picker

__all__ = ["PANELS", "CorrectionPanel"]

_MOST_STEPS: Final = 512
_LEAST_TAU: Final = 0.01
_NARROW: Final = 76  # px: two fields fit beside each other in a dock of usual width
_STEP: Final = 0.05
_TAU: Final = "a time without unit, from 0 (clean image) to 1 (noise)"


class CorrectionPanel(QWidget):
    """Fields of one correction; each kind has its own."""

    changed = Signal()
    """Somebody entered another value."""

    def show_values(self, correction: Any) -> None:
        """Show a correction of this kind without telling anybody."""
        raise NotImplementedError

    def read(self) -> Correction:
        """Return the correction that is entered."""
        raise NotImplementedError

    def _tell(self, *_: object) -> None:
        self.changed.emit()

    def _number(self, name: str, spoken: str, tip: str, *, low: float, high: float) -> NumberField:
        field = NumberField(low, high, unit="", step=_STEP, decimals=2)
        field.setMinimumWidth(_NARROW)
        describe(field, f"correction_{name}", tip, spoken=spoken)
        field.valueChanged.connect(self._tell)
        return field

    def _count(self, name: str, spoken: str, tip: str, *, low: int, high: int) -> QSpinBox:
        field = QSpinBox()
        field.setRange(low, high)
        field.setKeyboardTracking(False)
        field.setMinimumWidth(_NARROW)
        field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.PlusMinus)
        describe(field, f"correction_{name}", tip, spoken=spoken)
        field.valueChanged.connect(self._tell)
        return field

    def _choice(self, name: str, spoken: str, tip: str, items: dict[str, str]) -> Picker:
        field = Picker()
        field.set_items([(key, text, "") for key, text in items.items()], next(iter(items)))
        describe(field, f"correction_{name}", tip, spoken=spoken)
        field.currentIndexChanged.connect(self._tell)
        return field

    def _tau(self, tip: str) -> NumberField:
        return self._number("tau", "tau", tip, low=_LEAST_TAU, high=1 - _LEAST_TAU)

    def _steps(self) -> QSpinBox:
        """Return a field for the steps of the teacher; 0 stands for those of the reference."""
        tip = "Steps of the teacher, a number; 'own' takes those that the reference has there."
        field = self._count("steps", "Steps of the teacher", tip, low=0, high=_MOST_STEPS)
        field.setSpecialValueText("own")
        return field


class _HandOverPanel(CorrectionPanel):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tau_field = self._tau(f"Where the teacher takes over: {_TAU}.")
        self._steps_field = self._steps()
        rows = Rows()
        rows.add("From tau", self._tau_field, QLabel("steps"), self._steps_field)
        self.setLayout(rows)

    def show_values(self, correction: HandOver) -> None:
        _show(self._tau_field, correction.tau)
        _show(self._steps_field, correction.steps or 0)

    def read(self) -> HandOver:
        return HandOver(tau=self._tau_field.value(), steps=self._steps_field.value() or None)


class _RefinePanel(CorrectionPanel):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tau_field = self._tau(f"How far back a sample is re-noised: {_TAU}.")
        tip = "How often a sample is re-noised and drawn again, a number."
        self._times = self._count("times", "Rounds", tip, low=1, high=MAX_ROUNDS)
        self._kernel = self._choice(
            "kernel",
            "How the teacher draws again",
            "With new noise (sde) the student is forgotten faster; without (ode) the variance is "
            "kept more exactly.",
            {"sde": "new noise (sde)", "ode": "no new noise (ode)"},
        )
        self._steps_field = self._steps()
        rows = Rows()
        rows.add("From tau", self._tau_field, QLabel("steps"), self._steps_field)
        rows.add("Rounds", self._times)
        rows.add("With", self._kernel)
        self.setLayout(rows)

    def show_values(self, correction: Refine) -> None:
        _show(self._tau_field, correction.tau)
        _show(self._times, correction.times)
        _show(self._steps_field, correction.steps or 0)
        self._kernel.choose(correction.kernel)

    def read(self) -> Refine:
        return Refine(
            tau=self._tau_field.value(),
            kernel=self._kernel.currentData(),
            times=self._times.value(),
            steps=self._steps_field.value() or None,
        )


class _GuidedPanel(CorrectionPanel):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lam = self._number(
            "lam",
            "Weight",
            "Weight of the teacher (lam), without unit: 0 is the student as it is, 1 the teacher.",
            low=0.0,
            high=1.0,
        )
        tip = "Steps of the student that are led, from the first one on, a number."
        self._k = self._count("k", "Led steps", tip, low=0, high=MAX_ROUNDS)
        self._kernel = self._choice(
            "kernel",
            "Led by",
            "By the teacher's mean, which takes variance away, or by its draws, which do not.",
            {"mean": "means", "sample": "draws"},
        )
        self._renoise = self._choice(
            "renoise",
            "Noise of the teacher's look",
            "What the teacher looks at: the noise that the step leads to, or one drawn for each "
            "sample.",
            {"next": "of the next step", "random": "of a random time"},
        )
        self._steps_field = self._steps()
        rows = Rows()
        rows.add("Weight", self._lam)
        rows.add("Led steps", self._k)
        rows.add("Led by", self._kernel, QLabel("steps"), self._steps_field)
        rows.add("Noise", self._renoise)
        self.setLayout(rows)

    def show_values(self, correction: Guided) -> None:
        _show(self._lam, correction.lam)
        _show(self._k, correction.k)
        self._kernel.choose(correction.kernel)
        self._renoise.choose(correction.renoise)
        _show(self._steps_field, correction.steps or 0)
        self._steps_field.setEnabled(correction.kernel == "sample")

    def read(self) -> Guided:
        kernel = self._kernel.currentData()
        steps = self._steps_field.value() or None
        return Guided(
            lam=self._lam.value(),
            k=self._k.value(),
            renoise=self._renoise.currentData(),
            kernel=kernel,
            steps=steps if kernel == "sample" else None,
        )


PANELS: Final[dict[str, type[CorrectionPanel]]] = {
    HandOver.name: _HandOverPanel,
    Refine.name: _RefinePanel,
    Guided.name: _GuidedPanel,
}
"""The fields of a correction, by its name."""


def _show(field: Any, value: float) -> None:
    before = field.blockSignals(True)
    field.setValue(value)
    field.blockSignals(before)
