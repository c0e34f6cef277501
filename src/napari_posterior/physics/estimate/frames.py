"""Frames of one field: which are separate exposures, their brightness, mean and noise variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.estimate.points import (
    Points,
    blocks,
    laplacian_points,
    laplacian_residual,
)

__all__ = ["Drift", "Moments", "fit_drift", "measure", "read_frames", "saturated_blocks", "steady"]

_SMALLEST: Final = 16
_DRIFT_BLOCK: Final = 8
_CONTRAST: Final = 4.0
_STRIP: Final = 2**22
_SATURATED: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Drift:
    """Brightness of each frame, ``frame = scale * common + shift`` but for noise; each (N,)."""

    scale: np.ndarray
    shift: np.ndarray


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and noise variance of every pixel over the frames.

    Parameters
    ----------
    mean : ndarray, (H, W)
        In ADU, at the brightness to which the variance belongs.
    variance : ndarray, (H, W)
        In ADU^2, unbiased, without the drift of brightness. Of a single frame it is the square of
        the Laplacian residual, the margin mirrored.
    frames : int
        Separate exposures.
    """

    mean: np.ndarray
    variance: np.ndarray
    frames: int

    def points(self, size: int, group: int = 0) -> Points:
        """Blocks of `size` x `size` pixels."""
        if self.frames == 1:
            return laplacian_points(self.mean[None], size, group)
        mean, variance = (
            blocks(level[None], size).mean(axis=1) for level in (self.mean, self.variance)
        )
        pixels = size**2
        return Points.of(mean, variance, pixels * self.frames, pixels * (self.frames - 1), group)


def read_frames(stack: np.ndarray, name: str) -> tuple[np.ndarray, int]:
    """Check frames of one field and leave out copies.

    Parameters
    ----------
    stack : ndarray, (N, H, W) or (H, W)
        Grey levels in ADU.
    name : str
        What to call them in errors.

    Returns
    -------
    frames : ndarray, (M, H, W)
    copies : int
        How many frames were bit by bit another one, N - M.

    Raises
    ------
    InputError
        If the frames are not such a stack, are smaller than 16 x 16 pixels, or hold NaN or
        infinite values.
    """
    frames = np.asarray(stack)
    if frames.ndim == 2:
        frames = frames[None]
    if frames.ndim != 3 or not len(frames) or min(frames.shape[1:]) < _SMALLEST:
        raise InputError(
            f"{name} has the shape {np.shape(stack)}; give frames x height x width with at least "
            f"{_SMALLEST} x {_SMALLEST} pixels"
        )
    if frames.dtype.kind not in "iuf" or not np.isfinite(frames).all():
        raise InputError(f"{name} holds values that are not finite numbers; give raw frames")
    first = {frame.tobytes(): index for index, frame in reversed(list(enumerate(frames)))}
    kept = sorted(first.values())
    return (frames[kept] if len(kept) < len(frames) else frames), len(frames) - len(kept)


def fit_drift(frames: np.ndarray, *, offset: float | None = None) -> Drift:
    """Fit the brightness of each frame.

    With the offset known, a frame is scaled about it by its mean. Otherwise scales are the first
    principal axis of the frames' block means, which is not biased by noise that is alike in all
    frames (M.E. Tipping and C.M. Bishop, Journal of the Royal Statistical Society B 61 (1999)
    611-622); frames with too little contrast for it are shifted.

    Parameters
    ----------
    frames : ndarray, (N, H, W)
        Grey levels in ADU.
    offset : float, optional
        Grey level of a dark pixel in ADU.
    """
    count = len(frames)
    means = frames.mean(axis=(1, 2), dtype=np.float64)
    scale = np.ones(count)
    if offset is not None and (means > offset).all():
        scale = (means - offset) / (means.mean() - offset)
    elif count > 1:
        rows, columns = (side // _DRIFT_BLOCK for side in frames.shape[1:])
        coarse = frames[:, : rows * _DRIFT_BLOCK, : columns * _DRIFT_BLOCK].reshape(
            count, rows, _DRIFT_BLOCK, columns, _DRIFT_BLOCK
        )
        profile = coarse.mean(axis=(2, 4), dtype=np.float64).reshape(count, -1)
        power, axes = np.linalg.eigh(np.cov(profile))
        axis = axes[:, -1] * np.sign(axes[:, -1].sum())
        if power[-1] > _CONTRAST * power[-2] and (axis > 0).all():
            scale = axis / axis.mean()
    return Drift(scale, means - scale * means.mean())


def steady(frames: np.ndarray) -> Drift:
    """Drift of dark frames: their means shift, and nothing scales."""
    means = frames.mean(axis=(1, 2), dtype=np.float64)
    return Drift(np.ones(len(frames)), means - means.mean())


def measure(frames: np.ndarray, drift: Drift) -> Moments:
    """Mean and noise variance of every pixel.

    With ``u = scale / |scale|`` and d the frames without their shifts, the residual
    ``r = d - u (u . d)`` holds noise only, and ``E |r|^2 = sum_i (1 - u_i^2) v_i`` for noise
    variances v_i of the frames. As these are a line in the level of each frame, ``|r|^2 / (N - 1)``
    belongs to the levels' mean with weights ``(1 - u_i^2) / (N - 1)``.

    Parameters
    ----------
    frames : ndarray, (N, H, W)
        Grey levels in ADU.
    drift : Drift
        From `fit_drift`.
    """
    count, height, width = frames.shape
    if count == 1:
        y = frames.astype(np.float64)
        squares = np.pad(laplacian_residual(y)[0] ** 2, 1, mode="reflect")
        return Moments(y[0], squares, 1)
    norm = float(np.linalg.norm(drift.scale))
    unit = drift.scale / norm
    weight = (1 - unit**2) / (count - 1)
    at_scale, at_shift = float(weight @ drift.scale), float(weight @ drift.shift)
    mean, variance = np.empty((height, width)), np.empty((height, width))
    rows = max(1, _STRIP // (count * width))
    for start in range(0, height, rows):  # in strips, as stacks are large
        part = slice(start, start + rows)
        d = frames[:, part].astype(np.float64) - drift.shift[:, None, None]
        along = np.tensordot(unit, d, axes=1)
        variance[part] = (np.einsum("nhw,nhw->hw", d, d) - along**2) / (count - 1)
        mean[part] = at_scale / norm * along + at_shift
    return Moments(mean, np.maximum(variance, 0.0), count)


def saturated_blocks(frames: np.ndarray, full: float, moments: Moments, size: int) -> np.ndarray:
    """Which blocks, in the order of `Moments.points`, hold pixels at the grey level `full`."""
    at_full = np.asarray((frames >= full).any(axis=0))
    if at_full.mean() <= _SATURATED:
        at_full = np.zeros_like(at_full)
    if moments.frames == 1:
        at_full = at_full[1:-1, 1:-1]
    return np.asarray(blocks(at_full[None], size).any(axis=1))
