from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_posterior.errors import InputError
from napari_posterior.image import Geometry, Image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.training.own.clean import CleanFolder, clean_planes, noise_share

CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)


def as_stack(*planes: np.ndarray, axes: str = "zyx") -> Image:
    return Image(np.stack(planes), Geometry(tuple(axes), (1.0,) * 3, ("pixel",) * 3, (0.0,) * 3))


def test_level_and_unit_of_a_clean_image_do_not_matter(scenes):
    one, other = scenes(2)
    first = clean_planes(as_stack(one, other))
    again = clean_planes(as_stack(400 + 250 * one, 400 + 250 * other))
    assert np.abs(first - again).max() < 1e-3
    assert first.min() == 0
    assert 0.8 < np.quantile(first, 0.999) < 1.5


def test_planes_of_a_channel_keep_their_brightness_and_channels_do_not(scenes):
    one, _ = scenes(2)
    dim = 0.1 * (one - one.min())
    planes = clean_planes(as_stack(one - one.min(), dim))
    assert planes[1].max() == pytest.approx(0.1 * planes[0].max(), rel=0.05)
    channels = clean_planes(as_stack(one - one.min(), dim, axes="cyx"))
    assert channels[1].max() == pytest.approx(channels[0].max(), rel=0.05)


def test_noise_share_is_that_of_the_photons(scenes):
    x = scenes(1, 256, kind="nuclei")[0]
    rng = np.random.default_rng(0)
    shares = {}
    for peak in (30.0, 1000.0):
        y = 2.0 * rng.poisson(peak * x) + 100
        level, bright = np.quantile(x, (0.005, 0.999))
        shares[peak] = noise_share(y) / ((peak * bright) ** 0.5 / (peak * (bright - level)))
    assert all(0.7 < share < 1.4 for share in shares.values())


def test_noisy_images_are_warned_about_with_the_photon_levels_that_they_will_do_for(
    tmp_path, scenes
):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    for number, x in enumerate(scenes(4, 128, kind="nuclei")):
        tifffile.imwrite(folder / f"{number}.tif", rng.poisson(100 * x).astype(np.float32))
    told: list[str] = []
    CleanFolder(folder, CAMERA, Psf(1.5)).prepare(tmp_path / "data", told.append)
    (warned,) = (text for text in told if "noisy themselves" in text)
    assert "4 of 4 images" in warned
    assert "--peak 5 " in warned
    told.clear()
    CleanFolder(folder, CAMERA, Psf(1.5), peak=(1.0, 8.0)).prepare(tmp_path / "data", told.append)
    assert not any("noisy themselves" in text for text in told)


def test_images_more_blurred_than_the_target_are_warned_about(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "images"
    folder.mkdir()
    grid = np.arange(192)
    for number in range(4):
        y = np.full((192, 192), 20.0)
        for row, column in 16 + 32 * np.argwhere(np.ones((5, 5))) + rng.uniform(-3, 3, (25, 2)):
            spot = np.exp(-((grid[:, None] - row) ** 2 + (grid - column) ** 2) / (2 * 1.8**2))
            y += 3000 * spot
        tifffile.imwrite(folder / f"{number}.tif", rng.poisson(y).astype(np.uint16))
    told: list[str] = []
    CleanFolder(folder, CAMERA, Psf(1.8)).prepare(tmp_path / "data", told.append)
    (warned,) = (text for text in told if "as blurred" in text)
    assert "a PSF of 1" in warned


def test_files_that_cannot_be_used_are_left_out_with_a_sentence(tmp_path, clean_folder):
    tifffile.imwrite(clean_folder / "tiny.tif", np.eye(20, dtype=np.float32))
    np.save(clean_folder / "text.npy", np.array(["a", "b"]))
    told: list[str] = []
    data = CleanFolder(clean_folder, CAMERA, Psf(1.5)).prepare(tmp_path / "data", told.append)
    assert data.record.files == 5
    assert data.record.pixels == 6 * 96 * 96
    left_out = [text for text in told if text.startswith("Left out: ")]
    assert ["text" in left_out[0], "tiny" in left_out[1]] == [True, True]
    assert any("Held out of training" in text and "cell2.tif" in text for text in told)


def test_a_folder_of_nothing_usable_is_refused(tmp_path):
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "flat.npy", np.zeros((80, 80)))
    with pytest.raises(InputError, match="no image of"):
        CleanFolder(tmp_path / "images", CAMERA, Psf(1.5)).prepare(tmp_path / "d", lambda _: None)


def test_one_small_image_cannot_be_split(tmp_path, scenes):
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "one.npy", scenes(1, 100)[0])
    with pytest.raises(InputError, match="too few to hold one out"):
        CleanFolder(tmp_path / "images", CAMERA, Psf(1.5)).prepare(tmp_path / "d", lambda _: None)


@pytest.mark.parametrize("peak", [(0.0, 5.0), (9.0, 5.0), (5.0, float("nan"))])
def test_photon_levels_have_to_be_a_range(tmp_path, peak):
    with pytest.raises(InputError, match="photon levels"):
        CleanFolder(tmp_path, CAMERA, Psf(1.5), peak=peak)


def test_measurements_are_drawn_around_the_camera_and_psf_that_are_given(tmp_path):
    trained = CleanFolder(tmp_path, CAMERA, Psf(1.5)).trained
    assert trained.psf_sigma[0] < 1.5 < trained.psf_sigma[1]
    assert trained.read_noise[0] < 1.5 < trained.read_noise[1]
    assert CleanFolder(tmp_path, CAMERA, Psf()).trained.psf_sigma[0] == 1.0
