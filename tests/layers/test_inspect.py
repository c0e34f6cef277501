"""From a click to a pixel of a run, whatever the scale, units and axes; and the mark there."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import ReadOnlyWrapper
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)
from shown_images import show

from napari_posterior.image import Geometry
from napari_posterior.layers import WrongThreadError
from napari_posterior.layers.inspect import (
    CanvasClicks,
    CanvasKey,
    CanvasMark,
    grid_of,
    pixel_at,
    regions_at,
)


@pytest.fixture
def viewer():
    return ViewerModel()


def position_of(viewer, layer, index):
    """Where a pixel of a layer lies in the viewer's world, as napari tells a callback."""
    world = np.asarray(layer.data_to_world(index))
    own = [str(unit) for unit in layer.units]
    shown = [str(unit) for unit in viewer.layers.extent.units][-layer.ndim :]
    factors = [
        {("micrometer", "nanometer"): 1000.0}.get(pair, 1.0)
        for pair in zip(own, shown, strict=True)
    ]
    lead = viewer.dims.point[: viewer.dims.ndim - layer.ndim]
    return (*lead, *(world * factors))


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx", "tzyx"])
def test_click_is_turned_into_the_pixel(axes, viewer, measured_image):
    image = measured_image(axes)
    layer = show(viewer, image)
    index = tuple(size - 1 - i for i, size in enumerate(image.data.shape))
    found = pixel_at(viewer, position_of(viewer, layer, index), image.geometry, image.data.shape)
    np.testing.assert_allclose(found, index, atol=1e-6)


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_axis_of_samples_does_not_matter(axes, viewer, measured_image):
    image = measured_image(axes)
    layer = show(viewer, image)
    geometry = image.geometry.with_samples()
    viewer.add_image(
        np.zeros((3, *image.data.shape)), scale=geometry.scale, translate=geometry.translate,
        units=geometry.units, axis_labels=geometry.axes,
    )  # fmt: skip
    viewer.dims.set_point(0, 2)
    index = tuple(1 + i for i in range(len(axes)))
    found = pixel_at(viewer, position_of(viewer, layer, index), image.geometry, image.data.shape)
    np.testing.assert_allclose(found, index, atol=1e-6)


def test_units_of_the_viewer_are_honoured(viewer, measured_image):
    image = measured_image("yx")
    viewer.add_image(
        np.zeros((30, 30)), scale=(100, 100), units=("nm", "nm"), axis_labels=("y", "x")
    )
    layer = show(viewer, image)
    assert str(viewer.layers.extent.units[-1]) == "nanometer"
    position = position_of(viewer, layer, (7, 9))
    assert position[-1] > 1000
    found = pixel_at(viewer, position, image.geometry, image.data.shape)
    np.testing.assert_allclose(found, (7, 9), atol=1e-6)


def test_half_a_pixel_around_the_centre_belongs_to_it_and_outside_is_nothing(viewer):
    geometry = Geometry(("y", "x"), (0.5, 0.5), ("pixel", "pixel"), (10.0, 20.0))
    for row, inside in ((9.76, True), (9.74, False), (14.74, True), (14.76, False)):
        found = pixel_at(viewer, (row, 21.0), geometry, (10, 10))
        assert (found is not None) is inside
    assert pixel_at(viewer, (11.0,), geometry, (10, 10)) is None


def test_nothing_is_hit_in_three_dimensions(viewer, measured_image):
    image = measured_image("zyx")
    layer = show(viewer, image)
    viewer.dims.ndisplay = 3
    position = position_of(viewer, layer, (1, 2, 3))
    assert pixel_at(viewer, position, image.geometry, image.data.shape) is None


def test_shapes_that_were_clicked_are_named_as_regions_are(viewer, measured_image):
    image = measured_image("yx")
    layer = show(viewer, image)
    boxes = [
        np.array([[r, c], [r, c + 5], [r + 5, c + 5], [r + 5, c]], float)
        for r, c in ((2, 2), (10, 12))
    ]
    shapes = viewer.add_shapes(
        boxes, name="drawn", scale=layer.scale, translate=layer.translate, units=layer.units
    )
    assert regions_at(viewer, position_of(viewer, layer, (12, 14))) == ("drawn 2",)
    assert regions_at(viewer, position_of(viewer, layer, (20, 25))) == ()
    shapes.visible = False
    assert regions_at(viewer, position_of(viewer, layer, (12, 14))) == ()


def test_labels_that_were_clicked_are_named_as_regions_are(viewer, measured_image):
    image = measured_image("yx")
    layer = show(viewer, image)
    place = {"scale": layer.scale, "translate": layer.translate, "units": layer.units}
    nuclei, cells = np.zeros((2, *image.data.shape), int)
    nuclei[2:8, 2:8], cells[0:12, 0:12] = 7, 3
    below = viewer.add_labels(cells, name="cells", **place)
    above = viewer.add_labels(nuclei, name="nuclei", **place)
    at = position_of(viewer, layer, (4, 5))
    assert regions_at(viewer, at) == ("label 7", "label 3")
    assert regions_at(viewer, at, among=("layer", below.unique_id)) == ("label 3",)
    assert regions_at(viewer, position_of(viewer, layer, (20, 25))) == ()
    above.visible = False
    assert regions_at(viewer, at) == ("label 3",)


class Heard:
    def __init__(self):
        self.places = []

    def on_click(self, place):
        self.places.append(place)


def press(viewer, *, moved=0.0, button=1, modifiers=()):
    """Press, move and let go, as napari's canvas tells of it."""
    for kind, call, pos in (
        ("mouse_press", mouse_press_callbacks, (50.0, 50.0)),
        ("mouse_move", mouse_move_callbacks, (50.0 + moved, 50.0)),
        ("mouse_release", mouse_release_callbacks, (50.0 + moved, 50.0)),
    ):
        event = SimpleNamespace(
            type=kind, pos=pos, position=(3.0, 4.0), button=button, modifiers=modifiers,
            is_dragging=True, dims_displayed=[0, 1], handled=False,
        )  # fmt: skip
        call(viewer, ReadOnlyWrapper(event))


@pytest.fixture
def heard():
    return Heard()


def test_click_is_heard_and_a_drag_is_not(viewer, heard):
    clicks = CanvasClicks(viewer, heard.on_click)
    press(viewer)
    press(viewer, moved=2.0)
    assert heard.places == [(3.0, 4.0), (3.0, 4.0)]
    press(viewer, moved=10.0)
    assert len(heard.places) == 2
    clicks.stop()


def test_other_buttons_keys_and_tools_keep_their_clicks(viewer, heard):
    clicks = CanvasClicks(viewer, heard.on_click)
    press(viewer, button=2)
    press(viewer, modifiers=("Shift",))
    points = viewer.add_points(np.zeros((1, 2)))
    for mode in ("add", "select"):
        points.mode = mode
        press(viewer)
    shapes = viewer.add_shapes()
    shapes.mode = "add_rectangle"
    press(viewer)
    assert heard.places == []
    shapes.mode = "pan_zoom"
    press(viewer)
    assert len(heard.places) == 1
    clicks.stop()


def test_nothing_of_it_is_left_in_the_viewer(viewer, heard):
    before = list(viewer.mouse_drag_callbacks)
    clicks = CanvasClicks(viewer, heard.on_click)
    assert len(viewer.mouse_drag_callbacks) == len(before) + 1
    clicks.stop()
    clicks.stop()
    assert list(viewer.mouse_drag_callbacks) == before
    press(viewer)
    assert heard.places == []


def test_listener_is_let_go_of(viewer):
    heard = Heard()
    clicks = CanvasClicks(viewer, heard.on_click)
    gone = weakref.ref(heard)
    del heard
    gc.collect()
    assert gone() is None
    press(viewer)
    clicks.stop()


def test_key_is_taken_and_given_back(viewer):
    told = []

    class Panel:
        def on_key(self):
            told.append("ours")

    panel = Panel()
    viewer.bind_key("Escape", lambda viewer: told.append("theirs"))
    key = CanvasKey(viewer, "Escape", panel.on_key)
    key.want(True)
    [bound] = viewer.keymap.values()
    bound(viewer)
    key.want(False)
    [bound] = viewer.keymap.values()
    bound(viewer)
    assert told == ["ours", "theirs"]
    key.stop()


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx"])
def test_mark_lies_where_the_pixel_does_and_selects_nothing(axes, viewer, measured_image):
    image = measured_image(axes)
    layer = show(viewer, image)
    mark = CanvasMark(viewer)
    index = tuple(1 + i for i in range(len(axes)))

    mark.show("cell", index, image.geometry, radius=2.0)

    shown = viewer.layers["cell | inspected"]
    np.testing.assert_allclose(shown.data_to_world(shown.data[0]), layer.data_to_world(index))
    assert shown.units == layer.units
    assert shown.axis_labels == layer.axis_labels
    assert viewer.layers.selection.active is layer
    assert viewer.layers.extent.units is not None
    mark.show("cell", index, image.geometry)
    assert len(viewer.layers) == 2
    mark.hide()
    assert list(viewer.layers) == [layer]


def test_mark_that_the_user_deleted_is_no_fault_and_grid_mode_has_none(viewer, measured_image):
    image = measured_image("yx")
    show(viewer, image)
    mark = CanvasMark(viewer)
    mark.show("cell", (1, 2), image.geometry)
    viewer.layers.remove("cell | inspected")
    mark.hide()
    grid_of(viewer).enabled = True
    mark.show("cell", (1, 2), image.geometry)
    assert len(viewer.layers) == 1


def test_plane_is_gone_to(viewer, measured_image):
    image = measured_image("zyx")
    show(viewer, image)
    mark = CanvasMark(viewer)
    viewer.dims.set_current_step(0, 0)
    mark.show("cell", (3, 5, 5), image.geometry)
    mark.bring_into_sight((3, 5, 5), image.geometry)
    assert viewer.dims.current_step[0] == 3


def test_clicks_belong_to_the_main_thread(viewer, heard):
    import threading

    found = []

    def run():
        try:
            CanvasClicks(viewer, heard.on_click)
        except WrongThreadError as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(found) == 1
