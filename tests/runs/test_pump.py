from __future__ import annotations

import gc
import threading

import pytest

from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Failed, Finished, Warned
from napari_posterior.runs.faults import explain
from napari_posterior.runs.pump import stream_events


def endless(token, ended):
    """Work until the token is cancelled; note the thread in which that is cleaned up."""

    def work(report):
        try:
            while not token.cancelled:
                report(Warned("still here"))
            report(Cancelled(0))
        finally:
            ended.append(threading.current_thread().name)

    return work


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA error"), MemoryError("1 GiB"), ValueError("a shape"), SystemExit(3)],
)
def test_what_the_work_raises_becomes_the_last_event(error):
    def work(report):
        report(Warned("soon"))
        raise error

    first, last = stream_events(work, CancelToken())
    assert first == Warned("soon")
    assert isinstance(last, Failed)
    assert last.exception is error


def test_work_that_says_nothing_has_failed():
    (end,) = stream_events(lambda report: None, CancelToken())
    assert isinstance(end, Failed)


def test_work_that_raises_after_its_end_has_ended():
    def work(report):
        report(Finished(3))
        raise RuntimeError("too late")

    assert list(stream_events(work, CancelToken())) == [Finished(3)]


def test_closing_waits_for_the_clean_up_in_the_thread_of_the_work():
    token, ended = CancelToken(), []
    events = stream_events(endless(token, ended), token, name="its own")
    next(events)
    events.close()
    assert ended == ["its own"]


def test_an_iterator_dropped_in_another_thread_is_not_waited_for():
    token, ended, release = CancelToken(), [], threading.Event()

    def work(report):
        report(Warned("started"))
        release.wait(10)
        ended.append(threading.current_thread().name)

    held = [stream_events(work, token, name="its own")]
    consumer = threading.Thread(target=lambda: next(held[0]))
    consumer.start()
    consumer.join()
    held.clear()  # here, where it was never waited for
    gc.collect()
    assert token.cancelled
    assert ended == []
    release.set()
    for thread in threading.enumerate():
        if thread.name == "its own":
            thread.join(10)
    assert ended == ["its own"]


def test_out_of_memory_is_told_as_such():
    told = explain(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "sampling")
    assert told == "sampling does not fit into memory; crop the image, or choose the CPU"
