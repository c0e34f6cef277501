"""Gain, offset, blur and shift between two images of a field: recovered, weighted, frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.nuisance import Nuisance, fit_nuisance
from napari_posterior.physics.psf import gaussian_blur
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

SIZE = 128
KNOWN = Nuisance(gain=1.7, offset=80.0, sigma=1.3, shift=(1.37, -2.61))
CAMERA = Camera(gain=2.1, offset=100.0, read_noise=1.6)


def scene(kind: str = "sheets", seed: int = 3, size: int = SIZE) -> Tensor:
    return draw_scenes(kind, 1, size, 100.0, Dice.seeded(seed))[0, 0].double()


def record(mean: Tensor, seed: int, camera: Camera = CAMERA) -> Tensor:
    """Return grey levels of expected photoelectrons."""
    generator = torch.Generator().manual_seed(seed)
    electrons = torch.poisson(mean.clamp_min(0), generator=generator)
    noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return camera.to_adu(electrons + noise * torch.tensor(camera.read_noise))


def numbers(fit: Nuisance) -> np.ndarray:
    return np.array([fit.gain, fit.offset, fit.sigma**2, *fit.shift])


@pytest.mark.parametrize("kind", KINDS)
def test_gain_offset_blur_and_shift_come_back_without_noise(kind: str) -> None:
    x = scene(kind, size=192)
    fit = fit_nuisance(x, KNOWN.apply(x))
    assert numbers(fit) == pytest.approx(numbers(KNOWN), abs=1e-4)
    assert fit.dof == 5
    assert fit.chi2 is None


def test_errors_are_those_of_repeated_measurements() -> None:
    x = scene()
    mean = KNOWN.apply(x)
    fits = [fit_nuisance(x, record(mean, seed), camera=CAMERA) for seed in range(30)]
    z = np.array([(numbers(fit) - numbers(KNOWN)) / fit.errors for fit in fits])
    assert np.abs(z.mean(0)).max() < 3.5 / np.sqrt(30)
    assert (z.std(0) > 0.6).all()
    assert (z.std(0) < 1.5).all()
    n = fits[0].pixels
    assert np.mean([fit.chi2 for fit in fits]) == pytest.approx(1, abs=4 * np.sqrt(2 / n / 30))


def test_a_camera_with_maps_weighs_every_pixel_with_its_own_noise() -> None:
    x = scene()
    rng = np.random.default_rng(0)
    noisy = np.where(np.arange(SIZE)[:, None] < SIZE // 2, 1.0, 60.0) * np.ones((SIZE, SIZE))
    gain, offset = 2.1 + 0.2 * rng.random((2, SIZE, SIZE)) * [[[1]], [[200]]]
    camera = Camera(gain, offset, noisy)
    y = record(KNOWN.apply(x), 1, camera)
    weighted = fit_nuisance(x, y, camera=camera)
    plain = fit_nuisance(x, camera.to_electrons(y))
    assert weighted.errors[0] < plain.errors[0] / 2
    assert numbers(weighted)[[0, 2, 3, 4]] == pytest.approx(numbers(KNOWN)[[0, 2, 3, 4]], abs=0.2)
    assert weighted.chi2 == pytest.approx(1, abs=0.1)


def test_saturated_pixels_do_not_pull_the_gain() -> None:
    x = scene("nuclei")
    y = CAMERA.to_adu(KNOWN.apply(x))
    full = float(y.quantile(0.97))
    clipped = y.clamp_max(full)
    heeded = fit_nuisance(x, clipped, camera=Camera(2.1, 100.0, 1.6, saturation=full))
    assert heeded.gain == pytest.approx(1.7, rel=1e-3)
    assert heeded.pixels < SIZE**2 * 0.97
    assert fit_nuisance(x, clipped, camera=CAMERA).gain < 1.69


def test_a_fit_without_blur_and_shift_is_the_weighted_line() -> None:
    x = scene()
    y = record(1.7 * x + 80.0, 2)
    variance = 1.0 + x.numpy()
    fit = fit_nuisance(x, y, variance=variance, blur=False, shift=False)
    slope, level = np.polyfit(x.numpy().ravel(), y.numpy().ravel(), 1, w=variance.ravel() ** -0.5)
    assert (fit.gain, fit.offset) == pytest.approx((slope, level), rel=1e-9)
    assert (fit.sigma, fit.shift, fit.dof, fit.pixels) == (0.0, (0.0, 0.0), 2, SIZE**2)


def test_a_reference_as_sharp_as_the_image_needs_no_blur() -> None:
    x = scene("puncta")
    fits = [fit_nuisance(x, record(1.7 * x + 80.0, seed), camera=CAMERA) for seed in range(4)]
    assert min(fit.sigma for fit in fits) == 0.0
    assert all(fit.sigma**2 < 4 * max(fit.errors[2], 0.03) for fit in fits)


def test_one_fit_serves_all_planes_of_a_stack() -> None:
    x = torch.stack([scene(seed=seed) for seed in (3, 4, 5)])
    fit = fit_nuisance(x, KNOWN.apply(x))
    assert numbers(fit) == pytest.approx(numbers(KNOWN), abs=1e-4)


def test_applying_blurs_and_shifts_every_sample_alike() -> None:
    x = torch.stack([scene("puncta", seed) for seed in (1, 2)])
    inner = (slice(None), slice(12, -12), slice(12, -12))
    blurred = Nuisance(1.0, sigma=1.3).apply(x)
    torch.testing.assert_close(blurred[inner], gaussian_blur(x, 1.3)[inner], rtol=0, atol=1e-3)
    moved = Nuisance(1.0, shift=(3.0, -2.0)).apply(x)
    rolled = torch.roll(x, (3, -2), (1, 2))
    torch.testing.assert_close(moved[inner], rolled[inner], rtol=0, atol=1e-9)
    assert torch.equal(Nuisance(2.0, 5.0).apply(x), 2 * x + 5)


def test_arrays_and_tensors_give_the_same_and_keep_their_kind() -> None:
    x = scene().float()
    seen = KNOWN.apply(x.numpy())
    assert isinstance(seen, np.ndarray)
    assert seen.dtype == np.float32
    np.testing.assert_array_equal(seen, KNOWN.apply(x).numpy())
    whole = x.round().to(torch.int32).numpy()
    assert KNOWN.apply(whole).dtype == np.float64
    fixed = x.numpy().astype(">f4")
    fixed.setflags(write=False)
    np.testing.assert_array_equal(KNOWN.apply(fixed), seen)


def test_a_frozen_fit_shows_lost_light_that_a_new_fit_hides() -> None:
    x = scene()
    y = KNOWN.apply(x)
    dimmed = gaussian_blur(0.8 * x, 1.0)
    frozen, anew = fit_nuisance(x, y), fit_nuisance(dimmed, y)
    kept = float((y - frozen.apply(dimmed)).square().mean())
    hidden = float((y - anew.apply(dimmed)).square().mean())
    assert kept > 100 * hidden


def test_two_images_that_do_not_belong_together_are_refused() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = 100 + torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64)
    with pytest.raises(InputError, match="give two images of the same field"):
        fit_nuisance(scene(), noise)
    with pytest.raises(InputError, match="give two images of the same field"):
        fit_nuisance(scene(), -scene(), shift=False)


def test_a_shift_or_blur_beyond_what_is_looked_for_is_refused() -> None:
    x = scene()
    with pytest.raises(InputError, match="register the two"):
        fit_nuisance(x, torch.roll(x, 5, 0), most_shift=3.0)
    with pytest.raises(InputError, match="allow more"):
        fit_nuisance(x, gaussian_blur(x, 4.0), most_blur=2.0)


@pytest.mark.parametrize(
    ("image", "reference", "told"),
    [
        (np.ones((32, 32)), np.eye(32), "the image is flat"),
        (np.eye(32), np.ones((32, 32)), "the reference is flat"),
        (np.eye(32), np.eye(33), "of one shape"),
        (np.eye(8), np.eye(8), "16 x 16 or more"),
        (np.eye(32), np.where(np.eye(32) > 0, np.nan, 0.0), "NaN or infinite"),
    ],
)
def test_images_that_cannot_be_fitted_are_refused(
    image: np.ndarray, reference: np.ndarray, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        fit_nuisance(image, reference)


def test_noise_and_pixels_of_another_shape_are_refused() -> None:
    x = scene()
    with pytest.raises(InputError, match="one number, or one a pixel"):
        fit_nuisance(x, x, variance=np.ones((3, 5)))
    with pytest.raises(InputError, match="not positive"):
        fit_nuisance(x, x, variance=0.0)
    with pytest.raises(InputError, match="one value a pixel"):
        fit_nuisance(x, x, valid=np.ones((3, 5), bool))
    with pytest.raises(InputError, match="hardly any pixel"):
        fit_nuisance(x, x, valid=np.zeros((SIZE, SIZE), bool))
    with pytest.raises(InputError, match="crop the maps"):
        fit_nuisance(x, x, camera=Camera(np.ones((3, 5))))


@pytest.mark.realdata
def test_four_exposures_of_a_cell_are_told_apart_by_gain_alone(real_data: Path) -> None:
    raw = tifffile.imread(real_data / "miro_tirf_mito_raw.tif").astype(float)
    truth = tifffile.imread(real_data / "miro_tirf_mito_gt.tif").astype(float)
    gain, offset, variance = tifffile.imread(real_data / "miro_scmos_calibration.tif")
    camera = Camera(gain, offset, np.sqrt(variance) / gain)
    fits = [fit_nuisance(truth, plane, camera=camera) for plane in raw]
    # factors a of raw ~ a * truth + b, in ADU, found before by an unweighted fit without maps
    found = [fit.gain * camera.typical.gain for fit in fits]
    assert found == pytest.approx([0.0862, 0.206, 0.4893, 0.9765], rel=0.03)
    assert all(np.hypot(*fit.shift) < 0.2 for fit in fits)
    assert all(fit.sigma < 0.6 for fit in fits)
