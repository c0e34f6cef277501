"""Do the mean and the spread of a sampler fit together: its response to redrawn camera noise.

Bayes' rule ties how an answer moves with the data to how wide it is: for any h and any change of
the measurement, ``d/dy E[h | y] . delta = Cov(h, grad_y ln p(y | x) . delta | y)``. So from redraws
of the camera noise one sampler alone can be checked, without a teacher: as far as its samples
spread, so far they have to move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage, stats

from napari_posterior.checks.experiments.likelihood_gaps import CLEAR, likelihood_gaps
from napari_posterior.checks.finding import Finding, confidence, rounded
from napari_posterior.checks.intervals import Estimate

__all__ = ["NEAR", "Response", "find_response", "measure_response"]

NEAR: Final = 1
"""Patches to each side of a patch whose likelihood is set against it."""

_FEWEST: Final = 3
_NOTHING: Final = 1e-9  # of the squared changes of likelihood: what rounding leaves of copies


@dataclass(frozen=True, eq=False)
class Response:
    """How far samples move with the data, and how far their spread says that they should.

    Parameters
    ----------
    moved : ndarray, (B, K)
        Of each sample: twice its likelihood gap, in nats.
    implied : ndarray, (B,)
        Variance of the change of log-likelihood over the samples of each measurement, mean over
        the other measurements, in squared nats.
    without : ndarray, (B, K)
        The same without each sample.
    """

    moved: np.ndarray
    implied: np.ndarray
    without: np.ndarray

    @property
    def ratio(self) -> float:
        """Moved over implied; 1 where mean and spread fit together."""
        return float(self.moved.mean() / self.implied.mean())


def measure_response(logs: np.ndarray) -> Response:
    """Compare how samples move between redraws with how they spread within each.

    Parameters
    ----------
    logs : ndarray, (B, K, B, ...)
        ``ln p(y_j | x_k(y_b))`` at ``[b, k, j]`` in nats, up to what is the same for all j; axes
        of patches after it, or none for whole images. K of 3 or more.

    Notes
    -----
    h is the change of the log-likelihood itself, ``D = ln p(y_j | x) - ln p(y_b | x)``, so that for
    a small change ``E[D | y_j] - E[D | y_b] = Var(D)``, with the variance averaged over both ends:
    then the second order falls out too, and for a linear Gaussian posterior nothing is left (the
    fluctuation-dissipation relation of the posterior). Added up over all pairs of redraws, the
    left-hand side is twice the likelihood gap. On the right-hand side a patch is taken with its
    neighbours only: noise that is drawn apart makes the covariance with others 0 on average, and
    leaving it out saves the error of a variance of few samples.
    """
    table = np.asarray(logs, np.float64)
    count, each = table.shape[:2]
    gaps = likelihood_gaps(table).reshape(count, each, -1).sum(-1)
    implied, without = np.zeros(count), np.zeros((count, each))
    for b in range(count):
        for j in range(count):
            if j == b:
                continue
            change = table[b, :, j] - table[b, :, b]
            apart = change - change.mean(0)
            # with d the deviation of sample k and N its neighbourhood, the variance without k is
            # sum of d N(d) less k/(k - 1) of its own, over one degree of freedom fewer
            own = (apart * _near(apart)).reshape(each, -1).sum(-1)
            total = own.sum()
            implied[b] += total / (each - 1)
            without[b] += (total - each / (each - 1) * own) / (each - 2)
    others = count - 1
    return Response(2 * gaps, implied / others, without / others)


def find_response(
    teacher: np.ndarray, student: np.ndarray, *, level: float, paired: bool
) -> Finding | None:
    """Tell whether the student's mean and spread fit together; an estimate without a verdict.

    Parameters
    ----------
    teacher, student : ndarray, (B, K, B, ...)
        As for `measure_response`, of redraws of the camera noise of one object; B of 3 or more.
    level : float
        Confidence level.
    paired : bool
        Whether sample k of measurement b starts from the same noise in both; each sampler is
        judged by itself, so that it is only told.

    Returns
    -------
    Finding or None
        ``"dependence.response"``: the student's `Response.ratio`; the teacher's is in ``extra``.
        None with fewer than 3 samples of a measurement: two have no spread when one is left out.

    Notes
    -----
    Away from a Gaussian posterior the relation holds for small changes of the measurement only, and
    redrawn noise is no small one: read the student's ratio beside the teacher's. The relation holds
    for redrawn noise and not for other images or added noise, where changes are large.
    """
    if min(teacher.shape[1], student.shape[1]) < _FEWEST:
        return None
    both = [_estimate(one, level=level) for one in (teacher, student)]
    first, second = both
    count = len(teacher)
    restored = count * teacher.shape[1], count * student.shape[1]
    words = f"{confidence(level)} interval"
    extra = {
        "teacher": first.value,
        "teacher_interval": first.interval,
        "se": second.se,
        "df": second.df,
        "teacher_se": first.se,
        "measurements": count,
    }
    if second.value is None:
        sentence = (
            "Whether the student's mean and spread fit together cannot be told on this image: its "
            "samples hardly follow the redrawn camera noise, or do not vary."
        )
    else:
        value, ends = rounded(second.value, second.interval)
        sentence = (
            "When the camera noise is redrawn on this image, the student's answer moves "
            f"{value} times as far as its own spread implies ({words} {ends})"
        )
        if first.value is not None:
            value, ends = rounded(first.value, first.interval)
            sentence += f", the teacher's {value} times ({words} {ends})"
        sentence += (
            "; 1 is mean and spread that fit together, below 1 error bars too wide for how little "
            "the answer moves, above 1 too narrow for how far."
        )
    return Finding(
        id="dependence.response",
        title="movement against spread",
        estimand="change of the mean log-likelihood ratio between redraws / its variance over "
        "samples",
        unit="",
        estimate=second.value,
        interval=second.interval,
        level=level,
        method=second.method,
        n_teacher=restored[0],
        n_student=restored[1],
        coupled=paired,
        sentence=sentence,
        no_difference=1.0,
        question="dependence",
        counted="restorations of each sampler",
        notes=(
            "It asks each sampler whether it agrees with itself, not whether it is right: one with "
            "a wrong notion of what objects look like passes.",
        ),
        extra=extra,
    )


def _estimate(logs: np.ndarray, *, level: float) -> Estimate:
    """Return the ratio with a jackknife t interval over samples and measurements.

    As of the likelihood gap itself: the variance over the pairs (b, k), and what a jackknife over
    the measurements has beyond it; degrees of freedom by Satterthwaite.
    """
    found = measure_response(logs)
    count, each = found.moved.shape
    method = "jackknife over samples and measurements, t"
    moved, implied = found.moved.mean(1), found.implied
    noise = math.sqrt(float(found.moved.var(1, ddof=1).sum() / (each * count**2)))
    scale = float(np.square(logs - logs.mean(2, keepdims=True)).sum() / (each * count**2))
    if not (found.moved.mean() > CLEAR * noise and implied.mean() > _NOTHING * scale):
        return Estimate(None, (None, None), math.nan, math.nan, method)
    ratio = found.ratio
    # one sample fewer in one measurement moves both sums
    numerators = moved.sum() + (moved[:, None] - found.moved) / (each - 1)
    denominators = implied.sum() - implied[:, None] + found.without
    left = numerators / denominators
    within = (each - 1) / each * float(((left - left.mean(1, keepdims=True)) ** 2).sum())
    # a measurement is left out as one to be told from, too: only so does what all share cancel
    others = [np.delete(np.delete(logs, b, axis=0), b, axis=2) for b in range(count)]
    left = np.array([measure_response(one).ratio for one in others])
    among = (count - 1) / count * float(((left - left.mean()) ** 2).sum())
    excess = max(among - within, 0.0)
    variance = within + excess
    parts = within**2 / (count * (each - 1)) + excess**2 / (count - 1)
    df = variance**2 / parts if parts > 0 else float(count * (each - 1))
    se = math.sqrt(variance)
    reach = float(stats.t.isf((1 - level) / 2, df)) * se
    return Estimate(ratio, (ratio - reach, ratio + reach), se, df, method)


def _near(apart: np.ndarray) -> np.ndarray:
    """Return the sum over each patch and its neighbours, the last two axes; of (K,) itself."""
    if apart.ndim < 3:
        return apart
    side = 2 * NEAR + 1
    size = (1,) * (apart.ndim - 2) + (side, side)
    return np.asarray(ndimage.uniform_filter(apart, size, mode="constant") * side**2)
