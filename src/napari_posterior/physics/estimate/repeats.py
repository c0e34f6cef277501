"""Estimate the camera from repeated exposures of one field."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.estimate.frames import (
    fit_drift,
    measure,
    read_frames,
    saturated_blocks,
)
from napari_posterior.physics.estimate.line import fit_line
from napari_posterior.physics.estimate.result import (
    CameraEstimate,
    assume_dark,
    gain_note,
    own_units,
)

__all__ = ["camera_from_repeats"]

_BLOCK: Final = 8
_DARKEST: Final = 0.01
_LEVELS: Final = 8
_DRIFTED: Final = 0.02


def camera_from_repeats(stack: np.ndarray) -> CameraEstimate:
    """Estimate gain, offset and read noise from repeated exposures of one field.

    The noise is what differs from frame to frame, once the brightness of each frame is fitted out,
    so that structure does not matter as long as it stays in place. Its variance against the mean
    is a line whose slope is the gain (J.R. Janesick, Photon Transfer, SPIE 2007). Offset and read
    noise are chosen as from one image (see `estimate_camera`): give dark frames to
    `camera_from_flats` to have them measured.

    The interval of the gain is a bootstrap over blocks, widened where the variance is not a line
    in the mean. Objects that move by a fraction of a pixel are noise to it; blocks where the
    variance stands out are left aside.

    Parameters
    ----------
    stack : ndarray, (N, H, W)
        Grey levels in ADU of 2 or more exposures.

    Returns
    -------
    CameraEstimate

    Raises
    ------
    InputError
        If there are not two separate frames of 16 x 16 pixels, or they hold NaN or infinite
        values.
    """
    frames, copies = read_frames(stack, "the stack of repeats")
    if len(frames) < 2:
        raise InputError(
            "the camera needs two or more exposures of one field that are not copies of each "
            "other; give the raw frames"
        )
    notes = []
    if copies:
        verb = "copy of another frame and was" if copies == 1 else "copies of other frames and were"
        notes.append(f"Of the frames {copies} {verb} left out.")
    drift = fit_drift(frames)
    moments = measure(frames, drift)
    points = moments.points(_BLOCK)
    saturated = saturated_blocks(frames, float(frames.max()), moments, _BLOCK)
    if saturated.any() and not saturated.all():
        points = points.take(~saturated)
        notes.append("Pixels at the highest grey level look saturated and were left out.")
    least, most = float(drift.scale.min()), float(drift.scale.max())
    if most - least > _DRIFTED:
        notes.append(
            f"The brightness differs from frame to frame, by factors of {least:.2f} to {most:.2f}, "
            "which were fitted out."
        )
    line = fit_line(points, levels=_LEVELS)
    darkest = float(np.quantile(points.mean, _DARKEST))
    if not line.resolved:
        estimate = own_units(points, line, darkest, frames[0], what="stack")
        return replace(estimate, notes=(*estimate.notes, *notes))
    error = float(np.sqrt(line.variance(darkest) / len(frames)) / _BLOCK)
    camera, where = assume_dark(line, darkest, error, what="frames")
    source = f"{len(frames)} frames of one field"
    return CameraEstimate(camera, line.interval, True, (gain_note(line, source), where, *notes))
