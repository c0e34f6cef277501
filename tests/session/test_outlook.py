"""What is said of a run before it is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.api.outlook import range_outlook, seconds_per_pixel
from napari_posterior.image import as_image
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.session.choices import read_models
from napari_posterior.session.cost import Rates
from napari_posterior.session.models import ImageChoice, RunEntry, SessionState
from napari_posterior.session.outlook import LookAhead


@pytest.fixture
def state(tiny_model, measured):
    state = SessionState()
    restore = state.restore
    restore.models = tuple(one for one in read_models() if one.name == tiny_model)
    restore.model, restore.device = tiny_model, "cpu"
    restore.image = ImageChoice("cell", 1, measured.shape, "YX", read=lambda: as_image(measured))
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    return state


class Beside:
    """Keeps what a worker would do until it is let."""

    def __init__(self):
        self.waiting = []
        self.titles = []

    def __call__(self, title, work, then):
        self.titles.append(title)
        self.waiting.append((work, then))

    def go_on(self):
        while self.waiting:
            work, then = self.waiting.pop(0)
            then(work())


@pytest.fixture
def beside():
    return Beside()


@pytest.fixture
def rates():
    return Rates()


@pytest.fixture
def ahead(state, rates, beside):
    return LookAhead(state, rates=rates, call=beside, learned=lambda: None)


def test_nothing_is_looked_at_before_it_begins_nor_after_it_was_let_go(state, ahead, beside):
    state.restore.psf = 2.0
    assert beside.waiting == []
    ahead.begin()
    assert len(beside.waiting) == 1
    ahead.let_go()
    beside.go_on()
    state.restore.psf = 2.5
    assert beside.waiting == []


def test_a_psf_wider_than_in_training_is_told_before_sampling_and_no_more_when_it_is_not(
    state, ahead, beside
):
    restore = state.restore
    restore.psf = 5.0
    ahead.begin()
    beside.go_on()
    [told] = restore.outlook
    assert told.startswith("The PSF sigma is 5 px, outside the trained range of 1 to 3")
    restore.psf = 1.5
    assert restore.outlook == ()  # it was said of something else
    beside.go_on()
    assert restore.outlook == ()


def test_what_the_run_warns_of_is_what_was_told_before(state, ahead, beside, measured, tiny_bundle):
    from napari_posterior import restore as draw

    restore = state.restore
    restore.psf = 5.0
    ahead.begin()
    beside.go_on()

    run = draw(
        measured,
        model=tiny_bundle,
        sampler="kd",
        samples=1,
        camera=restore.camera,
        psf=Psf(5.0),
        device="cpu",
        progress=False,
    )
    assert set(restore.outlook) <= set(run.warnings)


def test_the_speed_is_learned_once_for_a_model_and_device(state, ahead, beside, rates):
    ahead.begin()
    beside.go_on()
    assert beside.titles == ["looking at the image", "timing the network"]
    assert rates.expect("tiny", "cpu", "float32", pixel_calls=1e6) > 0
    state.restore.psf = 2.0
    beside.go_on()
    assert beside.titles.count("timing the network") == 1


def test_nothing_is_looked_at_while_a_run_is_drawn(state, ahead, beside):
    entry = RunEntry(1, "kd-1", "student", "cell", 4, state="running")
    state.runs.append(entry)
    ahead.begin()
    assert beside.waiting == []
    entry.state = "done"
    ahead.look()
    assert beside.titles == ["looking at the image"]


def test_an_image_that_cannot_be_read_is_left_to_the_run(state, ahead, beside):
    def fail():
        raise OSError("gone")

    state.restore.image = replace(state.restore.image, key=2, read=fail)
    ahead.begin()
    beside.go_on()
    assert state.restore.outlook == ()
    assert beside.titles[-1] == "timing the network"


def test_every_channel_has_a_photon_scale_of_its_own(tiny_model):
    rng = np.random.default_rng(0)
    dim, bright = rng.poisson(20, (64, 64)), rng.poisson(60_000, (64, 64))
    planes = (2.0 * np.stack([dim, bright]) + 100).astype(np.float32)
    image = replace(as_image(planes), geometry=as_image(planes).geometry)
    geometry = image.geometry
    image = replace(image, geometry=replace(geometry, axes=("c", "y", "x")))
    told = range_outlook(image, tiny_model, camera=Camera(2.0, 100.0, 1.5), psf=Psf(1.4))
    assert any("channel 1" in one for one in told)
    assert not any("photon scale of channel 0" in one for one in told)


def test_a_point_estimate_has_no_speed(tiny_model):
    device, seconds = seconds_per_pixel(tiny_model, "mse", device="cpu")
    assert (device, seconds) == ("cpu", None)
