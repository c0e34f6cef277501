"""A measurement: one acquired plane with its camera and PSF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.forward import ForwardModel
    from napari_posterior.physics.psf import Psf

__all__ = ["Measurement"]


@dataclass(frozen=True)
class Measurement:
    """One plane y with what is known of the microscope.

    Parameters
    ----------
    y : ndarray, (H, W)
        Grey levels in ADU.
    camera : Camera
        Gain, offset and read noise.
    psf : Psf
        Point spread function in pixels.
    background : float
        Camera-side constant in photoelectrons per pixel, not part of x.
    """

    y: np.ndarray
    camera: Camera
    psf: Psf
    background: float = 0.0

    @property
    def electrons(self) -> np.ndarray:
        """The plane in photoelectrons, (H, W) float32."""
        return np.asarray(self.camera.to_electrons(np.asarray(self.y, np.float64)), np.float32)

    @property
    def forward(self) -> ForwardModel:
        """The forward model of this measurement."""
        from napari_posterior.physics.forward import ForwardModel

        return ForwardModel(self.camera, self.psf, self.background)
