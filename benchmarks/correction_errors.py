"""Errors of corrected and plain estimates against a large sample of the teacher: arrays only.

`corrections.py` says what is measured; this is how. A quantity is given sample by sample as an
array of values whose mean is wanted (pixels, a count, events), or as pixels whose variance is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.correction.comoments import CoMoments
from napari_posterior.correction.estimate import About
from napari_posterior.correction.pilot import Pilot, measure_pilot
from napari_posterior.correction.terms import mean_term, variance_term
from napari_posterior.correction.two_level import TwoLevel, correct

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.correction.allocation import Plan

ABOUT = About("benchmark")
PILOT = 8
"""Pairs of a pilot."""
ESTIMATORS = {"mean": mean_term, "variance": variance_term}


@dataclass(frozen=True)
class Values:
    """What is averaged, sample by sample.

    Parameters
    ----------
    teacher : ndarray, (K, n) float64
        Of all teacher's samples.
    paired : ndarray, (P, n)
        Of the student's on the noise of the first P of these.
    alone : ndarray, (R, n)
        Of the student's on noise of its own.
    kind : str
        ``"mean"`` or ``"variance"``: which moment of these is wanted.
    weight : ndarray, (n,)
        Of squared errors in their sum.
    kept : dict
        Sums over these samples that were made before, for another moment or weight.
    """

    teacher: np.ndarray
    paired: np.ndarray
    alone: np.ndarray
    kind: str
    weight: np.ndarray
    kept: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Repeats:
    """Squared errors of repeats, in the weighted sum over the values.

    Parameters
    ----------
    plain : ndarray, (J,)
        Of the teacher alone, the error of the truth taken off.
    corrected : dict of str to ndarray, (I,)
        Of every variant of the corrected estimate.
    truth : int
        Teacher's samples that every repeat was compared with, at least.
    expected : float
        What `plain` estimates: the variance of as many independent samples' mean, or variance.
    bias : dict of str to float
        Squared gap between the mean of a variant's repeats and the truth over what chance gives:
        1 where there is no bias.
    """

    plain: np.ndarray
    corrected: dict[str, np.ndarray]
    truth: int
    expected: float
    bias: dict[str, float] = field(default_factory=dict)


class Truth:
    """The teacher's answer from all of its samples but those on some noise.

    Parameters
    ----------
    values : Values
        Of which those of the teacher are taken.
    """

    def __init__(self, values: Values) -> None:
        x = values.teacher
        self._kind = values.kind
        self._x = x - x.mean(0)
        self._middle = x.mean(0)
        self._sums = [(self._x**power).sum(0) for power in (1, 2, 4)]
        self._cubes = (self._x**3).sum(0)

    def without(self, used: range) -> tuple[np.ndarray, np.ndarray, int]:
        """Return estimate and its variance, (n,) each, and the number of samples."""
        n = len(self._x) - len(used)
        first, second, fourth = (
            total - (self._x[used.start : used.stop] ** power).sum(0)
            for total, power in zip(self._sums, (1, 2, 4), strict=True)
        )
        mean = first / n
        variance = (second - n * mean**2) / (n - 1)
        if self._kind == "mean":
            return self._middle + mean, variance / n, n
        # the mean of so many samples is as good as known in the fourth moment
        spread = np.maximum(fourth / n - variance**2, 0.0) / n
        return variance, spread, n


def repeat(
    values: Values, plan: Plan, *, plain: int, slope: float, pilot: Plan | None = None
) -> Repeats:
    """Estimate again and again from samples that no other repeat has.

    Parameters
    ----------
    values : Values
        Of one scene.
    plan : Plan
        Pairs and students of a repeat.
    plain : int
        Samples of the teacher alone that take as long.
    slope : float
        That of the card.
    pilot : Plan, optional
        That of what is left after 8 pairs, which then give the slope and are left out.
    """
    truth = Truth(values)
    least = len(values.teacher)

    def error(estimate: np.ndarray, used: range) -> float:
        nonlocal least
        answer, variance, count = truth.without(used)
        least = min(least, count)
        return float((values.weight * ((estimate - answer) ** 2 - variance)).sum())

    alone = []
    for used in blocks(len(values.teacher), plain):
        x = values.teacher[used.start : used.stop]
        estimate = x.mean(0) if values.kind == "mean" else x.var(0, ddof=1)
        alone.append(error(estimate, used))
    found: dict[str, list[float]] = {}
    totals: dict[str, list[np.ndarray]] = {}
    for used, both, _ in streams(values, plan):
        for name, estimate in variants(both, values.kind, slope).items():
            found.setdefault(name, []).append(error(estimate, used))
            totals.setdefault(name, []).append(estimate)
    if pilot is not None:
        for used, both, first in streams(values, pilot, apart=PILOT):
            known = measure_pilot(first, estimator=ESTIMATORS[values.kind]).slope
            estimate = correct(
                ESTIMATORS[values.kind], both.pairs, both.students, ABOUT, slope=known
            ).value
            found.setdefault("8 pairs of pilot", []).append(error(estimate, used))
    corrected = {name: np.array(errors) for name, errors in found.items()}
    _, variance, count = truth.without(range(0))
    expected = float((values.weight * variance).sum()) * count / plain
    return Repeats(np.array(alone), corrected, least, expected, bias_of(values, totals))


def variants(both: TwoLevel, kind: str, slope: float) -> dict[str, np.ndarray]:
    """Return the estimates of the ways of weighting that are tried, (n,) each.

    The slope of the card is that of deviations; of squared deviations it is its square.
    """
    estimator = ESTIMATORS[kind]
    known = slope if kind == "mean" else slope**2
    ways = {
        "nested": {"slope": 1.0, "nested": True},
        "independent": {"slope": 1.0, "nested": False},
        "nested, slope of the card": {"slope": known, "nested": True},
    }
    return {
        name: correct(estimator, both.pairs, both.students, ABOUT, **way).value
        for name, way in ways.items()
    }


def streams(
    values: Values, plan: Plan, *, apart: int = 0
) -> list[tuple[range, TwoLevel, CoMoments]]:
    """Return the noise of the pairs of each repeat, its samples as the package keeps them.

    And those of the first pairs, `apart` in number, which are left out of the others.
    """
    key = (plan.pairs, plan.students, apart)
    if key not in values.kept:
        sets = zip(
            blocks(len(values.paired), plan.pairs + apart),
            blocks(len(values.alone), plan.students),
            strict=False,
        )
        values.kept[key] = [_fill(values, used, free, apart) for used, free in sets]
    return values.kept[key]


def _fill(
    values: Values, used: range, free: range, apart: int
) -> tuple[range, TwoLevel, CoMoments]:
    first, both = CoMoments(variables=2, order=4), TwoLevel(order=4)
    for k in used:
        pair = values.teacher[k], values.paired[k]
        (first.add if k < used.start + apart else both.add_pair)(*pair)
    for k in free:
        both.add_student(values.alone[k])
    return used, both, first


def blocks(count: int, size: int) -> Iterator[range]:
    """Yield disjoint ranges of a size, as many as there are."""
    return (range(n, n + size) for n in range(0, count - size + 1, size))


def bias_of(values: Values, totals: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """Return the squared gap of the mean of repeats and the truth over its expectation.

    The truth here is that of all samples of the teacher, whose pairs are in both, so that chance
    is estimated from the repeats alone: an upper bound, up to which 1 is unbiased.
    """
    answer, variance, _ = Truth(values).without(range(0))
    found = {}
    for name, estimates in totals.items():
        if len(estimates) < 2:
            continue
        each = np.array(estimates)
        chance = each.var(0, ddof=1) / len(each) + variance
        gap = (each.mean(0) - answer) ** 2
        found[name] = float((values.weight * gap).sum() / (values.weight * chance).sum())
    return found


def look_at(values: Values) -> Pilot:
    """Return the variances of one sample of what is averaged, weighted sums over the values."""
    if "all" not in values.kept:
        values.kept["all"] = CoMoments(variables=2, order=4)
        for pair in zip(values.teacher, values.paired, strict=False):
            values.kept["all"].add(*pair)
    moments = values.kept["all"]
    teacher, student, both = (
        moments.count * float((values.weight * estimate(moments, weights).variance).sum())
        for estimate in (ESTIMATORS[values.kind],)
        for weights in ((1.0, 0.0), (0.0, 1.0), (1.0, -1.0))
    )
    return Pilot(teacher, student, (teacher + student - both) / 2, pairs=moments.count)


def law(pilot: Pilot, plan: Plan, *, spent: float, slope: float = 1.0) -> float:
    """Return how many times more samples of the teacher alone the corrected estimate is worth.

    From the variances of one sample, students of pairs counted among the students.

    Parameters
    ----------
    pilot : Pilot
        Of the quantity, on the scene itself.
    plan : Plan
        Pairs and students.
    spent : float
        Time of the plan, in samples of the teacher.
    slope : float
        As `correct` takes it.
    """
    gained = 2 * slope * pilot.covariance - slope**2 * pilot.student
    variance = (pilot.teacher - gained) / plan.pairs + gained / (plan.pairs + plan.students)
    return float(pilot.teacher / spent / variance)


def gain(repeats: Repeats, variant: str, *, scale: float, single: bool) -> float:
    """Return how many times more samples of the teacher alone would have had the same error.

    Parameters
    ----------
    repeats : Repeats
        Of one scene.
    variant : str
        Of the corrected estimate.
    scale : float
        Squared error of as many samples as take the corrected one's time, over that measured.
    single : bool
        Whether there are so few values that the squared error of the teacher alone is better
        taken from the variance of all of its samples than from repeats.
    """
    plain = repeats.expected if single else repeats.plain.mean()
    return float(scale * plain / repeats.corrected[variant].mean())
