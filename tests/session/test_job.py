"""A job without Qt: each trap of a worker thread, tried on a bundle of tiny networks."""

from __future__ import annotations

import gc
import inspect
import threading

import numpy as np
import pytest

from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.events import (
    Cancelled,
    Failed,
    Finished,
    Preview,
    SampleDone,
    Started,
    Warned,
)
from napari_posterior.session.job import start_in_thread

JOB_THREAD = "napari-posterior cpu"


def test_a_job_goes_from_idle_to_done_and_gives_the_run(make_job, gate):
    job = make_job()
    assert (job.state, job.progress.sentence) == ("idle", "not started")
    seen = []
    gate.open.set()
    for event in job.iterate():
        seen.append(type(event))
        if isinstance(event, Started):
            assert (job.live.request.samples, job.live.image.data.shape) == (3, (24, 32))
    assert seen[0] is Started
    assert seen.count(SampleDone) == 3
    assert seen[-1] is Finished
    assert (job.state, event) == ("done", Finished(3))
    assert job.progress.fraction == 1.0
    assert job.progress.sentence.startswith("3 samples in ")
    assert len(job.result(0)) == 3
    assert set(gate.threads) == {JOB_THREAD}


def test_every_sample_comes_with_its_event(make_job):
    job = make_job()
    drawn = {e.index: e.data for e in job.iterate() if isinstance(e, SampleDone)}
    run = job.result()
    for index, sample in drawn.items():
        np.testing.assert_allclose(sample, run.samples[index], rtol=5e-4)


def test_iterate_is_a_generator_function_as_workers_want_it(make_job):
    assert inspect.isgeneratorfunction(make_job().iterate)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (RuntimeError("CUDA error: device-side assert"), "device-side assert"),
        (RuntimeError("MPS backend out of memory"), "memory"),
        (MemoryError(), "memory"),
        (SystemExit(1), "SystemExit"),
    ],
)
def test_a_fault_in_the_sampler_is_told_and_the_next_job_works(make_job, gate, fault, told):
    gate.open.set()
    gate.fault = fault
    job = make_job(tile=8)
    *_, end = job.iterate()
    assert isinstance(end, Failed)
    assert told in end.message
    assert (job.state, job.progress.sentence) == ("failed", end.message)
    with pytest.raises(RunError, match=told):
        job.result()
    gate.fault = None
    again = make_job(tile=8)
    assert list(again.iterate())[-1] == Finished(3)
    assert len(again.result()) == 3


def test_running_out_of_memory_while_the_model_is_loaded_is_told(make_job, monkeypatch):
    def too_large(*args, **options):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr("napari_posterior.api.begin.prepare", too_large)
    (end,) = make_job().iterate()
    assert isinstance(end, Failed)
    assert end.message == "sampling does not fit into memory; crop the image, or choose the CPU"


def test_an_image_that_cannot_be_used_is_one_sentence(make_job):
    job = make_job(np.zeros((24, 32)))
    (end,) = job.iterate()
    assert isinstance(end, Failed)
    assert "is constant" in end.message
    with pytest.raises(RunError, match="is constant") as failed:
        job.result()
    assert isinstance(failed.value.__cause__, InputError)


def test_cancel_acts_within_one_network_call_and_keeps_what_was_drawn(make_job, gate):
    job = make_job(samples=50)
    gate.open.set()
    calls = None
    for event in job.iterate():
        if isinstance(event, SampleDone) and event.index == 1:
            gate.open.clear()
            job.cancel()
            calls = gate.calls
            gate.open.set()
    assert isinstance(event, Cancelled)
    assert gate.calls <= calls + 1
    run = job.result()
    assert (run.state, len(run), job.state) == ("cancelled", event.kept, "cancelled")
    assert 2 <= len(run) <= 4
    assert job.progress.sentence == f"cancelled, {len(run)} samples kept"


def test_a_job_that_is_cancelled_while_the_image_is_read_leaves_nothing(
    make_job, measured, tmp_path
):
    def read():
        job.cancel()
        return measured

    job = make_job(read, out=tmp_path / "cell.posterior.zarr")
    assert list(job.iterate()) == [Cancelled(0)]
    assert not (tmp_path / "cell.posterior.zarr").exists()
    with pytest.raises(RunError, match="cancelled before there was a result"):
        job.result()


def test_the_image_is_read_in_the_thread_of_the_job(make_job, measured):
    names = []

    def read():
        names.append(threading.current_thread().name)
        return measured

    assert list(make_job(read).iterate())[-1] == Finished(3)
    assert names == [JOB_THREAD]


def test_what_a_window_shows_is_made_in_the_thread_of_the_job(make_job):
    made = []

    def note(what):
        made.append((type(what).__name__, threading.current_thread().name))
        return len(made)

    job = make_job(before=note, after=note)
    job_events = list(job.iterate())
    assert job_events[-1] == Finished(3)
    assert made == [("RunInProgress", JOB_THREAD), ("Run", JOB_THREAD)]
    assert (job.ready, job.gathered) == (1, 2)


def test_a_run_that_cannot_be_shown_is_not_lost(make_job, caplog):
    def fail(run):
        raise RuntimeError("no colormap")

    job = make_job(after=fail)
    events = list(job.iterate())
    assert any(isinstance(e, Warned) and "no colormap" in e.message for e in events)
    assert events[-1] == Finished(3)
    assert len(job.result()) == 3


def test_abandoning_the_events_releases_the_run_in_its_own_thread(make_job, gate):
    job = make_job(samples=50)
    held = [job.iterate()]
    consumer = threading.Thread(target=lambda: next(held[0]))
    consumer.start()
    consumer.join()
    assert gate.reached.wait(20)
    held.clear()  # as a worker that is told to quit does, here in the main thread
    gc.collect()
    assert job.state == "running"
    gate.open.set()
    assert job.wait(20)
    assert (job.state, set(gate.threads)) == ("cancelled", {JOB_THREAD})
    assert gate.calls <= 2
    assert job.run.state == "cancelled"


def test_a_job_goes_on_when_all_who_listened_are_gone(make_job, gate):
    job = make_job()
    heard = []
    job.events.connect(heard.append)
    thread = start_in_thread(job)
    assert gate.reached.wait(20)
    job.events.disconnect()
    told = len(heard)
    gate.open.set()
    assert len(job.result(20)) == 3
    thread.join(20)
    assert len(heard) == told
    assert job.state == "done"


def test_listeners_are_called_only_where_events_are_published(make_job, gate):
    job = make_job()
    gate.open.set()
    threads = []
    job.events.connect(lambda event: threads.append(threading.current_thread()))
    for event in job.iterate():
        assert threads.count(threading.main_thread()) == len(threads)
        job.publish(event)
    assert set(threads) == {threading.main_thread()}
    assert set(gate.threads) == {JOB_THREAD}


def test_a_listener_that_fails_stops_neither_the_job_nor_the_others(make_job, caplog):
    job = make_job()
    ended = []

    def fail(event):
        raise RuntimeError("wrapped C/C++ object has been deleted")

    job.events.connect(fail)
    start_in_thread(job, lambda event: (job.publish(event), ended.append(event))).join(20)
    assert ended[-1] == Finished(3)
    assert "a listener of" in caplog.text


def test_a_result_is_waited_for_only_as_long_as_was_said(make_job, gate):
    job = make_job()
    with pytest.raises(RunError, match="was not started"):
        job.result()
    start_in_thread(job)
    with pytest.raises(TimeoutError, match="it goes on"):
        job.result(0.01)
    gate.open.set()
    assert len(job.result(20)) == 3


def test_a_second_consumer_gets_only_the_end(make_job, gate, caplog):
    job = make_job()
    start_in_thread(job)
    assert gate.reached.wait(20)
    assert list(job.iterate()) == []
    gate.open.set()
    assert job.wait(20)
    assert list(job.iterate()) == [Finished(3)]


def test_one_core_is_left_to_the_window(make_job, monkeypatch):
    import torch

    before = torch.get_num_threads()
    seen = []
    monkeypatch.setattr("napari_posterior.session.threads.usable_cores", lambda: 2)
    job = make_job(before=lambda live: seen.append(torch.get_num_threads()))
    list(job.iterate())
    assert seen == [1]
    assert torch.get_num_threads() == before


def test_a_job_that_is_shown_tells_what_its_sample_looks_like_so_far(make_job):
    events = list(make_job(sampler="teacher", before=lambda run: None).iterate())
    previews = [event for event in events if isinstance(event, Preview)]
    assert previews
    assert previews[0].image.shape == (24, 32)
    assert previews[0].image.dtype == np.float32
    assert np.isfinite(previews[0].image).all()
    assert not any(isinstance(e, Preview) for e in make_job(sampler="teacher").iterate())
