from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_posterior.errors import InputError
from napari_posterior.physics.camera_files import read_camera

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = {"gain": 2.1, "offset": 100.0, "read_noise": 1.6}


@pytest.fixture
def planes() -> np.ndarray:
    """Gain 2 ADU/e-, offset 100 ADU and read variance 9 ADU^2, a little uneven."""
    rng = np.random.default_rng(0)
    return np.array([2.0, 100.0, 9.0])[:, None, None] * rng.uniform(0.9, 1.1, (3, 12, 10))


@pytest.mark.parametrize("kind", ["tif", "npy", "array", "list"])
def test_three_planes_become_maps_with_the_read_noise_in_electrons(tmp_path, planes, kind):
    source: object = planes
    if kind == "tif":
        source = tmp_path / "camera.tif"
        tifffile.imwrite(source, planes, photometric="minisblack")
    elif kind == "npy":
        source = str(tmp_path / "camera.npy")
        np.save(source, planes)
    elif kind == "list":
        source = list(planes)
    camera = read_camera(source, bits=16)
    assert np.array_equal(camera.gain, planes[0])
    assert np.array_equal(camera.offset, planes[1])
    assert camera.read_noise == pytest.approx(np.sqrt(planes[2]) / planes[0])
    assert camera.typical.read_noise == pytest.approx(1.5, rel=0.1)
    assert (camera.bits, camera.saturation, camera.source) == (16, 65535, "given")


def test_json_and_mapping_become_numbers(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(NUMBERS | {"bits": 12, "gain_interval": [2.0, 2.2]}))
    camera = read_camera(path)
    assert (camera.gain, camera.offset, camera.read_noise) == (2.1, 100.0, 1.6)
    assert camera.bits == 12
    assert camera.gain_interval == (2.0, 2.2)
    assert read_camera(NUMBERS, saturation=4000).saturation == 4000


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"gain": 2.1}, "lacks offset and read_noise"),
        (NUMBERS | {"read": 1}, "unknown|has the field 'read'"),
        (NUMBERS | {"gain": "two"}, "gain of .* is 'two'; give a number"),
        (NUMBERS | {"gain": True}, "give a number"),
        (NUMBERS | {"gain": -1}, "positive number of ADU"),
        (NUMBERS | {"gain": float("nan")}, "positive number of ADU"),
        (NUMBERS | {"bits": 12.5}, "give a whole number"),
        (NUMBERS | {"gain_interval": [1]}, "give two numbers"),
        (NUMBERS | {"gain_interval": [3, 1]}, "give the lower end first"),
        (NUMBERS | {"saturation": 5}, "saturates at 5 ADU"),
        (NUMBERS | {"source": 5}, "give text"),
    ],
)
def test_bad_numbers_get_one_sentence(tmp_path, numbers, words):
    for source in (numbers, write(tmp_path / "camera.json", json.dumps(numbers))):
        with pytest.raises(InputError, match=words) as error:
            read_camera(source)
        assert "\n" not in str(error.value)


def test_bad_planes_get_one_sentence(planes):
    hole, negative, swapped = planes.copy(), planes.copy(), planes.copy()
    hole[1, 3, 4] = np.nan
    negative[2, 0, 0] = -1
    swapped[0, 2, 2] = 0
    for bad, words in (
        (hole, "1 pixels of the camera offset map are NaN"),
        (negative, "read variance of the camera are negative"),
        (swapped, "gain map are NaN, infinite or out of range, such as 0"),
        (planes[:2], "give three planes"),
        (planes[0], "give three planes"),
        (planes > 1, "give three planes"),
        ([planes[0], planes[1, :3]], "is not an array"),
    ):
        with pytest.raises(InputError, match=words):
            read_camera(bad)


def test_files_that_cannot_be_read_get_one_sentence(tmp_path):
    for path, words in (
        (tmp_path / "none.json", "does not exist"),
        (tmp_path / "none.tif", "does not exist"),
        (write(tmp_path / "text.json", "gain: 2"), "is not JSON"),
        (write(tmp_path / "list.json", "[1, 2]"), "give three planes"),
    ):
        with pytest.raises(InputError, match=words):
            read_camera(path)


@pytest.mark.realdata
def test_the_calibration_of_a_real_camera_is_read(real_data):
    camera = read_camera(real_data / "miro_scmos_calibration.tif", bits=16)
    assert camera.shape == (400, 400)
    assert camera.typical.gain == pytest.approx(2.13, abs=0.01)
    assert camera.typical.offset == pytest.approx(101.2, abs=0.1)
    assert camera.typical.read_noise == pytest.approx(0.80, abs=0.01)
