"""The sample in hand, told a few times a second, at little cost and no risk."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.runs.events import Finished, Preview, SampleDone, StepDone
from napari_posterior.runs.preview import Previews
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.sink import MemorySink


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr("napari_posterior.runs.preview.time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def drawn(make_request, make_job, noisy_sampler, make_image, clock):
    """Draw with so many seconds between two network calls; return all events."""

    def draw(seconds, *, axes="yx", size=(24, 32), previews=True, nfe=4, **changes):
        def before(samples, call):
            clock[0] += seconds

        request = make_request(make_image(axes, size), **changes)
        job = make_job(request, noisy_sampler(nfe=nfe, before=before))
        events = []
        end = run_sampling(job, sink=MemorySink(), on_event=events.append, previews=previews)
        assert end == Finished(request.samples)
        return events

    return draw


def previews_of(events):
    return [event for event in events if isinstance(event, Preview)]


def test_a_preview_is_the_estimate_of_the_first_sample_of_a_batch(drawn):
    events = drawn(1.0)
    found = previews_of(events)
    assert [one.index for one in found] == [0, 0, 0, 2, 2, 2, 4, 4, 4]
    samples = {one.index: one.data for one in events if isinstance(one, SampleDone)}
    for one, call in zip(found, [1, 2, 3] * 3, strict=True):
        assert (one.plane, one.image.shape, one.image.dtype) == (0, (24, 32), np.float32)
        np.testing.assert_allclose(one.image, samples[one.index] / 3 * call, rtol=1e-5, atol=1e-5)


def test_a_preview_comes_before_the_news_of_its_network_call(drawn):
    kinds = [type(event) for event in drawn(1.0) if isinstance(event, Preview | StepDone)]
    assert kinds[:7] == [Preview, StepDone] * 3 + [StepDone]


def test_previews_come_five_times_a_second_at_most(drawn, clock):
    start = clock[0]
    events = drawn(0.01, nfe=100, samples=20, batch=1)
    seconds = clock[0] - start
    assert seconds == pytest.approx(20.0)
    assert 0.9 * 5 * seconds <= len(previews_of(events)) <= 5 * seconds + 1


def test_nobody_who_did_not_ask_gets_previews(drawn):
    assert not previews_of(drawn(1.0, previews=False))


def test_every_plane_of_a_stack_is_previewed_and_the_last_one_ends_with_its_sample(drawn):
    events = drawn(1.0, axes="zyx", size=(2, 8, 9), samples=1, nfe=2)
    assert [(one.plane, one.image.shape) for one in previews_of(events)] == [
        (0, (8, 9)),
        (0, (8, 9)),
        (1, (8, 9)),
    ]


def test_slow_previews_take_a_twentieth_of_the_time_at_most(clock):
    told = []
    look = Previews(told.append).watch(0, 0)

    def slow():
        clock[0] += 0.5
        return torch.zeros(4, 4)

    for _ in range(1000):
        clock[0] += 0.1
        look(slow)
    assert len(told) * 0.5 <= 0.055 * (clock[0] - 100.0)
    assert len(told) >= 9


def test_a_preview_that_fails_costs_no_sample(make_request, make_job, noisy_sampler):
    class Unlucky(noisy_sampler):
        def draw(self, z, cond, on_step=None, *, fresh=None, on_estimate=None):
            def fail():
                raise MemoryError

            on_estimate(fail)
            return super().draw(z, cond, on_step)

    events = []
    end = run_sampling(
        make_job(make_request(), Unlucky()),
        sink=MemorySink(),
        on_event=events.append,
        previews=True,
    )
    assert end == Finished(6)
    assert not previews_of(events)


def test_previews_leave_the_samples_as_they_are(drawn):
    one, other = (
        [event.data for event in drawn(1.0, previews=asked) if isinstance(event, SampleDone)]
        for asked in (True, False)
    )
    np.testing.assert_array_equal(np.stack(one), np.stack(other))
