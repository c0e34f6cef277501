from __future__ import annotations

import threading
from functools import partial

import dask.array
import numpy as np
import pytest
import wrapt
from napari.components import ViewerModel
from shown_images import show as show_image

from napari_posterior.commands import sample_data_layers
from napari_posterior.errors import InputError
from napari_posterior.layers import (
    AcquisitionSettings,
    WrongThreadError,
    add_run,
    can_be_restored,
    image_choice,
    sample_settings,
)
from napari_posterior.physics.camera import Camera


@pytest.fixture
def viewer():
    return ViewerModel()


show = partial(show_image, contrast_limits=(0, 300))


def draw(viewer, layer, rows, columns):
    """Draw a rectangle through the centres of the first and last rows and columns."""
    (top, bottom), (left, right) = (
        [shift + i * step for i in pair]
        for pair, step, shift in zip(
            (rows, columns), layer.scale[-2:], layer.translate[-2:], strict=True
        )
    )
    corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
    return viewer.add_shapes([corners], name="region", units=layer.units[-2:])


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("yx", "YX 24 x 32, 0.11 µm/px"),
        (
            "zyx",
            "ZYX 4 x 24 x 32, 0.11 µm/px, z step 0.4 µm: 4 planes, restored separately",
        ),
        ("tyx", "TYX 3 x 24 x 32, 0.11 µm/px, time step 2 s: 3 planes, restored separately"),
        ("cyx", "CYX 2 x 24 x 32, 0.11 µm/px: 2 planes, restored separately"),
    ],
)
def test_whole_layer_is_told_in_words_and_read_as_it_is(axes, words, viewer, measured_image):
    image = measured_image(axes)
    choice = image_choice(show(viewer, image))
    assert (choice.name, choice.shape, choice.problem) == ("cell", image.data.shape, "")
    assert choice.words == words
    taken = choice.read()
    np.testing.assert_array_equal(taken.data, image.data)
    assert taken.geometry == image.geometry


def test_pixels_without_a_size_are_said_to_be_so(viewer):
    layer = viewer.add_image(np.arange(300.0).reshape(15, 20), name="plain")
    assert image_choice(layer).words == "YX 15 x 20, pixel size unknown"


def test_pixels_that_are_not_square_have_two_sizes(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(0.2, 0.1))
    assert image_choice(layer).words == "YX 24 x 32, 0.2 x 0.1 µm/px"


def test_plane_is_the_one_that_the_viewer_shows(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image)
    viewer.dims.set_current_step(0, 3)
    choice = image_choice(layer, region="plane", viewer=viewer)
    viewer.dims.set_current_step(0, 0)
    assert choice.words == "ZYX 1 x 24 x 32, 0.11 µm/px, z step 0.4 µm, plane z = 3"
    assert choice.shape == (1, 24, 32)
    np.testing.assert_array_equal(choice.read().data, image.data[3:4])


def test_rectangle_says_which_rows_and_columns_it_takes(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image)
    choice = image_choice(layer, region="shape", shapes=draw(viewer, layer, (4, 15), (10, 29)))
    assert choice.shape == (4, 12, 20)
    assert choice.words == (
        "ZYX 4 x 12 x 20, 0.11 µm/px, z step 0.4 µm, rows 4-15, columns 10-29: 4 planes, "
        "restored separately"
    )
    taken = choice.read()
    part = (slice(None), slice(4, 16), slice(10, 30))
    np.testing.assert_array_equal(taken.data, image.data[part])
    assert (taken.origin, taken.whole) == ((0, 4, 10), image.data.shape)
    assert taken.geometry == image.geometry.crop(part)


def test_plane_of_a_five_dimensional_layer_is_told_by_all_its_axes(viewer):
    data = np.random.default_rng(0).poisson(9, (2, 2, 3, 24, 32)).astype(np.uint16)
    layer = viewer.add_image(data, axis_labels=tuple("tczyx"))
    whole = image_choice(layer)
    assert (whole.problem, whole.shape) == ("", data.shape)
    viewer.dims.current_step = (1, 0, 2, 0, 0)
    choice = image_choice(layer, region="plane", viewer=viewer)
    assert choice.problem == ""
    assert choice.shape == (1, 1, 1, 24, 32)
    assert "plane t = 1, c = 0, z = 2" in choice.words
    np.testing.assert_array_equal(choice.read().data, data[1:2, 0:1, 2:3])


def test_reading_in_another_thread_asks_nothing_of_the_layer(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image)
    choice = image_choice(layer)
    layer.name, layer.scale, layer.translate = "renamed", (9, 9, 9), (7, 7, 7)
    layer.data = np.zeros((3, 9, 9))
    viewer.layers.clear()
    found = []
    thread = threading.Thread(target=lambda: found.append(choice.read()))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0].data, image.data)
    assert (found[0].geometry, found[0].name) == (image.geometry, "cell")


def test_what_is_read_is_a_copy(viewer, measured_image):
    layer = show(viewer, measured_image())
    taken = image_choice(layer).read()
    before = taken.data.copy()
    layer.data[:] = 0
    np.testing.assert_array_equal(taken.data, before)


def test_layer_is_looked_at_in_the_main_thread_only(viewer, measured_image):
    layer, caught = show(viewer, measured_image()), []

    def work():
        try:
            image_choice(layer)
        except WrongThreadError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_nothing_is_read_before_it_is_asked_for(viewer):
    read = []

    def plane(block_info=None):
        read.append(block_info[None]["chunk-location"][0])
        return np.zeros((1, 24, 32), np.uint16)

    data = dask.array.map_blocks(
        plane, chunks=((1,) * 6, (24,), (32,)), dtype=np.uint16, meta=np.empty((0, 0, 0))
    )
    layer = viewer.add_image(data, contrast_limits=(0, 1), axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 4)
    read.clear()
    choice = image_choice(layer, region="plane", viewer=viewer)
    assert not read
    choice.read()
    assert set(read) == {4}


def test_key_is_the_same_for_the_same_part_until_the_data_are_replaced(viewer, measured_image):
    image = measured_image("zyx")
    layer, other = show(viewer, image), show(viewer, image)
    viewer.dims.set_current_step(0, 1)
    whole = image_choice(layer).key
    plane = image_choice(layer, region="plane", viewer=viewer).key
    assert image_choice(layer).key == whole
    assert image_choice(layer, region="plane", viewer=viewer).key == plane
    assert len({whole, plane, image_choice(other).key}) == 3
    viewer.dims.set_current_step(0, 2)
    assert image_choice(layer, region="plane", viewer=viewer).key != plane
    layer.data = image.data.copy()
    assert image_choice(layer).key != whole


def problem(layer, **options):
    choice = image_choice(layer, **options)
    with pytest.raises(InputError):
        choice.read()
    return choice.problem


def test_results_of_runs_are_refused_and_their_measurement_is_not(viewer, stored_run):
    layers = {layer.name: layer for layer in add_run(viewer, stored_run(), with_residual=True)}
    assert can_be_restored(layers.pop("cell"))
    assert image_choice(viewer.layers["cell"]).problem == ""
    assert "holds samples already" in problem(layers.pop("cell | teacher samples"))
    assert "cell | teacher sd shows the sd of a run" in problem(layers["cell | teacher sd"])
    for layer in layers.values():
        assert not can_be_restored(layer)
        assert "choose the measured image" in problem(layer)


def test_layers_that_are_no_plain_images_are_refused_in_one_sentence(viewer, measured_image):
    image = measured_image()
    units = {"units": image.geometry.units}
    colour = viewer.add_image(np.zeros((24, 32, 3), np.uint8), name="rgb", rgb=True, **units)
    labels = viewer.add_labels(np.ones((24, 32), int), name="cells", **units)
    turned = show(viewer, image, rotate=30, name="turned")
    mask = viewer.add_image(np.eye(24, dtype=bool), name="mask", **units)
    tiny = viewer.add_image(np.ones((5, 999)), name="tiny", **units)
    assert "colour (RGB)" in problem(colour)
    assert problem(labels) == "cells is a Labels layer; choose an image layer"
    assert "rotated, sheared" in problem(turned)
    assert "boolean mask" in problem(mask)
    assert "planes of 5 x 999 pixels" in problem(tiny)
    for layer in (colour, labels, turned):
        assert not can_be_restored(layer)


def test_region_that_is_not_there_is_told_and_the_whole_still_described(viewer, measured_image):
    layer = show(viewer, measured_image("zyx"))
    whole = image_choice(layer).words
    choice = image_choice(layer, region="shape")
    assert "draw one around what to restore" in choice.problem
    assert choice.words == whole
    empty = viewer.add_shapes(name="empty", ndim=2, units=layer.units[-2:])
    assert "empty holds no rectangle" in problem(layer, region="shape", shapes=empty)
    beside = draw(viewer, layer, (90, 99), (3, 9))
    assert "encloses no pixel" in problem(layer, region="shape", shapes=beside)
    viewer.add_image(np.zeros((99, 9, 9)), units=layer.units, axis_labels=("z", "y", "x"))
    viewer.dims.set_point(0, 90.0)
    assert "sliders stand outside cell" in problem(layer, region="plane", viewer=viewer)


def test_layer_whose_file_has_gone_is_a_problem_and_no_fault(viewer):
    data = OnAStick()
    layer = viewer.add_image(data, name="far", contrast_limits=(0, 1))
    assert image_choice(layer).problem == ""
    data.plugged_in = False
    assert problem(layer) == "far cannot be taken as an image (OSError); choose another layer"


class OnAStick:
    """An array on a drive that can be pulled out."""

    dtype, ndim = np.dtype(np.float32), 2

    def __init__(self):
        self.plugged_in = True

    @property
    def shape(self):
        if not self.plugged_in:
            raise OSError("no such device")
        return 24, 32

    def __getitem__(self, key):
        return np.zeros(self.shape, self.dtype)[key]


def test_layer_behind_a_proxy_is_the_same_layer(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image)
    plain = image_choice(layer, region="plane", viewer=viewer)
    wrapped = image_choice(
        wrapt.ObjectProxy(layer), region="plane", viewer=wrapt.ObjectProxy(viewer)
    )
    assert plain == wrapped
    assert can_be_restored(wrapt.ObjectProxy(layer))


def test_settings_of_a_sample_image_are_found(viewer):
    measured, truth = (
        viewer.add_image(data, **look) for data, look, _ in sample_data_layers("puncta")
    )
    told = measured.metadata["napari_posterior"]
    found = sample_settings(measured)
    assert found == AcquisitionSettings(
        Camera(told["gain"], told["offset"], told["read_noise"]),
        told["psf_sigma"],
        told["background"],
    )
    assert sample_settings(truth) is None
    assert can_be_restored(measured)
    assert not can_be_restored(truth)


def test_settings_of_the_measurement_of_a_run_are_found(viewer, stored_run):
    run = stored_run(background=3.0, camera=Camera(2.0, 100.0, 1.6, source="estimated"))
    layers = add_run(viewer, run)
    assert sample_settings(layers[0]) == AcquisitionSettings(run.request.camera, 1.6, 3.0)
    assert sample_settings(layers[-1]) is None


@pytest.mark.parametrize(
    "told",
    [None, "text", {}, {"gain": 2}, {"gain": 0, "offset": 1, "read_noise": 1}, {"request": 3}],
)
def test_layers_that_state_nothing_of_use_have_no_settings(told, viewer, measured_image):
    layer = show(viewer, measured_image(), metadata={"napari_posterior": told})
    assert sample_settings(layer) is None
    assert can_be_restored(layer)
