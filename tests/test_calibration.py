"""Cameras from files and from frames: the public functions and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_posterior as npo
from napari_posterior.errors import InputError
from napari_posterior.physics.camera_files import write_camera

if TYPE_CHECKING:
    from collections.abc import Callable

GAIN, OFFSET, READ = 2.2, 100.0, 1.5


def expose(electrons: float | np.ndarray, frames: int, seed: int, read: Any = READ) -> np.ndarray:
    rng = np.random.default_rng(seed)
    light = np.broadcast_to(electrons, (frames, 64, 64))
    noisy = rng.poisson(light) + read * rng.normal(size=light.shape)
    return np.round(GAIN * noisy + OFFSET).astype(np.float32)


@pytest.fixture(scope="module")
def repeats() -> np.ndarray:
    """Ten exposures of a ramp from 2 to 80 photoelectrons."""
    return expose(np.linspace(2, 80, 64), 10, seed=0)


@pytest.fixture(scope="module")
def flats() -> list[np.ndarray]:
    return [expose(level, 10, seed=level) for level in (20, 60, 120)]


def save(folder: Path, name: str, frames: np.ndarray) -> Path:
    path = folder / name
    tifffile.imwrite(path, frames, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def layer_of(data: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(data=data, scale=(1.0,) * data.ndim)


def test_repeats_of_a_field_give_the_gain_whatever_holds_them(
    repeats: np.ndarray, tmp_path: Path
) -> None:
    found = npo.calibrate_camera(repeats)
    low, high = found.camera.gain_interval
    assert low < GAIN < high < 1.2 * low
    assert found.resolved
    path = save(tmp_path, "frames.tif", repeats)
    halves = [repeats[:5], repeats[5:]]
    for other in (path, str(path), layer_of(repeats), halves, [layer_of(one) for one in halves]):
        assert npo.calibrate_camera(other).camera == found.camera


def test_flats_and_darks_measure_offset_and_read_noise_too(flats: list[np.ndarray]) -> None:
    found = npo.calibrate_camera(flats, flats=True, dark=expose(0.0, 12, seed=9), bits=16)
    camera = found.camera
    assert camera.typical == pytest.approx((GAIN, OFFSET, READ), rel=0.05)
    assert camera.saturation == 65535


def test_pixels_of_a_camera_that_differ_become_maps(flats: list[np.ndarray]) -> None:
    read = np.where(np.arange(64) % 8 == 0, 6.0, READ)
    dark = expose(0.0, 40, seed=3, read=read)
    camera = npo.calibrate_camera(flats, flats=True, dark=dark).camera
    assert np.median(camera.read_noise[:, ::8]) == pytest.approx(6.0, rel=0.1)
    assert np.median(camera.read_noise[:, 1::8]) == pytest.approx(READ, rel=0.1)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ({"frames": []}, "there are no frames; give two or more"),
        ({"frames": np.ones((4, 32, 32)), "dark": np.ones((4, 32, 32))}, "give flats too"),
        ({"frames": [np.ones((2, 32, 32)), np.ones((2, 16, 32))]}, "the frames differ in size"),
        ({"frames": np.ones((1, 32, 32))}, "two or more exposures of one field"),
        ({"frames": "nowhere.tif"}, "nowhere.tif does not exist"),
    ],
)
def test_frames_that_cannot_be_used_are_refused(call: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        npo.calibrate_camera(**call)


def test_a_camera_is_read_from_a_layer_as_from_an_array() -> None:
    planes = np.stack([np.full((8, 9), level) for level in (2.0, 100.0, 9.0)])
    camera = npo.read_camera(layer_of(planes))
    assert camera == npo.read_camera(planes)
    assert camera.typical == (2.0, 100.0, 1.5)


@pytest.mark.parametrize("suffix", [".json", ".tif"])
def test_a_camera_that_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    numbers = npo.Camera(2.5, 100.0, 2.0, gain_interval=(2.4, 2.6), bits=12)
    maps = npo.Camera(np.full((8, 9), 2.5), 100.0, np.full((8, 9), 2.0))
    camera = numbers if suffix == ".json" else maps
    write_camera(camera, tmp_path / f"camera{suffix}")
    again = npo.read_camera(tmp_path / f"camera{suffix}")
    assert again.typical == camera.typical
    if suffix == ".json":
        assert again == camera
    with pytest.raises(InputError, match=r"has maps, which .* cannot hold"):
        write_camera(maps, tmp_path / "maps.json")
    with pytest.raises(InputError, match=r"does not end with \.json or \.tif"):
        write_camera(numbers, tmp_path / "camera.txt")


def test_the_command_measures_writes_and_restore_takes_the_file(
    command: Callable[..., Any],
    tiny_model: str,
    measured: np.ndarray,
    repeats: np.ndarray,
    tmp_path: Path,
) -> None:
    frames = save(tmp_path, "frames.tif", repeats)
    told = command("camera", frames, "--bits", 12, "--out", "camera.json")
    assert told.code == 0
    assert "camera: gain 2." in told.out
    assert "ADU/e- (95 % interval 2" in told.out
    assert "note: The gain was estimated from 10 frames of one field" in told.err
    assert json.loads(Path("camera.json").read_text())["bits"] == 12

    image = tmp_path / "cell.tif"
    tifffile.imwrite(image, measured)
    options = ("-m", tiny_model, "--sampler", "kd", "-k", 2, "--device", "cpu", "--psf-sigma", 1.4)
    assert command("restore", image, *options, "--camera", "camera.json").code == 0
    assert npo.open_run("cell-kd").request.camera == npo.read_camera("camera.json")

    again = command("camera", frames, "--out", "camera.json")
    assert (again.code, "camera.json exists already" in again.err) == (2, True)
    both = command("restore", image, "--camera", "camera.json", "--gain", 2)
    assert (both.code, "give either --camera or --gain, not both" in both.err) == (2, True)
