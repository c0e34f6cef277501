"""Medians and ratios of a statistic, with bias-corrected and accelerated bootstrap intervals."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, number, rounded
from napari_posterior.checks.intervals import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FEWEST_FOR_BOOTSTRAP", "bootstrap", "find_median"]

FEWEST_FOR_BOOTSTRAP: Final = 32
"""Samples of each run below which resampling them tells too little."""

_RESAMPLES: Final = 2000
_CLEAR: Final = 4.0  # standard errors by which a mean is away from 0, for a ratio to it


def bootstrap(
    teacher: np.ndarray,
    student: np.ndarray,
    measure: Callable[..., Any],
    *,
    level: float,
    paired: bool,
    seed: int = 0,
) -> Estimate:
    """Estimate a number of two runs with a bias-corrected and accelerated bootstrap interval.

    Efron (1987), J. Am. Stat. Assoc. 82:171, with 2000 resamples, by ``scipy.stats.bootstrap``.

    Parameters
    ----------
    teacher, student : ndarray, (K,)
        The statistic of every sample, finite; in pairs, the same length.
    measure : callable
        ``measure(teacher, student, axis=-1)`` of arrays with further axes before.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise: then pairs are drawn.
    seed : int
        Of the resamples.

    Returns
    -------
    Estimate
        Without an interval below 32 samples of a run. Where no sample moves the number when it is
        left out, as often with medians of counts, there is nothing to correct by: the percentile
        interval, perhaps of no width.
    """
    from scipy import stats

    t, s = (np.asarray(run, np.float64) for run in (teacher, student))
    # one order for all inputs, so that what is drawn does not depend on that of the samples
    order = (np.lexsort((s, t)),) * 2 if paired else (np.argsort(t), np.argsort(s))
    t, s = t[order[0]], s[order[1]]
    value = float(measure(t, s, axis=-1))
    method = f"BCa bootstrap of {'pairs' if paired else 'samples'}, {_RESAMPLES} resamples"
    if min(len(t), len(s)) < FEWEST_FOR_BOOTSTRAP:
        return Estimate(value, (None, None), math.nan, math.nan, method)
    with warnings.catch_warnings():
        # told by the NaN below
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.bootstrap(
            (t, s),
            measure,
            n_resamples=_RESAMPLES,
            confidence_level=level,
            method="BCa",
            paired=paired,
            vectorized=True,
            rng=np.random.default_rng(seed),
        )
    low, high = (float(end) for end in found.confidence_interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        tail = (1 - level) / 2
        low, high = map(float, np.quantile(found.bootstrap_distribution, [tail, 1 - tail]))
        method = method.replace("BCa", "percentile")
    return Estimate(value, (low, high), float(found.standard_error), math.nan, method)


def find_median(
    key: str,
    title: str,
    unit: str,
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    level: float,
    paired: bool,
    seed: int = 0,
) -> Finding | None:
    """Compare the medians of a statistic, and its means as a ratio; without a verdict.

    Parameters
    ----------
    key, title, unit : str
        Identifier of the statistic, the same in words, its unit.
    teacher, student, level, paired, seed
        As for `bootstrap`.

    Returns
    -------
    Finding or None
        ``"<key>.median"``, student's median less the teacher's; the ratio of the means is in
        ``extra``, where the teacher's is away from 0 by 4 standard errors. None below 32 samples of
        a run.
    """
    if min(len(teacher), len(student)) < FEWEST_FOR_BOOTSTRAP:
        return None
    words = {"level": level, "paired": paired, "seed": seed}
    estimate = bootstrap(teacher, student, _median_gap, **words)  # type: ignore[arg-type]
    medians = float(np.median(teacher)), float(np.median(student))
    word = f" {unit}" if unit else ""
    written, ends = rounded(estimate.value, estimate.interval, sign=True)
    span = f"{confidence(level)} interval {ends}"
    if estimate.interval[0] == estimate.interval[1]:
        span = "resampling never moves it"
    sentence = (
        f"On this image the median {title} is {number(medians[1])}{word} over student samples and "
        f"{number(medians[0])} over teacher samples: a difference of {written} ({span})."
    )
    mean, se = float(np.mean(teacher)), float(np.std(teacher, ddof=1)) / math.sqrt(len(teacher))
    extra: dict[str, Any] = {"teacher_median": medians[0], "student_median": medians[1]}
    if abs(mean) > _CLEAR * se:
        ratio = bootstrap(teacher, student, _mean_ratio, **words)  # type: ignore[arg-type]
        extra |= {"mean_ratio": ratio.value, "mean_ratio_interval": ratio.interval}
        written, ends = rounded(ratio.value, ratio.interval)
        sentence += (
            f" The student's mean is {written} times the teacher's ({confidence(level)} interval "
            f"{ends})."
        )
    return Finding(
        id=f"{key}.median",
        title=f"{title}, median",
        question="task",
        estimand="median over student samples − median over teacher samples",
        unit=unit,
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        extra={"se": estimate.se, **extra},
    )


def _median_gap(teacher: np.ndarray, student: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.median(student, axis=axis) - np.median(teacher, axis=axis))


def _mean_ratio(teacher: np.ndarray, student: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(np.mean(student, axis=axis) / np.mean(teacher, axis=axis))
