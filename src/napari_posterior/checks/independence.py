"""Whether the samples of a run are independent draws, as every interval takes them to be."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import number
from napari_posterior.checks.gram import centred

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram

__all__ = ["find_repeats", "lag_correlation", "tell_dependence"]

_ROUNDING: Final = 1e-6  # of the largest squared distance: float32 products of one image
_REACH: Final = 3.29  # standard deviations; a run of independent draws is warned of once in 1000
_FEWEST: Final = 8


def find_repeats(matrix: np.ndarray) -> list[list[int]]:
    """Find samples of a run that are one image.

    Parameters
    ----------
    matrix : ndarray, (K, K) float64
        Inner products of the samples.

    Returns
    -------
    list of list of int
        Positions, from 0, of each image that is there more than once.
    """
    diagonal = np.diag(matrix)
    apart = diagonal[:, None] + diagonal[None, :] - 2 * matrix
    same = apart <= _ROUNDING * diagonal.max()
    found, seen = [], np.zeros(len(matrix), bool)
    for row in range(len(matrix)):
        if seen[row]:
            continue
        group = np.flatnonzero(same[row] & ~seen)
        seen[group] = True
        if len(group) > 1:
            found.append(group.tolist())
    return found


def lag_correlation(matrix: np.ndarray) -> float:
    """Return the correlation of each sample's squared distance from the mean with the next one's.

    Parameters
    ----------
    matrix : ndarray, (K, K) float64
        Inner products of the samples, in the order in which they were drawn.

    Returns
    -------
    float
        About -1 / K with a standard deviation of 1 / sqrt(K) for independent samples; 0 where the
        distances do not differ.
    """
    inner = centred(matrix)
    distances = np.diag(inner) - np.trace(inner) / len(inner)
    total = float((distances**2).sum())
    scale = float(np.abs(np.diag(matrix)).max())
    if not total > (_ROUNDING * scale) ** 2:
        return 0.0
    return float((distances[1:] * distances[:-1]).sum()) / total


def tell_dependence(
    gram: Gram, *, names: tuple[str, str] = ("teacher", "student")
) -> tuple[str, ...]:
    """Say in which run samples are repeated or depend on their neighbours; empty where none does.

    Parameters
    ----------
    gram : Gram
        All samples of both runs, in the order in which they were drawn.
    names : tuple of str
        What the runs are called.
    """
    told = []
    for name, rows in zip(names, (gram.teacher, gram.student), strict=True):
        matrix = gram.matrix[np.ix_(rows, rows)]
        repeats = find_repeats(matrix)
        if repeats:
            told.append(_tell_repeats(repeats, len(matrix), name))
        correlation = lag_correlation(matrix)
        away = (correlation + 1 / len(matrix)) * math.sqrt(len(matrix))
        if not repeats and len(matrix) >= _FEWEST and abs(away) > _REACH:
            told.append(
                f"Neighbouring samples of the {name} depend on each other (correlation of their "
                f"distances from the mean {number(correlation, 2, sign=True)}): intervals take "
                "them for independent draws and are too narrow."
            )
    return tuple(told)


def _tell_repeats(repeats: list[list[int]], count: int, name: str) -> str:
    if len(repeats[0]) == count:
        return (
            f"All {count} samples of the {name} are one image: it does not draw, and its spread is "
            "zero."
        )
    first = " and ".join(str(place + 1) for place in repeats[0][:2])
    more = sum(map(len, repeats)) - len(repeats)
    return (
        f"Samples of the {name} are repeated, such as {first}: {more} of {count} add nothing, and "
        "intervals that count them as draws are too narrow."
    )
