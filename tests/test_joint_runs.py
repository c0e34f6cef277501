"""Runs of images of any axes: tiles, batches and crops leave samples where and as they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_posterior as npo
from napari_posterior.api.prepare import prepare
from napari_posterior.api.settings import Settings
from napari_posterior.bundles import speed
from napari_posterior.bundles.speed import Rate, Speed
from napari_posterior.errors import InputError, RunError
from napari_posterior.image import Geometry, Image, as_image

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.runs.runner import PreparedJob

SETTINGS = Settings(
    sampler="teacher",
    samples=3,
    seed=5,
    camera=npo.Camera(gain=2.0, offset=100.0, read_noise=1.5),
    psf=npo.Psf(sigma=1.5),
    device="cpu",
    tile=None,
    batch=1,
)
STACKS = {"yx": (), "zyx": (3,), "tyx": (2,), "cyx": (2,), "tzcyx": (2, 2, 2), "tczyx": (1, 2, 3)}


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    cache = tmp_path / "cache"
    shutil.copytree(tiny_bundle, cache / "models" / "tiny")
    monkeypatch.setenv("NAPARI_POSTERIOR_CACHE", str(cache))
    return npo.load_model("tiny")


def make_image(axes: str, plane: tuple[int, int] = (27, 85)) -> Image:
    shape = (*STACKS[axes], *plane)
    electrons = np.random.default_rng(1).poisson(6, shape)
    electrons[..., 8:14, 30:40] += 40
    geometry = replace(
        Geometry.default(shape),
        axes=tuple(axes),
        scale=tuple(0.5 + 0.1 * i for i in range(len(shape))),
        translate=tuple(float(i) for i in range(len(shape))),
    )
    return Image((2 * electrons + 100).astype(np.uint16), geometry)


def job_of(image: Image, bundle: Bundle, **changes: Any) -> PreparedJob:
    return prepare(image, bundle, replace(SETTINGS, **changes), model="tiny").job


def draw(job: PreparedJob, samples: tuple[int, ...], plane: int) -> torch.Tensor:
    return job.sampler.draw(job.canvas(samples, plane), job.conditions[plane])


@pytest.mark.parametrize("axes", STACKS)
def test_a_sample_on_tiles_equals_the_untiled_one_plane_by_plane(axes: str, bundle: Bundle):
    image = make_image(axes)
    whole, cut = job_of(image, bundle), job_of(image, bundle, tile=24)
    for plane in range(image.n_planes):
        expected = draw(whole, (0, 2), plane)
        found = draw(cut, (0, 2), plane)
        worst = float((found - expected).abs().max() / expected.abs().max())
        assert worst < 1e-5
        alone = draw(whole, (2,), plane)[0]
        torch.testing.assert_close(alone, expected[1], rtol=0, atol=1e-5 * float(alone.abs().max()))


@pytest.mark.parametrize("axes", ["tzcyx", "tczyx"])
def test_a_run_of_five_axes_is_kept_where_the_image_lies(axes: str, bundle: Bundle, tmp_path: Path):
    image = make_image(axes, (16, 21))
    run = npo.restore(
        image, model=bundle, sampler="kd", samples=2, camera=SETTINGS.camera, out=tmp_path / "run"
    )
    again = npo.open_run(run.path)
    assert again.samples.shape == (2, *image.data.shape)
    assert again.mean.shape == image.data.shape
    assert again.request.image.geometry == image.geometry
    # each plane is that of a run of the plane alone, with the numbers of its channel
    first = np.asarray(again.samples[0])
    assert np.isfinite(first).all()
    assert len(np.unique(first.reshape(-1, 16, 21).sum((1, 2)))) == image.n_planes


def test_channels_are_normalised_apart_and_planes_of_a_channel_alike(bundle: Bundle):
    image = make_image("tzcyx")
    bright = image.data.copy()
    bright[:, :, 1] += 900
    job = job_of(Image(bright, image.geometry), bundle)
    scales = [float(c.vector[0, 0]) for c in job.conditions]
    assert scales[0::2] == pytest.approx([scales[0]] * 4)
    assert scales[1::2] == pytest.approx([scales[1]] * 4)
    assert scales[0] != pytest.approx(scales[1])


@pytest.mark.parametrize("axes", ["yx", "zyx", "tzcyx"])
def test_the_noise_of_a_crop_is_the_crop_of_the_noise(axes: str, bundle: Bundle):
    image = make_image(axes)
    leading = tuple(slice(size - 1, size) for size in image.data.shape[:-2])
    crop = image.crop((*leading, slice(5, 22), slice(13, 62)))
    whole, part = job_of(image, bundle), job_of(crop, bundle)
    last = image.n_planes - 1
    expected = whole.canvas((0, 1), last)[..., 5:22, 13:62]
    assert torch.equal(part.canvas((0, 1), 0)[..., :17, :49], expected)
    if last:
        assert not torch.equal(whole.canvas((0, 1), 0)[..., 5:22, 13:62], expected)


def test_fresh_noise_of_a_step_belongs_to_the_position_too(bundle: Bundle):
    image = make_image("yx")
    whole, part = job_of(image, bundle), job_of(image.crop((slice(5, 22), slice(13, 62))), bundle)
    expected = whole.canvas((1,), 0, step=3)[..., 5:22, 13:62]
    assert torch.equal(part.canvas((1,), 0, step=3)[..., :17, :49], expected)
    assert not torch.equal(whole.canvas((1,), 0)[..., 5:22, 13:62], expected)


def test_a_crop_of_a_crop_knows_where_it_lies_in_the_first_image():
    image = make_image("zyx")
    part = image.crop((slice(1, 3), slice(4, 25), slice(10, 60)))
    inner = part.crop((slice(1, 2), slice(None), slice(3, 30)))
    assert inner.origin == (2, 4, 13)
    assert inner.corner == (4, 13)
    assert inner.plane_in_whole(0) == 2
    assert inner.geometry.translate == pytest.approx((0 + 2 * 0.5, 1 + 4 * 0.6, 2 + 13 * 0.7))
    np.testing.assert_array_equal(inner.data, image.data[2:3, 4:25, 13:40])
    assert as_image(inner, name="renamed").origin == inner.origin


def test_an_image_that_is_no_part_of_its_whole_is_refused():
    image = make_image("yx")
    with pytest.raises(InputError, match="does not lie in an image"):
        replace(image, origin=(4, 0))
    with pytest.raises(InputError, match="without a step"):
        image.crop((slice(0, 20, 2), slice(None)))


def test_a_remembered_device_decides_batch_tile_and_precision(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    known = Speed(
        float32=Rate(pixels=4 * 32 * 88, seconds=2e-6, bytes=300),
        bfloat16=Rate(pixels=8 * 32 * 88, seconds=1e-6, bytes=150),
    )
    monkeypatch.setattr("napari_posterior.api.sizing.recall", lambda key: known)
    image = make_image("yx", (32, 88))
    request = job_of(image, bundle, samples=64, tile="auto", batch="auto").request
    assert (request.batch, request.tile, request.precision) == (4, None, "float32")
    request = job_of(image, bundle, samples=64, tile="auto", batch="auto", precision="auto").request
    assert (request.batch, request.precision) == (8, "bfloat16")
    monkeypatch.setattr("napari_posterior.api.sizing.free_bytes", lambda device: 2 * 300 * 400**2)
    request = job_of(make_image("yx", (640, 640)), bundle, tile="auto", batch="auto").request
    assert request.tile == 256
    assert request.batch == 1


@pytest.mark.parametrize(("first", "now"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_a_run_is_gone_on_with_in_its_own_precision_where_none_is_asked_for(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, now: str
):
    rate = Rate(pixels=2**12, seconds=1e-6, bytes=100)
    slow = Rate(pixels=2**12, seconds=9e-6, bytes=100)
    fastest = {
        "float32": Speed(float32=rate, bfloat16=slow),
        "bfloat16": Speed(float32=slow, bfloat16=rate),
    }
    image = make_image("yx", (16, 21))
    options = {"model": bundle, "sampler": "kd", "camera": SETTINGS.camera, "precision": "auto"}
    monkeypatch.setattr("napari_posterior.api.sizing.recall", lambda key: fastest[first])
    begun = npo.restore(image, **options, samples=1, out=tmp_path / "run")
    assert begun.request.precision == first
    monkeypatch.setattr("napari_posterior.api.sizing.recall", lambda key: fastest[now])
    longer = npo.restore(image, **options, samples=3, resume=begun.path)
    assert (longer.request.precision, len(longer)) == (first, 3)
    with pytest.raises(RunError, match="made with another precision"):
        npo.restore(image, **{**options, "precision": now}, samples=4, resume=begun.path)


def test_a_device_is_measured_once_and_only_for_a_run_that_is_long_enough(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    measured: list[str] = []

    def measure(nets: dict[str, Any], *, device: str, maps: int, vector: int) -> Speed:
        measured.append(device)
        images = torch.zeros(1, maps, 16, 16)
        for net in nets.values():
            net(
                torch.zeros(1, 1, 16, 16),
                torch.ones(1),
                torch.ones(1),
                images,
                torch.zeros(1, vector),
            )
        return speed.usual(device)

    monkeypatch.setattr("napari_posterior.api.sizing.measure", measure)
    image = make_image("yx", (64, 64))
    job_of(image, bundle, samples=16)
    assert measured == []
    job_of(image, bundle, samples=4096)
    job_of(image, bundle, samples=4096)
    job_of(image, bundle, samples=16)
    assert measured == ["cpu"]


def test_a_point_estimate_has_no_sampler_to_measure(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("napari_posterior.api.sizing._WORTH_PLANE", 1)
    request = job_of(
        make_image("yx"), bundle, sampler="mse", samples=1, tile="auto", batch="auto"
    ).request
    assert (request.tile, request.batch) == (None, 1)
