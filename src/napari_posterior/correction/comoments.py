"""Means and central moments of samples, or of pairs of samples, that pass by one at a time.

The one type is `CoMoments`: of ``variables`` arrays of one shape that belong together (a student's
sample; a teacher's and a student's on the same noise) it keeps the count, the means and the sums of
products of deviations

    M_e = sum_i prod_v (x_iv - mean_v)^e_v,      e = (2, 0), (1, 1), (0, 2), ...

in float64. ``order=2`` keeps what variances and covariances need (pairs: 5 arrays), ``order=4``
also what the standard errors of variances need (pairs: 12 arrays; students alone: 4). Streams
merge: two that saw half of the samples each make one that saw them all.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import EllipsisType

__all__ = ["CoMoments"]

Exponents = tuple[int, ...]

_BLOCK: Final = 2**15
"""Values at a time: they stay in the cache of a core, and what is held besides stays small."""

_KEPT: Final[Mapping[tuple[int, int], tuple[Exponents, ...]]] = {
    (1, 2): ((2,),),
    (1, 4): ((4,), (3,), (2,)),
    (2, 2): ((2, 0), (1, 1), (0, 2)),
    (2, 4): (
        *((4, 0), (2, 2), (0, 4)),
        *((3, 0), (2, 1), (1, 2), (0, 3)),
        *((2, 0), (1, 1), (0, 2)),
    ),
}
"""By variables and order, the highest first: each is updated from lower ones not yet updated."""


class CoMoments:
    """Count, means and central moments of arrays that are added sample by sample.

    Parameters
    ----------
    variables : int
        1 for samples alone, 2 for pairs.
    order : int
        2 or 4: the highest moment.

    Notes
    -----
    With ``delta = mean_B - mean_A`` and ``f = n_B / (n_A + n_B)``, the sums of a union are those of
    both sets about their new mean, by the binomial theorem: A moves by ``-f delta``, B by
    ``(1 - f) delta``. One more sample is a set whose sums are zero. Source: P. Pebay, Formulas for
    robust, one-pass parallel computation of covariances and arbitrary-order statistical moments,
    SAND2008-6212 (2008); for order 2 it is Welford's and Chan's update.
    """

    def __init__(self, *, variables: int = 2, order: int = 2) -> None:
        if (variables, order) not in _KEPT:
            raise ValueError("variables are 1 or 2 and the order is 2 or 4")
        self._variables, self._order = variables, order
        self._count = 0
        self._means: list[np.ndarray] = []
        self._sums: dict[Exponents, np.ndarray] = {}

    @property
    def count(self) -> int:
        """How many samples, or pairs, were added."""
        return self._count

    @property
    def variables(self) -> int:
        """1 for samples alone, 2 for pairs."""
        return self._variables

    @property
    def order(self) -> int:
        """The highest moment, 2 or 4."""
        return self._order

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample; empty as long as there is none, and for numbers."""
        return self._means[0].shape if self._means else ()

    def add(self, *values: np.ndarray | float) -> None:
        """Add one sample of each variable.

        Parameters
        ----------
        *values : ndarray or float
            One for each variable, all of one shape; any real dtype.

        Raises
        ------
        InputError
            If they differ in shape from each other or from earlier ones, or are not finite.
        """
        arrays = [np.asarray(value) for value in values]
        if len(arrays) != self._variables:
            raise ValueError(f"add {self._variables} arrays at a time, not {len(arrays)}")
        self._check(arrays)
        self._count += 1
        share = 1.0 / self._count
        flat = [array.reshape(-1) for array in arrays]
        means = [mean.reshape(-1) for mean in self._means]
        sums = {key: value.reshape(-1) for key, value in self._sums.items()}
        for start in range(0, flat[0].size, _BLOCK):
            part = slice(start, start + _BLOCK)
            deltas = [
                v[part].astype(np.float64) - m[part] for v, m in zip(flat, means, strict=True)
            ]
            powers = [_powers(delta, self._order) for delta in deltas]
            for key in _KEPT[self._variables, self._order]:
                sums[key][part] = self._moved(key, sums, powers, share, part)
            for mean, delta in zip(means, deltas, strict=True):
                mean[part] += share * delta

    def merge(self, other: CoMoments) -> None:
        """Take over all samples of another stream, which stays as it is.

        Raises
        ------
        InputError
            If its samples have another shape.
        """
        if (other.variables, other.order) != (self._variables, self._order):
            raise ValueError("streams merge that hold as many variables and moments")
        if other.count == 0:
            return
        self._check([other.mean(v) for v in range(self._variables)])
        total = self._count + other.count
        share = other.count / total
        deltas = [other.mean(v) - self._means[v] for v in range(self._variables)]
        powers = [_powers(delta, self._order) for delta in deltas]
        for key in _KEPT[self._variables, self._order]:
            self._sums[key] = self._moved(
                key, self._sums, powers, share, ..., others=other, count=other.count
            )
        self._count = total
        for mean, delta in zip(self._means, deltas, strict=True):
            mean += share * delta

    def mean(self, variable: int = 0) -> np.ndarray:
        """Return the mean of one variable, float64."""
        return self._means[variable]

    def sum_of(self, *exponents: int) -> np.ndarray:
        """Return the sum of products of deviations, such as ``sum_of(2, 0)``, float64."""
        return self._sums[exponents]

    def covariance(self, first: int = 0, second: int = 0) -> np.ndarray:
        """Return the unbiased covariance of two variables, or the variance of one, float64.

        Raises
        ------
        InputError
            If there are fewer than two samples.
        """
        if self._count < 2:
            raise InputError("a variance needs two samples or more; draw more")
        key = [0] * self._variables
        key[first] += 1
        key[second] += 1
        return np.asarray(self._sums[tuple(key)] / (self._count - 1))

    def _check(self, arrays: list[np.ndarray]) -> None:
        shape = arrays[0].shape if self._count == 0 else self.shape
        if any(array.shape != shape for array in arrays):
            raise InputError("samples that belong together have one shape; give those of one image")
        if not all(np.isfinite(array).all() for array in arrays):
            raise InputError(
                "a sample has values that are not finite; draw it again, or take a statistic that "
                "every sample has"
            )
        if self._count == 0:
            self._means = [np.zeros(shape) for _ in range(self._variables)]
            kept = _KEPT[self._variables, self._order]
            self._sums = {key: np.zeros(shape) for key in kept}

    def _moved(
        self,
        key: Exponents,
        sums: Mapping[Exponents, np.ndarray],
        powers: list[list[np.ndarray]],
        share: float,
        part: slice | EllipsisType,
        *,
        others: CoMoments | None = None,
        count: int = 1,
    ) -> np.ndarray:
        """Return one sum of the union; `powers` are those of the step between the means."""
        own = self._count - (1 if others is None else 0)
        found = np.zeros_like(powers[0][1])
        for taken in itertools.product(*(range(e + 1) for e in key)):
            left = tuple(e - t for e, t in zip(key, taken, strict=True))
            degree, moved = sum(left), sum(taken)
            if degree == 1:
                continue  # sums of deviations are zero
            weight = math.prod(map(math.comb, key, taken))
            here, there = weight * (-share) ** moved, weight * (1 - share) ** moved
            if degree == 0:
                inner: np.ndarray | float = here * own + there * count
            else:
                inner = here * sums[left][part]
                if others is not None:
                    inner = inner + there * others.sum_of(*left)
            found += inner * math.prod(
                (power[t] for power, t in zip(powers, taken, strict=True) if t), start=1.0
            )
        return found


def _powers(delta: np.ndarray, order: int) -> list[np.ndarray]:
    return list(itertools.accumulate([delta] * order, np.multiply, initial=np.ones_like(delta)))
