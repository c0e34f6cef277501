"""The largest variations of the teacher's samples, and how wide the student's are along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.detail import Detail
from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.gram import centred, group
from napari_posterior.checks.intervals import jackknife_log_ratio, leave_one_out_total
from napari_posterior.checks.verdicts.looks import FEWEST

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram
    from napari_posterior.checks.intervals import Estimate

__all__ = ["LEADING", "Leading", "compare_leading", "find_leading"]

LEADING: Final = 5
"""Directions that are compared."""

_NOTHING: Final = 1e-9  # of the largest variance: a direction of less is rounding


@dataclass(frozen=True)
class Leading:
    """Ratio of the standard deviations along the leading directions of the teacher.

    Parameters
    ----------
    together : Estimate
        Of the variances along all of them, student / teacher.
    each : tuple of Estimate
        The same along each, from the largest variation on.
    shares : tuple of float
        Of the teacher's total variance, along each.
    """

    together: Estimate
    each: tuple[Estimate, ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class _Cut:
    """Variances along the directions that one half of the teacher's samples chose.

    Parameters
    ----------
    teacher, student : tuple of ndarray, (k,) and (n, k)
        Of all samples that are measured, and without each.
    """

    teacher: tuple[np.ndarray, np.ndarray]
    student: tuple[np.ndarray, np.ndarray]


def compare_leading(gram: Gram, *, level: float, paired: bool) -> Leading | None:
    """Compare variances along principal directions that other teacher samples have chosen.

    The samples that choose directions happen to vary most along them, so that any others vary less.
    So one half of the teacher's samples chooses, the other half and the student are measured; then
    the other way round, and variances are averaged.

    Parameters
    ----------
    gram : Gram
        Of both runs.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise: then the student's samples that are
        measured are the partners of the teacher's, as those of the others vary with the choice.

    Returns
    -------
    Leading or None
        None with fewer than 16 samples of a run, or where the teacher's vary in fewer directions.

    Notes
    -----
    With C the centred Gram matrix of a half, ``C v = l v``, and g the inner products of a sample
    with that half, the sample lies at ``g v / sqrt(l)`` along the direction. Every second sample
    makes one half. The jackknife leaves each sample out of everything, of the choice too.
    """
    m, n = gram.n_teacher, gram.n_student
    if min(m, n) < FEWEST:
        return None
    halves = np.arange(0, m, 2), np.arange(1, m, 2)
    students = tuple(m + (half if paired else np.arange(n)) for half in halves)
    cuts = [_cut(gram.matrix, halves[1 - h], halves[h], students[h]) for h in (0, 1)]
    if cuts[0] is None or cuts[1] is None:
        return None
    first, second = cuts[0], cuts[1]
    whole = [(getattr(first, r)[0] + getattr(second, r)[0]) / 2 for r in ("teacher", "student")]
    dropped = np.empty((2, m, LEADING))
    for i in range(m):
        own, place = i % 2, i // 2
        measured = (first, second)[own]
        anew = _cut(gram.matrix, np.delete(halves[own], place), halves[1 - own], students[1 - own])
        if anew is None:
            return None
        partner = measured.student[1][place] if paired else measured.student[0]
        dropped[0, i] = (measured.teacher[1][place] + anew.teacher[0]) / 2
        dropped[1, i] = (partner + anew.student[0]) / 2
    others = None if paired else (first.student[1] + second.student[1]) / 2

    def compare(columns: slice) -> Estimate:
        teacher, student = (float(one[columns].sum()) for one in whole)
        ratios = dropped[1, :, columns].sum(1) / dropped[0, :, columns].sum(1)
        without = None if others is None else others[:, columns].sum(1)
        return _jackknife(student / teacher, ratios, without, student, level=level)

    total = group(gram.matrix[:m, :m]).total_variance
    return Leading(
        together=compare(slice(None)),
        each=tuple(compare(slice(k, k + 1)) for k in range(LEADING)),
        shares=tuple(float(one) / total for one in whole[0]),
    )


def find_leading(gram: Gram, *, level: float, paired: bool) -> list[Finding]:
    """Say how wide the student's samples are along the teacher's largest variations.

    Parameters
    ----------
    gram, level, paired
        As for `compare_leading`.

    Returns
    -------
    list of Finding
        ``"leading"``, an estimate without a verdict: the ratio of the standard deviations along the
        5 directions together; empty where `compare_leading` has nothing.
    """
    found = compare_leading(gram, level=level, paired=paired)
    if found is None or found.together.value is None:
        return []
    value, interval = _root(found.together)
    written, ends = rounded(value, interval)
    share = sum(found.shares)
    rows = []
    for place, (one, part) in enumerate(zip(found.each, found.shares, strict=True), start=1):
        sd, (low, high) = _root(one)
        rows.append((f"variation {place}", 100 * part, sd, low, high))
    ends_words = f"{confidence(level)} interval"
    table = Detail(
        "Along each of the teacher's largest variations",
        (
            "direction",
            "% of the teacher's variance",
            "SD, student / teacher",
            f"{ends_words}, from",
            "to",
        ),
        tuple(rows),
        "Directions are chosen by one half of the teacher's samples and measured on the other half "
        "and on the student, both ways round. No verdict rests on these.",
    )
    finding = Finding(
        id="leading",
        title="largest variations",
        estimand=f"SD of student / SD of teacher along the {LEADING} leading principal directions "
        "of other teacher samples",
        unit="",
        estimate=value,
        interval=interval,
        level=level,
        method=f"two halves of the teacher's samples, {found.together.method}",
        n_teacher=gram.n_teacher,
        n_student=gram.n_student,
        coupled=paired,
        sentence=(
            f"On this image, along the {LEADING} largest variations of the teacher's samples, which"
            f" hold {percent(share, 1)} of their variance, the student's samples spread {written} "
            f"times as wide ({ends_words} {ends})."
        ),
        no_difference=1.0,
        question="variance",
        extra={"teacher_share": share, **table.to_extra()},
    )
    return [finding]


def _cut(
    matrix: np.ndarray, choose: np.ndarray, measured: np.ndarray, student: np.ndarray
) -> _Cut | None:
    """Measure variances along directions; None where there are fewer than `LEADING`."""
    from scipy.linalg import eigh

    inner = centred(matrix[np.ix_(choose, choose)])
    count = len(choose)
    values, vectors = eigh(inner, subset_by_index=(count - LEADING, count - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    if not values[-1] > _NOTHING * values[0]:
        return None
    along = vectors / np.sqrt(values)

    def measure(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        places = matrix[np.ix_(rows, choose)] @ along
        both = [leave_one_out_total(one) for one in np.square(places - places.mean(0)).T]
        totals, without = zip(*both, strict=True)
        return np.array(totals), np.stack(without, axis=1)

    return _Cut(measure(measured), measure(student))


def _jackknife(
    ratio: float, teacher: np.ndarray, student: np.ndarray | None, whole: float, *, level: float
) -> Estimate:
    """Estimate a ratio of variances from those without each teacher sample, or each pair.

    A teacher sample moves both variances, by the directions; so its ratios stand for the teacher's
    side, and the student's own variance, where it is left out by itself, for the other.
    """
    if student is None:
        ones = np.ones(len(teacher))
        return jackknife_log_ratio((1.0, ones), (ratio, teacher), level=level, paired=True)
    if not (ratio > 0 and (teacher > 0).all()):
        ones = np.ones(len(teacher))
        return jackknife_log_ratio((1.0, ones), (0.0, 0 * student), level=level, paired=False)
    return jackknife_log_ratio(
        (1 / ratio, 1 / teacher), (1.0, student / whole), level=level, paired=False
    )


def _root(squared: Estimate) -> tuple[float | None, tuple[float | None, float | None]]:
    """Turn a ratio of variances into that of standard deviations."""
    low, high = (None if end is None else math.sqrt(end) for end in squared.interval)
    return None if squared.value is None else math.sqrt(squared.value), (low, high)
