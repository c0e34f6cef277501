"""All findings in one table, to the last decimal."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from napari_posterior.checks.finding import confidence, number
from napari_posterior.checks.page.badges import icon
from napari_posterior.checks.page.html_parts import capital, counts, is_signed, say_origin, say_time
from napari_posterior.checks.page.strip import strip
from napari_posterior.checks.verdicts.verdict import NOT_TESTABLE

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report

__all__ = ["show_table"]

_DIGITS: Final = 6


def show_table(report: Report) -> str:
    """Return the section of the table."""
    when = say_time(str(report.plan.get("declared_at") or ""))
    rows = "".join(_row(one, when, report.solver.phrase) for one in report.findings)
    return (
        "<section><h2>All findings</h2><div class='scroll'><table class='all'><thead><tr>"
        f"<th>Quantity</th><th class='n'>Estimate</th><th class='n'>{confidence(report.level)} "
        "interval</th><th></th><th>Tolerance</th><th>Verdict</th><th class='n'>p</th>"
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
        "<p class='caption'>A difference is student − teacher, no difference is 0; a ratio is "
        "student / teacher, no difference is 1. Strips have a scale of their own each: ● estimate, "
        "shaded the tolerance, dotted no difference. Below the estimate, samples: teacher + "
        "student, “pairs” where samples of one noise canvas were compared with each other: at a "
        "correlation r their interval is about √(1 − r) times as wide as that of as many "
        "independent samples. p within and p beyond are those of the test for each verdict, and "
        "decide at the tail of the plan; p of no difference is shown and decides nothing. The same "
        "numbers are in findings.csv and report.json.</p></section>"
    )


def _row(finding: Finding, when: str, known: str) -> str:
    signed = is_signed(finding)
    value = "–" if finding.estimate is None else number(finding.estimate, _DIGITS, sign=signed)
    ends = ["–" if end is None else number(end, _DIGITS, sign=signed) for end in finding.interval]
    span = "–" if finding.interval == (None, None) else " to<br>".join(ends)
    unit = finding.unit or ("ratio" if finding.no_difference == 1.0 else "")
    unit = f"<small>{escape(unit)}</small>" if unit else ""
    paired = f"<small>{escape(finding.pairing)}</small>" if finding.pairing else ""
    region = f"<small>{escape(finding.region)}</small>" if finding.region else ""
    return (
        f"<tr><td><b>{capital(finding.title)}</b>{region}<code>{escape(finding.id)}</code>"
        f"<small>{escape(finding.estimand)}</small><small>{escape(finding.method)}</small>{paired}"
        f"<small class='floor'>{escape(known)}</small></td>"
        f"<td class='n'>{value}{unit}<small>{counts(finding)}</small></td><td class='n'>{span}</td>"
        f"<td class='strip-cell'>{strip(finding, width=150)}</td>{_decided(finding, when)}"
        f"<td class='n'>{_p_values(finding)}</td></tr>"
    )


def _decided(finding: Finding, when: str) -> str:
    judgement = finding.judgement
    if judgement is None:
        return "<td>–</td><td><small>estimate, no verdict</small></td>"
    limits = "–" if judgement.limits is None else escape(judgement.limits.words)
    origin = escape(say_origin(judgement.origin))
    if judgement.origin == "post hoc":
        origin = f"<span class='posthoc'>post hoc</span> {escape('changed after a look')}"
    elif judgement.limits is None:
        origin = ""
    elif when:
        origin += f", {escape(when)}"
    allowed = (
        f"<small>{number(100 * judgement.bias, 2)} % for the reference</small>"
        if judgement.bias
        else ""
    )
    required = "counts for the answer" if finding.required else "for information"
    # that it is untestable stands in the verdict
    told = judgement.reason and judgement.verdict != NOT_TESTABLE
    reason = f"<small>{escape(judgement.reason)}</small>" if told else ""
    return (
        f"<td>{limits}<small>{origin}</small>{allowed}</td>"
        f"<td><span class='inline'>{icon(judgement.verdict, size=14)} {judgement.verdict}</span>"
        f"{reason}<small>{required}</small></td>"
    )


def _p_values(finding: Finding) -> str:
    judgement = finding.judgement
    parts = []
    if judgement is not None and judgement.limits is not None and finding.evidence is None:
        parts.append("<small>decided by the interval</small>")
    elif judgement is not None and judgement.limits is not None:
        for word, p in (
            ("within", judgement.p_preserved),
            ("beyond", judgement.p_not_preserved),
        ):
            if p is not None:
                parts.append(f"{word} {_p(p)}")
    if finding.p_value is not None:
        method = f"<small>{escape(finding.p_method)}</small>" if finding.p_method else ""
        parts.append(f"no difference {_p(finding.p_value)}{method}")
    return "<br>".join(parts) or "–"


def _p(value: float) -> str:
    if value >= 0.9995:
        return "1.00"
    return "&lt;10⁻⁶" if value < 1e-6 else number(value, 3)
