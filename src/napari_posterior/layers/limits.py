"""Contrast limits that make layers comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.page.pictures import shared_limits, shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.image import Image
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run

__all__ = ["Limits", "expected_limits", "shared_by"]

_SIDE: Final = 512  # px of each plane that percentiles look at
_PLANES: Final = 16
_LEAST_SPREAD: Final = 1e-3


@dataclass(frozen=True)
class Limits:
    """Contrast limits of the layers of one image, whoever restored it.

    Parameters
    ----------
    object : tuple of float
        Of samples, means and the point estimate, in photoelectrons per pixel.
    sd : float
        Upper limit of the standard deviations, in photoelectrons per pixel; the lower one is 0.
    """

    object: tuple[float, float]
    sd: float

    def of(self, quantity: str, request: RestoreRequest) -> tuple[float, float] | None:
        """Return the limits of a layer; None for one that has limits of its own.

        Those of the input are those of the object seen through the camera: background, gain and
        offset.
        """
        if quantity in ("samples", "mean", "point estimate", "corrected mean"):
            return self.object
        if quantity in ("sd", "corrected sd"):
            return 0.0, self.sd
        if quantity == "variance":
            return 0.0, self.sd**2
        if quantity == "input":
            low, high = (limit + request.background for limit in self.object)
            gain, offset, _ = request.camera.typical
            return low * gain + offset, high * gain + offset
        return None


def shared_by(runs: Sequence[Run]) -> Limits:
    """Choose the limits that all runs of one image are shown with.

    Reads the mean and sd of each: to be called where waiting for the disk is no harm.

    Raises
    ------
    RunError
        If a run holds no sample or is damaged.
    """
    spreads = [_thin(run.sd) for run in runs if len(run) > 1]
    _, sd = shared_limits(spreads, high=99.5) if spreads else (0.0, 1.0)
    return Limits(shared_limits([_thin(run.mean) for run in runs]), max(sd, _LEAST_SPREAD))


def expected_limits(image: Image, request: RestoreRequest) -> Limits:
    """Guess the limits before a sample is drawn, from the measurement.

    The spread is taken as the shot and read noise at the upper limit, which bounds it.
    """
    gain, offset, read_noise = request.camera.typical
    y = _thin(image.data).astype(np.float64)
    low, high = shared_limits([(y - offset) / gain - request.background])
    noise = max(high, 0.0) + request.background + read_noise**2
    return Limits((low, high), max(float(np.sqrt(noise)), _LEAST_SPREAD))


def _thin(array: np.ndarray) -> np.ndarray:
    """Keep some of the pixels, enough for percentiles."""
    planes = np.asarray(array).reshape(-1, *array.shape[-2:])
    return shrink(planes[:: max(1, len(planes) // _PLANES)], _SIDE)[0]
