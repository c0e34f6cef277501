"""Samplers: draws, against closed-form posteriors, and the promises around them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.conditioning import Condition
from napari_posterior.sampling.grid import make_grid, uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.samplers import (
    PointSampler,
    Sampler,
    StudentSampler,
    TeacherSampler,
)
from napari_posterior.sampling.tiling import tiled
from napari_posterior.toys import (
    GaussianPosterior,
    MixturePosterior,
    blur_matrix,
    exact_student,
    exact_teacher,
    smooth_covariance,
)

DOUBLE = torch.float64
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


@dataclass(frozen=True)
class Bare:
    """A condition that leaves states as they are."""

    maps: Tensor
    vector: Tensor

    def decode(self, r: Tensor) -> Tensor:
        return r[:, 0]


class ConvNet(nn.Module):
    """Reads everything but the second time, as a student fresh from its teacher."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 1, 5, padding=2)
        self.calls = 0

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        self.calls += 1
        scale = (1 + s + vector.sum(1))[:, None, None, None]
        return torch.tanh(self.layer(torch.cat([x, maps], dim=1))) * scale


def bare(height: int, width: int) -> Bare:
    return Bare(maps=torch.zeros(1, 0, height, width), vector=torch.zeros(1, 0))


def photon_condition(shape: tuple[int, int] = (13, 15)) -> Condition:
    rng = torch.Generator().manual_seed(4)
    return Condition(
        maps=torch.randn(1, 2, 16, 16, generator=rng),
        vector=torch.randn(1, 4, generator=rng),
        centre=20 + torch.rand(1, 1, 16, 16, generator=rng),
        spread=1 + torch.rand(1, 1, 16, 16, generator=rng),
        shape=shape,
    )


def noise(count: int = 3) -> Tensor:
    return torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(5))


def all_samplers(net: ConvNet, path: Path) -> list[Sampler]:
    return [
        TeacherSampler("euler", Teacher(path, net), "euler", uniform(5)),
        TeacherSampler("heun", Teacher(path, net), "heun", uniform(5)),
        TeacherSampler("2m", Teacher(path, net), "dpmpp2m", uniform(5)),
        TeacherSampler("sde", Teacher(path, net), "sde", uniform(5), eta=0.5),
        TeacherSampler("2m sde", Teacher(path, net), "dpmpp2m_sde", uniform(5)),
        StudentSampler("one", FlowMap(path, net), uniform(1)),
        StudentSampler("four", FlowMap(path, net), uniform(4)),
        StudentSampler("renoised", FlowMap(path, net), uniform(4), renoised=True),
        PointSampler("mse"),
    ]


def fresh(step: int, count: int = 3) -> Tensor:
    return torch.randn(count, 1, 16, 16, generator=torch.Generator().manual_seed(100 + step))


def fresh_for(count: int):
    return partial(fresh, count=count)


def blurred_image_posterior() -> GaussianPosterior:
    shape, sd = (8, 8), 0.1
    rng = torch.Generator().manual_seed(0)
    prior = smooth_covariance(shape, length=3.0, variance=1.0)
    level = torch.full((64,), 0.5, dtype=DOUBLE)
    truth = level + torch.linalg.cholesky(prior) @ torch.randn(64, generator=rng, dtype=DOUBLE)
    H = blur_matrix(shape, 1.0)
    return GaussianPosterior.from_measurement(
        y=H @ truth + sd * torch.randn(64, generator=rng, dtype=DOUBLE),
        H=H,
        noise_covariance=sd**2 * torch.eye(64, dtype=DOUBLE),
        prior_mean=level,
        prior_covariance=prior,
    )


@both_paths
def test_heun_recovers_the_exact_posterior_of_a_blurred_image(path: Path):
    """The draw is affine in its noise: 65 canvases give its mean and covariance exactly."""
    toy = blurred_image_posterior()
    z = torch.cat([torch.zeros(1, 64, dtype=DOUBLE), torch.eye(64, dtype=DOUBLE)])
    grid = make_grid("power_early", 64, rho=1.67)
    sampler = TeacherSampler("t", Teacher(path, exact_teacher(toy, path)), "heun", grid)
    draws = sampler.draw(z.reshape(65, 1, 8, 8), bare(8, 8)).reshape(65, 64)
    root = (draws[1:] - draws[0]).T
    error = torch.linalg.norm(root @ root.T - toy.covariance)
    assert torch.allclose(draws, toy.flow(path, z, 1.0, 0.0), atol=4e-4)
    assert torch.allclose(draws[0], toy.mean, atol=4e-4)
    assert float(error / torch.linalg.norm(toy.covariance)) < 1e-3


@both_paths
def test_heun_recovers_mode_weights_moments_and_quantiles_of_a_mixture(path: Path):
    toy = MixturePosterior.from_measurement(
        y=torch.tensor([0.3, -0.8, 0.0, 2.5], dtype=DOUBLE),
        noise_variance=1.0,
        weights=torch.tensor([0.5, 0.5], dtype=DOUBLE),
        means=torch.tensor([-1.0, 1.0], dtype=DOUBLE),
        variances=torch.tensor([0.0625, 0.0625], dtype=DOUBLE),
    )
    z = torch.linspace(-8, 8, 1601, dtype=DOUBLE)
    share = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * 0.01
    z = z[:, None].expand(-1, 4)
    grid = make_grid("power_early", 64, rho=1.67)
    sampler = TeacherSampler("t", Teacher(path, exact_teacher(toy, path)), "heun", grid)
    draws = sampler.draw(z.reshape(-1, 1, 2, 2), bare(2, 2)).reshape(-1, 4)
    error = (draws - toy.flow(path, z, 1.0, 0.0)).abs()
    assert float(error.max()) < 0.02  # between the modes, where the map is steep
    assert float((share @ error).max()) < 1e-3
    _, above = toy.tails(path, torch.zeros(4, dtype=DOUBLE), 0.0)
    assert torch.allclose(share @ (draws > 0).double(), above, atol=0.004)
    mean = share @ draws
    assert torch.allclose(mean, toy.mean, atol=1e-3)
    assert torch.allclose(share @ (draws - mean) ** 2, toy.variance, rtol=2e-3)


@both_paths
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_student_that_is_the_exact_flow_map_draws_exactly_from_one_step_on(
    path: Path, steps: int
):
    toy = blurred_image_posterior()
    z = torch.cat([torch.zeros(1, 64, dtype=DOUBLE), torch.eye(64, dtype=DOUBLE)])
    student = FlowMap(path, exact_student(toy, path))
    sampler = StudentSampler("s", student, uniform(steps))
    draws = sampler.draw(z.reshape(65, 1, 8, 8), bare(8, 8)).reshape(65, 64)
    root = (draws[1:] - draws[0]).T
    assert torch.allclose(draws[0], toy.mean, atol=1e-10)
    assert torch.allclose(root @ root.T, toy.covariance, atol=1e-10)


@both_paths
@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_student_that_ignores_its_second_time_is_the_euler_sampler_bit_for_bit(
    path: Path, steps: int
):
    net, cond = ConvNet(), photon_condition()
    teacher = TeacherSampler("t", Teacher(path, net), "euler", uniform(steps))
    student = StudentSampler("s", FlowMap(path, net), uniform(steps))
    assert torch.equal(student.draw(noise(), cond), teacher.draw(noise(), cond))


@pytest.mark.parametrize("index", range(9))
def test_steps_are_reported_after_every_network_call_and_add_up_to_the_nfe(index: int):
    net, seen = ConvNet(), []
    sampler = all_samplers(net, LinearFlow())[index]
    calls_before_centre = 1 if sampler.role == "point" else 0

    def record(done: int, total: int) -> None:
        assert done == net.calls + calls_before_centre
        seen.append((done, total))

    sampler.draw(noise(1), photon_condition(), record, fresh=fresh_for(1))
    assert seen == [(i, sampler.nfe) for i in range(1, sampler.nfe + 1)]


@pytest.mark.parametrize("index", range(8))
def test_cancelling_by_raising_makes_no_further_network_call(index: int):
    net = ConvNet()
    sampler = all_samplers(net, LinearFlow())[index]
    stop_at = min(2, sampler.nfe)

    class CancelledError(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        if done == stop_at:
            raise CancelledError

    with pytest.raises(CancelledError):
        sampler.draw(noise(), photon_condition(), cancel, fresh=fresh)
    assert net.calls == stop_at


@pytest.mark.parametrize("index", range(9))
def test_draws_are_plain_float32_photoelectrons_of_the_unpadded_plane(index: int):
    cond = photon_condition((13, 15))
    sampler = all_samplers(ConvNet(), LinearFlow())[index]
    count = 1 if sampler.role == "point" else 3
    draws = sampler.draw(noise(count), cond, fresh=fresh_for(count))
    assert draws.shape == (count, 13, 15)
    assert draws.dtype == torch.float32
    assert not draws.requires_grad
    assert not draws.is_inference()


def test_gradients_are_on_again_after_a_draw_and_after_a_cancelled_one():
    sampler = all_samplers(ConvNet(), LinearFlow())[1]
    sampler.draw(noise(), photon_condition())
    assert torch.is_grad_enabled()

    def cancel(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler.draw(noise(), photon_condition(), cancel)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("index", range(8))
def test_a_draw_does_not_depend_on_the_batch_it_is_in(index: int):
    cond = photon_condition()
    sampler = all_samplers(ConvNet(), VPCosine())[index]
    together = sampler.draw(noise(3), cond, fresh=fresh)
    for i in range(3):
        alone = sampler.draw(
            noise(3)[i : i + 1], cond, fresh=lambda step, i=i: fresh(step)[i : i + 1]
        )
        assert torch.allclose(together[i], alone[0], atol=1e-5)


def test_a_whole_draw_on_a_tiled_network_equals_the_untiled_one():
    net, cond = ConvNet(), photon_condition()
    cut = tiled(net, tile=5, halo=2, stride=1)
    a = TeacherSampler("t", Teacher(LinearFlow(), net), "heun", uniform(8)).draw(noise(), cond)
    b = TeacherSampler("t", Teacher(LinearFlow(), cut), "heun", uniform(8)).draw(noise(), cond)
    assert torch.allclose(a, b, atol=1e-5)


def test_the_point_estimate_is_the_centre_whatever_the_noise_and_only_one_image():
    cond = photon_condition((13, 15))
    sampler = PointSampler("mse")
    assert torch.equal(sampler.draw(noise(1), cond), cond.centre[:, 0, :13, :15])
    with pytest.raises(InputError, match="samples=1"):
        sampler.draw(noise(2), cond)


@pytest.mark.parametrize("index", range(9))
def test_noise_that_does_not_fit_the_condition_is_a_fault(index: int):
    sampler = all_samplers(ConvNet(), LinearFlow())[index]
    with pytest.raises(ValueError, match="does not fit"):
        sampler.draw(torch.zeros(1, 1, 16, 24), photon_condition())


def test_names_roles_steps_and_evaluations_are_told():
    samplers = {s.name: s for s in all_samplers(ConvNet(), LinearFlow())}
    told = {name: (s.role, s.steps, s.nfe) for name, s in samplers.items()}
    assert told == {
        "euler": ("teacher", 5, 5),
        "heun": ("teacher", 5, 9),
        "2m": ("teacher", 5, 5),
        "sde": ("teacher", 5, 5),
        "2m sde": ("teacher", 5, 5),
        "one": ("student", 1, 1),
        "four": ("student", 4, 4),
        "renoised": ("student", 4, 4),
        "mse": ("point", 1, 1),
    }


def test_descriptions_name_solver_steps_grid_and_network_evaluations():
    grid = make_grid("power_late", 16, rho=0.6)
    model = Teacher(LinearFlow(), ConvNet())
    sampler = TeacherSampler("t", model, "heun", grid, label="power_late(0.6)")
    assert sampler.description == (
        "teacher, Heun 16 steps, grid power_late(0.6), 31 network evaluations"
    )
    student = StudentSampler("s", FlowMap(LinearFlow(), ConvNet()), uniform(1))
    assert student.description == "student, 1 step, 1 network evaluation"
    told = {s.name: s.description for s in all_samplers(ConvNet(), LinearFlow())}
    assert told["sde"] == "teacher, SDE(0.5) 5 steps, 5 network evaluations"
    assert told["2m"] == "teacher, DPM-Solver++(2M) 5 steps, 5 network evaluations"
    assert told["renoised"] == "student, 4 steps with new noise between, 4 network evaluations"
    assert "not a draw" in PointSampler("mse").description


def test_a_sampler_with_an_unknown_solver_or_a_broken_grid_cannot_be_made():
    model = Teacher(LinearFlow(), ConvNet())
    with pytest.raises(ModelError, match="rk4"):
        TeacherSampler("t", model, "rk4", uniform(4))
    with pytest.raises(ModelError, match="decrease"):
        TeacherSampler("t", model, "heun", (0.0, 1.0))
    with pytest.raises(ModelError, match="decrease"):
        StudentSampler("s", FlowMap(LinearFlow(), ConvNet()), ())
    with pytest.raises(ModelError, match="eta"):
        TeacherSampler("t", model, "sde", uniform(4))


def test_only_samplers_that_add_noise_on_the_way_say_so_and_a_single_step_never_does():
    net, path = ConvNet(), LinearFlow()
    told = {s.name: s.needs_noise for s in all_samplers(net, path)}
    assert {name for name, needs in told.items() if needs} == {"sde", "2m sde", "renoised"}
    assert not TeacherSampler("t", Teacher(path, net), "ancestral", uniform(1)).needs_noise
    one = StudentSampler("s", FlowMap(path, net), uniform(1), renoised=True)
    plain = StudentSampler("s", FlowMap(path, net), uniform(1))
    assert not one.needs_noise
    cond = photon_condition()
    assert torch.equal(one.draw(noise(), cond), plain.draw(noise(), cond))


@pytest.mark.parametrize("index", [3, 4, 7])
def test_a_draw_follows_its_fresh_noise_and_without_it_there_is_none(index: int):
    sampler, cond = all_samplers(ConvNet(), LinearFlow())[index], photon_condition()
    first = sampler.draw(noise(), cond, fresh=fresh)
    assert torch.equal(sampler.draw(noise(), cond, fresh=fresh), first)
    other = sampler.draw(noise(), cond, fresh=lambda step: fresh(step + 50))
    assert float((other - first).abs().max()) > 0.01
    with pytest.raises(ValueError, match="pass fresh"):
        sampler.draw(noise(), cond)


@pytest.mark.parametrize("index", [0, 1, 2, 5, 6, 8])
def test_samplers_that_need_no_noise_never_ask_for_it(index: int):
    def refuse(step: int) -> Tensor:
        raise AssertionError(step)

    sampler = all_samplers(ConvNet(), LinearFlow())[index]
    sampler.draw(noise(1), photon_condition(), fresh=refuse)


@both_paths
@pytest.mark.parametrize("index", range(9))
def test_the_estimate_of_the_first_draw_is_told_before_every_step_and_ends_as_the_draw(
    path: Path, index: int
):
    sampler, cond = all_samplers(ConvNet(), path)[index], photon_condition((13, 15))
    count = 1 if sampler.role == "point" else 3
    told: list[Tensor | int] = []
    draws = sampler.draw(
        noise(count),
        cond,
        lambda done, total: told.append(done),
        fresh=fresh_for(count),
        on_estimate=lambda estimate: told.append(estimate()),
    )
    estimates, steps = told[::2], told[1::2]
    assert steps == list(range(1, sampler.nfe + 1))
    assert all(image.shape == (13, 15) and image.dtype == torch.float32 for image in estimates)
    assert torch.allclose(estimates[-1], draws[0], atol=1e-4)


def test_the_first_estimate_of_an_exact_teacher_is_the_posterior_mean():
    toy, path, told = blurred_image_posterior(), VPCosine(), []
    sampler = TeacherSampler("t", Teacher(path, exact_teacher(toy, path)), "heun", uniform(4))
    z = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)
    sampler.draw(z, bare(8, 8), on_estimate=lambda estimate: told.append(estimate()))
    assert torch.allclose(told[0].flatten(), toy.mean, atol=1e-10)


def test_an_estimate_that_nobody_looks_at_is_not_computed():
    cond, decoded = photon_condition(), []

    class Counting:
        maps, vector = cond.maps, cond.vector

        def decode(self, r: Tensor) -> Tensor:
            decoded.append(len(r))
            return cond.decode(r)

    sampler = all_samplers(ConvNet(), LinearFlow())[1]
    sampler.draw(noise(), Counting(), on_estimate=lambda estimate: None)
    assert decoded == [3]


@both_paths
def test_a_renoised_student_with_the_exact_map_draws_from_the_posterior(path: Path):
    toy = blurred_image_posterior()
    dice = torch.Generator().manual_seed(8)
    canvases = torch.randn(3, 4000, 1, 8, 8, generator=dice, dtype=DOUBLE)
    student = FlowMap(path, exact_student(toy, path))
    sampler = StudentSampler("s", student, uniform(3), renoised=True)
    draws = sampler.draw(canvases[0], bare(8, 8), fresh=lambda i: canvases[i]).reshape(-1, 64)
    assert torch.allclose(draws.mean(0), toy.mean, atol=0.05)
    ratio = draws.var(0) / toy.covariance.diagonal()
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=0.12)


@pytest.mark.parametrize("index", range(9))
def test_samplers_are_frozen(index: int):
    sampler = all_samplers(ConvNet(), LinearFlow())[index]
    for item in fields(sampler):
        with pytest.raises(AttributeError):
            setattr(sampler, item.name, math.nan)
