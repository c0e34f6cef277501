"""A measurement: one acquired plane or stack with its camera and PSF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.forward import ForwardModel
    from napari_posterior.physics.psf import Psf

__all__ = ["Measurement"]


@dataclass(frozen=True, eq=False)
class Measurement:
    """One plane or stack y with what is known of the microscope.

    Parameters
    ----------
    y : ndarray, (H, W) or (D, H, W)
        Grey levels in ADU.
    camera : Camera
        Gain, offset and read noise; maps are of the shape (H, W).
    psf : Psf
        Point spread function in pixels.
    background : float
        Camera-side constant in photoelectrons per pixel, not part of x.

    Raises
    ------
    InputError
        If y is neither a plane nor a stack, the camera has maps of another shape, or the PSF does
        not fit.
    """

    y: np.ndarray
    camera: Camera
    psf: Psf
    background: float = 0.0

    def __post_init__(self) -> None:
        shape = np.shape(self.y)
        if len(shape) not in (2, 3) or 0 in shape:
            raise InputError(
                f"the measurement has shape {shape}; give one plane of height x width, or one "
                "stack of planes x height x width"
            )
        self.camera.check_fits(shape)
        self.psf.check_fits(shape)

    @property
    def electrons(self) -> np.ndarray:
        """The plane in photoelectrons, float32 of the shape of `y`."""
        return np.asarray(self.camera.to_electrons(np.asarray(self.y, np.float64)), np.float32)

    @cached_property
    def valid(self) -> np.ndarray:
        """Where the pixel is not saturated and so tells its light, bool of the shape of `y`."""
        return ~self.camera.is_saturated(self.y)

    @property
    def forward(self) -> ForwardModel:
        """The forward model of this measurement."""
        from napari_posterior.physics.forward import ForwardModel

        return ForwardModel(self.camera, self.psf, self.background)
