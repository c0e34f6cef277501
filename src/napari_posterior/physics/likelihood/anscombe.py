"""The generalised Anscombe transform: noise of about unit variance, for display only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera

__all__ = ["anscombe"]


def anscombe(y: np.ndarray, camera: Camera) -> np.ndarray:
    """Return ``2 sqrt(max(z + 3/8 + noise^2, 0))`` of every pixel, for display only.

    The variance of the result is near 1 from about 5 electrons on; below, it is 0.9 to 1.2 and the
    mean is up to 0.2 below the transform of the mean, so no likelihood may be made of it.

    Source: J.-L. Starck, F. Murtagh and A. Bijaoui, Image Processing and Data Analysis (1998),
    section 2.5, here in electrons, z = (y - offset) / gain.

    Parameters
    ----------
    y : ndarray, (..., H, W)
        Grey levels in ADU.
    camera : Camera
        Gain, offset and noise, numbers or maps of the shape (H, W).

    Returns
    -------
    ndarray, (..., H, W) float64
        In units of the standard deviation of the noise.

    Raises
    ------
    InputError
        If the camera has maps of another shape.
    """
    camera.check_fits(np.shape(y))
    electrons = camera.to_electrons(np.asarray(y, np.float64))
    inside = electrons + 0.375 + np.square(camera.noise_floor)
    return np.asarray(2 * np.sqrt(np.maximum(inside, 0.0)))
