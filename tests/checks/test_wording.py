"""The words of reports: scope in every verdict, no word that promises more than was found."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image
from report_samples import KINDS, make_report
from wording import forbidden_in

from napari_posterior.checks.page.badges import NOT_ASKED, SEVERITY, badge, icon
from napari_posterior.checks.page.html import render
from napari_posterior.checks.page.html_questions import choose_lead
from napari_posterior.checks.page.write import write_report
from napari_posterior.checks.report import FOOTER


class _Text(HTMLParser):
    """All that a reader sees or hears of a page, tag by tag."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = False

    def handle_starttag(self, tag, attrs) -> None:
        self._hidden = tag == "style"
        self.parts += [value for key, value in attrs if key in ("alt", "aria-label", "title")]

    def handle_endtag(self, tag) -> None:
        self._hidden = False

    def handle_data(self, data) -> None:
        if not self._hidden:
            self.parts.append(data)


def read(page: str) -> str:
    parser = _Text()
    parser.feed(page)
    return " ".join(parser.parts)


@pytest.fixture(scope="module")
def reports():
    return {kind: make_report(kind, side=48, samples=64) for kind in KINDS}


@pytest.fixture(scope="module")
def pages(reports):
    return {kind: render(report) for kind, report in reports.items()}


def test_a_forbidden_word_would_be_found() -> None:
    assert forbidden_in(read("<p>The student is Safe.</p>")) == ["safe"]
    assert forbidden_in(read('<img alt="validated">')) == ["validated"]
    assert not forbidden_in("unsafe, truth")


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_says_a_forbidden_word(pages, kind: str) -> None:
    assert not forbidden_in(read(pages[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_verdict_names_its_scope_and_the_footer_stands_below(reports, pages, kind) -> None:
    report, words = reports[kind], read(pages[kind])
    judged = [one.judgement for one in report.findings if one.judgement is not None]
    assert judged
    assert all("on this image" in one.sentence for one in judged)
    assert "On this image" in words
    assert words.index(FOOTER) > words.index("How it was made")


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("preserved", "Preserved for: "),
        ("not preserved", "Not preserved: variance ratio and puncta count."),
        ("open", "Not enough samples for an answer."),
        ("few", "Not enough samples for an answer."),
        ("untestable", "Not testable: likelihood residual."),
        ("between looks", "Not enough samples for an answer."),
    ],
)
def test_the_answer_comes_before_everything_else(pages, kind, verdict) -> None:
    words = read(pages[kind])
    assert words.index(verdict) < words.index("Seven questions") < words.index("Pictures")


def test_a_questionable_reference_is_said_before_the_answer(pages) -> None:
    words = read(pages["questionable"])
    first = words.index("The reference itself is questionable")
    assert first < words.index("reduced chi-squared of 1.21") < words.index("Preserved for")
    assert words.count("The reference itself is questionable") == 1
    assert "The reference itself is questionable" not in read(pages["preserved"])


def test_what_was_changed_after_a_look_is_marked(pages) -> None:
    assert pages["post hoc"].count("class='posthoc'>post hoc<") == 5  # answer, 2 cards, 2 rows
    told = "after samples had been looked at: variance ratio and puncta count."
    assert told in read(pages["post hoc"])
    assert "post hoc</span>" not in pages["preserved"]


def test_an_open_question_says_how_many_samples_settle_it(reports, pages) -> None:
    words = read(pages["open"])
    assert re.search(r"about \d+ more samples of each run", words)
    assert "a verdict needs 16 of each run or more" in read(pages["few"])
    assert "the next decision is at 128 samples" in read(pages["between looks"])


def test_questions_that_were_not_asked_say_what_would_answer_them(pages) -> None:
    page = pages["preserved"]
    assert page.count(NOT_ASKED) == 2
    assert "npo.check_dependence(teacher_run, student_run)" in page
    assert "npo.check_self_calibration(teacher_run, student_run)" in page


def test_the_bias_of_the_reference_stands_beside_each_verdict(reports, pages) -> None:
    report = reports["preserved"]
    cards = pages["preserved"].split("<article ")[1:]
    answered = [card for card in cards if NOT_ASKED not in card]
    assert len(answered) == 5
    assert all("up to 1.72 %" in card for card in answered)
    assert pages["preserved"].count("up to 1.72 %") > len(answered) + len(report.findings)


def test_the_gravest_finding_that_counts_speaks_for_its_question(reports) -> None:
    asked = [one for one in reports["not preserved"].findings if one.question == "task"]
    assert {one.verdict for one in asked} == {"preserved", "not preserved"}
    assert choose_lead(asked).id == "puncta_count"
    # what does not count for the answer never speaks over what does
    asked = [one for one in reports["untestable"].findings if one.question == "variance"]
    assert choose_lead(asked).id == "variance"
    assert choose_lead([]) is None


def test_badges_differ_in_shape_and_words_and_none_is_a_tick() -> None:
    shapes = {re.sub(r'class="[^"]*"', "", icon(one)) for one in (*SEVERITY, NOT_ASKED)}
    assert len(shapes) == 5
    for verdict in SEVERITY:
        assert f"<b>{verdict}</b>" in badge(verdict)


@pytest.mark.parametrize("kind", ["not preserved", "questionable"])
def test_verdicts_travel_with_every_figure(reports, tmp_path, kind) -> None:
    write_report(reports[kind], tmp_path)
    for name, words in (
        ("means", "Mean gap: "),
        ("standard_deviations", "variance ratio is"),
        ("variance_ratio", "variance ratio is"),
        ("samples", "reserved"),
        ("tile_ratio", "variance ratio of tiles is"),
    ):
        with Image.open(io.BytesIO((tmp_path / f"figures/{name}.png").read_bytes())) as picture:
            told = picture.info["Description"]
        assert words in told
        assert FOOTER in told
        assert "on this image" in told or "On this image" in told
        assert ("The reference itself is questionable" in told) == (kind == "questionable")
        assert not forbidden_in(told)
    chart = (tmp_path / "figures" / "puncta_count.svg").read_text(encoding="utf-8")
    assert "reserved on this image" in chart
    for table in tmp_path.glob("*.csv"):
        assert "validated" not in table.read_text(encoding="utf-8")
