"""What holds for every way of teaching a student, on posteriors whose flow map is known."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
import torch
from gaussian_students import (
    FAMILY,
    QUARTERS,
    ExactNet,
    GaussianSource,
    LinearNet,
    make_recipe,
    near_the_end,
)

from napari_posterior.errors import InputError
from napari_posterior.networks.registry import build
from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import LinearFlow, VPCosine
from napari_posterior.sampling.samplers import StudentSampler, TeacherSampler
from napari_posterior.training.fit import FitSettings, fit, read_calls
from napari_posterior.training.methods import FAMILY as DEFAULT
from napari_posterior.training.methods import METHODS, get_method

every_method = pytest.mark.parametrize("name", list(METHODS))
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)

# what the solver within the targets is off by
TOLERANCE = {"cd": 1e-8, "ctm": 3e-4, "shortcut": 1e-9, "boot": 1e-5}


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
@both_paths
@every_method
def test_the_exact_flow_map_is_where_training_rests_and_a_tenth_off_is_worse(name, path):
    net = ExactNet(path, student=True)
    loss = near_the_end(make_recipe(name, path, net))
    loss.backward()
    assert loss < TOLERANCE.get(name, 1e-20)
    off = ExactNet(path, student=True, factor=1.1)
    worse = near_the_end(make_recipe(name, path, off))
    worse.backward()
    assert worse > 20 * loss
    assert net.factor.grad.abs() < 0.1 * off.factor.grad.abs()


@both_paths
@every_method
def test_a_student_from_its_teacher_is_the_teachers_euler_sampler(name, path):
    torch.manual_seed(1)
    net = build("velocity-unet-1", {"path": path.name, "channels": [8, 8, 8], "blocks": 1})
    for key, parameter in net.named_parameters():
        if "gap.2" not in key:
            torch.nn.init.normal_(parameter, std=0.1)
    method = METHODS[name]
    steps = 1 if method.mode == "renoise" else method.steps
    grid = method.sampler(method.steps, QUARTERS).grids[str(steps)]
    student = StudentSampler("s", FlowMap(path, net), grid, renoised=method.mode == "renoise")
    teacher = TeacherSampler("t", Teacher(path, net), "euler", grid)
    z, cond = torch.randn(2, 1, 16, 16), _Given(torch.randn(2, 4, 16, 16), torch.randn(2, 4))
    assert torch.equal(student.draw(z, cond), teacher.draw(z, cond))


@pytest.mark.usefixtures("double")
@both_paths
def test_no_jump_leaves_the_state_alone(path):
    drawn = GaussianSource(path).draw(0)
    s = torch.rand(64)
    x = drawn.at(s)
    still = FlowMap(path, ExactNet(path, student=True)).jump(x, s, s, drawn)
    assert torch.allclose(still, x, atol=1e-14)


@every_method
def test_training_evaluates_networks_as_often_as_the_method_says(name, tmp_path):
    steps, batch = 48, 40
    recipe = make_recipe(
        name, LinearFlow(), LinearNet(), steps=steps, batch=batch, teacher=LinearNet()
    )
    settings = FitSettings(steps=steps, warmup=2, report_every=steps)
    calls = read_calls(fit(lambda _: recipe, settings, tmp_path))
    cost = sum(calls.values()) / (steps * batch)
    # the shortcut's share of very short jumps is drawn
    assert cost == pytest.approx(METHODS[name].cost, abs=0.03 if name == "shortcut" else 1e-9)


@every_method
def test_every_random_number_of_a_step_derives_from_its_number(name):
    recipe = make_recipe(name, LinearFlow(), LinearNet(), teacher=LinearNet())
    torch.manual_seed(1)
    one = recipe.loss(3)
    torch.manual_seed(2)
    assert recipe.loss(3) == one != recipe.loss(2)


@every_method
def test_what_was_measured_reaches_the_weights(name):
    # the coefficient of y has a gradient: no target forgets the measurement
    net = LinearNet()
    make_recipe(name, LinearFlow(), net).loss(0).backward()
    assert net.net[-1].weight.grad[1].abs().max() > 1e-3


@every_method
def test_no_gradient_reaches_the_teacher_or_the_copies_of_the_student(name):
    teacher = LinearNet()
    recipe = make_recipe(name, LinearFlow(), LinearNet(), teacher=teacher)
    recipe.loss(0).backward()
    others = [teacher, *(copy.network for copy in recipe.selfnets)]
    assert all(p.grad is None for net in others for p in net.parameters())


@every_method
def test_a_method_says_what_its_students_are(name):
    method = METHODS[name]
    assert method.name == name
    assert all(re.fullmatch(r"\d{4}\.\d{4,5}", paper.arxiv) for paper in method.papers)
    config = method.sampler(method.steps, QUARTERS)
    assert config.default_steps == method.steps
    assert config.mode == method.mode
    # only new noise on the way breaks the tie to the canvas
    assert method.coupled == (config.mode == "follow")
    assert method.posterior == "sampler"


def test_step_counts_follow_the_number_asked_for():
    assert METHODS["pd"].sampler(3).step_counts == (3,)
    assert METHODS["lmd"].sampler(3).grids == {str(n): uniform(n) for n in (1, 2, 3)}
    assert METHODS["flowmap"].sampler(4, QUARTERS).grids["3"] == (1.0, 0.75, 0.5, 0.0)
    assert not METHODS["kd"].takes_steps


def test_methods_are_known_by_name_and_the_default_family_is_among_them():
    assert set(DEFAULT) <= set(METHODS)
    with pytest.raises(InputError, match="unknown method 'magic'; use one of kd, kd-euler"):
        get_method("magic")


@every_method
def test_the_page_on_training_tells_each_method_with_its_cost(name, repository):
    page = (repository / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(f"| `{name}` | ")]
    method = METHODS[name]
    assert f"| {method.cost:g} |" in rows[0]
    assert "yes" in rows[0].split("|")[4] or not method.coupled
    assert ("yes" in rows[0].split("|")[5]) == (method.targets is not None)


@pytest.mark.slow
@every_method
def test_training_a_linear_student_finds_the_posterior_of_each_measurement(name, tmp_path):
    torch.manual_seed(0)
    path, net = LinearFlow(), LinearNet()
    steps = 900 if METHODS[name].staged else 500
    recipe = make_recipe(name, path, net, steps=steps, batch=256, side=1)
    settings = FitSettings(
        steps=steps,
        rate=1e-2,
        warmup=20,
        average=0.99,
        report_every=steps,
        restarts=METHODS[name].restarts(METHODS[name].steps, steps),
    )
    fit(lambda _: recipe, settings, tmp_path)
    steps = 1 if METHODS[name].mode == "renoise" else METHODS[name].steps
    grid = METHODS[name].sampler(METHODS[name].steps, QUARTERS).grids[str(steps)]
    z, y = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 1.0])
    cond = _Given(y[:, None, None, None], torch.zeros(3, 0))
    drawn = StudentSampler("s", FlowMap(path, net), grid).draw(z[:, None, None, None], cond)
    sd, both, centre = drawn.flatten().tolist()
    assert sd == pytest.approx(FAMILY.posterior_variance**0.5, abs=0.03)
    assert centre == pytest.approx(0.8, abs=0.03)
    assert both == pytest.approx(sd + centre, abs=1e-5)


@dataclass(frozen=True)
class _Given:
    maps: torch.Tensor
    vector: torch.Tensor

    def decode(self, r: torch.Tensor) -> torch.Tensor:
        return r[:, 0]
