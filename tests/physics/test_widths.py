"""The PSF width from beads and puncta: known widths, honest intervals, refusals."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import gaussian_blur
from napari_posterior.physics.scenes import Dice, draw_scenes
from napari_posterior.physics.spots import find_spots, fit_spots
from napari_posterior.physics.widths import estimate_psf_sigma

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 192


def bead(
    shape: tuple[int, ...], centre: np.ndarray, widths: tuple[float, ...] | float
) -> np.ndarray:
    """Return a Gaussian of height 1 in a plane or stack."""
    widths = np.broadcast_to(widths, len(shape))
    grids = np.meshgrid(*(np.arange(side) for side in shape), indexing="ij")
    square = sum(((g - c) / w) ** 2 for g, c, w in zip(grids, centre, widths, strict=True))
    return np.exp(-0.5 * square)


def bead_image(sigma: float, seed: int, *, count: int = 30, peak: float = 100.0) -> np.ndarray:
    """Return photon noise and read noise of beads of unequal brightness."""
    rng = np.random.default_rng(seed)
    mean = np.full((SIZE, SIZE), 5.0)
    for centre in rng.uniform(0, SIZE, (count, 2)):
        mean += peak * np.exp(0.4 * rng.standard_normal()) * bead(mean.shape, centre, sigma)
    return rng.poisson(mean) + 1.6 * rng.standard_normal(mean.shape)


@cache
def scene(kind: str, sigma: float, seed: int, peak: float = 400.0) -> np.ndarray:
    x = draw_scenes(kind, 1, 256, peak, Dice.seeded(seed))[0, 0].double()
    mean = gaussian_blur(x, float(np.sqrt(sigma**2 - 1)))
    generator = torch.Generator().manual_seed(seed)
    read = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    return (torch.poisson(mean.clamp_min(0), generator=generator) + 1.6 * read).numpy()


@pytest.mark.parametrize("sigma", [1.0, 1.6, 2.5, 4.0])
def test_one_spot_without_noise_has_its_width_place_and_roundness(sigma: float) -> None:
    scale = float(2 ** (round(2 * np.log2(sigma)) / 2))
    image = 7 + 0.1 * np.arange(65) + 50 * bead((65, 65), np.array([32.3, 31.8]), sigma)
    fits = fit_spots(image[None], np.array([[scale, 0, 32, 32]]))
    assert fits.sigma == pytest.approx([sigma], rel=1e-6)
    assert fits.amplitude == pytest.approx([50], rel=1e-6)
    assert fits.aspect == pytest.approx([1], abs=1e-5)
    assert fits.off_centre == pytest.approx([np.hypot(0.3, 0.2)], rel=1e-5)


def test_an_elongated_spot_has_the_ratio_of_its_widths() -> None:
    image = 50 * bead((65, 65), np.array([32.3, 31.8]), (1.5, 2.5))
    fits = fit_spots(image[None], np.array([[2.0, 0, 32, 32]]))
    assert fits.aspect == pytest.approx([0.6], rel=1e-4)


def test_only_spots_that_stand_alone_and_inside_are_found() -> None:
    places = np.array([[20.2, 20.1], [20.4, 90.3], [20.1, 96.2], [90.3, 60.2], [1.2, 60.4]])
    image = sum(50 * bead((128, 128), place, 1.5) for place in places)
    found = find_spots(image[None], smallest=1, largest=8, snr=8)
    assert sorted(map(tuple, found[:, 2:].astype(int))) == [(20, 20), (90, 60)]
    assert set(found[:, 0]) <= {2**0.5}


@pytest.mark.parametrize(("sigma", "peak"), [(1.2, 200.0), (1.6, 60.0), (2.5, 60.0)])
def test_intervals_of_beads_hold_their_width(sigma: float, peak: float) -> None:
    estimates = [estimate_psf_sigma(bead_image(sigma, seed, peak=peak)) for seed in range(8)]
    held = [one.interval[0] < sigma < one.interval[1] for one in estimates]
    assert sum(held) >= 7
    assert np.mean([one.sigma for one in estimates]) == pytest.approx(sigma, rel=0.02)
    assert all(one.interval[1] < 1.12 * one.interval[0] for one in estimates)
    assert all(one.share > 0.8 for one in estimates)


def test_of_puncta_of_several_sizes_the_width_that_many_share_is_taken() -> None:
    estimates = [estimate_psf_sigma(scene("puncta", 1.6, seed)) for seed in (3, 4, 5)]
    assert np.mean([one.sigma for one in estimates]) == pytest.approx(1.6, rel=0.04)
    assert all(one.share < 1 for one in estimates)


def test_few_beads_have_a_wide_interval() -> None:
    many, few = (estimate_psf_sigma(bead_image(1.6, 2, count=count)) for count in (40, 5))
    assert few.spots < many.spots
    width = [one.interval[1] / one.interval[0] - 1 for one in (many, few)]
    assert width[1] > 1.5 * width[0]


def test_units_and_offset_of_the_image_do_not_matter() -> None:
    image = bead_image(1.6, 0)
    first, second = estimate_psf_sigma(image), estimate_psf_sigma(2.1 * image + 100)
    assert first.sigma == pytest.approx(second.sigma, rel=1e-6)
    assert first.interval == pytest.approx(second.interval, rel=1e-6)


def test_of_a_stack_beads_are_measured_where_they_are_in_focus_and_along_the_planes() -> None:
    rng = np.random.default_rng(0)
    shape = (24, 96, 96)
    mean = np.full(shape, 3.0)
    for row in (16, 48, 80):
        for column in (16, 48, 80):
            centre = np.array([rng.uniform(9, 14), row + rng.uniform(), column + rng.uniform()])
            mean += 150 * bead(shape, centre, (2.2, 1.5, 1.5))
    estimate = estimate_psf_sigma(rng.poisson(mean))
    assert estimate.spots == 9
    assert estimate.sigma == pytest.approx(1.5, rel=0.03)
    assert estimate.axial_sigma == pytest.approx(2.2, rel=0.03)
    low, high = estimate.axial_interval or (0, 0)
    assert low < 2.2 < high


def test_planes_that_repeat_one_another_have_no_axial_width() -> None:
    stack = np.stack([bead_image(1.6, 0)] * 8)
    stack += 0.5 * np.random.default_rng(0).standard_normal(stack.shape)
    assert estimate_psf_sigma(stack).axial_sigma is None


def test_an_estimate_says_how_it_was_made() -> None:
    note = estimate_psf_sigma(bead_image(1.6, 0)).note
    assert note.startswith("The PSF sigma was estimated from")
    assert "95 % interval" in note


@pytest.mark.parametrize("kind", ["filaments", "sheets", "nuclei", "haze"])
@pytest.mark.parametrize("seed", [3, 4])
def test_images_without_small_spots_are_refused(kind: str, seed: int) -> None:
    for sigma in (1.2, 2.5):
        with pytest.raises(InputError, match="give an image of beads, or the PSF sigma"):
            estimate_psf_sigma(scene(kind, sigma, seed))


def test_noise_alone_is_refused() -> None:
    noise = np.random.default_rng(0).normal(100, 5, (256, 256))
    with pytest.raises(InputError, match="no bright spots that stand alone"):
        estimate_psf_sigma(noise)


def test_hot_pixels_are_no_beads() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 2, (128, 128))
    image[rng.integers(8, 120, 12), rng.integers(8, 120, 12)] += 300
    with pytest.raises(InputError, match="too dim or too narrow"):
        estimate_psf_sigma(image)


def test_clipped_beads_are_refused_and_said_to_be_clipped() -> None:
    with pytest.raises(InputError, match="clipped"):
        estimate_psf_sigma(np.minimum(bead_image(2.0, 1, peak=400), 90.0))


def test_streaks_are_refused_and_said_not_to_be_round() -> None:
    rng = np.random.default_rng(0)
    mean = np.full((128, 128), 5.0)
    for row in (20, 50, 80, 110):
        for column in (20, 64, 108):
            mean += 200 * bead(mean.shape, np.array([row, column]) + rng.random(2), (1.5, 3.5))
    with pytest.raises(InputError, match="not round"):
        estimate_psf_sigma(rng.poisson(mean))


def test_spots_of_all_sizes_are_refused() -> None:
    rng = np.random.default_rng(0)
    mean = np.full((SIZE, SIZE), 5.0)
    for number, place in enumerate(np.ndindex(4, 4)):
        centre = 24 + 48 * np.array(place) + rng.random(2)
        mean += 200 * bead(mean.shape, centre, 1.2 * 1.08**number)
    with pytest.raises(InputError, match="differ in width"):
        estimate_psf_sigma(rng.poisson(mean))


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (np.ones((64, 64)), "no bright spots"),
        (np.ones(64), "give a plane or a stack"),
        (np.ones((8, 8)), "16 x 16 pixels or more"),
        (np.full((32, 32), np.nan), "NaN or infinite"),
    ],
)
def test_what_is_no_image_is_refused(image: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=told):
        estimate_psf_sigma(image)


@pytest.mark.realdata
def test_real_beads_and_particles_have_a_width(real_data: Path) -> None:
    stack = tifffile.imread(real_data / "mpicbg_beads_confocal_zstack.tif")
    beads = estimate_psf_sigma(stack)
    assert beads.spots == 4
    # 0.022 and 0.125 um: about what a confocal microscope gives
    assert 0.07 < 0.022 * beads.sigma < 0.1
    assert 0.18 < 0.125 * (beads.axial_sigma or 0) < 0.35
    particles = estimate_psf_sigma(tifffile.imread(real_data / "trackpy_stuck_5frames.tif"))
    assert particles.sigma == pytest.approx(1.07, abs=0.05)
    assert particles.spots >= 35


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    ["miro_tirf_mito_raw.tif", "miro_tirf_nuclei_raw.tif", "fmd_twophoton_bpae_mito_raw4.tif"],
)
def test_real_images_of_large_structures_are_refused(real_data: Path, name: str) -> None:
    with pytest.raises(InputError, match="give an image of beads, or the PSF sigma"):
        estimate_psf_sigma(tifffile.imread(real_data / name)[0])
