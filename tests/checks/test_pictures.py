"""Pictures, limits, scale bars, charts and numbers in words."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from napari_posterior.checks.finding import as_json, number, rounded
from napari_posterior.checks.pictures import (
    COLOURS,
    Scale,
    encode_png,
    nice_length,
    shared_limits,
    shrink,
    symmetric_limits,
)
from napari_posterior.checks.report import Values
from napari_posterior.checks.svg import histogram, standalone, strip


def colours_of(image, scale):
    picture = Image.open(io.BytesIO(encode_png(np.asarray(image, float), scale)))
    return np.asarray(picture.convert("RGB"))


def test_limits_get_the_end_colours_and_blanks_are_grey() -> None:
    found = colours_of([[0, 10, 99, -5, np.nan]], Scale(0, 10, "grey", "ADU"))
    assert found[0].tolist() == [[0] * 3, [255] * 3, [255] * 3, [0] * 3, [128] * 3]


def test_zero_is_neutral_on_the_diverging_scale() -> None:
    low, middle, high = colours_of([[-2, 0, 2]], Scale(-2, 2, "diverging", ""))[0].astype(int)
    assert np.ptp(middle) <= 3
    assert low[2] > low[0] + 60
    assert high[0] > high[2] + 60


@pytest.mark.parametrize("name", ["grey", "magma", "viridis"])
def test_sequential_scales_grow_lighter(name: str) -> None:
    palette = Scale(0, 1, name, "").palette()[:255].astype(float)
    assert (np.diff(palette @ [0.2126, 0.7152, 0.0722]) > -0.6).all()
    assert set(COLOURS) >= {name}


def test_limits_hold_both_images_and_never_collapse() -> None:
    low, high = shared_limits([np.zeros((9, 9)), np.full((9, 9), 5.0)])
    assert (low, high) == (0.0, 5.0)
    low, high = shared_limits([np.full((9, 9), 3.0)])
    assert high > low
    assert symmetric_limits(np.full((4, 4), np.nan)) == (-1.0, 1.0)
    assert symmetric_limits(np.full((4, 4), -3.0)) == (-3.0, 3.0)


def test_shrink_keeps_every_nth_pixel() -> None:
    image = np.arange(100.0).reshape(10, 10)
    small, step = shrink(image, 4)
    assert step == 3
    np.testing.assert_array_equal(small, image[::3, ::3])


@pytest.mark.parametrize(
    ("width", "size", "unit", "label"),
    [
        (512, 0.08, "micrometer", "5 µm"),
        (256, 0.325, "micrometer", "10 µm"),
        (300, 65.0, "nanometer", "2000 nm"),
        (100, 0.01, "micrometer", "0.2 µm"),
    ],
)
def test_scale_bar_is_round_and_near_a_fifth(width, size, unit, label) -> None:
    share, words = nice_length(width, size, unit)
    assert words == label
    assert 0.08 < share <= 0.2001


@pytest.mark.parametrize(
    ("teacher", "student"),
    [
        ([3, 4, 4, 5], [2, 4, 4, 9, 3]),
        ([100, 180, 260], [90, 400]),
        ([7, 7, 7], [7, 7]),
        ([0.91, 0.95], [0.9, 1.02, 1.4]),
        ([-0.5, 0.5], [0.0, 0.0]),
    ],
)
def test_charts_are_well_formed(teacher, student) -> None:
    values = Values("h", "a < b", "px", np.array(teacher), np.array(student))
    root = ET.fromstring(standalone(histogram(values, names=("teacher", "k & d"))))
    assert root.tag.endswith("svg")
    shapes = {node.get("class") for node in root.iter()}
    assert {"teacher", "student"} <= shapes
    assert "nan" not in ET.tostring(root, "unicode").lower()


def test_what_is_expected_is_marked() -> None:
    values = Values("c", "chi", "", np.array([1.1, 1.2]), np.array([1.3, 1.2]), 1.0, 0.02)
    chart = histogram(values, names=("teacher", "kd"))
    assert 'class="band"' in chart
    assert "1.00 expected" in chart


def test_strips_are_left_out_where_there_is_no_interval() -> None:
    assert strip(None, (None, None), no_difference=0, ratio=False) == ""
    assert strip(0.0, (0.0, 0.0), no_difference=1, ratio=True) == ""
    ET.fromstring(strip(1.2, (0.9, 1.6), no_difference=1, ratio=True))
    ET.fromstring(strip(0.0, (0.0, 0.0), no_difference=0, ratio=False))


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.01234, "0.0123"), (-3.14159, "−3.14"), (1234.5, "1234"), (0.0, "0"), (None, "unbounded")],
)
def test_numbers_have_three_digits_and_a_minus_sign(value, words) -> None:
    assert number(value) == words


def test_estimates_have_the_digits_that_their_interval_deserves() -> None:
    assert rounded(0.0938, (-0.407, 0.597), sign=True) == ("+0.09", "−0.41 to +0.60")
    assert rounded(0.6964, (0.645, 0.7519)) == ("0.696", "0.645 to 0.752")
    assert rounded(431.2, (371.0, 491.0)) == ("431", "371 to 491")
    assert rounded(None, (None, None)) == ("–", "–")


def test_json_values_have_no_nan() -> None:
    found = as_json({"a": np.float64("nan"), "b": (np.int64(3), np.array([1.0, np.inf]))})
    assert found == {"a": None, "b": [3, [1.0, None]]}
