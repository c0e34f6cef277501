"""A sampled PSF from a file, an array or a layer: the image of one point, or of beads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.image import as_image
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    import os

    from napari_posterior.physics.beads import Beads

__all__ = ["read_beads", "read_psf"]


def read_psf(source: str | os.PathLike[str] | Any) -> Psf:
    """Read the PSF from the image of one point.

    Parameters
    ----------
    source : path, array, layer or Image
        Intensities of (h, w), or of a focus series (d, h, w), on the pixels of the image that will
        be restored; `kernel.sampled_psf` checks, centres and brings them to sum 1. Leading axes of
        length 1 are left out.

    Returns
    -------
    Psf
        With its samples.

    Raises
    ------
    InputError
        If the file is missing or cannot be read, or the image is not a PSF.
    """
    return Psf(kernel=_intensities(source))


def read_beads(source: str | os.PathLike[str] | Any) -> Beads:
    """Average the beads of an image; see `beads.measure_beads`.

    Parameters
    ----------
    source : path, array, layer or Image
        As of `read_psf`, with several sub-resolution beads.

    Returns
    -------
    Beads

    Raises
    ------
    InputError
        If the file is missing or cannot be read, or the image holds no such beads.
    """
    from napari_posterior.physics.beads import measure_beads

    return measure_beads(_intensities(source))


def _intensities(source: Any) -> np.ndarray:
    data = np.asarray(as_image(source).data)
    while data.ndim > 2 and len(data) == 1:
        data = data[0]
    return data
