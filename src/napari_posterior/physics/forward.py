"""The forward model: from the object x to what the camera records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import gaussian_blur

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf

__all__ = ["ForwardModel"]


@dataclass(frozen=True)
class ForwardModel:
    """``y = gain * (Poisson(k * x + background) + N(0, read_noise^2)) + offset``.

    Parameters
    ----------
    camera : Camera
        Gain, offset and read noise.
    psf : Psf
        Point spread function; k is what is left of it beyond the target resolution.
    background : float
        Camera-side constant, in photoelectrons per pixel.
    """

    camera: Camera
    psf: Psf
    background: float = 0.0

    def __post_init__(self) -> None:
        if not self.background >= 0:
            raise InputError(
                f"background is {self.background}; give a number of e- per pixel of 0 or more"
            )

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected photoelectrons ``k * x + background``, (..., H, W)."""
        return gaussian_blur(x, self.psf.blur_sigma) + self.background

    def mean_adu(self, x: Tensor) -> Tensor:
        """Return the expected grey levels in ADU, (..., H, W)."""
        return self.camera.to_adu(self.mean(x))

    def sample(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw a measurement in ADU of the object `x`, (..., H, W), not rounded to integers."""
        electrons = torch.poisson(self.mean(x).clamp_min(0.0), generator=generator)
        read = torch.empty_like(electrons).normal_(generator=generator)
        return self.camera.to_adu(electrons + self.camera.read_noise * read)
