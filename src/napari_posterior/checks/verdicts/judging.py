"""From estimates to verdicts: each against its tolerance, then all that are required together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.checks.counted.task import wide_limit_note
from napari_posterior.checks.verdicts.tolerances import Tolerance
from napari_posterior.checks.verdicts.verdict import (
    NOT_ENOUGH,
    NOT_PRESERVED,
    NOT_TESTABLE,
    PRESERVED,
    Judgement,
    Verdict,
    holm,
    judge,
    untestable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.solver import SolverTrust
    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.checks.verdicts.tolerances import Limits, Tolerances

__all__ = ["NOTHING_REQUIRED", "Overall", "Settled", "conclude", "reference_doubts", "settle"]

_OF_VARIANCE: Final = ("variance", "tiles", "spectrum", "diversity")


@dataclass(frozen=True)
class Settled:
    """What earlier looks of a comparison have settled.

    Parameters
    ----------
    decides : bool
        Whether verdicts may be given now; otherwise the earlier ones stand.
    earlier : mapping
        Verdicts of the last look by id of the finding.
    post_hoc : frozenset of str
        Ids whose tolerance was changed after a look.
    next_look : int or None
        Samples of the smaller run at which it decides next.
    """

    decides: bool = True
    earlier: Mapping[str, Verdict] = field(default_factory=dict)
    post_hoc: frozenset[str] = frozenset()
    next_look: int | None = None


@dataclass(frozen=True)
class Overall:
    """What the required findings say together.

    Parameters
    ----------
    verdict : str
        *preserved* if all are, *not preserved* if one is not after Holm's correction, else *not
        enough samples*, or *not testable* where that is all that is left.
    headline, sentence : str
        In words.
    preserved_for, lost, open, untestable : tuple of str
        Titles of the required findings by their verdict.
    questionable : tuple of str
        Why the reference itself is questionable, in sentences.
    rule : str
        How they were joined.
    """

    verdict: Verdict
    headline: str
    sentence: str
    preserved_for: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    untestable: tuple[str, ...] = ()
    questionable: tuple[str, ...] = ()
    rule: str = "all required findings (intersection-union); not preserved after Holm's correction"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "verdict": self.verdict,
            "headline": self.headline,
            "sentence": self.sentence,
            "preserved": list(self.preserved_for),
            "not_preserved": list(self.lost),
            "not_enough_samples": list(self.open),
            "not_testable": list(self.untestable),
            "reference_questionable": list(self.questionable),
            "rule": self.rule,
            "scope": "this image",
        }


NOTHING_REQUIRED: Final = Overall(
    NOT_ENOUGH, "Nothing was required.", "On this image nothing was required."
)
"""Of a comparison that requires nothing."""


def settle(
    findings: Sequence[Finding],
    tolerances: Tolerances,
    looks: Looks,
    *,
    solver: SolverTrust,
    settled: Settled | None = None,
    spare: tuple[int, int] = (0, 0),
) -> tuple[Finding, ...]:
    """Give every finding that has a tolerance its verdict.

    Parameters
    ----------
    findings : sequence of Finding
        With intervals at the level of the looks.
    tolerances : Tolerances
        Set before.
    looks : Looks
        When to decide, and at which tail.
    solver : SolverTrust
        The bias of the reference that verdicts have to allow for.
    settled : Settled, optional
        What earlier looks have settled.
    spare : tuple of int
        Samples of teacher and student that wait for a partner; findings in pairs count on them.
    """
    state = settled or Settled()
    return tuple(_settle_one(one, tolerances, looks, solver, state, spare) for one in findings)


def _settle_one(
    finding: Finding,
    tolerances: Tolerances,
    looks: Looks,
    solver: SolverTrust,
    state: Settled,
    spare: tuple[int, int],
) -> Finding:
    required = finding.id in tolerances.required
    if finding.untestable:
        return replace(finding, judgement=untestable(finding.untestable), required=required)
    tolerance = tolerances.of(finding.id, finding.kind) if finding.kind else None
    if tolerance is None:
        return finding
    extra = finding.extra
    sd = extra.get("teacher_sd")
    limits = tolerance.resolve(mean=extra.get("teacher_mean"), sd=sd, unit=finding.unit)
    least = extra.get("least_limit")
    if limits is not None and least is not None and tolerance.origin == "default":
        limits = _at_least(limits, float(least), finding.unit)
    if limits is None:
        why = f"the {finding.title} does not vary among the teacher's samples"
        return replace(finding, judgement=untestable(why), required=required)
    found = judge(
        finding.estimate,
        finding.interval,
        limits,
        evidence=finding.evidence,
        counts=(finding.n_teacher, finding.n_student),
        looks=looks,
        no_difference=finding.no_difference,
        origin="post hoc" if finding.id in state.post_hoc else tolerance.origin,
        bias=_bias(finding.kind, solver),
        distance=finding.distance,
        counted=finding.counted,
        spare=spare if finding.pairing else (0, 0),
    )
    if not state.decides and found.reason != "few samples":
        found = _stand(found, state.earlier.get(finding.id), state.next_look)
    notes = finding.notes
    # of what did not pass it cannot be said that nearly everything does
    passed = finding.kind == "statistic" and found.verdict == PRESERVED
    if passed and (told := wide_limit_note(limits, sd, unit=finding.unit)):
        notes = (*notes, told)
    return replace(finding, judgement=found, required=required, notes=notes)


def _at_least(limits: Limits, least: float, unit: str) -> Limits:
    """Widen limits to what the measurement can show at all."""
    if limits.high is None or limits.high >= least:
        return limits
    return Tolerance("range", -least, least).resolve(unit=unit) or limits


def _bias(kind: str, solver: SolverTrust) -> float:
    """Return the bias of the reference in a quantity, where it was measured."""
    if kind in _OF_VARIANCE:
        return solver.remaining or 0.0
    return (solver.mean_gap or 0.0) if kind == "mean" else 0.0


def _stand(found: Judgement, earlier: Verdict | None, next_look: int | None) -> Judgement:
    """Keep the verdict of the last look: between looks estimates move and verdicts do not."""
    when = "no further decision is planned"
    if next_look is not None:
        when = f"the next decision is at {next_look} samples"
    if earlier is None:
        told = f"Not enough samples on this image: nothing is decided between looks; {when}."
        return replace(found, verdict=NOT_ENOUGH, reason="between looks", sentence=told, more=None)
    word = earlier[:1].upper() + earlier[1:]
    told = f"{word} on this image, as decided at the last look; {when}."
    return replace(found, verdict=earlier, reason="between looks", sentence=told)


def reference_doubts(
    solver: SolverTrust, *, chi2: Finding | None = None, coverage: Finding | None = None
) -> tuple[str, ...]:
    """Say why the reference itself is questionable, in sentences; empty where it is not.

    Parameters
    ----------
    solver : SolverTrust
        How its samples follow the law of the teacher.
    chi2 : Finding, optional
        The teacher's own reduced chi-squared against what is expected of it.
    coverage : Finding, optional
        The teacher's own coverage less its nominal value.
    """
    found = []
    if solver.reference is False:
        found.append(
            "The teacher was drawn with other steps than those of its reference, so its own error "
            "is not known."
        )
    elif solver.words and not solver.certified:
        found.append(f"The teacher's solver is {solver.words}.")
    if solver.image_check is not None and solver.image_check.warning is not None:
        found.append(solver.image_check.sentence)
    for one in (chi2, coverage):
        limits = None if one is None else one.extra.get("limits")
        if one is not None and limits is not None and _outside(one, limits):
            found.append(one.sentence)
    return tuple(found)


def _outside(finding: Finding, limits: tuple[float, float]) -> bool:
    low, high = finding.interval
    return (low is not None and low > limits[1]) or (high is not None and high < limits[0])


def conclude(
    findings: Sequence[Finding],
    looks: Looks,
    *,
    required: Sequence[str] | None = None,
    decides: bool = True,
    questionable: Sequence[str] = (),
) -> Overall:
    """Join the verdicts of the required findings.

    Parameters
    ----------
    findings : sequence of Finding
        With their verdicts.
    looks : Looks
        For the tail.
    required : sequence of str, optional
        Ids of all that have to be there; one without a finding counts as open.
    decides : bool
        Whether verdicts were given now; those of an earlier look were corrected then.
    questionable : sequence of str
        Why the reference itself is questionable.
    """
    judged = [one for one in findings if one.required and one.judgement is not None]
    missing = sorted({*(required or ())} - {one.id for one in findings})
    by: dict[Verdict, list[str]] = {
        v: [one.title for one in judged if one.verdict == v]
        for v in (PRESERVED, NOT_PRESERVED, NOT_ENOUGH, NOT_TESTABLE)
    }
    by[NOT_ENOUGH] += missing
    p_values = [_p_not(one) for one in judged]
    lost = any(
        one.verdict == NOT_PRESERVED and (adjusted <= looks.tail or not decides)
        for one, adjusted in zip(judged, holm(p_values), strict=True)
    )
    verdict: Verdict
    if lost:
        verdict = NOT_PRESERVED
        told = f"Not preserved: {_join(by[NOT_PRESERVED])}."
    elif by[NOT_ENOUGH] or by[NOT_PRESERVED] or not judged:
        verdict = NOT_ENOUGH
        told = "Not enough samples for an answer."
    elif by[NOT_TESTABLE]:
        verdict = NOT_TESTABLE
        told = f"Not testable: {_join(by[NOT_TESTABLE])}."
    else:
        verdict = PRESERVED
        told = f"Preserved for: {_join(by[PRESERVED])}."
    if questionable:
        told = f"The reference itself is questionable. {told}"
    parts = [
        f"preserved: {_join(by[PRESERVED])}" if by[PRESERVED] else "",
        f"not preserved: {_join(by[NOT_PRESERVED])}" if by[NOT_PRESERVED] else "",
        f"not enough samples: {_join(by[NOT_ENOUGH])}" if by[NOT_ENOUGH] else "",
        f"not testable: {_join(by[NOT_TESTABLE])}" if by[NOT_TESTABLE] else "",
    ]
    told_of = "; ".join(filter(None, parts)) or "nothing was required"
    return Overall(
        verdict=verdict,
        headline=told,
        sentence=f"On this image {told_of}.",
        preserved_for=tuple(by[PRESERVED]),
        lost=tuple(by[NOT_PRESERVED]),
        open=tuple(by[NOT_ENOUGH]),
        untestable=tuple(by[NOT_TESTABLE]),
        questionable=tuple(questionable),
    )


def _p_not(finding: Finding) -> float:
    judgement = finding.judgement
    if judgement is None or judgement.verdict == NOT_TESTABLE:
        return 1.0
    return 1.0 if judgement.p_not_preserved is None else judgement.p_not_preserved


def _join(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
