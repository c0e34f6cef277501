"""A corrected estimate as layers: where they lie, which limits they share, when they go."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_posterior.api.correcting import correct
from napari_posterior.layers import ViewerLayers, WrongThreadError, quantity_of
from napari_posterior.session.models import RunEntry

STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}
NAMES = ["correlation", "standard error of the mean", "corrected sd", "corrected mean"]


@pytest.fixture
def told(measured_image, stored_run):
    """Return a side that shows the runs, the runs, and what they were corrected to."""

    def told(axes="yx"):
        image = measured_image(axes)
        runs = stored_run(image, samples=6), stored_run(image, samples=20, spread=2.0, **STUDENT)
        viewer = ViewerModel()
        side = ViewerLayers(viewer)
        for number, run in enumerate(runs, start=1):
            entry = RunEntry(number, run.request.label, run.role, "cell", len(run), run=run)
            entry.folder = run.path
            side.show_run(entry, run, side.gather(run))
        return viewer, side, runs, correct(*runs)

    return told


def show(side, runs, found):
    made = side.gather_corrected(*runs, found)
    for one in made:
        side.show_corrected(one)
    return made


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_four_maps_lie_on_the_image_and_share_the_limits_of_mean_and_sd(told, axes):
    viewer, side, runs, found = told(axes)
    selected = viewer.layers.selection.active
    show(side, runs, found)
    layers = {quantity_of(one): one for one in viewer.layers if quantity_of(one) in NAMES}
    assert [layers[name].name for name in NAMES] == [f"cell | {name}" for name in NAMES]
    geometry = runs[0].geometry
    for layer in layers.values():
        np.testing.assert_allclose(layer.scale, geometry.scale)
        np.testing.assert_allclose(layer.translate, geometry.translate)
        assert [str(unit) for unit in layer.units] == list(geometry.units)
        assert layer.axis_labels == geometry.axes
        assert layer.data.dtype == np.float32
    np.testing.assert_allclose(layers["corrected mean"].data, found.mean, rtol=1e-6)
    np.testing.assert_allclose(layers["corrected sd"].data, found.sd, rtol=1e-6)
    np.testing.assert_allclose(layers["standard error of the mean"].data, found.se, rtol=1e-6)
    of_runs = {one.name: one for one in viewer.layers}
    for own, other in (("corrected mean", "teacher mean"), ("corrected sd", "student sd")):
        assert layers[own].contrast_limits == of_runs[f"cell | {other}"].contrast_limits
    assert layers["correlation"].contrast_limits == [-1.0, 1.0]
    assert viewer.layers.selection.active is selected
    assert [name for name in NAMES if layers[name].visible] == ["corrected mean"]


def test_maps_are_renewed_and_go_with_a_run_that_is_deleted(told):
    viewer, side, runs, found = told()
    show(side, runs, found)
    count = len(viewer.layers)
    show(side, runs, found)
    assert len(viewer.layers) == count
    entry = RunEntry(1, "teacher-4", "teacher", "cell", 6, run=runs[0], folder=runs[0].path)
    assert side.remove_run(entry)
    assert not [one.name for one in viewer.layers if quantity_of(one) in NAMES]


def test_maps_are_added_in_the_main_thread_only_and_not_after_the_end(told):
    viewer, side, runs, found = told()
    made = side.gather_corrected(*runs, found)
    faults = []

    def add():
        try:
            side.show_corrected(made[0])
        except WrongThreadError as error:
            faults.append(error)

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    assert len(faults) == 1
    before = len(viewer.layers)
    side.close()
    side.show_corrected(made[0])
    assert len(viewer.layers) == before
    assert side.gather_corrected(*runs, found) == ()
