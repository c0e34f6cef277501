"""The Gram matrix of all samples of two runs: inner products, built tile by tile.

Everything that is said about means and total variances comes from this (K_T + K_S)^2 matrix, so
the pixels are read once. With A the rows of both runs after one shift shared by all of them,
``G = A A^T``; a shift does not change any number computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["Gram", "GramAccumulator", "Group", "coupling", "group", "same_samples"]

_TILE: Final = 65_536  # pixels per float32 product, whose rounding then stays below 1e-5


@dataclass(frozen=True)
class Gram:
    """Inner products of samples, teacher first.

    Parameters
    ----------
    matrix : ndarray, (K_T + K_S, K_T + K_S)
        float64, (photoelectrons per pixel)^2 summed over pixels.
    n_teacher, n_student : int
        Samples of each run.
    n_pixels : int
        Pixels that were summed.
    """

    matrix: np.ndarray
    n_teacher: int
    n_student: int
    n_pixels: int

    @property
    def teacher(self) -> np.ndarray:
        """Rows of the teacher."""
        return np.arange(self.n_teacher)

    @property
    def student(self) -> np.ndarray:
        """Rows of the student."""
        return np.arange(self.n_teacher, self.n_teacher + self.n_student)

    def take(self, teacher: np.ndarray, student: np.ndarray) -> Gram:
        """Return the Gram matrix of some samples of each run, given by their positions."""
        rows = np.concatenate([self.teacher[teacher], self.student[student]])
        matrix = self.matrix[np.ix_(rows, rows)]
        return Gram(matrix, len(teacher), len(student), self.n_pixels)


class GramAccumulator:
    """Adds up inner products over tiles of pixels.

    Parameters
    ----------
    n_teacher, n_student : int
        Samples of each run.
    """

    def __init__(self, n_teacher: int, n_student: int) -> None:
        self._counts = (n_teacher, n_student)
        self._matrix = np.zeros((n_teacher + n_student,) * 2, np.float64)
        self._pixels = 0

    def add(self, rows: np.ndarray) -> None:
        """Add a tile of pixels, (K_T + K_S, n) float32 or float64, teacher first."""
        for start in range(0, rows.shape[1], _TILE):
            tile = rows[:, start : start + _TILE]
            # The shift prevents the cancellation of large equal numbers.
            tile = tile - tile.mean(0, keepdims=True, dtype=np.float64).astype(tile.dtype)
            self._matrix += tile @ tile.T
        self._pixels += rows.shape[1]

    def result(self) -> Gram:
        """Return what has been added up so far."""
        return Gram(self._matrix.copy(), *self._counts, self._pixels)


@dataclass(frozen=True)
class Group:
    """Spread of the samples of one run.

    Parameters
    ----------
    total_variance : float
        V = tr(Sigma), unbiased.
    without : ndarray, (K,)
        V without each sample in turn.
    square : float
        tr(Sigma^2), unbiased for K of 4 or more, else NaN.
    """

    total_variance: float
    without: np.ndarray
    square: float

    @property
    def dimension(self) -> float:
        """Effective dimension nu = V^2 / tr(Sigma^2): how many independent things vary."""
        return self.total_variance**2 / self.square if self.square > 0 else float("nan")


def centred(matrix: np.ndarray) -> np.ndarray:
    """Subtract row and column means."""
    return np.asarray(
        matrix - matrix.mean(0) - matrix.mean(1)[:, None] + matrix.mean(), dtype=np.float64
    )


def group(matrix: np.ndarray) -> Group:
    """Return total variance, its leave-one-out values and tr(Sigma^2) of one group.

    Parameters
    ----------
    matrix : ndarray, (K, K)
        Inner products of the samples of one run, K of 3 or more.

    Notes
    -----
    With C the centred matrix, d its diagonal, ``q = |C|^2 / (K-1)^2`` and
    ``Q = sum d^2 / (K-1)``, the U-statistic is
    ``tr(Sigma^2) = (K-1) / (K (K-2) (K-3)) ((K-1)(K-2) q + V^2 - K Q)``.
    """
    inner = centred(matrix)
    k = len(inner)
    diagonal = np.diag(inner)
    total = float(diagonal.sum() / (k - 1))
    without = np.maximum(((k - 1) * total - k / (k - 1) * diagonal) / (k - 2), 0.0)
    square = float("nan")
    if k > 3:
        q = float((inner**2).sum()) / (k - 1) ** 2
        big_q = float((diagonal**2).sum()) / (k - 1)
        square = (k - 1) / (k * (k - 2) * (k - 3)) * ((k - 1) * (k - 2) * q + total**2 - k * big_q)
    return Group(total, without, square)


def same_samples(pairs: Gram) -> bool:
    """Return whether both runs hold the same samples, up to float32 rounding."""
    count = pairs.n_teacher
    diagonal = np.diag(pairs.matrix)
    apart = diagonal[:count] + diagonal[count:] - 2 * np.diag(pairs.matrix[:count, count:])
    return bool(apart.max() <= 1e-6 * diagonal.max())


def coupling(pairs: Gram) -> float:
    """Return the correlation of the samples of one pair, matched minus unmatched inner products.

    1 when both runs answer the same noise with the same deviation from their mean, 0 when they
    are independent.

    Parameters
    ----------
    pairs : Gram
        As many samples of each run, those of one noise canvas at the same position.
    """
    count = pairs.n_teacher
    cross = pairs.matrix[:count, count:]
    matched = np.trace(cross) / count
    unmatched = (cross.sum() - np.trace(cross)) / (count * (count - 1))
    spread = [
        group(pairs.matrix[np.ix_(rows, rows)]).total_variance
        for rows in (pairs.teacher, pairs.student)
    ]
    scale = float(np.sqrt(spread[0] * spread[1]))
    return float((matched - unmatched) / scale) if scale > 0 else 0.0
