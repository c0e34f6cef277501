"""However a run ends, its folder opens, holds whole samples, and can be gone on with."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
import yaozarrs

from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone
from napari_posterior.runs.runner import Fallback, run_sampling
from napari_posterior.runs.store import RunWriter, open_run


@pytest.fixture
def straight(make_request, make_job, make_image, provenance, tmp_path):
    """The samples of the run that nothing happened to."""

    def draw(**changes):
        image = make_image()
        request = make_request(image, **changes)
        writer = RunWriter.create(tmp_path / "straight", request, image, provenance=provenance)
        assert isinstance(run_sampling(make_job(request), sink=writer), Finished)
        return writer.open()

    return draw


@pytest.fixture
def begin(tmp_path, make_image, make_request, provenance):
    def make(**changes):
        image = make_image()
        request = make_request(image, **changes)
        return request, RunWriter.create(tmp_path / "a", request, image, provenance=provenance)

    return make


def check_and_go_on(path, request, make_job, straight, *, kept, state):
    """The run holds the first samples, and goes on to be the one that was never stopped."""
    run = open_run(path)
    assert (len(run), run.state) == (kept, state)
    whole = straight(samples=request.samples)
    if kept:
        np.testing.assert_array_equal(np.asarray(run.samples), np.asarray(whole.samples)[:kept])
        np.testing.assert_allclose(run.mean, np.mean(run.samples, axis=0), rtol=1e-6, atol=1e-6)
    yaozarrs.validate_zarr_store(str(path / "input"))
    writer = RunWriter.resume(path, request)
    assert run_sampling(make_job(request), sink=writer) == Finished(request.samples)
    again = open_run(path)
    assert again.state == "finished"
    np.testing.assert_array_equal(np.asarray(again.samples), np.asarray(whole.samples))
    np.testing.assert_array_equal(again.mean, whole.mean)
    np.testing.assert_array_equal(again.sd, whole.sd)
    assert not list(path.rglob(".*.part"))


def fail_in_call(number, error):
    """Raise in the network call of this number."""
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == number:
            raise error

    return before


@pytest.mark.parametrize(
    ("error", "end", "state"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), Failed, "failed"),
        (ValueError("shapes do not match"), Failed, "failed"),
        (KeyboardInterrupt(), Cancelled, "cancelled"),
    ],
)
def test_an_exception_in_a_network_call(
    begin, make_job, noisy_sampler, straight, error, end, state
):
    request, writer = begin()
    job = make_job(request, noisy_sampler(before=fail_in_call(7, error)))
    assert isinstance(run_sampling(job, sink=writer), end)
    check_and_go_on(writer.path, request, make_job, straight, kept=2, state=state)


def test_a_cancel(begin, make_job, noisy_sampler, straight):
    request, writer = begin()
    token = CancelToken()
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 11:
            token.cancel()

    job = make_job(request, noisy_sampler(before=before))
    assert run_sampling(job, sink=writer, token=token) == Cancelled(4)
    assert len(calls) == 11
    check_and_go_on(writer.path, request, make_job, straight, kept=4, state="cancelled")


@pytest.mark.parametrize("room", [0, 1, 4])
def test_a_full_disk(begin, make_job, straight, monkeypatch, room):
    """At the first sample, later on, and at the record: whatever does not fit is not half there."""
    from napari_posterior.runs import store

    request, writer = begin()
    write, record, free = store.write_image, store.write_record, [room]

    def fill_up(folder, data, geometry, **options):
        free[0] -= 1
        if free[0] < 0:
            write(folder, data[:5], geometry, **options)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(folder, data, geometry, **options)

    def record_while_there_is_room(folder, kept):
        if free[0] < 0 and room == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        record(folder, kept)

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_image", fill_up)
        patch.setattr(store, "write_record", record_while_there_is_room)
        end = run_sampling(make_job(request), sink=writer)
    assert isinstance(end, Failed)
    assert "the disk is full" in end.message
    assert end.kept == room
    state = "interrupted" if room == 4 else "failed"
    check_and_go_on(writer.path, request, make_job, straight, kept=room, state=state)


def test_memory_that_runs_out_all_the_way_down(begin, make_job, noisy_sampler, straight):
    """From batches to one sample, to a fallback that cannot even be made, to one that works."""

    def too_small(samples, call):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    def no_room():
        raise MemoryError

    request, writer = begin(batch=4)
    small = noisy_sampler(before=too_small)
    ladder = (
        Fallback("with tiles of 512 px", no_room),
        Fallback(
            "with tiles of 256 px", lambda: make_job(request, noisy_sampler(before=too_small))
        ),
        Fallback("on the CPU", lambda: make_job(request)),
    )
    job = make_job(request, small, fallbacks=ladder)
    assert run_sampling(job, sink=writer) == Finished(6)
    run = open_run(writer.path)
    assert [words.split("; ")[1] for words in run.warnings] == [
        "going on with 2",
        "going on with 1",
        "trying again with tiles of 512 px",
        "trying again with tiles of 256 px",
        "trying again on the CPU",
    ]
    np.testing.assert_array_equal(np.asarray(run.samples), np.asarray(straight().samples))


def test_memory_that_runs_out_for_good(begin, make_job, noisy_sampler, straight):
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) > 8:
            raise MemoryError

    request, writer = begin()
    end = run_sampling(make_job(request, noisy_sampler(before=before)), sink=writer)
    assert isinstance(end, Failed)
    assert "does not fit into memory" in end.message
    check_and_go_on(writer.path, request, make_job, straight, kept=4, state="failed")


DRAWING = """
    import pickle, sys, time
    import numpy as np
    from napari_posterior.runs import store

    request, image, provenance, samples = pickle.load(open({inputs!r}, "rb"))
    writer = store.RunWriter.create({path!r}, request, image, provenance=provenance)
    for index, sample in enumerate(samples):
        writer.write_sample(index, sample)
        print(index, flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.parametrize("after", [1, 4])
def test_kill_9(make_image, make_request, make_job, straight, provenance, tmp_path, after):
    """At any moment of writing: what was told to be kept is, and nothing is half there."""
    image, path = make_image(), tmp_path / "a"
    request = make_request(image, samples=40)
    whole = np.asarray(straight(samples=40).samples)
    inputs = tmp_path / "inputs.pickle"
    inputs.write_bytes(pickle.dumps((request, image, provenance, whole)))
    script = textwrap.dedent(DRAWING.format(inputs=str(inputs), path=str(path)))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as drawing:
        for line in drawing.stdout:
            if int(line) == after:
                drawing.send_signal(signal.SIGKILL)
                break
        told = [after, *map(int, drawing.stdout.read().split())]
    assert drawing.returncode == -signal.SIGKILL

    run = open_run(path)
    assert run.state == "interrupted"
    assert len(run) in (told[-1] + 1, told[-1] + 2)
    np.testing.assert_array_equal(np.asarray(run.samples), whole[: len(run)])
    writer = RunWriter.resume(path, request)
    assert run_sampling(make_job(request), sink=writer) == Finished(40)
    np.testing.assert_array_equal(np.asarray(open_run(path).samples), whole)
    assert not list(path.rglob(".*.part"))


def test_memory_does_not_grow_with_the_number_of_samples(
    tmp_path, make_image, make_request, make_job, provenance, monkeypatch
):
    # as deep for both: it follows the number of samples up to a limit
    monkeypatch.setattr("napari_posterior.runs.extremes._DEEPEST", 3)
    image = make_image(size=(128, 128))
    peaks = []
    for samples in (24, 72):
        request = make_request(image, samples=samples, batch=2)
        job = make_job(request)
        writer = RunWriter.create(tmp_path / str(samples), request, image, provenance=provenance)
        tracemalloc.start()
        try:
            assert run_sampling(job, sink=writer) == Finished(samples)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    few, many = peaks
    sample = 4 * 128**2
    assert many - few < 5 * sample  # of 48 samples more
    assert many < 32 * sample


def test_fresh_noise_is_the_same_for_any_batch_and_resume(
    begin, make_job, noisy_sampler, make_request, make_image
):
    """Keyed by sample and step: it comes from the same canvases whoever is drawn together."""
    request, writer = begin(batch=2)
    token = CancelToken()

    def stop(event):
        if isinstance(event, SampleDone) and event.index == 1:
            token.cancel()

    def job(of):
        return make_job(of, noisy_sampler(needs_noise=True))

    run_sampling(job(request), sink=writer, token=token, on_event=stop)
    other = make_request(make_image(), batch=3)
    writer = RunWriter.resume(writer.path, other)
    assert run_sampling(job(other), sink=writer) == Finished(6)
    samples = np.asarray(open_run(writer.path).samples)

    canvas = make_job(request).canvas
    for index in range(6):
        z = canvas([index], 0)
        for step in (1, 2, 3):
            z = 0.6 * z + 0.8 * canvas([index], 0, step=step)
        np.testing.assert_allclose(samples[index], 3 * z[0, 0].numpy(), rtol=3e-4, atol=1e-5)
