"""The top of the page: what was compared, and the answer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from napari_posterior.checks.page.badges import icon, kind_of
from napari_posterior.checks.page.html_parts import join, names
from napari_posterior.checks.verdicts.looks import Looks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_posterior.checks.report import Report
    from napari_posterior.checks.verdicts.judging import Overall

__all__ = ["show_answer", "show_warnings"]


def show_answer(report: Report) -> str:
    """Return the heading, and the card with the answer."""
    first, second = names(report)
    image = report.teacher.image_name or "image"
    overall = report.overall
    kind = kind_of(overall.verdict)
    doubts = "".join(f"<li>{escape(one)}</li>" for one in overall.questionable)
    doubt = (
        "<div class='doubt'><h2>The reference itself is questionable</h2>"
        f"<ul>{doubts}</ul><p>What follows compares with it all the same.</p></div>"
        if doubts
        else ""
    )
    headline = overall.headline.removeprefix("The reference itself is questionable. ")
    post_hoc = [
        one.title
        for one in report.findings
        if one.required and one.judgement is not None and one.judgement.origin == "post hoc"
    ]
    after = (
        "<p class='after'><span class='posthoc'>post hoc</span> Chosen, or given another "
        f"tolerance, after samples had been looked at: {escape(join(post_hoc))}.</p>"
        if post_hoc
        else ""
    )
    return (
        '<header><p class="kicker">napari-posterior · comparison of two samplers</p>'
        f"<h1>{escape(image)}</h1><p class='lead'>Does <b class='s'>{escape(second)}</b> keep "
        f"what <b class='t'>{escape(first)}</b> says about this image?</p></header>"
        f"<section class='answer {kind}{' doubted' * bool(doubts)}'>{doubt}<div class='said'>"
        f"{icon(overall.verdict, size=52)}<div><h2>{escape(headline)}</h2>"
        f"{_rest(overall)}{after}<p class='scope'>{escape(report.scope)}</p>"
        f"<p class='chips'>{_chips(report)}</p></div></div></section>"
    )


def _rest(overall: Overall) -> str:
    """Say what the headline leaves out; nothing where it names all."""
    parts = overall.preserved_for, overall.lost, overall.open, overall.untestable
    named = sum(map(bool, parts)) == 1 and not overall.open
    return "" if named else f"<p>{escape(overall.sentence)}</p>"


def show_warnings(warnings: Iterable[str]) -> str:
    """Return what to keep in mind; nothing where there is nothing."""
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return f"<section class='note'><h2>Keep in mind</h2><ul>{items}</ul></section>" if items else ""


def _chips(report: Report) -> str:
    counts = report.teacher.samples, report.student.samples
    chips = [f"{counts[0]} + {counts[1]} samples"]
    planned = tuple(report.plan.get("looks", ()))
    if planned:
        look = Looks(planned).find(min(counts))
        places = f"{len(planned)} planned look{'s' * (len(planned) != 1)}"
        chips.append(
            f"before the first of {places}, at {planned[0]} samples"
            if look is None
            else f"look {planned.index(look) + 1} of {places}, from {look} samples on"
        )
    chips.append(
        f"same noise, correlation of pairs {report.rho:.2f}"
        if report.coupled and report.rho is not None
        else "independent noise"
    )
    chips.append(report.solver.phrase)
    return "".join(f"<span>{escape(chip)}</span>" for chip in chips)
