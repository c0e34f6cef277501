"""Samples measured while others are drawn: the numbers of the report, and nobody is held up."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_posterior.checks import build_report
from napari_posterior.image import Geometry, Image
from napari_posterior.runs.events import Cancelled, Finished, SampleDone, Warned
from napari_posterior.statistics import FunctionStatistic

MEASURING = "napari-posterior measuring"


class Slow:
    """A statistic that can be held up; notes where it was computed."""

    def __init__(self):
        self.let_go = threading.Event()
        self.entered = threading.Event()
        self.threads = set()

    def __call__(self, x, context):
        self.threads.add(threading.current_thread())
        self.entered.set()
        assert self.let_go.wait(20)
        return float(x.sum())

    @property
    def statistic(self):
        return FunctionStatistic(self, "slow", "slow sum", "photoelectrons")


@pytest.fixture
def slow():
    return Slow()


def assert_same(measured, values, role):
    """The numbers of a watch are those of one side of a report."""
    assert [(v.id, v.title, v.unit) for v in measured] == [(v.id, v.title, v.unit) for v in values]
    for one, there in zip(measured, values, strict=True):
        np.testing.assert_array_equal(one.values, getattr(there, role))


def test_numbers_while_drawing_are_those_of_the_report(make_job, measured):
    stack = np.stack([measured, measured[::-1]])
    geometry = Geometry(("z", "y", "x"), (0.3, 0.1, 0.1), ("micrometer",) * 3, (0.0,) * 3)
    chosen = ("puncta_count", "total_intensity")
    jobs = [
        make_job(Image(stack, geometry, "cell"), sampler=name, samples=4, statistics=chosen)
        for name in ("teacher", "kd")
    ]
    for job in jobs:
        assert list(job.iterate())[-1] == Finished(4)
    report = build_report(*(job.result() for job in jobs), statistics=chosen)
    for job, role in zip(jobs, ("teacher", "student"), strict=True):
        assert_same(job.measured, report.figures.values, role)
    assert [one.id for one in jobs[0].measured] == [*chosen, "likelihood"]


def test_a_run_that_is_resumed_is_measured_as_a_whole(make_job, tmp_path):
    folder = tmp_path / "cell.posterior.zarr"
    list(make_job(out=folder, samples=2).iterate())
    job = make_job(resume=folder, samples=4, statistics=("total_intensity",))
    list(job.iterate())
    sums = [float(np.sum(sample, dtype=np.float64)) for sample in job.result().samples]
    np.testing.assert_array_equal(job.measured[0].values, sums)


def test_who_draws_does_not_wait_for_who_measures(make_job, slow):
    job = make_job(samples=12, statistics=(slow.statistic,))
    drawn = 0
    for event in job.iterate():
        drawn += isinstance(event, SampleDone)
        if drawn == 12 and not slow.let_go.is_set():
            assert slow.entered.wait(20)
            assert job.measured == ()
            slow.let_go.set()
    assert event == Finished(12)
    assert [len(one.values) for one in job.measured] == [12, 12]


def test_measuring_has_one_thread_which_ends_with_the_job(make_job, slow):
    slow.let_go.set()
    job = make_job(statistics=(slow.statistic,))
    list(job.iterate())
    (thread,) = slow.threads
    assert thread.name == MEASURING
    assert not thread.is_alive()


def test_after_a_cancel_only_the_sample_in_hand_is_measured(make_job, slow):
    job = make_job(samples=50, statistics=(slow.statistic,))
    for event in job.iterate():
        if isinstance(event, SampleDone) and event.index == 2:
            assert slow.entered.wait(20)
            job.cancel()
            slow.let_go.set()
    assert isinstance(event, Cancelled)
    assert len(job.result()) >= 3
    (values, _) = job.measured
    assert values.values == [pytest.approx(job.result().samples[0].sum())]
    assert not any(thread.is_alive() for thread in slow.threads)


def fail(x, context):
    raise RuntimeError("the table is gone")


def leave(x, context):
    raise SystemExit(1)


def be_nothing(x, context):
    return float("nan")


@pytest.mark.parametrize(
    ("statistic", "told"),
    [
        (FunctionStatistic(fail, "fail", "fail", ""), "the table is gone"),
        (FunctionStatistic(leave, "leave", "leave", ""), "SystemExit"),
        (FunctionStatistic(be_nothing, "none", "none", ""), "gave nan for a sample"),
        ("vesicles", "there is no statistic 'vesicles'"),
    ],
)
def test_a_fault_in_measuring_is_one_warning_and_the_run_is_drawn(make_job, statistic, told):
    job = make_job(statistics=(statistic,))
    events = list(job.iterate())
    warned = [event.message for event in events if isinstance(event, Warned)]
    (message,) = [one for one in warned if "while they are drawn" in one]
    assert told in message
    assert events[-1] == Finished(3)
    assert (len(job.result()), job.measured) == (3, ())


def test_a_watch_that_cannot_start_does_not_stop_the_run(make_job, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("napari_posterior.session.watch.Watch.start", refuse)
    job = make_job(statistics=("puncta_count",))
    events = list(job.iterate())
    assert events[-1] == Finished(3)
    assert any(isinstance(e, Warned) and "can't start new thread" in e.message for e in events)


def test_a_point_estimate_is_not_measured(make_job):
    job = make_job(sampler="mse", samples=1, statistics=("puncta_count",))
    assert list(job.iterate())[-1] == Finished(1)
    assert job.measured == ()
