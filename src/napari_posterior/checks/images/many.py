"""Several images: the image is the unit, and what is said is said of the next one like these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from napari_posterior.checks.finding import confidence, percent
from napari_posterior.checks.images.effects import find_scale, measure_effect
from napari_posterior.checks.images.many_report import ManyFinding, ManyReport, OneImage
from napari_posterior.checks.images.random_effects import FEWEST_IMAGES, failing_share, pool_effects
from napari_posterior.checks.verdicts.ledger import now
from napari_posterior.checks.verdicts.verdict import (
    NOT_ENOUGH,
    NOT_PRESERVED,
    NOT_TESTABLE,
    PRESERVED,
    Verdict,
    holm,
)
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_posterior.checks.report import Report

__all__ = ["combine"]

_DESIGN: Final = (
    "What is said of other images holds if these were drawn at random from them, one of each "
    "specimen, and their number was fixed before looking."
)


def combine(reports: Iterable[Report]) -> ManyReport:
    """Combine the reports of several images; the image is the unit.

    Of five images or more, the mean over images and where the next one lies, by random effects; the
    verdict is on the latter. Of fewer, images are listed with a bound of the share that may fail.

    Parameters
    ----------
    reports : iterable of Report
        Two or more, of one teacher and one student at the same tolerances; each may be of another
        number of samples.

    Raises
    ------
    InputError
        If there are fewer than two, one image is there twice, or they are not of one pair of
        samplers at the same tolerances.
    """
    names: list[str] = []
    heads: list[Report] = []
    found: dict[str, list[OneImage]] = {}
    for report in reports:
        _check_one_more(report, heads)
        heads.append(report)
        names.append(_name(report, names))
        for finding in report.findings:
            if finding.judgement is not None:
                found.setdefault(finding.id, []).append(OneImage(names[-1], finding))
    if len(heads) < 2:
        raise InputError(f"{len(heads)} report was given; give those of two images or more")
    level = max(report.level for report in heads)
    findings = tuple(_join(images, len(heads), level) for images in found.values())
    verdict, headline = _conclude(findings, (1 - level) / 2)
    doubted = sum(bool(report.overall.questionable) for report in heads)
    notes = [_DESIGN]
    if doubted:
        notes.append(
            f"On {doubted} of {len(heads)} images the reference itself is questionable; see their "
            "reports."
        )
    if any(one.post_hoc for one in findings):
        notes.append("Some tolerances were changed after samples had been looked at (post hoc).")
    return ManyReport(
        findings=findings,
        images=tuple(names),
        level=level,
        verdict=verdict,
        headline=headline,
        notes=tuple(notes),
        created=now(),
    )


def _check_one_more(report: Report, others: Sequence[Report]) -> None:
    """Refuse a report that does not belong with the others."""
    for other in others:
        mine, theirs = report.teacher.image_sha256, other.teacher.image_sha256
        if mine is not None and mine == theirs:
            raise InputError(
                f"the image {report.teacher.image_name or mine[:12]} is there twice; give each "
                "image once"
            )
    if not others:
        return
    for which in ("teacher", "student"):
        mine, first = getattr(report, which), getattr(others[0], which)
        if (mine.sampler, mine.steps, mine.bundle_hash) != (
            first.sampler,
            first.steps,
            first.bundle_hash,
        ):
            raise InputError(
                f"the reports are of different {which}s ({first.label} and {mine.label}); combine "
                "those of one pair of samplers"
            )
    if report.plan.get("tolerances") != others[0].plan.get("tolerances"):
        raise InputError(
            "the reports were made with different tolerances; compare all images with the same"
        )


def _name(report: Report, taken: Sequence[str]) -> str:
    name = report.teacher.image_name or f"image {len(taken) + 1}"
    return name if name not in taken else f"{name} ({len(taken) + 1})"


def _join(images: Sequence[OneImage], total: int, level: float) -> ManyFinding:
    findings = [one.finding for one in images]
    first = findings[0]
    passed = sum(one.verdict == PRESERVED for one in findings)
    # an image that was not shown to be preserved counts as one that may not be
    bound = failing_share(len(findings) - passed, len(findings))
    counted = f"preserved on {passed} of {len(findings)} images"
    told = f"{counted}, so that up to {percent(bound)} of images like these may fail (95 % bound)"
    common: dict[str, Any] = {
        "id": first.id,
        "title": first.title,
        "question": first.question,
        "images": tuple(images),
        "required": any(one.required for one in findings),
        "preserved": passed,
        "failing_bound": bound,
        "post_hoc": any(
            one.judgement is not None and one.judgement.origin == "post hoc" for one in findings
        ),
    }
    title = f"{first.title[:1].upper()}{first.title[1:]}"
    effects = [measure_effect(one) for one in findings]
    scale = find_scale(findings)
    if all(one.verdict == NOT_TESTABLE for one in findings):
        return ManyFinding(
            **common,
            verdict=NOT_TESTABLE,
            sentence=f"{title}: not testable on any of {len(findings)} images.",
            verdict_sentence="Not testable on the next image: on these it is not; see their "
            "reports.",
        )
    if scale is None or len(findings) < FEWEST_IMAGES:
        why = (
            f"{FEWEST_IMAGES} images or more are needed, and there are {len(findings)}"
            if len(findings) < FEWEST_IMAGES
            else "the values of the images cannot be averaged"
        )
        missing = f" of {total}" if len(findings) < total else ""
        return ManyFinding(
            **common,
            verdict=NOT_TESTABLE,
            sentence=f"{title}: {counted}{missing}.",
            verdict_sentence=f"Not testable on the next image: {why}; {told}.",
        )
    values = [e.value / u for e, u in zip(effects, scale.units, strict=True) if e is not None]
    errors = [e.se / u for e, u in zip(effects, scale.units, strict=True) if e is not None]
    pooled = pool_effects(values, errors)
    interval, prediction = (
        (scale.back(low), scale.back(high))
        for low, high in (pooled.interval(level), pooled.prediction(level))
    )
    bias = max(0.0 if one.judgement is None else one.judgement.bias for one in findings)
    inner, outer = scale.ends(-bias), scale.ends(bias)
    p_in = max(pooled.below(inner[1]), pooled.above(inner[0]))
    p_out = min(pooled.above(outer[1]), pooled.below(outer[0]))
    tail = (1 - level) / 2
    verdict: Verdict = NOT_ENOUGH
    where = f"your limit, {scale.words}; judged from {len(findings)} images, {counted}"
    if p_in < tail:
        verdict, start = PRESERVED, "Preserved on images like these: the next one is within"
    elif p_out < tail:
        verdict, start = NOT_PRESERVED, "Not preserved on images like these: the next is beyond"
    else:
        start = "Not enough images to say on which side the next one like these lies of"
    if bias:
        where += f", with {percent(bias, 1)} left for the bias of the reference"
    return ManyFinding(
        **common,
        verdict=verdict,
        sentence=(
            f"{title}: {scale.write(scale.back(pooled.mean))} on average over {len(findings)} "
            f"images ({scale.write_span(interval)}); on the next image like these "
            f"{scale.write_span(prediction)} ({confidence(level)} intervals)."
        ),
        verdict_sentence=f"{start} {where}.",
        scale=scale,
        pooled=pooled,
        mean=scale.back(pooled.mean),
        interval=interval,
        prediction=prediction,
        p_preserved=p_in,
        p_not_preserved=p_out,
    )


def _conclude(findings: Sequence[ManyFinding], tail: float) -> tuple[Verdict, str]:
    """Join the verdicts of the required findings."""
    required = [one for one in findings if one.required]
    by = {
        verdict: ", ".join(one.title for one in required if one.verdict == verdict)
        for verdict in (PRESERVED, NOT_PRESERVED, NOT_ENOUGH, NOT_TESTABLE)
    }
    adjusted = holm(
        [1.0 if one.p_not_preserved is None else one.p_not_preserved for one in required]
    )
    if any(
        one.verdict == NOT_PRESERVED and p_value <= tail
        for one, p_value in zip(required, adjusted, strict=True)
    ):
        return NOT_PRESERVED, f"Not preserved on images like these: {by[NOT_PRESERVED]}."
    if by[NOT_ENOUGH] or by[NOT_PRESERVED] or not required:
        return NOT_ENOUGH, "Not enough images for an answer."
    if by[NOT_TESTABLE]:
        return NOT_TESTABLE, f"Not testable on the next image: {by[NOT_TESTABLE]}."
    return PRESERVED, f"Preserved on images like these for: {by[PRESERVED]}."
