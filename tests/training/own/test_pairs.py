from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.training.own.pairs import PairFolders, fit_pair

CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)


def read_pair(folders, name="f0.tif"):
    return tuple(tifffile.imread(folder / name) for folder in folders)


def test_the_clean_image_is_brought_to_photoelectrons_level_and_place_of_the_noisy(
    pair_folders, scenes
):
    noisy, clean = read_pair(pair_folders)
    x, electrons, edge = fit_pair(noisy, clean, CAMERA, Psf())
    assert edge == 2
    assert np.allclose(electrons, (noisy - 100) / 2)
    inner = (slice(4, -4), slice(4, -4))
    z = (electrons - x)[inner] / np.sqrt(x.clip(0) + 1.5**2)[inner]
    assert z.std() == pytest.approx(1.0, abs=0.03)
    assert z.mean() == pytest.approx(0.0, abs=0.03)
    back = scenes(4, 144, kind="filaments")[0] * 60 + 4
    assert np.sort(x[inner].ravel())[::500] == pytest.approx(
        np.sort(back[inner].ravel())[::500], rel=0.1, abs=1.0
    )


def test_two_fields_are_no_pair(pair_folders):
    noisy, _ = read_pair(pair_folders)
    _, other = read_pair(pair_folders, "f1.tif")
    with pytest.raises(InputError):
        fit_pair(noisy, other, CAMERA, Psf())


def test_a_pair_that_differs_by_more_than_the_noise_is_refused(pair_folders):
    noisy, clean = read_pair(pair_folders)
    brighter = Camera(gain=0.5, offset=100.0, read_noise=0.5)
    with pytest.raises(InputError, match="times the noise of the camera"):
        fit_pair(noisy, clean, brighter, Psf())


def test_a_sharper_clean_image_stays_sharp(scenes):
    import torch

    from napari_posterior.physics.psf import gaussian_blur

    x = 80 * scenes(1, 128, kind="filaments")[0].astype(np.float64) + 5
    seen = gaussian_blur(torch.from_numpy(x), 1.5).numpy()
    electrons = np.random.default_rng(0).poisson(seen.clip(0))
    psf = Psf((1 + 1.5**2) ** 0.5)
    found, _, _ = fit_pair(2.0 * electrons + 100, x, CAMERA.with_levels(read_noise=0.0), psf)
    assert found.max() == pytest.approx(x.max(), rel=0.03)


def test_pairs_are_matched_fitted_and_the_rest_told(tmp_path, pair_folders):
    noisy, clean = pair_folders
    (clean / "f3.tif").rename(clean / "g3.tif")
    tifffile.imwrite(clean / "f2.tif", np.random.default_rng(0).random((90, 144)))
    told: list[str] = []
    data = PairFolders(noisy, clean, CAMERA).prepare(tmp_path / "data", told.append)
    assert data.record.kind == "pairs"
    assert data.record.files == 2
    assert "f3.tif has no clean image of that name and is left out." in told
    assert "g3.tif has no noisy image of that name and is left out." in told
    assert any("f2.tif and f2.tif is left out: their shapes are" in text for text in told)
    assert data.trained.psf_sigma == (1.0, 1.0)
    assert data.trained.read_noise == (1.5, 1.5)
    assert 20 < data.trained.peak[0] <= data.trained.peak[1] < 100


def test_captures_of_one_field_share_their_clean_image(tmp_path, pair_folders):
    noisy, clean = pair_folders
    y = tifffile.imread(noisy / "f0.tif")
    rng = np.random.default_rng(3)
    expected = fit_pair(y, tifffile.imread(clean / "f0.tif"), CAMERA, Psf())[0].clip(0)
    again = CAMERA.to_adu(rng.poisson(expected) + rng.normal(0, 1.5, y.shape)).astype(np.float32)
    tifffile.imwrite(noisy / "f0.tif", np.stack([y, again]), photometric="minisblack")
    data = PairFolders(noisy, clean, CAMERA).prepare(tmp_path / "data", lambda _: None)
    assert np.load(tmp_path / "data" / "00000-clean.npy").shape[0] == 2
    assert data.record.files == 4


def test_the_camera_is_estimated_where_it_is_not_given(tmp_path, pair_folders):
    told: list[str] = []
    data = PairFolders(*pair_folders).prepare(tmp_path / "data", told.append)
    assert any("The gain was estimated" in text for text in told)
    # x is in photoelectrons of the camera that was estimated
    assert 30 < data.trained.peak[1] < 130


def test_folders_without_a_pair_are_refused(tmp_path, clean_folder, pair_folders):
    with pytest.raises(InputError, match="no pair of"):
        PairFolders(pair_folders[0], clean_folder, CAMERA).prepare(tmp_path / "d", lambda _: None)
