"""The effective dimension of the samples, how many independent things vary, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.gram import group
from napari_posterior.checks.intervals import Estimate
from napari_posterior.checks.verdicts.evidence import TEvidence

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram

__all__ = ["dimension_ratio"]

_FEWEST_FOR_TWO: Final = 6  # samples of which two can be left out
_PAIRS: Final = 400  # that are left out, of all there are
_LEAST: Final = 0.5  # of the jackknife variance: it counts the effect of pairs twice, no more


def dimension_ratio(gram: Gram, *, level: float, paired: bool) -> Estimate:
    """Estimate nu_S / nu_T, the ratio of effective dimensions, with a jackknife t interval.

    Parameters
    ----------
    gram : Gram
        At least 6 samples of each run, 16 for an interval that holds; in pairs, as many of each.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise: then pairs are left out.

    Returns
    -------
    Estimate
        Without a value where a run does not vary or has too few samples.

    Notes
    -----
    ``nu = tr(Sigma)^2 / tr(Sigma^2)`` from the U-statistic of `gram.group`; each sample in turn
    is dropped from the Gram matrix. The participation ratio of the eigenvalues themselves could not
    exceed K - 1. Pairs of samples make much of the error of nu, which the jackknife counts twice:
    what leaving out two samples adds to leaving out each is taken off again, as in Efron & Stein
    (1981), Ann. Statist. 9:586.
    """
    m = gram.n_teacher
    method = "paired jackknife t of the log ratio" if paired else "jackknife t of the log ratio"
    nothing = Estimate(None, (None, None), math.nan, math.nan, method)
    if min(gram.n_teacher, gram.n_student) < _FEWEST_FOR_TWO:
        return nothing
    blocks = [gram.matrix[:m, :m], gram.matrix[m:, m:]]
    logs = [_log_dimensions(block) for block in blocks]
    if not all(math.isfinite(one.whole) for one in logs):
        return nothing
    ratio = math.exp(logs[1].whole - logs[0].whole)
    parts = [logs[1] - logs[0]] if paired else logs
    squares = [one.variance for one in parts]
    if not all(map(math.isfinite, squares)):
        return Estimate(ratio, (None, None), math.nan, math.nan, method)
    se = math.sqrt(sum(squares))
    df = float(m - 1 if paired else gram.n_teacher + gram.n_student - 2)
    shares = None if paired else (squares[0], squares[1])
    reach = float(stats.t.isf((1 - level) / 2, df)) * se
    ends = ratio * math.exp(-reach), ratio * math.exp(reach)
    return Estimate(ratio, ends, se, df, method, TEvidence(ratio, se, df, True, shares))


@dataclass(frozen=True, eq=False)
class _Dropped:
    """ln nu of one run: of all samples, without each, and without each of some pairs."""

    whole: float
    one: np.ndarray
    pairs: np.ndarray
    two: np.ndarray

    def __sub__(self, other: _Dropped) -> _Dropped:
        return _Dropped(
            self.whole - other.whole, self.one - other.one, self.pairs, self.two - other.two
        )

    @property
    def variance(self) -> float:
        """Jackknife variance, less what pairs of samples make it count twice."""
        n = len(self.one)
        found = (n - 1) / n * float(((self.one - self.one.mean()) ** 2).sum())
        first, second = self.one[self.pairs].T
        joint = n * self.whole - (n - 1) * (first + second) + (n - 2) * self.two
        # each joint effect of two holds a little of those with all the others
        twice = (n - 2) / n * float(np.var(joint)) / 2
        return max(found - twice, _LEAST * found)


def _log_dimensions(matrix: np.ndarray) -> _Dropped:
    """Drop every sample of one run, and the same pairs for any run of its length; NaN: no nu."""
    count = len(matrix)
    pairs = np.stack(np.triu_indices(count, 1), axis=1)
    if len(pairs) > _PAIRS:
        pairs = np.random.default_rng(count).choice(pairs, _PAIRS, replace=False)

    def log(without: np.ndarray) -> float:
        rows = np.delete(np.arange(count), without)
        nu = group(matrix[np.ix_(rows, rows)]).dimension
        return math.log(nu) if nu > 0 else math.nan

    return _Dropped(
        whole=log(np.empty(0, int)),
        one=np.array([log(np.array([i])) for i in range(count)]),
        pairs=pairs,
        two=np.array([log(pair) for pair in pairs]),
    )
