"""Which pixels take the exact sum: chosen once, from the measurement alone."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from scipy import ndimage

from napari_posterior.errors import InputError

__all__ = ["EXACT_BELOW_ELECTRONS", "EXACT_BELOW_NOISE", "Model", "exact_pixels"]

Model = Literal["auto", "exact", "gaussian", "poisson"]

EXACT_BELOW_NOISE: Final = 1.6
"""Read noise in e- below which the exact sum is worth its time."""

EXACT_BELOW_ELECTRONS: Final = 30.0
"""Local electrons per pixel below which the exact sum is worth its time."""

_SMOOTHING: Final = 2.0  # px, in the plane


def exact_pixels(
    electrons: np.ndarray, noise: float | np.ndarray, model: Model, mask: Any = None
) -> np.ndarray:
    """Return where the exact sum is used, bool of the shape of the measurement.

    Beyond 1.6 e- of read noise or 30 e- of light the Gaussian loses less than 0.005 nat a pixel.

    Parameters
    ----------
    electrons : ndarray, (H, W) or (D, H, W)
        The measurement in electrons.
    noise : float or ndarray, (H, W)
        Read noise in electrons.
    model : {"auto", "exact", "gaussian", "poisson"}
        ``"auto"`` chooses, the others take one formula for all pixels.
    mask : array or Tensor, bool of the shape of the measurement, optional
        Used instead of choosing, so that two runs are scored by one formula pixel by pixel.

    Raises
    ------
    InputError
        If the model is unknown, or the mask has another shape or comes without ``"auto"``.
    """
    if model not in get_args(Model):
        raise InputError(
            f"likelihood model {model!r} is unknown; use {', '.join(get_args(Model)[:-1])} or "
            f"{get_args(Model)[-1]}"
        )
    if mask is not None:
        given = torch.as_tensor(mask, dtype=torch.bool, device="cpu").numpy().copy()
        if model != "auto":
            raise InputError(
                f"likelihood model {model!r} takes one formula for all pixels; give a mask with "
                "'auto' only"
            )
        if given.shape != electrons.shape:
            raise InputError(
                f"the mask of the exact pixels has shape {given.shape} and the measurement "
                f"{electrons.shape}; give the mask of a likelihood of the same measurement"
            )
        return given
    if model != "auto":
        return np.full(electrons.shape, model == "exact")
    quiet = np.broadcast_to(np.asarray(noise) < EXACT_BELOW_NOISE, electrons.shape)
    if not quiet.any():
        return np.zeros(electrons.shape, bool)
    sigma = (0.0,) * (electrons.ndim - 2) + (_SMOOTHING,) * 2
    smooth = ndimage.gaussian_filter(electrons, sigma, mode="reflect")
    return np.asarray(quiet & (smooth < EXACT_BELOW_ELECTRONS))
