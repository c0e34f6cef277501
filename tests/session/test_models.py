"""Choices, costs and sentences: what is known before a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_posterior.bundles.card import FlowMapConfig
from napari_posterior.session.choices import find_devices, read_model, read_models
from napari_posterior.session.cost import Rates, estimate_cost
from napari_posterior.session.models import ImageChoice, RestoreState
from napari_posterior.session.problems import problems_of


@pytest.fixture
def tiny(tiny_model):
    return next(one for one in read_models() if one.name == tiny_model)


@pytest.fixture
def state(tiny):
    image = ImageChoice("cell", 1, (24, 32), "YX 24 x 32", read=lambda: None)
    return RestoreState(image=image, model="tiny", models=(tiny,))


def test_models_are_read_with_their_samplers(tiny):
    assert [one.name for one in tiny.samplers] == ["teacher", "kd", "flow", "mse"]
    assert tiny.students == ("kd", "flow")
    labels = [one.label() for one in tiny.samplers]
    assert labels == ["teacher-3", "kd-1", "flow-2", "mse, point estimate"]


def test_a_model_that_cannot_be_used_says_why(tiny_model, tmp_path):
    (tmp_path / "cache" / "models" / "tiny" / "posterior.json").write_text("{}")
    broken = next(one for one in read_models() if one.name == "tiny")
    assert broken.card is None
    assert "is not the card" in broken.problem


@pytest.mark.parametrize(
    ("name", "enabled", "values", "reason"),
    [
        ("teacher", True, range(1, 513), "3 steps of Heun are the reference"),
        ("flow", True, (1, 2), "was distilled for 1 or 2 steps"),
        ("kd", False, (1,), "was distilled for 1 step and takes no other number"),
        ("mse", False, (1,), "is a point estimate"),
    ],
)
def test_the_step_control_says_why_it_is_as_it_is(tiny, name, enabled, values, reason):
    control = tiny.sampler(name).steps
    assert (control.enabled, control.values) == (enabled, tuple(values))
    assert reason in control.reason


@pytest.mark.parametrize(
    ("grids", "told"),
    [
        ({"1": (1.0, 0.0)}, "its model states 1 step, and"),
        ({"2": (1.0, 0.4, 0.0), "1": (1.0, 0.0)}, "its model states 1 or 2 steps, and"),
    ],
)
def test_a_student_trained_between_any_two_times_is_offered_any_number_of_steps(
    tiny_writer, tiny_parts, tmp_path, grids, told
):
    config = FlowMapConfig(grids=grids, default_steps=len(grids), any_steps="uniform")
    parts = {**tiny_parts, "flow": replace(tiny_parts["flow"], sampler=config)}
    student = read_model(tiny_writer(tmp_path / "any", parts=parts)).sampler("flow")
    control = student.steps
    assert (control.enabled, control.default) == (True, len(grids))
    assert control.values == tuple(range(1, 513))
    assert told in control.reason
    assert "no other number was measured" in control.reason
    ends = (control.values[0], control.values[-1])
    assert tuple(student.info(steps).nfe for steps in ends) == ends


def test_a_run_that_can_start_has_no_problem(state):
    assert problems_of(state) == ()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"image": None}, "Choose an image to restore, or open a file."),
        ({"models": ()}, "No model was found yet"),
        ({"model": "fluo3d"}, "There is no model called 'fluo3d'; choose one of: tiny."),
        ({"sampler": "dmd"}, "Tiny has no sampler 'dmd'; choose one of: teacher, kd, flow, mse."),
        ({"steps": 0}, "The teacher takes 1 to 512 steps, not 0."),
        ({"samples": 0}, "0 samples cannot be drawn; ask for 1 to 4096."),
        ({"seed": -1}, "The seed is -1; give 0 or a larger whole number."),
        ({"psf": 0.5}, "PSF sigma is 0.5 px, narrower than the target resolution"),
        ({"background": float("nan")}, "The background is nan"),
    ],
)
def test_each_problem_is_one_sentence(state, changes, told):
    for name, value in changes.items():
        setattr(state, name, value)
    (problem,) = problems_of(state)
    assert problem.startswith(told)
    assert problem.endswith(".")
    assert problem[0].isupper() or problem[0].isdigit()


def test_a_device_that_is_not_there_says_why():
    devices = {device.name: device for device in find_devices()}
    assert devices["auto"].available
    assert devices["cpu"].available
    assert devices["mps"].words


def test_the_cost_is_known_after_something_was_measured(tiny):
    rates = Rates()
    options = {"samples": 16, "shape": (2, 100, 100), "model": "tiny", "device": "cpu"}
    info = tiny.sampler("teacher").info()
    cost = estimate_cost(info, **options, rates=rates)
    assert (cost.calls_per_sample, cost.seconds) == (10, None)
    assert cost.sentence == "10 calls a sample, time not known yet, 1.28 MB of samples"
    rates.learn("tiny", "cpu", "float32", pixel_calls=8e5, seconds=5.0)
    cost = estimate_cost(info, **options, rates=rates)
    assert cost.seconds == pytest.approx(10.0)
    assert "about 10 s" in cost.sentence
