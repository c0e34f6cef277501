from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace, median_filter, shift, zoom

from napari_posterior.errors import InputError
from napari_posterior.image import load_image
from napari_posterior.physics.estimate import estimate_camera, noise_correlation
from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes


@cache
def photograph(kind: str, peak: float, seed: int = 3) -> np.ndarray:
    """A raw frame of a simulated scene through a PSF of 1.3 px."""
    x = draw_scenes(kind, 1, 256, peak, Dice.seeded(seed))[0, 0].numpy().astype(float)
    rng = np.random.default_rng(seed)
    x = gaussian_filter(x, 0.83)
    return np.round(2.1 * (rng.poisson(x) + rng.normal(0, 1.6, x.shape)) + 100)


def denoise_patches(y: np.ndarray) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    noise = float(np.std(np.diff(np.diff(y, 2, 0), 2, 1) / 6))
    return np.asarray(
        denoise_nl_means(y, h=0.8 * noise, sigma=noise, patch_size=5, patch_distance=5)
    )


def stitch(y: np.ndarray) -> np.ndarray:
    """The right part comes from a tile that was registered by a fraction of a pixel."""
    other = shift(y, (0.5, 0.3), order=1, mode="nearest")
    weight = np.clip((np.arange(y.shape[1]) - 100) / 24, 0, 1)
    return y * (1 - weight) + other * weight


def compress(y: np.ndarray) -> np.ndarray:
    from PIL import Image

    grey = np.round((y - y.min()) / np.ptp(y) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer)).astype(float)


PROCESSED = {
    "up-sampled linearly": lambda y: zoom(y, 2, order=1),
    "up-sampled cubically": lambda y: zoom(y, 2, order=3),
    "pixels doubled": lambda y: np.kron(y, np.ones((2, 2))),
    "scaled by 1.3": lambda y: zoom(y, 1.3, order=1),
    "Gaussian 0.5": lambda y: gaussian_filter(y, 0.5),
    "Gaussian 1": lambda y: gaussian_filter(y, 1.0),
    "median": lambda y: median_filter(y, 3),
    "non-local means": denoise_patches,
    "registered": lambda y: shift(y, (0.5, 0.5), order=3, mode="nearest"),
    "stitched": stitch,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peak", [2.0, 30.0, 100.0])
def test_raw_frames_of_all_kinds_are_independent(kind, peak):
    found = noise_correlation(photograph(kind, peak))
    assert found.kind == "independent"
    assert np.abs([found.along_x, found.along_y]).max() < 0.1
    assert found.part == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("process", PROCESSED.values(), ids=PROCESSED)
def test_processed_frames_of_all_kinds_are_correlated(kind, process):
    found = noise_correlation(process(photograph(kind, 30.0)))
    assert found.kind == "correlated"
    assert "consistency only" in found.sentence


def test_strong_compression_of_a_bright_image_is_seen():
    assert noise_correlation(compress(photograph("puncta", 1000.0))).kind == "correlated"


def test_the_correlation_of_a_known_smoothing_is_measured_at_every_lag():
    noise = np.random.default_rng(0).normal(size=(512, 512))
    kernel = np.array([0.25, 0.5, 0.25])
    smooth = kernel[0] * np.roll(noise, 1, 1) + 0.5 * noise + kernel[2] * np.roll(noise, -1, 1)
    own = np.correlate(kernel, kernel, "full")
    expected = own[3:] / own[2]
    found = noise_correlation(smooth)
    assert found.along_x[:2] == pytest.approx(expected, abs=0.03)
    assert found.along_x[2] == pytest.approx(0, abs=0.03)
    assert found.along_y == pytest.approx((0, 0, 0), abs=0.03)


def test_sharpened_noise_is_correlated_below_zero():
    y = photograph("nuclei", 50.0)
    found = noise_correlation(y - 0.3 * laplace(y))
    assert found.along_x[0] < -0.12
    assert found.kind == "correlated"


def test_the_part_of_a_stitched_image_is_about_what_was_registered():
    assert noise_correlation(stitch(photograph("haze", 30.0))).part == pytest.approx(0.5, abs=0.15)


def test_a_stack_is_looked_at_as_one():
    raw = np.stack([photograph("nuclei", 50.0, seed) for seed in range(3)])
    assert noise_correlation(raw).kind == "independent"
    assert noise_correlation(zoom(raw, (1, 2, 2), order=1)).kind == "correlated"


def test_a_small_image_tells_too():
    raw = [np.random.default_rng(seed).poisson(20, (64, 64)) for seed in range(20)]
    assert sum(noise_correlation(y).kind == "independent" for y in raw) >= 18
    smooth = [gaussian_filter(y.astype(float), 0.7) for y in raw]
    assert sum(noise_correlation(y).kind == "correlated" for y in smooth) >= 19


@pytest.mark.parametrize(
    "y", [np.random.default_rng(0).normal(size=(20, 20)), np.zeros((256, 256)), np.zeros((1, 9))]
)
def test_what_is_too_small_or_flat_is_unknown(y):
    found = noise_correlation(y)
    assert found.kind == "unknown"
    assert "cannot" not in found.sentence
    assert found.sentence.endswith(".")


@pytest.mark.parametrize("y", [np.zeros(9), np.full((64, 64), np.nan), np.zeros((0, 5, 5))])
def test_what_is_not_an_image_is_refused(y):
    with pytest.raises(InputError, match="give an image"):
        noise_correlation(y)


def test_an_estimated_camera_says_that_its_image_is_not_raw():
    y = photograph("nuclei", 200.0)
    smooth = gaussian_filter(y, 0.7)
    assert noise_correlation(smooth).sentence in estimate_camera(smooth).notes
    assert not any("not raw" in note for note in estimate_camera(y).notes)


RAW = (
    "miro_tirf_mito_raw",
    "miro_tirf_nuclei_raw",
    "fmd_confocal_mouse_nuclei_raw4",
    "fmd_twophoton_bpae_mito_raw4",
    "trackpy_stuck_5frames",
    "neubias_er_exit_sites_noisy",
    "cellprofiler_h2ax_foci_hoechst",
    "gigadb_mito60x_lowsnr",
    "punctatools_nuclear_condensates",
    "punctatools_gfp_solution_5p62uM",
    "punctatools_gfp_solution_100uM",
)


@pytest.mark.realdata
@pytest.mark.parametrize("name", RAW)
def test_real_raw_frames_are_independent_and_become_correlated_when_processed(real_data, name):
    image = load_image(real_data / f"{name}.tif")
    planes = [np.asarray(plane, float) for plane in image.planes()]
    assert {noise_correlation(plane).kind for plane in planes} == {"independent"}
    for process in ("Gaussian 0.5", "registered"):
        found = noise_correlation(PROCESSED[process](planes[0]))
        assert found.kind == "correlated", process


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["spotiflow_terra_live", "neubias_autophagosomes"])
def test_published_images_that_were_resampled_are_found(real_data, name):
    assert noise_correlation(load_image(real_data / f"{name}.tif").plane(0)).kind == "correlated"
