"""Tolerances as rows: what is edited there is what a comparison declares."""

from __future__ import annotations

import pytest

from napari_posterior.checks.verdicts.tolerances import PRESETS
from napari_posterior.errors import InputError
from napari_posterior.session.tolerance_rows import change, choose_tolerances, list_rows, reset


def rows_of(given=None, *, question="restoration", statistics=("puncta_count",)):
    return {one.key: one for one in list_rows(question, statistics, given or {})}


@pytest.mark.parametrize("question", list(PRESETS))
def test_every_required_check_of_a_question_has_a_row_in_front(question):
    statistics = PRESETS[question].statistics
    rows = list_rows(question, statistics, {})
    required = choose_tolerances(question, statistics, {}).required
    assert tuple(one.key for one in rows if one.required) == required
    assert [one.required for one in rows] == sorted((one.required for one in rows), reverse=True)
    assert not any(one.changed for one in rows)


def test_rows_say_the_limit_in_its_unit():
    rows = rows_of(question="puncta")
    assert rows["mean"].words == "at most 0.2 posterior SD"
    assert rows["variance"].words == "0.8 to 1.25 × teacher"
    assert rows["puncta_count"].words == "±10 % of mean"
    assert rows["sites.lost"].words == "at most 5 % of puncta"
    assert rows["likelihood"].words == "±0.02 reduced χ²"


@pytest.mark.parametrize(
    ("key", "change_to", "limits"),
    [
        ("mean", {"high": 0.3}, (None, 0.3)),
        ("variance", {"low": 0.7}, (0.7, 1.25)),
        ("likelihood", {"high": 0.05}, (-0.05, 0.05)),
        ("coverage", {"high": 10.0}, (-0.1, 0.1)),
    ],
)
def test_what_is_edited_is_what_is_declared(key, change_to, limits):
    given = change({}, rows_of()[key], **change_to)
    chosen = choose_tolerances("restoration", ("puncta_count",), given)
    found = chosen.of(key, key)
    assert (found.low, found.high) == pytest.approx(limits)
    assert found.origin == "user"
    assert rows_of(given)[key].changed
    assert not rows_of(reset(given, key))[key].changed


def test_a_limit_of_a_count_can_be_in_teacher_sd_or_in_counts():
    row = rows_of()["puncta_count"]
    for measure, high, expected in (
        (row.measures[1], 0.5, ("sd", None, 0.5)),
        (row.measures[2], 3.0, ("range", -3.0, 3.0)),
        (row.measures[0], 20.0, ("relative", None, 0.2)),
    ):
        given = change({}, row, high=high, measure=measure)
        found = given["puncta_count"]
        assert (found.kind, found.low, found.high) == pytest.approx(expected)
        row = rows_of(given)["puncta_count"]
        assert row.high == pytest.approx(high)
        assert row.measure.unit == measure.unit


@pytest.mark.parametrize(
    ("key", "wrong"), [("mean", {"high": -1.0}), ("variance", {"low": 1.1}), ("modes", {"high": 0})]
)
def test_a_limit_that_cannot_be_is_refused(key, wrong):
    with pytest.raises(InputError):
        change({}, rows_of()[key], **wrong)


def test_limits_of_statistics_that_are_not_measured_now_are_kept_aside():
    given = change({}, rows_of()["puncta_count"], high=30.0)
    chosen = choose_tolerances("intensity", ("mean_intensity",), given)
    assert "puncta_count" not in chosen.given
    assert rows_of(given)["puncta_count"].high == pytest.approx(30.0)
