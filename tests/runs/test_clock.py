"""The time that is left, from the network calls that were timed."""

from __future__ import annotations

import pytest

from napari_posterior.runs.clock import Clock


@pytest.fixture
def now(monkeypatch):
    moment = [50.0]
    monkeypatch.setattr("napari_posterior.runs.clock.time.monotonic", lambda: moment[0])
    return moment


def tick(clock, now, calls, seconds, each=1):
    for _ in range(calls):
        now[0] += seconds
        clock.tick(each)


def test_the_first_call_warms_up_and_is_not_counted(now):
    clock = Clock(20)
    tick(clock, now, 1, 60.0)
    assert clock.left is None
    tick(clock, now, 1, 2.0)
    assert clock.left == pytest.approx(36.0)


def test_calls_for_several_samples_count_for_each(now):
    clock = Clock(40)
    tick(clock, now, 3, 2.0, each=4)
    assert clock.left == pytest.approx(0.5 * 28)
    assert clock.fraction == pytest.approx(12 / 40)


def test_a_machine_that_changes_its_pace_is_followed(now):
    clock = Clock(10_000)
    tick(clock, now, 1000, 0.01)
    tick(clock, now, 200, 1.0)
    assert clock.left == pytest.approx(1.0 * (10_000 - 1200), rel=1e-6)


def test_after_a_way_back_the_old_pace_is_forgotten_and_the_progress_is_not(now):
    clock = Clock(100)
    tick(clock, now, 40, 0.1)
    clock.go_on_from(30)
    assert clock.left is None
    assert clock.fraction == pytest.approx(0.4)
    tick(clock, now, 2, 5.0)
    assert clock.left == pytest.approx(5.0 * 68)
    assert clock.fraction == pytest.approx(0.4)


def test_nothing_is_left_at_the_end(now):
    clock = Clock(3)
    tick(clock, now, 3, 1.0)
    assert (clock.left, clock.fraction) == (0.0, 1.0)
