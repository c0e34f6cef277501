"""How far the noise model of a measurement can be trusted, and so what chi-squared to expect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.physics.measurement import Measurement

__all__ = ["NoiseTrust", "noise_trust"]

_TWO_SIDED_95: Final = 1.96
_GUESSED: Final = 0.5  # half the interval of a gain over the gain, from which it is a guess


@dataclass(frozen=True)
class NoiseTrust:
    """What is known of the noise of a measurement.

    Parameters
    ----------
    doubt : float
        Standard deviation that the camera's uncertainty adds to an expected reduced chi-squared:
        0 of a camera that was given, infinite where the gain is not known. The noise variance is
        about twice as wrong as the gain, relatively.
    correlated : str
        Why residuals are a matter of consistency only, a sentence; empty where the noise of
        neighbouring pixels is independent.
    saturated : int
        Pixels of all planes that are saturated and so left out of residuals.
    """

    doubt: float = 0.0
    correlated: str = ""
    saturated: int = 0

    @property
    def expected(self) -> float | None:
        """Reduced chi-squared that a draw from the posterior has; None where that is not known."""
        return 1.0 if math.isfinite(self.doubt) and not self.correlated else None

    def words(self) -> str:
        """Say what is expected of the reduced chi-squared, as part of a sentence."""
        if self.correlated:
            return "no value can be expected and it tells consistency only"
        if not math.isfinite(self.doubt):
            return "no value can be expected, because the gain could not be estimated"
        if self.doubt:
            half = _TWO_SIDED_95 * self.doubt
            return f"expected {1 - half:.2f} to {1 + half:.2f}, because the camera was estimated"
        return "expected 1.000"


def noise_trust(measurements: Sequence[Measurement]) -> NoiseTrust:
    """Judge the noise model of the planes of one image.

    Parameters
    ----------
    measurements : sequence of Measurement
        One for each plane, with the camera that they share.
    """
    from napari_posterior.physics.estimate import noise_correlation

    camera = measurements[0].camera
    doubt = 0.0
    if camera.source != "given":
        known = camera.gain_interval is not None and camera.gain_doubt < _GUESSED
        doubt = 2 * camera.gain_doubt / _TWO_SIDED_95 if known else math.inf
    found = noise_correlation(measurements[0].y)
    saturated = sum(int((~one.valid).sum()) for one in measurements)
    return NoiseTrust(doubt, found.sentence if found.kind == "correlated" else "", saturated)
