"""One ratio in many places: whether it is within limits in all of them, or beyond them in any.

*Every* place is shown to be within limits by testing each at the full level: intersection-union,
Berger (1982), Technometrics 24:295. *Some* place is shown to be beyond them by the smallest p-value
times the number of places, which is the first step of Holm (1979), Scand. J. Stat. 6:65.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import stats

from napari_posterior.checks.verdicts.evidence import ASSURANCE, TEvidence
from napari_posterior.checks.verdicts.verdict import holm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.intervals import Estimate

__all__ = ["BEYOND", "OPEN", "WITHIN", "RatioFamily"]

WITHIN: Final = 0.0
"""Code of a place that is within limits."""

BEYOND: Final = 1.0
"""Code of a place that is beyond them."""

OPEN: Final = 2.0
"""Code of a place of which that cannot be told."""

_SE_NOISE: Final = 0.75


@dataclass(frozen=True, eq=False)
class RatioFamily:
    """Estimates of one ratio in many places; it is the evidence on the worst of them.

    Parameters
    ----------
    estimates : sequence of Estimate
        One or more, on a log scale; without a standard error a place says nothing.
    """

    estimates: Sequence[Estimate]

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """From the lowest lower end to the highest upper one: within limits if all are."""
        ends = [one.interval for one in self.estimates]
        lows = [0.0 if low is None else low for low, _ in ends]
        highs = [math.inf if high is None else high for _, high in ends]
        return min(lows), None if max(highs) == math.inf else max(highs)

    @property
    def clearest(self) -> int:
        """The place that differs most surely: its interval keeps the farthest from 1.

        Where no interval excludes 1, the place whose ratio is farthest from it.
        """
        with np.errstate(divide="ignore"):
            ends = np.log([[e or math.nan for e in one.interval] for one in self.estimates])
        ends[np.isneginf(self._logs)] = -math.inf
        near = np.where(ends[:, 0] > 0, ends[:, 0], np.where(ends[:, 1] < 0, -ends[:, 1], 0.0))
        far = np.nan_to_num(np.abs(self._logs), nan=0.0, posinf=math.inf)
        return int(np.argmax(near if near.max() > 0 else far))

    @property
    def expected(self) -> np.ndarray:
        """Ratios pulled towards their mean by what chance adds to their spread, (n,).

        The normal empirical-Bayes estimate, Efron & Morris (1973), JASA 68:117.
        """
        return np.asarray(np.exp(self._pulled))

    @property
    def p_value(self) -> float:
        """Of no difference anywhere, two-sided."""
        least = min(float(self._below(1.0).min()), float(self._above(1.0).min()))
        return min(1.0, 2 * len(self._logs) * least)

    def below(self, limit: float) -> float:
        """Every place is below a limit above 1; some place is below one beneath 1."""
        return self._gather(self._below(limit), every=limit >= 1)

    def above(self, limit: float) -> float:
        """Every place is above a limit beneath 1; some place is above one above 1."""
        return self._gather(self._above(limit), every=limit <= 1)

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`; of the places as they are expected to be, not of the luckiest.

        All places have to be shown within the limit together, or one beyond it.
        """
        count = len(self._logs)
        side = 1.0 if limit >= 1 else -1.0
        left = side * ((math.log(limit) if limit > 0 else -math.inf) - self._pulled)
        if not np.isfinite(self._se).all():
            return math.inf
        se = self._steady
        left = left - side * shift * se
        within = left > 0
        assurance = float(stats.norm.ppf(float(stats.norm.cdf(ASSURANCE)) ** (1 / count)))
        reach = np.where(within, tail, tail / count)
        reach = stats.t.isf(reach, self._df) + np.where(within, assurance, ASSURANCE)
        with np.errstate(divide="ignore", invalid="ignore"):
            needed = np.where(left == 0, math.inf, (reach * se / left) ** 2)
        return float(needed.max() if within.all() else needed[~within].min())

    def at(self, value: float) -> TEvidence:
        """Return what these samples would say if the ratio were `value` in every place."""
        return TEvidence(value, float(np.max(self._se)), float(np.min(self._df)), log=True)

    @property
    def shares(self) -> tuple[float, float] | None:
        """Average over the places."""
        known = [getattr(one.evidence, "shares", None) for one in self.estimates]
        parts = [one for one in known if one is not None]
        if len(parts) < len(known):
            return None
        teacher, student = np.mean(parts, axis=0)
        return float(teacher), float(student)

    def sort(self, low: float, high: float, *, tail: float) -> np.ndarray:
        """Say of each place whether it is `WITHIN` limits, `BEYOND` them or `OPEN`, (n,).

        Parameters
        ----------
        low, high : float
            The limits; 0 and infinity where there is none.
        tail : float
            Error of each place within, and of any place beyond (Holm).
        """
        inside = np.maximum(self._below(high), self._above(low))
        outside = np.minimum(self._above(high), self._below(low))
        codes = np.where(inside < tail, WITHIN, OPEN)
        codes[np.array(holm(outside.tolist())) < tail] = BEYOND
        return codes

    def _gather(self, p_values: np.ndarray, *, every: bool) -> float:
        if every:
            return float(p_values.max())
        return min(1.0, len(p_values) * float(p_values.min()))

    def _below(self, limit: float) -> np.ndarray:
        return self._tail(_log(limit) - self._logs)

    def _above(self, limit: float) -> np.ndarray:
        return self._tail(self._logs - _log(limit))

    def _tail(self, away: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            p_values = stats.t.sf(away / self._se, self._df)
        p_values = np.where(self._se == 0, np.where(away > 0, 0.0, 1.0), p_values)
        return np.where(np.isfinite(self._se), p_values, 1.0)

    @cached_property
    def _logs(self) -> np.ndarray:
        values = np.array([math.nan if e.value is None else e.value for e in self.estimates])
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(values))

    @cached_property
    def _se(self) -> np.ndarray:
        return np.array([one.se for one in self.estimates], np.float64)

    @cached_property
    def _df(self) -> np.ndarray:
        return np.array([one.df for one in self.estimates], np.float64)

    @cached_property
    def _pulled(self) -> np.ndarray:
        known = np.isfinite(self._logs) & np.isfinite(self._se)
        if known.sum() < 2:
            return self._logs
        logs, squares = self._logs[known], np.maximum(self._se[known] ** 2, 1e-12)
        middle = float(np.average(logs, weights=1 / squares))
        spread = max(float(np.mean((logs - middle) ** 2) - np.mean(squares)), 0.0)
        pulled = self._logs.copy()
        pulled[known] = middle + (logs - middle) * spread / (spread + squares)
        return pulled

    @cached_property
    def _steady(self) -> np.ndarray:
        """Standard errors, pulled together by what chance adds to their spread."""
        se = self._se.copy()
        known = se > 0
        if known.sum() < 2:
            return se
        logs = np.log(se[known])
        spread = float(np.var(logs))
        # of the logarithm of a jackknife SE over samples with some 12 independent numbers
        chance = _SE_NOISE / float(self._df[known].min())
        kept = max(spread - chance, 0.0) / spread if spread > 0 else 0.0
        se[known] = np.exp(logs.mean() + kept * (logs - logs.mean()))
        return se


def _log(limit: float) -> float:
    return math.log(limit) if limit > 0 else -math.inf
