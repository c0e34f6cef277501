"""Which model draws, which sampler of it, in how many steps, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractSpinBox, QButtonGroup, QLabel, QPushButton, QSpinBox, QWidget
from superqt import QLargeIntSpinBox

from napari_posterior.errors import PosteriorError
from napari_posterior.runs.request import MAX_SAMPLES
from napari_posterior.session.problems import find_model, sentence_of
from napari_posterior.session.submission import chosen_steps, correction_for, student_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Rows, Words, describe, look_folded, side_by_side
from napari_posterior.widgets.sections.card import CardWindow
from napari_posterior.widgets.sections.correction import CorrectionSection
from napari_posterior.widgets.sections.fields import Picker, StepField

if TYPE_CHECKING:
    from napari_posterior.session.choices import SamplerChoice
    from napari_posterior.session.models import RestoreState

__all__ = ["SamplerSection"]

_TEACHER = "teacher"


class SamplerSection(QWidget):
    """Choose model, sampler, steps, samples, seed and device.

    Parameters
    ----------
    state : RestoreState
        All of it is set there.
    """

    asked_for_models = Signal()
    """The user wants to see, check or import models."""

    asked_for_defaults = Signal()
    """The user wants what a first session begins with."""

    def __init__(self, state: RestoreState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._build()
        self._connections = Connections(self)
        events = state.events
        for signal in (events.models, events.model, events.student):
            self._connections.add(signal, self._show_models)
        for signal in (events.sampler, events.steps, events.step_control, events.correction):
            self._connections.add(signal, self._show_sampler)
        for signal in (events.cost, events.correction_problem):
            self._connections.add(signal, self._show_sampler)
        for signal in (events.samples, events.seed):
            self._connections.add(signal, self._show_numbers)
        for signal in (events.devices, events.device):
            self._connections.add(signal, self._show_devices)
        self._show_models()
        self._show_numbers()
        self._show_devices()

    @property
    def student(self) -> str | None:
        """The student that is chosen, also while the teacher is; None where there is none."""
        found = self._students.currentData()
        return str(found) if found else None

    def show_card(self) -> None:
        """Open a window with the card of the model."""
        model = find_model(self._state)
        if model is not None:
            window = CardWindow(model, self)
            window.finished.connect(window.deleteLater)
            window.open()

    def _build(self) -> None:
        self._models = Picker()
        describe(self._models, "model", "The model that draws the samples.")
        self._card = QPushButton("Car&d")
        describe(self._card, "card", "What the model says of itself: use, limits, figures.")
        self._more = QPushButton("Models...")
        describe(
            self._more,
            "models",
            "All models with their state and place: import, check, or free their memory.",
            spoken="All models",
        )
        self._teacher = QPushButton("&Teacher")
        describe(
            self._teacher, "sampler_teacher", "The slow reference: many network calls a sample."
        )
        self._student = QPushButton("&Student")
        describe(
            self._student, "sampler_student", "Distilled from the teacher: few calls a sample."
        )
        self._roles = QButtonGroup(self)
        for button in (self._teacher, self._student):
            button.setCheckable(True)
            self._roles.addButton(button)
        self._students = Picker()
        describe(
            self._students,
            "student",
            "Which student; it is also the one that is drawn beside the teacher.",
            spoken="Student",
        )
        self._steps = StepField()
        describe(self._steps, "steps", "Steps of the sampler from noise to image.")
        self._calls = QLabel()
        describe(
            self._calls,
            "calls",
            "The teacher's solver, and the evaluations of the network that one sample takes (NFE).",
        )
        self._reason = Words()
        self._reason.setObjectName("steps_reason")
        self.correction = CorrectionSection(self._state)
        self._samples = QSpinBox()
        self._samples.setRange(1, MAX_SAMPLES)
        self._samples.setKeyboardTracking(False)
        describe(self._samples, "samples", "How many samples are drawn, a number.")
        self._seed = QLargeIntSpinBox()
        self._seed.setKeyboardTracking(False)
        describe(
            self._seed,
            "seed",
            "Which noise the samples start from, a whole number; teacher and student share it.",
            spoken="Seed",
        )
        self._devices = Picker()
        describe(self._devices, "device", "Where the network is computed.")
        self._cost = Words()
        describe(self._cost, "cost", "What a run of the chosen sampler takes.")
        for field in (self._steps, self._samples, self._seed):
            field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.PlusMinus)

        roles = QWidget()
        describe(roles, "sampler", "Which sampler *Run* draws from.", spoken="Sampler")
        roles.setLayout(
            side_by_side(self._teacher, self._student, self._students, stretch=(0, 0, 1))
        )
        rows = Rows()
        rows.add("&Model", self._models, self._card, self._more)
        rows.add("Sampler", roles)
        rows.add("Steps", self._steps, self._calls)
        rows.add_below(self._reason)
        rows.add_wide(self.correction)
        seed = QLabel("Seed")
        seed.setBuddy(self._seed)
        rows.add("Samples", self._samples, seed, self._seed)
        rows.add("Device", self._devices)
        rows.add_below(self._cost)
        self._reset = QPushButton("Reset to defaults")
        describe(
            self._reset,
            "reset",
            "Take model, sampler, correction, samples, seed, device and question of a first "
            "session. Image, camera and PSF stay.",
        )
        look_folded(self._reset)
        rows.add_below(self._reset)
        self.setLayout(rows)

        self._models.currentIndexChanged.connect(self._on_model)
        self._card.clicked.connect(self.show_card)
        self._more.clicked.connect(self.asked_for_models)
        self._reset.clicked.connect(self.asked_for_defaults)
        self._teacher.clicked.connect(self._on_sampler)
        self._student.clicked.connect(self._on_sampler)
        self._students.currentIndexChanged.connect(self._on_student)
        self._steps.valueChanged.connect(self._on_steps)
        self._samples.valueChanged.connect(self._on_samples)
        self._seed.valueChanged.connect(self._on_seed)
        self._devices.currentIndexChanged.connect(self._on_device)

    def _on_model(self, *_: object) -> None:
        self._state.model = self._models.currentData() or self._state.model

    def _on_sampler(self, *_: object) -> None:
        student = self.student
        if self._student.isChecked() and student is not None:
            self._state.sampler = student
        else:
            self._state.sampler = _TEACHER
        self._show_sampler()

    def _on_student(self, *_: object) -> None:
        student = self.student
        if self._student.isChecked() and student is not None:
            self._state.sampler = student
        self._state.student = student

    def _on_steps(self, value: int) -> None:
        control = self._state.step_control
        self._state.steps = None if control is None or value == control.default else value

    def _on_samples(self, value: int) -> None:
        self._state.samples = value

    def _on_seed(self, value: int) -> None:
        self._state.seed = int(value)

    def _on_device(self, *_: object) -> None:
        self._state.device = self._devices.currentData() or self._state.device

    def _show_models(self, *_: object) -> None:
        state = self._state
        items = [
            (one.name, f"{one.name} {one.card.version}" if one.card else one.name, one.problem)
            for one in state.models
        ]
        self._models.set_items(items or [("", "looking for models...", "")], state.model)
        if not items:
            self._models.setCurrentIndex(0)
        model = find_model(state)
        self._card.setEnabled(model is not None)
        students = () if model is None else model.students
        chosen = None if model is None else student_of(state, model)
        self._students.set_items([(name, name, "") for name in students], chosen)
        self._students.setEnabled(bool(students))
        self._student.setEnabled(bool(students))
        known = state.sampler == _TEACHER or model is None or model.sampler(state.sampler)
        if not known:  # the new model has no sampler of this name
            state.sampler = chosen or _TEACHER
        self._show_sampler()

    def _show_sampler(self, *_: object) -> None:
        state = self._state
        sampler = self._sampler()
        role = _TEACHER if sampler is None else sampler.role
        self._roles.setExclusive(False)  # a point estimate, chosen elsewhere, is neither
        self._teacher.setChecked(role == "teacher")
        self._student.setChecked(role == "student")
        self._roles.setExclusive(role != "point")
        if role == "student":
            self._students.choose(state.sampler)
        control = state.step_control
        self._steps.setEnabled(control is not None and control.enabled)
        self._reason.say("" if control is None else control.reason)
        if control is not None:
            self._steps.show_control(control, state.steps or control.default)
        self._calls.setText(_calls(state, sampler))
        self._cost.say("" if state.cost is None else sentence_of(state.cost.sentence))

    def _show_numbers(self, *_: object) -> None:
        for field, value in ((self._samples, self._state.samples), (self._seed, self._state.seed)):
            before = field.blockSignals(True)
            field.setValue(value)
            field.blockSignals(before)

    def _show_devices(self, *_: object) -> None:
        items = [
            (one.name, f"{one.name} ({one.words})", "" if one.available else one.words)
            for one in self._state.devices
        ]
        self._devices.set_items(items, self._state.device)

    def _sampler(self) -> SamplerChoice | None:
        model = find_model(self._state)
        return None if model is None else model.sampler(self._state.sampler)


def _calls(state: RestoreState, sampler: SamplerChoice | None) -> str:
    """Words for solver and network calls of a sample; empty where they cannot be told."""
    if sampler is None:
        return ""
    steps, correction = chosen_steps(state, sampler), correction_for(state, sampler)
    try:
        return sampler.calls_words(steps, correction=correction)
    except PosteriorError:
        return ""
