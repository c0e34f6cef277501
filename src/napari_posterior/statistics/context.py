"""What a statistic may know besides the sample; everything here is fixed from the measurement."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.statistics.segmentation import object_threshold, smooth_by_psf

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.measurement import Measurement

__all__ = [
    "PUNCTA_SNR",
    "StatisticContext",
    "amplitude_sd",
    "background_level",
    "make_context",
    "measured_levels",
]

PUNCTA_SNR: Final = 5.0
"""Signal to noise ratio of the amplitude at which a punctum is counted."""


_PERCENTILES: Final = (1.0, 99.8)  # those by which Spotiflow scales an image


@dataclass(frozen=True)
class StatisticContext:
    """Microscope and thresholds of one plane, shared by teacher and student.

    Parameters
    ----------
    camera : Camera
        Gain, offset and read noise.
    psf_sigma : float
        Standard deviation of the PSF in pixels.
    background : float
        Typical level of the measurement, photoelectrons per pixel.
    puncta_threshold : float
        Smallest amplitude of a punctum in x, photoelectrons per pixel.
    pixel_size : tuple of float, optional
        Height and width of a pixel.
    unit : str
        Unit of `pixel_size`.
    target_sigma : float
        Width in pixels at which x is seen.
    camera_background : float
        Part of `background` that the camera adds and x does not hold, photoelectrons per pixel.
    levels : tuple of float, optional
        Darkest and brightest structure of the measurement, photoelectrons per pixel of x; see
        `measured_levels`.
    object_threshold : float, optional
        Level in x above which a pixel belongs to an object, photoelectrons per pixel.
    region : ndarray, (H, W), optional
        Where to measure, bool; the whole plane by default.
    """

    camera: Camera
    psf_sigma: float
    background: float
    puncta_threshold: float
    pixel_size: tuple[float, float] | None = None
    unit: str = "pixel"
    target_sigma: float = TARGET_SIGMA
    camera_background: float = 0.0
    levels: tuple[float, float] | None = None
    object_threshold: float | None = None
    region: np.ndarray | None = field(default=None, compare=False)

    @property
    def background_in_x(self) -> float:
        """The background as x shows it, photoelectrons per pixel."""
        return max(self.background - self.camera_background, 0.0)

    def inside(self, positions: np.ndarray) -> np.ndarray:
        """Say for positions (n, 2) in pixels whether their pixel is in the region, (n,) bool."""
        if self.region is None:
            return np.ones(len(positions), bool)
        pixels = np.rint(positions).astype(int).reshape(-1, 2)
        rows, columns = (
            np.clip(pixels[:, axis], 0, size - 1) for axis, size in enumerate(self.region.shape)
        )
        return np.asarray(self.region[rows, columns], bool)

    def within(self, region: np.ndarray | None) -> StatisticContext:
        """Return the same thresholds for a region, (H, W) bool, or for the whole plane."""
        return replace(self, region=region)

    @property
    def puncta_threshold_adu(self) -> float:
        """The threshold in grey levels of the input: what to quote when the gain is a guess."""
        return self.puncta_threshold * self.camera.typical.gain


def make_context(
    measurement: Measurement,
    *,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
    snr: float = PUNCTA_SNR,
) -> StatisticContext:
    """Fix the thresholds of a plane from its measurement, before any sample is looked at.

    The amplitude that counts is ``snr`` times `amplitude_sd` at the `background_level`.

    Parameters
    ----------
    measurement : Measurement
        The plane with camera and PSF.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.
    snr : float
        Signal to noise ratio of the amplitude at the threshold.

    Raises
    ------
    InputError
        If `snr` is not positive.
    """
    if not snr > 0:
        raise InputError(f"the signal to noise ratio is {snr}; give a positive number")
    level = background_level(measurement)
    sd = amplitude_sd(
        background=level,
        read_noise=measurement.camera.typical.read_noise,
        psf_sigma=measurement.psf.sigma,
    )
    return StatisticContext(
        camera=measurement.camera,
        psf_sigma=measurement.psf.sigma,
        background=level,
        puncta_threshold=snr * sd,
        camera_background=measurement.background,
        levels=measured_levels(measurement),
        object_threshold=object_threshold(measurement),
        pixel_size=pixel_size,
        unit=unit,
    )


def background_level(measurement: Measurement) -> float:
    """Return the level that a punctum must stand out from, photoelectrons per pixel.

    It is the median of the measurement smoothed by its PSF: the dark background where structure
    covers less than half of the plane, else the structure's own level.
    """
    return max(float(np.median(smooth_by_psf(measurement))), 0.0)


def measured_levels(measurement: Measurement) -> tuple[float, float]:
    """Return the 1 and 99.8 percentiles of a measurement, photoelectrons per pixel.

    The measurement is smoothed by its PSF first, so that noise does not set the levels; a constant
    background that is not part of x is taken off.
    """
    low, high = np.percentile(smooth_by_psf(measurement) - measurement.background, _PERCENTILES)
    return float(low), float(high)


def amplitude_sd(
    *,
    background: float,
    read_noise: float,
    psf_sigma: float,
    target_sigma: float = TARGET_SIGMA,
) -> float:
    """Return the noise of a punctum's amplitude in x, photoelectrons per pixel.

    A punctum of N photoelectrons appears in y as N g, g a normalised Gaussian of width
    ``psf_sigma``, under noise of variance ``v = background + read_noise^2`` per pixel. The
    matched filter estimates N with variance ``v / sum(g^2) = 4 pi psf_sigma^2 v``. In x the same
    punctum has the width ``target_sigma`` and the amplitude ``N / (2 pi target_sigma^2)``, so

        sd = psf_sigma * sqrt(v / pi) / target_sigma^2.

    Parameters
    ----------
    background : float
        Photoelectrons per pixel under the punctum.
    read_noise : float
        Photoelectrons.
    psf_sigma, target_sigma : float
        Widths in pixels.
    """
    variance = background + read_noise**2
    # A plane with neither background nor read noise still has single photons.
    return psf_sigma * math.sqrt(max(variance, 1e-2) / math.pi) / target_sigma**2
