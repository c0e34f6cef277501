"""From a time budget to two runs and a corrected estimate, without a window."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.errors import InputError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.sampling.corrections import Refine
from napari_posterior.session.choices import read_models
from napari_posterior.session.controller import Controller
from napari_posterior.session.corrected_state import offer_rows, phase_words
from napari_posterior.session.models import ImageChoice
from napari_posterior.session.progress import ENDED

CALL = 0.02  # s that a network call is said to take


class Layers:
    """Notes what it is asked to show, and in which thread."""

    def __init__(self):
        self.shown = []
        self.gathered_in = ""

    def gather_corrected(self, teacher, student, found):
        self.gathered_in = threading.current_thread().name
        assert found.teacher is teacher
        assert found.student is student
        return ("correlation", "sd", "mean")

    def show_corrected(self, one):
        self.shown.append(one)

    def __getattr__(self, name):
        return lambda *arguments: None


@pytest.fixture
def layers():
    return Layers()


@pytest.fixture
def bare(tiny_with_figures, measured, layers):
    """A controller that does not know yet how long a call takes."""
    controller = Controller(layers=layers)
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_with_figures))
    restore = controller.state.restore
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    restore.samples, restore.device, restore.sampler = 4, "cpu", "teacher"
    yield controller
    assert controller.close(20)


@pytest.fixture
def controller(bare, measured):
    bare.rates.learn("tiny", "cpu", "float32", pixel_calls=measured.size, seconds=CALL)
    bare.state.corrected.seconds = 1.5
    return bare


def until(condition, seconds=200):
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.01)


def test_a_time_buys_pairs_and_students_and_the_student_alone_is_called_biased(controller):
    state = controller.state.corrected
    plan = state.plan
    assert (state.problem, state.name) == ("", "kd")
    assert plan.pairs >= 8
    assert plan.corrected.seconds <= 1.5
    teacher, student, corrected = offer_rows(plan)
    assert teacher.error.endswith(" sd")
    assert "biased" in student.name
    assert corrected.samples == f"{plan.pairs} + {plan.pairs + plan.students}"
    state.seconds = 30.0
    assert state.plan.corrected.error < plan.corrected.error
    assert state.plan.student.error > plan.student.bias  # more samples do not lessen the bias
    state.seconds = 0.5
    assert state.plan is None
    assert "too short" in state.problem


def test_without_a_measured_speed_it_says_that_the_first_run_measures_it(bare):
    state = bare.state.corrected
    assert state.plan is None
    assert "the first run measures it" in state.problem
    with pytest.raises(InputError, match="the first run measures it"):
        bare.run_corrected()
    entry = bare.run()
    until(lambda: entry.state in ENDED)
    assert "the first run measures it" not in state.problem


def test_a_student_that_the_card_does_not_know_is_not_planned_with(controller):
    name = controller.state.restore.model
    card = controller.state.restore.models[0].card
    assert card is not None
    blank = card.model_copy(update={"evaluation": {}})
    controller.set_models((replace(controller.state.restore.models[0], card=blank),))
    state = controller.state.corrected
    state.seconds = 2.0
    assert state.plan is None
    assert state.problem == (
        f"The card of {name} does not tell how closely kd follows its teacher in 1 step; choose "
        "another student or number of steps."
    )


def test_runs_are_drawn_as_planned_and_corrected_and_the_maps_shown(controller, layers, tmp_path):
    state = controller.state.corrected
    plan = state.plan
    controller.state.restore.correction = Refine()  # left out: it would not share the noise
    controller.state.restore.student = "kd"
    teacher, student = controller.run_corrected()
    assert list(controller.state.runs) == [teacher, student]
    assert state.uses(teacher)
    assert state.uses(student)
    assert controller.history.problem_of_deleting(teacher)
    with pytest.raises(RunError, match="going on"):
        controller.run_corrected()
    until(lambda: state.state in ENDED)
    assert (state.state, state.fault) == ("done", "")
    assert len(teacher.run) == plan.pairs
    assert len(student.run) == plan.pairs + plan.students
    assert student.run.request.correction is None
    assert teacher.run.request.seed == student.run.request.seed
    assert layers.shown == ["correlation", "sd", "mean"]
    assert layers.gathered_in == "napari-posterior analysis"
    assert np.isfinite(state.found["mean"].value).all()
    assert state.found["mean"].pairs == plan.pairs
    assert any("standard error" in one for one in state.told)
    assert phase_words(state).startswith("Corrected in")
    assert not state.uses(teacher)

    controller.correcting.save(tmp_path / "cell")
    assert state.saved == tmp_path / "cell.corrected.zarr"
    assert (state.saved / "corrected.json").is_file()
    controller.correcting.refresh()
    assert state.state == "done"


@pytest.mark.parametrize("phase", ["teacher", "student"])
def test_cancel_in_each_phase_ends_the_runs_and_the_correction_and_keeps_samples(
    controller, gate, phase
):
    state = controller.state.corrected
    plan = state.plan
    if phase == "teacher":  # held before it begins
        controller.state.restore.image = ImageChoice(
            "cell", 1, (24, 32), "YX", read=lambda: gate.open.wait(20) and None
        )
    teacher, student = controller.run_corrected()
    if phase == "student":
        until(lambda: teacher.state == "done")
        until(gate.reached.is_set)
        controller.refresh()
        assert phase_words(state).startswith("2 of 3, drawing the student")
    else:
        assert phase_words(state).startswith("1 of 3, drawing the teacher")
    controller.correcting.stop()
    gate.open.set()
    until(lambda: student.state in ENDED and teacher.state in ENDED)
    until(lambda: state.state in ENDED)
    assert student.state == state.state == "cancelled"
    assert (teacher.state == "done") == (phase == "student")
    assert state.found is None
    if phase == "student":
        assert len(teacher.run) == plan.pairs


def test_cancel_of_all_runs_ends_what_waits_for_them(controller, gate):
    teacher, student = controller.run_corrected()
    until(gate.reached.is_set)
    controller.cancel()
    gate.open.set()
    state = controller.state.corrected
    until(lambda: state.state in ENDED)
    assert (teacher.state, student.state, state.state) == ("done", "cancelled", "cancelled")
    assert phase_words(state).startswith("Cancelled")


def test_two_runs_of_the_list_are_corrected_and_wrong_ones_are_refused(controller):
    correcting, state = controller.correcting, controller.state
    teacher, student = controller.run_pair("kd", samples=(4, 7))
    job = correcting.start(teacher, student, statistics=("mean_intensity",))
    found = job.result(300)
    assert "mean_intensity" in found
    assert state.corrected.found is found
    with pytest.raises(InputError, match="not a run of the teacher"):
        correcting.start(student, teacher)
    with pytest.raises(InputError, match="not a run of a student"):
        correcting.start(teacher, teacher)


def test_a_student_with_no_more_samples_than_the_teacher_fails_in_one_sentence(controller):
    teacher, student = controller.run_pair("kd")
    controller.correcting.start(teacher, student)
    state = controller.state.corrected
    until(lambda: state.state in ENDED)
    assert state.state == "failed"
    assert "more of the student than of the teacher" in state.fault
    assert state.found is None
    with pytest.raises(InputError, match="nothing was corrected yet"):
        controller.correcting.save("anywhere")
