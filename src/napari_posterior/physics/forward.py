"""The forward model: from the object x to what the camera records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.blur import (
    BOUNDARIES,
    Boundary,
    blur_gaussian,
    convolve,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf

__all__ = ["ForwardModel"]

Stage = Literal["before", "after"]


@dataclass(frozen=True)
class ForwardModel:
    """``y = gain * (Poisson(bin(k * x) + background) + N(0, read_noise^2)) + offset``.

    Binning before the analogue-to-digital converter (CCD) collects the electrons of b x b pixels
    and reads them once: `camera` is then that of the binned pixel. Binning after it (sCMOS) adds
    up b x b grey levels, each with its own read noise, offset, rounding and saturation: `camera`
    is then that of the single pixel, and `binned_camera` that of y.

    Parameters
    ----------
    camera : Camera
        Gain, offset and read noise.
    psf : Psf
        Point spread function in pixels of x; k is what is left of it beyond the target resolution.
    background : float
        Camera-side constant, in photoelectrons per pixel of y.
    binning : int
        Pixels of x along the side of one pixel of y. Planes of a stack are not binned.
    binning_stage : {"before", "after"}
        The analogue-to-digital converter.
    boundary : {"mirror", "zero", "periodic"}
        What is taken to lie around x; see `blur.BOUNDARIES`.

    Raises
    ------
    InputError
        If the background is negative, or a choice is unknown.
    """

    camera: Camera
    psf: Psf
    background: float = 0.0
    binning: int = 1
    binning_stage: Stage = "before"
    boundary: Boundary = "mirror"

    def __post_init__(self) -> None:
        if not self.background >= 0:
            raise InputError(
                f"background is {self.background}; give a number of e- per pixel of 0 or more"
            )
        if self.binning not in range(1, 1025):
            raise InputError(f"binning is {self.binning!r}; give a whole number from 1 to 1024")
        for name, choices in (("binning_stage", get_args(Stage)), ("boundary", BOUNDARIES)):
            if getattr(self, name) not in choices:
                told = " or ".join(repr(choice) for choice in choices)
                raise InputError(f"{name} is {getattr(self, name)!r}; give {told}")

    @property
    def binned_camera(self) -> Camera:
        """The camera of a pixel of y.

        That of the sum of b x b grey levels ``g_i (n_i + r_i) + o_i`` has the mean gain g, the
        sum of the offsets, the read noise ``sqrt(sum g_i^2 r_i^2) / g`` with the rounding of each
        level in it, and b^2 times the saturation; without maps g, ``b^2 o`` and ``b r``.
        """
        camera, bin_area = self.camera, self.binning**2
        if self.binning_stage == "before" or self.binning == 1:
            return camera
        gain = self._sum_pixels(camera.gain) / bin_area
        noise = self._sum_pixels((camera.noise_floor * camera.gain) ** 2) ** 0.5 / gain
        full = None if camera.saturation is None else camera.saturation * bin_area
        return replace(
            camera,
            gain=gain,
            offset=self._sum_pixels(camera.offset),
            read_noise=noise,
            bits=None,
            saturation=full,
            offset_interval=None,
            read_noise_interval=None,
        )

    def mean(self, x: Tensor) -> Tensor:
        """Return the expected photoelectrons ``bin(k * x) + background``.

        Parameters
        ----------
        x : Tensor, (..., H, W), or (..., D, H, W) with the PSF of a stack
            Photoelectrons per pixel at the target resolution; the PSF of a plane acts on every
            plane by itself.

        Returns
        -------
        Tensor, (..., H / binning, W / binning)

        Raises
        ------
        InputError
            If the PSF is larger than the image, or the binning does not divide its sides.
        """
        return self._light(x) + self.background

    def mean_adu(self, x: Tensor) -> Tensor:
        """Return the expected grey levels in ADU, not rounded, of the shape of `mean`."""
        if self.binning_stage == "before" or self.binning == 1:
            return self.camera.to_adu(self._fitting(self.mean(x)))
        return self._bin(self.camera.to_adu(self._fitting(self._unbinned(x))))

    def sample(
        self, x: Tensor, generator: torch.Generator | None = None, *, seed: int | None = None
    ) -> Tensor:
        """Draw a measurement in ADU of the object `x`, of the shape of `mean`.

        It is clipped at the saturation of the camera and, where its bits are known, rounded to
        whole grey levels from 0.

        Parameters
        ----------
        x : Tensor
            As for `mean`; what is negative after the blur is taken as 0.
        generator : torch.Generator, optional
            Source of the noise.
        seed : int, optional
            Instead of a generator.

        Raises
        ------
        InputError
            As `mean`, or if both a generator and a seed are given.
        """
        if seed is not None:
            if generator is not None:
                raise InputError("give a generator or a seed, not both")
            generator = torch.Generator(x.device).manual_seed(seed)
        if self.binning_stage == "before" or self.binning == 1:
            return self._record(self.mean(x), generator)
        return self._bin(self._record(self._unbinned(x), generator))

    def adjoint(self, v: Tensor) -> Tensor:
        """Return the adjoint of the linear part ``x -> bin(k * x)`` applied to `v`.

        ``<bin(k * x), v> = <x, adjoint(v)>`` for every x. The linear part is differentiated
        backwards, so the boundary and the binning are those of `mean`.

        Parameters
        ----------
        v : Tensor, (..., H / binning, W / binning)
            Of the shape of `mean`.

        Returns
        -------
        Tensor, (..., H, W)
        """
        b = self.binning
        with torch.enable_grad():
            x = v.new_zeros(*v.shape[:-2], v.shape[-2] * b, v.shape[-1] * b).requires_grad_()
            (gradient,) = torch.autograd.grad(self._light(x), x, v.detach())
        return gradient

    def _light(self, x: Tensor) -> Tensor:
        return self._bin(self._blur(x))

    def _unbinned(self, x: Tensor) -> Tensor:
        """Return the expected photoelectrons of the single pixels."""
        return self._blur(x) + self.background / self.binning**2

    def _blur(self, x: Tensor) -> Tensor:
        psf = self.psf
        psf.check_fits(x.shape)
        if psf.blur_kernel is not None:
            return convolve(x, psf.blur_kernel, boundary=self.boundary)
        sigmas = [psf.blur_sigma] * 2
        if psf.ndim == 3:
            sigmas.insert(0, psf.axial_blur_sigma)
        return blur_gaussian(x, sigmas, boundary=self.boundary)

    def _bin(self, values: Tensor) -> Tensor:
        b = self.binning
        if b == 1:
            return values
        height, width = values.shape[-2:]
        if height % b or width % b:
            raise InputError(
                f"binning by {b} does not divide {height} x {width} pixels; crop the image to "
                f"{height // b * b} x {width // b * b}"
            )
        blocks = values.reshape(*values.shape[:-2], height // b, b, width // b, b)
        return blocks.sum((-3, -1))

    def _sum_pixels(self, level: float | np.ndarray) -> float | np.ndarray:
        if isinstance(level, np.ndarray):
            return self._bin(torch.from_numpy(np.array(level))).numpy()
        return level * self.binning**2

    def _fitting(self, electrons: Tensor) -> Tensor:
        self.camera.check_fits(tuple(electrons.shape))
        return electrons

    def _record(self, mean: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return noisy grey levels of expected photoelectrons, clipped and rounded."""
        camera = self.camera
        electrons = torch.poisson(self._fitting(mean).clamp_min(0.0), generator=generator)
        read = torch.empty_like(electrons).normal_(generator=generator)
        noise = torch.tensor(camera.read_noise, dtype=read.dtype, device=read.device)
        y = camera.to_adu(electrons + noise * read)
        if camera.bits is not None:
            y = y.round().clamp_min(0.0)
        return y if camera.saturation is None else y.clamp_max(camera.saturation)
