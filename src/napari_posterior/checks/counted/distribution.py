"""Whole distributions of a statistic: distances with permutation tests, and where they differ."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.finding import Finding, confidence, number, rounded
from napari_posterior.checks.intervals import delete_one
from napari_posterior.checks.two_sample import ecdf_gaps
from napari_posterior.errors import InputError

__all__ = [
    "FEWEST_FOR_QUANTILES",
    "QUANTILES",
    "Distance",
    "Distribution",
    "QuantileShift",
    "compare_distributions",
    "find_distribution",
]

QUANTILES: Final = (0.10, 0.25, 0.50, 0.75, 0.90)
"""Quantiles whose shifts are shown."""

FEWEST_FOR_QUANTILES: Final = 32
"""Samples of each run below which no quantile shifts are given."""

_RESAMPLES: Final = 1000
_TIE: Final = 1e-9  # relative: distances that are equal up to rounding
_FOR_A_VERDICT: Final = 300  # samples


@dataclass(frozen=True)
class Distance:
    """A distance between two distributions, against what labels dealt at random give.

    Parameters
    ----------
    value : float
        Between the samples of the two runs.
    by_chance : float
        Its mean over permutations of the labels.
    p_value : float
        ``(1 + #{D_b >= D}) / (B + 1)``; shown, and never decides.
    """

    value: float
    by_chance: float
    p_value: float

    @property
    def effect(self) -> float:
        """The distance beyond chance; about 0 for two runs of one model."""
        return self.value - self.by_chance


@dataclass(frozen=True)
class QuantileShift:
    """By how much a quantile of the student lies above the teacher's.

    Parameters
    ----------
    probability : float
        Which quantile.
    teacher, student : float
        Harrell-Davis estimates.
    shift : float
        Student minus teacher.
    low, high : float
        Pointwise bootstrap interval of the shift.
    """

    probability: float
    teacher: float
    student: float
    shift: float
    low: float
    high: float


@dataclass(frozen=True)
class Distribution:
    """How the distributions of one statistic differ between two runs.

    Parameters
    ----------
    wasserstein : Distance
        Wasserstein-1 distance, in the unit of the statistic.
    cramer_von_mises : Distance
        Cramér-von Mises statistic T, as ``scipy.stats.cramervonmises_2samp``.
    energy : Distance
        Energy distance, as ``scipy.stats.energy_distance``.
    permutations : int
        Labels dealt for these.
    greater : float
        P(h of a student sample > h of a teacher sample), ties half.
    greater_interval : tuple of float
        Its interval.
    quantiles : tuple of QuantileShift
        Empty below `FEWEST_FOR_QUANTILES` samples.
    level : float
        Confidence level of the intervals.
    """

    wasserstein: Distance
    cramer_von_mises: Distance
    energy: Distance
    permutations: int
    greater: float
    greater_interval: tuple[float, float]
    quantiles: tuple[QuantileShift, ...]
    level: float


def compare_distributions(
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    paired: bool,
    level: float = 0.90,
    seed: int = 0,
    permutations: int = 999,
) -> Distribution:
    """Compare the distributions of a statistic over samples.

    Permutations serve counts as well as continuous values; asymptotic p-values lose power with
    ties. Of pairs the labels are exchanged within each pair.

    Parameters
    ----------
    teacher, student : ndarray, (K_T,) and (K_S,)
        The statistic of every sample, finite; in pairs, the same length.
    paired : bool
        Whether sample i of both runs share their noise.
    level : float
        Confidence level of the intervals.
    seed : int
        Of the permutations and the bootstrap.
    permutations : int
        Labels dealt.

    Returns
    -------
    Distribution

    Raises
    ------
    InputError
        If a run has fewer than two values, one is not finite, or pairs are not complete.
    """
    t, s = _check(teacher, student, paired=paired)
    rng = np.random.default_rng(seed)
    own = np.arange(len(t) + len(s)) >= len(t)
    dealt = np.concatenate([own[None], _deal(len(t), len(s), permutations, rng, paired=paired)])
    moved, ranked, energy = map(_against_chance, _distances(np.concatenate([t, s]), dealt))
    greater, interval = _greater(t, s, level=level, paired=paired)
    return Distribution(
        wasserstein=moved,
        cramer_von_mises=ranked,
        energy=energy,
        permutations=permutations,
        greater=greater,
        greater_interval=interval,
        quantiles=_shift_quantiles(t, s, rng, level=level, paired=paired),
        level=level,
    )


def find_distribution(
    key: str,
    title: str,
    unit: str,
    teacher: np.ndarray,
    student: np.ndarray,
    *,
    level: float,
    paired: bool,
    seed: int = 0,
    permutations: int = 999,
) -> Finding:
    """Describe how the distribution of a statistic differs between two runs; without a verdict.

    Parameters
    ----------
    key, title, unit : str
        Identifier of the statistic, the same in words, its unit.
    teacher, student, level, paired, seed, permutations
        As in `compare_distributions`.

    Returns
    -------
    Finding
        The estimate is the Wasserstein-1 distance beyond chance, the p-value that of the energy
        distance; ``extra`` holds the rest, with ``"quantiles"`` in rows for a plot.
    """
    found = compare_distributions(
        teacher, student, paired=paired, level=level, seed=seed, permutations=permutations
    )
    moved = found.wasserstein
    word = f" {unit}" if unit else ""
    greater, span = rounded(
        100 * found.greater, (100 * found.greater_interval[0], 100 * found.greater_interval[1])
    )
    sentence = (
        f"On this image the distributions of the {title} lie {number(moved.value, 2)}{word} apart; "
        f"two groups dealt at random from the same samples, {number(moved.by_chance, 2)}{word}. A "
        f"student sample has the larger value in {greater} % of cases, ties counted half "
        f"({confidence(level)} interval {span} %)."
    )
    return Finding(
        id=f"{key}.distribution",
        title=f"{title}, distribution",
        question="task",
        estimand="Wasserstein-1 distance − its mean over permutations",
        unit=unit,
        estimate=moved.effect,
        interval=(None, None),
        level=level,
        method=f"{permutations} {'exchanges within pairs' if paired else 'permutations'}",
        n_teacher=len(teacher),
        n_student=len(student),
        coupled=paired,
        sentence=sentence,
        p_value=found.energy.p_value,
        p_method=f"energy distance, {permutations} permutations",
        notes=(
            "A verdict on the whole distribution is not offered below about "
            f"{_FOR_A_VERDICT} samples of each run.",
        ),
        extra=_to_extra(found),
    )


def _to_extra(found: Distribution) -> dict[str, Any]:
    extra: dict[str, Any] = {
        "greater": found.greater,
        "greater_interval": found.greater_interval,
        "quantiles": [vars(one) for one in found.quantiles],
    }
    for name in ("wasserstein", "cramer_von_mises", "energy"):
        one: Distance = getattr(found, name)
        extra[name] = {**vars(one), "effect": one.effect}
    return extra


def _check(
    teacher: np.ndarray, student: np.ndarray, *, paired: bool
) -> tuple[np.ndarray, np.ndarray]:
    t, s = (np.asarray(given, np.float64) for given in (teacher, student))
    if t.ndim != 1 or s.ndim != 1 or min(len(t), len(s)) < 2:
        raise InputError("a distribution needs two values of each run or more; draw more samples")
    if not (np.isfinite(t).all() and np.isfinite(s).all()):
        raise InputError("a value of the statistic is not finite; leave its sample out")
    if paired and len(t) != len(s):
        raise InputError(
            f"{len(t)} teacher and {len(s)} student values do not make pairs; give as many of both"
        )
    # one order for all inputs, so that the labels dealt do not depend on that of the samples
    order = (np.lexsort((s, t)),) * 2 if paired else (np.argsort(t), np.argsort(s))
    return t[order[0]], s[order[1]]


def _deal(
    n_teacher: int, n_student: int, count: int, rng: np.random.Generator, *, paired: bool
) -> np.ndarray:
    """Say who is called student, (count, K_T + K_S) bool."""
    if paired:
        first = rng.random((count, n_teacher)) < 0.5
        return np.concatenate([first, ~first], axis=1)
    own = np.arange(n_teacher + n_student) >= n_teacher
    return np.asarray(rng.permuted(np.tile(own, (count, 1)), axis=1))


def _distances(values: np.ndarray, dealt: np.ndarray) -> list[np.ndarray]:
    """Return Wasserstein-1, Cramér-von Mises and energy distance of each row of labels, (B,).

    The definitions are SciPy's: with the empirical distribution functions F and G the integrals of
    ``|F - G|`` and, for the energy, the root of twice that of ``(F - G)^2``; for Cramér-von Mises
    T of Anderson (1962), Ann. Math. Stat. 33:1148, from ranks, of ties the middle one.
    """
    gap, steps = ecdf_gaps(values, dealt)
    student = dealt[:, np.argsort(values, kind="stable")]
    ranks = np.sort(stats.rankdata(values))
    n = int(student[0].sum())
    m = len(values) - n
    off = [np.square(ranks - np.cumsum(of, axis=1)) for of in (student, ~student)]
    u = n * np.where(student, off[0], 0.0).sum(1) + m * np.where(student, 0.0, off[1]).sum(1)
    return [
        np.abs(gap) @ steps,
        u / (n * m * (n + m)) - (4 * n * m - 1) / (6 * (n + m)),
        np.sqrt(2 * np.square(gap) @ steps),
    ]


def _against_chance(values: np.ndarray) -> Distance:
    """Compare the first value with the others."""
    value, dealt = float(values[0]), values[1:]
    beyond = int((dealt >= value - _TIE * max(abs(value), _TIE)).sum())
    return Distance(value, float(dealt.mean()), (1 + beyond) / (1 + len(dealt)))


def _greater(
    t: np.ndarray, s: np.ndarray, *, level: float, paired: bool
) -> tuple[float, tuple[float, float]]:
    """Estimate P(h_S > h_T) with ties half, for independent samples whether or not in pairs.

    The interval is the wider at either end of two. The score interval with the variance of Hanley
    & McNeil (Newcombe 2006, Stat. Med. 25:559, method 5) holds near 0 and 1 and for few distinct
    values, but not for runs of very different spread; the t interval of the placements (Brunner &
    Munzel 2000, Biom. J. 42:17), or of pairs left out, the other way round.
    """
    wins = (np.sign(s[:, None] - t[None, :]) + 1) / 2
    if paired:
        np.fill_diagonal(wins, np.nan)  # a sample and its partner are not independent
    share = float(np.nanmean(wins))
    ends = [_score_interval(share, len(t), len(s), level)]
    if not paired:
        ends.append(_placement_interval(wins, share, level))
    elif len(t) > 2:
        lost = np.nansum(wins, axis=0) + np.nansum(wins, axis=1)
        without = (np.nansum(wins) - lost) / ((len(t) - 1) * (len(t) - 2))
        low, high = delete_one(share, without, level=level, method="").interval
        ends.append((share if low is None else low, share if high is None else high))
    lows, highs = zip(*ends, strict=True)
    return share, (max(min(lows), 0.0), min(max(highs), 1.0))


def _placement_interval(wins: np.ndarray, share: float, level: float) -> tuple[float, float]:
    """Return the t interval from the share of the other run that each sample exceeds."""
    parts = [float(np.var(wins.mean(axis), ddof=1)) / wins.shape[1 - axis] for axis in (0, 1)]
    variance = sum(parts)
    if not variance > 0:
        return share, share
    bottom = sum(p**2 / (k - 1) for p, k in zip(parts, wins.shape[::-1], strict=True))
    reach = float(stats.t.isf((1 - level) / 2, variance**2 / bottom)) * math.sqrt(variance)
    return share - reach, share + reach


def _score_interval(share: float, m: int, n: int, level: float) -> tuple[float, float]:
    """Return where ``(share - p)^2 = z^2 V(p)``."""
    from scipy.optimize import brentq

    z, half = float(stats.norm.isf((1 - level) / 2)), (m + n) / 2 - 1

    def beyond(p: float) -> float:
        v = p * (1 - p) * (1 + half * ((1 - p) / (2 - p) + p / (1 + p))) / (m * n)
        return float((share - p) ** 2 - z**2 * v)

    # at 0 and 1 themselves it is no more than a double root
    low = 0.0 if share <= 0 else float(brentq(beyond, 0.0, min(share, 1 - _TIE)))
    high = 1.0 if share >= 1 else float(brentq(beyond, max(share, _TIE), 1.0))
    return low, high


def _shift_quantiles(
    t: np.ndarray, s: np.ndarray, rng: np.random.Generator, *, level: float, paired: bool
) -> tuple[QuantileShift, ...]:
    """Estimate quantile shifts with a percentile bootstrap over samples, or over pairs."""
    if min(len(t), len(s)) < FEWEST_FOR_QUANTILES:
        return ()
    weights = [_quantile_weights(len(v)) for v in (t, s)]
    picks = [rng.integers(0, len(v), (_RESAMPLES, len(v))) for v in (t, s)]
    if paired:
        picks[1] = picks[0]
    drawn = [np.sort(v[p], axis=1) @ w.T for v, p, w in zip((t, s), picks, weights, strict=True)]
    tail = (1 - level) / 2
    low, high = np.quantile(drawn[1] - drawn[0], [tail, 1 - tail], axis=0)
    of_t, of_s = (w @ np.sort(v) for v, w in zip((t, s), weights, strict=True))
    columns = zip(QUANTILES, of_t, of_s, of_s - of_t, low, high, strict=True)
    return tuple(QuantileShift(*map(float, row)) for row in columns)


def _quantile_weights(count: int) -> np.ndarray:
    """Return the weights of the sorted values in the Harrell-Davis quantiles, (5, count).

    SciPy's estimate is linear in the sorted values, so that steps of 0 and 1 tell its weights and
    a bootstrap needs no call for each resample.
    """
    from scipy.stats.mstats import hdquantiles

    sums = np.asarray(hdquantiles(np.tri(count), prob=QUANTILES, axis=0), np.float64)
    return -np.diff(sums, axis=1, append=0.0)
