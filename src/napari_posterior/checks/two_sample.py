"""Permutation tests of two runs: labels dealt anew on the Gram matrix, never on the pixels.

Every statistic here needs only inner products of samples, so that 999 permutations cost a matrix
product of (999, 2K) with (2K, 2K), whatever the size of the image. The p-values are shown and never
decide: a generic test is an alarm, no ground for *preserved*.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from napari_posterior.checks.gram import Gram, group
from napari_posterior.errors import InputError

__all__ = [
    "PERMUTATIONS",
    "energy_distance",
    "permutation_p",
    "permutation_words",
    "split_half_floor",
    "squared_distances",
]

PERMUTATIONS: Final = 999
"""Permutations of a test; its smallest p-value is .001."""

_TIE: Final = 1e-9  # relative: statistics that are equal up to rounding
_BAND: Final = (0.05, 0.95)

Statistic = Literal["mean", "variance", "energy", "mmd"]


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
    """Return the permutation p-value that nothing differs between two runs.

    Parameters
    ----------
    gram : Gram
        At least 2 samples of each run; in pairs, as many of each.
    statistic : str
        ``"mean"``: the unbiased squared gap of the means; ``"variance"``: the size of the log ratio
        of the total variances, to either side; ``"energy"`` or ``"mmd"``: any difference.
    paired : bool
        Whether sample i of both runs share their noise: then labels are swapped within pairs.
    permutations : int
        How often labels are dealt.
    seed : int
        Of the labels.

    Returns
    -------
    float
        ``(1 + #{T_b >= T_0}) / (B + 1)``.

    Raises
    ------
    InputError
        If pairs are asked for and the runs differ in length.
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
    elif statistic == "variance":
        values = _log_ratios(gram.matrix, labels)
    elif paired:
        values = _paired_gaps(gram, labels)
    else:
        values = _gaps(gram.matrix, labels)
    reach = _TIE * float(np.max(np.abs(values)))
    return float((1 + (values[1:] >= values[0] - reach).sum()) / (permutations + 1))


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
