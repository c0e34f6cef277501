"""The public functions, on a bundle of tiny untrained networks."""

from __future__ import annotations

import gc
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.ndimage import zoom

import napari_posterior as npo
from napari_posterior.api import run_folder
from napari_posterior.errors import InputError, ModelError, OutputError, RunError
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Finished, SampleDone, Started, Warned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAMERA = npo.Camera(gain=2.0, offset=100.0, read_noise=1.5)
PSF = npo.Psf(1.4)


@pytest.fixture
def restore(tiny_bundle: Path) -> Callable[..., Any]:
    """Restore with the tiny model, a known camera and few samples, unless told otherwise."""

    def run(image: Any, **changes: Any) -> Any:
        options = {
            "model": tiny_bundle,
            "samples": 3,
            "camera": CAMERA,
            "psf": PSF,
            "device": "cpu",
        }
        return npo.restore(image, **{**options, **changes})

    return run


# ------------------------------------------------------------------------------------- models


def test_models_are_listed_and_loaded_by_name(tiny_model: str) -> None:
    assert "tiny" in [card.name for card in npo.list_models()]
    assert npo.load_model(tiny_model).names == ("teacher", "kd", "flow", "mse")


def test_an_unknown_model_is_refused_with_those_there_are(
    tiny_model: str, measured: np.ndarray
) -> None:
    with pytest.raises(ModelError, match=r"no model called 'fluo3d'.*tiny"):
        npo.restore(measured, model="fluo3d", camera=CAMERA)


def test_a_model_goes_by_its_name_where_it_can_be_found_by_it(
    tiny_model: str, measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    by_name = restore(measured, model=tiny_model, sampler="kd")
    loaded = npo.load_model(tiny_model)
    assert restore(measured, model=loaded, sampler="kd").request == by_name.request
    assert restore(measured, model=loaded.folder, sampler="kd").request.model == "tiny"


def test_a_model_that_is_in_no_catalogue_goes_by_its_folder(
    tiny_bundle: Path, measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    assert restore(measured, sampler="kd").request.model == str(tiny_bundle)


# ------------------------------------------------------------------------------------ restore


def test_samples_are_drawn_and_differ(measured: np.ndarray, restore: Callable[..., Any]) -> None:
    run = restore(measured)
    assert (run.role, run.state, run.samples.shape) == ("teacher", "finished", (3, 24, 32))
    assert run.warnings == ()
    assert np.abs(run.samples[0] - run.samples[1]).max() > 0
    np.testing.assert_array_equal(run.input, measured)


def test_the_same_seed_gives_the_same_samples_whatever_batch_and_tile(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    whole = np.asarray(restore(measured, seed=7, batch=1, tile=None).samples)
    together = np.asarray(restore(measured, seed=7, batch=3, tile=16).samples)
    other = np.asarray(restore(measured, seed=8).samples)
    scale = whole.std()
    # the store keeps 12 bits of the mantissa, so rounding may differ by one of them
    assert np.abs(whole - together).max() < 2e-3 * np.abs(whole).max()
    assert np.abs(whole - other).max() > 0.1 * scale


def test_more_samples_begin_with_the_same_ones(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    few, many = restore(measured, samples=2, batch=1), restore(measured, samples=4, batch=1)
    np.testing.assert_array_equal(np.asarray(few.samples), np.asarray(many.samples)[:2])


def test_a_point_estimate_is_one_image_and_says_so(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(measured, sampler="mse", samples=None)
    assert (run.role, len(run)) == ("point", 1)
    assert "The run of 'mse' is a point estimate: one image, not a draw." in run.warnings
    with pytest.raises(InputError, match="ask for 1 sample"):
        restore(measured, sampler="mse", samples=2)


def test_sixteen_samples_are_drawn_by_default(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    assert len(restore(measured, sampler="kd", samples=None)) == 16


def test_a_teacher_with_other_steps_is_said_not_to_be_the_reference(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(measured, steps=2, samples=1)
    assert (run.request.steps, run.request.nfe) == (2, 3)
    assert any("are the teacher, not the reference" in warning for warning in run.warnings)
    assert restore(measured, samples=1).warnings == ()


def test_what_is_not_given_is_said_to_be_assumed_or_estimated(
    restore: Callable[..., Any],
) -> None:
    rng = np.random.default_rng(0)
    image = 3.0 * rng.poisson(np.linspace(5, 300, 96 * 96).reshape(96, 96)) + 50
    run = restore(image, camera=None, psf=None, sampler="kd", samples=1)
    assert run.request.camera.source == "estimated"
    assert run.request.camera.gain == pytest.approx(3.0, rel=0.2)
    assert run.request.psf.sigma == 1.0
    assert not run.request.blind
    assert any(warning.startswith("The gain was estimated") for warning in run.warnings)
    assert any(warning.startswith("No PSF was given") for warning in run.warnings)


def test_a_camera_that_cannot_be_estimated_makes_the_run_blind(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(measured, camera=None, sampler="kd", samples=1)
    assert run.request.blind
    assert any("because the gain is not resolved" in warning for warning in run.warnings)
    told = restore(measured, camera=None, blind=False, sampler="kd", samples=1)
    assert not told.request.blind


def test_blind_networks_are_told_nothing_of_camera_and_psf(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    sharp = restore(measured, blind=True, sampler="kd", samples=1)
    blurred = restore(measured, blind=True, psf=npo.Psf(2.5), sampler="kd", samples=1)
    np.testing.assert_array_equal(np.asarray(sharp.samples), np.asarray(blurred.samples))
    assert "The networks are told nothing of camera and PSF, as was asked." in sharp.warnings


def test_camera_maps_calibrate_every_pixel_and_stay_with_the_run(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    flat = restore(measured, sampler="mse", samples=1)
    ramp = np.linspace(0.5, 2.0, measured.size).reshape(measured.shape)
    maps = npo.Camera(gain=2.0 * ramp, offset=np.full(measured.shape, 100.0), read_noise=1.5)
    seen = (measured - 100.0) * ramp + 100.0  # the same photoelectrons, seen by this camera
    run = restore(seen, sampler="mse", samples=1, camera=maps, out=tmp_path / "maps")
    np.testing.assert_allclose(run.mean, flat.mean, rtol=1e-3, atol=1e-3)
    assert npo.open_run(tmp_path / "maps").request.camera == maps


def test_saturated_pixels_are_told_before_sampling(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    full = float(np.quantile(measured, 0.99))
    run = restore(measured, sampler="kd", camera=npo.Camera(2.0, 100.0, 1.5, saturation=full))
    share = (measured >= full).mean()
    assert any(text.startswith(f"{share:.2%} of the pixels are saturated") for text in run.warnings)


def test_an_image_that_is_not_raw_is_told_of_also_where_the_camera_is_given(
    restore: Callable[..., Any],
) -> None:
    raw = 100 + 2.0 * np.random.default_rng(2).poisson(20.0, (96, 96)).astype(np.float32)
    scaled = zoom(raw[:48, :48], 2, order=1, mode="nearest")
    told = [" ".join(restore(image, sampler="kd").warnings) for image in (raw, scaled)]
    assert "Neighbouring pixels vary together" not in told[0]
    assert "Neighbouring pixels vary together" in told[1]


def test_a_sampled_psf_stays_with_the_run(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    psf = npo.Psf.widefield(na=1.4, wavelength=0.52, pixel_size=0.07, sampled=True)
    psf = npo.Psf(kernel=psf.kernel[8:-8, 8:-8])
    restore(measured, sampler="mse", samples=1, psf=psf, out=tmp_path / "sampled")
    run = npo.open_run(tmp_path / "sampled")
    assert run.request.psf == psf
    np.testing.assert_array_equal(run.measurement().psf.kernel, psf.kernel)
    assert run.request.psf.sigma == pytest.approx(1.1, abs=0.1)


@pytest.mark.parametrize(
    ("psf", "told"),
    [
        (npo.Psf(1.5, 2.0), "the PSF is that of a stack"),
        (
            npo.Psf.widefield(na=1.4, wavelength=0.52, pixel_size=0.065, sampled=True),
            "is larger than the image of 24 x 32 px",
        ),
    ],
)
def test_a_psf_that_does_not_fit_the_planes_is_refused(
    measured: np.ndarray, restore: Callable[..., Any], psf: npo.Psf, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        restore(measured, psf=psf)


@pytest.mark.parametrize(
    ("camera", "told"),
    [
        (npo.Camera(np.full((5, 5), 2.0), 100.0, 1.5), "maps have 5 x 5 pixels and the image 24"),
        (npo.Camera(2.0, 1e5, 1.5), "camera offset, 100000 ADU, is not below any pixel"),
    ],
)
def test_a_camera_that_does_not_fit_the_image_is_refused(
    measured: np.ndarray, restore: Callable[..., Any], camera: npo.Camera, told: str
) -> None:
    with pytest.raises(InputError, match=told):
        restore(measured, camera=camera)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"psf": npo.Psf(4.0)}, "The PSF sigma is 4 px, outside the trained range of 1 to 3"),
        (
            {"camera": npo.Camera(2.0, 100.0, 9.0)},
            "The read noise is 9 e-, outside the trained range of 0.5 to 5",
        ),
        ({"camera": npo.Camera(2e-3, 100.0, 1.0)}, "The photon scale is"),
        ({"camera": npo.Camera(2.0, 150.0, 1.0)}, "The background level is −"),
    ],
)
def test_a_number_outside_the_trained_range_is_named(
    measured: np.ndarray, restore: Callable[..., Any], changes: dict[str, Any], named: str
) -> None:
    run = restore(measured, sampler="kd", samples=1, **changes)
    assert any(warning.startswith(named) for warning in run.warnings), run.warnings


def test_the_range_of_each_channel_is_looked_at(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    bright = measured + 10_000
    layer = SimpleNamespace(
        data=np.stack([measured, bright]), scale=(1, 1, 1), axis_labels=("c", "y", "x")
    )
    run = restore(layer, sampler="kd", samples=1)
    (warning,) = run.warnings
    assert warning.startswith("The background level of channel 1 is")


def test_negative_pixels_are_restored_with_a_warning(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    shifted = measured.astype(np.float32) - 110
    run = restore(shifted, camera=npo.Camera(2.0, -10.0, 1.5), sampler="kd", samples=1)
    (warning,) = run.warnings
    assert "pixels of the image are negative" in warning


def test_planes_of_a_stack_share_their_normalisation_and_not_their_noise(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(np.stack([measured, measured]), sampler="kd", samples=1)
    assert run.samples.shape == (1, 2, 24, 32)
    first, second = run.samples[0]
    assert np.abs(first - second).max() > 0
    alone = restore(measured, sampler="kd", samples=1)
    np.testing.assert_allclose(first, alone.samples[0], rtol=5e-3, atol=5e-2)


def test_conditions_that_do_not_fit_into_memory_are_made_again(
    measured: np.ndarray, restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = np.stack([measured, measured[::-1]])
    kept = np.asarray(restore(stack, batch=1).samples)
    monkeypatch.setattr("napari_posterior.api.conditions._HELD_VALUES", 0)
    np.testing.assert_array_equal(np.asarray(restore(stack, batch=1).samples), kept)


def test_a_layer_keeps_its_pixel_size(measured: np.ndarray, restore: Callable[..., Any]) -> None:
    layer = SimpleNamespace(
        data=measured,
        scale=(0.1, 0.2),
        units=("um", "um"),
        translate=(3.0, 4.0),
        axis_labels=("y", "x"),
        name="cell",
    )
    run = restore(layer, sampler="kd", samples=1)
    assert run.geometry.scale == (0.1, 0.2)
    assert run.geometry.units == ("micrometer", "micrometer")
    assert run.geometry.translate == (3.0, 4.0)
    assert run.request.image.name == "cell"


@pytest.mark.parametrize("code", ["q", "Q", "l", "L", "B", "e", "d"])
def test_every_width_of_number_is_stored(
    measured: np.ndarray, restore: Callable[..., Any], code: str
) -> None:
    image = (measured - measured.min()).clip(0, 255).astype(code)
    run = restore(image, sampler="kd", samples=1)
    assert run.input.dtype.str == image.dtype.str
    assert np.array_equal(run.input, image)


def test_an_image_of_odd_size_is_restored_whole(restore: Callable[..., Any]) -> None:
    image = np.random.default_rng(0).poisson(30, (25, 37)) + 100
    assert restore(image, sampler="kd", samples=1).mean.shape == (25, 37)


def test_events_come_in_order_and_end(measured: np.ndarray, restore: Callable[..., Any]) -> None:
    events: list[Any] = []
    restore(measured, steps=2, on_event=events.append)
    assert isinstance(events[0], Warned)
    assert isinstance(events[1], Started)
    assert [event.index for event in events if isinstance(event, SampleDone)] == [0, 1, 2]
    assert events[-1] == Finished(kept=3)


# --------------------------------------------------------------------------- folders and resume


def test_the_ending_of_a_run_is_added_once(tmp_path: Path) -> None:
    for name in ("cell", "cell.zarr", "cell.posterior.zarr"):
        assert run_folder(tmp_path / name) == tmp_path / "cell.posterior.zarr"
    for name in ("", ".."):
        with pytest.raises(InputError, match="is no name for a run"):
            run_folder(name)


def test_a_run_is_written_where_it_was_asked_for_and_opened_again(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    run = restore(measured, sampler="kd", out=tmp_path / "cell")
    assert run.path == tmp_path / "cell.posterior.zarr"
    for name in (tmp_path / "cell", str(run.path)):
        again = npo.open_run(name)
        assert again.request == run.request
        np.testing.assert_array_equal(again.mean, run.mean)


def test_a_run_without_a_folder_lives_as_long_as_it_is_used(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    run = restore(measured, sampler="kd", samples=1)
    path = run.path
    assert path.is_dir()
    assert str(path) not in run.to_script()
    del run
    gc.collect()
    assert not path.exists()


def test_an_existing_run_is_kept_unless_it_may_be_overwritten(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    restore(measured, sampler="kd", seed=1, out=tmp_path / "cell")
    with pytest.raises(OutputError, match="exists"):
        restore(measured, sampler="kd", seed=2, out=tmp_path / "cell")
    assert npo.open_run(tmp_path / "cell").request.seed == 1
    restore(measured, sampler="kd", seed=2, out=tmp_path / "cell", overwrite=True)
    assert npo.open_run(tmp_path / "cell").request.seed == 2


def test_a_run_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist"):
        npo.open_run(tmp_path / "nothing")
    with pytest.raises(RunError, match="is empty"):
        npo.open_run("")


def test_a_cancelled_run_keeps_its_samples_and_goes_on_to_the_same_ones(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    token = CancelToken()
    events: list[Any] = []

    def stop_after_two(event: Any) -> None:
        events.append(event)
        if isinstance(event, SampleDone) and event.index == 1:
            token.cancel()

    options = {"samples": 5, "batch": 1, "steps": 2}
    cut = restore(measured, **options, out=tmp_path / "cell", token=token, on_event=stop_after_two)
    assert (cut.state, len(cut)) == ("cancelled", 2)
    assert events[-1] == Cancelled(kept=2)
    resumed = restore(measured, **options, resume=tmp_path / "cell")
    assert (resumed.state, len(resumed)) == ("finished", 5)
    assert resumed.warnings == cut.warnings
    whole = restore(measured, **options)
    np.testing.assert_array_equal(np.asarray(resumed.samples), np.asarray(whole.samples))


def test_a_run_of_another_request_is_not_gone_on_with(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    restore(measured, sampler="kd", out=tmp_path / "cell")
    with pytest.raises(RunError, match="made with another seed"):
        restore(measured, sampler="kd", samples=5, seed=3, resume=tmp_path / "cell")
    with pytest.raises(InputError, match="either overwrite"):
        restore(measured, overwrite=True, resume=tmp_path / "cell")
    with pytest.raises(InputError, match="either out"):
        restore(measured, out=tmp_path / "a", resume=tmp_path / "cell")


def test_ctrl_c_keeps_the_samples_drawn_and_gives_the_signal_back(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    def press(event: Any) -> None:
        if isinstance(event, SampleDone):
            signal.raise_signal(signal.SIGINT)

    run = restore(measured, batch=1, on_event=press)
    assert (run.state, len(run)) == ("cancelled", 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# ------------------------------------------------------------------------------------- failures


def test_a_run_that_fails_says_why_and_keeps_what_was_drawn(
    measured: np.ndarray, restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.sampling.samplers import StudentSampler

    draw, calls = StudentSampler.draw, []

    def fail_on_the_third(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("a wrong shape")
        return draw(self, *args)

    monkeypatch.setattr(StudentSampler, "draw", fail_on_the_third)
    with pytest.raises(RunError, match="a wrong shape") as failed:
        restore(measured, sampler="kd", samples=5, batch=1)
    assert isinstance(failed.value.__cause__, ValueError)
    assert failed.value.kept == 2
    assert failed.value.run.samples.shape == (2, 24, 32)
    assert failed.value.run.state == "failed"


def test_memory_that_runs_out_ends_in_smaller_tiles_and_the_same_samples(
    measured: np.ndarray, restore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_posterior.sampling import samplers
    from napari_posterior.sampling.tiling import TiledNet

    exact = np.asarray(restore(measured, sampler="kd").samples)
    draw = samplers.StudentSampler.draw

    def small_memory(self: Any, *args: Any) -> Any:
        if not isinstance(self.model.net, TiledNet) or self.model.net.tile > 8:
            raise RuntimeError("CUDA error: out of memory")
        return draw(self, *args)

    monkeypatch.setattr(samplers.StudentSampler, "draw", small_memory)
    monkeypatch.setattr("napari_posterior.api.prepare._SMALLER_TILES", (16, 8))
    run = restore(measured, sampler="kd")
    assert (run.state, len(run)) == ("finished", 3)
    first, second = run.warnings
    assert first.endswith("with tiles of 16 px")
    assert second.endswith("with tiles of 8 px")
    assert np.abs(np.asarray(run.samples) - exact).max() < 2e-3 * np.abs(exact).max()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"samples": 0}, "0 samples cannot be drawn"),
        ({"samples": 10**9}, "ask for 1 to 4096"),
        ({"samples": "4"}, "ask for 1 to 4096"),
        ({"samples": 2.5}, "2.5 samples cannot be drawn"),
        ({"seed": -1}, "seed cannot be -1; give a whole number from 0"),
        ({"seed": 2**64}, "give a whole number from 0 to 18446744073709551615"),
        ({"seed": 1.5}, "seed cannot be 1.5; give a whole number"),
        ({"psf": 1.6}, "psf is 1.6; give Psf"),
        ({"camera": 2.1}, "camera is 2.1; give Camera"),
        ({"camera": npo.Camera(gain=1e-30)}, "too large to compute with; check gain, offset"),
        ({"background": -1.0}, "background is -1.0"),
        ({"background": float("nan")}, "background is nan"),
        ({"device": "abacus"}, "is not a device"),
        ({"precision": "float16"}, "precision 'float16' is unknown"),
        ({"tile": 0}, "tile is 0"),
        ({"tile": "small"}, "tile is 'small'"),
        ({"batch": "small"}, "batch is 'small'"),
        ({"batch": 0}, "batch is 0"),
        ({"steps": 0}, "takes 1 to 512 steps, not 0"),
        ({"correction": "mlmc"}, "correction 'mlmc' is unknown"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(
    measured: np.ndarray, restore: Callable[..., Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        restore(measured, **changes)


# -------------------------------------------------------------------------------------- compare


@pytest.fixture
def runs(measured: np.ndarray, restore: Callable[..., Any]) -> tuple[Any, Any]:
    return restore(measured, samples=6), restore(measured, sampler="kd", samples=6)


def test_two_runs_are_compared_with_intervals(runs: tuple[Any, Any]) -> None:
    report = npo.compare(*runs)
    ids = [finding.id for finding in report.findings]
    assert {"mean", "puncta_count"} <= set(ids)
    # six samples are too few for any verdict
    verdicts = {finding.verdict for finding in report.findings}
    assert verdicts <= {None, "not enough samples", "not testable"}
    assert report.overall.verdict == "not enough samples"
    assert (report.teacher.samples, report.student.samples) == (6, 6)


def test_runs_are_compared_by_their_folders_with_a_known_object(
    measured: np.ndarray, restore: Callable[..., Any], tmp_path: Path
) -> None:
    for name in ("teacher", "kd"):
        restore(measured, sampler=name, samples=6, out=tmp_path / name)
    np.save(tmp_path / "truth.npy", np.ones((24, 32), np.float32))
    report = npo.compare(tmp_path / "teacher", tmp_path / "kd", truth=tmp_path / "truth.npy")
    plain = npo.compare(tmp_path / "teacher", str(tmp_path / "kd"))
    assert len(report.findings) > len(plain.findings)


def test_what_the_runs_warned_of_is_in_the_report(
    measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    teacher = restore(measured, samples=6, steps=2)
    report = npo.compare(teacher, restore(measured, sampler="kd", samples=6))
    assert any("not the reference" in warning for warning in report.warnings)


def test_the_order_of_the_runs_matters(runs: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="the first run is of the student 'kd'; give the run of"):
        npo.compare(runs[1], runs[0])


def test_a_point_estimate_is_not_compared(
    runs: tuple[Any, Any], measured: np.ndarray, restore: Callable[..., Any]
) -> None:
    point = restore(measured, sampler="mse", samples=1)
    for pair in ((runs[0], point), (point, runs[1])):
        with pytest.raises(InputError, match="one image, not a draw"):
            npo.compare(*pair)


@pytest.mark.parametrize(
    "changes",
    [
        {"camera": npo.Camera(2.1, 100.0, 1.5)},
        {"psf": npo.Psf(1.5)},
        {"background": 1.0},
        {"precision": "bfloat16"},
        {"blind": True},
    ],
)
def test_runs_that_do_not_belong_together_are_refused(
    runs: tuple[Any, Any],
    measured: np.ndarray,
    restore: Callable[..., Any],
    changes: dict[str, Any],
) -> None:
    other = restore(measured, sampler="kd", samples=6, **changes)
    with pytest.raises(InputError, match="the runs differ in their"):
        npo.compare(runs[0], other)


def test_runs_of_two_models_or_two_images_are_refused(
    runs: tuple[Any, Any],
    measured: np.ndarray,
    restore: Callable[..., Any],
    tmp_path: Path,
    tiny_writer: Callable[..., Path],
    tiny_parts: dict[str, Any],
) -> None:
    from dataclasses import replace

    changed = {key: value + 0.01 for key, value in tiny_parts["kd"].state_dict.items()}
    parts = {**tiny_parts, "kd": replace(tiny_parts["kd"], state_dict=changed)}
    other = tiny_writer(tmp_path / "other", parts=parts)
    with pytest.raises(InputError, match="model bundle"):
        npo.compare(runs[0], restore(measured, sampler="kd", samples=6, model=other))
    with pytest.raises(InputError, match="image"):
        npo.compare(runs[0], restore(measured + 1, sampler="kd", samples=6))


def test_one_statistic_may_be_given_by_its_name(runs: tuple[Any, Any]) -> None:
    report = npo.compare(*runs, statistics="total_intensity")
    assert "total_intensity" in {finding.id for finding in report.findings}


def test_unknown_statistics_and_tolerances_are_refused(runs: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match="there is no statistic 'joy'"):
        npo.compare(*runs, statistics=["joy"])
    with pytest.raises(InputError, match="nothing called 'joy' is compared"):
        npo.compare(*runs, tolerances={"joy": 0.1})
    with pytest.raises(InputError, match="there is no question 'joy'"):
        npo.compare(*runs, tolerances="joy")
