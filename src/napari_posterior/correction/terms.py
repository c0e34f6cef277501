"""Sums of independent terms: each a number or map with its variance and degrees of freedom.

A corrected estimate is such a sum (students alone; pairs; further levels), and everything about its
uncertainty follows from the terms alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.correction.comoments import CoMoments

__all__ = ["Term", "add_terms", "interval_of", "mean_term", "variance_term"]


@dataclass(frozen=True, eq=False)
class Term:
    """An unbiased estimate.

    Parameters
    ----------
    value : ndarray, (...)
        Float64; of any shape, that of a number too.
    variance : ndarray, (...)
        Estimated variance of `value`: its squared standard error.
    freedom : ndarray or float
        Degrees of freedom of `variance`.
    """

    value: np.ndarray
    variance: np.ndarray
    freedom: np.ndarray | float

    @property
    def se(self) -> np.ndarray:
        """Standard error, (...)."""
        return np.asarray(np.sqrt(self.variance))


def add_terms(terms: Sequence[Term]) -> Term:
    """Add independent terms.

    Notes
    -----
    ``df = (sum v)^2 / sum(v^2 / df)``. Source: F. E. Satterthwaite, Biometrics Bulletin 2 (1946)
    110-114. Where no term varies, the sum of their degrees of freedom.
    """
    value = np.sum([term.value for term in terms], axis=0)
    variance = np.sum([term.variance for term in terms], axis=0)
    bottom = np.sum([term.variance**2 / term.freedom for term in terms], axis=0)
    none = np.sum([np.broadcast_to(term.freedom, np.shape(value)) for term in terms], axis=0)
    freedom = np.divide(variance**2, bottom, out=np.asarray(none, float), where=bottom > 0)
    return Term(np.asarray(value), np.asarray(variance), freedom)


def interval_of(term: Term, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the t interval of a confidence level, (...) each."""
    if not 0 < level < 1:
        raise InputError("a confidence level lies between 0 and 1; give for instance 0.95")
    reach = stats.t.isf((1 - level) / 2, term.freedom) * term.se
    return np.asarray(term.value - reach), np.asarray(term.value + reach)


def mean_term(moments: CoMoments, weights: Sequence[float]) -> Term:
    """Return the weighted sum of the means of the variables.

    Parameters
    ----------
    moments : CoMoments
        Two samples or more.
    weights : sequence of float
        One for each variable, fixed before these samples were drawn: ``(1, -b)`` for pairs.

    Raises
    ------
    InputError
        If there are fewer than two samples.
    """
    value, spread = np.zeros(moments.shape), np.zeros(moments.shape)
    for i, first in enumerate(weights):
        value = value + first * moments.mean(i)
        for j, second in enumerate(weights):
            spread = spread + first * second * moments.covariance(i, j)
    variance = np.maximum(spread, 0.0) / moments.count  # rounding may leave less than nothing
    return Term(value, variance, float(moments.count - 1))


def variance_term(moments: CoMoments, weights: Sequence[float]) -> Term:
    """Return the weighted sum of the unbiased variances of the variables.

    Parameters
    ----------
    moments : CoMoments
        Two samples or more, three with order 4. With order 2 the standard error is that of normal
        samples; with order 4 that of any law.
    weights : sequence of float
        One for each variable, fixed before these samples were drawn.

    Raises
    ------
    InputError
        If there are too few samples.

    Notes
    -----
    Normal: ``Var(sum w_i s_i^2) = 2 sum_ij w_i w_j C_ij^2 / (n - 1)``. Otherwise, with the squares
    ``d_k = sum_i w_i (x_ki - mean_i)^2``, ``n sum(d - mean d)^2 / ((n - 1)^2 (n - 2))``: the
    delete-one jackknife times ``(n - 2) / (n - 1)``, which makes it unbiased for normal samples.

    Degrees of freedom are those of the law of each estimate for normal pairs of high correlation,
    where a ``d_k`` is a product of two independent normals, of kurtosis 9: ``2 / df = 8 / (n - 1)``
    with order 4; with order 2 the two variances of the product each have ``n - 1``, hence
    ``2 / df = 4 / (n - 1)``.
    """
    n = moments.count
    pairs = [(i, j, w * v) for i, w in enumerate(weights) for j, v in enumerate(weights)]
    value = np.zeros(moments.shape)
    for i, weight in enumerate(weights):
        value = value + weight * moments.covariance(i, i)
    found = np.zeros(moments.shape)
    if moments.order == 2:
        for i, j, weight in pairs:
            found = found + weight * moments.covariance(i, j) ** 2
        return Term(value, np.maximum(2 * found, 0.0) / (n - 1), (n - 1) / 2)
    if n < 3:
        raise InputError("the error of a variance needs three samples or more; draw more")
    for i, j, weight in pairs:
        found = found + weight * moments.sum_of(*_squares(moments.variables, i, j))
    scatter = np.maximum(found - ((n - 1) * value) ** 2 / n, 0.0)
    return Term(value, scatter * n / ((n - 1) ** 2 * (n - 2)), (n - 1) / 4)


def _squares(variables: int, first: int, second: int) -> tuple[int, ...]:
    """Return the exponents of the product of two squared deviations."""
    key = [0] * variables
    key[first] += 2
    key[second] += 2
    return tuple(key)
