"""Refinement: what a round leaves of an error, on posteriors in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from corrected_toys import (
    PIXELS,
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

from napari_posterior.errors import InputError
from napari_posterior.sampling.correct import correct
from napari_posterior.sampling.corrections import ROUND, Refine
from napari_posterior.sampling.descent import descend
from napari_posterior.sampling.path import LinearFlow, VPCosine

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)
PATH = LinearFlow()
DRAWS = 600
VALUES = DRAWS * PIXELS


@both_paths
@pytest.mark.parametrize("kernel", ["ode", "sde"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("c", [1.0, 0.1])
def test_a_round_leaves_the_known_share_of_an_error_of_mean_and_variance(path, kernel, times, c):
    other, delta, tau = 3 * c, 2 * math.sqrt(c), 0.3
    alpha, beta = path.alpha(tau), path.beta(tau)
    rho = alpha**2 * c / (alpha**2 * c + beta**2)
    share = math.sqrt(rho) if kernel == "ode" else rho
    fresh = Quick(DRAWS)
    asked = Refine(tau=tau, kernel=kernel, times=times, steps=40 if kernel == "ode" else 100)
    wrong = student(gaussian(1 + delta, other), path)
    sampler = correct(wrong, teacher(gaussian(1, c), path, steps=60), asked)
    drawn = sampler.draw(canvases(fresh), bare(), fresh=fresh)
    expected = 1 + share**times * delta, c + share ** (2 * times) * (other - c)
    four = 4 / math.sqrt(VALUES)
    bias = 0.01 * c  # of the solvers
    assert float(drawn.mean()) == pytest.approx(
        expected[0], abs=four * math.sqrt(expected[1]) + bias
    )
    assert float(drawn.var()) == pytest.approx(
        expected[1], abs=math.sqrt(2) * four * expected[1] + bias
    )


@pytest.mark.parametrize("kernel", ["ode", "sde"])
def test_the_law_of_an_exact_student_of_a_mixture_is_kept(kernel):
    toy, fresh = mixture(), Quick(200)
    asked = Refine(tau=0.5, kernel=kernel, times=2, steps=60)
    sampler = correct(student(toy, PATH), teacher(toy, PATH), asked)
    drawn = sampler.draw(canvases(fresh), bare(), fresh=fresh).flatten(1)
    below, _ = toy.tails(PATH, drawn, 0.0)
    ranks = below.flatten().sort().values
    even = (torch.arange(len(ranks)) + 0.5) / len(ranks)
    assert float((ranks - even).abs().max()) < 2 / math.sqrt(len(ranks)) + 0.003


def test_every_round_brings_another_law_of_a_mixture_nearer():
    toy, fresh = mixture(0.5), Quick(60)
    z = canvases(fresh)
    wrong, base = student(mixture(0.2, 0.15), PATH), teacher(toy, PATH, steps=40)

    def gap(drawn: torch.Tensor) -> float:
        below, _ = toy.tails(PATH, drawn.flatten(1), 0.0)
        ranks = below.flatten().sort().values
        return float((ranks - (torch.arange(len(ranks)) + 0.5) / len(ranks)).abs().max())

    found = [gap(wrong.draw(z, bare()))]
    for times in (1, 2, 4):
        sampler = correct(wrong, base, Refine(tau=0.6, kernel="ode", times=times))
        found.append(gap(sampler.draw(z, bare(), fresh=fresh)))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.5 * found[0]


def test_the_kernels_use_the_teachers_own_solver_where_it_is_of_that_kind():
    _, heun, _ = net_pair(PATH, solver="heun")
    _, two, _ = net_pair(PATH, solver="dpmpp2m")
    _, noisy, _ = net_pair(PATH, solver="ancestral")
    chosen = {
        (base.solver, kernel): descend(base, 0.5, kernel=kernel).solver
        for base in (heun, two, noisy)
        for kernel in ("own", "ode", "sde")
    }
    assert chosen == {
        ("heun", "own"): "heun",
        ("heun", "ode"): "heun",
        ("heun", "sde"): "dpmpp2m_sde",
        ("dpmpp2m", "own"): "dpmpp2m",
        ("dpmpp2m", "ode"): "dpmpp2m",
        ("dpmpp2m", "sde"): "dpmpp2m_sde",
        ("ancestral", "own"): "ancestral",
        ("ancestral", "ode"): "heun",
        ("ancestral", "sde"): "ancestral",
    }


def test_every_round_has_noise_of_its_own_and_none_of_the_students():
    own, base, nets = net_pair(PATH, (1.0, 0.5, 0.0), renoised=True)
    sampler, fresh = correct(own, base, Refine(tau=0.5, times=2, steps=4)), noise(2)
    asked, seen = [], []

    def told(step: int) -> torch.Tensor:
        asked.append(step)
        return fresh(step)

    sampler.draw(fresh(0), bare(maps=1), lambda *done: seen.append(done), fresh=told)
    rounds = [ROUND * i + j for i in (1, 2) for j in range(4)]
    assert asked == [1, *rounds]
    assert len(set(asked)) == len(asked)
    assert seen == [(i + 1, 10) for i in range(10)]
    assert sum(net.calls for net in nets) == sampler.nfe == 10
    assert sampler.steps == 10
    with pytest.raises(ValueError, match="pass fresh"):
        sampler.draw(fresh(0), bare(maps=1))


def test_a_draw_is_that_of_any_batch_tile_and_crop():
    own, base, _ = net_pair(PATH, (1.0, 0.0))
    asked = Refine(tau=0.4, steps=2)  # 3 calls: 6 pixels far
    sampler, fresh, whole = correct(own, base, asked), noise(3, shape=(16, 64)), bare(16, 64, 1)
    together = sampler.draw(fresh(0), whole, fresh=fresh)
    alone = noise(1, first=1, shape=(16, 64))
    torch.testing.assert_close(sampler.draw(alone(0), whole, fresh=alone)[0], together[1])
    cut_own, cut_base, _ = net_pair(PATH, (1.0, 0.0), tile=16)
    on_tiles = correct(cut_own, cut_base, asked).draw(fresh(0), whole, fresh=fresh)
    torch.testing.assert_close(on_tiles, together)
    part = noise(3, shape=(16, 48), origin=(0, 16))
    cropped = type(whole)(whole.maps[..., 16:], whole.vector)
    cut = sampler.draw(part(0), cropped, fresh=part)
    torch.testing.assert_close(cut[..., 8:], together[..., 24:])


def test_it_says_what_it_is_and_what_its_images_are():
    own, base, _ = net_pair(PATH, (1.0, 0.0))
    sampler = correct(own, base, Refine(tau=0.3, kernel="ode", times=2, steps=3))
    assert (sampler.name, sampler.role) == ("flow-1 + refine", "student")
    assert sampler.description == (
        "student, 1 step, then 2 rounds from 0.3 of teacher Heun 3 steps, 11 network evaluations"
    )
    assert "what is coarser stays the student's in part" in sampler.meaning
    assert sampler.needs_noise


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tau": 1.0}, "tau is 1.0"),
        ({"kernel": "ddpm"}, "kernel is 'ddpm'; use 'ode' or 'sde'"),
        ({"times": 0}, "times is 0; give a whole number from 1 to 60"),
        ({"steps": 2.5}, "1 to 512 steps below tau, not 2.5"),
    ],
)
def test_what_cannot_be_done_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        Refine(**options)
