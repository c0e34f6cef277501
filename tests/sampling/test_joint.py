"""A draw is one joint draw: batch, tile, order and crop leave its noise and its pixels alone."""

from __future__ import annotations

import pytest
import torch
from grid_power import grid_power
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from napari_posterior.networks.registry import STRIDE, VelocityUNet
from napari_posterior.sampling.conditioning import Condition, pad_to_stride
from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.sampling.samplers import StudentSampler, TeacherSampler
from napari_posterior.sampling.tiling import tiled

RELATIVE = 1e-5


@pytest.fixture(scope="module")
def net() -> VelocityUNet:
    """The shipped architecture with random weights that make a neighbourhood matter."""
    torch.manual_seed(0)
    net = VelocityUNet(channels=(8, 12, 16), blocks=1, maps=4)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.12)
    return net.eval().requires_grad_(False)


def condition(height: int, width: int, seed: int = 0) -> Condition:
    rng = torch.Generator().manual_seed(seed)
    maps = pad_to_stride(torch.randn(1, 4, height, width, generator=rng), STRIDE)
    centre, spread = 20 + 3 * maps[:, 2:3], (0.3 * maps[:, 3:]).exp()
    return Condition(maps, torch.tensor([[0.1, 0.2, 0.3, 1.0]]), centre, spread, (height, width))


def teacher(net: VelocityUNet, tile: int | None) -> TeacherSampler:
    on_tiles = tiled(net, tile=tile, halo=net.receptive_field, stride=STRIDE)
    return TeacherSampler("teacher", Teacher(LinearFlow(), on_tiles), "heun", uniform(4))


def student(net: VelocityUNet, tile: int | None) -> StudentSampler:
    on_tiles = tiled(net, tile=tile, halo=net.receptive_field, stride=STRIDE)
    return StudentSampler("student", FlowMap(LinearFlow(), on_tiles), (1.0, 0.0))


def noise(cond: Condition, samples: list[int]) -> Tensor:
    return canvas(samples, cond.padded_shape, seed=7)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=RELATIVE * float(expected.abs().max()))


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    height=st.integers(4, 110).map(lambda half: 2 * half + 1),
    width=st.integers(4, 110).map(lambda half: 2 * half + 1),
    tile=st.integers(1, 80),
    make=st.sampled_from([teacher, student]),
)
def test_draws_on_tiles_equal_untiled_ones_for_odd_sizes(net, height, width, tile, make):
    cond = condition(height, width)
    z = noise(cond, [0, 1])
    tile = max(tile, 24)  # smaller ones are right too, and slow
    assert_equal(make(net, tile).draw(z, cond), make(net, None).draw(z, cond))


def test_a_halo_that_is_too_short_is_seen_in_a_draw(net):
    cond = condition(97, 201)
    z = noise(cond, [0])
    cut = tiled(net, tile=40, halo=STRIDE, stride=STRIDE)
    short = TeacherSampler("teacher", Teacher(LinearFlow(), cut), "heun", uniform(4))
    whole = teacher(net, None).draw(z, cond)
    difference = (short.draw(z, cond) - whole).abs().max()
    assert float(difference) > 10 * RELATIVE * float(whole.abs().max())


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0], [3], [2, 4, 1, 0, 3]])
@pytest.mark.parametrize("tile", [None, 40])
def test_a_draw_does_not_depend_on_those_drawn_with_it(net, order: list[int], tile: int | None):
    cond = condition(41, 75)
    alone = {sample: teacher(net, None).draw(noise(cond, [sample]), cond)[0] for sample in range(5)}
    together = teacher(net, tile).draw(noise(cond, order), cond)
    for sample, drawn in zip(order, together, strict=True):
        assert_equal(drawn, alone[sample])


def test_far_from_its_edge_a_draw_of_a_crop_is_the_crop_of_the_draw(net):
    reach = 2 * 2 * net.receptive_field  # two Heun steps, the second one a jump: three calls
    cond = condition(48, 8 * 130)
    sampler = TeacherSampler("teacher", Teacher(LinearFlow(), net), "heun", (1.0, 0.5, 0.0))
    z = noise(cond, [0])
    part = slice(64, 64 + 8 * 110)
    crop = Condition(
        cond.maps[..., part],
        cond.vector,
        cond.centre[..., part],
        cond.spread[..., part],
        (48, 8 * 110),
    )
    whole, cut = sampler.draw(z, cond)[..., part], sampler.draw(z[..., part], crop)
    inside = slice(reach, 8 * 110 - reach)
    assert_equal(cut[..., inside], whole[..., inside])
    assert float((cut - whole).abs().max()) > 10 * RELATIVE * float(whole.abs().max())


def test_a_variance_map_has_no_grid_with_a_halo_and_has_one_without(net):
    side = 256
    level = Condition(
        torch.zeros(1, 4, side, side),
        torch.tensor([[0.1, 0.2, 0.3, 1.0]]),
        torch.zeros(1, 1, side, side),
        torch.ones(1, 1, side, side),
        (side, side),
    )
    z = noise(level, list(range(12)))

    def variance(halo: int) -> float:
        cut = tiled(net, tile=32, halo=halo, stride=STRIDE)
        draws = StudentSampler("one", FlowMap(LinearFlow(), cut), (1.0, 0.0)).draw(z, level)
        # what the edge of the frame changes is left out
        return grid_power(draws.var(dim=0)[32:-32, 32:-32].numpy(), 32, lattice=STRIDE)

    assert variance(net.receptive_field) < 2
    assert variance(0) > 4
