"""Hand-over: the student down to tau, the teacher from there."""

from __future__ import annotations

import math

import pytest
import torch
from corrected_toys import (
    Quick,
    bare,
    canvases,
    gaussian,
    mixture,
    net_pair,
    noise,
    student,
    teacher,
)

from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.correct import correct
from napari_posterior.sampling.corrections import HandOver
from napari_posterior.sampling.grid import below, logsnr, uniform
from napari_posterior.sampling.path import LinearFlow, VPCosine
from napari_posterior.sampling.samplers import TeacherSampler

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)
PATH = LinearFlow()


@both_paths
@pytest.mark.parametrize("toy", [gaussian(0.7, 0.3), mixture()], ids=["gaussian", "mixture"])
@pytest.mark.parametrize("grid", [(1.0, 0.0), (1.0, 0.8, 0.2, 0.0)])
def test_with_an_exact_student_every_draw_is_the_teachers_of_the_same_noise(path, toy, grid):
    z = canvases(noise(4))
    sampler = correct(student(toy, path, grid), teacher(toy, path), HandOver(tau=0.5, steps=150))
    expected = toy.flow(path, z.flatten(1), 1.0, 0.0).reshape(4, 16, 16)
    torch.testing.assert_close(sampler.draw(z, bare()), expected, rtol=0, atol=2e-3)


@both_paths
def test_below_tau_an_error_of_the_student_shrinks_by_the_noise_there(path):
    c, other, delta, tau = 0.5, 0.2, 0.4, 0.4
    z = canvases(noise(4))
    alpha, beta = path.alpha(tau), path.beta(tau)
    rho = alpha**2 * c / (alpha**2 * c + beta**2)
    wrong = student(gaussian(1 + delta, other), path)
    draws = correct(wrong, teacher(gaussian(1, c), path), HandOver(tau=tau, steps=200)).draw(
        z, bare()
    )
    variance = c + rho * (other - c)
    expected = 1 + math.sqrt(rho) * delta + math.sqrt(variance) * z[:, 0]
    torch.testing.assert_close(draws, expected, rtol=0, atol=2e-3)


def test_the_later_the_student_hands_over_the_nearer_it_is_to_a_mixture_it_got_wrong():
    toy, wrong = mixture(0.4, 0.05), student(mixture(0.4, 0.16), PATH)
    z = canvases(Quick(40))
    exact = toy.flow(PATH, z.flatten(1), 1.0, 0.0)
    truth = exact.flatten().sort().values

    def distance(tau: float) -> float:
        sampler = correct(wrong, teacher(toy, PATH, steps=60), HandOver(tau=tau))
        return float((sampler.draw(z, bare()).flatten().sort().values - truth).abs().mean())

    alone = float((wrong.draw(z, bare()).flatten().sort().values - truth).abs().mean())
    found = [alone, *(distance(tau) for tau in (0.15, 0.3, 0.6))]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.2 * alone


def test_draws_stay_coupled_with_the_teachers_on_the_same_noise():
    toy, z = mixture(), canvases(Quick(20))
    sampler = correct(student(mixture(0.4, 0.1), PATH), teacher(toy, PATH), HandOver(tau=0.3))
    handed = sampler.draw(z, bare()).flatten()
    own = teacher(toy, PATH).draw(z, bare()).flatten()
    other = teacher(toy, PATH).draw(canvases(Quick(20, 6)), bare()).flatten()
    assert float(torch.corrcoef(torch.stack([handed, own]))[0, 1]) > 0.99
    assert abs(float(torch.corrcoef(torch.stack([handed, other]))[0, 1])) < 0.1


@pytest.mark.parametrize("solver", ["heun", "dpmpp2m", "dpmpp2m_sde"])
def test_every_call_of_both_networks_is_counted_and_one_of_them_can_be_the_last(solver):
    own, base, nets = net_pair(PATH, solver=solver)
    sampler, seen = correct(own, base, HandOver(tau=0.5, steps=3)), []
    fresh = noise(2)

    def on_step(done: int, total: int) -> None:
        seen.append((done, total))

    images = []
    sampler.draw(
        fresh(0), bare(maps=1), on_step, fresh=fresh, on_estimate=lambda make: images.append(make())
    )
    assert seen == [(i + 1, sampler.nfe) for i in range(sampler.nfe)]
    assert sum(net.calls for net in nets) == sampler.nfe == 2 + {"heun": 5}.get(solver, 3)
    assert [image.shape for image in images] == [(16, 16)] * sampler.nfe
    assert sampler.steps == 5

    def cancel(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sampler.draw(fresh(0), bare(maps=1), cancel, fresh=fresh)
    assert sum(net.calls for net in nets) == sampler.nfe + 3


def test_a_draw_is_that_of_any_batch_tile_and_crop():
    own, base, _ = net_pair(PATH)
    asked = HandOver(tau=0.4, steps=2)  # 2 steps and 3 calls: 10 pixels far
    sampler, fresh = correct(own, base, asked), noise(3, shape=(16, 64))
    whole, cond = bare(16, 64, maps=1), sampler.draw
    together = cond(fresh(0), whole)
    alone = noise(1, first=1, shape=(16, 64))
    torch.testing.assert_close(cond(alone(0), whole)[0], together[1])
    cut_own, cut_base, _ = net_pair(PATH, tile=16)
    torch.testing.assert_close(correct(cut_own, cut_base, asked).draw(fresh(0), whole), together)
    part = noise(3, shape=(16, 48), origin=(0, 16))
    cropped = type(whole)(whole.maps[..., 16:], whole.vector)
    torch.testing.assert_close(cond(part(0), cropped)[..., 12:], together[..., 28:])


def test_the_teachers_part_is_the_tail_of_its_own_grid():
    grid = uniform(10)
    assert below(grid, 0.3) == pytest.approx((0.3, 0.2, 0.1, 0.0))
    assert below(grid, grid[4]) == grid[4:]
    assert below(grid, 0.25) == pytest.approx((0.25, 1 / 6, 1 / 12, 0.0))
    assert below(grid, 0.3, 6) == pytest.approx([0.3 - 0.05 * i for i in range(6)] + [0.0])
    fine = logsnr(24, 300.0, 0.01, path=PATH)
    assert below(fine, fine[20]) == fine[20:]
    assert below(fine, fine[-2] / 2) == (fine[-2] / 2, 0.0)
    assert len(below(fine, 0.3)) - 1 == sum(t < 0.3 for t in fine)


@pytest.mark.parametrize("tau", [0.0, 1.0, -0.1, 1.5, math.nan, "x", True])
def test_a_tau_out_of_range_is_refused(tau):
    with pytest.raises(InputError, match=r"give a time between 0 \(clean\) and 1 \(noise\)"):
        HandOver(tau=tau)


def test_a_student_without_a_flow_map_and_another_path_are_refused():
    jumper = student(gaussian(), PATH, (1.0, 0.5, 0.0), renoised=True)
    with pytest.raises(InputError, match=r"cannot stop at tau 0\.3; use the correction 'refine'"):
        correct(jumper, teacher(gaussian(), PATH), HandOver())
    with pytest.raises(ModelError, match="have different paths"):
        correct(student(gaussian(), VPCosine()), teacher(gaussian(), PATH), HandOver())
    with pytest.raises(InputError, match="1 to 512 steps below tau, not 0"):
        HandOver(steps=0)


def test_it_says_what_it_is_and_what_its_images_are():
    own, base, _ = net_pair(PATH)
    sampler = correct(own, base, HandOver(tau=0.3, steps=6))
    assert (sampler.name, sampler.role) == ("flow-3 + hand-over", "student")
    assert sampler.description == (
        "student, 2 steps to 0.3, then teacher Heun 6 steps, 13 network evaluations"
    )
    assert "as far as the student's way to tau is exact" in sampler.meaning
    assert not sampler.needs_noise
    assert isinstance(sampler.teacher, TeacherSampler)
