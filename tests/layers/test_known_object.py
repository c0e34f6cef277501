"""The known object of a run is read from a layer, wherever the run lies in it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_posterior.errors import InputError
from napari_posterior.layers.known_object import (
    is_truth,
    known_object,
    region_choice,
    truth_choice,
    truth_of,
)


@pytest.fixture
def run(measured_image, asked):
    return SimpleNamespace(request=asked(measured_image("yx")))


def layer_of(run, data, *, shift=(0, 0), **changes):
    geometry = run.request.image.geometry
    start = np.array(geometry.translate) - np.array(shift) * geometry.scale
    look = {"scale": geometry.scale, "translate": start, "units": geometry.units}
    return Image(data, name="object", **{**look, **changes})


def test_the_part_that_was_restored_is_read(run):
    height, width = run.request.image.shape
    data = np.arange((height + 6) * (width + 8), dtype=np.float32).reshape(height + 6, width + 8)
    layer = layer_of(run, data, shift=(2, 5))
    found = known_object(layer, run)()
    np.testing.assert_array_equal(found, data[2 : 2 + height, 5 : 5 + width])


def test_the_unit_of_the_layer_is_honoured(run):
    geometry = run.request.image.geometry
    data = np.ones(run.request.image.shape, np.float32)
    nano = {
        "scale": 1000 * np.array(geometry.scale),
        "translate": 1000 * np.array(geometry.translate),
        "units": ("nanometer", "nanometer"),
    }
    assert known_object(layer_of(run, data, **nano), run)().shape == data.shape


def test_a_layer_elsewhere_or_of_another_shape_is_refused(run):
    shape = run.request.image.shape
    for layer in (
        layer_of(run, np.ones(shape), shift=(3, 0)),
        layer_of(run, np.ones(shape), shift=(0.5, 0)),
        layer_of(run, np.ones(shape), scale=(1.0, 1.0)),
    ):
        with pytest.raises(InputError, match="does not lie on the pixels"):
            known_object(layer, run)
    with pytest.raises(InputError, match="has shape"):
        known_object(Image(np.ones((3, *shape))), run)


def test_layers_that_say_so_are_known_objects():
    said = Image(np.ones((4, 4)), metadata={"napari_posterior": {"sample": "puncta"}})
    measured = Image(np.ones((4, 4)), metadata={"napari_posterior": {"sample": "p", "gain": 2}})
    assert is_truth(said)
    assert truth_of(said) == "puncta"
    assert not is_truth(measured)
    assert not is_truth(Image(np.ones((4, 4))))


def test_choices_of_one_layer_are_equal(run):
    layer = layer_of(run, np.ones(run.request.image.shape))
    assert truth_choice(layer) == truth_choice(layer)
    shapes = Shapes(np.array([[0, 0], [0, 9], [9, 9], [9, 0]]), shape_type="polygon")
    assert region_choice(shapes).name == shapes.name


def test_the_mark_of_shapes_follows_what_is_drawn_and_where_and_not_how_it_looks():
    layer = Shapes(np.array([[0, 0], [0, 9], [9, 9], [9, 0]]), shape_type="polygon")
    mark = region_choice(layer).mark
    first = mark()
    layer.edge_color, layer.opacity, layer.name = "red", 0.5, "other"
    assert mark() == first
    layer.add([[1, 1], [1, 4], [4, 4], [4, 1]], shape_type="ellipse")
    added = mark()
    assert added != first
    layer.data = layer.data[:1]
    assert mark() == first
    layer.translate = (3, 0)
    assert mark() not in (first, added)
    layer.translate = (0, 0)
    assert mark() == first


def test_the_mark_of_labels_follows_the_pixels_also_those_that_are_undone():
    layer = Labels(np.zeros((20, 20), int))
    mark = region_choice(layer).mark
    first = mark()
    layer.paint((5, 5), 1)
    painted = mark()
    assert painted != first
    layer.undo()
    assert mark() == first
    layer.data[3, 3] = 4
    layer.refresh()
    assert mark() not in (first, painted)


def test_the_mark_of_a_known_object_is_that_of_its_data(run):
    data = np.ones(run.request.image.shape)
    layer = layer_of(run, data)
    mark = truth_choice(layer).mark
    first = mark()
    layer.contrast_limits = (0, 5)
    assert mark() == first
    layer.data = data + 1
    assert mark() != first
