"""Camera and PSF from the image or a file, where they come from, and the way back."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.image import Geometry, Image, as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.acquisition import Acquisition
from napari_posterior.session.choices import StepControl
from napari_posterior.session.models import ImageChoice, RestoreState
from napari_posterior.session.problems import problems_of
from napari_posterior.session.psf_choice import sampled_words
from napari_posterior.session.queue import JobQueue
from napari_posterior.session.submission import settings_of


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
    low, high = acquisition.interval("psf")
    assert low <= 1.7 <= high
    assert restore.psf == pytest.approx(1.7, rel=0.1)
    restore.psf = 2.5  # typed over
    assert (acquisition.origin("psf"), acquisition.interval("psf")) == ("", None)


def test_an_estimate_that_comes_to_nothing_says_why_and_changes_no_number(restore, acquisition):
    flat = np.full((64, 64), 100, np.float32)
    restore.image = ImageChoice("flat", 2, flat.shape, "YX", read=lambda: as_image(flat))
    restore.psf = 1.5
    acquisition.estimate_psf().wait(60)
    assert "cannot be estimated" in acquisition.problem or "flat" in acquisition.problem
    assert restore.psf == 1.5
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


@pytest.fixture
def point():
    """One point of sigma 1.6 px, 15 x 15."""
    y, x = np.mgrid[-7:8, -7:8]
    return np.exp(-(y**2 + x**2) / (2 * 1.6**2))


def test_a_sampled_psf_is_read_goes_into_the_settings_and_back_again(
    restore, acquisition, point, tmp_path
):
    np.save(tmp_path / "psf.npy", point)
    restore.psf = 2.5
    acquisition.read_psf(tmp_path / "psf.npy", name="psf.npy").result(60)
    assert restore.psf == Psf(kernel=point)
    assert acquisition.origin("psf") == "from psf.npy"
    assert sampled_words(restore.psf) == "sampled, 15 x 15, equivalent sigma 1.6 px"
    sampler = SimpleNamespace(
        name="kd", role="student", steps=StepControl(False, (1,), 1, "one step")
    )
    assert settings_of(restore, sampler).psf == Psf(kernel=point)
    acquisition.undo()
    assert restore.psf == 2.5


def test_the_mean_of_beads_says_how_many_they_were(restore, acquisition, scene):
    acquisition.read_psf(scene, name="beads", beads=True).result(60)
    assert restore.psf.kernel is not None
    assert restore.psf.sigma == pytest.approx(1.7, rel=0.1)
    [note] = acquisition.notes
    assert note.startswith("The PSF is the mean of ")
    assert acquisition.origin("psf") == "estimated from beads"


def test_a_psf_that_cannot_be_taken_is_refused_with_its_sentence(restore, acquisition, point):
    restore.psf = 1.5
    restore.image = replace(restore.image, pixel_um=0.1)
    fine = Geometry(("y", "x"), (0.05, 0.05), ("micrometer",) * 2, (0, 0))
    for bad, words in (
        (np.concatenate([point, point]), "separate peaks"),
        (Image(point, fine, "psf"), "pixels of 0.05 µm and the image has pixels of 0.1 µm"),
        (point[None] * np.hanning(9)[:, None, None], "planes are restored one by one"),
    ):
        acquisition.read_psf(bad, name="psf").wait(60)
        assert words in acquisition.problem
        assert restore.psf == 1.5


def test_a_psf_larger_than_the_image_and_maps_of_another_shape_are_told_before_a_run(
    restore, point
):
    restore.psf = Psf(kernel=point)
    restore.image = replace(restore.image, shape=(12, 40))
    assert any("PSF of 15 x 15 px is larger than the image" in one for one in problems_of(restore))
    restore.psf, restore.camera = None, Camera(np.full((64, 64), 2.0), 100.0, 1.5)
    assert any("camera maps have 64 x 64 pixels" in one for one in problems_of(restore))
    restore.region = "shape"  # of a part of the sensor its part of the maps is taken
    assert not any("camera maps" in one for one in problems_of(restore))
