"""What an experiment with redraws of the noise says about limits, and how many would settle it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import optimize, stats

from napari_posterior.checks.verdicts.evidence import ASSURANCE, TEvidence

__all__ = ["RedrawEvidence"]

_MOST = 1e9


@dataclass(frozen=True, kw_only=True)
class RedrawEvidence(TEvidence):
    """An estimate from redraws of a measurement, each restored a few times.

    More samples of the same redraws leave the part of the error that comes from the redraws; more
    redraws divide all of it, and give degrees of freedom to it. So redraws are what is asked for.

    Parameters
    ----------
    redraws : int
        Of the measurement.
    each : int
        Samples of each sampler for each of them.
    """

    redraws: int
    each: int

    def growth(self, limit: float, tail: float, *, shift: float = 0.0) -> float:
        """See `Evidence`; in redraws, with which the degrees of freedom grow."""
        distance = abs(self._away(limit) - shift * self.se)
        if not distance > 0:
            return math.inf

        def short(log_growth: float) -> float:
            growth = math.exp(log_growth)
            reach = float(stats.t.isf(tail, self.df * growth)) + ASSURANCE
            return math.log(reach * self.se / distance) - log_growth / 2 if self.se > 0 else -1.0

        ends = -math.log(_MOST), math.log(_MOST)
        if short(ends[1]) > 0:
            return math.inf
        if short(ends[0]) <= 0:
            return 0.0
        return math.exp(optimize.brentq(short, *ends, xtol=1e-9))

    def ask(self, more: int) -> str:
        """Say what to do anew so that each sampler restores `more` times more, as a clause."""
        redraws = math.ceil(self.redraws + more / self.each)
        return (
            f"about {redraws} redraws of the camera noise instead of {self.redraws}, with "
            f"{self.each} samples of each, should settle it; more samples of the same redraws may "
            "not"
        )
