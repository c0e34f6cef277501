"""Targets, their parts and the losses made of them, against closed forms and the solvers."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from gaussian_students import (
    FAMILY,
    ExactNet,
    GaussianSource,
    LinearNet,
    make_recipe,
    store,
)

from napari_posterior.networks.registry import build
from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import LinearFlow, VPCosine
from napari_posterior.sampling.solvers import euler, heun, renoise
from napari_posterior.training.recipes.jumpers import Averaged, Solved
from napari_posterior.training.recipes.objectives import AtTheEnd, jump_and_speed
from napari_posterior.training.recipes.pairs import Halves, Hops, Neighbours, Nodes, Spans, Stages
from napari_posterior.training.recipes.rules import Direct, Semigroup, Start
from napari_posterior.training.recipes.states import NoiseSource

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def begin(path, s, t, u=None, *, batch=8):
    drawn = GaussianSource(path, batch).draw(0)
    s, t = (torch.full((batch,), v) if isinstance(v, float) else v for v in (s, t))
    u = (s + t) / 2 if u is None else u
    return Start(drawn, drawn.at(s), s, u, t)


def exact_teacher_of(path):
    return Teacher(path, ExactNet(path, student=False).requires_grad_(False))


# ----------------------------------------------------------------------------------------- jumpers


@both_paths
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_a_solver_with_a_time_for_each_state_is_the_solver_of_sampling(path, solver):
    teacher = exact_teacher_of(path)
    s, t = torch.tensor([1.0, 0.7, 0.3, 0.2]), torch.tensor([0.5, 0.0, 0.1, 0.0])
    start = begin(path, s, t, batch=4)
    there = Solved(teacher, solver).jump(start.x, s, t, start)
    step = {"euler": euler, "heun": heun}[solver]
    for i in range(4):
        cond = replace(start.drawn, maps=start.maps[i : i + 1], vector=start.vector[i : i + 1])

        def velocity(x, at, cond=cond):
            return teacher.F(x, at, cond)

        alone = step(velocity, path, start.x[i : i + 1], float(s[i]), float(t[i]))
        assert torch.allclose(there[i : i + 1], alone, atol=1e-12)


@both_paths
def test_heun_of_the_targets_is_of_second_order(path):
    start, exact = begin(path, 0.9, 0.1), FlowMap(path, ExactNet(path, student=True))
    there = exact.jump(start.x, start.s, start.t, start).detach()
    errors = [
        (Solved(exact_teacher_of(path), "heun", n).jump(start.x, start.s, start.t, start) - there)
        for n in (16, 32)
    ]
    assert errors[0].norm() / errors[1].norm() == pytest.approx(4, abs=0.5)


def test_an_averaged_copy_follows_by_its_decay():
    net = LinearNet()
    copy = Averaged(FlowMap(LinearFlow(), net), 0.9)
    before = copy.network.net[0].bias.clone()
    with torch.no_grad():
        net.net[0].bias += 1
    copy.after_step(10_000)
    assert torch.allclose(copy.network.net[0].bias, before + 0.1)
    copy.after_step(0)  # early on the average is short: 1 / 10
    assert torch.allclose(copy.network.net[0].bias, before + 0.1 + 0.9 * 0.9)


# ------------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize("n", [4, 64])
@both_paths
def test_halving_euler_steps_keeps_the_variance_of_the_finest_grid(path, n):
    # progressive distillation with perfect students: product of cos^2 of the angles turned
    jumper = Solved(exact_teacher_of(path), "euler")
    while n > 1:
        jumper = _Halved(Semigroup(jumper), path)
        n //= 2
    one, none = (
        replace(begin(path, 1.0, 0.0, batch=1), x=torch.full((1, 1, 2, 2), v)) for v in (1.0, 0.0)
    )
    gain = (jumper.jump(v.x, v.s, v.t, v) for v in (one, none))
    slope = next(gain) - next(gain)
    width = FAMILY.posterior_variance**0.5
    angles = [
        math.atan2(float(path.beta(t)), width * float(path.alpha(t)))
        for t in uniform(jumper.finest)
    ]
    ratio = math.prod(math.cos(a - b) ** 2 for a, b in pairwise(angles))
    assert slope[0, 0, 0, 0] ** 2 / width**2 == pytest.approx(ratio, rel=1e-6)


def test_jumps_too_short_to_halve_are_the_solvers():
    path = LinearFlow()
    s = torch.tensor([0.5, 0.5])
    start = begin(path, s, torch.tensor([0.49, 0.1]), batch=2)
    still = FlowMap(path, lambda x, s, t, maps, vector: torch.zeros_like(x))
    X = Semigroup(still, Solved(exact_teacher_of(path)))(start)
    exact = FlowMap(path, ExactNet(path, student=True)).jump(start.x, start.s, start.t, start)
    assert torch.allclose(X[0], exact[0], atol=1e-5)
    assert torch.equal(X[1], start.x[1])


def test_stored_states_are_the_targets_of_stored_trajectories():
    path = LinearFlow()
    drawn = store(path).draw(0)
    s, t = torch.full((64,), 0.75), torch.full((64,), 0.25)
    X = Direct()(Start(drawn, drawn.at(s), s, t, t))
    exact = FlowMap(path, ExactNet(path, student=True)).jump(drawn.at(s), s, t, drawn)
    assert torch.allclose(X, exact, atol=1e-12)
    with pytest.raises(ValueError, match="stored times only"):
        drawn.at(torch.full((64,), 0.6))


def test_a_source_of_noise_has_no_states_on_the_way():
    drawn = NoiseSource(GaussianSource(LinearFlow())).draw(0)
    assert torch.equal(drawn.at(torch.ones(64)), GaussianSource(LinearFlow()).draw(0).noise)
    with pytest.raises(ValueError, match="t = 1 only"):
        drawn.at(torch.full((64,), 0.5))


# -------------------------------------------------------------------------------------- objectives


@both_paths
def test_the_speed_of_a_jump_is_its_central_difference(path):
    torch.manual_seed(0)
    net = build("velocity-unet-1", {"path": path.name, "channels": [8, 12, 16], "blocks": 1})
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    net = net.double().to(memory_format=torch.channels_last).requires_grad_(False)
    drawn = GaussianSource(path, 2, 16).draw(0)
    drawn = replace(drawn, maps=torch.randn(2, 4, 16, 16), vector=torch.randn(2, 4))
    student, s, t = FlowMap(path, net), torch.tensor([1.0, 0.6]), torch.tensor([0.3, 0.0])
    x = drawn.at(s)
    G, speed = jump_and_speed(student, x, s, t, drawn)
    assert torch.equal(G, student.jump(x, s, t, drawn))

    def difference(h):
        return student.jump(x, s, t + h, drawn) - student.jump(x, s, t - h, drawn)

    # of fourth order, since the network answers in float32
    central = (8 * difference(h := 5e-3) - difference(2 * h)) / (12 * h)
    assert (speed - central).abs().max() < 1e-4 * central.abs().max()


@pytest.mark.parametrize("method", ["lmd", "cd", "shortcut"])
def test_in_bfloat16_a_student_gets_nearly_the_gradient_of_float32(method):
    torch.set_default_dtype(torch.float32)
    path, gradients = LinearFlow(), []
    for autocast in (False, True):
        torch.manual_seed(0)
        net = build("velocity-unet-1", {"channels": [8, 12, 16], "blocks": 1})
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        net = net.to(memory_format=torch.channels_last)
        recipe = make_recipe(method, path, net, batch=4, side=16)
        source = recipe.source
        recipe.source = _WithMaps(source)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = recipe.loss(2)
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in net.parameters()]))
    similar = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert similar > 0.98


def test_the_end_of_a_jump_is_judged_where_it_arrives():
    path = LinearFlow()
    start = begin(path, 0.8, 0.4)
    exact = FlowMap(path, ExactNet(path, student=True))
    off = FlowMap(path, ExactNet(path, student=True, factor=1.1))
    outer = Averaged(exact, 0.999)

    def rule(start):
        return exact.jump(start.x, start.s, start.t, start)

    gap = off.jump(start.x, start.s, start.t, start) - rule(start)
    V = [(1 - t) ** 2 * FAMILY.posterior_variance + t**2 for t in (0.0, 0.4)]
    expected = (0.5 + V[0] / V[1]) * gap.square().mean(dim=(1, 2, 3))
    assert torch.allclose(AtTheEnd(rule, outer)(off, start), expected, rtol=1e-6)


def test_the_best_jump_of_distilled_knowledge_is_the_affine_map_of_the_posterior():
    path = LinearFlow()
    net = _Affine()
    recipe = make_recipe("kd", path, net, batch=256)
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=50)

    def closure():
        optimiser.zero_grad()
        loss = recipe.loss(0)
        loss.backward()
        return loss

    optimiser.step(closure)
    # x_0 = m + sqrt(c) z with m = 0.8 y, and F = z - x_0 on the linear path
    known = [1 - FAMILY.posterior_variance**0.5, -0.8, 0.0]
    assert net.weights.tolist() == pytest.approx(known, abs=1e-4)


@both_paths
@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_new_noise_between_the_jumps_of_a_scaled_student_loses_variance_by_the_recursion(
    path, scale
):
    grid = (1.0, 0.6, 0.3, 0.0)
    z = torch.randn(200_000, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    exact = ExactNet(path, student=True)
    drawn = GaussianSource(path, 1, 1).draw(0)
    cond = replace(drawn, maps=torch.zeros(1, 1, 1, 1))

    def jump(x, s, t):
        return scale * FlowMap(path, exact).jump(x, s, t, cond)

    def fresh(step):
        return torch.randn(z.shape, generator=torch.Generator().manual_seed(step + 5))

    with torch.no_grad():
        got = renoise(jump, path, grid, z, fresh).var()
    c = FAMILY.posterior_variance
    known = scale**2 * c
    for t in grid[1:-1]:
        a, b = float(path.alpha(t)) ** 2, float(path.beta(t)) ** 2
        known = scale**2 * c * (a * known + b) / (a * c + b)
    assert got == pytest.approx(known, rel=0.015)
    assert scale < 1 or known == pytest.approx(c)


# ------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    ("steps", "counts"),
    [(4, (32, 16, 8, 4)), (1, (32, 16, 8, 4, 2, 1)), (3, (48, 24, 12, 6, 3)), (32, (32,))],
)
def test_stages_halve_down_to_the_steps_asked_for(steps, counts):
    assert Stages.down_to(steps).counts == counts


def test_the_last_two_stages_are_twice_as_long():
    stages = Stages.down_to(1)
    assert stages.begins(800) == (100, 200, 300, 400, 600)
    assert [stages.number(p) for p in (0.0, 0.49, 0.5, 0.999, 1.0)] == [0, 3, 4, 5, 5]


def draw(pairs, p=0.0, count=4000):
    return pairs(count, p, torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "pairs",
    [Halves(Stages((8, 4))), Neighbours(), Spans(), Spans("anywhere"), Hops()],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("p", [0.0, 0.6, 1.0])
def test_times_fall_from_s_over_u_to_t(pairs, p):
    times = draw(pairs, p)
    assert (times.s >= times.u).all()
    assert (times.u >= times.t).all()
    assert (times.s > times.t).all()
    assert times.t.min() >= 0
    assert times.s.max() <= 1


def test_steps_and_their_halves_lie_on_the_grid_of_their_stage():
    early, late = (draw(Halves(Stages((8, 4))), p) for p in (0.0, 0.9))
    assert set(early.s.tolist()) == {k / 8 for k in range(1, 9)}
    assert torch.allclose(early.s - early.u, torch.tensor(1 / 16))
    assert torch.allclose(late.s - late.t, torch.tensor(1 / 4))


def test_neighbours_come_closer_by_doublings():
    gaps = [float((t := draw(Neighbours(), p)).s[0] - t.u[0]) for p in (0, 0.25, 0.5, 0.7, 0.9, 1)]
    assert gaps == pytest.approx([1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 128])
    assert (draw(Neighbours()).t == 0).all()


def test_a_third_of_the_spans_start_or_end_at_an_end():
    times = draw(Spans("anywhere"))
    assert (times.s == 1).double().mean() == pytest.approx(0.2, abs=0.02)
    assert (times.t == 0).double().mean() == pytest.approx(0.2, abs=0.02)
    share = (times.u - times.t) / (times.s - times.t)
    assert share.min() > 0.0499
    assert share.mean() == pytest.approx(0.525, abs=0.02)


def test_nodes_are_drawn_equally_often():
    times = draw(Nodes((1.0, 0.5, 0.0), ((0, 2), (1, 2))))
    assert set(zip(times.s.tolist(), times.t.tolist(), strict=True)) == {(1.0, 0.0), (0.5, 0.0)}
    assert (times.s == 1).double().mean() == pytest.approx(0.5, abs=0.03)


class _Halved:
    """A perfect student of the stage before."""

    def __init__(self, rule, path):
        self.rule, self.path = rule, path
        self.finest = 2 * getattr(rule.target, "finest", 1)

    def jump(self, x, s, t, cond):
        return self.rule(replace(begin(self.path, s, t, batch=len(x)), x=x))


class _Affine(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(3))

    def forward(self, x, s, t, maps, vector):
        return self.weights[0] * x + self.weights[1] * maps + self.weights[2]


class _WithMaps:
    """The source of a family for a network that takes four maps and a vector of four."""

    def __init__(self, source):
        self.source = source

    def draw(self, step):
        drawn = self.source.draw(step)
        return replace(
            drawn, maps=drawn.maps.expand(-1, 4, -1, -1), vector=torch.zeros(len(drawn.maps), 4)
        )
