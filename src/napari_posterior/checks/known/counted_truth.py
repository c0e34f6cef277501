"""What is counted on samples, against the same counted on the known object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.counted.site_changes import locate
from napari_posterior.checks.finding import Finding, confidence, number, rounded
from napari_posterior.checks.intervals import delete_one
from napari_posterior.checks.known.puncta_truth import (
    fair_brier,
    fair_crps,
    judge_sites,
    reliability,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.measure import SampleMeter
    from napari_posterior.checks.report import Values

__all__ = ["find_counted_truth"]


def find_counted_truth(
    meter: SampleMeter,
    values: Sequence[Values],
    sites: SiteTable | None,
    known: Sequence[np.ndarray],
    *,
    level: float,
    paired: bool,
) -> list[Finding]:
    """Score the numbers of both runs, and the probabilities of their puncta, against an object.

    Parameters
    ----------
    meter : SampleMeter
        What measured the samples; it measures the object with the same thresholds.
    values : sequence of Values
        Numbers of every sample of both runs.
    sites : SiteTable or None
        Every punctum of both runs, where puncta are counted.
    known : sequence of ndarray, (H, W)
        Planes of the known object, photoelectrons per pixel at the target resolution.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise.

    Returns
    -------
    list of Finding
        ``"<statistic>.known"`` for each number, then ``"puncta.known"``; estimates, no verdicts.
    """
    planes = [np.asarray(plane, np.float32) for plane in known]
    there = {one.id: float(one.values[0]) for one in meter.values([meter.measure(planes)])}
    found = [
        _find_number(one, there[one.id], level=level, paired=paired)
        for one in values
        if np.isfinite(there.get(one.id, np.nan))
    ]
    if sites is not None:
        positions = locate(planes, meter.contexts)
        found.append(_find_puncta(sites, positions, level=level, paired=paired))
    return found


def _find_number(one: Values, known: float, *, level: float, paired: bool) -> Finding:
    """Compare the continuous ranked probability score of one number."""
    runs = one.teacher, one.student
    scores = [float(fair_crps(run, known)) for run in runs]
    means, spreads = ([float(f(run)) for run in runs] for f in (np.mean, np.std))
    unit = f" {one.unit}" if one.unit else ""
    return Finding(
        id=f"{one.id}.known",
        title=f"{one.title}, against the known object",
        estimand="fair CRPS of student samples − that of teacher samples; 0 is perfect",
        unit=one.unit,
        estimate=scores[1] - scores[0],
        interval=(None, None),
        level=level,
        method="Ferro (2014); one known value gives no interval",
        n_teacher=len(runs[0]),
        n_student=len(runs[1]),
        coupled=paired,
        sentence=(
            f"On this image the known object has {number(known)}{unit}; student samples "
            f"{number(means[1])} ± {number(spreads[1], 2)}, teacher samples {number(means[0])} ± "
            f"{number(spreads[0], 2)} (CRPS {number(scores[1])} and {number(scores[0])}, 0 is "
            "perfect)."
        ),
        question="calibration",
        extra={"known": known, "teacher_crps": scores[0], "student_crps": scores[1]},
    )


def _find_puncta(sites: SiteTable, positions: np.ndarray, *, level: float, paired: bool) -> Finding:
    """Compare how far the probabilities of puncta are from what is there."""
    outcomes = judge_sites(sites.existence.sites, positions)
    runs = (outcomes.teacher, outcomes.n_teacher), (outcomes.student, outcomes.n_student)
    scores = [fair_brier(share, outcomes.there, count) for share, count in runs]
    gaps = scores[1] - scores[0]
    count = len(gaps)
    without = (gaps.sum() - gaps) / max(count - 1, 1)
    estimate = delete_one(
        float(gaps.mean()) if count else 0.0,
        without,
        level=level,
        method=f"fair Brier score, jackknife over {count} puncta",
    )
    value, span = rounded(estimate.value, estimate.interval, sign=True)
    means = [float(score.mean()) if count else 0.0 for score in scores]
    diagrams = [reliability(share, outcomes.there, level=level) for share, _ in runs]
    return Finding(
        id="puncta.known",
        title="probability of each punctum, against the known object",
        estimand="mean fair Brier score of the student − that of the teacher; 0 is perfect",
        unit="",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=outcomes.n_teacher,
        n_student=outcomes.n_student,
        coupled=paired,
        sentence=(
            f"On this image {int(outcomes.there.sum())} of {count} places have a punctum in the "
            f"known object, {outcomes.missed} of them in no sample. How far the probabilities are "
            f"from what is there (fair Brier score, 0 is perfect): student {number(means[1])}, "
            f"teacher {number(means[0])}, difference {value} ({confidence(level)} interval {span})."
        ),
        question="calibration",
        extra={
            "missed": outcomes.missed,
            "reliability": {
                name: {
                    "probability": one.probability,
                    "found": one.found,
                    "low": one.low,
                    "high": one.high,
                    "count": one.count,
                }
                for name, one in zip(("teacher", "student"), diagrams, strict=True)
            },
        },
    )
