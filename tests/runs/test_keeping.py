"""Samples that are written while others are drawn: in order, told in one thread, none lost."""

from __future__ import annotations

import errno
import threading

import numpy as np
import pytest

from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.sink import MemorySink

WRITING = "napari-posterior writing"


class GatedSink(MemorySink):
    """Writes a sample only after it was let go; notes where it writes."""

    def __init__(self):
        super().__init__()
        self.gate = threading.Event()
        self.threads = set()
        self.full_at = None

    def write_sample(self, index, sample):
        assert self.gate.wait(20)
        self.threads.add(threading.current_thread().name.rsplit("_", 1)[0])
        if index == self.full_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write_sample(index, sample)


@pytest.fixture
def sink():
    found = GatedSink()
    yield found
    found.gate.set()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(WRITING)]


@pytest.fixture
def on_gpu(make_request):
    """Ask for a run that says it is drawn on a GPU; the sampler of these tests does not care."""
    return make_request(device="cuda")


def test_the_next_batch_is_drawn_while_one_is_written(on_gpu, make_job, noisy_sampler, sink):
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 8:  # the last call of the second batch
            sink.gate.set()

    events = []
    job = make_job(on_gpu, noisy_sampler(before=before))
    assert run_sampling(job, sink=sink, on_event=events.append) == Finished(6)
    assert sink.threads == {WRITING}
    assert [one.index for one in events if isinstance(one, SampleDone)] == list(range(6))
    assert isinstance(events[-1], Finished)


def test_on_a_cpu_samples_are_written_where_they_are_drawn(make_request, make_job, sink):
    sink.gate.set()
    assert run_sampling(make_job(make_request()), sink=sink) == Finished(6)
    assert sink.threads == {threading.current_thread().name}


def test_writing_beside_drawing_gives_the_same_samples(make_request, on_gpu, make_job):
    one, other = MemorySink(), MemorySink()
    run_sampling(make_job(make_request()), sink=one)
    run_sampling(make_job(on_gpu), sink=other)
    for index in range(6):
        np.testing.assert_array_equal(one.samples[index], other.samples[index])


def test_what_was_drawn_before_a_cancel_is_written(on_gpu, make_job, noisy_sampler, sink):
    token = CancelToken()
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 6:
            token.cancel()
            sink.gate.set()

    job = make_job(on_gpu, noisy_sampler(before=before))
    assert run_sampling(job, sink=sink, token=token) == Cancelled(2)
    assert sorted(sink.samples) == [0, 1]
    assert sink.state == "cancelled"


def test_a_full_disk_is_told_and_nothing_is_written_after_it(on_gpu, make_job, sink):
    sink.gate.set()
    sink.full_at = 1
    end = run_sampling(make_job(on_gpu), sink=sink)
    assert isinstance(end, Failed)
    assert "the disk is full" in end.message
    assert sorted(sink.samples) == [0]
    assert (end.kept, sink.state) == (1, "failed")


def test_a_fault_in_drawing_leaves_the_samples_that_wait_to_be_written(
    on_gpu, make_job, noisy_sampler, sink
):
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 7:
            sink.gate.set()
            raise ValueError("a wrong shape")

    end = run_sampling(make_job(on_gpu, noisy_sampler(before=before)), sink=sink)
    assert isinstance(end, Failed)
    assert end.kept == 2


def test_a_warning_waits_for_the_samples_that_are_written(
    on_gpu, make_job, noisy_sampler, sink, monkeypatch
):
    calls, seen = [], []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 6:
            sink.gate.set()
            raise MemoryError

    monkeypatch.setattr(sink, "warn", lambda message: seen.append(sorted(sink.samples)))
    assert run_sampling(make_job(on_gpu, noisy_sampler(before=before)), sink=sink) == Finished(6)
    assert seen == [[0, 1]]
