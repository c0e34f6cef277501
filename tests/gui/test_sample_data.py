from __future__ import annotations

import numpy as np
import pytest
import tifffile

pytestmark = pytest.mark.gui

SAMPLES = ("puncta", "filaments", "membranes", "nuclei")


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_opens_with_its_pixels_scale_and_units(viewer, repository, name):
    viewer.open_sample("napari-posterior", name)

    layer = viewer.layers[name]
    folder = repository / "src" / "napari_posterior" / "sample_data"
    np.testing.assert_array_equal(layer.data, tifffile.imread(folder / f"{name}.tif"))
    np.testing.assert_allclose(layer.scale, (0.1, 0.1))
    assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
    assert layer.axis_labels == ("y", "x")
    assert layer.visible


@pytest.mark.parametrize("name", SAMPLES)
def test_truth_lies_hidden_over_the_measurement(viewer, name):
    viewer.open_sample("napari-posterior", name)

    truth = viewer.layers[f"{name} truth"]
    assert not truth.visible
    assert truth.data.dtype == np.float32
    np.testing.assert_array_equal(truth.extent.world, viewer.layers[name].extent.world)


def test_units_of_measurement_and_truth_agree_so_that_napari_draws_a_scale_bar_in_them(viewer):
    viewer.open_sample("napari-posterior", "puncta")

    assert {str(unit) for unit in viewer.layers.extent.units} == {"micrometer"}


def test_opened_sample_is_drawn(make_napari_viewer_proxy):
    viewer = make_napari_viewer_proxy(show=True)
    viewer.open_sample("napari-posterior", "nuclei")

    picture = viewer.screenshot(canvas_only=True, flash=False)

    assert np.unique(picture[..., 0]).size > 16
