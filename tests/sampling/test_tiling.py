"""Tiling a network call changes nothing but the memory it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from napari_posterior.errors import InputError
from napari_posterior.networks.registry import STRIDE, build
from napari_posterior.sampling.tiling import tiled, tiled_point, windows


class LocalNet(nn.Module):
    """Three padded 3x3 convolutions: reach 3 pixels; reads every argument."""

    reach = 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(8, 1, 3, padding=1),
        )
        self.sizes: list[tuple[int, int]] = []

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        self.sizes.append(tuple(x.shape[-2:]))
        scale = (s - 2 * t + vector.sum(1))[:, None, None, None]
        return self.layers(torch.cat([x, maps], dim=1)) * scale


class StridedNet(nn.Module):
    """Down and up by 4 with padded convolutions: exact only on tiles aligned to the stride."""

    reach = 16

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.down = nn.Conv2d(3, 8, 4, stride=4)
        self.middle = nn.Conv2d(8, 16, 3, padding=1)
        self.up = nn.PixelShuffle(4)

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        return self.up(self.middle(torch.tanh(self.down(torch.cat([x, maps], dim=1)))))


def inputs(height: int, width: int, maps: int = 2, batch: int = 2) -> tuple[Tensor, ...]:
    rng = torch.Generator().manual_seed(2)
    x = torch.randn(batch, 1, height, width, generator=rng)
    conditions = torch.randn(1, maps, height, width, generator=rng).expand(batch, -1, -1, -1)
    times = torch.tensor([0.9, 0.4])[:batch], torch.tensor([0.3, 0.0])[:batch]
    return x, *times, conditions, torch.randn(batch, 4, generator=rng)


@pytest.mark.parametrize("shape", [(40, 56), (17, 33), (64, 8), (31, 100)])
@pytest.mark.parametrize("tile", [5, 8, 16, 20])
def test_tiles_of_a_local_network_equal_the_whole_frame(shape: tuple[int, int], tile: int):
    net, args = LocalNet(), inputs(*shape)
    with torch.no_grad():
        whole = net(*args)
        cut = tiled(net, tile=tile, halo=net.reach, stride=1)(*args)
    assert torch.allclose(cut, whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 56), (64, 24), (72, 8)])
@pytest.mark.parametrize("tile", [4, 10, 16, 30])
def test_tiles_of_a_strided_network_equal_the_whole_frame(shape: tuple[int, int], tile: int):
    net, args = StridedNet(), inputs(*shape)
    with torch.no_grad():
        whole = net(*args)
        cut = tiled(net, tile=tile, halo=7, stride=4)(*args)
    assert torch.allclose(cut, whole, atol=1e-5)


def test_tiles_of_the_shipped_architecture_equal_the_whole_frame():
    torch.manual_seed(3)
    net = build("velocity-unet-1", {"maps": 2, "channels": (8, 12, 16), "blocks": 1})
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    args = inputs(152, 264, batch=1)
    with torch.no_grad():
        whole = net(*args)
        cut = tiled(net, tile=40, halo=net.receptive_field, stride=STRIDE)(*args)
    assert float(whole.std()) > 0.1
    assert torch.allclose(cut, whole, atol=1e-5 * float(whole.abs().max()))


def test_a_halo_below_the_reach_is_seen():
    net, args = LocalNet(), inputs(40, 56)
    with torch.no_grad():
        difference = tiled(net, tile=16, halo=net.reach - 1, stride=1)(*args) - net(*args)
    assert float(difference.abs().max()) > 1e-3


def test_no_window_is_larger_than_a_tile_and_two_halos():
    net = LocalNet()
    with torch.no_grad():
        tiled(net, tile=13, halo=3, stride=8)(*inputs(80, 120))
    assert len(net.sizes) == 5 * 8
    assert max(max(size) for size in net.sizes) == 16 + 2 * 8


def test_a_frame_no_larger_than_a_tile_is_one_call_and_no_tile_is_the_network_itself():
    net = LocalNet()
    with torch.no_grad():
        tiled(net, tile=64, halo=3, stride=8)(*inputs(40, 64))
    assert net.sizes == [(40, 64)]
    assert tiled(net, tile=None, halo=3) is net


@pytest.mark.parametrize(
    ("length", "tile", "halo"), [(40, 8, 3), (41, 16, 0), (7, 16, 8), (9, 1, 2)]
)
def test_windows_keep_every_pixel_once_and_stay_in_the_frame(length: int, tile: int, halo: int):
    kept: list[int] = []
    for frame, window, inside in windows(length, tile=tile, halo=halo):
        indices = range(length)[window][inside]
        assert list(indices) == list(range(length)[frame])
        assert window.start == max(frame.start - halo, 0)
        assert window.stop == min(frame.stop + halo, length)
        kept.extend(indices)
    assert kept == list(range(length))


@pytest.mark.parametrize("tile", [0, -8])
def test_a_tile_without_pixels_is_refused(tile: int):
    with pytest.raises(InputError, match="tile size"):
        tiled(LocalNet(), tile=tile, halo=3)


def test_a_negative_halo_is_a_fault():
    with pytest.raises(ValueError, match="halo"):
        tiled(LocalNet(), tile=8, halo=-1)


@pytest.mark.parametrize(("length", "tile"), [(2056, 1024), (104, 40), (8, 8), (1000, 64)])
def test_tiles_of_one_axis_are_as_few_as_possible_and_nearly_equal(length: int, tile: int):
    sizes = [kept.stop - kept.start for kept, _, _ in windows(length, tile=tile, halo=8, stride=8)]
    assert len(sizes) == -(-length // tile)
    assert max(sizes) <= tile
    assert max(sizes) - min(sizes) <= 8
    assert all(size % 8 == 0 for size in sizes)


@pytest.mark.parametrize("shape", [(152, 264), (64, 200)])
def test_tiles_of_a_point_network_equal_the_whole_frame(shape: tuple[int, int]):
    torch.manual_seed(4)
    net = build("point-unet-1", {"channels": (8, 12, 16), "blocks": 1})
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    rng = torch.Generator().manual_seed(5)
    maps, vector = torch.randn(1, 2, *shape, generator=rng), torch.randn(1, 4, generator=rng)
    with torch.no_grad():
        whole = net(maps, vector)
        cut = tiled_point(net, tile=40, halo=net.receptive_field, stride=STRIDE)(maps, vector)
        short = tiled_point(net, tile=40, halo=8, stride=STRIDE)(maps, vector)
    for exact, other, wrong in zip(whole, cut, short, strict=True):
        largest = float(exact.abs().max())
        assert torch.allclose(other, exact, atol=1e-5 * largest)
        assert float((wrong - exact).abs().max()) > 1e-4 * largest
    assert tiled_point(net, tile=None, halo=8) is net
