"""Networks that have no receptive field: their tiles overlap and blend instead of having a halo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import napari_posterior as npo
from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import NetworkConfig
from napari_posterior.errors import InputError
from napari_posterior.networks.registry import ARCHITECTURES, reach_of
from napari_posterior.physics.measurement import Measurement
from napari_posterior.sampling.blending import BlendedNet
from napari_posterior.sampling.tiling import TiledNet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.bundles.bundle import Bundle

TILE = 32


class Normed(nn.Module):
    """A velocity that depends on the mean square of its whole frame; it has no reach."""

    def __init__(self, path: str = "linear") -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.3]))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        size = x.square().mean((1, 2, 3), keepdim=True).sqrt()
        return x * self.weight / (1 + size) + 0.1 * maps[:, :1]


class NormedPoint(nn.Module):
    """A point estimate of which the same is so, and which says it."""

    receptive_field = None

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5]))

    def forward(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        level = maps[:, :1].mean((1, 2, 3), keepdim=True)
        return maps[:, :1] - self.weight * level, torch.tanh(level + 0 * maps[:, :1])


@pytest.fixture
def bundle(
    tiny_writer: Callable[..., Path],
    tiny_parts: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bundle:
    parts = dict(tiny_parts)
    for name, net in (("teacher", Normed), ("point", NormedPoint)):
        monkeypatch.setitem(ARCHITECTURES, net.__name__, net)
        config = NetworkConfig(arch=net.__name__, arch_kwargs={})
        parts[name] = replace(parts[name], state_dict=net().state_dict(), config=config)
    return open_bundle(tiny_writer(tmp_path / "bundle", parts=parts))


@pytest.fixture
def plane() -> Measurement:
    """A plane that is bright on one side, so that no tile is like the whole."""
    level = np.linspace(2.0, 60.0, 96)[None].repeat(40, axis=0)
    y = np.random.default_rng(0).poisson(level).astype(np.float32)
    return Measurement(y, npo.Camera(gain=1.0, offset=0.0, read_noise=1.0), npo.Psf(1.4), 0.0)


def test_a_network_without_a_receptive_field_is_not_local():
    assert (reach_of(Normed()), reach_of(NormedPoint())) == (None, None)
    local = ARCHITECTURES["velocity-unet-1"](channels=(8, 8, 8), blocks=1)
    assert reach_of(local) == local.receptive_field > 0


def test_only_the_tiles_of_networks_that_are_not_local_blend(bundle: Bundle):
    teacher, student = (bundle.sampler(name, tile=TILE).model.net for name in ("teacher", "kd"))
    assert isinstance(teacher, BlendedNet)
    assert (teacher.tile, teacher.overlap) == (TILE, TILE // 4)
    assert isinstance(student, TiledNet)


def steepest(values: Tensor) -> float:
    """Largest step from column to column, as a share of the whole range."""
    return float(values.diff(dim=-1).abs().max() / (values.max() - values.min()))


def test_the_point_estimate_on_tiles_is_blended_and_has_no_edges(
    bundle: Bundle, plane: Measurement
):
    whole, tiles, one_tile = (
        bundle.conditioner(tile=tile).prepare(plane) for tile in (None, TILE, 96)
    )
    # the spread is level in each tile: four tiles beside each other would step by a third and more
    assert not whole.spread.diff(dim=-1).any()
    assert float(tiles.spread.max() / tiles.spread.min()) > 1.3
    assert steepest(tiles.spread) < 0.15
    assert torch.equal(one_tile.centre, whole.centre)
    assert torch.equal(one_tile.spread, whole.spread)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_velocity_on_tiles_has_no_edges(bundle: Bundle, precision: str):
    net = bundle.sampler("teacher", tile=TILE, precision=precision).model.net
    x = torch.linspace(0.1, 3.0, 96)[None, None, None].repeat(1, 1, 40, 1)
    ones = torch.ones(1)
    share = net(x, ones, ones, torch.zeros(1, 4, 40, 96), torch.zeros(1, 4)) / x
    assert float(share.max() / share.min()) > 1.3
    assert steepest(share) < 0.15


def test_a_draw_on_tiles_is_one_draw_that_differs_a_little_from_the_untiled_one(
    bundle: Bundle, plane: Measurement
):
    condition = bundle.conditioner().prepare(plane)
    z = torch.randn(2, 1, 40, 96, generator=torch.Generator().manual_seed(0))
    whole, tiles, one_tile = (
        bundle.sampler("teacher", tile=tile).draw(z, condition) for tile in (None, TILE, 96)
    )
    assert torch.isfinite(tiles).all()
    assert torch.equal(one_tile, whole)
    assert 1e-4 < float((tiles - whole).abs().max() / whole.std()) < 0.5


def test_a_run_of_such_a_network_draws_on_tiles(bundle: Bundle, plane: Measurement):
    run = npo.restore(
        plane.y, model=bundle, samples=2, camera=plane.camera, psf=plane.psf, tile=TILE
    )
    assert run.request.tile == TILE
    assert np.isfinite(np.asarray(run.samples)).all()


def test_a_tile_without_room_for_its_overlap_is_refused(bundle: Bundle):
    with pytest.raises(InputError, match="give tiles of at least 16 px"):
        bundle.sampler("teacher", tile=8)
