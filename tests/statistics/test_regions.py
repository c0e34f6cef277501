"""Regions of a plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_posterior.errors import InputError
from napari_posterior.statistics import (
    Region,
    StatisticContext,
    region_in_polygon,
    regions_of_labels,
)


def test_every_label_but_the_background_is_a_region() -> None:
    labels = np.zeros((6, 8), np.int32)
    labels[1:3, 1:4], labels[4:, 5:] = 3, 7
    regions = regions_of_labels(labels, names={7: "nucleus"})
    assert [one.name for one in regions] == ["label 3", "nucleus"]
    assert [int(one.mask.sum()) for one in regions] == [6, 6]


@pytest.mark.parametrize(
    "labels",
    [np.zeros((4, 4), int), np.full((4, 4), -1), np.zeros((4, 4)), np.zeros((2, 4, 4), int)],
    ids=["background only", "negative", "floats", "a stack"],
)
def test_what_is_no_plane_of_labels_is_refused(labels) -> None:
    with pytest.raises(InputError, match="labels are"):
        regions_of_labels(labels)


def test_a_polygon_holds_the_pixels_whose_centre_is_inside() -> None:
    corners = [(0.5, 0.5), (0.5, 3.5), (2.5, 3.5), (2.5, 0.5)]
    region = region_in_polygon(corners, (5, 6), name="box")
    expected = np.zeros((5, 6), bool)
    expected[1:3, 1:4] = True
    np.testing.assert_array_equal(region.mask, expected)


def test_a_polygon_may_reach_beyond_the_image() -> None:
    region = region_in_polygon([(-9, -9), (-9, 2.5), (9, 2.5), (9, -9)], (4, 5), name="edge")
    assert region.mask[:, :3].all()
    assert not region.mask[:, 3:].any()


@pytest.mark.parametrize("corners", [[(0, 0), (1, 1)], [(0, 0), (1, np.nan), (2, 2)]])
def test_a_polygon_without_an_inside_is_refused(corners) -> None:
    with pytest.raises(InputError, match="the region 'r'"):
        region_in_polygon(corners, (4, 4), name="r")


def test_a_region_outside_of_the_image_is_refused() -> None:
    with pytest.raises(InputError, match="no pixel"):
        region_in_polygon([(10, 10), (10, 12), (12, 12)], (4, 4), name="r")


def test_a_region_of_another_size_is_refused() -> None:
    region = Region("r", np.ones((4, 5), bool))
    region.check_shape((4, 5))
    with pytest.raises(InputError, match="4 x 5"):
        region.check_shape((5, 4))


@given(st.lists(st.tuples(st.floats(-0.49, 9.49), st.floats(-0.49, 5.49)), min_size=0, max_size=20))
def test_a_position_is_inside_where_its_pixel_is(positions) -> None:
    mask = np.zeros((10, 6), bool)
    mask[2:5, 1:4] = True
    context = StatisticContext(None, 1.0, 0.0, 1.0, region=mask)
    found = context.inside(np.array(positions).reshape(-1, 2))
    assert found.tolist() == [bool(mask[round(r), round(c)]) for r, c in positions]


def test_without_a_region_everything_is_inside() -> None:
    context = StatisticContext(None, 1.0, 0.0, 1.0)
    assert context.inside(np.zeros((3, 2))).tolist() == [True] * 3
