from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from napari.components import ViewerModel
from shown_images import show as show_image

from napari_posterior.errors import InputError
from napari_posterior.layers import add_run, image_choice, plane_at, rectangle_of

AXES = ("yx", "zyx", "tyx", "cyx")


@pytest.fixture
def viewer():
    return ViewerModel()


show = partial(show_image, contrast_limits=(0, 300))


def take(layer, **part):
    """Read what would be restored of a layer."""
    return image_choice(layer, **part).read()


def rectangle(top, left, bottom, right):
    return np.array([[top, left], [top, right], [bottom, right], [bottom, left]], float)


def draw(viewer, layer, rows, columns, **look):
    """Draw a rectangle in world coordinates around rows and columns, from edge to edge."""
    edges = []
    for axis, (start, stop) in ((-2, rows), (-1, columns)):
        step, shift = layer.scale[axis], layer.translate[axis]
        edges.append([shift + (start - 0.5) * step, shift + (stop - 0.5) * step])
    (top, bottom), (left, right) = edges
    look = {"units": layer.units[-2:], **look}
    return viewer.add_shapes([rectangle(top, left, bottom, right)], name="region", **look)


@pytest.mark.parametrize("axes", AXES)
def test_whole_layer_is_taken_as_it_is(axes, viewer, measured_image):
    image = measured_image(axes)
    taken = take(show(viewer, image))
    np.testing.assert_array_equal(taken.data, image.data)
    assert taken.geometry == image.geometry
    assert taken.name == "cell"


@pytest.mark.parametrize("axes", AXES)
def test_rectangle_crops_rows_and_columns_and_keeps_their_place(axes, viewer, measured_image):
    image = measured_image(axes)
    layer = show(viewer, image)

    taken = take(layer, region="shape", shapes=draw(viewer, layer, (4, 16), (10, 30)))

    part = (*(slice(None) for _ in axes[:-2]), slice(4, 16), slice(10, 30))
    np.testing.assert_array_equal(taken.data, image.data[part])
    assert taken.geometry == image.geometry.crop(part)


@pytest.mark.parametrize("axes", AXES)
def test_restored_crop_lies_where_it_was_cut(axes, viewer, measured_image, stored_run):
    layer = show(viewer, measured_image(axes))
    taken = take(layer, region="shape", shapes=draw(viewer, layer, (4, 16), (10, 30)))

    added = add_run(viewer, stored_run(taken))

    low, high = added[-1].extent.world[:, -2:]
    step, shift = layer.scale[-2:], layer.translate[-2:]
    np.testing.assert_allclose(low, shift + np.array([4, 10]) * step)
    np.testing.assert_allclose(high, shift + np.array([15, 29]) * step)
    assert viewer.dims.axis_labels == ("sample", *axes)
    assert [str(u) for u in viewer.layers.extent.units] == ["pixel", *map(str, layer.units)]


def test_pixel_is_inside_where_its_centre_is(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(1, 1), translate=(0, 0))
    shapes = viewer.add_shapes([rectangle(3.6, 4.4, 20.6, 20.4)], units=layer.units)
    assert rectangle_of(layer, shapes) == (slice(4, 21), slice(5, 21))


@pytest.mark.parametrize("shift", [0.0, 2.5, 777.7])
def test_rectangle_through_the_centres_takes_its_first_and_last_rows(shift, viewer, measured_image):
    layer = show(viewer, measured_image(), translate=(shift, shift))
    corners = rectangle(4, 10, 15, 29) * layer.scale + shift
    shapes = viewer.add_shapes([corners], units=layer.units)
    assert rectangle_of(layer, shapes) == (slice(4, 16), slice(10, 30))


def test_rectangle_is_cut_at_the_edge_of_the_image(viewer, measured_image):
    layer = show(viewer, measured_image())
    shapes = draw(viewer, layer, (-9, 12), (20, 99))
    assert rectangle_of(layer, shapes) == (slice(0, 12), slice(20, 32))


def test_scale_and_position_of_the_shapes_layer_count(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(0.5, 0.5), translate=(10, 20))
    shapes = viewer.add_shapes(
        [rectangle(1, 1, 3, 3)], scale=(2, 2), translate=(10, 20), units=layer.units
    )
    assert rectangle_of(layer, shapes) == (slice(4, 13), slice(4, 13))


def test_shapes_in_another_unit_of_length_are_converted(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(0.1, 0.1), translate=(0, 0))
    shapes = viewer.add_shapes([rectangle(400, 400, 1500, 1500)], units=("nm", "nm"))
    assert rectangle_of(layer, shapes) == (slice(4, 16), slice(4, 16))


@pytest.mark.filterwarnings("ignore:.*[Uu]nits.*")
def test_shapes_without_units_count_by_their_numbers_as_napari_draws_them(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(0.1, 0.1), translate=(0, 0))
    shapes = viewer.add_shapes([rectangle(0.4, 0.4, 1.5, 1.5)])
    assert rectangle_of(layer, shapes) == (slice(4, 16), slice(4, 16))


def test_selected_shape_goes_before_the_last_one(viewer, measured_image):
    layer = show(viewer, measured_image(), scale=(1, 1), translate=(0, 0))
    shapes = viewer.add_shapes(
        [rectangle(0, 0, 9, 9), rectangle(10, 10, 19, 19)], units=layer.units
    )
    shapes.selected_data = set()
    assert rectangle_of(layer, shapes) == (slice(10, 20), slice(10, 20))
    shapes.selected_data = {0}
    assert rectangle_of(layer, shapes) == (slice(0, 10), slice(0, 10))


def test_rectangle_drawn_on_one_plane_of_a_stack_crops_all_of_them(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image, scale=(1, 1, 1), translate=(0, 0, 0))
    corners = np.insert(rectangle(3, 4, 12, 15), 0, 2.0, axis=1)
    shapes = viewer.add_shapes([corners], units=layer.units)
    assert take(layer, region="shape", shapes=shapes).data.shape == (4, 10, 12)


def test_no_rectangle_and_one_beside_the_image_are_refused(viewer, measured_image):
    layer = show(viewer, measured_image())
    with pytest.raises(InputError, match="holds no rectangle; draw one"):
        rectangle_of(layer, viewer.add_shapes(units=layer.units, name="empty", ndim=2))
    with pytest.raises(InputError, match="encloses no pixel of cell"):
        rectangle_of(layer, draw(viewer, layer, (90, 99), (3, 9)))


@pytest.mark.parametrize("axes", ["zyx", "tyx", "cyx"])
def test_current_plane_keeps_its_place(axes, viewer, measured_image, stored_run):
    image = measured_image(axes)
    layer = show(viewer, image)
    viewer.dims.set_current_step(0, 1)

    taken = take(layer, region="plane", viewer=viewer)

    np.testing.assert_array_equal(taken.data, image.data[1:2])
    assert taken.geometry == image.geometry.crop((slice(1, 2), slice(None), slice(None)))
    add_run(viewer, stored_run(taken))  # would warn of units if the axis were lost
    assert viewer.dims.axis_labels == ("sample", *axes)


def test_current_plane_is_found_beside_a_result_and_in_other_units(
    viewer, measured_image, stored_run
):
    image = measured_image("zyx")
    layer = show(viewer, image)
    viewer.add_image(
        np.zeros((9, 9, 9)), scale=(50, 50, 50), units=("nm",) * 3, axis_labels=("z", "y", "x")
    )
    add_run(viewer, stored_run(image))
    for plane in range(4):
        world = layer.translate[0] + plane * layer.scale[0]
        viewer.dims.set_point(1, world * 1000)  # napari counts in the smallest unit
        assert plane_at(layer, viewer) == (plane,)


def test_plane_outside_the_layer_is_refused(viewer, measured_image):
    layer = show(viewer, measured_image("zyx"))
    viewer.add_image(np.zeros((99, 9, 9)), units=layer.units, axis_labels=("z", "y", "x"))
    viewer.dims.set_point(0, 90.0)
    with pytest.raises(InputError, match="sliders stand outside cell"):
        take(layer, region="plane", viewer=viewer)


def test_full_resolution_of_a_multiscale_layer_is_taken(viewer, measured_image):
    image = measured_image()
    layer = show(viewer, image, scale=(1, 1), translate=(0, 0))
    pyramid = viewer.add_image(
        [image.data, image.data[::2, ::2]], units=layer.units, contrast_limits=(0, 300)
    )
    shapes = draw(viewer, pyramid, (4, 16), (10, 30))
    np.testing.assert_array_equal(
        take(pyramid, region="shape", shapes=shapes).data, image.data[4:16, 10:30]
    )


def test_results_rotated_and_colour_layers_are_refused(viewer, measured_image, stored_run):
    image = measured_image()
    samples = add_run(viewer, stored_run(image))[-1]
    with pytest.raises(InputError, match="holds samples already"):
        take(samples)
    with pytest.raises(InputError, match="rotated, sheared"):
        take(show(viewer, image, rotate=30))
    with pytest.raises(InputError, match="rotated, sheared"):
        take(show(viewer, image, affine=np.diag([2.0, 2.0, 1.0])))
    colour = viewer.add_image(np.zeros((24, 32, 3), np.uint8), rgb=True, units=image.geometry.units)
    with pytest.raises(InputError, match="colour"):
        take(colour)
