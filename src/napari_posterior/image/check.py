"""What cannot be restored is refused here, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.image.model import Image

__all__ = ["MIN_SIZE", "check_image", "refuse_colour"]

MIN_SIZE: Final = 8
"""Smallest height and width in pixels that the networks take."""


def check_image(image: Image) -> None:
    """Refuse an image that cannot be restored, in one sentence that says what to do.

    Raises
    ------
    InputError
        For complex, boolean, text or object values, fewer than 2 or more than 5 axes, an empty
        or colour image, planes smaller than `MIN_SIZE`, NaN or infinite values, or a constant.
    """
    data, name = image.data, image.name
    if data.dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers; give its magnitude")
    if data.dtype.kind == "b":
        raise InputError(f"{name} is a boolean mask; give the grey-level image")
    if data.dtype.kind not in "iuf":
        raise InputError(f"{name} holds {data.dtype} values; give integers or floats")
    if data.dtype.itemsize > 8:
        raise InputError(f"{name} holds {data.dtype} values; give float32 or float64")
    if data.ndim < 2:
        raise InputError(f"{name} lacks axes (shape {data.shape}); give an image with y and x")
    if data.size == 0:
        raise InputError(f"{name} is empty (shape {data.shape}); give an image with pixels")
    if data.ndim >= 3 and data.shape[-1] in (3, 4) and data.shape[-2] > 4:
        refuse_colour(name)
    if data.ndim > 5:
        raise InputError(f"{name} has {data.ndim} axes; give at most 5, for example one position")
    if min(image.plane_shape) < MIN_SIZE:
        height, width = image.plane_shape
        raise InputError(
            f"{name} has planes of {height} x {width} pixels; give at least "
            f"{MIN_SIZE} x {MIN_SIZE} pixels"
        )
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        bad = int(data.size - np.isfinite(data).sum())
        raise InputError(
            f"{name} holds {bad} NaN or infinite pixel{'s' * (bad != 1)}; crop them away or "
            "replace them first"
        )
    if data.min() == data.max():
        raise InputError(
            f"{name} is constant ({data.flat[0]:g} everywhere); give an image with a signal"
        )


def refuse_colour(name: str) -> None:
    """Raise the InputError of a colour image."""
    raise InputError(f"{name} is a colour (RGB) image; split it and give one grey-level channel")
