"""The check of the reference on the image at hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.sampling.conditioning import Condition
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.model import Teacher
from napari_posterior.sampling.on_image import check_on_image, cost_share, crop_condition
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.sampling.samplers import TeacherSampler

PATH = LinearFlow()


def condition(height: int = 40, width: int = 64, *, c: float = 1.0, shape=None) -> Condition:
    """A condition whose posterior residual has variance c, told to the network in its vector."""
    ones = torch.ones(1, 1, height, width)
    return Condition(
        maps=torch.zeros(1, 4, height, width),
        vector=torch.full((1, 4), c),
        centre=10 * ones,
        spread=2 * ones,
        shape=(height, width) if shape is None else shape,
    )


def net(x, s, t, maps, vector):
    """The exact velocity of a Gaussian posterior N(0, c)."""
    c, s = vector[:, :1, None, None], s[:, None, None, None]
    a, b = 1 - s, s
    return (b - a * c) / (a**2 * c + b**2) * x


def sampler(solver: str = "heun", n: int = 24) -> TeacherSampler:
    return TeacherSampler("teacher", Teacher(PATH, net), solver, make_grid("uniform", n))


def test_a_solver_that_suits_the_image_is_not_warned_about():
    check = check_on_image(sampler(), condition(), samples=3)
    assert check.warning is None
    assert abs(check.worst.variance) < 0.01


def test_a_loss_of_variance_on_this_image_is_warned_about_with_its_size():
    euler = sampler("euler", 16)
    check = check_on_image(euler, condition(c=0.1), samples=3)
    ratio = []
    for n in (16, 32):
        angles = [math.atan2(t, (1 - t) * math.sqrt(0.1)) for t in make_grid("uniform", n)]
        ratio.append(math.prod(math.cos(s - t) ** 2 for s, t in itertools.pairwise(angles)))
    assert check.worst.variance == pytest.approx(ratio[0] / ratio[1] - 1, abs=0.01)
    assert check.warning is not None
    assert f"{-check.worst.variance:.1%} less" in check.warning
    assert check.warning.count(".") > 1
    assert check.warning.endswith(".")


def test_the_same_sampler_is_warned_about_on_one_image_and_not_on_another():
    warned = [check_on_image(sampler(n=16), condition(c=c)).warning for c in (1.0, 0.002)]
    assert warned[0] is None
    assert warned[1] is not None


@pytest.mark.parametrize("solver", ["dpmpp2m", "ancestral", "dpmpp2m_sde"])
def test_every_solver_can_be_checked_and_fresh_noise_is_shared_by_both_grids(solver: str):
    check = check_on_image(sampler(solver, 48), condition(), samples=4)
    low, high = check.bands[3].variance_interval
    # samples with noise of their own would leave about +-0.09 open
    assert high - low < 0.08
    assert all(band.mean < 0.02 for band in check.bands)


def test_the_part_is_where_the_posterior_variance_is_and_lies_on_the_stride():
    whole = condition(96, 160)
    whole.spread[..., 50:70, 100:130] = 9.0
    part, (top, left) = crop_condition(whole, 37)
    assert part.padded_shape == part.shape == (32, 32)
    # columns 96 to 127 hold most of the bright ones among the corners on the stride
    assert left == 96
    assert top in (40, 48)
    assert torch.equal(part.spread, whole.spread[..., top : top + 32, left : left + 32])


@pytest.mark.parametrize(("height", "width"), [(30, 45), (17, 64), (32, 32)])
def test_padding_beside_the_image_is_never_part_of_what_is_measured(height: int, width: int):
    padded = [-(-n // 8) * 8 for n in (height, width)]
    whole = condition(*padded, shape=(height, width))
    whole.spread[..., height:, :] = 99.0
    part, (top, left) = crop_condition(whole, 32)
    assert top + part.shape[0] <= height
    assert left + part.shape[1] <= width
    assert part.decode(torch.zeros(2, 1, *part.padded_shape)).shape == (2, *part.shape)
    assert check_on_image(sampler(), whole, samples=3, side=32).side == part.shape


def test_the_check_costs_a_small_share_of_a_large_run_and_counts_its_calls():
    told: list[tuple[int, int]] = []
    check_on_image(sampler(n=4), condition(), on_step=lambda *call: told.append(call), samples=3)
    assert told == [(i, 7 + 15) for i in range(1, 23)]
    share = cost_share(sampler(n=4), (40, 64), 1, samples=3)
    assert share == pytest.approx(3 * (7 + 15) / 7)
    assert cost_share(sampler(), (512, 512), 64) < 0.02


def test_the_check_does_not_change_the_sampler_and_can_be_cancelled():
    one, whole = sampler(), condition()
    before = one.grid

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_on_image(one, whole, on_step=stop)
    assert one.grid == before
    with pytest.raises(InputError, match="3 samples"):
        check_on_image(one, whole, samples=2)
