"""Runs that are typed: named like those of a window, and refused before they start."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.errors import InputError, ModelError, RunError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.choices import read_models
from napari_posterior.session.controller import Controller
from napari_posterior.session.models import ImageChoice

OPTIONS = {"camera": Camera(2.0, 100.0, 1.5), "psf": Psf(1.4), "device": "cpu", "samples": 4}


@pytest.fixture
def controller(tiny_model):
    controller = Controller()
    controller.set_models(tuple(one for one in read_models() if one.name == tiny_model))
    yield controller
    assert controller.close(20)


@pytest.fixture
def choice(measured):
    return ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))


@pytest.mark.parametrize(
    ("options", "label", "samples"),
    [
        ({}, "teacher-3", 16),
        ({"sampler": "teacher", "steps": 5}, "teacher-5", 16),
        ({"sampler": "kd", "samples": 2}, "kd-1", 2),
        ({"sampler": "flow", "steps": 1}, "flow-1", 16),
        ({"sampler": "mse"}, "mse, point estimate", 1),
    ],
)
@pytest.mark.parametrize("known", ["by the window", "by its name", "by its folder", "opened"])
def test_a_typed_run_is_called_like_one_of_the_window(
    tiny_model, tiny_bundle, choice, gate, options, label, samples, known
):
    controller = Controller()
    model = {"by its folder": tiny_bundle, "opened": open_bundle(tiny_bundle)}.get(
        known, tiny_model
    )
    if known == "by the window":
        controller.set_models(read_models())
    job = controller.restore(choice, model=model, device="cpu", **options)
    (entry,) = controller.state.runs
    job.cancel()
    gate.open.set()
    assert (entry.label, entry.samples) == (label, samples)
    assert job.title == f"cell, {label}"
    assert controller.close(20)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"smaples": 4}, "there is no option 'smaples'; choose from sampler, steps, samples"),
        ({"sampler": "dmd"}, "tiny has no sampler 'dmd'; choose one of: teacher, kd, flow, mse"),
        ({"sampler": "kd", "steps": 2}, "was not trained for 2 steps"),
        ({"steps": 0}, "the teacher takes 1 to 512 steps, not 0"),
        ({"steps": "many"}, "steps is 'many'; give a whole number"),
        ({"samples": 0}, "0 samples cannot be drawn"),
        ({"sampler": "mse", "samples": 4}, "'?mse'? is a point estimate"),
        ({"seed": -1}, "seed cannot be -1"),
        ({"camera": 2.0}, "camera is 2.0; give Camera"),
        ({"psf": 1.4}, "psf is 1.4; give Psf"),
        ({"background": "dark"}, "the background is 'dark'; give photoelectrons per pixel"),
        ({"background": float("nan")}, "the background is nan"),
        ({"precision": "float8"}, "precision 'float8' is unknown; use float32 or bfloat16"),
        ({"device": "gpu"}, "'gpu' is not a device"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_starts(controller, choice, options, told):
    with pytest.raises(InputError, match=told):
        controller.restore(choice, **options)
    assert not controller.state.runs
    assert not controller.queue.jobs


def test_a_model_or_image_that_cannot_be_used_is_said_before_anything_starts(controller, choice):
    with pytest.raises(ModelError, match="there is no model called 'fluo3d'"):
        controller.restore(choice, model="fluo3d")
    colours = ImageChoice("rgb", 2, (9, 9), "", read=lambda: None, problem="It is a colour image.")
    with pytest.raises(InputError, match="It is a colour image"):
        controller.restore(colours)
    assert not controller.state.runs


def test_a_pair_that_is_typed_is_read_once_and_can_be_compared(controller, measured, ended):
    reads = []

    def read():
        reads.append(1)
        return as_image(np.array(measured))

    jobs = controller.restore_pair(read, student="kd", **OPTIONS)
    assert [len(job.result(60)) for job in jobs] == [4, 4]
    ended(*controller.state.runs)
    assert len(reads) == 1
    assert [entry.label for entry in controller.state.runs] == ["teacher-3", "kd-1"]
    assert controller.state.compare.problem == ""


def test_a_pair_of_a_layer_is_called_by_it_read_once_and_not_drawn_twice(controller, choice, ended):
    let_go, reads = threading.Event(), []

    def read():
        assert let_go.wait(20)
        reads.append(1)
        return choice.read()

    held = replace(choice, read=read)
    jobs = controller.restore_pair(held, student="kd", **OPTIONS)
    assert [job.title for job in jobs] == ["cell, teacher-3", "cell, kd-1"]
    with pytest.raises(RunError, match=r"cell, teacher-3 .* already"):
        controller.restore_pair(held, student="kd", **OPTIONS)
    let_go.set()
    ended(*controller.state.runs)
    assert [entry.state for entry in controller.state.runs] == ["done", "done"]
    assert reads == [1]


@pytest.mark.parametrize("known", ["by its name", "opened"])
def test_a_student_that_is_not_there_is_answered_with_those_that_are(
    controller, choice, tiny_bundle, known
):
    model = open_bundle(tiny_bundle) if known == "opened" else None
    with pytest.raises(InputError, match=r"tiny has no student 'dmd'; choose one of: kd, flow$"):
        controller.restore_pair(choice, model=model, student="dmd", **OPTIONS)
    assert not controller.state.runs


def test_a_pair_takes_the_chosen_student_and_no_sampler(controller, choice, gate):
    controller.state.restore.sampler = "kd"
    with pytest.raises(InputError, match="name the student by `student`"):
        controller.restore_pair(choice, sampler="kd")
    teacher, student = controller.restore_pair(choice, **OPTIONS)
    assert student.settings.sampler == "kd"
    controller.cancel()
    gate.open.set()
    assert teacher.wait(60)
    assert (teacher.state, student.state) == ("cancelled", "cancelled")


def test_runs_of_the_same_pixels_can_be_compared_whatever_held_them(controller, measured, ended):
    controller.restore(np.array(measured), **OPTIONS)
    controller.restore(np.array(measured), sampler="kd", **OPTIONS)
    ended(*controller.state.runs)
    first, second = controller.state.runs
    assert first.image_key == second.image_key == first.run.request.image.sha256
