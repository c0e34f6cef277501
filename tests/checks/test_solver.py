"""The error of the teacher's solver beside every finding, in words that say what is known of it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from wording import forbidden_in

from napari_posterior.checks import build_report
from napari_posterior.checks.solver import solver_trust

CERTIFIED = "certified: up to 1.72 % of the variance left open"
NOT_CERTIFIED = "not certified: up to 3.45 % of the variance left open"


def bias(reference: bool = True, left_open=(0.004, 0.0172), words: str = CERTIFIED, **changes):
    """What a run keeps of the certificate of its bundle."""
    bands = [
        SimpleNamespace(low=low, high=high, mean_interval=(0.0, 4e-5))
        for low, high in ((0.0, 0.05), (0.05, 0.71))
    ]
    known = {
        "reference": SimpleNamespace(solver="dpmpp2m, 32 steps on logsnr(300, 0.01)", bands=bands),
        "ruler": SimpleNamespace(solver="heun, 64 steps on power_late(1.6)", bands=bands),
        "left_open": left_open,
        "certified": not words.startswith("not"),
        "words": words,
        "tolerance": 0.02,
        "level": 0.95,
        "scenes": 24,
        "samples": 4,
    }
    return SimpleNamespace(reference=reference, certificate=SimpleNamespace(**known, **changes))


def image_check(warning: str | None = None, plane: int = 0):
    """What a run keeps of the look at its solver."""
    bands = [
        SimpleNamespace(low=0.0, high=0.1, variance=0.001, variance_interval=(-0.002, 0.004)),
        SimpleNamespace(low=0.1, high=0.71, variance=-0.031, variance_interval=(-0.04, -0.022)),
    ]
    return SimpleNamespace(
        plane=plane,
        place=(32, 8),
        side=(96, 96),
        samples=4,
        level=0.95,
        tolerance=0.02,
        bands=bands,
        warning=warning,
    )


NOT_MEASURED = SimpleNamespace(reference=True, certificate=None)
OTHER_STEPS = SimpleNamespace(reference=False, certificate=None)

KINDS = [
    (bias(), f"reference, {CERTIFIED}", 0.0172),
    (
        bias(left_open=(0.0345, 0.001), words=NOT_CERTIFIED),
        f"reference, {NOT_CERTIFIED}",
        0.0345,
    ),
    (NOT_MEASURED, "reference: the teacher's solver was not certified", None),
    (OTHER_STEPS, "not the reference: the teacher's solver was not certified", None),
    (None, "the run does not say whether its solver was certified", None),
]


def report_of(two_runs, solver_bias, check=None):
    teacher, student = two_runs
    teacher.solver_bias, teacher.image_check = solver_bias, check
    return build_report(teacher, student, statistics=["mean_intensity"])


class Cells(HTMLParser):
    """Collects the words of every row of the findings, of every item, and all of them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows, self.items, self.words, self.within = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.within.append(tag)
        for kind, held in (("tr", self.rows), ("li", self.items)):
            if tag == kind:
                held.append("")

    def handle_endtag(self, tag):
        if tag in self.within:
            while self.within.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" in self.within:
            return
        self.words.append(data)
        for kind, held in (("tr", self.rows), ("li", self.items)):
            if kind in self.within:
                held[-1] += data


@pytest.mark.parametrize(("solver_bias", "phrase", "worst"), KINDS)
def test_every_finding_has_the_phrase_beside_it(two_runs, tmp_path, solver_bias, phrase, worst):
    report = report_of(two_runs, solver_bias)
    page = Cells(report.to_html(tmp_path / "report.html").read_text(encoding="utf-8"))
    for finding in report.findings:
        title = f"{finding.title[:1].upper()}{finding.title[1:]}{finding.id}"
        [row] = [row for row in page.rows if row.startswith(title)]
        assert phrase in row
    cards = " ".join(page.words).count(phrase) - len(report.findings)
    assert cards >= 5  # the questions that were answered


@pytest.mark.parametrize(("solver_bias", "phrase", "worst"), KINDS)
def test_every_check_of_the_json_has_the_largest_share_left_open_or_null(
    two_runs, tmp_path, solver_bias, phrase, worst
):
    path = report_of(two_runs, solver_bias).to_json(tmp_path / "report.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert len(found["checks"]) > 3
    assert all(check["floor"]["sampler"] == worst for check in found["checks"])
    [mean] = [check for check in found["checks"] if check["id"] == "mean"]
    low, high = mean["floor"]["split_half"]
    assert low < 0 < high
    told = found["teacher"]["solver"]
    assert told["remaining_bias"] == worst
    assert told["certified"] is (worst == 0.0172)
    assert told["reference"] is (None if solver_bias is None else solver_bias.reference)
    assert found["student"]["solver"] is None


def test_the_part_on_how_samples_were_made_says_what_it_was_measured_on(two_runs, tmp_path):
    report = report_of(two_runs, bias(), image_check())
    page = Cells(report.to_html(tmp_path / "report.html").read_text(encoding="utf-8"))
    [item] = [item for item in page.items if item.startswith("The teacher's solver")]
    for words in (
        f"the reference, {CERTIFIED} in any band",
        "dpmpp2m, 32 steps on logsnr(300, 0.01), measured against heun, 64 steps",
        "24 held-out scenes with 4 samples each",
        "certified means less than 2 %",
        "at 0.1 to 0.71 cycles per pixel",
        "−3.1 % (95 % interval −4.0 % to −2.2 %)",
        "4 samples of 96 × 96 pixels (row 32, column 8)",
    ):
        assert words in item
    assert item == report.solver.sentence


@pytest.mark.parametrize(("solver_bias", "phrase", "worst"), KINDS)
@pytest.mark.parametrize("check", [None, image_check(), image_check("Coarse.", plane=3)])
def test_the_words_promise_nothing_that_was_not_measured(solver_bias, phrase, worst, check):
    solver = solver_trust(SimpleNamespace(solver_bias=solver_bias, image_check=check))
    told = f"{solver.phrase}. {solver.sentence}"
    assert not forbidden_in(told)
    assert ("its steps are coarse on this image" in told) is (
        check is not None and bool(check.warning)
    )
    assert ("On this image the solver was not checked." in told) is (check is None)
    if worst is None:
        assert re.search(r"\bnot certified\b|whether its solver was certified", told)
        assert "the solver's own error is not known" in told
    if check is not None and check.warning:
        assert "(plane 4, row 32" in told
        assert "The run warned, since that is beyond 2 %." in told


def test_what_was_seen_on_the_image_is_in_the_json(two_runs, tmp_path):
    path = report_of(two_runs, bias(), image_check("Coarse.")).to_json(tmp_path / "report.json")
    told = json.loads(path.read_text(encoding="utf-8"))["teacher"]["solver"]
    assert told["left_open"][1] == {"low": 0.05, "high": 0.71, "left_open": 0.0172}
    seen = told["image_check"]
    assert (seen["place"], seen["side"], seen["samples"]) == ([32, 8], [96, 96], 4)
    assert seen["bands"][1]["variance_interval"] == [-0.04, -0.022]
    assert seen["warning"] == "Coarse."


def test_two_runs_of_the_teacher_each_keep_what_is_known_of_theirs(two_runs):
    teacher, other = two_runs
    other.request.role, other.request.sampler = "teacher", "teacher"
    teacher.solver_bias, other.solver_bias = bias(), OTHER_STEPS
    report = build_report(teacher, other, statistics=[])
    assert report.solver.certified
    assert report.student.solver.reference is False


def test_a_run_that_knows_nothing_of_its_solver_is_not_taken_as_certified():
    found = solver_trust(SimpleNamespace())
    assert (found.reference, found.certified, found.remaining) == (None, False, None)
