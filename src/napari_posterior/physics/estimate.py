"""Estimate the camera from one image: noise variance against mean, block by block.

The noise in a block is the mean square of a Laplacian residual that a smooth object leaves at zero
(J. Immerkaer, Computer Vision and Image Understanding 64 (1996) 300-302). For a linear camera its
variance in ADU^2 is a line in the mean in ADU, and the slope is the gain. One image cannot tell
the offset from light that is everywhere; see `estimate_camera`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera

__all__ = ["CameraEstimate", "estimate_camera"]

_BLOCK: Final = 16
_SMALL_BLOCK: Final = 8
_ENOUGH_BLOCKS: Final = 64
_FEWEST_BLOCKS: Final = 12
_DARKEST: Final = 0.01
_CUT: Final = 4.685
_DRAWS: Final = 200
_MOST_BLOCKS: Final = 4096
_MOST_PIXELS: Final = 2**24
_LEAST_READ_NOISE: Final = 0.3
_ASSUMED_NOISE: Final = 2.0
_USUAL_READ_NOISE: Final = 2.0
_WIDEST_RATIO: Final = 3.0
_SATURATED: Final = 1e-4
# the residual's correlation from one pixel to the next is -2/3 for white noise
_SMOOTHED: Final = -0.5


@dataclass(frozen=True)
class CameraEstimate:
    """A camera estimated from one image.

    Parameters
    ----------
    camera : Camera
        To restore with; its source is ``"estimated"``.
    gain_interval : (float, float)
        95 % bootstrap interval of the gain in ADU/e-. It covers the scatter of the blocks, not
        what fine structure adds.
    resolved : bool
        Whether the image tells the gain. If not, the gain is a choice of units.
    notes : tuple of str
        What the user should know, a sentence each.
    """

    camera: Camera
    gain_interval: tuple[float, float]
    resolved: bool
    notes: tuple[str, ...]


def estimate_camera(plane: np.ndarray) -> CameraEstimate:
    """Estimate gain, offset and read noise from one image.

    Offset and read noise are confounded in one image: a brighter offset with more read noise gives
    the same variances. The offset is assumed to be the darkest level, and the read noise, at least
    0.3 e-, is what the variance is there. Where that would be more than the 2 e- of a usual camera
    the darkest level is assumed to hold background light, and the offset to lie below it, where
    the line gives 2 e-. (Four exposures of one TIRF field, calibrated offset 100 ADU: the darkest
    levels are 113 to 269 ADU, the offsets found so 94 to 107 ADU.)

    Where the gain is not resolved (its interval takes in 0, spans more than a factor of 3, or the
    blocks are too few) a gain is chosen that makes the noise of the darkest level 2 e-, so that
    photoelectrons are units of the image's own. The interval of the gain held the gain in 9 of 10
    simulated scenes of all kinds at peaks of 30 and 200 photoelectrons.

    Parameters
    ----------
    plane : ndarray, (H, W) or (..., H, W)
        Grey levels in ADU; planes that share a camera may be given together. Of a large stack
        some planes are looked at, evenly spaced.

    Returns
    -------
    CameraEstimate

    Raises
    ------
    InputError
        If the planes are smaller than 3 x 3 pixels or hold NaN or infinite values.
    """
    y = np.asarray(_some_planes(np.asarray(plane)), np.float64)
    if y.ndim < 2 or min(y.shape[-2:]) < 3 or y.size == 0 or not np.isfinite(y).all():
        raise InputError(
            "the camera cannot be estimated; give finite planes of 3 x 3 pixels or more"
        )
    y = y.reshape(-1, *y.shape[-2:])
    residual = _residual(y)
    size = _BLOCK
    if len(y) * ((y.shape[1] - 2) // _BLOCK) * ((y.shape[2] - 2) // _BLOCK) < _ENOUGH_BLOCKS:
        size = min(_SMALL_BLOCK, min(y.shape[-2:]) - 2)
    inner = y[:, 1:-1, 1:-1]
    levels, squares = _blocks(inner, size), _blocks(residual**2, size)
    notes: list[str] = []
    saturated = y == y.max()
    if saturated.mean() > _SATURATED:
        whole = ~_blocks(saturated[:, 1:-1, 1:-1], size).any(axis=1)
        if whole.any() and not whole.all():
            levels, squares = levels[whole], squares[whole]
            notes.append("Pixels at the highest grey level look saturated and were left out.")
    mean, variance = levels.mean(axis=1), squares.mean(axis=1)
    darkest = float(np.quantile(mean, _DARKEST))
    gain, intercept, interval = _fit(mean, variance, size**2)
    low, high = interval
    if not (gain > 0 and low > 0 and high < _WIDEST_RATIO * low):
        return _unresolved(mean, variance, darkest, interval, y, notes)
    read = float(np.sqrt(max(intercept + gain * darkest, 0.0)) / gain)
    offset = darkest
    if read > _USUAL_READ_NOISE:
        read = _USUAL_READ_NOISE
        offset = gain * read**2 - intercept / gain
        where = (
            f"The darkest level of the image, {darkest:.4g} ADU, is too noisy to be dark and is "
            f"assumed to hold background light: with a usual read noise of {read:g} e- the offset "
            f"is {offset:.4g} ADU; one image cannot tell, so give the camera's own."
        )
    else:
        read = max(read, _LEAST_READ_NOISE)
        where = (
            f"The offset is assumed to be the darkest level of the image, {offset:.4g} ADU, and "
            f"the read noise the noise at that level, {read:.2g} e-, because one image cannot tell "
            "them from background light."
        )
    notes = [
        f"The gain was estimated from this one image: {gain:.3g} ADU/e- (95 % interval {low:.3g} "
        f"to {high:.3g}); give the camera's own numbers where you have them.",
        where,
        *notes,
    ]
    if _neighbour_correlation(residual) > _SMOOTHED:
        notes.append(
            "Neighbouring pixels vary together, as after smoothing, scaling or compression or with "
            "structure as fine as a pixel, so the gain may be wrong; give an unprocessed image."
        )
    camera = Camera(gain, offset, read, "estimated")
    return CameraEstimate(camera, interval, True, tuple(notes))


def _some_planes(stack: np.ndarray) -> np.ndarray:
    """Take evenly spaced planes, as many as fit a bound on pixels, and one at least."""
    if stack.ndim < 3 or stack.size <= _MOST_PIXELS:
        return stack
    planes = stack.reshape(-1, *stack.shape[-2:])
    count = max(1, _MOST_PIXELS // planes[0].size)
    return np.asarray(planes[np.linspace(0, len(planes) - 1, count).round().astype(int)])


def _unresolved(
    mean: np.ndarray,
    variance: np.ndarray,
    offset: float,
    interval: tuple[float, float],
    y: np.ndarray,
    notes: list[str],
) -> CameraEstimate:
    """Choose units in which the noise of the darkest level is 2 e-."""
    dark = variance[mean <= np.quantile(mean, 0.2)]
    noise = float(np.sqrt(np.median(dark))) or float(np.sqrt(variance.mean()))
    noise = noise or float(np.ptp(y)) / 100 or 1.0
    told = (
        "The gain could not be estimated from this image, so photoelectrons are units of the "
        f"image's own, in which the noise of the darkest level is {_ASSUMED_NOISE:g} e-; give the "
        "camera's gain, offset and read noise to have photoelectrons."
    )
    camera = Camera(noise / _ASSUMED_NOISE, offset, _ASSUMED_NOISE, "estimated")
    return CameraEstimate(camera, interval, False, (told, *notes))


def _residual(y: np.ndarray) -> np.ndarray:
    """Laplacian difference residual, (N, H - 2, W - 2); its variance is that of white noise."""
    return np.asarray(np.diff(np.diff(y, 2, axis=1), 2, axis=2) / 6)


def _blocks(values: np.ndarray, size: int) -> np.ndarray:
    """Pixels of every whole block, (blocks, size^2)."""
    count, height, width = values.shape
    rows, columns = height // size, width // size
    tiles = values[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size)
    return tiles.swapaxes(2, 3).reshape(-1, size * size)


def _fit(
    mean: np.ndarray, variance: np.ndarray, pixels: int
) -> tuple[float, float, tuple[float, float]]:
    """Slope, intercept and 95 % bootstrap interval of the slope."""
    if len(mean) < _FEWEST_BLOCKS or np.ptp(mean) == 0 or not (variance > 0).any():
        return 0.0, 0.0, (0.0, float("inf"))
    slope, intercept = _robust_line(mean, variance, pixels, _first_guess(mean, variance), 30)
    rng = np.random.default_rng(0)  # the same image always gives the same interval
    size = len(mean)
    slopes = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        pick = rng.integers(0, size, min(size, _MOST_BLOCKS))
        line = _robust_line(mean[pick], variance[pick], pixels, (slope, intercept), 4)
        slopes[draw] = line[0]
    # where blocks are many, a part of them is drawn: the spread is then that of the part
    spread = np.sqrt(min(size, _MOST_BLOCKS) / size)
    low, high = slope + spread * (np.quantile(slopes, (0.025, 0.975)) - slope)
    return slope, intercept, (float(low), float(high))


def _first_guess(mean: np.ndarray, variance: np.ndarray) -> tuple[float, float]:
    """Line through the medians of the darkest and the brightest fifth."""
    low, high = np.quantile(mean, (0.2, 0.8))
    dark, bright = mean <= low, mean >= high
    rise = np.median(variance[bright]) - np.median(variance[dark])
    run = mean[bright].mean() - mean[dark].mean()
    slope = max(float(rise / run), 0.0) if run > 0 else 0.0
    return slope, float(np.median(variance - slope * mean))


def _robust_line(
    mean: np.ndarray,
    variance: np.ndarray,
    pixels: int,
    start: tuple[float, float],
    rounds: int,
) -> tuple[float, float]:
    """Line by reweighted least squares with Tukey's biweight on relative residuals.

    A block's variance scatters in proportion to itself, hence the weights. Its mean scatters too,
    by variance / pixels, which would flatten the line; that part is taken out of the denominator.
    """
    slope, intercept = start
    floor = 0.5 * float(np.quantile(variance, 0.05)) or float(variance[variance > 0].min()) / 2
    for _ in range(rounds):
        fit = np.maximum(intercept + slope * mean, floor)
        off = variance / fit - 1
        scatter = 1.4826 * float(np.median(np.abs(off - np.median(off)))) + 1e-9
        ratio = np.minimum(np.abs(off) / (_CUT * scatter), 1.0)
        weight = ((1 - ratio**2) / fit) ** 2
        total = float(weight.sum())
        if total <= 0:
            break
        m, v = float(weight @ mean) / total, float(weight @ variance) / total
        seen = float(weight @ (mean - m) ** 2)
        scale = max(seen - float(weight @ fit) / pixels, 0.2 * seen)
        if scale <= 0:
            break
        before, slope = slope, float(weight @ ((mean - m) * (variance - v))) / scale
        intercept = v - slope * m
        if abs(slope - before) <= 1e-4 * abs(slope):
            break
    return slope, intercept


def _neighbour_correlation(residual: np.ndarray) -> float:
    """Correlation of the residual from one pixel to the next, the higher of the two directions."""
    power = float(np.mean(residual**2)) or 1.0
    rows = float(np.mean(residual[:, 1:] * residual[:, :-1]))
    columns = float(np.mean(residual[:, :, 1:] * residual[:, :, :-1]))
    return max(rows, columns) / power
