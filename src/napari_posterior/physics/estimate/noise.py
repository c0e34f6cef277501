"""Whether the noise of neighbouring pixels is independent, as in a raw image, or was processed.

Optics leave no light near the Nyquist frequency, so that an image high-passed steeply along one
axis is noise alone, whose correlation along the *other* axis is 0 in a raw image at every lag.
Scaling, smoothing, registration and stitching interpolate between neighbours and raise it.
Denoising of patches or edges instead keeps some pixels and flattens others, which gives the noise
long tails: its kurtosis in a block is 3 for Gaussian noise, and more where its variance varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from napari_posterior.errors import InputError

__all__ = ["NoiseCorrelation", "noise_correlation"]

Triple = tuple[float, float, float]

_TILE: Final = 32
_FINE_TILE: Final = 16
_FEWEST_TILES: Final = 9
_MOST_PIXELS: Final = 2**22
_GENTLE, _STEEP, _STEEPEST = 6, 8, 12
_FINE: Final = 4
_LAGS: Final = (1, 2, 3)
_RELATED: Final = 0.12
_LASTING: Final = 0.7
_CLEARLY: Final = 0.3
_FALLEN: Final = 0.1
_PART: Final = 0.2
_TAILS: Final = 3.7
# a quarter of a normal distribution lies this many standard deviations below its mean
_QUARTER: Final = 0.6745


@dataclass(frozen=True)
class NoiseCorrelation:
    """How the noise of a pixel goes with that of its neighbours.

    Parameters
    ----------
    along_x, along_y : (float, float, float)
        Correlation of the noise at 1, 2 and 3 pixels, in the quieter tiles of the image; NaN where
        it could not be measured.
    part : float
        Fraction of the tiles in which neighbours are clearly correlated, above 0.3.
    kurtosis : float
        Of the noise in small tiles, the lower quartile; NaN where grey levels are too few.
    kind : str
        ``"independent"``, ``"correlated"`` or ``"unknown"``. Residuals of a correlated or unknown
        image can be shown, as a matter of consistency only.
    sentence : str
        What the user should know.
    """

    along_x: Triple
    along_y: Triple
    part: float
    kurtosis: float
    kind: Literal["independent", "correlated", "unknown"]
    sentence: str


def noise_correlation(plane: np.ndarray) -> NoiseCorrelation:
    """Tell raw images from those that were up-sampled, denoised, registered or stitched.

    The image is called correlated if neighbours correlate by more than 0.12 along either axis, or
    by more than 0.3 in a fifth of the tiles, or if the kurtosis of its noise is above 3.7. That
    must not come of structure as fine as a pixel, which falls off as the high-pass gets steeper:
    correlations that fall are left aside. Smoothing of less than 0.45 pixels (sigma), mild JPEG
    compression of noisy images, unsharp masks and tiles averaged without interpolation stay
    unnoticed; very bright points as sharp as a pixel, at 200 photoelectrons and more, and averages
    of many frames can look correlated.

    Parameters
    ----------
    plane : ndarray, (H, W) or (..., H, W)
        Grey levels in ADU; of many planes some are looked at, evenly spaced.

    Returns
    -------
    NoiseCorrelation

    Raises
    ------
    InputError
        If the image has fewer than two axes or holds NaN or infinite values.
    """
    y = np.asarray(plane)
    if y.ndim < 2 or y.size == 0 or not np.isfinite(y).all():
        raise InputError("the noise correlation needs finite planes with y and x; give an image")
    y = y.reshape(-1, *y.shape[-2:])
    count = max(1, _MOST_PIXELS // y[0].size)
    if len(y) > count:
        y = y[np.linspace(0, len(y) - 1, count).round().astype(int)]
    y = y.astype(np.float64)
    along_x, lasting_x, part_x = _along_last(y)
    along_y, lasting_y, part_y = _along_last(y.swapaxes(1, 2))
    part, kurtosis = max(part_x, part_y), _kurtosis(y)
    end = (
        "so the image is not raw and its residuals tell of consistency only; give the unprocessed "
        "image"
    )
    kind: Literal["independent", "correlated", "unknown"] = "correlated"
    if np.isnan([along_x[0], along_y[0]]).any():
        kind = "unknown"
        sentence = "The image is too small or too flat to tell whether its noise was processed."
    elif lasting_x or lasting_y:
        sentence = (
            f"Neighbouring pixels vary together (noise correlation {along_x[0]:.2f} along x and "
            f"{along_y[0]:.2f} along y), as after scaling, smoothing or compression or with "
            f"structure as fine as a pixel, {end}."
        )
    elif part > _PART:
        sentence = (
            f"Neighbouring pixels vary together in {part:.0%} of the image, as after stitching or "
            f"registration, {end}."
        )
    elif kurtosis > _TAILS:
        sentence = (
            f"The noise varies from pixel to pixel (kurtosis {kurtosis:.1f}; raw noise has about "
            f"3), as after denoising, {end}."
        )
    else:
        kind = "independent"
        sentence = (
            f"The noise of neighbouring pixels is independent (correlation {along_x[0]:.2f} along "
            f"x and {along_y[0]:.2f} along y), as in a raw image."
        )
    return NoiseCorrelation(along_x, along_y, part, kurtosis, kind, sentence)


def _along_last(y: np.ndarray) -> tuple[Triple, bool, float]:
    """Correlations along the last axis, whether they last, and the part of clear ones."""
    rows, columns = (y.shape[1] - _STEEPEST) // _TILE, y.shape[2] // _TILE
    size = _TILE if len(y) * rows * columns >= _FEWEST_TILES else _FINE_TILE
    steep, error = _tile_correlations(y, _STEEP, size)
    gentle, _ = _tile_correlations(y, _GENTLE, size)
    steepest, error_steepest = _tile_correlations(y, _STEEPEST, size)
    # where most grey levels are equal, noise can be left at some orders and not at others
    if min(len(steep), len(gentle), len(steepest)) < _FEWEST_TILES:
        return (np.nan, np.nan, np.nan), False, 0.0
    # the quieter tiles: structure raises the correlation in some tiles, processing in all
    first, second, third = np.quantile(steep, 0.25, axis=0) + _QUARTER * error
    last = float(np.quantile(steepest[:, 0], 0.25) + _QUARTER * error_steepest)
    lasting = min(abs(first), abs(last)) > _RELATED and last / first > _LASTING
    count = min(len(gentle), len(steepest))
    clear = steepest[:count, 0] > _CLEARLY
    clear &= gentle[:count, 0] - steepest[:count, 0] < _FALLEN
    return (float(first), float(second), float(third)), bool(lasting), float(clear.mean())


def _tile_correlations(y: np.ndarray, order: int, size: int) -> tuple[np.ndarray, float]:
    """Correlation along x of `order`-th differences along y in tiles with noise.

    Returns
    -------
    correlations : ndarray, (tiles, 3)
        At 1, 2 and 3 pixels.
    error : float
        Standard deviation of each for white noise.
    """
    high = np.diff(y, order, axis=1)
    # all orders use the same rows of tiles
    tiles = _tiles(high[:, : y.shape[1] - _STEEPEST], size)
    power = np.mean(tiles**2, axis=(1, 2))
    lagged = np.stack(
        [np.mean(tiles[:, :, lag:] * tiles[:, :, :-lag], axis=(1, 2)) for lag in _LAGS], axis=1
    )
    kernel = np.poly(np.ones(order))  # coefficients of (1 - z)^order
    own = np.correlate(kernel, kernel, "full")
    error = float(np.sqrt(((own / own.max()) ** 2).sum() / size**2))
    usable = power > 0
    correlations = lagged / np.where(usable, power, 1.0)[:, None]
    # a tile without noise counts in no average, but keeps its place among the orders
    correlations[~usable] = 0.0
    return (correlations, error) if usable.sum() >= _FEWEST_TILES else (correlations[:0], error)


def _kurtosis(y: np.ndarray) -> float:
    """Lower quartile over small tiles of the kurtosis of fourth differences along both axes."""
    fine = np.diff(np.diff(y, _FINE, axis=1), _FINE, axis=2)
    tiles = _tiles(fine, _FINE_TILE)
    edge = _FINE // 2
    inner = y[:, edge:-edge, edge:-edge]
    same = _tiles(np.pad(np.diff(inner, axis=2) == 0, ((0, 0), (0, 0), (0, 1))), _FINE_TILE)
    power = np.mean(tiles**2, axis=(1, 2))
    # where most neighbours have one grey level photons are so few that raw noise has long tails
    rich = (power > 0) & (same.mean(axis=(1, 2)) <= 0.5)
    if rich.sum() < max(_FEWEST_TILES, 0.25 * len(rich)):
        return float("nan")
    tails = np.mean(tiles[rich] ** 4, axis=(1, 2)) / power[rich] ** 2
    return float(np.quantile(tails, 0.25))


def _tiles(values: np.ndarray, size: int) -> np.ndarray:
    """Whole square tiles of planes (N, H, W), as (tiles, size, size)."""
    count, height, width = values.shape
    rows, columns = height // size, width // size
    whole = values[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size)
    return whole.swapaxes(2, 3).reshape(-1, size, size)
