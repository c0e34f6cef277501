"""Runs of a session as layers, without a window: live, finished, compared."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import wrapt
from napari.components import ViewerModel
from shown_images import show

from napari_posterior.checks.spread.variance import MAP_SMOOTHING, log2_variance_ratio_map
from napari_posterior.layers import (
    KEY,
    ViewerLayers,
    WrongThreadError,
    image_choice,
    share_limits,
)
from napari_posterior.session.models import RunEntry
from napari_posterior.session.restore_job import RunInProgress

AXES = ("yx", "zyx", "tyx", "cyx")


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture
def side(viewer):
    return ViewerLayers(viewer)


@pytest.fixture
def student_run(stored_run):
    def make(*args, **changes):
        return stored_run(*args, **{"sampler": "kd", "role": "student", "spread": 1.5, **changes})

    return make


def aside(work, *arguments):
    """Call in another thread, as jobs do."""
    found = []

    def run():
        try:
            found.append(work(*arguments))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, name="sampler")
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


class Story:
    """One run as a session tells it to the layers."""

    def __init__(self, side, run):
        self.side, self.run = side, run
        self.entry = RunEntry(1, run.request.sampler, run.role, "cell", len(run), run=run)

    def begin(self):
        live = RunInProgress(self.run.path, self.run.request, self.run.image)
        self.side.show_live(self.entry, live, aside(self.side.prepare_live, live))
        return self

    def draw(self, *indices):
        for index in indices or self.run.samples.indices:
            sample = self.run.samples[self.run.samples.indices.index(index)]
            self.side.add_sample(self.entry, index, sample)
            self.side.refresh()
        return self

    def end(self):
        self.side.show_run(self.entry, self.run, aside(self.side.gather, self.run))
        return self


def tell(side, run):
    return Story(side, run).begin().draw().end()


def compare(side, teacher, student):
    gathered = aside(side.gather_comparison, teacher.run, student.run, None)
    side.show_comparison(teacher.entry, student.entry, gathered)


def names(viewer):
    return {layer.name for layer in viewer.layers}


RUN_LAYERS = {
    f"cell | {who} {what}"
    for who in ("teacher", "student")
    for what in ("samples", "mean", "sd", "variance")
}
RATIO = "cell | sd ratio (student/teacher)"
RESIDUALS = {"cell | teacher residual", "cell | student residual"}


def check_places(viewer, geometry):
    """Every layer but the input lies where the image does, in its units and by its names."""
    n = geometry.ndim
    for layer in viewer.layers:
        lead = layer.ndim - n
        assert lead == (1 if layer.name.endswith("samples") else 0), layer.name
        labels = ("sample",) * lead + geometry.axes
        assert layer.axis_labels == labels, layer.name
        np.testing.assert_allclose(layer.scale, (1.0,) * lead + geometry.scale)
        np.testing.assert_allclose(layer.translate, (0.0,) * lead + geometry.translate)
        assert [str(u) for u in layer.units] == ["pixel"] * lead + list(geometry.units)
    assert viewer.dims.axis_labels == ("sample", *geometry.axes)
    assert viewer.layers.extent.units is not None


def test_layers_of_a_comparison_come_one_a_turn_and_the_end_is_told_last(
    viewer, stored_run, student_run
):
    turns, told, each = [], [], []
    side = ViewerLayers(viewer, later=turns.append)
    teacher, student = tell(side, stored_run(samples=6)), tell(side, student_run(samples=6))
    before = names(viewer)
    gathered = aside(side.gather_comparison, teacher.run, student.run, None)
    side.show_comparison(teacher.entry, student.entry, gathered, lambda: told.append(1))
    assert names(viewer) == before
    while turns:
        there = len(viewer.layers)
        turns.pop()()
        each.append(len(viewer.layers) - there)
        assert bool(told) == (not turns)
    assert max(each) == 1
    assert names(viewer) - before == RESIDUALS


def test_a_run_that_goes_while_layers_still_come_leaves_none(viewer, stored_run, student_run):
    turns = []
    side = ViewerLayers(viewer, later=turns.append)
    teacher, student = tell(side, stored_run(samples=6)), tell(side, student_run(samples=6))
    gathered = aside(side.gather_comparison, teacher.run, student.run, None)
    side.show_comparison(teacher.entry, student.entry, gathered)
    student.entry.folder = student.run.path
    assert side.remove_run(student.entry)
    while turns:
        turns.pop()()
    assert not {name for name in names(viewer) if "student" in name}


@pytest.mark.parametrize("axes", AXES)
def test_all_layers_of_a_session_lie_where_the_image_does(
    axes, viewer, side, measured_image, stored_run, student_run
):
    image = measured_image(axes)
    show(viewer, image)
    teacher = Story(side, stored_run(image)).begin().draw(0, 1)
    check_places(viewer, image.geometry)
    teacher.draw(2, 3, 4).end()
    check_places(viewer, image.geometry)
    student = tell(side, student_run(image))
    compare(side, teacher, student)
    check_places(viewer, image.geometry)
    assert names(viewer) == {"cell", RATIO} | RUN_LAYERS | RESIDUALS


def test_all_layers_of_a_rectangle_lie_inside_it(
    viewer, side, measured_image, stored_run, student_run
):
    image = measured_image("zyx")
    given = show(viewer, image)
    corners = np.array([[4, 10], [4, 29], [15, 29], [15, 10]]) * 0.11 + image.geometry.translate[1:]
    shapes = viewer.add_shapes([corners], units=given.units[1:], axis_labels=("y", "x"))
    cropped = image_choice(given, region="shape", shapes=shapes).read()
    assert cropped.data.shape == (4, 12, 20)

    teacher, student = tell(side, stored_run(cropped)), tell(side, student_run(cropped))
    compare(side, teacher, student)

    viewer.layers.remove(shapes)
    viewer.layers.remove(given)
    assert names(viewer) == {RATIO} | RUN_LAYERS | RESIDUALS
    check_places(viewer, cropped.geometry)


def test_samples_lie_on_top_and_are_selected_when_a_run_begins(
    viewer, side, measured_image, stored_run
):
    show(viewer, measured_image())
    Story(side, stored_run()).begin()
    top = viewer.layers[-1]
    assert top.name == "cell | teacher samples"
    assert top.visible
    assert viewer.layers.selection.active is top
    assert viewer.dims.current_step[0] == 0


def test_camera_stays_where_it_is(viewer, side, measured_image, stored_run):
    show(viewer, measured_image())
    camera = getattr(viewer, "scene", viewer).camera
    camera.zoom, camera.center = 7.5, (0.0, 3.0, 4.0)
    tell(side, stored_run())
    assert camera.zoom == 7.5
    assert tuple(camera.center)[-2:] == (3.0, 4.0)


def test_proxy_of_a_viewer_will_do(viewer, stored_run):
    tell(ViewerLayers(wrapt.ObjectProxy(viewer)), stored_run())
    assert "cell | teacher sd" in names(viewer)


def test_what_the_user_selected_stays_selected_when_runs_end_and_are_compared(
    viewer, side, measured_image, stored_run, student_run
):
    given = show(viewer, measured_image())
    teacher = Story(side, stored_run()).begin().draw()
    viewer.layers.selection.active = given
    teacher.end()
    assert set(viewer.layers.selection) == {given}
    student = Story(side, student_run()).begin()
    viewer.layers.selection.clear()
    student.draw().end()
    compare(side, teacher, student)
    assert not viewer.layers.selection


def test_measurement_is_shown_where_no_layer_has_its_name(viewer, side, stored_run):
    run = stored_run()
    Story(side, run).begin()
    assert [layer.name for layer in viewer.layers] == ["cell", "cell | teacher samples"]
    np.testing.assert_array_equal(viewer.layers["cell"].data, run.input)
    Story(side, stored_run(seed=1)).begin()
    assert [layer.name for layer in viewer.layers].count("cell") == 1


def test_samples_are_drawn_at_a_refresh_and_not_before(viewer, side, stored_run):
    story = Story(side, stored_run()).begin()
    layer = viewer.layers["cell | teacher samples"]
    drawn = []
    layer.events.set_data.connect(lambda event: drawn.append(event))
    for index in (0, 1, 2):
        side.add_sample(story.entry, index, story.run.samples[index])
    assert not drawn
    side.refresh()
    assert len(drawn) == 1
    side.refresh()
    assert len(drawn) == 1


def test_slider_follows_the_newest_sample_until_the_user_moves_it(viewer, side, stored_run):
    story = Story(side, stored_run()).begin()
    story.draw(0, 1, 2)
    assert viewer.dims.current_step[0] == 2
    viewer.dims.set_current_step(0, 1)
    story.draw(3)
    assert viewer.dims.current_step[0] == 1
    viewer.dims.set_current_step(0, 2)  # back where it was: it follows again
    story.draw(4)
    assert viewer.dims.current_step[0] == 4


def test_slider_the_user_has_put_somewhere_stays_there_for_the_next_run(
    viewer, side, stored_run, student_run
):
    tell(side, stored_run())
    assert viewer.dims.current_step[0] == 4
    student = Story(side, student_run()).begin().draw(0, 1)
    assert viewer.dims.current_step[0] == 1
    viewer.dims.set_current_step(0, 3)
    student.draw(2, 3, 4).end()
    assert viewer.dims.current_step[0] == 3


@pytest.mark.filterwarnings("ignore:.*[Uu]nits.*")
def test_slider_of_another_stack_is_never_moved(viewer, side, stored_run):
    viewer.add_image(np.zeros((5, 9, 9)), axis_labels=("z", "y", "x"), contrast_limits=(0, 1))
    viewer.dims.set_current_step(0, 0)
    tell(side, stored_run())
    assert viewer.dims.current_step[0] == 0


def test_two_runs_of_one_image_have_the_same_limits(viewer, side, stored_run, student_run):
    tell(side, stored_run(spread=4.0))
    alone = viewer.layers["cell | teacher sd"].contrast_limits[1]
    tell(side, student_run(spread=12.0))
    for what in ("samples", "mean", "sd", "variance"):
        mine, theirs = (viewer.layers[f"cell | {who} {what}"] for who in ("teacher", "student"))
        assert mine.contrast_limits == theirs.contrast_limits
    assert viewer.layers["cell | teacher sd"].contrast_limits[1] > 2 * alone
    high = viewer.layers["cell | teacher sd"].contrast_limits[1]
    assert viewer.layers["cell | student variance"].contrast_limits == [0, high**2]


def test_limits_that_were_overtaken_are_not_set_again(viewer, side, stored_run, student_run):
    teacher = Story(side, stored_run(spread=4.0)).begin().draw()
    student = Story(side, student_run(spread=12.0)).begin().draw()
    first, second = (aside(side.gather, one.run) for one in (teacher, student))
    side.show_run(student.entry, student.run, second)
    side.show_run(teacher.entry, teacher.run, first)  # the news came late
    mine, theirs = (viewer.layers[f"cell | {who} sd"] for who in ("teacher", "student"))
    assert mine.contrast_limits == theirs.contrast_limits == [0, second.limits.sd]
    assert first.limits.sd < second.limits.sd


def test_run_that_begins_takes_the_limits_of_those_that_ended(
    viewer, side, stored_run, student_run
):
    tell(side, stored_run())
    Story(side, student_run()).begin()
    mine, theirs = (viewer.layers[f"cell | {who} samples"] for who in ("teacher", "student"))
    assert mine.contrast_limits == theirs.contrast_limits


def test_runs_of_two_images_have_limits_of_their_own(viewer, side, measured_image, stored_run):
    tell(side, stored_run(spread=2.0))
    before = viewer.layers["cell | teacher sd"].contrast_limits
    image = measured_image("yx", name="other")
    brighter = type(image)(image.data * 3, image.geometry, "other")
    tell(side, stored_run(brighter, spread=20.0))
    assert viewer.layers["cell | teacher sd"].contrast_limits == before
    assert viewer.layers["other | teacher sd"].contrast_limits[1] > 3 * before[1]


def test_limits_are_mapped_to_the_input_that_nobody_adjusted(
    viewer, side, measured_image, stored_run
):
    given = show(viewer, measured_image())
    run = stored_run()
    story = Story(side, run).begin()
    low, high = viewer.layers["cell | teacher samples"].contrast_limits
    assert given.contrast_limits == pytest.approx([2 * low + 100, 2 * high + 100])
    story.draw().end()
    low, high = viewer.layers["cell | teacher samples"].contrast_limits
    assert given.contrast_limits == pytest.approx([2 * low + 100, 2 * high + 100])


def test_limits_that_the_user_chose_for_the_input_stay(viewer, side, measured_image, stored_run):
    given = show(viewer, measured_image(), contrast_limits=(90, 333))
    story = Story(side, stored_run()).begin()
    assert given.contrast_limits == [90, 333]
    story.draw().end()
    assert given.contrast_limits == [90, 333]


def test_ratio_of_teacher_and_student_is_there_hidden_when_the_second_run_ends(
    viewer, side, stored_run, student_run
):
    teacher = tell(side, stored_run())
    assert RATIO not in names(viewer)
    student = tell(side, student_run())
    layer = viewer.layers[RATIO]
    assert not layer.visible
    expected = log2_variance_ratio_map(teacher.run.sd, student.run.sd, smoothing=MAP_SMOOTHING) / 2
    np.testing.assert_array_equal(layer.data, expected)


def test_comparison_shows_the_ratio_and_hides_the_residuals(viewer, side, stored_run, student_run):
    teacher, student = tell(side, stored_run()), tell(side, student_run())
    compare(side, teacher, student)
    assert viewer.layers[RATIO].visible
    mine, theirs = (viewer.layers[f"cell | {who} residual"] for who in ("teacher", "student"))
    assert not mine.visible
    assert not theirs.visible
    low, high = mine.contrast_limits
    assert [low, high] == theirs.contrast_limits == [-high, high]


def test_second_comparison_of_two_runs_replaces_the_first(viewer, side, stored_run, student_run):
    teacher, student = tell(side, stored_run()), tell(side, student_run())
    compare(side, teacher, student)
    before = list(viewer.layers)
    viewer.layers[RATIO].visible = False
    viewer.layers[RATIO].data = np.zeros_like(viewer.layers[RATIO].data)
    compare(side, teacher, student)
    assert list(viewer.layers) == before
    assert not viewer.layers[RATIO].visible
    assert viewer.layers[RATIO].data.any()


def test_comparison_with_another_student_has_layers_of_its_own(
    viewer, side, stored_run, student_run
):
    teacher, first = tell(side, stored_run()), tell(side, student_run())
    second = tell(side, student_run(sampler="flow"))
    for student in (first, second):
        compare(side, teacher, student)
    assert {RATIO, "cell | sd ratio (student flow/teacher)"} <= names(viewer)
    residuals = [one for one in names(viewer) if "residual" in one]
    assert sorted(residuals) == [
        "cell | student flow residual",
        "cell | student residual",
        "cell | teacher residual",
    ]


def test_too_few_samples_give_no_ratio_and_no_fault(viewer, side, stored_run, student_run):
    teacher = tell(side, stored_run(kept=2, state="cancelled"))
    student = tell(side, student_run(samples=1))
    assert RATIO not in names(viewer)
    compare(side, teacher, student)
    assert RATIO not in names(viewer)
    assert names(viewer) >= RESIDUALS
    assert viewer.layers["cell | teacher samples"].data.shape == (2, 24, 32)


def test_point_estimate_is_one_layer(viewer, side, stored_run):
    tell(side, stored_run(sampler="mse", role="point", samples=1))
    assert names(viewer) == {"cell", "cell | point estimate"}


def test_layers_that_the_user_deleted_stay_away(viewer, side, stored_run, student_run):
    tell(side, stored_run())
    for name in ("cell | teacher sd", "cell | teacher variance"):
        viewer.layers.remove(name)
    tell(side, student_run())
    assert not {"cell | teacher sd", "cell | teacher variance"} & names(viewer)


def test_samples_deleted_while_they_are_drawn_stay_away(viewer, side, stored_run):
    story = Story(side, stored_run()).begin().draw(0)
    viewer.layers.remove("cell | teacher samples")
    story.draw(1, 2, 3, 4).end()
    assert "cell | teacher samples" not in names(viewer)


def test_runs_are_let_go_with_their_last_layer(viewer, side, stored_run, student_run):
    story = tell(side, stored_run(spread=12.0))
    viewer.layers.clear()
    held = weakref.ref(story.run)
    del story
    gc.collect()
    assert held() is None
    narrow = tell(side, student_run(spread=1.0))
    share_limits(viewer, [narrow.run])  # the wide run counts no more
    assert viewer.layers["cell | student sd"].contrast_limits[1] < 3


def test_run_of_which_no_layer_is_there_is_shown_on_top_and_once(viewer, side, stored_run):
    story = tell(side, stored_run())
    viewer.layers.clear()
    mine = viewer.add_image(np.zeros((9, 9)), name="mine", units=("um", "um"))
    for _ in range(2):  # as after an impatient click
        story.end()
        assert len(viewer.layers) == 6
    assert names(viewer) == {"mine", "cell"} | {one for one in RUN_LAYERS if "teacher" in one}
    assert viewer.layers[1].name == "cell"
    assert viewer.layers.selection.active is viewer.layers["cell | teacher samples"]
    assert viewer.layers[-1].name == "cell | teacher samples"
    assert mine.visible


def test_run_that_drew_nothing_leaves_only_its_image(viewer, side, stored_run):
    story = Story(side, stored_run()).begin()
    side.drop_live(story.entry)
    assert names(viewer) == {"cell"}
    side.refresh()


def test_run_that_cannot_be_read_keeps_the_samples_on_the_way(viewer, side, stored_run):
    story = Story(side, stored_run()).begin().draw(0)
    side.show_run(story.entry, story.run, None)
    assert names(viewer) == {"cell", "cell | teacher samples"}
    side.add_sample(story.entry, 1, story.run.samples[1])  # late news
    side.refresh()


def test_nothing_is_touched_after_the_end(viewer, side, stored_run, student_run):
    teacher = tell(side, stored_run())
    story = Story(side, student_run()).begin().draw(0)
    gathered = aside(side.gather, story.run)
    before, data = list(viewer.layers), viewer.layers[-1].data.copy()
    side.close()
    story.draw(1)
    side.show_run(story.entry, story.run, gathered)
    compare(side, teacher, story)
    side.drop_live(story.entry)
    side.show_live(story.entry, SimpleNamespace(), None)
    assert list(viewer.layers) == before
    np.testing.assert_array_equal(viewer.layers[-1].data, data)
    assert aside(side.gather, story.run) is None
    side.close()


def test_viewer_is_not_kept_alive(stored_run):
    viewer = ViewerModel()
    side = ViewerLayers(viewer)
    story = Story(side, stored_run()).begin().draw(0)
    gone = weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None
    story.draw(1).end()
    side.refresh()
    side.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda side, one: side.show_live(one.entry, None, None),
        lambda side, one: side.add_sample(one.entry, 0, None),
        lambda side, one: side.refresh(),
        lambda side, one: side.show_run(one.entry, one.run, None),
        lambda side, one: side.drop_live(one.entry),
        lambda side, one: side.show_comparison(one.entry, one.entry, None),
    ],
)
def test_layers_are_touched_in_the_main_thread_only(viewer, side, stored_run, call):
    story = Story(side, stored_run()).begin()
    with pytest.raises(WrongThreadError, match="main thread"):
        aside(call, side, story)


def test_every_layer_tells_of_its_run(viewer, side, stored_run, student_run):
    teacher, student = tell(side, stored_run()), tell(side, student_run())
    compare(side, teacher, student)
    for layer in viewer.layers:
        told = layer.metadata[KEY]
        owner = teacher if "teacher " in layer.name or layer.name == "cell" else student
        assert told["run"] == str(owner.run.path), layer.name


def test_a_preview_is_shown_until_its_sample_comes(viewer, side, measured_image, stored_run):
    show(viewer, measured_image())
    story = Story(side, stored_run()).begin()
    stack = viewer.layers["cell | teacher samples"].data
    plane = np.full((24, 32), 3, np.float32)
    side.add_preview(story.entry, 1, 0, plane)
    assert (stack[1] == 3).all()
    story.draw(0, 1)
    np.testing.assert_array_equal(stack[1], story.run.samples[1])


def test_the_preview_of_a_run_that_cannot_be_read_does_not_stay(
    viewer, side, measured_image, stored_run
):
    show(viewer, measured_image())
    story = Story(side, stored_run()).begin()
    story.draw(0)
    side.add_preview(story.entry, 1, 0, np.full((24, 32), 3, np.float32))
    side.show_run(story.entry, story.run, None)
    stack = viewer.layers["cell | teacher samples"].data
    assert np.isfinite(stack[0]).all()
    assert np.isnan(stack[1:]).all()


def test_the_preview_of_a_run_that_is_gone_is_passed_over(viewer, side, stored_run):
    story = tell(side, stored_run())
    before = np.array(viewer.layers["cell | teacher samples"].data)
    side.add_preview(story.entry, 0, 0, np.zeros((24, 32), np.float32))  # late news
    side.close()
    side.add_preview(story.entry, 0, 0, np.zeros((24, 32), np.float32))
    np.testing.assert_array_equal(viewer.layers["cell | teacher samples"].data, before)
