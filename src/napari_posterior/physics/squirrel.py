"""RSE and RSP, the two numbers of SQUIRREL: how far a sharp image is from the measured one.

S. Culley et al., Nature Methods 15 (2018) 263-266: the sharp image is scaled, offset and blurred
until it is as like the measured one as it gets; RSE is the root mean square of what is left, RSP
Pearson's correlation. There the fit is made anew for every image. Here it is made once, on the
teacher's mean, and used for every sample of teacher and student, so that an image that loses
light or sharpness does not get it back from the fit.

They are familiar numbers and no more. The lowest RSE is not the best one: a sample that is as noisy
as it should be has a higher RSE than the mean of samples, and RSE counts a photon in a bright
place, where the noise is large, as much as one in the dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.nuisance import Nuisance, fit_nuisance

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Squirrel"]


@dataclass(frozen=True, eq=False)
class Squirrel:
    """A measured image and the frozen fit with which sharp images are compared with it.

    Parameters
    ----------
    reference : ndarray, (H, W) or (D, H, W)
        The measured image, in any unit: ADU if it is y.
    nuisance : Nuisance
        Fitted on one image, see `fitted_on`.
    valid : ndarray of bool, of the shape of `reference`, optional
        Pixels that count, such as those that are not saturated; all by default.

    Raises
    ------
    InputError
        If the shapes differ or fewer than two pixels count.
    """

    reference: np.ndarray
    nuisance: Nuisance
    valid: np.ndarray | None = None

    def __post_init__(self) -> None:
        valid = np.ones(self.reference.shape, bool) if self.valid is None else self.valid
        if valid.shape != self.reference.shape or valid.sum() < 2:
            raise InputError(
                f"the pixels that count have shape {valid.shape} and number {int(valid.sum())}, "
                f"and the measured image has shape {self.reference.shape}; give some of its pixels"
            )
        object.__setattr__(self, "valid", valid)

    @classmethod
    def fitted_on(
        cls,
        mean: np.ndarray | Tensor,
        reference: np.ndarray,
        *,
        valid: np.ndarray | None = None,
        most_blur: float = 8.0,
    ) -> Squirrel:
        """Fit gain, offset and blur on one image, with equal weights, as SQUIRREL does.

        Parameters
        ----------
        mean : ndarray or Tensor, of the shape of `reference`
            The teacher's mean.
        reference : ndarray, (H, W) or (D, H, W)
            The measured image.
        valid : ndarray of bool, optional
            Pixels that count.
        most_blur : float
            Widest blur that may be found, in pixels.

        Raises
        ------
        InputError
            If the two do not go together, as `fit_nuisance` says.
        """
        measured = np.asarray(reference, np.float64)
        nuisance = fit_nuisance(mean, measured, valid=valid, shift=False, most_blur=most_blur)
        return cls(measured, nuisance, valid)

    def rse(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Return the resolution-scaled error, in units of the reference.

        ``sqrt(mean((reference - nuisance.apply(image))^2))``, Culley et al. 2018, Methods.

        Parameters
        ----------
        images : ndarray or Tensor, (..., H, W) or (..., D, H, W)
            Samples, or one image.

        Returns
        -------
        ndarray, (...), float64
        """
        return np.asarray(np.sqrt(np.mean(self._residual(images) ** 2, axis=-1)))

    def rsp(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Return the resolution-scaled Pearson coefficient, (...) float64; NaN of a flat image."""
        seen, measured = self._seen(images), self.reference[self.valid]
        brightest = np.abs(seen).max(axis=-1)
        seen = seen - seen.mean(axis=-1, keepdims=True)
        measured = measured - measured.mean()
        # a flat image that was blurred is flat up to rounding
        varies = np.abs(seen).max(axis=-1) > 1e-9 * brightest
        size = np.sqrt((seen**2).sum(axis=-1) * (measured**2).sum())
        return np.asarray((seen * measured).sum(axis=-1) / np.where(varies, size, np.nan))

    def error_map(self, image: np.ndarray | Tensor) -> np.ndarray:
        """Return where an image is off, ``|reference - nuisance.apply(image)|``, float64."""
        return np.asarray(np.abs(self.reference - self._apply(image)))

    def _residual(self, images: np.ndarray | Tensor) -> np.ndarray:
        return np.asarray(self.reference[self.valid] - self._seen(images))

    def _seen(self, images: np.ndarray | Tensor) -> np.ndarray:
        """Return the pixels that count of every image, (..., pixels)."""
        return np.asarray(self._apply(images)[..., self.valid])

    def _apply(self, images: np.ndarray | Tensor) -> np.ndarray:
        pixels = images.detach().cpu().numpy() if isinstance(images, torch.Tensor) else images
        return self.nuisance.apply(np.asarray(pixels, np.float64))
