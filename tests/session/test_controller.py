"""Settings into jobs and events into state, without a window."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_posterior.errors import InputError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.session.choices import read_models
from napari_posterior.session.controller import Controller
from napari_posterior.session.models import ImageChoice
from napari_posterior.session.progress import ENDED


class Layers:
    """Notes what it is asked to show, and in which thread."""

    def __init__(self):
        self.calls = []
        self.threads = {}

    def __getattr__(self, name):
        def note(*arguments):
            self.calls.append(name)
            self.threads.setdefault(name, set()).add(threading.current_thread().name)
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
    restore.camera, restore.psf_sigma = Camera(2.0, 100.0, 1.5), 1.4
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
    assert (first.seed, first.psf_sigma, first.samples) == (0, 1.4, 4)
    assert first.image.sha256 == second.image.sha256
    assert len(reads) == 1


def test_the_newest_pair_is_compared_into_a_report(controller, layers):
    with pytest.raises(InputError, match="Choose a run of the teacher and one of a student"):
        controller.compare()
    ended(*controller.run_pair())
    assert controller.state.compare.problem == ""
    job = controller.compare()
    report = job.result(60)
    assert {"mean", "puncta_count"} <= {finding.id for finding in report.findings}
    assert job.progress.sentence.startswith("compared in ")
    until(lambda: controller.state.compare.state == "done")
    assert controller.state.compare.report is report
    assert "show_comparison" in layers.calls


def test_cancel_stops_all_that_runs_or_waits(controller, gate):
    controller.state.restore.samples = 50
    running = controller.run()
    controller.state.restore.seed = 1
    waiting = controller.run()
    assert gate.reached.wait(20)
    assert controller.busy
    controller.cancel()
    gate.open.set()
    ended(running, waiting)
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    assert waiting.run is None
    assert not controller.busy


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


def test_settings_decide_on_steps_problems_and_cost(controller):
    restore = controller.state.restore
    assert restore.step_control.enabled is False
    assert restore.cost.calls == 4
    restore.sampler = "flow"
    restore.steps = 2
    assert restore.cost.calls == 8
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
