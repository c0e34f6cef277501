from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import RunError

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


def test_stored_run_opens_in_the_window(viewer, measured_image, stored_run):
    image = measured_image("zyx")
    run = stored_run(image)

    viewer.open(run.path, plugin="napari-posterior")

    assert [layer.name for layer in viewer.layers] == [
        "cell",
        "cell | teacher variance",
        "cell | teacher sd",
        "cell | teacher mean",
        "cell | teacher samples",
    ]
    samples = viewer.layers["cell | teacher samples"]
    np.testing.assert_array_equal(samples.scale, (1, *image.geometry.scale))
    np.testing.assert_array_equal(samples.translate, (0, *image.geometry.translate))
    assert [str(unit) for unit in samples.units] == ["pixel", *image.geometry.units]
    assert tuple(viewer.dims.axis_labels) == ("sample", "z", "y", "x")
    assert [str(unit) for unit in viewer.layers.extent.units] == ["pixel", *image.geometry.units]
    assert samples.source.reader_plugin == "napari-posterior"


def test_samples_are_drawn_one_by_one(make_napari_viewer_proxy, stored_run):
    viewer = make_napari_viewer_proxy(show=True)
    run = stored_run(spread=30.0)
    viewer.open(run.path, plugin="napari-posterior")

    pictures = []
    for index in (0, 1):
        viewer.dims.set_current_step(0, index)
        pictures.append(viewer.screenshot(canvas_only=True, flash=False))

    assert np.unique(pictures[0][..., 0]).size > 16
    assert (pictures[0] != pictures[1]).any()


def test_run_adds_itself_to_the_viewer_that_plugins_get(viewer, stored_run):
    added = stored_run().add_to(viewer)
    assert [layer.name for layer in added] == [layer.name for layer in viewer.layers]


def test_damaged_run_gives_one_sentence(viewer, stored_run):
    run = stored_run()
    (run.path / "run.json").write_text("{")
    with pytest.raises(RunError, match="cannot be understood; it is damaged") as refused:
        viewer.open(run.path, plugin="napari-posterior")
    assert "\n" not in str(refused.value)
    assert len(viewer.layers) == 0
