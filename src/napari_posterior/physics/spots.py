"""Bright round spots of an image, found at several scales and fitted with elliptical Gaussians.

All spots of a scale are fitted at once. The fit is of the sampled Gaussian, so a width includes
what the area of a pixel adds (1/12 px^2), as the widths of `Psf` and of simulated scenes do.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

__all__ = ["SpotFits", "find_spots", "fit_profiles", "fit_spots"]

_SCALE_STEP: Final = 2**0.5
_WINDOW: Final = 3.0
_MOST_CANDIDATES: Final = 2000
_MOST_SPOTS: Final = 400
_STEPS: Final = 50
_NEAR: Final = 4.5
_NEIGHBOUR: Final = 0.25
_SETTLED: Final = 1e-9
_MOST_DAMPING: Final = 1e6
_ELLIPSE: Final = np.eye(9)
# amplitude, centre, one inverse width, level, slopes
_ROUND: Final = np.stack([*np.eye(9)[:3], np.eye(9)[3] + np.eye(9)[5], *np.eye(9)[6:]], axis=1)
# amplitude, centre, inverse width, level and slope of one dimension
_PROFILE: Final = np.eye(9)[:, [0, 1, 3, 6, 7]]


@dataclass(frozen=True, eq=False)
class SpotFits:
    """Fitted spots; every field is an ndarray of shape (n,), float64.

    Parameters
    ----------
    sigma, sigma_error : ndarray
        Width of the round Gaussian and its standard error, in pixels.
    aspect : ndarray
        Smaller over larger width of the elliptical Gaussian, 0 to 1.
    amplitude, amplitude_error : ndarray
        In the units of the image.
    off_centre : ndarray
        Distance of the fitted centre from where the spot was found, in pixels.
    noise : ndarray
        Spread of the residual, in the units of the image.
    scale, plane, row, column : ndarray
        Where the spot was found, in pixels.
    """

    sigma: np.ndarray
    sigma_error: np.ndarray
    aspect: np.ndarray
    amplitude: np.ndarray
    amplitude_error: np.ndarray
    off_centre: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    plane: np.ndarray
    row: np.ndarray
    column: np.ndarray

    def where(self, chosen: np.ndarray) -> SpotFits:
        """Return the spots of a mask."""
        return SpotFits(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return int(self.sigma.size)


def find_spots(stack: np.ndarray, *, smallest: float, largest: float, snr: float) -> np.ndarray:
    """Find bright spots that stand alone, and the scale of each, by the Laplacian of Gaussians.

    A Gaussian spot of width s answers most strongly to the scale-normalised Laplacian of width s
    (T. Lindeberg, International Journal of Computer Vision 30 (1998) 79-116). Of a stack, each
    place is looked at in the plane where it answers most strongly.

    Parameters
    ----------
    stack : ndarray, (D, H, W) float64
    smallest, largest : float
        Widths to look for, in pixels.
    snr : float
        Smallest answer, over the spread of answers of that scale (1.48 median absolute
        deviations), which holds noise and fine structure.

    Returns
    -------
    ndarray, (n, 4) float64
        Scale, plane, row and column in pixels, the strongest first. Spots with a neighbour more
        than a quarter as strong, or at the edge, are left out.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter

    steps = round(np.log(largest / smallest) / np.log(_SCALE_STEP)) + 1
    scales = smallest * _SCALE_STEP ** np.arange(steps + 1)
    answers, planes, noises = [], [], []
    for scale in scales:
        curved = [
            gaussian_filter(stack, (0, scale, scale), order=order, mode="nearest")
            for order in ((0, 2, 0), (0, 0, 2))
        ]
        answer = -(scale**2) * (curved[0] + curved[1])
        noises.append(1.4826 * np.median(np.abs(answer - np.median(answer))))
        planes.append(answer.argmax(axis=0))
        answers.append(answer.max(axis=0))
    every = np.stack(answers)
    peaks = every == maximum_filter(every, size=3, mode="nearest")
    # what answers most at the coarsest scale may be of any size beyond
    peaks &= every > np.maximum(snr * np.array(noises), 1e-9 * np.ptp(stack))[:, None, None]
    peaks[-1] = False
    level, row, column = np.nonzero(peaks)
    power = every[level, row, column]
    order = np.argsort(-power, kind="stable")[:_MOST_CANDIDATES]
    level, row, column, power = level[order], row[order], column[order], power[order]
    scale = scales[level]
    distance = np.hypot(row[:, None] - row, column[:, None] - column)
    near = (distance < _NEAR * scale[:, None]) & (power > _NEIGHBOUR * power[:, None])
    half = np.ceil(_WINDOW * scale)
    height, width = stack.shape[1:]
    whole = (row >= half) & (row < height - half) & (column >= half) & (column < width - half)
    alone = whole & (near.sum(axis=1) == 1)
    plane = np.stack(planes)[level, row, column]
    return np.asarray(np.stack([scale, plane, row, column], axis=1)[alone][:_MOST_SPOTS])


def fit_spots(stack: np.ndarray, spots: np.ndarray) -> SpotFits:
    """Fit a round and an elliptical Gaussian on a sloping background to every spot.

    The ellipse only tells how round a spot is: its two widths are noisier, and a mean of them too
    small (by 2 % at a standard error of 10 %). Least squares by Gauss-Newton steps with
    Levenberg's damping, all spots of a scale at once. Standard errors are those of H. White,
    Econometrica 48 (1980) 817-838, which hold whatever the variance of a pixel is.

    Parameters
    ----------
    stack : ndarray, (D, H, W) float64
    spots : ndarray, (n, 4)
        As `find_spots` returns them.

    Returns
    -------
    SpotFits
        In the order of `spots`.
    """
    values = np.full((len(spots), 7), np.nan)
    for scale in np.unique(spots[:, 0]):
        chosen = spots[:, 0] == scale
        plane, row, column = spots[chosen, 1:].astype(int).T
        half = int(np.ceil(_WINDOW * scale))
        along = np.arange(-half, half + 1)
        windows = stack[
            plane[:, None, None],
            row[:, None, None] + along[None, :, None],
            column[:, None, None] + along[None, None, :],
        ]
        values[chosen] = _fit_windows(windows, scale)
    return SpotFits(*values.T, *spots.T)


def fit_profiles(stack: np.ndarray, fits: SpotFits) -> np.ndarray:
    """Fit a Gaussian on a sloping background to the light of every spot along the planes.

    The light of a plane is its mean under the spot's own Gaussian.

    Parameters
    ----------
    stack : ndarray, (D, H, W) float64
    fits : SpotFits

    Returns
    -------
    ndarray, (n, 3) float64
        Width in planes, its standard error, and the plane of the centre.
    """
    values = np.zeros((len(fits), 3))
    for number, (scale, row, column) in enumerate(
        zip(fits.scale, fits.row.astype(int), fits.column.astype(int), strict=True)
    ):
        half = int(np.ceil(_WINDOW * scale))
        along = np.arange(-half, half + 1)
        line = np.exp(-0.5 * (along / fits.sigma[number]) ** 2)
        kernel = np.outer(line, line)
        window = stack[:, row - half : row + half + 1, column - half : column + half + 1]
        profile = np.tensordot(window, kernel / kernel.sum(), axes=2)
        peak = int(profile.argmax())
        bright = profile - np.median(profile) > np.ptp(profile) / 2
        place = np.arange(len(profile)) - float(peak)
        start = np.zeros((1, 9))
        start[0, 0] = np.ptp(profile)
        start[0, 3] = start[0, 5] = 2.355 / max(int(bright.sum()), 2)
        start[0, 6] = np.median(profile)
        still = np.zeros_like(place)
        fitted = _solve(profile[None], start, _PROFILE, place, still)
        covariance, _ = _covariance(profile[None], fitted, place, still, _PROFILE)
        sigma = 1 / max(abs(fitted[0, 3]), 1e-9)
        values[number] = sigma, sigma**2 * covariance[0, 2, 2] ** 0.5, peak + fitted[0, 1]
    return values


def _fit_windows(windows: np.ndarray, scale: float) -> np.ndarray:
    """Return (n, 7): the first seven fields of `SpotFits`."""
    count, size = windows.shape[0], windows.shape[1]
    along = np.arange(size) - size // 2
    dy, dx = (grid.ravel().astype(float) for grid in np.meshgrid(along, along, indexing="ij"))
    data = windows.reshape(count, -1)
    start = np.zeros((count, 9))
    start[:, 6] = np.median(data, axis=1)
    start[:, 0] = data.max(axis=1) - start[:, 6]
    start[:, 3] = start[:, 5] = 1 / scale
    round_values = _solve(data, start, _ROUND, dy, dx)
    values = _solve(data, round_values, _ELLIPSE, dy, dx)
    u, v, w = values[:, 3:6].T
    half_trace, det = (u**2 + v**2 + w**2) / 2, (u * w) ** 2
    root = np.sqrt(np.maximum(half_trace**2 - det, 0))
    aspect = np.sqrt(np.maximum(half_trace - root, 0) / (half_trace + root))
    covariance, noise = _covariance(data, round_values, dy, dx, _ROUND)
    amplitude, y0, x0, width = round_values[:, :4].T
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = 1 / np.abs(width)
    error = sigma**2 * np.sqrt(covariance[:, 3, 3])
    amplitude_error = np.sqrt(covariance[:, 0, 0])
    off = np.hypot(y0, x0)
    return np.stack([sigma, error, aspect, amplitude, amplitude_error, off, noise], axis=1)


def _solve(
    data: np.ndarray, start: np.ndarray, basis: np.ndarray, dy: np.ndarray, dx: np.ndarray
) -> np.ndarray:
    """Return the parameters (n, 9) of the least squares, moved along the columns of `basis`."""
    values = start
    model, jacobian = _model(values, dy, dx)
    squares = ((data - model) ** 2).sum(axis=1)
    damping = np.full(len(data), 1e-2)
    for _ in range(_STEPS):
        free = jacobian @ basis
        normal = np.swapaxes(free, 1, 2) @ free
        gradient = np.swapaxes(free, 1, 2) @ (data - model)[..., None]
        lift = damping[:, None] * np.einsum("nii->ni", normal) + 1e-12
        lifted = normal + np.eye(basis.shape[1]) * lift[:, None, :]
        moved = values + np.linalg.solve(lifted, gradient)[..., 0] @ basis.T
        new_model, new_jacobian = _model(moved, dy, dx)
        new = ((data - new_model) ** 2).sum(axis=1)
        better = new < squares
        going = np.where(better, new < squares * (1 - _SETTLED), damping < _MOST_DAMPING)
        values = np.where(better[:, None], moved, values)
        model = np.where(better[:, None], new_model, model)
        jacobian = np.where(better[:, None, None], new_jacobian, jacobian)
        squares = np.where(better, new, squares)
        damping = np.where(better, damping / 10, damping * 10).clip(1e-9, 1e9)
        if not going.any():
            break
    return values


def _covariance(
    data: np.ndarray, values: np.ndarray, dy: np.ndarray, dx: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return White's covariance along `basis`, (n, p, p), and the residual's spread, (n,)."""
    model, jacobian = _model(values, dy, dx)
    residual = data - model
    free = jacobian @ basis
    bread = np.linalg.pinv(np.swapaxes(free, 1, 2) @ free, hermitian=True)
    meat = np.swapaxes(free, 1, 2) @ (free * (residual**2)[..., None])
    pixels, parameters = free.shape[1:]
    left = pixels - parameters
    noise = np.sqrt((residual**2).sum(axis=1) / left)
    return bread @ meat @ bread * (pixels / left), noise


def _model(values: np.ndarray, dy: np.ndarray, dx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gaussians (n, pixels) and their derivatives (n, pixels, 9).

    The nine parameters are amplitude, centre, the triangular root ((u, 0), (v, w)) of the inverse
    covariance, so that no step leaves what is an ellipse, and level and slopes of the background.
    """
    amplitude, y0, x0, u, v, w, level, slope_y, slope_x = values.T[:, :, None]
    ry, rx = dy - y0, dx - x0
    p, q = u * ry + v * rx, w * rx
    shape = np.exp(-0.5 * np.minimum(p**2 + q**2, 200.0))
    spot = amplitude * shape
    one = np.ones_like(shape)
    jacobian = np.stack(
        [
            shape,
            spot * p * u,
            spot * (p * v + q * w),
            -spot * p * ry,
            -spot * p * rx,
            -spot * q * rx,
            one,
            dy * one,
            dx * one,
        ],
        axis=-1,
    )
    return spot + level + slope_y * dy + slope_x * dx, jacobian
