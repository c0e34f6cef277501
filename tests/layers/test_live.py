from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_posterior.layers import KEY, Limits, LiveRun, WrongThreadError, empty_stack, run_layers
from napari_posterior.layers import live as live_module

LIMITS = Limits((0.0, 50.0), 4.0)


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def request_of(measured_image, asked):
    def make(axes="yx", **changes):
        return asked(measured_image(axes), **changes)

    return make


def image(value, shape=(24, 32)):
    return np.full(shape, value, np.float32)


def shown(viewer, layer):
    """Return the value that is drawn at the first pixel of the plane that is looked at."""
    point = [layer.translate[i] for i in range(layer.ndim)]
    point[0] = viewer.dims.point[0]
    return layer.get_value(point, world=True)


def test_stack_has_its_full_size_and_place_from_the_start(viewer, request_of):
    request = request_of("zyx", samples=7)
    LiveRun(viewer, request, limits=LIMITS)

    [layer] = viewer.layers
    assert layer.name == "cell | teacher samples"
    assert layer.data.shape == (7, 4, 24, 32)
    assert layer.axis_labels == ("sample", "z", "y", "x")
    np.testing.assert_array_equal(layer.scale, (1, *request.image.scale))
    assert tuple(layer.contrast_limits) == LIMITS.object
    assert viewer.dims.axis_labels == ("sample", "z", "y", "x")
    assert viewer.dims.current_step[0] == 0
    assert np.isnan(layer.data).all()


def test_sample_is_seen_after_the_next_refresh(viewer, request_of):
    live = LiveRun(viewer, request_of(), limits=LIMITS)
    layer = live.layers["samples"]
    drawn = []
    layer.events.set_data.connect(lambda event: drawn.append(event))
    assert np.isnan(shown(viewer, layer))

    live.add_sample(0, image(7))
    live.add_sample(1, image(8))
    assert not drawn
    assert live.refresh()

    assert len(drawn) == 1
    assert shown(viewer, layer) == 7
    assert (layer.data[1] == 8).all()
    assert np.isnan(layer.data[2:]).all()


def test_refresh_does_nothing_where_nothing_came(viewer, request_of):
    live = LiveRun(viewer, request_of(), limits=LIMITS)
    live.add_sample(0, image(7))
    assert live.refresh()
    assert not live.refresh()


def test_deleted_layer_stays_away(viewer, request_of, stored_run):
    live = LiveRun(viewer, request_of(), limits=LIMITS)
    found = [one for one in run_layers(stored_run()) if one[1]["name"].endswith("mean")]
    live.add_sample(0, image(7))
    live.finish(found)
    assert "cell | teacher mean" in viewer.layers
    viewer.layers.clear()

    live.add_sample(1, image(8))
    assert not live.refresh()
    live.set_limits(Limits((0.0, 9.0), 1.0))
    live.finish(found)
    live.remove()

    assert len(viewer.layers) == 0


def test_finished_run_keeps_its_layers_and_gains_mean_and_sd(viewer, stored_run):
    run = stored_run()
    live = LiveRun(viewer, run.request, limits=LIMITS)
    before = live.layers["samples"]
    for index, sample in enumerate(run.samples):
        live.add_sample(index, sample)
    stack = before.data

    found = live.finish(run_layers(run, label=live.label))

    assert live.layers["samples"] is before
    assert before.data is stack  # what is in memory is not read again
    told = before.metadata[KEY]
    assert told["state"] == "finished"
    assert told["provenance"] == run.provenance.model_dump(mode="json")
    assert found[0].name == "cell | teacher samples"
    assert {layer.name for layer in viewer.layers} == {
        f"cell | teacher {what}" for what in ("samples", "mean", "sd", "variance")
    }
    np.testing.assert_array_equal(live.layers["sd"].data, run.sd)
    assert tuple(before.contrast_limits) == tuple(live.layers["mean"].contrast_limits)


def test_cancelled_run_keeps_the_samples_that_were_drawn(viewer, stored_run):
    run = stored_run(kept=2, state="cancelled")
    live = LiveRun(viewer, run.request, limits=LIMITS)
    for index, sample in enumerate(run.samples):
        live.add_sample(index, sample)

    live.finish(run_layers(run))

    assert live.layers["samples"].data.shape == (2, 24, 32)
    assert np.isfinite(live.layers["samples"].data).all()
    assert viewer.dims.nsteps[0] == 2


def test_samples_of_a_resumed_run_come_from_its_folder(viewer, stored_run):
    run = stored_run()
    live = LiveRun(viewer, run.request, limits=LIMITS)
    live.add_sample(4, run.samples[4])

    live.finish(run_layers(run))

    np.testing.assert_array_equal(np.asarray(live.layers["samples"].data), run.samples[:])


def test_run_that_drew_nothing_leaves_nothing(viewer, request_of):
    other = viewer.add_image(np.zeros((9, 9)), name="mine")
    LiveRun(viewer, request_of(), limits=LIMITS).remove()
    assert list(viewer.layers) == [other]


def test_point_estimate_is_one_image(viewer, request_of):
    request = request_of(sampler="mse", role="point", samples=1)
    live = LiveRun(viewer, request, limits=LIMITS)
    live.add_sample(0, image(5))
    live.refresh()
    [layer] = viewer.layers
    assert layer.name == "cell | point estimate"
    assert (layer.data == 5).all()
    assert layer.data.shape == (24, 32)


def test_large_stack_is_read_from_the_folder_of_the_run(viewer, stored_run, monkeypatch):
    monkeypatch.setattr(live_module, "MEMORY_LIMIT", 1)
    run = stored_run(kept=2, state="running")
    stack = empty_stack(run.request, run.path)
    live = LiveRun(viewer, run.request, limits=LIMITS, folder=run.path, stack=stack)
    layer = live.layers["samples"]
    assert layer.data.shape == (5, 24, 32)
    assert np.isnan(np.asarray(layer.data[0])).all()

    live.add_sample(0, run.samples[0])
    live.refresh()

    np.testing.assert_array_equal(layer.data[0], run.samples[0])
    assert np.isnan(layer.data[1, 3:5, 2]).all()
    assert shown(viewer, layer) == run.samples[0, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda live: live.add_sample(0, image(1)),
        lambda live: live.add_preview(0, 0, image(1)),
        lambda live: live.drop_preview(),
        lambda live: live.refresh(),
        lambda live: live.finish([]),
        lambda live: live.set_limits(LIMITS),
        lambda live: live.remove(),
    ],
)
def test_layers_are_touched_in_the_main_thread_only(viewer, request_of, call):
    live = LiveRun(viewer, request_of(), limits=LIMITS)
    caught = []

    def work():
        try:
            call(live)
        except WrongThreadError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work, name="sampler")
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert "main thread" in caught[0]


def test_a_preview_is_seen_until_its_sample_is_there(viewer, request_of):
    live = LiveRun(viewer, request_of(), limits=LIMITS)
    layer = live.layers["samples"]

    live.add_preview(0, 0, image(3))
    assert live.refresh()
    assert shown(viewer, layer) == 3
    assert live.newest is None

    live.add_sample(0, image(7))
    live.add_preview(0, 0, image(4))  # late
    live.refresh()
    assert shown(viewer, layer) == 7
    assert np.isnan(layer.data[1:]).all()


def test_a_preview_fills_its_plane_of_a_stack(viewer, request_of):
    live = LiveRun(viewer, request_of("zcyx", samples=2), limits=LIMITS)
    live.add_preview(1, 5, image(3))
    filled = np.isfinite(live.layers["samples"].data).all(axis=(-2, -1))
    assert np.argwhere(filled).tolist() == [[1, 2, 1]]


def test_a_preview_of_a_sample_that_never_came_is_taken_away(viewer, stored_run):
    run = stored_run(kept=2, state="cancelled")
    live = LiveRun(viewer, run.request, limits=LIMITS)
    for index, sample in enumerate(run.samples):
        live.add_sample(index, sample)
    stack = live.layers["samples"].data
    live.add_preview(2, 0, image(3))
    assert (stack[2] == 3).all()

    live.finish(run_layers(run))

    assert np.isnan(stack[2:]).all()
    assert live.layers["samples"].data.shape == (2, 24, 32)


@pytest.mark.parametrize("axes", ["yx", "zyx"])
def test_previews_of_a_large_stack_are_held_one_plane_at_a_time(
    viewer, stored_run, monkeypatch, axes
):
    monkeypatch.setattr(live_module, "MEMORY_LIMIT", 1)
    run = stored_run(axes=axes, kept=1, state="running")
    stack = empty_stack(run.request, run.path)
    live = LiveRun(viewer, run.request, limits=LIMITS, folder=run.path, stack=stack)
    plane = (2,) * (len(axes) - 2)

    live.add_preview(0, sum(plane), image(3))
    assert (stack[(0, *plane)] == 3).all()
    assert (stack[(0, *plane, slice(4, 6), 3)] == 3).all()
    assert np.isnan(stack[1]).all()
    if plane:
        assert np.isnan(stack[0, 1]).all()

    live.add_sample(0, run.samples[0])
    np.testing.assert_array_equal(stack[0], run.samples[0])
    live.add_preview(1, 0, image(3))
    live.drop_preview()
    assert np.isnan(stack[1]).all()


@pytest.mark.parametrize("limit", [1, 2**30])
def test_run_that_is_gone_on_with_keeps_its_layers_and_shows_what_it_holds(
    viewer, stored_run, asked, monkeypatch, limit
):
    monkeypatch.setattr(live_module, "MEMORY_LIMIT", limit)
    run = stored_run(samples=3)
    before = LiveRun(viewer, run.request, limits=LIMITS, folder=run.path)
    before.finish(run_layers(run))
    layers, count = before.layers, len(viewer.layers)

    request = asked(run.image, samples=5)
    stack = live_module.begun_stack(request, run.path, (0, 1, 2))
    live = LiveRun(
        viewer,
        request,
        limits=LIMITS,
        folder=run.path,
        stack=stack,
        drawn=(0, 1, 2),
        layers=layers,
    )
    assert len(viewer.layers) == count
    data = layers["samples"].data
    assert data.shape[0] == 5
    np.testing.assert_array_equal(np.asarray(data[:3]), np.array(run.samples))
    assert np.isnan(np.asarray(data[3:])).all()
    assert live.newest is None
    live.add_preview(1, 0, np.zeros(run.request.image.shape, np.float32))
    np.testing.assert_array_equal(np.asarray(data[1]), run.samples[1])
