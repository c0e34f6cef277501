from __future__ import annotations

import threading

import pytest

from napari_posterior.errors import RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished
from napari_posterior.session.queue import JobQueue, ThreadRunner


@pytest.fixture
def queue():
    queue = JobQueue()
    yield queue
    assert queue.close(20)


def test_two_jobs_never_run_at_once_on_a_device(queue, make_job, gate):
    jobs = [make_job(seed=seed, device=device) for seed, device in enumerate(("cpu", "auto"))]
    for job in jobs:
        queue.submit(job)
    assert gate.reached.wait(20)
    assert [job.state for job in jobs] == ["running", "waiting"]
    assert jobs[1].progress.sentence == "waits for its turn"
    gate.open.set()
    for job in jobs:
        assert len(job.result(20)) == 3
    assert gate.most_at_once == 1


def test_the_same_job_is_refused_while_it_runs_or_waits(queue, make_job, gate, measured):
    job = make_job()
    queue.submit(job)
    for same in (job, make_job()):
        with pytest.raises(RunError, match="already"):
            queue.submit(same)
    gate.open.set()
    job.result(20)
    with pytest.raises(RunError, match="was started before"):
        queue.submit(job)
    queue.submit(again := make_job())
    assert len(again.result(20)) == 3


def test_a_job_that_failed_lets_the_next_one_run(queue, make_job, gate):
    gate.fault = RuntimeError("CUDA error")
    first, second = make_job(seed=1), make_job(seed=2)
    queue.submit(first)
    queue.submit(second)
    gate.open.set()
    assert first.wait(20)
    gate.fault = None
    assert second.wait(20)
    assert first.state == "failed"
    assert not queue.jobs


def test_a_waiting_job_is_cancelled_at_once_and_tells_so(queue, make_job, gate):
    first, second = make_job(seed=1), make_job(seed=2)
    heard = []
    queue.submit(first)
    queue.submit(second, deliver=heard.append)
    second.cancel()
    assert (second.state, heard) == ("cancelled", [Cancelled(0)])
    assert queue.jobs == (first,)
    gate.open.set()
    assert len(first.result(20)) == 3


@pytest.mark.parametrize("how", ["cancel", "fail"])
def test_what_waits_for_a_job_ends_with_it(queue, make_job, gate, how):
    first, second = make_job(seed=1), make_job(seed=2)
    queue.submit(first)
    queue.submit(second, after=first)
    assert gate.reached.wait(20)
    if how == "cancel":
        first.cancel()
    else:
        gate.fault = RuntimeError("CUDA error")
    gate.open.set()
    assert second.wait(20)
    assert second.state == "cancelled"


def test_an_abandoned_job_does_not_block_the_next_one(make_job, gate):
    class Forgetful(ThreadRunner):
        """Drops the events of the first job, as a worker that was told to quit does."""

        def __init__(self):
            self.first = True

        def start(self, job, deliver):
            if not self.first:
                super().start(job, deliver)
                return
            self.first = False
            events = job.iterate()
            next(events)
            self.held = events

    runner = Forgetful()
    queue = JobQueue(runner)
    gate.open.set()
    first, second = make_job(seed=1), make_job(seed=2)
    queue.submit(first)
    runner.held.close()
    assert first.wait(20)
    queue.submit(second)
    assert len(second.result(20)) == 3
    assert queue.close(20)


def test_a_job_that_cannot_be_started_has_failed(make_job, caplog):
    class Broken(ThreadRunner):
        def start(self, job, deliver):
            raise OSError("can't start new thread")

    heard = []
    queue = JobQueue(Broken())
    queue.submit(job := make_job(), deliver=heard.append)
    assert isinstance(heard[-1], Failed)
    assert job.state == "failed"
    assert not queue.jobs


def test_closing_ends_all_jobs_in_order(make_job, gate):
    queue = JobQueue()
    jobs = [make_job(seed=seed, samples=50) for seed in range(3)]
    for job in jobs:
        queue.submit(job)
    assert gate.reached.wait(20)
    threading.Timer(0.1, gate.open.set).start()
    assert queue.close(20)
    assert [job.state for job in jobs] == ["cancelled"] * 3
    assert gate.calls == 1
    with pytest.raises(RunError, match="closing"):
        queue.submit(make_job(seed=9))


def test_who_waits_for_a_result_keeps_the_window_alive(make_job, gate):
    class Attentive(ThreadRunner):
        """Opens the gate from the waiting thread, as an event loop would deliver a click."""

        def attend(self):
            gate.open.set()

    queue = JobQueue(Attentive())
    queue.submit(make_job(seed=1))
    queue.submit(second := make_job(seed=2))
    assert len(second.result(20)) == 3
    assert second.state == "done"
    assert queue.close(20)


def test_who_waits_for_a_result_finds_that_all_have_heard_of_it(make_job, gate):
    told = threading.Event()
    heard = []

    class Busy(ThreadRunner):
        """Lets listeners hear of the end only when somebody waits after it."""

        def attend(self):
            if job.state == "done":
                told.set()

    def listen(event):
        if isinstance(event, Finished):
            assert told.wait(20)
            heard.append(event)

    gate.open.set()
    queue = JobQueue(Busy())
    queue.submit(job := make_job(), deliver=listen)
    job.result(20)
    assert heard == [Finished(3)]
    assert queue.close(20)
