"""What is counted and measured on every sample of two runs: all findings of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.checks.counted.bootstrap import find_median
from napari_posterior.checks.counted.distribution import find_distribution
from napari_posterior.checks.counted.site_changes import find_site_changes
from napari_posterior.checks.counted.task import find_difference, find_spread_ratio, find_undefined
from napari_posterior.checks.counted.thresholds import compare_curve, depends_on_threshold
from napari_posterior.checks.report import Values
from napari_posterior.checks.source import MIN_SAMPLES
from napari_posterior.statistics import CURVE_FACTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.measure import MeasuredSample, SampleMeter, SampleValues
    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.checks.verdicts.tolerances import Tolerances

__all__ = ["TaskFindings", "find_task"]

_COUNT = "puncta_count"


@dataclass(frozen=True, eq=False)
class TaskFindings:
    """Findings of all statistics, and what their pictures need.

    Parameters
    ----------
    findings : tuple of Finding
        In the order of the statistics, then those of single puncta.
    values : tuple of Values
        Numbers of every sample, the likelihood residual not among them.
    sites : SiteTable or None
        Every punctum, where puncta are counted.
    curve : dict
        Counts over the threshold as JSON values; empty where puncta are not counted.
    residual : Values
        The likelihood residual of every sample, with what chance leaves open of it.
    """

    findings: tuple[Finding, ...]
    values: tuple[Values, ...]
    sites: SiteTable | None
    curve: dict[str, Any]
    residual: Values


def find_task(
    meter: SampleMeter,
    teacher: Sequence[MeasuredSample],
    student: Sequence[MeasuredSample],
    *,
    tolerances: Tolerances,
    looks: Looks,
    paired: bool,
    indices: tuple[np.ndarray, np.ndarray],
) -> TaskFindings:
    """Compare everything that was measured on the samples of two runs.

    Parameters
    ----------
    meter : SampleMeter
        What measured them.
    teacher, student : sequence of MeasuredSample
        One for each sample; in pairs, as many.
    tolerances : Tolerances
        For the note on thresholds.
    looks : Looks
        For the level of the intervals.
    paired : bool
        Whether sample i of both runs share their noise.
    indices : tuple of ndarray
        Number of each sample in its run.
    """
    level = looks.level
    *measured, chi2 = meter.values([*teacher, *student])
    residual = _residual_values(chi2, meter, [*teacher, *student], indices)
    findings: list[Finding] = []
    values: list[Values] = []
    for one in measured:
        found, shown = _find_one(one, indices, level=level, paired=paired)
        findings += found
        values += shown
    if not teacher[0].curve:
        return TaskFindings(tuple(findings), tuple(values), None, {}, residual)
    counts = [
        dict(zip(CURVE_FACTORS, np.array([s.curve for s in run], float).T, strict=True))
        for run in (teacher, student)
    ]
    curve = compare_curve(*counts, level=level, paired=paired)
    tolerance = tolerances.of(_COUNT, "statistic")
    note = None if tolerance is None else depends_on_threshold(curve, tolerance, looks)
    if note is not None:
        findings = [
            replace(one, notes=(*one.notes, note)) if one.id == _COUNT else one for one in findings
        ]
    changed, sites = find_site_changes(
        _places(teacher), _places(student), level=level, paired=paired
    )
    rows = curve.to_rows()
    limit = meter.contexts[0].puncta_threshold
    shown_curve = {
        "thresholds": [row["factor"] * limit for row in rows],
        "unit": "photoelectrons/px",
        "chosen": limit,
        **{
            role: {
                part: [row[role + end] for row in rows]
                for part, end in (("value", ""), ("low", "_low"), ("high", "_high"))
            }
            for role in ("teacher", "student")
        },
        "rows": rows,
        "counts": {
            role: [run[factor].tolist() for factor in sorted(run)]
            for role, run in zip(("teacher", "student"), counts, strict=True)
        },
    }
    return TaskFindings((*findings, *changed), tuple(values), sites, shown_curve, residual)


def _find_one(
    one: SampleValues, indices: tuple[np.ndarray, np.ndarray], *, level: float, paired: bool
) -> tuple[list[Finding], list[Values]]:
    """Compare one number, where it is defined."""
    split = len(indices[0])
    columns = one.values[:split], one.values[split:]
    there = [np.isfinite(column) for column in columns]
    found: list[Finding] = []
    words = {"level": level, "paired": paired}
    first, second = columns
    if not all(part.all() for part in there):
        undefined = find_undefined(one.id, one.title, *columns, **words)  # type: ignore[arg-type]
        found.append(replace(undefined, region=one.region))
        keep = [there[0] & there[1]] * 2 if paired else there
        first, second = (column[rows] for column, rows in zip(columns, keep, strict=True))
    if min(len(first), len(second)) < MIN_SAMPLES:
        return found, []
    named = one.id, one.title
    median = find_median(*named, one.unit, first, second, level=level, paired=paired)
    found = [
        find_difference(*named, one.unit, first, second, level=level, paired=paired),
        find_spread_ratio(*named, first, second, level=level, paired=paired),
        find_distribution(*named, one.unit, first, second, level=level, paired=paired),
        *(() if median is None else (median,)),
        *found,
    ]
    found = [replace(finding, region=one.region) for finding in found]
    shown = [column[rows] for column, rows in zip(columns, there, strict=True)]
    numbers = indices[0][there[0]], indices[1][there[1]]
    return found, [Values(one.id, one.title, one.unit, shown[0], shown[1], samples=numbers)]


def _residual_values(
    found: SampleValues,
    meter: SampleMeter,
    samples: Sequence[MeasuredSample],
    indices: tuple[np.ndarray, np.ndarray],
) -> Values:
    columns = np.split(found.values, [len(indices[0])])
    chance = float(np.mean([one.residuals.chi2_sd for one in samples]))
    return Values(
        found.id,
        found.title,
        found.unit,
        columns[0],
        columns[1],
        expected=found.expected,
        sd=None if found.expected is None else float(np.hypot(meter.trust.doubt, chance)),
        samples=indices,
    )


def _places(samples: Sequence[MeasuredSample]) -> list[np.ndarray]:
    return [np.empty((0, 3)) if one.puncta is None else one.puncta for one in samples]
