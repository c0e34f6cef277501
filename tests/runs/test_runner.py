from __future__ import annotations

import errno
import threading

import numpy as np
import pytest
import torch

from napari_posterior.errors import OutputError
from napari_posterior.runs.cancel import CancelToken, RunCancelledError
from napari_posterior.runs.events import (
    Cancelled,
    Failed,
    Finished,
    SampleDone,
    Started,
    StepDone,
    Warned,
)
from napari_posterior.runs.runner import Fallback, run_sampling, sample_events
from napari_posterior.runs.sink import MemorySink


def test_events_come_in_order_and_every_network_call_is_reported(make_request, make_job):
    events = []
    sink = MemorySink()
    end = run_sampling(make_job(make_request()), sink=sink, on_event=events.append)
    assert events[0] == Started(samples=6, missing=6, planes=1, nfe=4)
    assert events[-1] == end == Finished(kept=6)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert len(steps) == 3 * 4
    assert [step.call for step in steps[:5]] == [1, 2, 3, 4, 1]
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert [event.index for event in events if isinstance(event, SampleDone)] == list(range(6))
    assert sink.state == "finished"


def test_the_iterator_gives_the_same_events_as_the_callback(make_request, make_job):
    called = []
    run_sampling(make_job(make_request()), sink=MemorySink(), on_event=called.append)
    iterated = list(sample_events(make_job(make_request()), sink=MemorySink()))

    def without_times(events):
        return [(type(e), getattr(e, "fraction", None), getattr(e, "index", None)) for e in events]

    assert without_times(iterated) == without_times(called)


def test_batches_do_not_change_the_samples(make_request, make_job, make_image):
    image = make_image("zyx", (3, 10, 13))
    stacks = []
    for batch in (1, 4, 6):
        sink = MemorySink()
        run_sampling(make_job(make_request(image, batch=batch)), sink=sink)
        stacks.append(np.stack([sink.samples[k] for k in range(6)]))
    assert stacks[0].shape == (6, 3, 10, 13)
    np.testing.assert_array_equal(stacks[0], stacks[1])
    np.testing.assert_array_equal(stacks[0], stacks[2])
    assert stacks[0].mean(axis=(0, 2, 3)) == pytest.approx([0, 10, 20], abs=0.5)


def test_cancel_acts_at_the_next_network_call_and_keeps_the_samples(
    make_request, make_job, noisy_sampler
):
    token = CancelToken()
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) == 6:  # second call of the second batch
            token.cancel()

    sink = MemorySink()
    end = run_sampling(
        make_job(make_request(), noisy_sampler(before=before)), sink=sink, token=token
    )
    assert end == Cancelled(kept=2)
    assert sink.state == "cancelled"
    assert sorted(sink.samples) == [0, 1]
    assert len(calls) == 6


def test_cancel_during_the_last_call_keeps_what_that_call_finished(
    make_request, make_job, noisy_sampler
):
    token = CancelToken()

    def before(samples, call):
        if call == 4:
            token.cancel()

    sink = MemorySink()
    end = run_sampling(
        make_job(make_request(), noisy_sampler(before=before)), sink=sink, token=token
    )
    assert end == Cancelled(kept=2)


def test_ctrl_c_in_the_network_or_in_the_progress_bar_cancels(
    make_request, make_job, noisy_sampler
):
    def interrupt(samples, call):
        raise KeyboardInterrupt

    end = run_sampling(make_job(make_request(), noisy_sampler(before=interrupt)), sink=MemorySink())
    assert end == Cancelled(kept=0)

    def on_event(event):
        if isinstance(event, SampleDone) and event.index == 2:
            raise KeyboardInterrupt

    sink = MemorySink()
    assert run_sampling(make_job(make_request()), sink=sink, on_event=on_event) == Cancelled(kept=3)


def test_a_fault_of_the_network_ends_with_failed_and_not_with_an_exception(
    make_request, make_job, noisy_sampler
):
    calls = []

    def before(samples, call):
        calls.append(call)
        if len(calls) > 4:
            raise RuntimeError("mat1 and mat2\nshapes cannot be multiplied")

    sink = MemorySink()
    events = list(sample_events(make_job(make_request(), noisy_sampler(before=before)), sink=sink))
    assert isinstance(events[-1], Failed)
    assert "mat1 and mat2 shapes" in events[-1].message
    assert "\n" not in events[-1].message
    assert isinstance(events[-1].exception, RuntimeError)
    assert events[-1].kept == 2
    assert sink.state == "failed"


class BrokenSink(MemorySink):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write_sample(self, index, sample):
        if index == 3:
            raise self.error
        return super().write_sample(index, sample)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; free some space"),
        (OutputError("the run folder went away; check the disk"), "the run folder went away"),
    ],
)
def test_a_sink_that_fails_ends_the_run_with_one_sentence(make_request, make_job, error, words):
    sink = BrokenSink(error)
    end = run_sampling(make_job(make_request()), sink=sink)
    assert isinstance(end, Failed)
    assert words in end.message
    assert end.kept == 3


def test_a_sink_that_cannot_be_closed_fails_the_run(make_request, make_job, monkeypatch):
    sink = MemorySink()

    def finish(state, message=""):
        raise OutputError("cannot write the mean; free some space")

    monkeypatch.setattr(sink, "finish", finish)
    end = run_sampling(make_job(make_request()), sink=sink)
    assert end == Failed("cannot write the mean; free some space", kept=6)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_halves_the_batch_and_the_run_survives(
    make_request, make_job, noisy_sampler, error
):
    def before(samples, call):
        if samples > 2 and call == 3:
            raise error

    sampler = noisy_sampler(before=before)
    sink, plain, events = MemorySink(), MemorySink(), []
    request = make_request(batch=6)
    assert run_sampling(make_job(request, sampler), sink=sink, on_event=events.append) == Finished(
        6
    )
    warned = [event.message for event in events if isinstance(event, Warned)]
    assert warned == sink.warnings
    assert warned == [
        "out of memory with 6 samples at a time; going on with 3",
        "out of memory with 3 samples at a time; going on with 1",
    ]
    assert sampler.drawn == [1] * 6
    fractions = [event.fraction for event in events if isinstance(event, StepDone)]
    assert fractions == sorted(fractions)
    run_sampling(make_job(request), sink=plain)
    for index in range(6):
        np.testing.assert_array_equal(sink.samples[index], plain.samples[index])


def test_out_of_memory_with_one_sample_takes_the_fallback_then_gives_up(
    make_request, make_job, noisy_sampler
):
    def never_fits(samples, call):
        raise MemoryError

    request = make_request(batch=1)
    job = make_job(request, noisy_sampler(before=never_fits))
    end = run_sampling(job, sink=MemorySink())
    assert isinstance(end, Failed)
    assert "does not fit into memory" in end.message

    sink = MemorySink()
    rescue = Fallback("on the CPU", lambda: make_job(request))
    job = make_job(request, noisy_sampler(before=never_fits), fallbacks=(rescue,))
    assert run_sampling(job, sink=sink) == Finished(6)
    assert sink.warnings == ["out of memory with one sample at a time; trying again on the CPU"]


def test_samples_with_nan_are_refused(make_request, make_job, noisy_sampler):
    sampler = noisy_sampler()
    job = make_job(make_request(), sampler)
    job.conditions[0].level[0, 3, 3] = float("nan")
    end = run_sampling(job, sink=MemorySink())
    assert isinstance(end, Failed)
    assert "NaN" in end.message
    assert end.kept == 0


def test_only_missing_samples_are_drawn(make_request, make_job, noisy_sampler):
    sink = MemorySink()
    for index in (0, 1, 4):
        sink.write_sample(index, np.zeros((24, 32), np.float32))
    events = []
    sampler = noisy_sampler()
    run_sampling(make_job(make_request(), sampler), sink=sink, on_event=events.append)
    assert events[0].missing == 3
    assert [event.index for event in events if isinstance(event, SampleDone)] == [2, 3, 5]


def test_closing_the_iterator_stops_the_run(make_request, make_job, noisy_sampler):
    threads = threading.active_count()
    sampler = noisy_sampler()
    events = sample_events(make_job(make_request(samples=500), sampler), sink=MemorySink())
    next(events)
    events.close()
    assert threading.active_count() == threads
    assert len(sampler.drawn) < 250


def test_time_left_is_estimated_once_there_are_two_calls(
    make_request, make_job, noisy_sampler, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr("napari_posterior.runs.clock.time.monotonic", lambda: now[0])

    def before(samples, call):
        now[0] += 1.0

    events = []
    run_sampling(
        make_job(make_request(), noisy_sampler(before=before)),
        sink=MemorySink(),
        on_event=events.append,
    )
    left = [event.seconds_left for event in events if isinstance(event, StepDone)]
    assert left[0] is None
    assert left[1:] == pytest.approx([float(n) for n in range(10, -1, -1)])


def test_a_token_says_when_it_was_cancelled():
    token = CancelToken()
    token.raise_if_cancelled()
    token.cancel()
    token.cancel()
    assert token.cancelled
    with pytest.raises(RunCancelledError):
        token.raise_if_cancelled()
