"""The seven questions, each with its verdict, one sentence and one interval."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.finding import QUESTIONS, confidence, rounded
from napari_posterior.checks.page.badges import NOT_ASKED, SEVERITY, badge, icon, kind_of
from napari_posterior.checks.page.html_detail import show_detail
from napari_posterior.checks.page.html_parts import capital, is_signed, join, say_origin
from napari_posterior.checks.page.strip import strip
from napari_posterior.checks.verdicts.verdict import NOT_ENOUGH, NOT_TESTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report
    from napari_posterior.checks.verdicts.verdict import Judgement

__all__ = ["choose_lead", "show_questions"]

_RUNS: Final = "teacher_run, student_run"
_ASK: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "task": (
        "No statistic was measured on the samples.",
        (f'npo.compare({_RUNS}, statistics=["puncta_count"])',),
    ),
    "calibration": (
        "It needs the known object, a better image of the same field, or else new samples of "
        "simulated measurements.",
        (
            f"npo.compare({_RUNS}, truth=known_object)",
            f"npo.compare({_RUNS}, reference=better_image)",
            f"npo.check_self_calibration({_RUNS})",
        ),
    ),
    "dependence": (
        "It needs new samples of measurements with new noise.",
        (f"npo.check_dependence({_RUNS})",),
    ),
}

# whose interval reaches from the lowest to the highest end of several
_MANY: Final[Mapping[str, str]] = {
    "tiles": "all tiles",
    "spectrum": "all sizes",
    "modes": "all forms",
}


def show_questions(report: Report) -> str:
    """Return the section of the questions, in the order of `QUESTIONS`."""
    cards = "".join(
        _card(place, key, question, report)
        for place, (key, question) in enumerate(QUESTIONS.items(), start=1)
    )
    return (
        "<section><h2>Seven questions</h2><p class='caption'>Each asks whether a difference is "
        "small enough for the limit that was set (shaded), as far as the samples tell. "
        "<b>●</b> is the estimate, the bar its interval, the dotted line no difference. "
        f"The error of the reference stands beside each verdict.</p>{cards}</section>"
    )


def choose_lead(findings: Sequence[Finding]) -> Finding | None:
    """Choose the finding that speaks for a question: of those that decide, the gravest.

    Parameters
    ----------
    findings : sequence of Finding
        On one question; None is chosen if none of them has a verdict.
    """
    judged = [one for one in findings if one.verdict is not None]
    pool = [one for one in judged if one.required] or judged
    # where samples decide nothing here, what cannot be tested does not speak for the others
    pool = [one for one in pool if one.interval != (None, None)] or pool
    return min(pool, key=lambda one: SEVERITY.index(one.verdict), default=None)


def _card(place: int, key: str, question: str, report: Report) -> str:
    findings = [one for one in report.findings if one.question == key]
    lead = choose_lead(findings)
    if lead is None or lead.judgement is None:
        return _unasked(place, key, question, findings)
    judgement = lead.judgement
    limit = (
        ""
        if judgement.limits is None
        else f"<small>limit: {escape(judgement.limits.words)}{_origin(judgement)}</small>"
    )
    # what would settle an open question is its answer; a verdict is said by the badge already
    tone = "" if judgement.verdict == NOT_ENOUGH else " class='soft'"
    notes = "".join(f"<p class='soft'>{escape(note)}</p>" for note in lead.notes)
    return (
        f"<article class='question {kind_of(judgement.verdict)}'>"
        f"<div class='verdict'>{badge(judgement.verdict)}{_role(lead)}"
        f"{_graver(lead, findings)}</div>"
        f"<div class='words'><h3><i>{place}</i> {escape(question)}</h3>"
        f"<p>{escape(lead.sentence)}</p><p{tone}>{escape(judgement.sentence)}</p>{notes}"
        f"{_others([one for one in findings if one is not lead])}</div>"
        f"<div class='shown'>{strip(lead, width=280, labels=True)}{limit}"
        f"<small class='floor'>{escape(report.solver.phrase)}</small></div></article>"
    )


def _role(lead: Finding) -> str:
    role = "counts for the answer" if lead.required else "for information"
    return f"<small>{escape(lead.title)}; {role}</small>"


def _graver(lead: Finding, findings: Sequence[Finding]) -> str:
    """Say beside a badge that other findings on its question are graver."""
    rank = SEVERITY.index(lead.verdict) if lead.verdict is not None else 0
    told = []
    for verdict in SEVERITY[:rank]:
        if verdict != NOT_TESTABLE and (titles := _titles(findings, verdict)):
            told.append(
                f"<span class='but {kind_of(verdict)}'>{icon(verdict, size=14)}"
                f"<span>{verdict}: {escape(join(titles))}</span></span>"
            )
    return "".join(told)


def _titles(findings: Sequence[Finding], verdict: str) -> list[str]:
    return [one.title for one in findings if one.verdict == verdict]


def _unasked(place: int, key: str, question: str, findings: Sequence[Finding]) -> str:
    """Show a question without a verdict: estimates at most, and what would answer it."""
    why, commands = _ASK.get(key, ("", ()))
    ask = f"<p class='soft'>{escape(why)}</p>" if why else ""
    ask += "".join(f"<p><code>{escape(command)}</code></p>" for command in commands)
    return (
        "<article class='question mute'>"
        f"<div class='verdict'>{badge(NOT_ASKED)}</div>"
        f"<div class='words'><h3><i>{place}</i> {escape(question)}</h3>{ask}{_others(findings)}"
        "</div><div class='shown'></div></article>"
    )


def _others(findings: Sequence[Finding]) -> str:
    """List what else was found on a question; each unfolds to its sentences."""
    judged = [one for one in findings if one.verdict is not None]
    judged.sort(key=lambda one: SEVERITY.index(one.verdict) if one.verdict is not None else 0)
    plain = [one for one in findings if one.verdict is None]
    items = "".join(_other(one) for one in judged)
    if plain:
        count = f"{len(plain)} estimate{'s' * (len(plain) != 1)} without a verdict"
        inner = "".join(f"<p>{escape(one.sentence)}</p>{show_detail(one)}" for one in plain)
        items += f"<li><details><summary>{count}</summary>{inner}</details></li>"
    return f"<ul class='others'>{items}</ul>" if items else ""


def _other(finding: Finding) -> str:
    told = _number(finding)
    verdict, judgement = finding.verdict or NOT_ASKED, finding.judgement
    decided = "" if judgement is None else f" {judgement.sentence}"
    # the sentence says the verdict again, with its scope and limit
    more = "".join(f"<p>{escape(one)}</p>" for one in (finding.sentence + decided, *finding.notes))
    return (
        f"<li>{icon(verdict, size=14)}<details><summary><b>{capital(finding.title)}:</b>"
        f"{escape(told)} <em>{verdict}</em></summary>{more}{show_detail(finding)}</details></li>"
    )


def _number(finding: Finding) -> str:
    """Write the estimate with its interval; shares as limits are written, in percent."""
    share = finding.unit.startswith("share of ")
    factor, unit = (100.0, finding.unit) if share else (1.0, finding.unit)
    signed = is_signed(finding)
    if share:
        unit = "percentage points" if signed else finding.unit.replace("share", "%", 1)
    value, low, high = (
        None if one is None else factor * one for one in (finding.estimate, *finding.interval)
    )
    written, span = rounded(value, (low, high), sign=signed)
    if span == "–":
        return ""
    told = f"{confidence(finding.level)} interval"
    if finding.kind in _MANY:
        told = f"{_MANY[finding.kind]}, {told}s"
    return f" {written}{unit and ' '}{unit} ({told} {span})"


def _origin(judgement: Judgement) -> str:
    if judgement.origin == "post hoc":
        return " <span class='posthoc'>post hoc</span>"
    return f" ({escape(say_origin(judgement.origin))})"
