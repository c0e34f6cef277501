from __future__ import annotations

import functools

import numpy as np
import pytest
from following_bundle import STEPS, CallClock, make_following_parts

import napari_posterior as npo
from napari_posterior.api.restoring_corrected import (
    CorrectionStoppedError,
    NotWorthCorrectingError,
)
from napari_posterior.bundles.bundle import Bundle, open_bundle
from napari_posterior.correction.costs import Costs
from napari_posterior.errors import InputError, OutputError
from napari_posterior.runs.cancel import CancelToken
from napari_posterior.runs.events import SampleDone, Warned

CAMERA = npo.Camera(gain=2.0, offset=100.0, read_noise=1.6)
ASKED = {"camera": CAMERA, "psf": npo.Psf(1.6), "device": "cpu", "progress": False}


def _figures(**of_r: float) -> dict[str, object]:
    """The table that a card holds of students, with the correlations given."""
    return {
        "students_held_out": {
            "variance_ratio": {name: {"all": [0.9, 0.8, 1.0]} for name in of_r},
            "mean_gap_in_sd": {name: {"all": [0.1, 0.0, 0.2]} for name in of_r},
            "noise_correlation": {name: {"all": [r, r, r]} for name, r in of_r.items()},
        }
    }


@pytest.fixture(scope="module")
def bundle(tiny_writer, tmp_path_factory):
    """Make a tiny bundle with a student that follows, and with figures where they are given."""

    @functools.cache
    def written(apart: float):
        folder = tmp_path_factory.mktemp("following") / "tiny"
        return open_bundle(tiny_writer(folder, parts=make_following_parts(apart=apart)))

    def make(*, apart: float = 0.02, **of_r: float):
        model = written(apart)
        names = {f"{k[:-1]}, {k[-1]} step{'s' * (k[-1] != '1')}": r for k, r in of_r.items()}
        told = _figures(**names) if of_r else {}
        return Bundle(model.folder, model.card.model_copy(update={"evaluation": told}))

    return make


@pytest.fixture
def calls(monkeypatch):
    """A clock that goes by network calls."""
    return CallClock(monkeypatch)


def test_plan_follows_from_the_card(bundle):
    model = bundle(kd1=0.98, flow1=0.9, flow2=0.97)
    costs = Costs(student=1.0, teacher=20.0)
    plan = npo.plan_correction(model.card, "kd", seconds=1000.0, costs=costs)
    assert plan.r == pytest.approx(0.98) and plan.refusal == "" and plan.speed_up > 2
    assert plan.student.bias == pytest.approx(0.1)
    assert costs.of(students=plan.students, pairs=plan.pairs) <= 1000
    by_model = npo.plan_correction(model, "flow", seconds=1000.0, costs=costs)
    assert by_model.r == pytest.approx(0.97)  # 2 steps are those that the model states
    with pytest.raises(InputError, match="1 or 2 steps; say which"):
        npo.plan_correction(model.card, "flow", seconds=1000.0, costs=costs)
    with pytest.raises(InputError, match="too short"):
        npo.plan_correction(model.card, "kd", seconds=10.0, costs=costs)
    with pytest.raises(InputError, match="its students: flow, kd"):
        npo.plan_correction(model.card, "pd", seconds=1000.0, costs=costs)


def test_plan_refuses_a_student_that_the_card_says_is_loose(bundle):
    costs = Costs(student=1.0, teacher=20.0)
    plan = npo.plan_correction(bundle(kd1=0.3).card, "kd", seconds=1000.0, costs=costs)
    assert "too loosely" in plan.refusal


def test_card_without_figures_asks_for_a_pilot(bundle):
    with pytest.raises(InputError, match="as a pilot"):
        npo.plan_correction(
            bundle().card, "kd", seconds=1000.0, costs=Costs(student=1.0, teacher=20.0)
        )


def test_no_more_samples_are_planned_than_a_run_can_hold(bundle):
    costs = Costs(student=1e-3, teacher=0.1)
    plan = npo.plan_correction(bundle(kd1=0.99).card, "kd", seconds=60.0, costs=costs)
    assert plan.pairs + plan.students <= 4096
    spent = costs.of(students=plan.students, pairs=plan.pairs)
    assert 59 < spent <= 60  # what students leave goes to pairs


def test_time_is_filled_with_pairs_that_all_count(bundle, measured, tmp_path, calls):
    told, model = [], bundle(kd1=0.9)
    asked = {**ASKED, "model": model, "out": tmp_path / "cell"}
    found = npo.restore_corrected(
        measured,
        seconds=300.0,
        on_plan=lambda plan, unit: told.append((plan, unit)),
        on_event=calls,
        **asked,
    )
    plan, unit = told[0]
    assert unit == "sd of a sample" and plan.pairs >= 8
    costs = Costs(student=1.0, teacher=float(STEPS))
    assert plan == npo.plan_correction(model, "kd", seconds=300.0, costs=costs)
    assert found["mean"].pairs == len(found.teacher) == plan.pairs
    assert found["mean"].students == len(found.student) - plan.pairs == plan.students
    assert calls.now == costs.of(students=plan.students, pairs=plan.pairs)
    again = npo.open_corrections(tmp_path / "cell.corrected.zarr")
    assert np.array_equal(again.mean, found.mean)
    assert again.teacher.path == tmp_path / "cell-teacher.posterior.zarr"
    with pytest.raises(OutputError, match="exists already"):
        npo.restore_corrected(measured, seconds=300.0, **asked)


def test_counts_get_more_pairs_of_the_same_time(bundle, measured, calls):
    drawn = {}
    for statistics in ((), ("puncta_count",)):
        told = []
        found = npo.restore_corrected(
            measured,
            model=bundle(kd1=0.98),
            seconds=300.0,
            statistics=statistics,
            on_plan=lambda plan, unit, told=told: told.append(unit),
            on_event=calls,
            **ASKED,
        )
        drawn[told[0]] = found["mean"].pairs, found["mean"].students
    (few, many), (more, fewer) = drawn["sd of a sample"], drawn["sd of a count"]
    assert more > few and fewer < many


def test_time_that_a_slow_start_left_over_is_used(bundle, measured, calls):
    told, calls.slow_until = [], 400.0
    found = npo.restore_corrected(
        measured,
        model=bundle(kd1=0.9),
        seconds=1500.0,
        on_plan=lambda plan, unit: told.append(plan),
        on_event=calls,
        **ASKED,
    )
    assert len(found.teacher) > told[0].pairs
    assert 1200 < calls.now < 1900


def test_asked_for_error_is_reached_with_a_pilot_left_out(bundle, measured, calls):
    warned, drawn = [], []

    def note(event):
        calls(event)
        warned.extend([event.message] if isinstance(event, Warned) else [])
        drawn.extend([event.index] if isinstance(event, SampleDone) else [])

    asked, model = {**ASKED, "psf": None}, bundle()
    first = npo.restore(measured, model=model, samples=8, **asked)
    wanted = float(np.sqrt(np.mean(np.square(first.sd)) / 12))
    found = npo.restore_corrected(
        measured, model=model, student="kd", se=wanted, on_event=note, **asked
    )
    mean = found["mean"]
    assert mean.pairs == len(found.teacher) - 8
    assert float(np.sqrt(np.mean(mean.se**2))) < 1.4 * wanted
    assert len(warned) == len(set(warned)) > 0
    assert len(drawn) == len(found.teacher) + len(found.student)  # none is drawn twice
    same = npo.correct(found.teacher, found.student, pilot=8)
    assert np.array_equal(same.mean, found.mean)


def test_loose_student_is_refused_and_its_samples_are_kept(bundle, measured, tmp_path, calls):
    model, asked = bundle(kd1=0.2), {**ASKED, "on_event": calls}
    with pytest.raises(NotWorthCorrectingError, match="too loosely") as refused:
        npo.restore_corrected(
            measured, model=model, student="kd", seconds=300.0, out=tmp_path / "c", **asked
        )
    assert len(refused.value.teacher) == 4 and refused.value.student.path.exists()
    assert str(refused.value.teacher.path) in str(refused.value)
    with pytest.raises(InputError, match="no student that is worth"):
        npo.restore_corrected(measured, model=model, seconds=90.0, **ASKED)


def test_student_that_is_loose_on_this_image_is_refused_after_eight_pairs(bundle, measured, calls):
    model = bundle(apart=3.0, kd1=0.98)  # the card promises more than the student holds
    with pytest.raises(NotWorthCorrectingError, match="first 8 pairs on this image") as refused:
        npo.restore_corrected(measured, model=model, seconds=600.0, on_event=calls, **ASKED)
    assert len(refused.value.teacher) == 8


def test_cancelled_drawing_says_what_there_is(bundle, measured):
    token = CancelToken()

    def stop(event):
        if isinstance(event, SampleDone) and event.index == 2:
            token.cancel()

    with pytest.raises(CorrectionStoppedError, match="stopped after") as stopped:
        npo.restore_corrected(
            measured,
            model=bundle(),
            student="kd",
            seconds=60.0,
            token=token,
            on_event=stop,
            **ASKED,
        )
    assert len(stopped.value.runs[0]) >= 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "either seconds"),
        ({"seconds": 5.0, "se": 0.1}, "either seconds"),
        ({"seconds": 5.0, "pilot": 2}, "4 pairs or more"),
        ({"seconds": 5.0, "student": "pd"}, "no student 'pd'"),
        ({"seconds": 1e-3, "student": "kd"}, "too short"),
    ],
)
def test_what_cannot_be_asked_for_is_told(bundle, measured, asked, told):
    with pytest.raises(InputError, match=told):
        npo.restore_corrected(measured, model=bundle(), **asked, **ASKED)
