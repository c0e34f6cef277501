"""Verdicts that travel with a picture when it leaves its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_posterior.checks.report import Report

__all__ = ["tell_overall", "tell_verdicts"]


def tell_verdicts(report: Report, ids: Collection[str]) -> tuple[str, ...]:
    """Return a sentence for each finding that a picture is about, and the footer.

    Parameters
    ----------
    report : Report
        The report that the picture is of.
    ids : collection of str
        Ids of the findings; those without a verdict give their estimate.
    """
    told = []
    for finding in report.findings:
        if finding.id in ids:
            judgement = finding.judgement
            verdict = "" if judgement is None else f" {judgement.sentence}"
            told.append(
                f"{finding.title[:1].upper()}{finding.title[1:]}: {finding.sentence}{verdict}"
            )
    return _with_scope(report, told)


def tell_overall(report: Report) -> tuple[str, ...]:
    """Return what all findings say together, and the footer."""
    return _with_scope(report, [report.overall.headline, report.overall.sentence])


def _with_scope(report: Report, told: list[str]) -> tuple[str, ...]:
    doubt = ("The reference itself is questionable.",) if report.overall.questionable else ()
    new = [one for one in doubt if not any(one in other for other in told)]
    return (*new, *told, report.scope, report.footer)
