"""Puncta against known ones: whether a probability of 70 % comes out in 7 of 10."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.proportions import wilson_interval
from napari_posterior.statistics.sites import Radius, Sites, match_points

__all__ = [
    "Outcomes",
    "Reliability",
    "fair_brier",
    "fair_crps",
    "judge_sites",
    "reliability",
]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Probabilities of puncta and whether they are there.

    Parameters
    ----------
    teacher, student : ndarray, (n,)
        Share of each run's samples that have a punctum; 0 of a known one that no sample has.
    there : ndarray, (n,) bool
        Whether one is known there.
    n_teacher, n_student : int
        Samples of each run.
    missed : int
        Known puncta that no sample of either run has.
    """

    teacher: np.ndarray
    student: np.ndarray
    there: np.ndarray
    n_teacher: int
    n_student: int
    missed: int


def judge_sites(sites: Sites, known: np.ndarray, radius: Radius | None = None) -> Outcomes:
    """Match the sites of both runs with known puncta, one to one.

    Parameters
    ----------
    sites : Sites
        Pooled over the samples of both runs.
    known : ndarray, (m, d)
        Positions of the known puncta in pixels.
    radius : float or sequence of float, optional
        In pixels; by default that of the sites.
    """
    reach = sites.radius if radius is None else radius
    matched = match_points(np.asarray(known, np.float64), sites.positions, reach)
    there = np.zeros(len(sites), bool)
    there[matched[matched >= 0]] = True
    missed = int((matched < 0).sum())
    shares = [
        np.concatenate([one.mean(0) if len(one) else np.zeros(len(sites)), np.zeros(missed)])
        for one in (sites.teacher, sites.student)
    ]
    return Outcomes(
        teacher=shares[0],
        student=shares[1],
        there=np.concatenate([there, np.ones(missed, bool)]),
        n_teacher=len(sites.teacher),
        n_student=len(sites.student),
        missed=missed,
    )


@dataclass(frozen=True, eq=False)
class Reliability:
    """How often puncta of like probability are there.

    Parameters
    ----------
    probability, found : ndarray, (b,)
        Mean probability of each bin, and the share that is there; NaN of an empty bin.
    low, high : ndarray, (b,)
        Wilson interval of the share.
    count : ndarray, (b,) int64
        Sites of each bin.
    edges : ndarray, (b + 1,)
        Of the bins.
    """

    probability: np.ndarray
    found: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    edges: np.ndarray


def reliability(
    probability: np.ndarray, there: np.ndarray, *, bins: int = 5, level: float = 0.95
) -> Reliability:
    """Return the reliability diagram of probabilities.

    Parameters
    ----------
    probability : ndarray, (n,)
        From 0 to 1.
    there : ndarray, (n,) bool
        Whether each came out.
    bins : int
        Of equal width.
    level : float
        Of the intervals, which take the sites as independent.

    Raises
    ------
    InputError
        If a probability is not between 0 and 1.
    """
    p = _check(probability)
    edges = np.linspace(0, 1, bins + 1)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    hits = np.bincount(place[np.asarray(there, bool)], minlength=bins)
    low, high = wilson_interval(hits, count, level=level)
    with np.errstate(invalid="ignore"):
        mean, share = np.bincount(place, p, bins) / count, hits / count
    return Reliability(mean, share, low, high, count, edges)


def fair_brier(probability: np.ndarray, there: np.ndarray, samples: int) -> np.ndarray:
    """Return the fair Brier score of each site, (n,): small is good.

    ``(p - o)^2 - p (1 - p) / (K - 1)``, Ferro (2014), Q. J. R. Meteorol. Soc. 140:1917. Its mean
    does not depend on K, where the plain score punishes few samples.

    Parameters
    ----------
    probability : ndarray, (n,)
        Share of K samples.
    there : ndarray, (n,) bool
        Whether each came out.
    samples : int
        K, 2 or more.

    Raises
    ------
    InputError
        If there are fewer than 2 samples, or a probability is not between 0 and 1.
    """
    p = _check(probability)
    _check_samples(samples)
    return np.asarray((p - np.asarray(there, np.float64)) ** 2 - p * (1 - p) / (samples - 1))


def fair_crps(values: np.ndarray, known: np.ndarray | float) -> np.ndarray:
    """Return the fair continuous ranked probability score of a number of every sample.

    ``mean |x_i - y| - sum_ij |x_i - x_j| / (2 K (K - 1))``, Ferro (2014); in the unit of the
    number, and its mean does not depend on K.

    Parameters
    ----------
    values : ndarray, (K, ...)
        Of K samples, 2 or more.
    known : ndarray, (...), or float
        The known number.

    Returns
    -------
    ndarray, (...)

    Raises
    ------
    InputError
        If there are fewer than 2 samples.
    """
    x = np.sort(np.asarray(values, np.float64), axis=0)
    count = len(x)
    _check_samples(count)
    # sum over i < j of x_j - x_i of sorted values
    weights = (2 * np.arange(count) - count + 1).reshape(-1, *[1] * (x.ndim - 1))
    apart = (weights * x).sum(0)
    return np.asarray(np.abs(x - known).mean(0) - apart / (count * (count - 1)))


def _check(probability: np.ndarray) -> np.ndarray:
    p = np.asarray(probability, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError("a probability is not between 0 and 1; give shares of samples")
    return p


def _check_samples(samples: int) -> None:
    if samples < 2:
        raise InputError(f"a fair score of {samples} sample is not defined; give 2 or more")
