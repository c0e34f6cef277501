"""The seven answers in a line each: the word, and a number with its interval and limit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from napari_posterior.checks.finding import QUESTIONS, Finding
from napari_posterior.checks.verdicts.planning import MoreSamples
from napari_posterior.checks.verdicts.tolerances import Limits
from napari_posterior.checks.verdicts.verdict import Judgement
from napari_posterior.session.verdict_rows import list_verdicts, short_number


def finding(question="mean", *, key="mean", verdict="preserved", limits=None, more=None, **changes):
    reason = changes.pop("reason", "")
    judgement = changes.pop("judgement", None)
    if judgement is None and verdict:
        judgement = Judgement(verdict, "Told.", reason, limits=limits, more=more)
    fields = {
        "id": key, "title": key.replace("_", " "), "estimand": "", "unit": "", "estimate": 0.134,
        "interval": (0.126, 0.142), "level": 0.976, "method": "", "n_teacher": 16,
        "n_student": 16, "coupled": True, "sentence": f"The {key}.", "question": question,
        "judgement": judgement, "required": True,
    }  # fmt: skip
    return Finding(**{**fields, **changes})


def test_a_gap_stands_with_its_interval_and_limit():
    one = finding(unit="posterior SD", limits=Limits(None, 0.2, "at most 0.2"), distance=True)
    assert short_number(one) == "0.134 SD, 0.126 to 0.142 (≤ 0.2)"


def test_what_is_far_below_its_limit_is_written_with_few_decimals():
    one = finding(
        "likelihood", key="likelihood", unit="reduced chi-squared", estimate=-0.00092,
        interval=(-0.0011, -0.00073), limits=Limits(-0.02, 0.02, "±0.02"),
    )  # fmt: skip
    assert short_number(one) == "−0.0009, −0.0011 to −0.0007 (±0.02)"


def test_a_count_is_a_share_of_the_mean_of_the_teacher():
    one = finding(
        "task", key="puncta_count", unit="puncta", estimate=-3.2, interval=(-4.4, -2.0),
        limits=Limits(-4, 4, "±10 % of the teacher's mean (±4 puncta)"),
        extra={"teacher_mean": 40.0},
    )  # fmt: skip
    assert short_number(one) == "−8 %, −11 to −5 % (±10 %)"


def test_a_share_is_written_in_percent():
    one = finding(
        "task", key="sites.lost", unit="share of puncta", estimate=0.012, interval=(0.0, 0.03),
        limits=Limits(None, 0.05, "at most 5 %"), distance=True,
    )  # fmt: skip
    assert short_number(one) == "1.20 %, 0 to 3.00 (≤ 5 %)"


@pytest.mark.parametrize(
    ("more", "reason", "words"),
    [
        (MoreSamples(50, 50), "", "about 50 more of each"),
        (MoreSamples(0, 120), "", "about 120 more of the student"),
        (MoreSamples(borderline=True), "borderline", "borderline: more samples will not settle it"),
        (None, "few samples", "a verdict needs 16 samples of each"),
        (None, "between looks", "nothing is decided between looks"),
    ],
)
def test_an_open_question_says_what_would_settle_it(more, reason, words):
    one = finding(verdict="not enough samples", more=more, reason=reason)
    assert short_number(one) == words


def test_each_question_has_a_row_in_order_and_the_gravest_required_one_speaks():
    findings = (
        finding(),
        finding("task", key="puncta_count"),
        finding("task", key="mean_intensity", verdict="not preserved"),
        finding("variance", key="variance"),
        finding("variance", key="spectrum", verdict="not preserved", required=False),
    )
    rows = list_verdicts(SimpleNamespace(findings=findings))
    assert [row.question for row in rows] == list(QUESTIONS)
    by = {row.question: row for row in rows}
    assert by["task"].name == "Task: mean intensity"
    assert by["task"].verdict == "not preserved"
    assert (by["variance"].verdict, by["variance"].others) == (
        "preserved",
        "1 other not preserved",
    )
    assert by["variance"].findings[0].id == "spectrum"
    assert by["calibration"].verdict == by["dependence"].verdict == "not asked"
    assert by["mean"].spoken.startswith("Mean: preserved. 0.134")


def test_an_open_question_is_told_with_what_would_settle_it():
    rows = list_verdicts(SimpleNamespace(findings=(finding(verdict="not enough samples"),)))
    assert rows[0].sentence == "The mean. Told."
