"""The camera: numbers or maps, saturation, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera, Levels
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.records import arrays_of, from_record, to_record

GAIN = np.array([[1.0, 2.0], [3.0, 4.0]])
OFFSET = np.array([[100.0, 101.0], [99.0, 98.0]])


def test_maps_calibrate_every_pixel_in_numpy_and_torch_alike():
    camera = Camera(GAIN, OFFSET, 1.5)
    electrons = np.arange(8.0).reshape(2, 2, 2)
    y = camera.to_adu(electrons)
    np.testing.assert_array_equal(y, electrons * GAIN + OFFSET)
    np.testing.assert_allclose(camera.to_electrons(y), electrons, atol=1e-13)
    wide = torch.from_numpy(y)
    np.testing.assert_allclose(camera.to_electrons(wide).numpy(), electrons, atol=1e-13)
    assert camera.to_electrons(wide.float()).dtype == torch.float32


def test_the_typical_pixel_has_the_medians():
    assert Camera(GAIN, OFFSET, 1.5).typical == Levels(2.5, 99.5, 1.5)
    assert Camera(2, 100, 1).typical == Levels(2.0, 100.0, 1.0)


def test_cameras_are_equal_if_all_their_numbers_are():
    one, same = Camera(GAIN, OFFSET, 1.5), Camera(GAIN.copy(), OFFSET.tolist(), 1.5)
    assert one == same
    assert hash(one) == hash(same)
    assert one != Camera(GAIN + 1e-9, OFFSET, 1.5)
    assert one != Camera(GAIN, OFFSET, 1.5, saturation=4000)
    assert one != "camera"


def test_a_map_cannot_be_changed_behind_the_back_of_the_camera():
    mine = GAIN.copy()
    camera = Camera(mine, 100.0, 1.0)
    mine[0, 0] = 50
    assert camera.gain[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        camera.gain[0, 0] = 50


def test_a_crop_of_the_image_takes_a_crop_of_the_maps():
    camera = Camera(np.arange(1.0, 13.0).reshape(3, 4), 100.0, 1.0)
    part = camera.crop(slice(1, 3), slice(0, 2))
    np.testing.assert_array_equal(part.gain, [[5, 6], [9, 10]])
    assert Camera(2, 100, 1).crop(slice(1, 3), slice(0, 2)) == Camera(2, 100, 1)


def test_bits_give_the_saturation_and_the_noise_of_rounding():
    camera = Camera(0.5, 100.0, 1.0, bits=12)
    assert camera.saturation == 4095
    np.testing.assert_array_equal(
        camera.is_saturated(np.array([4094, 4095, 5000])), [False, True, True]
    )
    assert camera.noise_floor == pytest.approx(np.sqrt(1 + 1 / 3))
    assert Camera(0.5, 100.0, 1.0).noise_floor == 1.0
    assert not Camera(0.5, 100.0, 1.0).is_saturated(np.array([1e9])).any()


def test_a_measurement_tells_which_pixels_are_saturated():
    measurement = Measurement(np.array([[10.0, 255.0]]), Camera(1, 0, 1, bits=8), Psf(1.0))
    np.testing.assert_array_equal(measurement.valid, [[True, False]])


def test_words_state_units_intervals_and_maps():
    camera = Camera(GAIN, 100.0, 1.5, saturation=4095, offset_interval=(98.0, 103.0))
    assert camera.words == (
        "gain 2.5 ADU/e-, median of a map, offset 100 ADU (95 % interval 98 to 103), "
        "read noise 1.5 e-, saturated at 4095 ADU"
    )


def test_the_doubt_of_the_gain_is_half_its_interval_over_the_gain():
    assert Camera(2.0, 0, 1, gain_interval=(1.8, 2.4)).gain_doubt == pytest.approx(0.15)
    assert Camera(2.0, 0, 1).gain_doubt == 0.0


@pytest.mark.parametrize(
    "camera",
    [
        Camera(2.1, 100.0, 1.6),
        Camera(GAIN, OFFSET, 1.6, "estimated", saturation=4000.0, gain_interval=(1.5, 2.5)),
    ],
)
def test_a_record_gives_the_camera_back(camera):
    record = to_record(camera)
    assert from_record(Camera, record, arrays_of(camera)) == camera


def test_a_record_refuses_arrays_that_are_not_its_own():
    record = to_record(Camera(GAIN, 100.0, 1.0))
    for arrays in ({}, {"gain": GAIN + 1}, {"gain": GAIN.ravel()}):
        with pytest.raises(InputError, match="the gain of the camera is missing, damaged"):
            from_record(Camera, record, arrays)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"gain": -1}, "gain is -1; give a positive number of ADU per e-"),
        ({"gain": 0}, "gain is 0; give a positive"),
        ({"gain": "high"}, "gain is 'high'; give a positive"),
        ({"offset": float("nan")}, "offset is nan; give a finite number of ADU"),
        ({"read_noise": -0.1}, "read noise is -0.1; give a number of e- of 0 or more"),
        ({"gain": np.array([[1, np.nan]])}, "1 pixels of the camera gain map are NaN"),
        ({"read_noise": np.array([[1.0, -2.0]])}, "such as -2; give a number of e- of 0 or more"),
        ({"gain": np.ones(3)}, r"gain has shape \(3,\); give one number, or a map"),
        ({"gain": np.ones((0, 3))}, "give one number, or a map"),
        ({"gain": np.ones((2, 2)), "offset": np.ones((3, 2))}, "the camera maps differ in shape"),
        ({"bits": 0}, "has 0 bits; give 1 to 32"),
        ({"bits": 8, "offset": 300}, "saturates at 255 ADU, which is not above its offset"),
        ({"gain_interval": (3.0, 1.0)}, "interval of the camera gain is 3 to 1; give the lower"),
    ],
)
def test_numbers_that_cannot_be_are_one_sentence(fields, told):
    with pytest.raises(InputError, match=told) as caught:
        Camera(**fields)
    assert "\n" not in str(caught.value)


def test_maps_of_another_shape_than_the_image_are_refused():
    with pytest.raises(InputError, match="2 x 2 pixels and the image 4 x 5; crop the maps"):
        Measurement(np.zeros((4, 5)), Camera(GAIN, 100.0, 1.0), Psf(1.0))
    assert Measurement(np.zeros((3, 2, 2)), Camera(GAIN, 100.0, 1.0), Psf(1.0)).valid.all()


def test_a_psf_of_a_stack_or_larger_than_the_image_does_not_fit_a_plane():
    with pytest.raises(InputError, match="PSF is that of a stack and the image has 2 axes"):
        Measurement(np.zeros((16, 16)), Camera(), Psf(1.5, 1.5))
    wide = Psf.widefield(na=1.4, wavelength=0.52, pixel_size=0.065, sampled=True)
    with pytest.raises(InputError, match="is larger than the image of 16 x 16 px"):
        Measurement(np.zeros((16, 16)), Camera(), wide)
