"""What an experiment simulates and says of its cost, before anything is restored."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.experiments.dependence import plan_dependence
from napari_posterior.checks.experiments.self_calibration import plan_self_calibration
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera

CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)


@pytest.fixture
def source(fake_run, draw, scene):
    """A teacher's run of 16 samples on an image of whole grey levels."""

    def make(y=None, **changes):
        y = scene[1].astype(np.uint16) if y is None else y
        return fake_run(draw(16, 1), y, role="teacher", sampler="teacher", **changes)

    return make


def test_a_measurement_is_the_same_whenever_it_is_asked_for_and_unlike_the_others(source):
    plan = plan_dependence(source(), measurements=4)
    first, second = plan.redraw(0), plan.redraw(1)
    np.testing.assert_array_equal(first.y, plan.redraw(0).y)
    np.testing.assert_array_equal(first.x_star, second.x_star)
    assert (first.y != second.y).mean() > 0.5
    assert (first.y != plan_dependence(source(), seed=1).redraw(0).y).mean() > 0.5


def test_the_measurement_is_of_the_object_with_the_noise_of_the_camera(source):
    plan = plan_dependence(source(), measurements=24)
    run = plan.source
    np.testing.assert_array_equal(plan.redraw(0).x_star, run.samples[plan.stars[0]])
    stack = np.stack([plan.redraw(i).y for i in range(len(plan))])
    import torch

    forward = run.measurement().forward
    mean = forward.mean(torch.from_numpy(plan.redraw(0).x_star)).numpy().clip(0)
    assert np.mean(stack.mean(0) - forward.camera.to_adu(mean)) == pytest.approx(0, abs=0.2)
    expected = 4 * (mean + 1.5**2) + 1 / 12
    assert np.mean(stack.var(0, ddof=1)) == pytest.approx(expected.mean(), rel=0.05)


def test_grey_levels_are_whole_clipped_and_saturated_where_those_of_the_image_are(source, scene):
    dim = Camera(gain=2.0, offset=0.5, read_noise=3.0, saturation=50.0)
    y = plan_dependence(source(camera=dim)).redraw(0).y
    assert (y == np.rint(y)).all() and y.dtype == np.float32
    assert y.min() == 0 and y.max() == 50
    strong = Camera(gain=20.0, offset=0.0, read_noise=1.5)
    narrow = plan_dependence(source((scene[1] / 2).astype(np.uint8), camera=strong)).redraw(0).y
    assert narrow.max() == 255
    measured = scene[1] + 0.25
    loose = plan_dependence(source(measured.astype(np.float32))).redraw(0).y
    assert (loose != np.rint(loose)).mean() > 0.9


def test_every_plane_of_a_stack_has_noise_of_its_own(fake_run, draw, scene):
    _, y = scene
    samples = np.repeat(draw(4, 1)[:, None], 3, 1)
    plan = plan_dependence(fake_run(samples, np.stack([y] * 3), role="teacher"))
    found = plan.redraw(0).y
    assert found.shape == (3, 64, 64)
    assert (found[0] != found[1]).mean() > 0.5


def test_every_simulation_has_an_object_of_its_own(source):
    plan = plan_self_calibration(source(), simulations=10)
    assert len(set(plan.stars)) == len(plan) == 10
    assert plan.samples == (16, 15)
    few = plan_self_calibration(source())
    assert sorted(few.stars) == list(range(16))
    assert "16 simulated measurements (the teacher's run has 16 samples)" in few.cost()


def test_samplers_start_from_one_noise_if_coupled_and_never_from_that_of_the_runs(source):
    together, apart = (plan_dependence(source(), coupled=c) for c in (True, False))
    seeds = [together.noise_seed(i, "teacher") for i in range(4)]
    assert seeds == [together.noise_seed(i, "student") for i in range(4)]
    assert len({0, *seeds}) == 5
    assert apart.noise_seed(0, "teacher") != apart.noise_seed(0, "student")


def test_the_cost_is_said_in_restorations_and_in_time(source):
    plan = plan_self_calibration(source(), simulations=10)
    assert plan.restorations == 310
    told = plan.cost((2.0, 0.1))
    assert told == (
        "Calibration by self-simulation: restores 10 simulated measurements with teacher and "
        "student, 16 and 15 samples of each (310 restorations): about 6 min at the speed of the "
        "two runs."
    )
    assert "about 10 s" in plan_dependence(source()).cost((0.3, 0.0125))
    assert "time is known after the first" in plan.cost()


@pytest.mark.parametrize(
    ("plan", "changes", "words"),
    [
        (plan_dependence, {"measurements": 2}, "2 measurements .* 3 or more"),
        (plan_dependence, {"samples": 1}, "1 samples .* 2 or more"),
        (plan_self_calibration, {"simulations": 1.5}, "1.5 simulations .* 8 or more"),
        (plan_self_calibration, {"samples": 3}, "3 samples .* 7 or more"),
    ],
)
def test_numbers_that_cannot_tell_anything_are_refused(source, plan, changes, words):
    with pytest.raises(InputError, match=words):
        plan(source(), **changes)
