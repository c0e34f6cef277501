"""A camera measured from frames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image import as_image

if TYPE_CHECKING:
    from napari_posterior.physics.estimate import CameraEstimate

__all__ = ["calibrate_camera"]


def calibrate_camera(
    frames: Any,
    *,
    flats: bool = False,
    dark: Any = None,
    bits: int | None = None,
    saturation: float | None = None,
) -> CameraEstimate:
    """Measure gain, offset and read noise from frames: photon transfer.

    Parameters
    ----------
    frames : array, path, layer, or a sequence of these
        Exposures in ADU, (N, H, W): two or more of one field that stays in place; or, with
        `flats`, of evenly lit fields, one stack for each level of light.
    flats : bool
        Whether the frames are flats.
    dark : array, path or layer, optional
        Exposures without light, (N, H, W), of the same part of the sensor; with flats only. From
        8 frames on, offset and read noise become maps where pixels differ.
    bits : int, optional
        Bits of the analogue-to-digital converter.
    saturation : float, optional
        Grey level in ADU of a full pixel.

    Returns
    -------
    CameraEstimate
        ``.camera`` with 95 % intervals, to be given to :func:`napari_posterior.restore`; ``.notes``
        says what to keep in mind.

    Raises
    ------
    InputError
        If there are too few frames, they differ in size or hold NaN, or `dark` comes without
        `flats`.
    """
    from napari_posterior.physics.estimate import camera_from_flats, camera_from_repeats

    one = not isinstance(frames, list | tuple)
    stacks = [_stack(part) for part in ([frames] if one else frames)]
    if not stacks:
        raise InputError("there are no frames; give two or more exposures")
    if flats:
        found = camera_from_flats(stacks, None if dark is None else _stack(dark))
    elif dark is not None:
        raise InputError("dark frames calibrate a camera together with flats; give flats too")
    else:
        if len({stack.shape[1:] for stack in stacks}) > 1:
            raise InputError("the frames differ in size; give exposures of one field")
        found = camera_from_repeats(np.concatenate(stacks))
    if bits is None and saturation is None:
        return found
    return replace(found, camera=replace(found.camera, bits=bits, saturation=saturation))


def _stack(source: Any) -> np.ndarray:
    """Frames as (N, H, W), whatever axes come before the last two."""
    data = as_image(source).data
    return data.reshape(-1, *data.shape[-2:])
