"""Order statistics near the ends, kept while samples pass by; quantiles that come from them."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import yaozarrs
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_posterior.errors import RunError
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Finished, SampleDone
from napari_posterior.runs.extremes import Extremes, depth_for
from napari_posterior.runs.quantiles import within
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.stack import SampleStack
from napari_posterior.runs.store import RunWriter, open_run

LEVELS = (0.0, 0.01, 0.03, 0.97, 1.0)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 12),
    depth=st.integers(1, 5),
    ties=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_extremes_are_the_ends_of_the_sorted_samples(count, depth, ties, seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=(count, 3, 5)).astype(np.float32)
    samples = np.round(samples) if ties else samples
    extremes = Extremes(depth)
    for sample in samples:
        extremes.add(sample)
    ordered = np.sort(samples, axis=0)
    np.testing.assert_array_equal(extremes.lowest, ordered[:depth])
    np.testing.assert_array_equal(extremes.highest, ordered[::-1][:depth])


def test_extremes_do_not_depend_on_the_blocks(monkeypatch):
    samples = np.random.default_rng(0).normal(size=(9, 7, 11)).astype(np.float32)
    whole, blocks = Extremes(3), Extremes(3)
    for sample in samples:
        whole.add(sample)
    monkeypatch.setattr("napari_posterior.runs.extremes._BLOCK", 10)
    for sample in samples:
        blocks.add(sample)
    np.testing.assert_array_equal(blocks.lowest, whole.lowest)
    np.testing.assert_array_equal(blocks.highest, whole.highest)


def test_what_is_kept_takes_a_quarter_of_the_samples_and_512_mib_at_most():
    assert [depth_for(k, 512**2) for k in (1, 15, 16, 64, 128, 4096)] == [0, 0, 2, 8, 16, 16]
    for samples in (16, 64, 256, 4096):
        for side in (64, 512, 2048, 8192):
            depth = depth_for(samples, side**2)
            assert 2 * depth <= samples / 4
            assert 4 * 2 * depth * side**2 <= 2**29
    assert depth_for(256, 2048**2) == 16


def test_nothing_is_held_where_nothing_is_kept():
    extremes = Extremes(0)
    extremes.add(np.zeros((4, 4), np.float32))
    assert extremes.lowest.size == 0


@pytest.mark.parametrize(
    ("levels", "count", "depth", "enough"),
    [
        ([0.05, 0.95], 64, 8, True),
        ([0.0, 1.0], 64, 1, True),
        ([7 / 63], 64, 8, True),  # falls on the last rank that is kept
        ([7.01 / 63], 64, 8, False),
        ([0.05, 0.5], 64, 8, False),
        ([0.05], 64, 0, False),
        ([0.5], 1, 1, True),
    ],
)
def test_extremes_are_enough_where_both_neighbours_are_kept(levels, count, depth, enough):
    assert within(levels, count, depth) is enough


@pytest.fixture
def begin(tmp_path, make_image, make_request, provenance):
    def make(name="a", axes="yx", size=(12, 14), **changes):
        image = make_image(axes, size)
        request = make_request(image, **{"samples": 40, "batch": 5, **changes})
        writer = RunWriter.create(tmp_path / name, request, image, provenance=provenance)
        return request, writer

    return make


@pytest.fixture
def no_sample_is_read(monkeypatch):
    def refuse(self, *args):
        raise AssertionError("a sample was read")

    return lambda: monkeypatch.setattr(SampleStack, "_read", refuse)


@pytest.mark.parametrize(("axes", "size"), [("yx", (12, 14)), ("zcyx", (2, 2, 9, 8))])
def test_quantiles_near_the_ends_read_no_sample(begin, make_job, no_sample_is_read, axes, size):
    request, writer = begin(axes=axes, size=size)
    assert run_sampling(make_job(request), sink=writer) == Finished(40)
    run = writer.open()
    expected = np.quantile(np.asarray(run.samples), LEVELS, axis=0)
    middle = run.quantile([0.05, 0.5])
    no_sample_is_read()
    np.testing.assert_allclose(run.quantile(LEVELS), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(run.quantile(0.03), run.quantile(LEVELS)[2])
    assert run.quantile(0.03).dtype == np.float32
    np.testing.assert_allclose(run.quantile(0.05), middle[0], rtol=1e-6, atol=1e-6)
    with pytest.raises(AssertionError, match="a sample was read"):
        run.quantile(0.5)


def test_extremes_on_disk_are_images_that_other_tools_read(begin, make_job):
    request, writer = begin(axes="zyx", size=(2, 9, 8))
    run_sampling(make_job(request), sink=writer)
    run = writer.open()
    kept = sorted(path.name for path in (run.path / "extremes" / "lowest").glob("0*"))
    assert kept == [f"{rank:04d}" for rank in range(5)]
    for rank in kept:
        for end in ("lowest", "highest"):
            yaozarrs.validate_zarr_store(str(run.path / "extremes" / end / rank))


def test_a_run_of_few_samples_keeps_no_extremes(begin, make_job):
    request, writer = begin(samples=15)
    run_sampling(make_job(request), sink=writer)
    run = writer.open()
    assert not (run.path / "extremes").exists()
    expected = np.quantile(np.asarray(run.samples), 0.05, axis=0)
    np.testing.assert_allclose(run.quantile(0.05), expected, rtol=1e-6, atol=1e-6)


def test_a_cancelled_run_has_its_quantiles_from_its_samples(begin, make_job):
    request, writer = begin()
    token = CancelToken()

    def stop(event):
        if isinstance(event, SampleDone) and event.index == 21:
            token.cancel()

    assert run_sampling(make_job(request), sink=writer, token=token, on_event=stop) == Cancelled(25)
    run = writer.open()
    assert not (run.path / "extremes").exists()
    expected = np.quantile(np.asarray(run.samples), 0.02, axis=0)
    np.testing.assert_allclose(run.quantile(0.02), expected, rtol=1e-6, atol=1e-6)


def test_a_run_that_is_resumed_is_the_one_that_was_drawn_at_once(
    begin, make_job, make_request, make_image, tmp_path
):
    """Samples, mean, sd and extremes; over a finished run of its own extremes and a cut."""
    request, straight = begin("straight", samples=72)
    run_sampling(make_job(request), sink=straight)

    first, writer = begin("parts", samples=17, batch=3)
    run_sampling(make_job(first), sink=writer)
    assert (tmp_path / "parts" / "extremes" / "lowest" / "0001").exists()
    second = make_request(make_image("yx", (12, 14)), samples=72, batch=4)
    token = CancelToken()

    def stop(event):
        if isinstance(event, SampleDone) and event.index == 40:
            token.cancel()

    writer = RunWriter.resume(tmp_path / "parts", second)
    run_sampling(make_job(second), sink=writer, token=token, on_event=stop)
    half = open_run(tmp_path / "parts")
    expected = np.quantile(np.asarray(half.samples), 0.02, axis=0)
    np.testing.assert_allclose(half.quantile(0.02), expected, rtol=1e-6, atol=1e-6)
    writer = RunWriter.resume(tmp_path / "parts", second)
    assert run_sampling(make_job(second), sink=writer) == Finished(72)

    one, other = straight.open(), writer.open()
    np.testing.assert_array_equal(np.asarray(one.samples), np.asarray(other.samples))
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.sd, other.sd)
    for level in (0.0, 0.05, 0.95, 1.0):
        np.testing.assert_array_equal(one.quantile(level), other.quantile(level))
    ranks = {path.relative_to(one.path) for path in one.path.glob("extremes/*/0*")}
    assert ranks == {path.relative_to(other.path) for path in other.path.glob("extremes/*/0*")}
    assert len(ranks) == 18


def test_a_disk_too_full_for_extremes_leaves_a_finished_run(begin, make_job, monkeypatch):
    from napari_posterior.runs import store

    request, writer = begin()
    write = store.write_image

    def refuse(folder, *args, **options):
        if folder.parent.name == "highest":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(folder, *args, **options)

    monkeypatch.setattr(store, "write_image", refuse)
    assert run_sampling(make_job(request), sink=writer) == Finished(40)
    run = writer.open()
    assert run.state == "finished"
    assert not (run.path / "extremes").exists()
    expected = np.quantile(np.asarray(run.samples), 0.01, axis=0)
    np.testing.assert_allclose(run.quantile(0.01), expected, rtol=1e-6, atol=1e-6)


def test_a_run_that_lost_its_extremes_says_so(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request), sink=writer)
    run = writer.open()
    (run.path / "extremes").rename(run.path / "gone")
    with pytest.raises(RunError, match="the run is damaged"):
        run.quantile(0.01)
