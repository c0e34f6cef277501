"""The Gaussian point spread function and the blur that is left beyond the target resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TARGET_SIGMA", "Psf", "gaussian_blur"]

TARGET_SIGMA: Final = 1.0
"""Width in pixels at which the object x is seen; the PSF of a microscope is no narrower."""


@dataclass(frozen=True)
class Psf:
    """Gaussian point spread function.

    Parameters
    ----------
    sigma : float
        Standard deviation in camera pixels, at least `TARGET_SIGMA` (1 px).

    Raises
    ------
    InputError
        If `sigma` is narrower than the target resolution or not finite.
    """

    sigma: float = TARGET_SIGMA

    def __post_init__(self) -> None:
        if not math.isfinite(self.sigma):
            raise InputError(f"PSF sigma is {self.sigma}; give a finite number of pixels")
        if self.sigma < TARGET_SIGMA - 1e-6:
            raise InputError(
                f"PSF sigma is {self.sigma:g} px, narrower than the target resolution of "
                f"{TARGET_SIGMA:g} px: the image is undersampled for this model; give a PSF sigma "
                f"of {TARGET_SIGMA:g} px or more, or up-sample the acquisition, not the image"
            )

    @property
    def blur_sigma(self) -> float:
        """Width in pixels of k, the blur beyond the target: ``sqrt(sigma^2 - target^2)``."""
        return math.sqrt(max(self.sigma**2 - TARGET_SIGMA**2, 0.0))


def gaussian_blur(x: Tensor, sigma: float | Tensor) -> Tensor:
    """Blur with the exact Gaussian transfer function ``exp(-2 pi^2 sigma^2 f^2)``.

    The transfer function, unlike a sampled kernel, adds widths in quadrature exactly for images
    that are band-limited, also for a sigma well below one pixel. Edges are mirrored.

    Parameters
    ----------
    x : Tensor, (..., H, W)
        Images; the dtype is kept.
    sigma : float or Tensor, (..., 1, 1)
        Standard deviation in pixels, one for all images or one each; 0 returns `x` itself.

    Returns
    -------
    Tensor, (..., H, W)
    """
    widest = float(sigma) if isinstance(sigma, (int, float)) else float(sigma.max())
    if widest == 0:
        return x
    import torch

    height, width = x.shape[-2:]
    margin = math.ceil(4 * widest) + 1
    top, left = min(margin, height - 1), min(margin, width - 1)
    padded = _mirror(x, top, left)
    rows, columns = padded.shape[-2:]
    fy = torch.fft.fftfreq(rows, device=x.device, dtype=x.dtype)
    fx = torch.fft.rfftfreq(columns, device=x.device, dtype=x.dtype)
    transfer = torch.exp(-2 * (math.pi * sigma) ** 2 * (fy[:, None] ** 2 + fx[None, :] ** 2))
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded) * transfer, s=(rows, columns))
    return blurred[..., top : top + height, left : left + width]


def _mirror(x: Tensor, top: int, left: int) -> Tensor:
    import torch

    height, width = x.shape[-2:]
    flat = x.reshape(-1, 1, height, width)
    padded = torch.nn.functional.pad(flat, (left, left, top, top), mode="reflect")
    return padded.reshape(*x.shape[:-2], height + 2 * top, width + 2 * left)
