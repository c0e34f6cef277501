"""Power of a sample's deviation from the mean in bands of spatial frequency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_posterior.checks.spread.scale import pooled_scale
from napari_posterior.physics.frequency_bands import (
    BandPower,
    Bands,
    hann,
    make_bands,
    optical_cutoff,
)

if TYPE_CHECKING:
    import numpy as np

    from napari_posterior.checks.spread.moments import Moments

__all__ = ["BandMeter", "Bands", "make_bands", "optical_cutoff"]


class BandMeter:
    """Measures the deviations of samples from the mean of their run, band by band.

    They are divided by a map of the standard deviation of both runs together, so that a bright spot
    does not stand for the whole, and tapered with a Hann window.

    Parameters
    ----------
    bands : Bands
        For the shape of the plane.
    teacher, student : Moments
        Mean and standard deviation of the samples that are compared and no other.
    counts : tuple of int
        Samples of each run.
    """

    def __init__(
        self, bands: Bands, teacher: Moments, student: Moments, counts: tuple[int, int]
    ) -> None:
        self.bands = bands
        self._means = teacher.mean, student.mean
        scale = pooled_scale(teacher, student, counts)
        window = hann((scale.shape[0], scale.shape[1]))
        weight = window / scale / math.sqrt(float((window**2).sum()))
        self._power = BandPower(bands, weight=weight)

    def measure(self, plane: np.ndarray, group: int) -> np.ndarray:
        """Return the power of one plane of one sample in each band, (n,) float64.

        Summed over planes and bands it is about the mean square of the deviation, in units of the
        standard deviation, times the planes.

        Parameters
        ----------
        plane : ndarray, (H, W) float32
            Photoelectrons per pixel.
        group : int
            0 for the teacher, 1 for the student.
        """
        values = self._power.transform(plane - self._means[group])
        return self._power.products(values, values)
