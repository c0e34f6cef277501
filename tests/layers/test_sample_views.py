"""Samples in a viewer: sorted, side by side, along what varies."""

from __future__ import annotations

import time

import numpy as np
import pytest
from napari.components import ViewerModel
from puncta_pairs import make_pair, report_of_pair

from napari_posterior.errors import InputError
from napari_posterior.layers import add_run
from napari_posterior.layers.inspect import grid_of
from napari_posterior.layers.sample_views import SampleViews, samples_of
from napari_posterior.session.history import at_once
from napari_posterior.session.models import RunEntry, SessionState
from napari_posterior.session.sample_views import SortedStack, Variation
from napari_posterior.session.watch import SampleValues


class Later:
    """Keeps what is asked for until it is told to do it."""

    def __init__(self):
        self.asked = []

    def __call__(self, title, function, then, otherwise=None):
        self.asked.append((function, then, otherwise))

    def answer(self, which=-1):
        function, then, otherwise = self.asked[which]
        try:
            found = function()
        except Exception as error:
            otherwise(error)
        else:
            then(found)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def state():
    return SessionState()


@pytest.fixture
def add(viewer, state):
    def add(run, *, values=None):
        add_run(viewer, run)
        number = len(state.runs) + 1
        sampler = run.request.sampler
        entry = RunEntry(number, sampler, run.role, "cell", len(run), folder=run.path, run=run)
        if values is not None:
            column = np.asarray(values, float)
            entry.measured = (SampleValues("puncta_count", "puncta count", "puncta", column),)
        state.runs.append(entry)
        setattr(state.compare, run.role, entry)
        return entry

    return add


@pytest.fixture
def views(viewer, state):
    return SampleViews(viewer, state, at_once)


VALUES = (3, 1, 5, 2, 4)


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_sorting_is_a_view_and_goes_back(axes, viewer, views, add, stored_run):
    run = stored_run(axes=axes)
    entry = add(run, values=VALUES)
    layer = samples_of(viewer, entry)
    before, limits = layer.data, tuple(layer.contrast_limits)

    views.sort(entry, "puncta_count")

    assert isinstance(layer.data, SortedStack)
    assert layer.data.stack is before
    for place, drawn in enumerate((1, 3, 0, 4, 2)):
        np.testing.assert_array_equal(layer.data[place], run.samples[drawn])
    assert tuple(layer.contrast_limits) == limits
    assert views.sorting_of(entry).choice.title == "puncta count"
    views.sort(entry)
    assert layer.data is before
    assert views.sorting_of(entry) is None


def test_sorting_again_starts_from_what_was_drawn(viewer, views, add, stored_run):
    entry = add(stored_run(), values=VALUES)
    views.sort(entry, "puncta_count")
    views.sort(entry, "total_intensity")
    data = samples_of(viewer, entry).data
    assert not isinstance(data.stack, SortedStack)
    light = [float(sample.sum()) for sample in data]
    assert light == sorted(light)


def test_slider_stays_at_the_sample_that_is_looked_at(viewer, views, add, stored_run):
    entry = add(stored_run(), values=VALUES)
    views.go_to_sample(entry, 2)
    views.sort(entry, "puncta_count")
    assert views.sample_at(entry) == 4
    views.sort(entry)
    assert views.sample_at(entry) == 2
    assert viewer.dims.current_step[0] == 2


def test_sample_is_found_by_its_number_however_they_are_sorted(viewer, views, add, stored_run):
    entry = add(stored_run(), values=VALUES)
    views.sort(entry, "puncta_count")
    views.show_drawn(entry, 0)
    assert views.sample_at(entry) == 2


def test_what_is_not_measured_yet_is_measured_beside_and_a_late_answer_dropped(
    viewer, state, add, stored_run
):
    later = Later()
    views = SampleViews(viewer, state, later)
    entry = add(stored_run(), values=VALUES)
    views.sort(entry, "total_intensity")
    assert "total intensity" in views.state.busy
    views.sort(entry, "puncta_count")
    later.answer()
    assert views.sorting_of(entry).choice.key == "puncta_count"
    views.sort(entry, "total_intensity")  # known by now
    assert len(later.asked) == 1
    assert views.sorting_of(entry).choice.key == "total_intensity"


def test_what_cannot_be_sorted_is_told(viewer, views, add, stored_run):
    entry = add(stored_run())
    with pytest.raises(InputError, match="cannot be sorted by 'taste'"):
        views.sort(entry, "taste")
    viewer.layers.remove(samples_of(viewer, entry))
    with pytest.raises(InputError, match="press Show"):
        views.sort(entry, "total_intensity")


def test_new_samples_of_the_run_end_the_order(viewer, views, add, stored_run):
    entry = add(stored_run(), values=VALUES)
    views.sort(entry, "puncta_count")
    samples_of(viewer, entry).data = entry.run.samples
    assert views.sorting_of(entry) is None


def pair(add, stored_run):
    teacher = add(stored_run())
    student = add(stored_run(sampler="kd", role="student", spread=1.5))
    return teacher, student


def test_side_by_side_has_one_contrast_and_one_slider_and_goes_back(viewer, views, add, stored_run):
    entries = pair(add, stored_run)
    layers = [samples_of(viewer, entry) for entry in entries]
    layers[1].visible = False
    shown = {layer: layer.visible for layer in viewer.layers}
    grid = grid_of(viewer)
    before = grid.enabled, grid.stride, grid.shape

    views.show_side_by_side(True)

    assert grid.enabled
    assert [layer for layer in viewer.layers if layer.visible] == layers
    columns = [grid.position(viewer.layers.index(one), viewer.layers) for one in layers]
    assert columns == [(0, 0), (0, 1)]
    layers[1].contrast_limits = (2.0, 33.0)
    assert tuple(layers[0].contrast_limits) == (2.0, 33.0)
    layers[0].contrast_limits = (1.0, 44.0)
    assert tuple(layers[1].contrast_limits) == (1.0, 44.0)
    views.go_to_sample(entries[0], 3)
    assert views.sample_at(entries[1]) == 3

    views.show_side_by_side(False)

    assert (grid.enabled, grid.stride, grid.shape) == before
    assert {layer: layer.visible for layer in viewer.layers} == shown
    layers[0].contrast_limits = (0.0, 9.0)
    assert tuple(layers[1].contrast_limits) == (1.0, 44.0)


def test_teacher_is_on_the_left_also_where_its_layer_is_above(viewer, views, add, stored_run):
    student = add(stored_run(sampler="kd", role="student"))
    teacher = add(stored_run())
    views.show_side_by_side()
    layers = viewer.layers
    columns = [
        grid_of(viewer).position(layers.index(samples_of(viewer, one)), layers)[1]
        for one in (teacher, student)
    ]
    assert columns == [0, 1]
    views.show_side_by_side(False)


def test_layer_that_was_deleted_meanwhile_is_not_missed(viewer, views, add, stored_run):
    _, student = pair(add, stored_run)
    views.show_side_by_side()
    viewer.layers.remove(samples_of(viewer, student))
    views.show_side_by_side(False)
    assert not grid_of(viewer).enabled


def test_side_by_side_needs_both(views, add, stored_run):
    add(stored_run())
    with pytest.raises(InputError, match="choose a run"):
        views.show_side_by_side()
    assert not views.state.side_by_side


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx"])
def test_variation_lies_where_the_image_does(axes, viewer, views, add, stored_run):
    entry = add(stored_run(axes=axes))
    active = viewer.layers.selection.active
    views.vary(entry)

    layer = viewer.layers["cell | variation"]
    geometry = entry.run.geometry
    assert layer.axis_labels == geometry.axes
    np.testing.assert_allclose(layer.scale, geometry.scale)
    np.testing.assert_allclose(layer.translate, geometry.translate)
    np.testing.assert_array_equal(layer.data, views.state.variation.mean)
    assert tuple(layer.contrast_limits) == tuple(samples_of(viewer, entry).contrast_limits)
    assert viewer.layers.selection.active is active
    assert viewer.layers.extent.units is not None

    views.set_weights((2.0, 0, 0, 0))
    wanted = views.state.variation.mean + 2 * views.state.variation.components[0]
    np.testing.assert_allclose(layer.data, wanted, atol=1e-5)
    views.set_weights((0.0,) * 4)
    np.testing.assert_array_equal(layer.data, views.state.variation.mean)


def test_deleted_variation_comes_back_when_it_is_asked_for(viewer, views, add, stored_run):
    views.vary(add(stored_run()))
    viewer.layers.remove("cell | variation")
    views.set_weights((1.0, 0, 0, 0))
    assert "cell | variation" in viewer.layers
    views.forget_variation()
    assert "cell | variation" not in viewer.layers


def test_late_variation_of_another_run_is_dropped(viewer, state, add, stored_run):
    later = Later()
    views = SampleViews(viewer, state, later)
    first, second = pair(add, stored_run)
    views.vary(first)
    views.vary(second)
    later.answer(1)
    later.answer(0)
    assert views.state.varied is second


def test_why_nothing_varies_is_told(views, add, stored_run):
    later = Later()
    views._aside = later
    views.vary(add(stored_run(samples=2)))
    later.answer()
    assert views.state.problem.startswith("2 samples tell too little")
    assert views.state.busy == ""


def test_slider_of_the_variation_is_answered_within_50_ms(viewer, views, add, stored_run):
    entry = add(stored_run())
    rng = np.random.default_rng(0)
    side = 512
    parts = rng.normal(size=(5, side, side)).astype(np.float32)
    views.state.varied = entry
    views.state.variation = Variation(parts[0], parts, np.full(5, 0.2), np.zeros((5, 5)))
    views.set_weights((0.0,) * 5)
    seconds = []
    for step in range(9):
        start = time.thread_time()
        views.set_weights((step / 4, -1.0, 0.5, 0.0, 2.0))
        seconds.append(time.thread_time() - start)
    assert np.median(seconds) < 0.05


def test_puncta_are_shown_when_asked_for(viewer, views, state, tmp_path, add):
    with pytest.raises(InputError, match="no puncta were compared"):
        views.add_puncta()
    runs = make_pair(tmp_path)
    for run in runs:
        add(run)
    state.compare.compared = (state.compare.teacher, state.compare.student)
    state.compare.report = report_of_pair(*runs)
    views.add_puncta()
    assert "cell | puncta" in viewer.layers
