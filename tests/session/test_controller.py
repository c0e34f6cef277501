"""Settings into jobs and events into state, without a window."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import napari_posterior.api
from napari_posterior.errors import InputError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.estimate import CameraEstimate
from napari_posterior.session.choices import read_models
from napari_posterior.session.controller import Controller
from napari_posterior.session.job import start_in_thread
from napari_posterior.session.models import ImageChoice
from napari_posterior.session.progress import ENDED
from napari_posterior.session.queue import JobQueue, ThreadRunner
from napari_posterior.statistics import FunctionStatistic


class Layers:
    """Notes what it is asked to show, and in which thread."""

    def __init__(self):
        self.calls = []
        self.threads = {}

    def __getattr__(self, name):
        def note(*arguments):
            self.calls.append(name)
            self.threads.setdefault(name, set()).add(threading.current_thread().name)
            for one in arguments:
                if callable(one):  # what comes after
                    one()
            return name

        return note


@pytest.fixture
def layers():
    return Layers()


@pytest.fixture
def controller(tiny_model, measured, layers):
    controller = Controller(layers=layers)
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_model))
    restore = controller.state.restore
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    restore.samples, restore.device, restore.sampler = 4, "cpu", "kd"
    yield controller
    assert controller.close(20)


def until(condition, seconds=60):
    """Wait for what another thread will bring about."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last
        time.sleep(0.01)


def ended(*entries):
    """Wait until the news of the end of some runs has arrived."""
    for entry in entries:
        until(lambda entry=entry: entry.state in ENDED)
    return entries


def test_a_run_goes_onto_the_list_and_its_samples_to_the_layers(controller, layers):
    (entry,) = ended(controller.run())
    assert list(controller.state.runs) == [entry]
    assert (entry.title, entry.state) == ("#1 kd-1, K = 4", "done")
    assert len(entry.run) == 4
    assert entry.folder == entry.run.path
    order = ["prepare_live", "show_live", *["add_sample"] * 4, "gather", "show_run"]
    assert sorted(layers.calls) == sorted(order)
    drawn_in = layers.threads["prepare_live"] | layers.threads["gather"]
    shown_in = layers.threads["show_live"] | layers.threads["show_run"]
    assert drawn_in == {"napari-posterior cpu"}
    assert not drawn_in & shown_in


def test_teacher_and_student_share_noise_camera_and_image(controller, measured):
    restore = controller.state.restore
    reads = []
    restore.camera = None
    restore.image = ImageChoice(
        "cell", 1, measured.shape, "YX", read=lambda: reads.append(1) or as_image(measured)
    )
    teacher, student = ended(*controller.run_pair())
    assert (teacher.role, student.role) == ("teacher", "student")
    first, second = teacher.run.request, student.run.request
    assert first.camera == second.camera
    assert (first.seed, first.psf.sigma, first.samples) == (0, 1.4, 4)
    assert first.image.sha256 == second.image.sha256
    assert len(reads) == 1


def test_the_newest_pair_is_compared_into_a_report(controller, layers):
    with pytest.raises(InputError, match="Choose a run of the teacher and one of a student"):
        controller.compare()
    pair = ended(*controller.run_pair())
    assert controller.state.compare.problem == ""
    job = controller.compare()
    report = job.result(60)
    assert {"mean", "puncta_count"} <= {finding.id for finding in report.findings}
    assert job.progress.sentence.startswith("compared in ")
    until(lambda: controller.state.compare.state == "done")
    assert controller.state.compare.report is report
    assert controller.state.compare.compared == pair
    assert "show_comparison" in layers.calls


def test_cancel_stops_all_that_runs_or_waits(controller, gate):
    controller.state.restore.samples = 50
    running = controller.run()
    controller.state.restore.seed = 1
    waiting = controller.run()
    assert gate.reached.wait(20)
    controller.cancel()
    gate.open.set()
    ended(running, waiting)
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    assert waiting.run is None
    assert not controller.queue.jobs


def test_a_fault_is_told_in_the_list_and_the_next_run_works(controller, gate):
    gate.open.set()
    gate.fault = RuntimeError("CUDA error: device-side assert")
    (failed,) = ended(controller.run())
    assert failed.state == "failed"
    assert "device-side assert" in failed.message
    gate.fault = None
    (good,) = ended(controller.run())
    assert good.state == "done"


def test_the_same_run_is_not_drawn_twice_at_once(controller, gate):
    entry = controller.run()
    with pytest.raises(RunError, match="already"):
        controller.run()
    assert len(controller.state.runs) == 1
    gate.open.set()
    ended(entry)


def test_a_run_goes_on_until_it_ends_or_a_setting_changes(controller, gate):
    restore = controller.state.restore
    assert not controller.is_going_on("kd")
    entry = controller.run()
    assert controller.is_going_on("kd")
    assert not controller.is_going_on("teacher")
    assert not controller.is_going_on("dmd")
    for name, other in (("seed", 1), ("samples", 5), ("region", "plane"), ("psf", 1.5)):
        before = getattr(restore, name)
        setattr(restore, name, other)
        assert not controller.is_going_on("kd")
        setattr(restore, name, before)
        assert controller.is_going_on("kd")
    gate.open.set()
    ended(entry)
    assert not controller.is_going_on("kd")


@pytest.mark.parametrize("student", ["dmd", "teacher", "mse"])
def test_a_pair_with_a_student_that_is_not_there_names_those_that_are(controller, student):
    with pytest.raises(InputError, match=f"tiny has no student '{student}'; .* kd, flow$"):
        controller.run_pair(student)
    assert not controller.state.runs


def test_settings_decide_on_steps_problems_and_cost(controller):
    restore = controller.state.restore
    assert restore.step_control.enabled is False
    assert restore.cost.calls_per_sample == 1
    restore.sampler = "flow"
    restore.steps = 2
    assert restore.cost.calls_per_sample == 2
    restore.sampler = "kd"
    assert restore.steps is None
    restore.samples = 0
    assert restore.problems == ("0 samples cannot be drawn; ask for 1 to 4096.",)
    assert restore.cost is None
    with pytest.raises(InputError, match="0 samples"):
        controller.run()


def test_the_time_is_known_after_the_first_run(controller):
    assert controller.state.restore.cost.seconds is None
    ended(controller.run())
    assert controller.state.restore.cost.seconds > 0


def test_a_point_estimate_is_one_image_whatever_is_set(controller):
    controller.state.restore.sampler = "mse"
    (entry,) = ended(controller.run())
    assert (len(entry.run), entry.role, entry.samples) == (1, "point", 1)


def test_a_console_draws_with_its_own_settings(controller, measured):
    job = controller.restore(
        np.array(measured), sampler="flow", samples=2, device="cpu", camera=Camera(2.0, 100.0, 1.5)
    )
    assert len(job.result(60)) == 2
    assert controller.state.runs[0].role == "student"


def test_a_run_is_taken_off_the_list_and_out_of_the_comparison(controller):
    (entry,) = ended(controller.run())
    assert controller.state.compare.student is entry
    controller.forget(entry)
    assert not controller.state.runs
    assert controller.state.compare.student is None


def test_runs_of_two_images_are_not_compared(controller):
    run = SimpleNamespace(__len__=lambda self: 9)
    compare = controller.state.compare
    (entry,) = ended(controller.run())
    other = SimpleNamespace(role="teacher", title="#9", image_key="other", run=run)
    compare.teacher = other
    compare.student = entry
    assert compare.problem == "The runs are of two images or regions; choose two of one."


def test_numbers_of_the_samples_are_on_the_list_while_others_are_drawn(controller):
    let_go, second = threading.Event(), threading.Event()
    sums = []

    def measure(x, context):
        sums.append(float(x.sum()))
        if len(sums) == 2:
            second.set()
            assert let_go.wait(20)
        return sums[-1]

    statistic = FunctionStatistic(measure, "sum", "sum", "photoelectrons")
    controller.state.compare.statistics = (statistic,)
    entry = controller.run()
    assert second.wait(20)
    assert entry.measured == ()
    controller.refresh()
    assert [(one.id, len(one.values)) for one in entry.measured] == [("sum", 1), ("likelihood", 1)]
    let_go.set()
    ended(entry)
    np.testing.assert_array_equal(entry.measured[0].values, sums)


def test_numbers_on_the_list_are_those_of_the_report(controller):
    teacher, student = ended(*controller.run_pair())
    report = controller.compare().result(60)
    for entry, role in ((teacher, "teacher"), (student, "student")):
        for one, there in zip(entry.measured, report.figures.values, strict=True):
            assert (one.id, one.title, one.unit) == (there.id, there.title, there.unit)
            np.testing.assert_array_equal(one.values, getattr(there, role))


class Silent(ThreadRunner):
    """Holds back the news of all jobs; only snapshots tell of them."""

    def __init__(self):
        self.news = threading.Event()

    def start(self, job, deliver):
        def late(event):
            assert self.news.wait(60)
            deliver(event)

        start_in_thread(job, late)


def test_the_comparison_is_looked_at_between_two_events(tiny_model, measured, monkeypatch):
    ready, let_go = threading.Event(), threading.Event()
    compare = napari_posterior.api.compare

    def slowly(*runs, on_step, **options):
        for done in (1, 2):
            on_step(done, 8)
        ready.set()
        assert let_go.wait(20)
        return compare(*runs, **options)

    controller = Controller(queue=JobQueue(runner := Silent()))
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_model))
    restore = controller.state.restore
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.psf, restore.samples, restore.device = 1.4, 4, "cpu"
    runner.news.set()
    ended(*controller.run_pair("kd"))
    runner.news.clear()
    monkeypatch.setattr("napari_posterior.api.compare", slowly)
    state = controller.state.compare
    job = controller.compare()
    assert state.state == "waiting"
    assert ready.wait(20)
    controller.refresh()
    assert (state.state, state.progress.done, state.progress.total) == ("running", 2, 8)
    let_go.set()
    assert job.wait(60)
    controller.refresh()
    assert state.state == "running"  # the end comes with its event
    runner.news.set()
    ended(state)
    assert state.state == "done"
    assert state.report is job.report
    assert controller.close(20)


@pytest.fixture
def estimates(monkeypatch):
    """Cameras are estimated at once; how often is noted."""
    made = []
    resolved = CameraEstimate(Camera(2.2, 99.0, 1.4, "estimated"), (2.0, 2.4), True, ("Guessed.",))

    def estimate(data):
        made.append(resolved)
        return made[-1]

    monkeypatch.setattr("napari_posterior.api.camera.estimate_camera", estimate)
    return made


def test_a_pair_estimates_its_camera_once(controller, estimates):
    controller.state.restore.camera = None
    teacher, student = ended(*controller.run_pair())
    assert len(estimates) == 1
    assert teacher.run.request.camera == student.run.request.camera == estimates[0].camera
    assert "Guessed." in teacher.warnings
    (told,) = [one for one in student.warnings if one.startswith("The camera is the one")]
    assert "2.2 ADU/e-, offset 99 ADU, read noise 1.4 e-" in told
    assert told in student.run.warnings
    assert controller.compare().result(60).warnings.count("Guessed.") == 1


def test_a_pair_whose_image_does_not_tell_the_gain_says_so_in_both_runs(controller, monkeypatch):
    camera = Camera(1.7, 98.0, 2.0, "estimated")
    monkeypatch.setattr(
        "napari_posterior.api.camera.estimate_camera",
        lambda data: CameraEstimate(camera, (0.0, 9.0), False, ("Not told.",)),
    )
    controller.state.restore.camera = None
    for entry in ended(*controller.run_pair()):
        assert entry.run.request.camera == camera
        assert entry.run.request.blind
        assert "Not told." in entry.warnings
        assert any("because the gain is not resolved" in one for one in entry.warnings)
        assert not any("as was asked" in one for one in entry.warnings)


def test_a_run_is_chosen_for_the_comparison_when_it_begins(controller, gate):
    compare = controller.state.compare
    gate.open.set()
    (before,) = ended(controller.run())
    gate.open.clear()
    gate.reached.clear()
    running = controller.run()
    until(lambda: compare.student is running)
    compare.teacher = SimpleNamespace(role="teacher", title="#9", run=[0] * 9, image_key=0)
    assert compare.problem == f"{running.title} has not ended; wait for it."
    running.job.cancel()
    gate.fault = RuntimeError("CUDA error")
    gate.open.set()
    ended(running)
    assert len(running.run) == 0
    assert compare.student is before


def test_a_run_that_is_forgotten_while_it_is_drawn_is_not_compared(controller, gate):
    entry = controller.run()
    assert gate.reached.wait(20)
    until(lambda: controller.state.compare.student is entry)
    controller.forget(entry)
    gate.open.set()
    ended(entry)
    assert len(entry.run)
    assert controller.state.compare.student is None


def test_what_a_sample_of_the_teacher_looks_like_so_far_goes_to_the_layers(
    controller, layers, monkeypatch
):
    monkeypatch.setattr("napari_posterior.runs.preview._APART", 0.0)
    monkeypatch.setattr("napari_posterior.runs.preview._SHARE", 0)
    controller.state.restore.sampler = "teacher"
    (entry,) = ended(controller.run())
    calls = entry.run.request.nfe - 1
    batches = layers.calls.count("add_preview") / calls
    assert batches == int(batches) > 0
    assert layers.calls.count("add_sample") == 4
    assert not layers.threads["add_preview"] & layers.threads["prepare_live"]
