"""Estimate the camera from flat and dark frames: photon transfer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.estimate.frames import (
    Moments,
    fit_drift,
    measure,
    read_frames,
    saturated_blocks,
    steady,
)
from napari_posterior.physics.estimate.line import NoiseLine, fit_line
from napari_posterior.physics.estimate.maps import gain_map, offset_map, read_variance_map
from napari_posterior.physics.estimate.points import Points, join
from napari_posterior.physics.estimate.result import (
    CameraEstimate,
    assume_dark,
    gain_note,
    own_units,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["camera_from_flats"]

_BLOCK: Final = 16
_SMALL_BLOCK: Final = 8
_SMALL_FIELD: Final = 128
_FRAMES_FOR_OFFSETS: Final = 4
_FRAMES_FOR_NOISE: Final = 8
_LEVELS: Final = 3


def camera_from_flats(
    flats: Sequence[np.ndarray], dark: np.ndarray | None = None, *, maps: bool = True
) -> CameraEstimate:
    """Estimate gain, offset and read noise by photon transfer.

    The noise variance over the frames of each flat, its flicker fitted out, against its mean is a
    line whose slope is the gain (J.R. Janesick, Photon Transfer, SPIE 2007; EMVA Standard 1288).
    Dark frames give offset and read noise; without them both are chosen as from one image (see
    `estimate_camera`). A flat of a single frame, or of copies, gives the variance from pixel to
    pixel, which takes fixed pattern for noise.

    Parameters
    ----------
    flats : sequence of ndarray, (n, H, W) or (H, W)
        Exposures in ADU of fields without structure, one stack for each level of light, all of
        the same part of the sensor. A field that is brighter in its middle is several levels.
    dark : ndarray, (n, H, W) or (H, W), optional
        Exposures in ADU without light.
    maps : bool
        Whether offset, read noise and gain may be maps. They are where pixels differ by more than
        their errors: the offset given 4 dark frames, the read noise given 8, the gain given both
        dark frames and enough flats.

    Returns
    -------
    CameraEstimate
        The interval of the gain covers the scatter of the blocks and, with three levels or more,
        how far these lie from a line.

    Raises
    ------
    InputError
        If there are no flats, stacks differ in height and width or are smaller than 16 x 16
        pixels, or hold NaN or infinite values, or if the flats are not brighter than the dark.
    """
    given = [np.asarray(flat) for flat in flats]
    if not given:
        raise InputError("there are no flats; give one stack of frames for each level of light")
    if any(flat.ndim < 2 for flat in given):
        raise InputError("the flats have no height and width; give a list of stacks of frames")
    notes: list[str] = []
    stacks = [_read(flat, f"flat {index + 1}", notes) for index, flat in enumerate(given)]
    darks = None if dark is None else _read(dark, "the dark stack", notes)
    shapes = {stack.shape[1:] for stack in stacks + ([] if darks is None else [darks])}
    if len(shapes) > 1:
        told = " and ".join(f"{height} x {width}" for height, width in sorted(shapes))
        raise InputError(f"the stacks have {told} pixels; give the same part of the sensor")
    size = _BLOCK if min(min(shapes)) >= _SMALL_FIELD else _SMALL_BLOCK
    dark_moments = None if darks is None else measure(darks, steady(darks))
    offset = None if dark_moments is None else float(np.median(dark_moments.mean))
    moments = [measure(stack, fit_drift(stack, offset=offset)) for stack in stacks]
    if offset is not None and max(float(m.mean.mean()) for m in moments) <= offset:
        raise InputError("the flats are not brighter than the dark frames; give lit flats")
    full = float(max(stack.max() for stack in stacks))
    points = _points(stacks, moments, full, size, notes)
    if dark_moments is not None:
        points = join([points, dark_moments.points(size, len(stacks))])
    line = fit_line(points, levels=_LEVELS)
    if not line.resolved:
        darkest = float(points.mean.min()) if offset is None else offset
        estimate = own_units(points, line, darkest, stacks[0][0], what="series of flats")
        return replace(estimate, notes=(*estimate.notes, *notes))
    count = f"{len(stacks)} flat level{'s' * (len(stacks) > 1)}"
    source = count + (" and dark frames" if dark_moments else "")
    first = gain_note(line, source)
    if dark_moments is None:
        lowest = points.take(points.mean <= np.quantile(points.mean, 0.01))
        error = float(np.sqrt((lowest.variance / lowest.pixels).mean()))
        camera, where = assume_dark(line, float(lowest.mean.mean()), error, what="flats")
        return CameraEstimate(camera, line.interval, True, (first, where, *notes))
    camera, told = _with_dark(line, dark_moments, moments, size, maps=maps)
    return CameraEstimate(camera, line.interval, True, (first, told, *notes))


def _read(stack: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Separate exposures (n, H, W); tells of copies, and of single frames."""
    frames, copies = read_frames(stack, name)
    if copies:
        notes.append(f"In {name} {copies} of {copies + len(frames)} frames repeat another one.")
    if len(frames) == 1:
        notes.append(
            f"Noise and fixed pattern cannot be told apart in {name}, which is a single exposure."
        )
    return frames


def _points(
    stacks: list[np.ndarray], moments: list[Moments], full: float, size: int, notes: list[str]
) -> Points:
    """Blocks of all flats but saturated ones."""
    parts = []
    for index, (stack, moment) in enumerate(zip(stacks, moments, strict=True)):
        points = moment.points(size, index)
        saturated = saturated_blocks(stack, full, moment, size)
        if saturated.any():
            notes.append(f"Pixels of flat {index + 1} look saturated and were left out.")
        parts.append(points.take(~saturated))
    points = join(parts)
    if not len(points):
        raise InputError("every flat is saturated; give flats with less light")
    return points


def _with_dark(
    line: NoiseLine, dark: Moments, flats: list[Moments], size: int, *, maps: bool
) -> tuple[Camera, str]:
    """Offset and read noise from dark frames, as maps where these tell pixels apart."""
    frames = dark.frames
    points = dark.points(size)
    variance = float(np.median(points.variance))
    offset: float | np.ndarray | None = None
    spread: np.ndarray | None = None
    gains: np.ndarray | None = None
    if maps and frames >= _FRAMES_FOR_OFFSETS:
        offset = offset_map(dark)
    if maps and frames >= _FRAMES_FOR_NOISE:
        spread = read_variance_map(dark)
    centre = float(np.median(dark.mean))
    offset = centre if offset is None else offset
    level: float | np.ndarray = variance if spread is None else spread
    if maps and frames >= _FRAMES_FOR_OFFSETS:
        gains = gain_map(flats, offset, level, line.gain)
    gain = line.gain if gains is None else gains
    read = np.sqrt(level) / gain
    typical = float(np.median(read))
    low, high = line.interval
    noise_error = 1.96 * np.sqrt(2 / points.freedom.sum())
    offset_error = 1.96 * np.sqrt(variance / points.pixels.sum())
    camera = Camera(
        gain,
        offset,
        read,
        "estimated",
        gain_interval=line.interval,
        offset_interval=(centre - offset_error, centre + offset_error),
        read_noise_interval=(
            typical * line.gain / high * max(0.0, 1 - noise_error / 2),
            typical * line.gain / low * (1 + noise_error / 2),
        ),
    )
    told = [name.replace("_", " ") for name in camera.maps]
    per_pixel = f"; {' and '.join(told)} are maps" if told else ""
    plural = "dark frame" if frames == 1 else "dark frames"
    return camera, (
        f"Offset, {centre:.4g} ADU, and read noise, {typical:.2g} e-, were measured in {frames} "
        f"{plural}{per_pixel}."
    )
