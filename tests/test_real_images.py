"""Real microscopy images, cropped, through the shipped model: what must hold for any image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile

import napari_posterior as npo
from napari_posterior.physics.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.realdata

SIZE = 128
MIRO_EXPOSURES = ("10 ms", "20 ms", "50 ms", "100 ms")


@pytest.fixture(scope="module")
def model() -> Any:
    return npo.load_model("fluo2d")


@pytest.fixture
def restore(model: Any) -> Callable[..., Any]:
    def run(image: Any, **options: Any) -> Any:
        return npo.restore(image, model=model, device="cpu", **{"samples": 2, **options})

    return run


@pytest.fixture(scope="module")
def miro_camera(real_data: Path) -> npo.Camera:
    """The maps of the camera reduced to their medians; the variance map is in ADU squared."""
    gain, offset, variance = tifffile.imread(real_data / "miro_scmos_calibration.tif")
    read = float(np.median(np.sqrt(variance) / gain))
    return npo.Camera(float(np.median(gain)), float(np.median(offset)), read)


def check_run(run: Any, image: np.ndarray) -> None:
    """Say what holds for every run: finite, right shape, spread, photons kept."""
    samples = np.asarray(run.samples)
    assert samples.shape == (len(run), *image.shape)
    assert np.isfinite(samples).all()
    if len(run) > 1:
        assert 0 < run.sd.mean() < np.abs(run.mean).max()
    # A blur keeps photons: all the light of the image is in its restoration.
    electrons = run.measurement().electrons
    margin = 8
    inner = (slice(margin, -margin), slice(margin, -margin))
    assert run.mean[inner].mean() == pytest.approx(electrons[inner].mean(), rel=0.1, abs=1.0)


def crop(image: np.ndarray, row: int, column: int) -> np.ndarray:
    return np.ascontiguousarray(image[row : row + SIZE, column : column + SIZE])


@pytest.mark.parametrize("exposure", range(4), ids=MIRO_EXPOSURES)
def test_each_exposure_of_a_tirf_cell_is_restored_with_its_camera(
    real_data: Path, restore: Callable[..., Any], miro_camera: npo.Camera, exposure: int
) -> None:
    image = crop(tifffile.imread(real_data / "miro_tirf_mito_raw.tif")[exposure], 100, 100)
    for sampler in ("teacher", "kd"):
        run = restore(image, sampler=sampler, camera=miro_camera, psf=npo.Psf(1.3))
        check_run(run, image)
        fit = Likelihood(run.measurement()).reduced_chi2(_tensor(run.samples))
        assert 0.5 < float(fit.mean()) < 2.5


def test_a_longer_exposure_is_restored_with_a_smaller_relative_spread(
    real_data: Path, restore: Callable[..., Any], miro_camera: npo.Camera
) -> None:
    stack = tifffile.imread(real_data / "miro_tirf_mito_raw.tif")
    spread = []
    for exposure in (0, 3):
        image = crop(stack[exposure], 100, 100)
        run = restore(image, sampler="kd", camera=miro_camera, psf=npo.Psf(1.3))
        spread.append(float(run.sd.mean() / np.ptp(run.mean)))
    assert spread[1] < spread[0]


@pytest.mark.parametrize(
    ("name", "frame", "row", "column"),
    [
        ("neubias_er_exit_sites_noisy.tif", None, 180, 180),
        ("fmd_confocal_mouse_nuclei_raw4.tif", 0, 200, 200),
        ("trackpy_stuck_5frames.tif", 0, 180, 180),
    ],
)
def test_an_image_of_an_unknown_camera_is_restored_and_says_what_was_assumed(
    real_data: Path,
    restore: Callable[..., Any],
    name: str,
    frame: int | None,
    row: int,
    column: int,
) -> None:
    image = tifffile.imread(real_data / name)
    image = crop(image if frame is None else image[frame], row, column)
    for sampler in ("teacher", "kd"):
        run = restore(image, sampler=sampler)
        check_run(run, image)
        assert run.request.camera.source == "estimated"
        assert any("No PSF was given" in warning for warning in run.warnings)
        assert any("gain" in warning.lower() for warning in run.warnings)


def test_an_image_of_odd_size_is_restored_whole(
    real_data: Path, restore: Callable[..., Any]
) -> None:
    path = real_data / "neubias_autophagosomes.tif"
    run = restore(path, sampler="kd")
    image = tifffile.imread(path)
    assert image.shape == (182, 148)
    check_run(run, image)


def test_the_pixel_size_of_a_file_stays_with_its_run(
    real_data: Path, restore: Callable[..., Any]
) -> None:
    run = restore(real_data / "neubias_er_exit_sites_noisy.tif", sampler="mse", samples=1)
    assert run.geometry.units == ("micrometer", "micrometer")
    assert run.geometry.scale == pytest.approx((0.23, 0.23), abs=0.005)


def test_teacher_and_student_are_compared_on_a_real_image(
    real_data: Path, model: Any, miro_camera: npo.Camera
) -> None:
    image = crop(tifffile.imread(real_data / "miro_tirf_mito_raw.tif")[1], 100, 100)
    runs = [
        npo.restore(
            image,
            model=model,
            sampler=sampler,
            samples=4,
            camera=miro_camera,
            psf=npo.Psf(1.3),
            device="cpu",
        )
        for sampler in ("teacher", "kd")
    ]
    report = npo.compare(*runs)
    assert report.coupled
    for key in ("mean", "variance", "spectrum", "puncta_count", "likelihood"):
        assert np.isfinite(report[key].estimate)
        assert report[key].verdict == "not enough samples"
    assert report.overall.verdict == "not enough samples"


def test_an_image_outside_the_trained_range_says_which_number_is(
    real_data: Path, restore: Callable[..., Any], miro_camera: npo.Camera
) -> None:
    image = crop(tifffile.imread(real_data / "miro_tirf_mito_raw.tif")[3], 100, 100)
    bright = npo.Camera(miro_camera.gain / 1000, miro_camera.offset, miro_camera.read_noise)
    run = restore(image, sampler="kd", camera=bright, psf=npo.Psf(5.0))
    told = [warning for warning in run.warnings if "outside the trained range" in warning]
    assert any(warning.startswith("The PSF sigma is 5 px") for warning in told)
    assert any(warning.startswith("The photon scale is") for warning in told)


def _tensor(samples: Any) -> Any:
    import torch

    return torch.from_numpy(np.asarray(samples))
