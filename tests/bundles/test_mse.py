"""A bundle may bring a network for "mse"; without one the point estimate is it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.bundles.card import FlowMapConfig, PointConfig
from napari_posterior.errors import ModelError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    y = np.random.default_rng(0).poisson(50, (40, 56)).astype(np.float32)
    return Measurement(y, Camera(gain=2.0, offset=10.0, read_noise=1.5), Psf(1.4))


@pytest.fixture(scope="module")
def with_network(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_writer: Callable[..., Path],
    tiny_parts: dict[str, Any],
) -> Path:
    """A bundle whose "mse" has the weights of its student "kd"."""
    parts = {**tiny_parts, "mse": replace(tiny_parts["kd"], sampler=PointConfig())}
    return tiny_writer(tmp_path_factory.mktemp("mse") / "tiny", parts=parts)


def draw(bundle: Bundle, name: str, measurement: Measurement, z: float, **options: Any) -> Any:
    condition = bundle.conditioner().prepare(measurement)
    noise = torch.full((1, 1, *condition.padded_shape), z)
    return bundle.sampler(name, **options).draw(noise, condition)


def test_the_network_gives_the_data_it_sees_in_no_noise_at_time_1(
    with_network: Path, measurement: Measurement
) -> None:
    bundle = open_bundle(with_network)
    jump = draw(bundle, "kd", measurement, z=0.0)
    one = draw(bundle, "mse", measurement, z=3.0)
    condition = bundle.conditioner().prepare(measurement)
    nothing = torch.zeros(1, 1, *condition.padded_shape)
    # asked for F at t = 1 and not for a jump to t = 0; and not the centre
    assert not torch.allclose(one, jump)
    assert not torch.allclose(one, condition.decode(nothing))
    F = bundle.sampler("kd").model.F(nothing, 1.0, 1.0, condition)  # type: ignore[attr-defined]
    assert torch.equal(one, condition.decode(-F))


def test_its_tiles_are_the_whole(with_network: Path, measurement: Measurement) -> None:
    bundle = open_bundle(with_network)
    whole, cut = (draw(bundle, "mse", measurement, z=0.0, tile=tile) for tile in (None, 16))
    assert (whole - cut).abs().max() <= 1e-5 * whole.abs().max()


def test_users_ask_for_it_by_the_name_of_before(tiny_bundle: Path, with_network: Path) -> None:
    names = ("teacher", "kd", "flow", "mse")
    assert open_bundle(tiny_bundle).names == open_bundle(with_network).names == names
    for folder in (tiny_bundle, with_network):
        info = open_bundle(folder).info("mse")
        assert (info.name, info.role, info.nfe) == ("mse", "point", 1)
        with pytest.raises(ModelError, match="has no sampler 'point'"):
            open_bundle(folder).info("point")


def test_samples_depend_on_it_and_so_does_the_hash(tiny_bundle: Path, with_network: Path) -> None:
    assert open_bundle(tiny_bundle).weights_hash != open_bundle(with_network).weights_hash


def test_the_readme_says_what_the_image_of_mse_is(tiny_bundle: Path, with_network: Path) -> None:
    without, told = ((f / "README.md").read_text() for f in (tiny_bundle, with_network))
    assert "given where `mse` is asked for" in without
    assert "| `mse` |" not in without
    assert "| `mse` | point estimate: one image, not a draw" in told
    assert "given where" not in told


def test_a_student_is_not_taken_for_it(
    tmp_path: Path, tiny_writer: Callable[..., Path], tiny_parts: dict[str, Any]
) -> None:
    jump = FlowMapConfig(grids={"1": (1.0, 0.0)}, default_steps=1)
    parts = {**tiny_parts, "mse": replace(tiny_parts["kd"], sampler=jump)}
    with pytest.raises(ModelError, match="does not fit a point"):
        tiny_writer(tmp_path / "odd", parts=parts)
