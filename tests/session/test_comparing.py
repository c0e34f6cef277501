"""Looks that wait for samples, and experiments as jobs."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_posterior.api import experiments
from napari_posterior.checks.verdicts.tolerances import Tolerance
from napari_posterior.errors import InputError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.session.choices import read_models
from napari_posterior.session.comparison_choices import LayerChoice
from napari_posterior.session.controller import Controller
from napari_posterior.session.experiment_job import ExperimentJob, duration_of
from napari_posterior.session.job import start_in_thread
from napari_posterior.session.looking import LookAwaited
from napari_posterior.session.models import CompareState, ImageChoice, RunEntry


def entry(number, samples=16):
    made = RunEntry(number, "kd", "student", 1, samples, state="done")
    made.run = [None] * samples
    return made


class Drawing:
    """Stands for the history: notes what is asked for, and draws when it is told to."""

    def __init__(self):
        self.asked = []
        self.compared = []

    def more(self, entry, samples):
        self.asked.append((entry.number, samples))
        entry.run, entry.state = None, "waiting"
        return entry

    def end(self, entry, samples, state="done"):
        entry.run = [None] * samples
        entry.state = state


@pytest.fixture
def drawing():
    return Drawing()


@pytest.fixture
def runs():
    return entry(1), entry(2)


@pytest.fixture
def state(runs):
    return CompareState(teacher=runs[0], student=runs[1], next_look=32)


@pytest.fixture
def look(state, drawing):
    return LookAwaited(state, draw_more=drawing.more, compare=lambda: drawing.compared.append(1))


def test_both_runs_are_drawn_up_to_the_look_and_then_compared(look, state, runs, drawing):
    assert look.begin(*runs) == 32
    assert drawing.asked == [(1, 32), (2, 32)]
    assert state.awaited == 32
    drawing.end(runs[0], 32)
    assert not drawing.compared
    drawing.end(runs[1], 32)
    assert drawing.compared == [1]
    assert state.awaited is None


def test_a_run_that_has_enough_is_left_alone(look, runs, drawing):
    runs[1].run = [None] * 64
    look.begin(*runs)
    assert drawing.asked == [(1, 32)]


def test_samples_that_were_not_drawn_are_told_of_and_nothing_is_compared(
    look, state, runs, drawing
):
    look.begin(*runs)
    drawing.end(runs[0], 20, "cancelled")
    drawing.end(runs[1], 32)
    assert not drawing.compared
    assert state.state == "failed"
    assert state.progress.sentence.startswith("The samples for the look at 32 were not drawn")


def test_another_pair_that_is_chosen_meanwhile_is_not_compared(look, state, runs, drawing):
    look.begin(*runs)
    state.student = entry(3)
    for one in runs:
        drawing.end(one, 32)
    assert not drawing.compared
    assert state.awaited is None


def test_a_run_in_use_ends_the_wait(look, state, runs, drawing):
    def refuse(entry, samples):
        raise RunError("it is being saved; wait for it")

    look._draw_more = refuse
    with pytest.raises(RunError, match="being saved"):
        look.begin(*runs)
    assert state.awaited is None


def test_without_a_planned_look_nothing_is_drawn(look, state, runs, drawing):
    state.next_look = None
    with pytest.raises(InputError, match="no further look"):
        look.begin(*runs)
    assert drawing.asked == []


def test_stopping_cancels_what_is_being_drawn(look, state, runs, drawing):
    cancelled = []
    look.begin(*runs)
    for one in runs:
        one.job = SimpleNamespace(cancel=lambda number=one.number: cancelled.append(number))
    look.cancel()
    assert cancelled == [1, 2]
    assert state.awaited is None
    drawing.end(runs[0], 32)
    drawing.end(runs[1], 32)
    assert not drawing.compared


def test_the_time_is_read_from_the_sentence_on_the_cost():
    cost = "Dependence: restores 4 (64 restorations): about 3 min at the speed of the two runs."
    assert duration_of(cost) == "3 min"
    assert duration_of("the time is known after the first of them.") == ""


def run_at(path):
    return SimpleNamespace(path=path)


def test_an_experiment_tells_how_far_it_is_and_gives_what_was_found(monkeypatch):
    seen = []

    def check(*runs, on_step, token, device, **options):
        seen.append((device, options))
        for done in range(5):
            on_step(done, 4)
        return "found"

    monkeypatch.setattr(experiments, "check_self_calibration", check)
    job = ExperimentJob(
        "self_calibration", run_at("a"), run_at("b"), device="cpu", statistics=("puncta_count",),
        simulations=8,
    )  # fmt: skip
    start_in_thread(job).join(20)
    assert job.result(20) == "found"
    assert seen == [("cpu", {"statistics": ("puncta_count",), "simulations": 8})]
    assert (job.progress.done, job.progress.total, job.lane) == (4, 4, "cpu")


def test_an_experiment_is_cancelled_between_two_network_calls(monkeypatch):
    def check(*runs, on_step, token, **options):
        job.cancel()
        on_step(1, 4)
        raise AssertionError("it went on")

    monkeypatch.setattr(experiments, "check_dependence", check)
    job = ExperimentJob("dependence", run_at("a"), run_at("b"))
    start_in_thread(job).join(20)
    assert job.state == "cancelled"


def test_an_unknown_experiment_is_refused():
    with pytest.raises(InputError, match="there is no experiment 'colour'"):
        ExperimentJob("colour", run_at("a"), run_at("b"))


@pytest.fixture
def controller(tiny_model, measured):
    controller = Controller()
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_model))
    restore = controller.state.restore
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    restore.samples, restore.device, restore.sampler = 4, "cpu", "kd"
    yield controller
    assert controller.close(20)


def until(condition, seconds=60):
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.01)


def test_a_comparison_declares_what_is_chosen_and_pays_for_the_next_look(
    controller, measured, ended
):
    ended(*controller.run_pair())
    state, taken = controller.state.compare, []
    state.question = "puncta"
    state.tolerances = {"puncta_count": Tolerance("relative", None, 0.3)}

    def take(run):
        taken.append(run)
        return lambda: np.full(measured.shape, 5.0)

    state.truth = LayerChoice("object", 1, take)
    report = controller.compare().result(60)
    until(lambda: state.report is report)
    assert report.plan["tolerances"]["preset"] == "puncta"
    assert report["puncta_count"].judgement.limits.words.startswith("±30 %")
    assert "coverage.90" in {one.id for one in report.findings}
    assert taken == [state.teacher.run]
    assert {one.name for one in state.charts} >= {"puncta_count", "spectrum", "coverage"}
    assert state.costs["dependence"].startswith("Dependence on the measurement")
    assert state.next_look == 16

    assert controller.comparing.draw_to_next_look() == 16
    assert state.awaited == 16
    until(lambda: state.report is not report and state.state == "done")
    assert [len(one.run) for one in (state.teacher, state.student)] == [16, 16]
    looks = [(one["samples_teacher"], one["look"]) for one in state.report.plan["ledger"]]
    assert looks == [(4, None), (16, 16)]
    assert (state.awaited, state.next_look) == (None, 32)


def test_a_question_is_chosen_by_its_name(controller):
    controller.comparing.choose_question("filaments")
    state = controller.state.compare
    assert state.statistics == ("filament_length", "filament_fragments")
    with pytest.raises(InputError, match="no question 'colour'"):
        controller.comparing.choose_question("colour")
    with pytest.raises(InputError, match="Choose a run of the teacher"):
        controller.comparing.draw_to_next_look()
