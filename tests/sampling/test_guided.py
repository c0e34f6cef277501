"""Students led by their teacher: what it does to a law, on posteriors in closed form."""

from __future__ import annotations

import math

import numpy as np
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
from napari_posterior.sampling.corrections import Guided
from napari_posterior.sampling.path import LinearFlow, VPCosine
from napari_posterior.sampling.variance_loss import predicted_variance_loss

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)
both_modes = pytest.mark.parametrize("renoised", [False, True], ids=["follow", "renoise"])
PATH = LinearFlow()
DRAWS = 600
FOUR = 4 * math.sqrt(2 / (DRAWS * PIXELS))  # relative error of a variance
GRID = (1.0, 0.5, 0.2, 0.0)


@both_paths
@pytest.mark.parametrize("c", [1.0, 0.1])
@pytest.mark.parametrize("lam", [0.1, 0.3, 1.0])
def test_the_mean_takes_the_published_share_of_the_variance_of_an_exact_student(path, c, lam):
    t = 0.4
    rho = path.alpha(t) ** 2 * c / (path.alpha(t) ** 2 * c + path.beta(t) ** 2)
    fresh, toy = Quick(DRAWS), gaussian(1.0, c)
    guided = Guided(lam=lam)
    sampler = correct(
        student(toy, path, (1.0, t, 0.0), renoised=True), teacher(toy, path, steps=4), guided
    )
    drawn = sampler.draw(canvases(fresh), bare(), fresh=fresh)
    law = 1 - rho * (1 - rho) * lam * (2 - lam)
    assert float(drawn.var()) / c == pytest.approx(law, rel=FOUR)
    told = predicted_variance_loss(guided, path, c, grid=(1.0, t, 0.0), renoised=True)
    assert told.mean == pytest.approx(1 - law, abs=1e-12)


@both_paths
@both_modes
@pytest.mark.parametrize("renoise", ["next", "random"])
@pytest.mark.parametrize("k", [1, 2])
def test_the_loss_that_is_told_before_is_the_loss_that_is_found(path, renoised, renoise, k):
    c, toy, fresh = 0.4, gaussian(0.0, 0.4), Quick(DRAWS)
    guided = Guided(lam=0.4, k=k, renoise=renoise)
    sampler = correct(student(toy, path, GRID, renoised=renoised), teacher(toy, path), guided)
    found = 1 - float(sampler.draw(canvases(fresh), bare(), fresh=fresh).var()) / c
    told = predicted_variance_loss(guided, path, c, grid=GRID, renoised=renoised)
    assert told.mean > 0.03
    # a level drawn at random is shared by the pixels of a sample
    assert found == pytest.approx(told.mean, abs=FOUR if renoise == "next" else 0.02)


@both_modes
@pytest.mark.parametrize("renoise", ["next", "random"])
@pytest.mark.parametrize("toy", [gaussian(0.5, 0.3), mixture()], ids=["gaussian", "mixture"])
def test_taking_draws_wholly_keeps_the_law_of_an_exact_student(toy, renoised, renoise):
    count = 300
    fresh = Quick(count)
    guided = Guided(lam=0.4, k=2, renoise=renoise, kernel="sample", steps=40)
    sampler = correct(student(toy, PATH, GRID, renoised=renoised), teacher(toy, PATH), guided)
    drawn = sampler.draw(canvases(fresh), bare(), fresh=fresh).flatten(1)
    if hasattr(toy, "tails"):
        ranks = toy.tails(PATH, drawn, 0.0)[0]
    else:
        ranks = torch.special.ndtr((drawn - toy.mean) / toy.variances.sqrt())
    ranks = ranks.flatten().sort().values
    even = (torch.arange(len(ranks)) + 0.5) / len(ranks)
    assert float((ranks - even).abs().max()) < 2 / math.sqrt(len(ranks)) + 0.003
    assert predicted_variance_loss(guided, PATH, 1.0, grid=GRID).mean == 0


def test_the_mean_of_a_mixture_loses_variance_where_draws_do_not():
    toy, fresh = mixture(0.5), Quick(200)
    exact = float(toy.variance[0])
    kept = {}
    for kernel in ("mean", "sample"):
        guided = Guided(lam=0.5, k=2, kernel=kernel)
        own = student(toy, PATH, GRID, renoised=True)
        drawn = correct(own, teacher(toy, PATH), guided).draw(canvases(fresh), bare(), fresh=fresh)
        kept[kernel] = float(drawn.var()) / exact
    assert kept["mean"] < 0.97
    assert kept["sample"] == pytest.approx(1, abs=0.01)


def test_an_error_of_the_mean_shrinks_by_the_published_share():
    c, delta, lam, t = 0.5, 0.6, 0.3, 0.4
    rho = PATH.alpha(t) ** 2 * c / (PATH.alpha(t) ** 2 * c + PATH.beta(t) ** 2)
    fresh, wrong = Quick(DRAWS), gaussian(1 + delta, c)
    sampler = correct(
        student(wrong, PATH, (1.0, t, 0.0), renoised=True),
        teacher(gaussian(1.0, c), PATH),
        Guided(lam=lam),
    )
    # the student goes on from its moved clean image with its own wrong map
    moved = delta * (1 - lam * (1 - rho))
    expected = 1 + delta + math.sqrt(rho) * (moved - delta)
    found = float(sampler.draw(canvases(fresh), bare(), fresh=fresh).mean())
    assert found == pytest.approx(expected, abs=4 * math.sqrt(c / (DRAWS * PIXELS)))


@both_modes
@pytest.mark.parametrize("asked", [{"lam": 0.0}, {"k": 0}], ids=str)
@pytest.mark.parametrize("kernel", ["mean", "sample"])
def test_without_weight_the_draws_are_bit_by_bit_the_students(renoised, asked, kernel):
    own, base, nets = net_pair(PATH, GRID, renoised=renoised)
    sampler, fresh = correct(own, base, Guided(kernel=kernel, **asked)), noise(3)
    drawn = sampler.draw(fresh(0), bare(maps=1), fresh=fresh)
    assert torch.equal(drawn, own.draw(fresh(0), bare(maps=1), fresh=fresh))
    assert (sampler.nfe, nets[1].calls) == (3, 0)
    assert sampler.correction.draws


@both_modes
def test_a_small_weight_changes_a_draw_by_little(renoised):
    own, base, _ = net_pair(PATH, GRID, renoised=renoised)
    fresh, alone = noise(3), own.draw(noise(3)(0), bare(maps=1), fresh=noise(3))
    gaps = []
    for lam in (1e-3, 1e-2):
        drawn = correct(own, base, Guided(lam=lam, k=2)).draw(fresh(0), bare(maps=1), fresh=fresh)
        gaps.append(float((drawn - alone).abs().max()))
    assert gaps[0] < 0.02
    assert gaps[1] == pytest.approx(10 * gaps[0], rel=0.1)


@both_modes
@pytest.mark.parametrize("k", [1, 2, 5])
def test_every_led_step_asks_the_teacher_once_and_is_counted(renoised, k):
    own, base, nets = net_pair(PATH, GRID, renoised=renoised)
    sampler, fresh, seen = correct(own, base, Guided(k=k)), noise(2), []
    sampler.draw(fresh(0), bare(maps=1), lambda *done: seen.append(done), fresh=fresh)
    led = min(k, 2)
    assert nets[1].calls == led
    assert nets[0].calls == 3 + (0 if renoised else led)
    assert sampler.nfe == sum(net.calls for net in nets)
    assert seen == [(i + 1, sampler.nfe) for i in range(sampler.nfe)]


@pytest.mark.parametrize("renoise", ["next", "random"])
def test_a_draw_of_the_teacher_counts_as_many_calls_as_it_may_take(renoise):
    own, base, nets = net_pair(PATH, GRID)
    guided = Guided(lam=0.5, k=2, renoise=renoise, kernel="sample", steps=3)
    sampler, fresh, seen = correct(own, base, guided), noise(6), []
    sampler.draw(fresh(0), bare(maps=1), lambda *done: seen.append(done), fresh=fresh)
    assert sampler.nfe == 3 + 2 + 2 * 5
    assert seen == [(i + 1, sampler.nfe) for i in range(sampler.nfe)]
    assert nets[1].calls > 0
    with pytest.raises(ValueError, match="a random number a sample too"):
        sampler.draw(fresh(0), bare(maps=1), fresh=lambda step: fresh(step))


@both_modes
@pytest.mark.parametrize("kernel", ["mean", "sample"])
@pytest.mark.parametrize("renoise", ["next", "random"])
def test_a_draw_is_that_of_any_batch_tile_and_crop(renoised, kernel, renoise):
    grid = (1.0, 0.4, 0.0)
    steps = 1 if kernel == "sample" else None
    guided = Guided(lam=0.5, kernel=kernel, renoise=renoise, steps=steps)  # 4 calls: 8 pixels far
    own, base, _ = net_pair(PATH, grid, renoised=renoised)
    sampler, fresh, whole = correct(own, base, guided), noise(5, shape=(16, 64)), bare(16, 64, 1)
    together = sampler.draw(fresh(0), whole, fresh=fresh)
    for k in range(5):
        alone = noise(1, first=k, shape=(16, 64))
        torch.testing.assert_close(sampler.draw(alone(0), whole, fresh=alone)[0], together[k])
    cut_own, cut_base, _ = net_pair(PATH, grid, renoised=renoised, tile=16)
    on_tiles = correct(cut_own, cut_base, guided).draw(fresh(0), whole, fresh=fresh)
    torch.testing.assert_close(on_tiles, together)
    part = noise(5, shape=(16, 48), origin=(0, 16))
    cropped = type(whole)(whole.maps[..., 16:], whole.vector)
    cut = sampler.draw(part(0), cropped, fresh=part)
    torch.testing.assert_close(cut[..., 8:], together[..., 24:])


def test_the_predicted_loss_is_a_map_its_mean_and_a_sentence():
    grid = (1.0, 0.5, 0.0)
    variance = np.array([[1.0, 0.25], [4.0, 1.0]])
    told = predicted_variance_loss(Guided(lam=0.3), PATH, variance, grid=grid, renoised=True)
    rho = variance / (variance + 1)
    np.testing.assert_allclose(told.map, rho * (1 - rho) * 0.3 * 1.7)
    assert told.mean == pytest.approx((told.map * variance).sum() / variance.sum())
    assert told.sentence == (
        "Guidance by the teacher's mean is expected to take 9.6% of the posterior variance "
        "(8.2% to 12.8% over the pixels) from a student that is exact, taking the posterior as "
        "Gaussian."
    )
    assert (
        "takes no variance"
        in predicted_variance_loss(Guided(kernel="sample"), PATH, variance, grid=grid).sentence
    )
    with pytest.raises(InputError, match="has to be positive everywhere"):
        predicted_variance_loss(Guided(), PATH, 0.0, grid=grid)


def test_one_of_the_worst_losses_is_a_quarter_of_the_weights_share():
    grid = (1.0, 0.5, 0.0)  # rho is a half for a variance of 1
    for lam, loss in ((0.1, 0.0475), (0.3, 0.1275), (1.0, 0.25)):
        told = predicted_variance_loss(Guided(lam=lam), PATH, 1.0, grid=grid, renoised=True)
        assert told.mean == pytest.approx(loss)


def test_a_student_of_one_step_and_values_out_of_range_are_refused():
    own, base, _ = net_pair(PATH, (1.0, 0.0))
    with pytest.raises(InputError, match="takes 1 step and the last one is not led"):
        correct(own, base, Guided())
    for options, said in (
        ({"lam": 1.2}, "lam is 1.2; give a number from 0"),
        ({"lam": math.nan}, "lam is nan"),
        ({"k": -1}, "k is -1; give a whole number from 0"),
        ({"renoise": "same"}, "renoise is 'same'; use 'next' or 'random'"),
        ({"kernel": "mode"}, "kernel is 'mode'; use 'mean' or 'sample'"),
        ({"steps": 3}, "asks the teacher once a step; leave steps out"),
    ):
        with pytest.raises(InputError, match=said):
            Guided(**options)


def test_it_says_what_it_is_and_what_its_images_are():
    own, base, _ = net_pair(PATH, GRID)
    mean, sample = (correct(own, base, Guided(kernel=kernel)) for kernel in ("mean", "sample"))
    assert (mean.name, mean.role) == ("flow-3 + guided", "student")
    assert mean.description == (
        "student, 3 steps, 1 led by the teacher's mean (0.1), 5 network evaluations"
    )
    assert "the images are no posterior draws" in mean.meaning
    assert "stays the teacher's posterior" in sample.meaning
    assert (mean.correction.draws, sample.correction.draws) == (False, True)
