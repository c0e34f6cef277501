"""Permutation tests of two runs: labels dealt anew on the Gram matrix, never on the pixels.

Every statistic here needs only inner products of samples, so that 999 permutations cost matrix
products of (999, 2K) with (2K, 2K), whatever the size of the image. The p-values are shown and
never decide: a generic test is an alarm, no ground for *preserved*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from napari_posterior.checks.gram import Gram, group
from napari_posterior.checks.spread.modes import principal_coordinates
from napari_posterior.errors import InputError

__all__ = [
    "DIRECTIONS",
    "NEIGHBOURS",
    "PERMUTATIONS",
    "PermutationTest",
    "ecdf_gaps",
    "energy_distance",
    "permutation_p",
    "permutation_test",
    "permutation_words",
    "split_half_floor",
    "squared_distances",
]

PERMUTATIONS: Final = 999
"""Permutations of a test; its smallest p-value is .001."""

DIRECTIONS: Final = 64
"""Directions that samples are projected on for the sliced Wasserstein distance."""

NEIGHBOURS: Final = 5
"""Nearest neighbours of each sample whose run is asked for."""

_TIE: Final = 1e-9  # relative: statistics that are equal up to rounding
_BAND: Final = (0.05, 0.95)

Statistic = Literal["mean", "variance", "energy", "mmd", "sliced", "neighbours"]


@dataclass(frozen=True)
class PermutationTest:
    """A distance of two runs against what labels dealt at random give.

    Parameters
    ----------
    statistic : str
        Which.
    value : float
        Of the runs.
    by_chance : float
        Its mean over permutations.
    p_value : float
        ``(1 + #{T_b >= T_0}) / (B + 1)``.
    """

    statistic: Statistic
    value: float
    by_chance: float
    p_value: float


def squared_distances(gram: Gram) -> np.ndarray:
    """Return the squared distances of all samples, (K_T + K_S, K_T + K_S), teacher first."""
    diagonal = np.diag(gram.matrix)
    apart = np.maximum(diagonal[:, None] + diagonal - 2 * gram.matrix, 0.0)
    np.fill_diagonal(apart, 0.0)
    return np.asarray(apart)


def energy_distance(gram: Gram) -> float:
    """Return the energy distance ``2 E|X - Y| - E|X - X'| - E|Y - Y'|`` of the samples.

    Székely & Rizzo (2013), J. Stat. Plan. Inference 143:1249. Each sample is compared with itself
    too, so that it is 0 or more, and above 0 by chance alone. Its unit is that of a distance of two
    samples, photoelectrons per pixel summed in squares over pixels.
    """
    return float(_mixed(_energy_kernel(gram), _labels(gram))[0])


def permutation_p(
    gram: Gram,
    *,
    statistic: Statistic = "energy",
    paired: bool,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> float:
    """Return the p-value of `permutation_test`."""
    found = permutation_test(
        gram, statistic=statistic, paired=paired, permutations=permutations, seed=seed
    )
    return found.p_value


def permutation_test(
    gram: Gram,
    *,
    statistic: Statistic,
    paired: bool,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> PermutationTest:
    """Test that nothing differs between two runs, by permutation of the labels.

    Parameters
    ----------
    gram : Gram
        At least 2 samples of each run; in pairs, as many of each.
    statistic : str
        ``"mean"``: the unbiased squared gap of the means; ``"variance"``: the size of the log ratio
        of the total variances, to either side. Any difference: ``"energy"``, the energy distance;
        ``"mmd"``, the squared maximum mean discrepancy of a Gaussian kernel whose squared width is
        the median squared distance of the pooled samples (Gretton et al. 2012, J. Mach. Learn.
        Res. 13:723), no unit; ``"sliced"``, see Notes; ``"neighbours"``, the share of the 5 nearest
        neighbours of a sample that are of its run, mean of both runs (Schilling 1986, J. Am. Stat.
        Assoc. 81:799).
    paired : bool
        Whether sample i of both runs share their noise: then labels are swapped within pairs.
    permutations : int
        How often labels are dealt.
    seed : int
        Of the labels, and of the directions.

    Raises
    ------
    InputError
        If pairs are asked for and the runs differ in length.

    Notes
    -----
    Sliced Wasserstein-1 (Bonneel et al. 2015, J. Math. Imaging Vis. 51:22): samples are projected
    on 64 directions, uniform on the unit sphere of all images, and the Wasserstein-1 distance is
    averaged over these, in photoelectrons per pixel. No direction is ever made: projections of
    centred samples on Gaussian white noise are Gaussian with their Gram matrix for covariance, so
    they are the principal coordinates times random numbers, over the length that white noise has.
    The labels have no part in directions, bandwidth or neighbours.
    """
    if paired and gram.n_teacher != gram.n_student:
        raise InputError(
            f"{gram.n_teacher} teacher and {gram.n_student} student samples make no pairs; give "
            "as many of each"
        )
    dealt = _deal(gram, np.random.default_rng(seed), permutations, paired=paired)
    labels = np.concatenate([_labels(gram), dealt])
    if statistic == "energy":
        values = _mixed(_energy_kernel(gram), labels)
    elif statistic == "mmd":
        values = _mixed(_gaussian_kernel(gram), labels)
    elif statistic == "sliced":
        values = _sliced(gram, labels, np.random.default_rng((seed, DIRECTIONS)))
    elif statistic == "neighbours":
        values = _own_share(_neighbour_weights(squared_distances(gram)), labels)
    elif statistic == "variance":
        values = _log_ratios(gram.matrix, labels)
    elif paired:
        values = _paired_gaps(gram, labels)
    else:
        values = _gaps(gram.matrix, labels)
    reach = _TIE * float(np.max(np.abs(values)))
    p_value = float((1 + (values[1:] >= values[0] - reach).sum()) / (permutations + 1))
    by_chance = float(values[1:].mean()) if permutations else math.nan
    return PermutationTest(statistic, float(values[0]), by_chance, p_value)


def ecdf_gaps(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return by how much two empirical distribution functions differ between ordered values.

    Parameters
    ----------
    values : ndarray, (n,)
        Of both groups.
    labels : ndarray, (B, n)
        1 or True for the first group; every row has as many.

    Returns
    -------
    tuple of ndarray, (B, n - 1) and (n - 1,)
        First function minus second after each value but the largest, and the way to the next.
    """
    order = np.argsort(values, kind="stable")
    first = np.cumsum(labels[:, order], axis=1, dtype=np.float64)
    m = float(first[0, -1])
    n = len(values) - m
    both = np.arange(1, len(values))
    return first[:, :-1] * (1 / m + 1 / n) - both / n, np.diff(values[order])


def permutation_words(*, paired: bool, permutations: int = PERMUTATIONS) -> str:
    """Say how the p-value was computed, for `Finding.p_method`."""
    how = "swaps within pairs" if paired else "permutations of the labels"
    return f"{permutations} {how}"


def split_half_floor(gram: Gram, *, halves: int = 50, seed: int = 0) -> tuple[float, float]:
    """Return what the squared gap of the means is between random halves of the teacher.

    That is what would be seen if the student were the teacher and each had half as many samples.

    Parameters
    ----------
    gram : Gram
        At least 4 samples of the teacher.
    halves : int
        How often it is cut.
    seed : int
        Of the cuts.

    Returns
    -------
    tuple of float
        5 % and 95 % quantile of the unbiased squared gap over the variance of the teacher, in
        squared posterior standard deviations; the lower one is below 0. NaN without variation.

    Raises
    ------
    InputError
        If there are fewer than 4 samples of the teacher.
    """
    count = gram.n_teacher
    if count < 4:
        raise InputError(f"{count} samples of the teacher make no two halves; draw 4 or more")
    matrix = gram.matrix[:count, :count]
    variance = group(matrix).total_variance
    if not variance > 0:
        return math.nan, math.nan
    generator = np.random.default_rng(seed)
    sides = np.zeros((halves, count))
    for side in sides:
        side[generator.permutation(count)[: count // 2]] = 1.0
    low, high = np.quantile(_gaps(matrix, sides) / variance, _BAND)
    return float(low), float(high)


def _labels(gram: Gram) -> np.ndarray:
    """Return the labels as they are, (1, K_T + K_S): 1 for the teacher."""
    return np.concatenate([np.ones(gram.n_teacher), np.zeros(gram.n_student)])[None]


def _deal(gram: Gram, generator: np.random.Generator, count: int, *, paired: bool) -> np.ndarray:
    """Return labels dealt at random, (B, K_T + K_S)."""
    if paired:
        first = generator.integers(0, 2, (count, gram.n_teacher)).astype(np.float64)
        return np.concatenate([first, 1 - first], axis=1)
    return generator.permuted(np.repeat(_labels(gram), count, axis=0), axis=1)


def _sums(matrix: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the sums of a symmetric matrix within label 1, within 0 and across, (B,) each."""
    along = labels @ matrix
    first = (along * labels).sum(1)
    across = along.sum(1) - first
    return first, matrix.sum() - first - 2 * across, across


def _mixed(kernel: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the mean of a kernel within both groups less twice that across, (B,)."""
    a, b, c = _sums(kernel, labels)
    m = labels[0].sum()
    n = labels.shape[1] - m
    return np.asarray(a / m**2 + b / n**2 - 2 * c / (m * n))


def _gaps(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the unbiased squared gap of the means, `mean.gap_squared`, for any labels, (B,)."""
    m = labels[0].sum()
    n = labels.shape[1] - m
    a, b, c = _sums(matrix, labels)
    own = labels @ np.diag(matrix)
    other = np.trace(matrix) - own
    return np.asarray((a - own) / (m * (m - 1)) + (b - other) / (n * (n - 1)) - 2 * c / (m * n))


def _paired_gaps(gram: Gram, labels: np.ndarray) -> np.ndarray:
    """Return the sum over pairs i != j of the inner products of their differences, (B,)."""
    m = gram.n_teacher
    cross = gram.matrix[:m, m:]
    apart = gram.matrix[:m, :m] + gram.matrix[m:, m:] - cross - cross.T
    signs = 2 * labels[:, :m] - 1
    return np.asarray(((signs @ apart) * signs).sum(1) - np.trace(apart))


def _log_ratios(matrix: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the size of the log ratio of the total variances, (B,)."""
    m = labels[0].sum()
    n = labels.shape[1] - m
    a, b, _ = _sums(matrix, labels)
    own = labels @ np.diag(matrix)
    first = (own - a / m) / (m - 1)
    second = (np.trace(matrix) - own - b / n) / (n - 1)
    tiny = _TIE * max(float(np.trace(matrix)) / len(matrix), np.finfo(np.float64).tiny)
    first, second = np.maximum(first, 0.0), np.maximum(second, 0.0)
    logs = np.log(np.maximum(second, tiny)) - np.log(np.maximum(first, tiny))
    return np.asarray(np.where((first <= tiny) & (second <= tiny), 0.0, np.abs(logs)))


def _energy_kernel(gram: Gram) -> np.ndarray:
    return np.asarray(-np.sqrt(squared_distances(gram)))


def _gaussian_kernel(gram: Gram) -> np.ndarray:
    apart = squared_distances(gram)
    width = float(np.median(apart[np.triu_indices(len(apart), 1)]))
    if not width > 0:
        return np.ones_like(apart)
    return np.asarray(np.exp(-apart / (2 * width)))


def _sliced(gram: Gram, labels: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the Wasserstein-1 distance averaged over random directions, (B,)."""
    places = principal_coordinates(gram, most=len(gram.matrix))
    rank = places.shape[1]
    white = generator.normal(size=(DIRECTIONS, rank))
    # the rest of an image of white noise, on which no sample has a part
    rest = generator.chisquare(gram.n_pixels - rank, DIRECTIONS) if gram.n_pixels > rank else 0.0
    lengths = np.sqrt((white**2).sum(1) + rest)
    found = np.zeros(len(labels))
    for direction in white / lengths[:, None]:
        gaps, steps = ecdf_gaps(places @ direction, labels)
        found += np.abs(gaps) @ steps
    return found / DIRECTIONS


def _neighbour_weights(apart: np.ndarray) -> np.ndarray:
    """Return how much sample j counts as neighbour of sample i, (n, n); rows add up to 1.

    Of samples that are as far as the last neighbour each counts a part: copies have no order.
    """
    others = apart.copy()
    np.fill_diagonal(others, np.inf)
    most = min(NEIGHBOURS, len(apart) - 1)
    last = np.partition(others, most - 1, axis=1)[:, most - 1 : most]
    margin = _TIE * max(float(apart.max()), np.finfo(np.float64).tiny)
    nearer = others < last - margin
    level = ~nearer & (others <= last + margin)
    left = most - nearer.sum(1, keepdims=True)
    return np.asarray((nearer + level * (left / level.sum(1, keepdims=True))) / most)


def _own_share(weights: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the share of neighbours of the own run, the mean of that of both, (B,)."""
    m = labels[0].sum()
    n = labels.shape[1] - m
    along = labels @ weights.T  # how much of the neighbours of each sample has label 1
    first = (along * labels).sum(1)
    second = n - (along * (1 - labels)).sum(1)
    return np.asarray((first / m + second / n) / 2)
