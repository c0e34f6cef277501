"""What an estimate says about limits: how surely it is below or above, and what would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Protocol, runtime_checkable

from scipy import stats

__all__ = ["ASSURANCE", "Evidence", "GapEvidence", "MovableEvidence", "TEvidence"]

ASSURANCE: Final = 0.84
"""Normal quantile of the probability, 80 %, with which planned samples settle a question."""


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

    Notes
    -----
    One-sided tests of U, the same whose inversion gives the interval.
    """

    square: float
    still: float
    slope: float
    unit: float

    def below(self, limit: float) -> float:
        """See `Evidence`."""
        if limit <= 0:
            return 1.0
        # a U below 0 is noise of the samples and must not count as nearer than none
        return self._tail(limit, max(self.square, 0.0), 1)

    def above(self, limit: float) -> float:
        """See `Evidence`."""
        return self._tail(limit, self.square, -1)

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`: V0 falls with the square of the samples, c with the samples."""
        m = limit**2 * self.unit
        sd = math.sqrt(max(self.still + self.slope * max(self.square, 0.0), 0.0))
        u = max(self.square + shift * sd, 0.0)
        distance = abs(m - u)
        reach = float(stats.norm.isf(tail)) + ASSURANCE
        wanted = (distance / reach) ** 2
        if not wanted > 0:
            return math.inf
        slope = self.slope * m  # the test is made at the limit
        return (math.sqrt(slope**2 + 4 * self.still * wanted) + slope) / (2 * wanted)

    def at(self, value: float) -> GapEvidence:
        """See `MovableEvidence`."""
        return replace(self, square=value**2 * self.unit)

    @property
    def shares(self) -> tuple[float, float] | None:
        """Not told apart."""
        return None

    def _tail(self, limit: float, square: float, side: int) -> float:
        m = max(limit, 0.0) ** 2 * self.unit
        spread = math.sqrt(self.still + self.slope * m)
        away = side * (m - square)
        return float(stats.norm.sf(away / spread)) if spread > 0 else float(away <= 0)
