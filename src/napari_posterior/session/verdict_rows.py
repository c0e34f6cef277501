"""The seven answers of a report in a line each: name, verdict, number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.finding import QUESTIONS, number, percent
from napari_posterior.checks.page.badges import NOT_ASKED, SEVERITY
from napari_posterior.checks.page.html_questions import choose_lead
from napari_posterior.checks.verdicts.looks import FEWEST
from napari_posterior.checks.verdicts.verdict import NOT_ENOUGH, NOT_TESTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report
    from napari_posterior.checks.verdicts.verdict import Judgement

__all__ = ["NAMES", "VerdictRow", "list_verdicts", "short_limit", "short_number"]

NAMES: Final[Mapping[str, str]] = {
    "mean": "Mean",
    "variance": "Variance",
    "task": "Task",
    "likelihood": "Measurement",
    "calibration": "Calibration",
    "diversity": "Diversity",
    "dependence": "Dependence",
}
"""What the seven questions are called where there is little room."""

_UNASKED: Final = {
    "task": "nothing was measured",
    "calibration": "no known object; see below",
    "dependence": "needs new samples; see below",
}

_WIDE: Final = 0.02  # of a share, an interval that needs no decimals

_UNITS: Final = {
    "posterior SD": "SD",
    "reduced chi-squared": "",
    "share of pixels": "%",
    "share of samples": "%",
    "share of puncta": "%",
    "share of sites": "%",
    "share of simulations": "%",
}


@dataclass(frozen=True, eq=False)
class VerdictRow:
    """One of the seven questions with its answer.

    Attributes
    ----------
    question : str
        Key of `finding.QUESTIONS`.
    name : str
        In a word or two.
    verdict : str
        One of the four, or ``"not asked"``.
    short : str
        The number with its interval and limit, or what would settle it.
    lead : Finding or None
        The finding that speaks for the question.
    findings : tuple of Finding
        All on this question, those with a verdict first and the gravest in front.
    others : str
        How many others are graver than the one that speaks; mostly empty.
    """

    question: str
    name: str
    verdict: str
    short: str
    lead: Finding | None
    findings: tuple[Finding, ...]
    others: str = ""

    @property
    def asks(self) -> str:
        """The question."""
        return QUESTIONS[self.question]

    @property
    def spoken(self) -> str:
        """All of it in words, for a screen reader."""
        parts = (f"{self.name}: {self.verdict}", self.short, self.others)
        return ". ".join(filter(None, parts))

    @property
    def sentence(self) -> str:
        """The answer in one sentence, with its scope; where it is open, what would settle it."""
        lead = self.lead
        if lead is None:
            return ""
        if lead.judgement is not None and self.verdict in (NOT_ENOUGH, NOT_TESTABLE):
            return f"{lead.sentence} {lead.judgement.sentence}"
        return lead.sentence


def list_verdicts(report: Report) -> tuple[VerdictRow, ...]:
    """Return a row for each of the seven questions, in their order."""
    return tuple(_row(question, report) for question in QUESTIONS)


def _row(question: str, report: Report) -> VerdictRow:
    found = [one for one in report.findings if one.question == question]
    lead = choose_lead(found)
    judged = [one for one in found if one.verdict is not None]
    judged.sort(key=_rank)
    ordered = (*judged, *(one for one in found if one.verdict is None))
    name = NAMES[question]
    if lead is None or lead.verdict is None:
        return VerdictRow(
            question, name, NOT_ASKED, _UNASKED.get(question, "no estimate"), None, ordered
        )
    if question == "task":
        name = f"{name}: {lead.title}"
    return VerdictRow(
        question, name, lead.verdict, short_number(lead), lead, ordered, _graver(lead, judged)
    )


def short_number(finding: Finding) -> str:
    """Write an estimate with its interval and limit, or what would settle it, in a few words."""
    judgement = finding.judgement
    if judgement is None:
        return _estimate(finding)
    if judgement.verdict == NOT_TESTABLE:
        return finding.untestable.partition(", ")[0] or "see below"
    if judgement.verdict == NOT_ENOUGH and (told := _missing(judgement)):
        return told
    told = _estimate(finding)
    limit = short_limit(finding)
    return f"{told} ({limit})" if limit else told


def short_limit(finding: Finding) -> str:
    """Write the limit of a finding: ``"≤ 0.2"``, ``"0.8 to 1.25"``, ``"±10 %"``."""
    limits = None if finding.judgement is None else finding.judgement.limits
    if limits is None:
        return ""
    if _is_relative(finding):
        return limits.words.partition(" of ")[0]
    factor, unit = _unit(finding)
    low, high = (None if v is None else factor * v for v in (limits.low, limits.high))
    tail = " %" if unit == "%" else ""
    if low is None:
        return f"≤ {_plain(high or 0.0)}{tail}"
    if high is None:
        return f"≥ {_plain(low)}{tail}"
    if abs(low + high) <= 1e-9 * abs(high):
        return f"±{_plain(high)}{tail}"
    return f"{_plain(low)} to {_plain(high)}{tail}"


def _missing(judgement: Judgement) -> str:
    """Say what would settle an open question; empty where an estimate says more."""
    more = judgement.more
    if judgement.reason == "few samples":
        return f"a verdict needs {FEWEST} samples of each"
    if judgement.reason == "no variation":
        return "no sample differs from the others"
    if judgement.reason == "between looks":
        return "nothing is decided between looks"
    if more is None:
        return ""
    if more.borderline:
        return "borderline: more samples will not settle it"
    teacher, student = _round(more.teacher), _round(more.student)
    if teacher and student:
        return f"about {max(teacher, student)} more of each"
    if teacher or student:
        return f"about {teacher or student} more of the {'teacher' if teacher else 'student'}"
    return "a few more samples of each"


def _estimate(finding: Finding) -> str:
    value = finding.estimate
    if value is None:
        return "no estimate"
    ends = finding.interval
    signed = finding.no_difference == 0.0 and not finding.distance and finding.id != "mean"
    if _is_relative(finding):
        mean = abs(float(finding.extra["teacher_mean"]))
        told = percent(value / mean, sign=True)
        low, high = (None if v is None else v / mean for v in ends)
        if low is None or high is None:
            return told
        digits = 0 if high - low >= _WIDE else 1
        told, first, last = (percent(v, digits, sign=True) for v in (value / mean, low, high))
        return f"{told}, {first.removesuffix(' %')} to {last}"
    factor, unit = _unit(finding)
    tail = f" {unit}" if unit else ""
    decimals = _decimals(finding, factor)

    def write(one: float) -> str:
        if decimals is None:
            return number(factor * one, 3, sign=signed)
        text = f"{factor * one:{'+' if signed else ''}.{decimals}f}".replace("-", "−")
        return "0" if not text.strip("+−0.") else text

    told = f"{write(value)}{tail}"
    if ends[0] is None and ends[1] is None:
        return told
    span = ["?" if v is None else write(v) for v in ends]
    return f"{told}, {span[0]} to {span[1]}"


def _decimals(finding: Finding, factor: float) -> int | None:
    """Return as many decimals as the limit deserves: what is far below it does not matter."""
    limits = None if finding.judgement is None else finding.judgement.limits
    ends = () if limits is None else (limits.low, limits.high)
    known = [factor * (v - finding.no_difference) for v in ends if v is not None]
    reach = max(map(abs, known), default=0.0)
    if not reach > 0:
        return None
    return min(max(2 - math.floor(math.log10(reach)), 0), 6)


def _is_relative(finding: Finding) -> bool:
    """Whether the limit is a share of the teacher's mean, so that the number is best one too."""
    limits = None if finding.judgement is None else finding.judgement.limits
    of_mean = limits is not None and "of the teacher's mean" in limits.words
    return of_mean and bool(finding.extra.get("teacher_mean"))


def _unit(finding: Finding) -> tuple[float, str]:
    """Return what a number is multiplied with, and its unit."""
    unit = _UNITS.get(finding.unit, finding.unit)
    if unit == "%" or unit.startswith("share"):
        return 100.0, "%"
    return 1.0, unit


def _graver(lead: Finding, judged: Sequence[Finding]) -> str:
    found = []
    for verdict in SEVERITY[: _rank(lead)]:
        count = sum(one.verdict == verdict for one in judged)
        if count and verdict != NOT_TESTABLE:
            word = "open" if verdict == NOT_ENOUGH else verdict
            found.append(f"{count} other{'s' * (count > 1)} {word}")
    return ", ".join(found)


def _rank(finding: Finding) -> int:
    return len(SEVERITY) if finding.verdict is None else SEVERITY.index(finding.verdict)


def _plain(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")


def _round(count: int) -> int:
    """Round up to two digits, as the sentence does."""
    if count < 100:
        return count
    unit = int(10 ** (len(str(count)) - 2))
    return -(-count // unit) * unit
