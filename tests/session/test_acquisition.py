"""Camera and PSF from the image or a file, where they come from, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.session.acquisition import Acquisition
from napari_posterior.session.models import ImageChoice, RestoreState
from napari_posterior.session.queue import JobQueue


@pytest.fixture
def scene():
    """Beads of sigma 1.7 px on 4 photoelectrons, gain 2, offset 100, read noise 1.5."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:192, :192]
    light = np.full(y.shape, 4.0) + 40 * (x / 192)
    for row in range(16, 190, 32):
        for column in range(16, 190, 32):
            where = row + rng.uniform(-2, 2), column + rng.uniform(-2, 2)
            r2 = (y - where[0]) ** 2 + (x - where[1]) ** 2
            light += 150 * np.exp(-r2 / (2 * 1.7**2))
    electrons = rng.poisson(light) + rng.normal(0, 1.5, y.shape)
    return (2 * electrons + 100).round().astype(np.float32)


@pytest.fixture
def restore(scene):
    state = RestoreState()
    state.image = ImageChoice("beads", 1, scene.shape, "YX", read=lambda: as_image(scene))
    return state


@pytest.fixture
def acquisition(restore):
    queue = JobQueue()
    yield Acquisition(restore, queue)
    assert queue.close(20)


def test_the_camera_is_estimated_with_its_interval_and_one_can_go_back(restore, acquisition):
    before = restore.camera = Camera(9.0, 50.0, 3.0)
    acquisition.estimate_camera().result(60)
    low, high = acquisition.interval("camera")
    assert low <= restore.camera.gain <= high
    assert low <= 2.0 <= high
    assert acquisition.origin("camera") == "estimated from beads"
    assert any("95 % interval" in note for note in acquisition.notes)
    acquisition.undo()
    assert restore.camera == before
    assert acquisition.origin("camera") == ""
    assert not acquisition.can_undo


def test_the_psf_is_estimated_with_its_interval(restore, acquisition):
    acquisition.estimate_psf().result(60)
    low, high = acquisition.interval("psf_sigma")
    assert low <= 1.7 <= high
    assert restore.psf_sigma == pytest.approx(1.7, rel=0.1)
    restore.psf_sigma = 2.5  # typed over
    assert (acquisition.origin("psf_sigma"), acquisition.interval("psf_sigma")) == ("", None)


def test_an_estimate_that_comes_to_nothing_says_why_and_changes_no_number(restore, acquisition):
    flat = np.full((64, 64), 100, np.float32)
    restore.image = ImageChoice("flat", 2, flat.shape, "YX", read=lambda: as_image(flat))
    restore.psf_sigma = 1.5
    acquisition.estimate_psf().wait(60)
    assert "cannot be estimated" in acquisition.problem or "flat" in acquisition.problem
    assert restore.psf_sigma == 1.5
    assert not acquisition.can_undo


def test_a_camera_is_read_from_a_file(restore, acquisition, tmp_path):
    path = tmp_path / "camera.json"
    path.write_text('{"gain": 2.5, "offset": 99, "read_noise": 1.1}')
    acquisition.read_camera(path, name="camera.json").result(60)
    assert restore.camera == Camera(2.5, 99.0, 1.1)
    assert acquisition.origin("camera") == "from camera.json"


def test_a_camera_is_read_from_three_maps(restore, acquisition):
    maps = np.stack([np.full((8, 8), 2.0), np.full((8, 8), 100.0), np.full((8, 8), 9.0)])
    acquisition.read_camera(maps, name="maps").result(60)
    assert restore.camera.typical.gain == 2.0
    assert restore.camera.typical.read_noise == pytest.approx(1.5)


def test_without_an_image_there_is_nothing_to_estimate_from(acquisition, restore):
    restore.image = None
    with pytest.raises(InputError, match="choose an image"):
        acquisition.estimate_camera()
