"""Groups among samples: how many a cloud falls into, one being allowed, and which is in which."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from scipy import linalg
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.special import logsumexp

__all__ = ["MOST_CLUSTERS", "Clustering", "find_clusters"]

MOST_CLUSTERS: Final = 6
"""Groups that are looked for."""

_AXES: Final = (1, 2, 3, 5, 10)  # leading coordinates in which groups may lie apart
_STARTS: Final = 4
_SWEEPS: Final = 30
_FEWEST: Final = 4  # samples of a group, and of one for each axis
_SHARE: Final = 0.04  # of all samples, in the smallest group
_APART: Final = 2.0  # SD: groups closer than that have no valley between them
_STRONG: Final = 3.0  # log evidence: "strong" of Kass & Raftery (1995), JASA 90:773
_VALLEY: Final = 0.6  # of the lower of two peaks: the density between two groups


@dataclass(frozen=True, eq=False)
class Clustering:
    """Samples in groups.

    Parameters
    ----------
    labels : ndarray, (n,) int64
        The group of each sample, the largest group first; all 0 where they form one cloud.
    centres : ndarray, (k, f) float64
        Mean of each group.
    gain : float
        By how much ln of the evidence (half of BIC) is better than that of one cloud; 0 for one.
    axes : int
        Leading coordinates in which the groups were told apart; 0 for one cloud.
    """

    labels: np.ndarray
    centres: np.ndarray
    gain: float
    axes: int

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.centres)


def find_clusters(features: np.ndarray, *, most: int = MOST_CLUSTERS, seed: int = 0) -> Clustering:
    """Divide samples into as many groups as the Bayesian information criterion asks for.

    Parameters
    ----------
    features : ndarray, (n, f) float64
        Principal coordinates, the one that varies most first.
    most : int
        Groups to try.
    seed : int
        Of the starts.

    Notes
    -----
    k-means from several starts, then Gaussians of one covariance shared by all groups (Fraley &
    Raftery 2002, J. Am. Stat. Assoc. 97:611, model EEE): so that a long cloud is no two groups.
    Along the leading 1, 2, 3, 5 or 10 coordinates; the gain over one Gaussian in the same
    coordinates can be compared between them, as the others are left as they are. One cloud stands
    unless the evidence against it is strong; a group needs 4 samples and 4 % of them, and has to be
    2 standard deviations from every other with a valley of the density between them. A skewed cloud
    can still be cut in two.
    """
    x = np.asarray(features, np.float64)
    n = len(x)
    best = Clustering(np.zeros(n, np.int64), x.mean(0, keepdims=True), 0.0, 0)
    spread = x.std(0)
    rank = int((spread > 1e-6 * max(float(spread.max(initial=0.0)), 1e-300)).sum())
    generator = np.random.default_rng(seed)
    for axes in (a for a in _AXES if a <= rank):
        some = x[:, :axes]
        if n < 2 * _FEWEST + axes:
            break
        one = _of_one_cloud(some)
        for count in range(2, most + 1):
            found = _fit(some, count, generator)
            if found is None:
                continue
            labels, height = found
            gain = height - one - (count - 1) * (axes + 1) / 2 * np.log(n)
            if gain > max(best.gain, _STRONG):
                best = _sorted(x, labels, float(gain), axes)
    return best


def _fit(
    x: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, float] | None:
    """Return labels and log-likelihood from the best start; None where that gives no groups."""
    best, least = None, np.inf
    for _ in range(_STARTS):
        try:
            centres, labels = kmeans2(x, count, iter=10, minit="++", missing="raise", rng=generator)
        except ClusterError:
            continue
        away = float(((x - centres[labels]) ** 2).sum())
        if away < least:
            best, least = labels, away
    return None if best is None else _refine(x, np.eye(count)[best])


def _refine(x: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, float] | None:
    """Improve a division by expectation and maximisation; None where a group dies out."""
    n, height = len(x), -np.inf
    for _ in range(_SWEEPS):
        sizes = shares.sum(0)
        if sizes.min() < max(_FEWEST - 1, _SHARE * n):
            return None
        centres = shares.T @ x / sizes[:, None]
        factor = _factor(x, shares, centres)
        if factor is None:
            return None
        logs = _log_densities(x, centres, factor) + np.log(sizes / n)
        total = logsumexp(logs, axis=1)
        shares = np.exp(logs - total[:, None])
        if total.sum() < height + 1e-3:
            break
        height = float(total.sum())
    labels = shares.argmax(1)
    counts = np.bincount(labels, minlength=shares.shape[1])
    if counts.min() < max(_FEWEST, _SHARE * n):
        return None
    points, middles = (linalg.solve_triangular(factor, one.T, lower=True).T for one in (x, centres))
    for a, b in combinations(range(len(middles)), 2):
        both = points[(labels == a) | (labels == b)]
        if not _are_apart(both, middles[a], middles[b]):
            return None
    return labels, float(total.sum())


def _are_apart(points: np.ndarray, first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two groups are 2 SD apart, with a valley in the density between them.

    Parameters
    ----------
    points : ndarray, (n, axes)
        The samples of both, with unit covariance within groups.
    first, second : ndarray, (axes,)
        Their means.
    """
    length = float(np.linalg.norm(second - first))
    if length < _APART:
        return False
    along = (points - first) @ (second - first) / length
    width = 1.06 * len(along) ** -0.2  # Silverman's rule for unit variance
    grid = np.linspace(0.0, length, 41)
    density = np.exp(-(((grid[:, None] - along) / width) ** 2) / 2).sum(1)
    low = int(density.argmin())
    return bool(density[low] < _VALLEY * min(density[: low + 1].max(), density[low:].max()))


def _factor(x: np.ndarray, shares: np.ndarray, centres: np.ndarray) -> np.ndarray | None:
    """Return the Cholesky factor of the covariance within groups; None where it has none."""
    within = (x.T @ x - (centres * shares.sum(0)[:, None]).T @ centres) / len(x)
    within += 1e-9 * np.trace(within) * np.eye(len(within))
    try:
        return np.asarray(linalg.cholesky(within, lower=True))
    except linalg.LinAlgError:
        return None


def _log_densities(x: np.ndarray, centres: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return the log density of each sample in each group, (n, k), without the constant."""
    white = linalg.solve_triangular(factor, x.T, lower=True).T
    middle = linalg.solve_triangular(factor, centres.T, lower=True).T
    apart = ((white[:, None] - middle) ** 2).sum(2)
    return np.asarray(-apart / 2 - np.log(np.diag(factor)).sum())


def _of_one_cloud(x: np.ndarray) -> float:
    """Return the log-likelihood of one Gaussian, without the constant."""
    centre = x.mean(0, keepdims=True)
    factor = _factor(x, np.ones((len(x), 1)), centre)
    return -np.inf if factor is None else float(_log_densities(x, centre, factor).sum())


def _sorted(x: np.ndarray, labels: np.ndarray, gain: float, axes: int) -> Clustering:
    """Put the groups in order, the largest first."""
    counts = np.bincount(labels)
    order = np.argsort(-counts, kind="stable")
    labels = np.argsort(order)[labels]
    centres = np.stack([x[labels == group].mean(0) for group in range(len(order))])
    return Clustering(labels, centres, gain, axes)
