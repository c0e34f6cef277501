"""Counts out of K samples: intervals of a proportion and of a difference, and a test of it."""

from __future__ import annotations

import numpy as np
from scipy import stats

from napari_posterior.errors import InputError

__all__ = [
    "fisher_mid_p",
    "mcnemar_mid_p",
    "newcombe_interval",
    "paired_interval",
    "wilson_interval",
]

_TIE = 1 + 1e-7  # tables as probable as the observed one, up to rounding


def wilson_interval(
    count: np.ndarray | int, total: np.ndarray | int, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 209, 1927).

    With ``p = count / total`` and z the normal quantile of `level` the ends are

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).

    It is ``scipy.stats.binomtest(...).proportion_ci(method="wilson")`` for whole arrays.

    Parameters
    ----------
    count, total : ndarray or int
        Successes and trials; they broadcast.
    level : float
        Confidence level.

    Returns
    -------
    tuple of ndarray, float64
        Lower and upper ends; 0 and 1 where there are no trials.

    Raises
    ------
    InputError
        If a count is below 0 or above its total, or the level is not between 0 and 1.
    """
    k, n = _check(count, total)
    z = _quantile(level)
    trials = np.maximum(n, 1.0)
    p = k / trials
    centre = p + z**2 / (2 * trials)
    reach = z * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    low, high = ((centre + sign * reach) / (1 + z**2 / trials) for sign in (-1, 1))
    # At the ends the formula gives 0 and 1 up to rounding only.
    low = np.where(k == 0, 0.0, np.clip(low, 0.0, 1.0))
    high = np.where(k == n, 1.0, np.clip(high, 0.0, 1.0))
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def newcombe_interval(
    count: np.ndarray | int,
    total: np.ndarray | int,
    reference_count: np.ndarray | int,
    reference_total: np.ndarray | int,
    *,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of ``count / total - reference_count / reference_total``.

    The hybrid score interval for two independent proportions, method 10 of R. G. Newcombe,
    Statistics in Medicine 17, 873 (1998). With the `wilson_interval` (l, u) of each proportion p
    the ends of the interval of ``d = p1 - p0`` are

        d - sqrt((p1 - l1)^2 + (u0 - p0)^2),    d + sqrt((u1 - p1)^2 + (p0 - l0)^2).

    Of samples in pairs that share their noise and go along with each other it is too wide.

    Parameters
    ----------
    count, total, reference_count, reference_total : ndarray or int
        Successes and trials of both groups; they broadcast.
    level : float
        Confidence level.

    Returns
    -------
    tuple of ndarray, float64
        Lower and upper ends; -1 and 1 where a group has no trials.

    Raises
    ------
    InputError
        If a count is below 0 or above its total, or the level is not between 0 and 1.
    """
    ends, shares = [], []
    for k, n in (_check(count, total), _check(reference_count, reference_total)):
        ends.append(wilson_interval(k, n, level=level))
        shares.append(k / np.maximum(n, 1.0))
    (low1, high1), (low0, high0) = ends
    p1, p0 = shares
    low = p1 - p0 - np.hypot(p1 - low1, high0 - p0)
    high = p1 - p0 + np.hypot(high1 - p1, p0 - low0)
    known = (np.asarray(total) > 0) & (np.asarray(reference_total) > 0)
    return np.where(known, low, -1.0), np.where(known, high, 1.0)


def fisher_mid_p(
    count: np.ndarray, total: int, reference_count: np.ndarray, reference_total: int
) -> np.ndarray:
    """Return the two-sided mid-p value of Fisher's test that two proportions are equal.

    The summed probability of all tables with the same margins that are less probable than the
    observed one, and half of that of the equally probable ones (A. Agresti, Categorical Data
    Analysis, 3rd ed., 3.5.4). Its size stays near the nominal one, where that of the exact test
    is half of it: 5.0 % at most at 16 or 32 trials each. It is 1/2 where only one table is
    possible.

    Parameters
    ----------
    count, reference_count : ndarray of int, (n,)
        Successes of both groups.
    total, reference_total : int
        Trials of both groups.

    Returns
    -------
    ndarray, (n,) float64

    Raises
    ------
    InputError
        If a count is below 0 or above its total.
    """
    k, reference = (np.asarray(given, np.int64) for given in (count, reference_count))
    _check(k, total)
    _check(reference, reference_total)
    successes = k + reference
    found = np.empty(len(successes))
    for number in np.unique(successes).tolist():
        # The tables that share the margins of the observed one.
        first = max(0, number - reference_total)
        tables = np.arange(first, min(number, total) + 1)
        chance = stats.hypergeom.pmf(tables, total + reference_total, number, total)
        ranked = np.sort(chance)
        below = np.concatenate([[0.0], np.cumsum(ranked)])
        here = successes == number
        own = chance[k[here] - first]
        fewer = below[np.searchsorted(ranked, own / _TIE)]
        upto = below[np.searchsorted(ranked, own * _TIE, side="right")]
        found[here] = (fewer + upto) / 2
    return np.clip(found, 0.0, 1.0)


def mcnemar_mid_p(lost: np.ndarray, won: np.ndarray) -> np.ndarray:
    """Return the two-sided mid-p value that two proportions of paired trials are equal.

    Of n pairs whose trials differ, each way is as probable: ``2 P(X <= min(lost, won)) - P(X =
    lost)`` with X binomial of n and 1/2 (M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical
    Research Methodology 13, 91, 2013). Pairs that agree say nothing, so that runs that go along
    with each other are told apart by few pairs. It is 1 where all pairs agree.

    Parameters
    ----------
    lost, won : ndarray of int, (n,)
        Pairs with a success of the first alone, and of the second alone.

    Returns
    -------
    ndarray, (n,) float64

    Raises
    ------
    InputError
        If a count is below 0.
    """
    first, second = (np.asarray(given, np.int64) for given in (lost, won))
    _check(first, first + second)
    both = first + second
    tail = 2 * stats.binom.cdf(np.minimum(first, second), both, 0.5)
    return np.asarray(np.clip(tail - stats.binom.pmf(first, both, 0.5), 0.0, 1.0))


def paired_interval(
    lost: np.ndarray, won: np.ndarray, pairs: int, *, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return an interval of the second proportion minus the first, of trials in pairs.

    The difference is the share w of pairs won less the share v of pairs lost. With the
    `wilson_interval` (l, u) of each and their correlation ``c = -sqrt(v w / ((1 - v) (1 - w)))`` in
    a multinomial the ends are those of G. Y. Zou and A. Donner, Statistics in Medicine 27, 1693
    (2008),

        w - v - sqrt((w - lw)^2 + (uv - v)^2 - 2 c (w - lw) (uv - v)),
        w - v + sqrt((uw - w)^2 + (v - lv)^2 - 2 c (uw - w) (v - lv)).

    With no pair lost or won it has a width of its own, where formulas with the estimated
    correlation of the two samples have none.

    Parameters
    ----------
    lost, won : ndarray of int, (n,)
        Pairs with a success of the first alone, and of the second alone.
    pairs : int
        All pairs.
    level : float
        Confidence level.

    Returns
    -------
    tuple of ndarray, float64
        Lower and upper ends; -1 and 1 without pairs.

    Raises
    ------
    InputError
        If a count is below 0 or both together above `pairs`, or the level is not between 0 and 1.
    """
    first, second = (np.asarray(given, np.float64) for given in (lost, won))
    _check(first, pairs)
    _check(first + second, pairs)
    if pairs < 1:
        return np.full(first.shape, -1.0), np.full(first.shape, 1.0)
    v, w = first / pairs, second / pairs
    (low_v, high_v), (low_w, high_w) = (
        wilson_interval(k, pairs, level=level) for k in (first, second)
    )
    # where all pairs go one way there are none that go the other
    rest = np.where((v < 1) & (w < 1), (1 - v) * (1 - w), 1.0)
    c = -np.sqrt(v * w / rest)
    down = np.hypot(w - low_w, high_v - v) ** 2 - 2 * c * (w - low_w) * (high_v - v)
    up = np.hypot(high_w - w, v - low_v) ** 2 - 2 * c * (high_w - w) * (v - low_v)
    low, high = w - v - np.sqrt(down), w - v + np.sqrt(up)
    return np.asarray(np.maximum(low, -1.0)), np.asarray(np.minimum(high, 1.0))


def _check(count: np.ndarray | int, total: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Return count and total as float64 arrays of one shape."""
    k, n = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(total, np.float64))
    if not ((k >= 0) & (k <= n)).all():
        raise InputError("a count is below 0 or above its total; give counts out of that many")
    return k, n


def _quantile(level: float) -> float:
    """Return the normal quantile of a two-sided confidence level."""
    if not 0 < level < 1:
        raise InputError(f"the confidence level is {level}; give a number between 0 and 1")
    return float(stats.norm.isf((1 - level) / 2))
