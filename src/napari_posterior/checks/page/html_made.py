"""How a comparison was made: its plan, and where the samples come from."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.checks.finding import confidence, number
from napari_posterior.checks.page.html_parts import join, say_origin, say_time
from napari_posterior.checks.verdicts.tolerances import Tolerance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.report import Report
    from napari_posterior.checks.source import Description

__all__ = ["show_making"]

_KEYS: Final[Mapping[str, str]] = {
    "role": "role",
    "sampler": "sampler",
    "steps": "steps",
    "nfe": "network evaluations per sample",
    "samples": "samples",
    "seed": "seed",
    "model": "model",
    "bundle_hash": "bundle",
    "precision": "precision",
}


def show_making(report: Report) -> str:
    """Return the section on plan and provenance."""
    rows = "".join(
        f"<tr><th>{title}</th>{_cell(report.teacher, key)}{_cell(report.student, key)}</tr>"
        for key, title in _KEYS.items()
    )
    items = "".join(f"<li>{escape(text)}</li>" for text in _shared(report))
    return (
        f"<section><h2>How it was made</h2>{_plan(report)}"
        "<h3>Samples</h3><div class='scroll'><table class='plain'>"
        "<thead><tr><th></th><th>Teacher</th><th>Student</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div><ul class='caption'>{items}</ul></section>"
    )


def _cell(run: Description, key: str) -> str:
    value: Any = getattr(run, key)
    text = "–" if value is None else str(value)
    return f"<td>{escape(text[:12] if key == 'bundle_hash' else text)}</td>"


def _plan(report: Report) -> str:
    plan = report.plan
    if not plan:
        return ""
    told = []
    if plan.get("question"):
        told.append(f"Question: “{plan['question']}”.")
    if plan.get("declared_at"):
        first = "" if plan.get("restarts") else ", before the first look"
        told.append(f"Tolerances were set {say_time(plan['declared_at'])}{first}.")
    if plan.get("looks"):
        told.append(
            f"Looks were planned from {', '.join(map(str, plan['looks']))} samples of the smaller "
            "run on, and are paid for whether they are used or not."
        )
    if plan.get("tail"):
        told.append(
            f"Each look decides at a one-sided error of {number(plan['tail'], 3)}, with "
            f"{confidence(report.level)} intervals, so that a wrong verdict of a check has a "
            f"probability of {number(plan.get('alpha', 0.05), 2)} at most over all looks."
        )
    if plan.get("restarts"):
        told.append(
            f"Tolerances, statistics or regions were changed after a look {plan['restarts']} "
            f"time{'s' * (plan['restarts'] != 1)}; what they decide is marked post hoc."
        )
    if plan.get("earlier"):
        told.append(
            f"This comparison was begun anew over {join(list(plan['earlier']))}; the looks of "
            "those plans are not paid for."
        )
    items = "".join(f"<li>{escape(one)}</li>" for one in told)
    given = _given(plan.get("tolerances") or {})
    return f"<h3>Plan</h3><ul class='plan'>{items}{given}</ul>{_ledger(plan.get('ledger') or ())}"


def _given(tolerances: Mapping[str, Any]) -> str:
    """List the tolerances that are not the defaults."""
    told = []
    for key, one in (tolerances.get("given") or {}).items():
        known = Tolerance(one["kind"], one["low"], one["high"], one["origin"])
        told.append(
            f"<li>Tolerance of <code>{escape(key)}</code>: {escape(known.words)}, "
            f"{escape(say_origin(known.origin))}.</li>"
        )
    return "".join(told)


def _ledger(looks: Sequence[Mapping[str, Any]]) -> str:
    if not looks:
        return ""
    rows = "".join(
        f"<tr><td class='when'>{escape(say_time(str(one.get('created', '–'))))}</td>"
        f"<td class='n'>{one.get('look') or '–'}</td>"
        f"<td class='n'>{one.get('samples_teacher', '–')} + {one.get('samples_student', '–')}</td>"
        f"<td>{escape(_verdicts(one.get('verdicts') or {}))}</td></tr>"
        for one in looks
    )
    return (
        "<h3>Ledger of looks</h3><div class='scroll'><table class='plain'><thead><tr><th>When</th>"
        "<th class='n'>Look</th><th class='n'>Samples</th><th>Verdicts</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _verdicts(verdicts: Mapping[str, str | None]) -> str:
    given = (f"{key}: {verdict}" for key, verdict in verdicts.items() if verdict is not None)
    return "; ".join(given) or "–"


def _shared(report: Report) -> list[str]:
    told = [report.solver.sentence]
    if report.teacher.camera_words is not None:
        told.append(f"camera: {report.teacher.camera_words}")
    if report.teacher.psf_words is not None:
        told.append(f"PSF: {report.teacher.psf_words}")
    limits = report.thresholds.get("puncta_amplitude")
    if limits:
        inputs = report.thresholds["puncta_amplitude_input"]
        plane = report.figures.plane
        told.append(
            f"smallest punctum that is counted: {limits[plane]:.3g} photoelectrons/px "
            f"({inputs[plane]:.3g} ADU), SNR 5 at the background of the measurement, fixed before "
            "sampling"
        )
    if report.familiar is not None:
        told.append(report.familiar.words())
    if report.teacher.image_sha256:
        told.append(f"image: SHA-256 {report.teacher.image_sha256[:12]}…")
    return told
