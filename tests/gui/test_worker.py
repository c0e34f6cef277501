"""Jobs on napari's worker threads: one test for each way in which those go wrong."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager

import pytest
from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer

from napari_posterior.errors import RunError
from napari_posterior.runs.events import Cancelled, Failed, Finished, SampleDone, Started
from napari_posterior.session.queue import JobQueue
from napari_posterior.widgets.runner import QtRunner
from napari_posterior.widgets.worker import JobWorker, NamedTask

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

END = (Finished, Cancelled, Failed)
LONG = 120_000  # milliseconds: the machine may be busy with something else
MAIN = threading.main_thread()


class OutOfMemoryError(RuntimeError):
    """As torch.cuda raises it."""


class Broken:
    """A task that raises, which none should."""

    title = "the broken one"

    def __init__(self, error):
        self.error = error

    def iterate(self):
        raise self.error
        yield

    def cancel(self):
        pass


@pytest.fixture
def runner(qapp):
    runner = QtRunner()
    yield runner
    runner.close()


@pytest.fixture
def queue(runner):
    return JobQueue(runner)


@pytest.fixture
def run(queue, qtbot):
    """Run a job and return what it told, in order."""

    def run(job):
        told = []
        queue.submit(job, deliver=told.append)
        qtbot.waitUntil(lambda: bool(told) and isinstance(told[-1], END), timeout=LONG)
        return told

    return run


def idle(runner, qtbot):
    qtbot.waitUntil(lambda: not runner.busy, timeout=LONG)


def test_events_arrive_in_the_main_thread_and_work_is_done_elsewhere(run, make_job, gate):
    gate.open.set()
    job, heard_in = make_job(), set()
    job.events.connect(lambda event: heard_in.add(threading.current_thread()))
    told = run(job)
    assert heard_in == {MAIN}
    assert gate.threads == {"napari-posterior cpu"}
    assert isinstance(told[0], Started)
    assert [one.index for one in told if isinstance(one, SampleDone)] == [0, 1, 2]
    assert told[-1] == Finished(3)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("CUDA error: device-side assert"), "device-side assert"),
        (OutOfMemoryError("CUDA out of memory"), "does not fit into memory"),
    ],
)
def test_an_error_of_torch_is_told_and_the_next_run_works(
    run, runner, make_job, gate, qtbot, fault, words
):
    gate.open.set()
    gate.fault = fault
    end = run(job := make_job())[-1]
    assert isinstance(end, Failed)
    assert words in end.message
    assert job.state == "failed"
    idle(runner, qtbot)
    gate.fault = None
    assert run(make_job())[-1] == Finished(3)


def test_a_runtime_error_of_the_generator_ends_the_worker_and_is_told(qapp, qtbot):
    class Raises(NamedTask):
        def drain(self):
            yield from super().drain()
            raise RuntimeError("nobody expects this")

    worker = create_worker(
        Raises(Broken(ValueError("caught"))),
        _worker_class=JobWorker,
        _start_thread=False,
        _connect={"errored": (errors := []).append, "yielded": (told := []).append},
    )
    with qtbot.waitSignals([worker.errored, worker.finished], timeout=LONG):
        worker.start()
    assert not worker.is_running
    assert str(errors[0]) == "nobody expects this"
    assert "ValueError: caught" in told[0].message
    JobWorker.await_workers(1000)


def test_what_escapes_a_job_is_told_and_lets_the_next_one_run(
    queue, runner, make_job, qtbot, monkeypatch, gate
):
    gate.open.set()
    first, second, told = make_job(seed=1), make_job(seed=2), []
    monkeypatch.setattr(first, "iterate", Broken(RuntimeError("can't start new thread")).iterate)
    queue.submit(first, deliver=told.append)
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    assert "can't start new thread" in told[0].message
    idle(runner, qtbot)
    first.cancel()
    queue.submit(second)
    assert len(second.result(LONG / 1000)) == 3


def test_cancel_acts_within_one_network_call_and_keeps_samples(
    run, make_job, gate, qtbot, monkeypatch
):
    left_in = []

    @contextmanager
    def leave_a_core_free():
        yield
        left_in.append(threading.current_thread().name)

    monkeypatch.setattr("napari_posterior.session.threads.leave_a_core_free", leave_a_core_free)
    gate.let(2)
    job = make_job(samples=50)
    held_at_third = QTimer()
    held_at_third.timeout.connect(lambda: gate.calls == 3 and (job.cancel(), gate.open.set()))
    held_at_third.start(10)
    told = run(job)
    held_at_third.stop()
    assert gate.calls == 3
    assert isinstance(told[-1], Cancelled)
    assert 2 <= told[-1].kept <= 3
    assert len(job.result()) == told[-1].kept
    assert left_in == ["napari-posterior cpu"]


def test_napari_ends_our_jobs_where_it_waits_for_workers(queue, runner, make_job, gate, qtbot):
    job, told = make_job(samples=500), []
    queue.submit(job, deliver=told.append)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    gate.open.set()
    JobWorker.await_workers(LONG)
    assert job.state == "cancelled"
    assert gate.calls < 500
    idle(runner, qtbot)
    assert isinstance(told[-1], Cancelled)


def test_quitting_a_worker_cancels_its_task_and_nothing_else(qapp):
    task, asked = Broken(ValueError()), []
    task.cancel = lambda: asked.append("cancelled")
    worker = JobWorker(NamedTask(task))
    worker.quit()
    assert asked == ["cancelled"]
    assert not worker.abort_requested


def test_napari_asks_about_a_job_by_its_title(make_job):
    assert str(NamedTask(make_job(title="cell, teacher-8"))) == "cell, teacher-8"


def test_python_warnings_of_jobs_are_logged_and_those_of_others_shown_as_before(
    run, runner, make_job, gate, qtbot, caplog, monkeypatch
):
    gate.open.set()
    gate.then = lambda: warnings.warn("an odd array", UserWarning, stacklevel=1)
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(warnings, "showwarning", mine := lambda *told: shown.append(told[0]))
        job = make_job()
        job.events.connect(lambda event: warnings.warn("of the window", UserWarning, stacklevel=1))
        with caplog.at_level(logging.WARNING, "napari_posterior"):
            run(job)
        idle(runner, qtbot)
        assert warnings.showwarning is mine
    assert "UserWarning: an odd array" in caplog.text
    assert {str(one) for one in shown} == {"of the window"}


def test_jobs_that_overlap_leave_the_warnings_of_the_process_as_they_were(
    runner, make_job, gate, qtbot
):
    before = warnings.showwarning, warnings.filters, [*warnings.filters]
    first, second = make_job(seed=1), make_job(seed=2)
    for job in (first, second):
        runner.start(job, job.publish)
    qtbot.waitUntil(lambda: gate.calls == 2, timeout=LONG)
    assert warnings.filters is before[1]
    first.cancel()
    gate.let(1)
    gate.open.set()
    idle(runner, qtbot)
    assert warnings.showwarning is before[0]
    assert warnings.filters is before[1]
    assert warnings.filters == before[2]


def test_the_window_lives_on_while_a_result_is_waited_for(queue, make_job, gate, qtbot):
    first, second = make_job(seed=1), make_job(seed=2)
    seen, ticks = [], QTimer()

    def tick():
        seen.append(threading.current_thread())
        if len(seen) == 10:
            gate.open.set()

    ticks.timeout.connect(tick)
    ticks.start(5)
    queue.submit(first)
    queue.submit(second)  # waits for its turn, which comes by an event of the first
    assert len(second.result(LONG / 1000)) == 3  # without ticks the gate would never open
    ticks.stop()
    assert len(seen) >= 10
    assert set(seen) == {MAIN}


def test_one_result_can_be_waited_for_while_another_is(queue, make_job, gate, qtbot):
    first, second, order = make_job(seed=1), make_job(seed=2), []
    queue.submit(first)
    queue.submit(second)

    def wait_for_the_second():
        gate.open.set()
        second.result(LONG / 1000)
        order.append("second")

    QTimer.singleShot(0, wait_for_the_second)
    first.result(LONG / 1000)
    order.append("first")
    qtbot.waitUntil(lambda: len(order) == 2, timeout=LONG)


def test_a_job_that_is_started_from_another_thread_is_heard_of_in_the_main_one(
    runner, make_job, gate, qtbot
):
    gate.open.set()
    job, heard_in = make_job(), set()
    job.events.connect(lambda event: heard_in.add(threading.current_thread()))
    thread = threading.Thread(target=runner.start, args=(job, job.publish))
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: job.state == "done" and not runner.busy, timeout=LONG)
    assert heard_in == {MAIN}


def test_what_a_call_returns_arrives_in_the_main_thread(runner, qtbot, caplog):
    got = []
    with caplog.at_level(logging.ERROR, "napari_posterior"):
        runner.call("dividing", lambda: 1 / 0, got.append)
        runner.call(
            "asking", threading.current_thread, lambda one: got.append((one, threading.get_ident()))
        )
        qtbot.waitUntil(lambda: len(got) == 1 and "dividing failed" in caplog.text, timeout=LONG)
    assert got[0][0] is not MAIN
    assert got[0][1] == MAIN.ident
    assert not runner.busy


def test_a_closed_runner_delivers_and_starts_nothing(runner, make_job, gate, qtbot):
    job, told = make_job(), []
    runner.start(job, told.append)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    seen = len(told)
    runner.close()
    gate.open.set()
    idle(runner, qtbot)
    assert job.state == "cancelled"
    assert len(told) == seen
    with pytest.raises(RunError, match="closing"):
        runner.start(make_job(), told.append)
