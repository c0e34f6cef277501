"""What an estimate says about limits: how surely it is below or above, and what would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

from scipy import optimize, special, stats

__all__ = ["ASSURANCE", "Evidence", "GapEvidence", "MovableEvidence", "TEvidence"]

ASSURANCE: Final = 0.84
"""Normal quantile of the probability, 80 %, with which planned samples settle a question."""

_NORMAL: Final = 1e6  # shape of a gamma law that is as good as normal
_LOG_MOST: Final = math.log(1e9)  # of the growth


class Evidence(Protocol):
    """What is known about one quantity, beyond its estimate and interval."""

    def below(self, limit: float) -> float:
        """Return the one-sided p-value of being at the limit or above: small, it is below."""
        ...

    def above(self, limit: float) -> float:
        """Return the one-sided p-value of being at the limit or below: small, it is above."""
        ...

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """Return how many times as many samples tell the quantity from a limit.

        Parameters
        ----------
        limit : float
            The limit.
        tail : float
            Error of the decision.
        shift : float
            Standard errors by which the estimate is moved, away from where it is.
        """
        ...

    @property
    def shares(self) -> tuple[float, float] | None:
        """What the samples of teacher and student add to the squared standard error, if known."""
        ...


@runtime_checkable
class MovableEvidence(Evidence, Protocol):
    """Evidence that knows what the same samples would say of another value."""

    def at(self, value: float) -> Evidence:
        """Return the evidence with the same errors around `value`."""
        ...


@dataclass(frozen=True)
class TEvidence:
    """An estimate whose error follows Student's t, perhaps on a logarithmic scale.

    Parameters
    ----------
    value : float
        The estimate; positive on a logarithmic scale.
    se, df : float
        Standard error (of the logarithm) and degrees of freedom.
    log : bool
        Whether the scale is logarithmic.
    shares : tuple of float, optional
        Parts of ``se^2`` that shrink with the samples of teacher and student.
    """

    value: float
    se: float
    df: float
    log: bool = False
    shares: tuple[float, float] | None = None

    def below(self, limit: float) -> float:
        """See `Evidence`."""
        return self._tail(self._away(limit))

    def above(self, limit: float) -> float:
        """See `Evidence`."""
        return self._tail(-self._away(limit))

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`; notes: ``((q + .84) se / distance)^2``."""
        distance = abs(self._away(limit) - shift * self.se)
        reach = float(stats.t.isf(tail, self.df)) + ASSURANCE
        factor = reach * self.se / distance if distance > 0 else math.inf
        return factor * factor  # too large a number becomes infinite, where a power would raise

    def at(self, value: float) -> TEvidence:
        """See `MovableEvidence`."""
        return replace(self, value=value)

    def _away(self, limit: float) -> float:
        if not self.log:
            return limit - self.value
        if limit <= 0:
            return -math.inf
        return math.log(limit) - math.log(self.value)

    def _tail(self, away: float) -> float:
        if not self.se > 0:  # without any error, or without a number for it
            return 0.0 if self.se == 0 and away > 0 else 1.0
        return float(stats.t.sf(away / self.se, self.df))


@dataclass(frozen=True)
class GapEvidence:
    """A squared distance whose unbiased estimate has a variance that grows with it.

    Parameters
    ----------
    square : float
        Estimate U of the squared gap M.
    still, slope : float
        ``Var(U) = still + slope M``.
    unit : float
        Square of the unit that limits are given in.
    largest : float
        Largest eigenvalue w of the covariance of the difference of the means, in units of U.
    df : float
        Degrees of freedom of the variance.

    Notes
    -----
    One-sided tests of U, and the interval that they leave. U is skewed to the right: of a Gaussian
    difference with covariance W its third cumulant is ``8 tr W^3 + 24 g'W^2 g``, and that is
    ``w (4 still + 6 slope M)`` at the most. A U far above the limit is judged by the gamma law with
    this skewness (Pearson's type III), one below it by the normal law, as if there were none; both
    widened as Student's t is. Derived; checked by simulation in docs/operating_characteristics.md.
    """

    square: float
    still: float
    slope: float
    unit: float
    largest: float = 0.0
    df: float = math.inf

    def below(self, limit: float) -> float:
        """See `Evidence`."""
        if limit <= 0:
            return 1.0
        m = limit**2 * self.unit
        # a U below 0 is noise of the samples and must not count as nearer than none
        away, spread = m - max(self.square, 0.0), self._spread(m)
        return float(stats.t.sf(away / spread, self.df)) if spread > 0 else float(away <= 0)

    def above(self, limit: float) -> float:
        """See `Evidence`."""
        m = max(limit, 0.0) ** 2 * self.unit
        away, spread = self.square - m, self._spread(m)
        if not spread > 0:
            return float(away <= 0)
        z = float(stats.norm.isf(stats.t.sf(away / spread, self.df)))
        shape = self._shape(m)
        if not shape < _NORMAL:
            return float(stats.norm.sf(z))
        return float(special.gammaincc(shape, max(shape + z * math.sqrt(shape), 0.0)))

    def interval(self, tail: float) -> tuple[float, float]:
        """Return the limits, low and high, that the tests with this one-sided error leave.

        The lower one is 0 where a gap of 0 is left.
        """
        q = float(stats.t.isf(tail, self.df))
        square, bend = max(self.square, 0.0), q**2 * self.slope / 2
        high = square + bend + math.sqrt(bend**2 + q**2 * (self.slope * square + self.still))
        to_gap = 1 / math.sqrt(self.unit)
        most = math.sqrt(square) * to_gap
        low = 0.0
        if most > 0 and self.above(0.0) < tail:
            low = float(optimize.brentq(lambda limit: self.above(limit) - tail, 0.0, most))
        return low, math.sqrt(high) * to_gap

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`: V0 falls with the square of the samples, the slope with the samples."""
        m = limit**2 * self.unit
        u = max(self.square + shift * self._spread(max(self.square, 0.0)), 0.0)
        distance = abs(m - u)

        def missing(log_factor: float) -> float:
            # the test is made at the limit
            return self._reach(m, tail, math.exp(log_factor), above=u > m) - distance

        if not distance > 0 or missing(_LOG_MOST) > 0:
            return math.inf
        if missing(-_LOG_MOST) < 0:
            return 0.0
        return math.exp(float(optimize.brentq(missing, -_LOG_MOST, _LOG_MOST, xtol=1e-9)))

    def at(self, value: float) -> GapEvidence:
        """See `MovableEvidence`."""
        return replace(self, square=value**2 * self.unit)

    @property
    def shares(self) -> tuple[float, float] | None:
        """Not told apart."""
        return None

    def _spread(self, m: float, factor: float = 1.0) -> float:
        """Return the standard deviation of U at M, of `factor` times as many samples."""
        return math.sqrt(max(self.still / factor**2 + self.slope * m / factor, 0.0))

    def _shape(self, m: float, factor: float = 1.0) -> float:
        """Return the shape of the gamma law of U, ``4 / skewness^2``."""
        third = self.largest / factor * (4 * self.still / factor**2 + 6 * self.slope * m / factor)
        skewness = third / self._spread(m, factor) ** 3 if third > 0 else 0.0
        return 4 / skewness**2 if skewness > 0 else math.inf

    def _reach(self, m: float, tail: float, factor: float, *, above: bool) -> float:
        """Return how far from m U must lie to be told from it, with the assurance."""
        shape = self._shape(m, factor)
        if above and shape < _NORMAL:
            z = (float(special.gammainccinv(shape, tail)) - shape) / math.sqrt(shape)
            tail = float(stats.norm.sf(z))
        q = float(stats.t.isf(tail, max(self.df * factor, 1.0)))
        return (q + ASSURANCE) * self._spread(m, factor)
