from __future__ import annotations

import ast
import errno
import gc
import json
import os
import shutil
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import yaozarrs
import zarr

from napari_posterior.errors import OutputError, RunError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone
from napari_posterior.runs.ome import round_mantissa
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.store import RunWriter, open_run

GEOMETRIES = [
    ("yx", (21, 33)),
    ("zyx", (3, 16, 19)),
    ("tyx", (2, 17, 16)),
    ("cyx", (2, 16, 17)),
    ("zcyx", (2, 3, 9, 11)),
    ("yx", (530, 9)),
]


@pytest.fixture
def draw(make_image, make_request, make_job, provenance):
    """Draw a whole run into a folder and return it open."""

    def draw_run(path, image=None, **changes):
        image = image or make_image()
        request = make_request(image, **changes)
        writer = RunWriter.create(path, request, image, provenance=provenance)
        end = run_sampling(make_job(request), sink=writer)
        assert isinstance(end, Finished), end
        return writer.open()

    return draw_run


@pytest.mark.parametrize(("axes", "size"), GEOMETRIES)
def test_every_image_of_a_run_is_ome_zarr_with_the_right_scale_and_units(
    tmp_path, draw, make_image, axes, size
):
    image = make_image(axes, size)
    run = draw(tmp_path / "a.posterior.zarr", image, samples=2)
    order = [axis for axis in "tczyx" if axis in axes]
    geometry = image.geometry
    for name in ("samples/0000", "samples/0001", "mean", "sd", "input"):
        yaozarrs.validate_zarr_store(str(run.path / name))
        group = json.loads((run.path / name / "zarr.json").read_text())
        ome = yaozarrs.validate_ome_object(group["attributes"]["ome"], yaozarrs.v05.Image)
        (multiscale,) = ome.multiscales
        assert [axis.name for axis in multiscale.axes] == order
        where = [axes.index(axis) for axis in order]
        dataset = multiscale.datasets[0]
        assert dataset.path == "0"
        assert dataset.scale_transform.scale == [geometry.scale[i] for i in where]
        assert dataset.translation_transform.translation == [geometry.translate[i] for i in where]
        units = {axis.name: getattr(axis, "unit", None) for axis in multiscale.axes}
        assert units == {
            axis: None if axis == "c" else "second" if axis == "t" else "micrometer"
            for axis in order
        }
    assert run.geometry == geometry
    np.testing.assert_array_equal(run.input, image.data)
    assert run.input.dtype == image.data.dtype
    assert run.samples.shape == (2, *size)
    plain = zarr.open_group(str(run.path), mode="r")["samples/0001/0"]
    assert plain.dtype == np.float32
    assert plain.metadata.dimension_names == tuple(order)
    assert max(plain.chunks) <= 512
    np.testing.assert_array_equal(
        np.asarray(plain[...]).transpose([order.index(axis) for axis in axes]), run.samples[1]
    )


def test_pixels_are_no_unit_of_the_format_and_are_left_out(tmp_path, draw, make_image):
    from napari_posterior.image import as_image

    run = draw(tmp_path / "a", as_image(make_image().data), samples=1)
    axes = json.loads((run.path / "input" / "zarr.json").read_text())
    axes = axes["attributes"]["ome"]["multiscales"][0]["axes"]
    assert axes == [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    assert run.geometry.units == ("pixel", "pixel")


def test_rounding_keeps_twelve_bits_and_leaves_nan_and_inf():
    values = np.random.default_rng(0).normal(0, 100, (50, 40)).astype(np.float32)
    rounded = round_mantissa(values)
    assert np.abs(rounded / values - 1).max() <= 2.0**-13
    assert not (rounded.view(np.uint32) & np.uint32(2**11 - 1)).any()
    np.testing.assert_array_equal(round_mantissa(rounded), rounded)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0], np.float32)
    np.testing.assert_array_equal(round_mantissa(special), special)
    tie = np.array([1 + 2.0**-13, 1 + 3 * 2.0**-13], np.float32)
    np.testing.assert_array_equal(round_mantissa(tie), [1.0, 1 + 2.0**-11])


def test_mean_and_sd_are_those_of_the_stored_samples(tmp_path, draw):
    run = draw(tmp_path / "a", samples=37, batch=8)
    samples = np.asarray(run.samples, np.float64)
    np.testing.assert_allclose(run.mean, samples.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(run.sd, samples.std(axis=0, ddof=1), rtol=1e-6)
    for q in (0.1, 0.5):
        np.testing.assert_allclose(run.quantile(q), np.quantile(samples, q, axis=0), rtol=1e-5)
    assert run.quantile([0.1, 0.9]).shape == (2, 24, 32)


def test_quantiles_do_not_depend_on_the_blocks(tmp_path, draw, make_image, monkeypatch):
    run = draw(tmp_path / "a", make_image("zyx", (2, 21, 30)), samples=5)
    whole = run.quantile([0.25, 0.5])
    monkeypatch.setattr("napari_posterior.runs.quantiles._BLOCK", 8)
    monkeypatch.setattr("napari_posterior.runs.quantiles._VALUES_AT_ONCE", 5 * 8 * 3)
    np.testing.assert_array_equal(run.quantile([0.25, 0.5]), whole)


def test_one_sample_has_no_spread(tmp_path, draw):
    run = draw(tmp_path / "a", samples=1)
    assert np.isnan(run.sd).all()
    assert not (run.path / "sd").exists()
    np.testing.assert_allclose(run.mean, run.samples[0])


@pytest.mark.parametrize("axes", ["yx", "zcyx"])
def test_samples_index_like_an_array(tmp_path, draw, make_image, axes):
    size = {"yx": (20, 30), "zcyx": (2, 3, 9, 11)}[axes]
    samples = draw(tmp_path / "a", make_image(axes, size), samples=5).samples
    whole = np.asarray(samples)
    assert (samples.shape, samples.dtype, samples.ndim) == (whole.shape, whole.dtype, whole.ndim)
    assert (len(samples), samples.size, samples.nbytes) == (5, whole.size, whole.nbytes)
    keys = [
        3,
        -1,
        np.int64(2),
        slice(1, 4),
        slice(None, None, -2),
        slice(4, 1),
        [0, 3],
        np.array([True, False, True, False, False]),
        (1, 1),
        (slice(None), 1),
        (slice(1, 3), -1, slice(2, 7)),
        (2, ..., slice(3, 9, 2)),
        (..., -1),
        (slice(None), ..., slice(None, None, -1)),
    ]
    for key in keys:
        np.testing.assert_array_equal(samples[key], whole[key], err_msg=str(key))
    np.testing.assert_array_equal(np.stack(list(samples)), whole)
    for key in (5, (0, 99), (0,) * 6):
        with pytest.raises(IndexError):
            samples[key]


def test_a_run_opens_again_with_everything_it_was_made_with(tmp_path, draw, provenance):
    made = draw(tmp_path / "a.posterior.zarr")
    run = open_run(tmp_path / "a.posterior.zarr")
    assert run.request == made.request
    assert run.provenance == provenance
    assert (run.state, run.message, run.warnings, run.role) == ("finished", "", (), "teacher")
    assert run.seconds > 0
    assert "6 of 6 samples, finished" in repr(run)
    measurement = run.measurement()
    np.testing.assert_array_equal(measurement.y, run.input.astype(np.float32))
    assert measurement.camera == run.request.camera
    assert measurement.psf.sigma == 1.6
    assert run.image.geometry == run.geometry


def test_the_image_of_a_run_of_a_crop_knows_where_it_lies(tmp_path, draw, make_image):
    crop = make_image("zyx", (3, 20, 22)).crop((slice(1, 3), slice(4, 20), slice(5, 22)))
    draw(tmp_path / "a", crop, samples=1)
    image = open_run(tmp_path / "a").image
    assert (image.origin, image.whole) == ((1, 4, 5), (3, 20, 22))


def camera_with_maps(shape):
    rng = np.random.default_rng(3)
    return Camera(
        gain=rng.uniform(1.8, 2.2, shape),
        offset=100.0,
        read_noise=rng.uniform(1, 3, shape),
        gain_interval=(1.9, 2.1),
        bits=12,
    )


def test_camera_maps_come_back_with_the_run_and_are_images_of_their_own(tmp_path, draw, make_image):
    image = make_image("zyx", (2, 16, 19))
    camera = camera_with_maps((16, 19))
    draw(tmp_path / "a.posterior.zarr", image, samples=2, camera=camera)
    run = open_run(tmp_path / "a.posterior.zarr")
    assert run.request.camera == camera
    np.testing.assert_array_equal(run.measurement(1).camera.gain, camera.gain)
    yaozarrs.validate_zarr_store(str(run.path / "physics" / "camera" / "read_noise"))
    assert run.request.differences(run.request) == ()
    assert ast.parse(run.to_script())


def test_a_run_whose_camera_map_is_lost_or_changed_is_refused(tmp_path, draw, make_image):
    path = tmp_path / "a.posterior.zarr"
    draw(path, make_image("yx", (16, 19)), samples=2, camera=camera_with_maps((16, 19)))
    gain = path / "physics" / "camera" / "gain"
    zarr.open_array(str(gain / "0"), mode="r+")[0, 0] = 7.0
    with pytest.raises(RunError, match=r"run\.json cannot be understood"):
        open_run(path)
    shutil.rmtree(gain)
    with pytest.raises(RunError, match=r"run\.json cannot be understood"):
        open_run(path)


def test_a_run_is_not_resumed_with_other_camera_maps(tmp_path, draw, make_image, make_request):
    image = make_image("yx", (16, 19))
    camera = camera_with_maps((16, 19))
    draw(tmp_path / "a", image, samples=2, camera=camera)
    other = camera.with_levels(gain=camera.gain + 0.1)
    with pytest.raises(RunError, match="was made with another camera, so it cannot be resumed"):
        RunWriter.resume(tmp_path / "a", make_request(image, samples=3, camera=other))


def test_what_exists_is_never_written_over_unasked(tmp_path, draw, make_image, make_request,
                                                   provenance):  # fmt: skip
    run = draw(tmp_path / "a")
    before = np.asarray(run.samples)
    image = make_image()
    with pytest.raises(OutputError, match="exists already; choose another name"):
        RunWriter.create(run.path, make_request(image), image, provenance=provenance)
    np.testing.assert_array_equal(np.asarray(open_run(run.path).samples), before)

    RunWriter.create(
        run.path, make_request(image, seed=1), image, provenance=provenance, overwrite=True
    )
    assert len(open_run(run.path)) == 0

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(OutputError, match="is not a run and is left alone"):
        RunWriter.create(
            tmp_path / "thesis", make_request(image), image, provenance=provenance, overwrite=True
        )
    assert (tmp_path / "thesis" / "chapter.txt").exists()


def test_an_empty_folder_or_one_that_is_missing_may_be_used(tmp_path, draw):
    (tmp_path / "empty").mkdir()
    assert len(draw(tmp_path / "empty")) == 6
    assert len(draw(tmp_path / "deep" / "er" / "run")) == 6


def test_cancelled_and_resumed_gives_the_run_that_was_never_cancelled(
    tmp_path, draw, make_image, make_request, make_job, provenance, noisy_sampler
):
    image = make_image("zyx", (2, 12, 14))
    request = make_request(image, samples=7)
    token = CancelToken()

    def on_event(event):
        if isinstance(event, SampleDone) and event.index == 2:
            token.cancel()

    writer = RunWriter.create(tmp_path / "a", request, image, provenance=provenance)
    end = run_sampling(make_job(request), sink=writer, token=token, on_event=on_event)
    assert end == Cancelled(kept=4)
    half = open_run(tmp_path / "a")
    assert (half.state, len(half)) == ("cancelled", 4)
    np.testing.assert_allclose(half.mean, np.mean(half.samples, axis=0), rtol=1e-6)

    sampler = noisy_sampler()
    writer = RunWriter.resume(tmp_path / "a", make_request(image, samples=7, batch=3))
    writer.warn("resumed")
    assert run_sampling(make_job(request, sampler), sink=writer) == Finished(kept=7)
    assert sum(sampler.drawn) == 2 * 3  # two planes of the three missing samples
    resumed, straight = writer.open(), draw(tmp_path / "b", image, samples=7)
    np.testing.assert_array_equal(np.asarray(resumed.samples), np.asarray(straight.samples))
    np.testing.assert_allclose(resumed.mean, straight.mean, rtol=1e-6)
    np.testing.assert_allclose(resumed.sd, straight.sd, rtol=1e-6)
    assert (resumed.state, resumed.warnings) == ("finished", ("resumed",))


def test_more_samples_can_be_drawn_of_a_finished_run_but_not_fewer(
    tmp_path, draw, make_request, make_job
):
    draw(tmp_path / "a", samples=3)
    request = make_request(samples=8)
    writer = RunWriter.resume(tmp_path / "a", request)
    run_sampling(make_job(request), sink=writer)
    run = writer.open()
    assert (len(run), run.request.samples) == (8, 8)
    np.testing.assert_allclose(run.mean, np.mean(run.samples, axis=0), rtol=1e-6)
    with pytest.raises(RunError, match="more than the 3 asked for"):
        RunWriter.resume(tmp_path / "a", make_request(samples=3))


def test_resume_refuses_another_request_and_names_the_field(tmp_path, draw, make_request,
                                                           make_image):  # fmt: skip
    draw(tmp_path / "a")
    for field, request in (
        ("with another seed", make_request(seed=1)),
        ("with another PSF", make_request(psf=Psf(2.0))),
        ("with another version of the model", make_request(bundle_hash="f" * 64)),
        ("of another image", make_request(make_image(seed=5))),
    ):
        with pytest.raises(RunError, match=rf"was made {field}.*, so it cannot"):
            RunWriter.resume(tmp_path / "a", request)
    with pytest.raises(RunError, match="does not exist"):
        RunWriter.resume(tmp_path / "b", make_request())


def test_a_run_is_resumed_where_the_same_model_lies_elsewhere(tmp_path, draw, make_request):
    draw(tmp_path / "a")
    writer = RunWriter.resume(tmp_path / "a", make_request(model="/moved/bundle"))
    assert writer.completed


def test_a_disk_too_full_to_begin_leaves_nothing_in_the_way(
    tmp_path, make_image, make_request, provenance, monkeypatch
):
    def fill_up(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    options = {"provenance": provenance}
    with monkeypatch.context() as patch:
        patch.setattr("napari_posterior.runs.store.write_record", fill_up)
        with pytest.raises(OutputError, match="could not be begun; free some space, or choose"):
            RunWriter.create(tmp_path / "a", make_request(), make_image(), **options)
    assert not (tmp_path / "a").exists()
    RunWriter.create(tmp_path / "a", make_request(), make_image(), **options)


CRASH = """
    import os, sys
    sys.path.insert(0, {tests!r})
    import numpy as np, pickle
    from napari_posterior.runs import ome, store

    request, image, provenance = pickle.load(open({inputs!r}, "rb"))
    writer = store.RunWriter.create({path!r}, request, image, provenance=provenance)
    rng = np.random.default_rng(0)
    write = store.write_image

    def die_half_way(folder, data, geometry, **options):
        write(folder, data[:5], geometry, **options)
        os._exit(9)

    for index in range(4):
        if index == 3:
            store.write_image = die_half_way
        writer.write_sample(index, rng.normal(20, 3, image.data.shape).astype(np.float32))
"""


def test_a_run_whose_program_was_killed_gives_the_samples_finished_so_far(
    tmp_path, make_image, make_request, make_job, provenance
):
    import pickle

    image, path = make_image(), tmp_path / "a"
    request = make_request(image)
    inputs = tmp_path / "inputs.pickle"
    inputs.write_bytes(pickle.dumps((request, image, provenance)))
    script = textwrap.dedent(CRASH.format(tests="", inputs=str(inputs), path=str(path)))
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert died.returncode == 9, died.stderr

    run = open_run(path)
    assert (run.state, len(run)) == ("interrupted", 3)
    samples = np.asarray(run.samples)
    np.testing.assert_allclose(run.mean, samples.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(run.sd, samples.std(axis=0, ddof=1), rtol=1e-5)

    writer = RunWriter.resume(path, request)
    assert run_sampling(make_job(request), sink=writer) == Finished(kept=6)
    whole = open_run(path)
    np.testing.assert_array_equal(np.asarray(whole.samples)[:3], samples)
    assert not list(path.glob("**/.*.part"))


def test_a_run_that_goes_away_fails_with_one_sentence_and_does_not_come_back(
    tmp_path, make_image, make_request, make_job, provenance
):
    image, path = make_image(), tmp_path / "a"
    request = make_request(image)
    writer = RunWriter.create(path, request, image, provenance=provenance)

    def on_event(event):
        if isinstance(event, SampleDone) and event.index == 1:
            shutil.rmtree(path)

    end = run_sampling(make_job(request), sink=writer, on_event=on_event)
    assert isinstance(end, Failed)
    assert "went away while it was written" in end.message
    assert str(path) in end.message
    assert not path.exists()


def test_a_full_disk_keeps_the_finished_samples(
    tmp_path, make_image, make_request, make_job, provenance, monkeypatch
):
    from napari_posterior.runs import store

    image, path = make_image(), tmp_path / "a"
    request = make_request(image)
    writer = RunWriter.create(path, request, image, provenance=provenance)
    write, free = store.write_image, 3

    def write_while_there_is_room(folder, data, geometry, **options):
        nonlocal free
        free -= 1
        if free < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(folder, data, geometry, **options)

    monkeypatch.setattr(store, "write_image", write_while_there_is_room)
    end = run_sampling(make_job(request), sink=writer)
    assert isinstance(end, Failed)
    assert end.message == (
        f"the disk is full: 3 samples are kept in {path}; free some space and resume the run"
    )
    run = open_run(path)
    assert (len(run), run.samples[2].shape) == (3, (24, 32))
    assert (run.state, run.message) == ("failed", end.message)
    monkeypatch.undo()
    writer = RunWriter.resume(path, request)
    assert run_sampling(make_job(request), sink=writer) == Finished(kept=6)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)
def test_a_read_only_folder_is_refused(tmp_path, make_image, make_request, provenance):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="choose a folder that you may write to"):
            RunWriter.create(tmp_path / "a", make_request(), make_image(), provenance=provenance)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_a_folder_that_may_not_be_written_is_refused_in_one_sentence(
    tmp_path, make_image, make_request, provenance, monkeypatch, code
):
    from pathlib import Path

    def refuse(self, *args, **options):
        raise OSError(code, os.strerror(code), str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="cannot be written; choose a folder that you may"):
        RunWriter.create(tmp_path / "a", make_request(), make_image(), provenance=provenance)


def test_a_folder_below_a_file_is_refused(tmp_path, make_image, make_request, provenance):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"):
        RunWriter.create(tmp_path / "file" / "a", make_request(), make_image(),
                         provenance=provenance)  # fmt: skip


def test_what_is_not_a_run_is_refused_with_the_reason(tmp_path, draw):
    with pytest.raises(RunError, match="does not exist; check the name of the run"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is not a run: it has no run\.json"):
        open_run(tmp_path)
    run = draw(tmp_path / "a")
    record = run.path / "run.json"
    text = record.read_text()
    record.write_text(text[: len(text) // 2])
    with pytest.raises(RunError, match="cannot be understood"):
        open_run(run.path)
    record.write_text(json.dumps({**json.loads(text), "schema_version": 99}))
    with pytest.raises(RunError, match="newer version; update napari-posterior"):
        open_run(run.path)
    record.write_text(text)
    shutil.rmtree(run.path / "input")
    with pytest.raises(RunError, match="cannot be read; the run is damaged"):
        _ = open_run(run.path).input


def test_a_run_without_samples_says_so(tmp_path, make_image, make_request, provenance):
    image = make_image()
    writer = RunWriter.create(tmp_path / "a", make_request(image), image, provenance=provenance)
    writer.finish("cancelled")
    run = open_run(tmp_path / "a")
    assert run.samples.shape == (0, 24, 32)
    for read in (lambda: run.mean, lambda: run.sd, lambda: run.quantile(0.5)):
        with pytest.raises(RunError, match="holds no samples"):
            read()


def test_a_temporary_run_lives_as_long_as_something_reads_it(draw):
    run = draw(None)
    path = run.path
    assert path.name.endswith(".posterior.zarr")
    samples = run.samples
    del run
    gc.collect()
    assert samples[0].shape == (24, 32)
    del samples
    gc.collect()
    assert not path.exists()
