"""Manners of a thread that computes beside a window."""

from __future__ import annotations

import sys
import threading

import pytest

from napari_posterior.session.threads import share_the_interpreter


def test_threads_take_turns_more_often_until_the_last_of_two_jobs_has_ended():
    before = sys.getswitchinterval()
    first_out, second_in = threading.Event(), threading.Event()
    seen = []

    def second():
        with share_the_interpreter():
            second_in.set()
            first_out.wait(5)
            seen.append(sys.getswitchinterval())

    other = threading.Thread(target=second)
    with share_the_interpreter():
        other.start()
        assert second_in.wait(5)
        assert sys.getswitchinterval() == pytest.approx(before / 50)
    first_out.set()
    other.join()
    assert seen == [pytest.approx(before / 50)]
    assert sys.getswitchinterval() == pytest.approx(before)


def test_turns_are_as_before_after_a_job_that_failed():
    before = sys.getswitchinterval()
    with pytest.raises(ValueError, match="failed"), share_the_interpreter():
        raise ValueError("failed")
    assert sys.getswitchinterval() == pytest.approx(before)
