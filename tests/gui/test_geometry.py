"""Where restored pixels lie in a real window, whatever the axes of the image."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QRadioButton
from shown_images import show

import napari_posterior as npo
from napari_posterior.layers import quantity_of
from napari_posterior.layers.puncta_points import PUNCTA
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.restore import RestoreDock

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left", "tiny_model")]

LONG = 120_000  # milliseconds: the machine may be busy with something else


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def begin(viewer, qtbot):
    """Show an image and open the dock on it; the tiny model, a few samples."""

    def begin(image):
        show(viewer, image)
        dock = RestoreDock(viewer)
        viewer.window.add_dock_widget(dock)
        session = npo.session(viewer)
        qtbot.waitUntil(lambda: bool(session.state.restore.models), timeout=LONG)
        session.state.restore.model = "tiny"
        session.state.restore.sampler = "kd"
        session.state.restore.samples = 5
        return dock, session

    return begin


@pytest.fixture
def draw_pair(qtbot):
    """Draw teacher and student, compare them; return images of the result, and its points."""

    def draw(viewer, session):
        entries = session.controller.run_pair()
        qtbot.waitUntil(lambda: all(one.state in ENDED for one in entries), timeout=LONG)
        assert [one.state for one in entries] == ["done", "done"]
        session.compare().result()
        wait_for_layers(session, qtbot)
        found = [layer for layer in viewer.layers if quantity_of(layer) not in (None, "input")]
        points = [layer for layer in found if quantity_of(layer) == PUNCTA]
        return [layer for layer in found if layer not in points], points

    return draw


def wait_for_layers(session, qtbot):
    """The layers of a comparison come one at a time, after its report."""
    qtbot.waitUntil(lambda: session.state.compare.state == "done", timeout=LONG)


def lies_on(points, image):
    """Say that points lie on the planes and on pixels of an image layer, in its units."""
    np.testing.assert_allclose(points.scale, image.scale)
    np.testing.assert_allclose(points.translate, image.translate)
    assert [str(unit) for unit in points.units] == [str(unit) for unit in image.units]
    assert tuple(points.axis_labels) == tuple(image.axis_labels)
    assert points.data.shape[1] == image.ndim
    for place in points.data:
        at = np.asarray(image.world_to_data(points.data_to_world(place)))
        assert (at >= -0.5 - 1e-6).all()
        assert (at <= np.array(image.data.shape) - 0.5 + 1e-6).all()
        np.testing.assert_allclose(at[:-2], np.round(at[:-2]))  # on a plane, not between two


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx", "cyx", "tzcyx"])
def test_scale_units_position_and_labels_of_the_image_are_kept(
    viewer, measured_image, begin, draw_pair, axes
):
    image = measured_image(axes)
    _, session = begin(image)
    found, points = draw_pair(viewer, session)
    assert {quantity_of(layer) for layer in found} == {
        *("samples", "mean", "sd", "variance", "residual", "sd ratio")
    }
    geometry = image.geometry
    for layer in found:
        first = quantity_of(layer) == "samples"
        assert tuple(layer.axis_labels) == ("sample",) * first + tuple(geometry.axes)
        np.testing.assert_allclose(layer.scale, (1,) * first + tuple(geometry.scale))
        np.testing.assert_allclose(layer.translate, (0,) * first + tuple(geometry.translate))
        assert [str(unit) for unit in layer.units][first:] == list(geometry.units)
    # one layer without units would take them from all
    assert [str(unit) for unit in viewer.layers.extent.units][1:] == list(geometry.units)
    assert tuple(viewer.dims.axis_labels) == ("sample", *geometry.axes)
    for layer in points:
        lies_on(layer, viewer.layers[image.name])


def test_what_a_rectangle_encloses_is_restored_where_it_lies(
    viewer, measured_image, begin, draw_pair, qtbot
):
    image = measured_image("yx")
    dock, session = begin(image)
    dock.findChild(QRadioButton, "region_shape").click()
    dock.image.draw_rectangle()
    (shapes,) = [layer for layer in viewer.layers if layer.name != image.name]
    scale, origin = np.array(image.geometry.scale), np.array(image.geometry.translate)
    ends = [origin + scale * pixel for pixel in ((4, 6), (15, 21))]
    shapes.add_rectangles([[shapes.world_to_data(point) for point in ends]])
    qtbot.waitUntil(lambda: session.state.restore.image.shape == (12, 16), timeout=LONG)

    found, points = draw_pair(viewer, session)
    for layer in found:
        assert layer.data.shape[-2:] == (12, 16)
        np.testing.assert_allclose(layer.translate[-2:], ends[0])
        np.testing.assert_allclose(layer.scale[-2:], scale)
    (mean,) = [one for one in found if quantity_of(one) == "mean" and "teacher" in one.name]
    for layer in points:
        lies_on(layer, mean)


def test_puncta_of_a_stack_lie_where_they_are_in_the_image(
    viewer, measured_image, stored_run, begin, qtbot
):
    image = measured_image("zyx")  # a bright spot at row 10, column 18 of every plane
    _, session = begin(image)
    student = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}
    pair = [session.controller.add_run(stored_run(image, **one)) for one in ({}, student)]
    session.compare(*pair, question="puncta").result(LONG / 1000)
    wait_for_layers(session, qtbot)
    (points,) = [layer for layer in viewer.layers if quantity_of(layer) == PUNCTA]
    shown = viewer.layers[image.name]
    lies_on(points, shown)
    for plane in range(image.data.shape[0]):
        at = [np.array(shown.world_to_data(points.data_to_world(one))) for one in points.data]
        assert min(np.abs(one - (plane, 10, 18)).max() for one in at) < 1.5
