from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from napari_posterior.errors import InputError
from napari_posterior.image import Image
from napari_posterior.physics.camera import Camera
from napari_posterior.runs.request import ImageRecord, RestoreRequest, check_samples


def test_a_request_comes_back_from_json_as_it_was(make_request):
    request = make_request(tile=256, batch=7, blind=True, seed=2**64 - 1)
    assert RestoreRequest.model_validate_json(request.model_dump_json()) == request


@pytest.mark.parametrize("samples", [0, -1, 10**9])
def test_a_senseless_number_of_samples_is_one_sentence_with_the_range(make_request, samples):
    with pytest.raises(InputError, match=rf"^{samples} samples cannot be drawn; ask for 1 to 4096"):
        make_request(samples=samples)
    with pytest.raises(InputError, match="ask for 1 to 4096"):
        check_samples(samples)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch", 0),
        ("seed", -1),
        ("precision", "float16"),
        ("role", "oracle"),
        ("tile", 0),
        ("samples", "many"),
        ("unheard_of", 1),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_field(make_request, field, value):
    with pytest.raises(InputError) as caught:
        make_request(**{field: value})
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_camera_or_psf_that_cannot_be_is_refused_in_its_own_words(make_request):
    with pytest.raises(InputError, match="PSF sigma is nan; give a finite number of pixels"):
        make_request(psf={"sigma": float("nan")})
    with pytest.raises(InputError, match="camera gain is -1; give a positive number"):
        make_request(camera={"gain": -1})
    with pytest.raises(InputError, match="unknown field, 'colour'"):
        make_request(camera={"colour": 3})


def test_a_point_estimate_has_one_image(make_request):
    assert make_request(role="point", sampler="mse", samples=1).samples == 1
    with pytest.raises(InputError, match="ask for 1 sample instead of 16"):
        make_request(role="point", sampler="mse", samples=16)


def test_a_request_cannot_be_changed(make_request):
    with pytest.raises(ValidationError):
        make_request().seed = 3


def test_the_hash_of_an_image_follows_pixels_shape_and_dtype(make_image):
    image = make_image()
    same = Image(image.data.copy(), image.geometry, "other name")
    brighter = image.data.copy()
    brighter[3, 4] += 1
    assert ImageRecord.of(image).sha256 == ImageRecord.of(same).sha256
    hashes = {
        ImageRecord.of(Image(data, image.geometry)).sha256
        for data in (
            image.data,
            brighter,
            image.data.astype(np.float32),
            image.data.reshape(32, 24),
        )
    }
    assert len(hashes) == 4


def test_the_geometry_comes_back_from_the_record(make_image):
    image = make_image("tzyx", (2, 3, 10, 12))
    record = ImageRecord.of(image)
    assert record.geometry == image.geometry
    assert record.n_planes == 6


def test_differences_name_the_fields_and_not_where_the_pixels_came_from(make_request, make_image):
    image = make_image()
    request = make_request(image)
    moved = make_request(Image(image.data, image.geometry, "renamed", "elsewhere.tif"))
    assert request.differences(moved) == ()
    other = make_request(
        dataclasses.replace(image, data=image.data + 1), seed=1, camera=Camera(gain=3.0)
    )
    assert request.differences(other) == ("seed", "camera", "image.sha256")
