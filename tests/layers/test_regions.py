"""Shapes and labels of a viewer as regions of a run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_posterior.errors import InputError
from napari_posterior.layers import add_run, image_choice, regions_of_layer
from napari_posterior.layers.regions import take_regions


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def run(viewer, measured_image, stored_run):
    """Of an image with a pixel size, away from the origin; its layers are in the viewer."""
    image = measured_image()
    layer = viewer.add_image(
        image.data, scale=(0.1, 0.2), translate=(3.0, -5.0), units=("um", "um"), name=image.name
    )
    found = stored_run(image_choice(layer).read())
    add_run(viewer, found)
    return found


def world(*pixels):
    return np.array(pixels) * (0.1, 0.2) + (3.0, -5.0)


def box(top, left, bottom, right):
    return world((top, left), (top, right), (bottom, right), (bottom, left))


def mask_of(run, rows, columns):
    mask = np.zeros(run.request.image.shape[-2:], bool)
    mask[rows, columns] = True
    return mask


def test_a_rectangle_holds_the_pixels_that_it_was_drawn_around(viewer, run):
    shapes = viewer.add_shapes([box(1.5, 2.5, 6.5, 9.5)], units=("um", "um"), name="cells")
    [region] = regions_of_layer(shapes, run)
    assert region.name == "cells 1"
    np.testing.assert_array_equal(region.mask, mask_of(run, slice(2, 7), slice(3, 10)))


def test_units_of_the_shapes_count(viewer, run):
    shapes = viewer.add_shapes([1000 * box(1.5, 2.5, 6.5, 9.5)], units=("nm", "nm"))
    [region] = regions_of_layer(shapes, run)
    np.testing.assert_array_equal(region.mask, mask_of(run, slice(2, 7), slice(3, 10)))


def test_an_ellipse_holds_what_is_inside_and_lines_hold_nothing(viewer, run):
    shapes = viewer.add_shapes(
        [box(1.5, 2.5, 12.5, 13.5), world((0, 0), (5, 5))],
        shape_type=["ellipse", "line"],
        units=("um", "um"),
        name="s",
    )
    [region] = regions_of_layer(shapes, run)
    rows, columns = np.indices(region.mask.shape)
    inside = (rows - 7) ** 2 + (columns - 8) ** 2 < 5.5**2
    assert (region.mask ^ inside).sum() <= 4


def test_shapes_drawn_over_a_stack_of_samples_are_taken_by_rows_and_columns(viewer, run):
    corners = np.insert(box(1.5, 2.5, 6.5, 9.5), 0, 1.0, axis=1)
    shapes = viewer.add_shapes([corners], units=("pixel", "um", "um"))
    [region] = regions_of_layer(shapes, run)
    np.testing.assert_array_equal(region.mask, mask_of(run, slice(2, 7), slice(3, 10)))


def test_labels_on_the_pixels_of_the_run_are_regions(viewer, run):
    labels = np.zeros(run.request.image.shape[-2:], np.uint8)
    labels[2:7, 3:10] = 4
    layer = viewer.add_labels(labels, scale=(0.1, 0.2), translate=(3.0, -5.0), units=("um", "um"))
    [region] = regions_of_layer(layer, run)
    assert region.name == "label 4"
    np.testing.assert_array_equal(region.mask, labels == 4)


@pytest.mark.parametrize("where", [{"translate": (3.1, -5.0)}, {"scale": (0.1, 0.1)}])
def test_labels_beside_the_pixels_of_the_run_are_refused(viewer, run, where):
    labels = np.ones(run.request.image.shape[-2:], np.uint8)
    look = {"scale": (0.1, 0.2), "translate": (3.0, -5.0), "units": ("um", "um"), **where}
    layer = viewer.add_labels(labels, **look)
    with pytest.raises(InputError, match="does not lie on the pixels"):
        regions_of_layer(layer, run)


def test_what_holds_no_regions_is_refused(viewer, run):
    with pytest.raises(InputError, match="Shapes or a Labels layer"):
        regions_of_layer(viewer.layers[0], run)
    with pytest.raises(InputError, match="an inside"):
        regions_of_layer(viewer.add_shapes(), run)


def test_regions_are_those_of_the_moment_and_made_in_another_thread(viewer, run):
    shapes = viewer.add_shapes([box(1.5, 2.5, 6.5, 9.5)], units=("um", "um"), rotate=0.0)
    labels = np.zeros(run.request.image.shape[-2:], np.uint8)
    labels[2:7, 3:10] = 4
    painted = viewer.add_labels(labels, scale=(0.1, 0.2), translate=(3.0, -5.0), units=("um", "um"))
    taken = [take_regions(layer, run) for layer in (shapes, painted)]
    shapes.data = [box(8.5, 8.5, 9.5, 9.5)]
    painted.data[...] = 0
    with ThreadPoolExecutor(1) as pool:
        for (region,) in pool.map(lambda make: make(), taken):
            np.testing.assert_array_equal(region.mask, mask_of(run, slice(2, 7), slice(3, 10)))


def test_shapes_of_a_layer_that_is_turned_are_turned(viewer, run):
    shapes = viewer.add_shapes([[(0, 0), (0, 5), (4, 5), (4, 0)]], rotate=90, units=("um", "um"))
    shapes.scale, shapes.translate = (0.1, 0.2), (3.95, -4.1)  # by pixels of the run, off centres
    [region] = regions_of_layer(shapes, run)
    corners = np.array([shapes.data_to_world(one) for one in shapes.data[0]])
    rows, columns = ((corners - (3.0, -5.0)) / (0.1, 0.2)).T
    inside = np.zeros(region.mask.shape, bool)
    inside[
        int(np.ceil(rows.min())) : int(np.floor(rows.max())) + 1,
        int(np.ceil(columns.min())) : int(np.floor(columns.max())) + 1,
    ] = True
    np.testing.assert_array_equal(region.mask, inside)
