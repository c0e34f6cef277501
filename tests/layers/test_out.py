from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_posterior.checks.spread.variance import MAP_SMOOTHING, log2_variance_ratio_map
from napari_posterior.errors import InputError, RunError
from napari_posterior.layers import (
    KEY,
    WrongThreadError,
    add_run,
    comparison_layers,
    residual_layer,
    run_layers,
    share_limits,
)
from napari_posterior.physics.psf import Psf

AXES = ("yx", "zyx", "tyx", "cyx", "czyx")


def by_name(layers):
    return {look["name"]: (data, look) for data, look, _ in layers}


def show_input(viewer, image):
    geometry = image.geometry
    return viewer.add_image(
        image.data,
        name=image.name,
        scale=geometry.scale,
        units=geometry.units,
        translate=geometry.translate,
        axis_labels=geometry.axes,
    )


@pytest.mark.parametrize("axes", AXES)
def test_layers_keep_scale_units_position_and_labels_beside_the_input(
    axes, measured_image, stored_run
):
    image = measured_image(axes)
    viewer = ViewerModel()
    given = show_input(viewer, image)

    added = add_run(viewer, stored_run(image))

    assert [layer.name for layer in added] == [
        "cell | teacher variance",
        "cell | teacher sd",
        "cell | teacher mean",
        "cell | teacher samples",
    ]
    for layer in added:
        assert layer.axis_labels[-len(axes) :] == tuple(axes)
        np.testing.assert_array_equal(layer.scale[-len(axes) :], image.geometry.scale)
        np.testing.assert_array_equal(layer.translate[-len(axes) :], image.geometry.translate)
        assert layer.units[-len(axes) :] == given.units
        np.testing.assert_allclose(
            layer.extent.world[:, -len(axes) :], given.extent.world, atol=1e-9
        )


@pytest.mark.parametrize("axes", AXES)
def test_viewer_takes_the_labels_and_loses_no_units(axes, measured_image, stored_run):
    viewer = ViewerModel()
    given = show_input(viewer, measured_image(axes))

    add_run(viewer, stored_run(axes=axes))  # a warning of inconsistent units would fail this test

    assert viewer.dims.axis_labels == ("sample", *axes)
    assert [str(unit) for unit in viewer.layers.extent.units] == ["pixel", *map(str, given.units)]


def test_slider_of_the_samples_starts_at_the_first_one(stored_run):
    viewer = ViewerModel()
    add_run(viewer, stored_run(axes="zyx"))
    assert viewer.dims.current_step[0] == 0


def test_second_run_leaves_the_slider_where_the_user_put_it(stored_run):
    viewer = ViewerModel()
    add_run(viewer, stored_run())
    viewer.dims.set_current_step(0, 3)
    add_run(viewer, stored_run(sampler="kd", role="student"))
    assert viewer.dims.current_step[0] == 3


def test_layers_hold_what_the_run_holds(stored_run):
    run = stored_run(axes="zyx")
    layers = by_name(run_layers(run))

    assert layers["cell | teacher samples"][0].shape == (5, 4, 24, 32)
    np.testing.assert_array_equal(layers["cell | teacher samples"][0][2], run.samples[2])
    np.testing.assert_array_equal(layers["cell | teacher mean"][0], run.mean)
    np.testing.assert_array_equal(layers["cell | teacher sd"][0], run.sd)
    np.testing.assert_allclose(layers["cell | teacher variance"][0], run.sd**2, rtol=1e-6)


def test_samples_are_read_when_they_are_looked_at(stored_run):
    run = stored_run()
    viewer = ViewerModel()
    samples = add_run(viewer, run)[-1]

    assert samples.data is not None
    assert not isinstance(samples.data, np.ndarray)
    viewer.dims.set_current_step(0, 4)
    assert samples.get_value((4, 2.6, 3.6), world=True) == pytest.approx(
        float(run.samples[4, 10, 10]), rel=1e-6
    )


def test_mean_and_samples_share_limits_that_map_to_the_input_through_the_camera(stored_run):
    layers = by_name(run_layers(stored_run(background=3.0), with_input=True))

    low, high = layers["cell | teacher samples"][1]["contrast_limits"]
    assert layers["cell | teacher mean"][1]["contrast_limits"] == (low, high)
    expected = (2 * (low + 3) + 100, 2 * (high + 3) + 100)
    assert layers["cell"][1]["contrast_limits"] == pytest.approx(expected)


def test_every_layer_says_in_json_how_its_run_was_made(stored_run):
    run = stored_run()
    for data, look, kind in run_layers(run, with_input=True, with_residual=True):
        told = look["metadata"][KEY]
        assert json.loads(json.dumps(told)) == told
        assert told["request"] == run.request.model_dump(mode="json")
        assert told["provenance"]["weights_hash"] == run.provenance.weights_hash
        assert (told["run"], told["state"], told["samples"]) == (str(run.path), "finished", 5)
        assert kind == "image"
        assert data.ndim == len(look["scale"]) == len(look["units"])


def test_run_of_one_sample_has_no_spread(stored_run):
    assert list(by_name(run_layers(stored_run(samples=1)))) == ["cell | teacher samples"]


def test_point_estimate_is_never_called_a_sample(stored_run):
    run = stored_run(sampler="mse", role="point", samples=1)
    [(name, (data, look))] = by_name(run_layers(run)).items()
    assert name == "cell | point estimate"
    assert data.shape == (24, 32)
    assert look["axis_labels"] == ("y", "x")


def test_run_without_samples_is_refused_in_one_sentence(stored_run):
    with pytest.raises(RunError, match="holds no samples; resume"):
        run_layers(stored_run(kept=0, state="cancelled"))


def test_cancelled_run_shows_what_it_kept(stored_run):
    layers = by_name(run_layers(stored_run(kept=3, state="cancelled")))
    assert layers["cell | teacher samples"][0].shape == (3, 24, 32)


def test_input_is_added_only_where_it_is_not_shown(measured_image, stored_run):
    viewer = ViewerModel()
    run = stored_run()
    assert add_run(viewer, run)[0].name == "cell"
    assert add_run(viewer, stored_run(seed=1))[0].name == "cell | teacher variance [1]"


def test_run_adds_itself_to_a_viewer(stored_run):
    viewer = ViewerModel()
    added = stored_run().add_to(viewer, with_input=False)
    assert [layer.name for layer in added] == [layer.name for layer in viewer.layers]
    assert added[-1].name == "cell | teacher samples"


def test_students_of_one_image_are_told_apart(stored_run):
    viewer = ViewerModel()
    for sampler in ("kd", "flow"):
        add_run(viewer, stored_run(sampler=sampler, role="student"))
    names = [layer.name for layer in viewer.layers if layer.name.endswith("samples")]
    assert names == ["cell | student samples", "cell | student flow samples"]


def test_ratio_is_half_the_log_ratio_of_variances_of_the_report(stored_run):
    teacher = stored_run()
    student = stored_run(sampler="kd", role="student", spread=1.5)

    [(data, look, _)] = comparison_layers(teacher, student)

    assert look["name"] == "cell | sd ratio (student/teacher)"
    expected = log2_variance_ratio_map(teacher.sd, student.sd, smoothing=MAP_SMOOTHING) / 2
    np.testing.assert_array_equal(data, expected)
    assert np.nanmedian(data) == pytest.approx(-1, abs=0.1)
    low, high = look["contrast_limits"]
    assert low == -high


def test_ratio_of_a_stack_is_taken_plane_by_plane(stored_run):
    teacher = stored_run(axes="zyx")
    student = stored_run(axes="zyx", sampler="kd", role="student", spread=1.5)
    [(data, look, _)] = comparison_layers(teacher, student)
    assert look["axis_labels"] == ("z", "y", "x")
    expected = log2_variance_ratio_map(teacher.sd[2], student.sd[2], smoothing=MAP_SMOOTHING) / 2
    np.testing.assert_array_equal(data[2], expected)


def test_ratio_says_which_two_runs_it_compares(stored_run):
    teacher, student = stored_run(), stored_run(sampler="kd", role="student")
    [(_, look, _)] = comparison_layers(teacher, student)
    told = look["metadata"][KEY]
    assert json.loads(json.dumps(told)) == told
    assert told["run"] == str(student.path)
    assert told["teacher"]["run"] == str(teacher.path)


def test_runs_of_different_images_are_not_compared(measured_image, stored_run):
    teacher = stored_run()
    student = stored_run(measured_image("yx", name="b", unit="pixel"), sampler="kd", role="student")
    with pytest.raises(InputError, match="unit of length"):
        comparison_layers(teacher, student)


def test_teacher_and_student_share_their_limits(stored_run):
    viewer = ViewerModel()
    teacher = stored_run(spread=4.0)
    student = stored_run(sampler="kd", role="student", spread=1.0)
    add_run(viewer, teacher)
    add_run(viewer, student)
    before = viewer.layers["cell | student sd"].contrast_limits[1]

    share_limits(viewer, [teacher, student])

    for what in ("samples", "mean", "sd", "variance"):
        mine, theirs = (viewer.layers[f"cell | {who} {what}"] for who in ("teacher", "student"))
        assert mine.contrast_limits == theirs.contrast_limits
    assert viewer.layers["cell | student sd"].contrast_limits[1] > 2 * before


def test_sharing_limits_leaves_other_layers_alone(stored_run):
    viewer = ViewerModel()
    mine = viewer.add_image(np.zeros((9, 9)), name="mine", contrast_limits=(0, 7))
    run = stored_run()
    add_run(viewer, run)
    share_limits(viewer, [run])
    assert mine.contrast_limits == [0, 7]


def test_residual_is_in_units_of_the_noise(measured_image, stored_run):
    image = measured_image("cyx")
    data, look, _ = residual_layer(stored_run(image, spread=0.1, psf=Psf(1.0)))
    # the samples are the measurement itself here, so that nothing is left
    assert data.shape == image.data.shape
    assert np.abs(data).max() < 0.1
    low, high = look["contrast_limits"]
    assert low == -high
    assert look["name"] == "cell | teacher residual"


def test_residual_shows_what_the_samples_miss(measured_image, stored_run):
    image = measured_image()
    data = image.data.copy()
    data[5, 7] += 200  # 100 electrons that are in the measurement alone
    run = stored_run(image, spread=0.1, psf=Psf(1.0))
    missing = type(image)(data, image.geometry, "missing")
    other = stored_run(missing, spread=0.1, psf=Psf(1.0))
    electrons = float(run.mean[5, 7])
    noise = np.sqrt(electrons + 1.6**2)
    from napari_posterior.checks.likelihood import residual_map

    assert residual_map(other.measurement(0), run.mean)[5, 7] == pytest.approx(100 / noise, rel=0.1)


def test_unit_that_napari_does_not_know_counts_as_pixels(measured_image, stored_run):
    viewer = ViewerModel()
    added = add_run(viewer, stored_run(measured_image("yx", unit="furble")))
    assert [str(unit) for unit in added[-1].units] == ["pixel"] * 3


def test_layers_are_added_in_the_main_thread_only(stored_run):
    viewer, run, caught = ViewerModel(), stored_run(), []

    def work():
        try:
            add_run(viewer, run)
        except WrongThreadError as error:
            caught.append(str(error))

    thread = threading.Thread(target=work, name="sampler")
    thread.start()
    thread.join()
    assert "thread 'sampler'" in caught[0]
    assert len(viewer.layers) == 0
