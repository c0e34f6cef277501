"""The look at the solver on an image: before the first sample, once, and never in the way."""

from __future__ import annotations

import json

import numpy as np
import pytest

from napari_posterior.bundles.certificate import BandRecord
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import Cancelled, Finished, SampleDone, Started, StepDone, Warned
from napari_posterior.runs.runner import run_sampling
from napari_posterior.runs.sink import MemorySink
from napari_posterior.runs.solver import ImageCheckRecord, SolverCheck
from napari_posterior.runs.store import RunWriter, open_run

CALLS = 8
SHARE = 0.10


def found(warning: str | None = None) -> ImageCheckRecord:
    bands = [
        BandRecord(
            low=low,
            high=low + 0.1,
            share=0.5,
            variance=change,
            variance_interval=(change - 0.01, change + 0.01),
            mean=0.0,
            mean_interval=(-0.001, 0.001),
        )
        for low, change in ((0.0, -0.01), (0.1, -0.05))
    ]
    return ImageCheckRecord(
        plane=0,
        place=(8, 0),
        side=(16, 16),
        samples=4,
        level=0.95,
        tolerance=0.02,
        bands=bands,
        warning=warning,
    )


class Look:
    """Counts how often it is taken, and can fail in one of its calls."""

    def __init__(self, warning=None, error=None, at=CALLS):
        self.warning, self.error, self.at = warning, error, at
        self.taken = self.calls = 0

    def __call__(self, on_step):
        self.taken += 1
        for call in range(1, CALLS + 1):
            self.calls += 1
            if self.error is not None and call == self.at:
                raise self.error
            on_step(call, CALLS)
        return found(self.warning)

    @property
    def check(self) -> SolverCheck:
        return SolverCheck(SHARE, 0, self)


@pytest.fixture
def begin(tmp_path, make_image, make_request, provenance):
    def make(**changes):
        image = make_image()
        request = make_request(image, **changes)
        return request, RunWriter.create(tmp_path / "a", request, image, provenance=provenance)

    return make


def test_it_comes_between_the_start_and_the_first_call_of_a_sample(make_request, make_job):
    events = []
    job = make_job(make_request(), check=Look().check)
    run_sampling(job, sink=MemorySink(), on_event=events.append)
    assert isinstance(events[0], Started)
    ahead = events[1 : CALLS + 1]
    assert [(event.samples, event.call, event.calls) for event in ahead] == [
        ((), call, CALLS) for call in range(1, CALLS + 1)
    ]
    rest = [event for event in events[CALLS + 1 :] if isinstance(event, StepDone)]
    assert len(rest) == 12
    assert all(event.samples for event in rest)


def test_its_calls_are_part_of_the_progress_by_what_they_cost(make_request, make_job):
    events = []
    job = make_job(make_request(), check=Look().check)
    run_sampling(job, sink=MemorySink(), on_event=events.append)
    fractions = [event.fraction for event in events if isinstance(event, StepDone)]
    assert fractions == sorted(fractions)
    assert fractions[CALLS - 1] == pytest.approx(SHARE / (1 + SHARE))
    assert fractions[-1] == pytest.approx(1)
    left = [event.seconds_left for event in events if isinstance(event, StepDone)]
    assert all(seconds is not None for seconds in left[1:CALLS])
    # the first call of whole planes tells nothing yet, and the pace of the part does not count
    assert left[CALLS] is None
    assert left[-1] == pytest.approx(0, abs=1e-6)


def test_a_warning_goes_to_the_run_and_out_before_the_first_sample(begin, make_job):
    events = []
    request, writer = begin()
    look = Look("On this image the steps are coarse.")
    end = run_sampling(make_job(request, check=look.check), sink=writer, on_event=events.append)
    assert end == Finished(6)
    assert writer.open().warnings == ("On this image the steps are coarse.",)
    kinds = [type(event) for event in events]
    assert events[kinds.index(Warned)].message == "On this image the steps are coarse."
    assert kinds.index(Warned) == CALLS + 1


def test_without_anything_to_tell_nothing_is_warned_of(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request, check=Look().check), sink=writer)
    assert writer.open().warnings == ()


def test_what_it_found_is_stored_and_read_again(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request, check=Look("Coarse.").check), sink=writer)
    assert open_run(writer.path).image_check == found("Coarse.")
    assert open_run(writer.path).image_check.worst.variance == -0.05
    told = json.loads((writer.path / "run.json").read_text())["image_check"]
    assert told["place"] == [8, 0]
    assert told["bands"][1]["variance_interval"] == [pytest.approx(-0.06), pytest.approx(-0.04)]


def test_a_run_that_was_not_checked_says_so(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request), sink=writer)
    assert open_run(writer.path).image_check is None


def test_a_run_written_before_there_was_a_check_opens(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request), sink=writer)
    record = json.loads((writer.path / "run.json").read_text())
    for key in ("image_check", "solver_bias"):
        assert record.pop(key) is None
    (writer.path / "run.json").write_text(json.dumps(record))
    run = open_run(writer.path)
    assert (run.image_check, run.solver_bias) == (None, None)


def test_samples_are_those_of_a_run_without_it(begin, make_job):
    request, writer = begin()
    run_sampling(make_job(request, check=Look().check), sink=writer)
    plain = MemorySink()
    run_sampling(make_job(request), sink=plain)
    whole = np.stack([plain.samples[index] for index in range(6)])
    np.testing.assert_allclose(np.asarray(writer.open().samples), whole, rtol=3e-4, atol=1e-5)


def test_a_cancel_acts_within_one_call_and_the_run_goes_on_with_a_check_of_its_own(begin, make_job):
    request, writer = begin()
    token, look = CancelToken(), Look()

    def stop(event):
        if isinstance(event, StepDone) and event.call == 3:
            token.cancel()

    job = make_job(request, check=look.check)
    assert run_sampling(job, sink=writer, token=token, on_event=stop) == Cancelled(0)
    assert look.calls == 3
    run = open_run(writer.path)
    assert (run.state, len(run), run.image_check) == ("cancelled", 0, None)
    again = RunWriter.resume(writer.path, request)
    assert run_sampling(make_job(request, check=look.check), sink=again) == Finished(6)
    assert look.taken == 2
    assert open_run(writer.path).image_check == found()


@pytest.mark.parametrize("stop_at", [StepDone, SampleDone])
def test_a_run_that_goes_on_is_not_checked_again(begin, make_job, stop_at):
    """Neither where samples are there already, nor where only the check is."""
    request, writer = begin(batch=1)
    token, look = CancelToken(), Look("Coarse.")

    def stop(event):
        if isinstance(event, stop_at) and getattr(event, "samples", True):
            token.cancel()

    job = make_job(request, check=look.check)
    end = run_sampling(job, sink=writer, token=token, on_event=stop)
    assert end == Cancelled(0 if stop_at is StepDone else 1)
    again = RunWriter.resume(writer.path, request)
    events = []
    job = make_job(request, check=look.check)
    assert run_sampling(job, sink=again, on_event=events.append) == Finished(6)
    assert look.taken == 1
    assert not [event for event in events if isinstance(event, Warned)]
    run = open_run(writer.path)
    assert run.warnings == ("Coarse.",)
    assert run.image_check == found("Coarse.")


@pytest.mark.parametrize("at", [1, 5])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        ValueError("the samples do not vary in some band"),
    ],
)
def test_no_fault_of_it_ends_the_run(begin, make_job, error, at):
    events = []
    request, writer = begin()
    job = make_job(request, check=Look("Coarse.", error, at).check)
    assert run_sampling(job, sink=writer, on_event=events.append) == Finished(6)
    run = open_run(writer.path)
    assert (run.image_check, run.warnings, len(run)) == (None, (), 6)
    fractions = [event.fraction for event in events if isinstance(event, StepDone)]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)


def test_a_run_with_samples_that_began_without_a_check_goes_on_without(begin, make_job):
    request, writer = begin(batch=1)
    token, look = CancelToken(), Look("Coarse.")

    def stop(event):
        if isinstance(event, SampleDone):
            token.cancel()

    assert run_sampling(make_job(request), sink=writer, token=token, on_event=stop) == Cancelled(1)
    again = RunWriter.resume(writer.path, request)
    assert run_sampling(make_job(request, check=look.check), sink=again) == Finished(6)
    assert look.taken == 0
