"""Networks that are not local are evaluated on overlapping tiles without a visible grid."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
import torch
from grid_power import grid_power
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from napari_posterior.errors import InputError
from napari_posterior.sampling.blending import blended, blended_point, starts, weights
from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.model import Teacher
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.path import LinearFlow
from napari_posterior.sampling.samplers import TeacherSampler

if TYPE_CHECKING:
    import numpy as np


EYE = torch.eye(2)


class Field(nn.Module):
    """The velocity of a Gaussian field with smooth correlation, with zeros around what it sees.

    No pixel is out of reach of another one, and near the edge of a tile the velocity is another
    one than in the frame: what attention and a norm over space do to a tile.
    """

    def __init__(self, width: float = 2.0) -> None:
        super().__init__()
        self.width = width
        self.sizes: list[tuple[int, int]] = []

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        self.sizes.append((height, width))
        size = 2 * height, 2 * width
        rows, columns = torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])[None]
        exponent = 2 * math.pi**2 * self.width**2 * (rows**2 + columns**2)
        spectrum = 0.02 + 4 * math.pi * self.width**2 * torch.exp(-exponent)
        at = s[:, None, None, None]
        variance = (1 - at) ** 2 * spectrum + at**2
        # linear flow: F = E[eps - x0 | x] of N(0, spectrum)
        gain = (at - (1 - at) * spectrum) / variance
        F = torch.fft.irfft2(torch.fft.rfft2(x, s=size) * gain, s=size)
        return F[..., :height, :width]


class OnTiles(nn.Module):
    """What peers do: tiles beside each other, of one noise, and no blending."""

    def __init__(self, net: nn.Module, tile: int) -> None:
        super().__init__()
        self.net, self.tile = net, tile

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        out = torch.empty_like(x)
        for r in range(0, x.shape[-2], self.tile):
            for c in range(0, x.shape[-1], self.tile):
                part = slice(r, r + self.tile), slice(c, c + self.tile)
                out[..., *part] = self.net(x[..., *part], s, t, maps[..., *part], vector)
        return out


class Plain:
    """A condition of nothing: states are their own photoelectrons."""

    def __init__(self, height: int, width: int) -> None:
        self.maps, self.vector = torch.zeros(1, 1, height, width), torch.zeros(1, 1)

    def decode(self, r: Tensor) -> Tensor:
        return r[:, 0]


def maps_of(net: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Variance and mean square slope over draws, without the margin that the frame's edge reaches.

    Both are level but for the noise of 16 draws, wherever no tile ends.
    """
    sampler = TeacherSampler("teacher", Teacher(LinearFlow(), net), "heun", uniform(5))
    x = sampler.draw(canvas(range(16), (256, 256), seed=3), Plain(256, 256))
    slope = x.diff(dim=1)[..., 1:].square() + x.diff(dim=2)[:, 1:].square()
    # 192 px, four times the distance of the tiles
    inside = slice(32, 224)
    return x.var(dim=0)[inside, inside].numpy(), slope.mean(dim=0)[inside, inside].numpy()


@settings(max_examples=80, deadline=None)
@given(
    blocks=st.integers(1, 40),
    tile=st.integers(2, 12),
    overlap=st.integers(1, 11),
    stride=st.sampled_from([1, 8]),
)
def test_tiles_cover_every_pixel_with_shares_that_sum_to_one(blocks, tile, overlap, stride):
    overlap = min(overlap, tile - 1)
    length, tile, overlap = (max(blocks, tile) * stride, tile * stride, overlap * stride)
    first = starts(length, tile=tile, overlap=overlap, stride=stride)
    share = weights(length, tile=tile, starts=first)
    total = torch.zeros(length, dtype=torch.float64)
    for start, weight in zip(first, share, strict=True):
        assert start % stride == 0
        total[start : start + tile] += weight
    assert (first[0], first[-1] + tile) == (0, length)
    assert all(b - a <= tile - overlap for a, b in itertools.pairwise(first))
    assert float(share.min()) >= 0
    torch.testing.assert_close(total, torch.ones(length, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(40, 56), (72, 24), (64, 104)])
def test_a_velocity_that_every_tile_agrees_on_is_left_as_it_is(shape: tuple[int, int]):
    def net(x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        return torch.sin(3 * x) * s[:, None, None, None] + maps[:, :1]

    rng = torch.Generator().manual_seed(0)
    x, maps = torch.randn(3, 1, *shape, generator=rng), torch.randn(3, 2, *shape, generator=rng)
    s, vector = torch.tensor([0.9, 0.5, 0.1]), torch.zeros(3, 4)
    whole = net(x, s, s, maps, vector)
    mixed = blended(net, tile=24, overlap=8)(x, s, s, maps, vector)
    torch.testing.assert_close(mixed, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("shape", [(40, 56), (72, 24)])
def test_a_point_estimate_that_every_tile_agrees_on_is_left_as_it_is(shape: tuple[int, int]):
    def net(maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        return maps[:, :1] + vector[:, :1, None, None], torch.cos(maps[:, 1:])

    maps, vector = torch.randn(2, 2, *shape, generator=torch.Generator().manual_seed(0)), EYE
    whole, mixed = net(maps, vector), blended_point(net, tile=24)(maps, vector)
    for expected, found in zip(whole, mixed, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert blended_point(net, tile=None) is net
    assert torch.equal(blended_point(net, tile=72)(maps, vector)[0], whole[0])


def test_tiles_overlap_by_a_quarter_where_nothing_else_is_asked_for():
    starts_of = Field()
    arguments = torch.zeros(1, 1, 64, 304), torch.ones(1), torch.ones(1)
    blended(starts_of, tile=64)(*arguments, torch.zeros(1, 1, 64, 304), torch.zeros(1, 1))
    assert starts_of.sizes == [(64, 64)] * 6
    assert blended(starts_of, tile=60).overlap == 16
    with pytest.raises(InputError, match="give tiles of at least 16 px"):
        blended(starts_of, tile=5)


def test_all_tiles_have_the_size_that_was_asked_for():
    net = Field()
    arguments = torch.zeros(1, 1, 104, 64), torch.ones(1), torch.ones(1)
    blended(net, tile=46, overlap=10)(*arguments, torch.zeros(1, 1, 104, 64), torch.zeros(1, 1))
    assert set(net.sizes) == {(48, 48)}


def test_a_frame_no_larger_than_a_tile_is_one_call_and_no_tile_is_the_network_itself():
    net = Field()
    arguments = torch.zeros(1, 1, 40, 64), torch.ones(1), torch.ones(1)
    blended(net, tile=64, overlap=16)(*arguments, torch.zeros(1, 1, 40, 64), torch.zeros(1, 1))
    assert net.sizes == [(40, 64)]
    assert blended(net, tile=None, overlap=16) is net


def test_draws_of_blended_velocities_show_no_grid_and_those_of_bare_tiles_do():
    net = Field()
    whole = maps_of(net)
    blend = maps_of(blended(net, tile=64))  # tiles overlap by 16 and begin 48 px apart
    bare = maps_of(OnTiles(net, 48))
    for level, smooth, seams in zip(whole, blend, bare, strict=True):
        assert grid_power(smooth, 48) < 2
        assert grid_power(smooth, 48) == pytest.approx(grid_power(level, 48), rel=0.1)
        assert grid_power(seams, 48) > 20
    assert float(blend[0].mean() / whole[0].mean()) == pytest.approx(1, abs=0.01)


def test_tiles_that_cannot_overlap_as_asked_are_refused():
    with pytest.raises(InputError, match="give tiles of at least 64 px"):
        blended(Field(), tile=32, overlap=32)
    with pytest.raises(InputError, match="tile size"):
        blended(Field(), tile=0, overlap=8)


def test_no_overlap_is_a_fault():
    with pytest.raises(ValueError, match="overlap"):
        blended(Field(), tile=32, overlap=0)
