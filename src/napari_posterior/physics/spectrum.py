"""Gaussian blur and sub-pixel shift of mirrored images in Fourier space, with their derivatives."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MirroredSpectrum"]


class MirroredSpectrum:
    """Images that are blurred and shifted by products with their transform.

    Parameters
    ----------
    image : Tensor, (..., H, W)
        Any number of planes.
    reach : float
        Pixels mirrored at every edge, so that none wraps round to the other.
    """

    def __init__(self, image: Tensor, reach: float) -> None:
        height, width = image.shape[-2:]
        margin = math.ceil(reach) + 1
        self.top, self.left = min(margin, height - 1), min(margin, width - 1)
        self.shape = image.shape
        pads = (self.left, self.left, self.top, self.top)
        flat = image.reshape(-1, 1, height, width)
        padded = torch.nn.functional.pad(flat, pads, mode="reflect")[:, 0]
        self.size = padded.shape[-2:]
        options: dict[str, Any] = {"dtype": image.dtype, "device": image.device}
        self.fy = torch.fft.fftfreq(self.size[0], **options)[:, None]
        self.fx = torch.fft.rfftfreq(self.size[1], **options)
        self.values = torch.fft.rfft2(padded)

    def moved(self, variance: float, down: float, right: float) -> Tensor:
        """Return the images blurred by a variance and shifted, in pixels."""
        return self._image(self._transfer(variance, down, right))

    def slopes(self, variance: float, down: float, right: float) -> list[Tensor]:
        """Return the derivatives of `moved` by variance, down and right."""
        transfer = self._transfer(variance, down, right)
        square = self.fy**2 + self.fx**2
        factors = (-2 * math.pi**2 * square, -2j * math.pi * self.fy, -2j * math.pi * self.fx)
        return [self._image(transfer * factor) for factor in factors]

    def _transfer(self, variance: float, down: float, right: float) -> Tensor:
        decay = -2 * math.pi**2 * variance * (self.fy**2 + self.fx**2)
        turn = -2 * math.pi * (self.fy * down + self.fx * right)
        return torch.polar(torch.exp(decay), turn)

    def _image(self, transfer: Tensor) -> Tensor:
        moved: Tensor = torch.fft.irfft2(self.values * transfer, s=tuple(self.size))
        height, width = self.shape[-2:]
        inner = moved[:, self.top : self.top + height, self.left : self.left + width]
        return inner.reshape(self.shape)
