"""A sampled PSF: whether an array is one, where its centre is and how wide it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GaussianFit", "check_size", "fit_gaussian", "sampled_psf", "shift"]

_MOST_NEGATIVE: Final = 0.05
_MOST_BACKGROUND: Final = 0.25
_SECOND_PEAK: Final = 0.5
_CENTRED: Final = 0.02
_NARROWEST: Final = 0.3


class GaussianFit(NamedTuple):
    """The Gaussian that an array is nearest to in the least-squares sense.

    Attributes
    ----------
    centre : ndarray, (n,)
        In pixels of the array, (row, column) or (plane, row, column).
    covariance : ndarray, (n, n)
        In pixels squared.
    amplitude : float
        Height of the Gaussian, in the unit of the array.
    """

    centre: np.ndarray
    covariance: np.ndarray
    amplitude: float

    @property
    def _lateral(self) -> np.ndarray:
        eigenvalues: np.ndarray = np.linalg.eigvalsh(self.covariance[-2:, -2:])
        return eigenvalues

    @property
    def sigma(self) -> float:
        """Lateral standard deviation in pixels: that of the round Gaussian of equal area."""
        return float(np.prod(self._lateral) ** 0.25)

    @property
    def axial_sigma(self) -> float | None:
        """Axial standard deviation in planes; None in 2-D."""
        return float(self.covariance[0, 0] ** 0.5) if len(self.centre) == 3 else None

    @property
    def elongation(self) -> float:
        """Longer over shorter lateral axis; 1 for a round spot."""
        low, high = self._lateral
        return float((high / low) ** 0.5)


def fit_gaussian(array: np.ndarray, *, rounds: int = 200, tolerance: float = 1e-6) -> GaussianFit:
    """Fit a Gaussian without background by adaptive moments.

    Centroid and covariance are measured under a Gaussian weight, which is moved and widened until
    it matches them; the weight is then the Gaussian of least squares. Source: G.M. Bernstein and
    M. Jarvis, Astronomical Journal 123 (2002) 583-618, section 3.1; C. Hirata and U. Seljak,
    MNRAS 343 (2003) 459-480.

    Parameters
    ----------
    array : ndarray, (H, W) or (D, H, W)
        One spot on no background.
    rounds : int
        Iterations at most.
    tolerance : float
        Relative change of the covariance at which it ends.

    Raises
    ------
    InputError
        If the array has no spot that is smaller than itself.
    """
    values = np.asarray(array, np.float64)
    centre, sigma = _start(values)
    covariance = np.diag(sigma**2)
    extent = np.array(values.shape, np.float64)
    amplitude = 0.0
    for _ in range(rounds):
        half = np.ceil(5 * np.sqrt(np.diag(covariance))) + 1
        low = np.clip(np.rint(centre) - half, 0, extent - 1).astype(int)
        high = np.clip(np.rint(centre) + half + 1, 1, extent).astype(int)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        delta = np.stack(
            np.meshgrid(
                *(np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True)),
                indexing="ij",
            )
        ).reshape(len(extent), -1)
        weight = np.exp(-0.5 * (delta * np.linalg.solve(covariance, delta)).sum(0))
        light = weight * values[box].ravel()
        total = light.sum()
        step = 2 * (delta @ light) / total if total > 0 else np.full(len(extent), np.nan)
        moved = 2 * ((delta * light) @ delta.T) / total - np.outer(step, step) / 2
        if not np.isfinite(moved).all():
            raise InputError(_NO_SPOT)
        if (np.linalg.eigvalsh(moved) < _NARROWEST**2).any():
            # a spot of one pixel: no Gaussian of it can be told, only that it is narrower
            covariance = np.eye(len(extent)) * _NARROWEST**2
            break
        change = np.abs(moved - covariance).max() / np.abs(covariance).max()
        centre, covariance = centre + step, moved
        amplitude = float(total / (weight**2).sum())
        if (covariance.diagonal() > extent**2).any() or (centre < 0).any():
            raise InputError(_NO_SPOT)
        if (centre > extent - 1).any():
            raise InputError(_NO_SPOT)
        if max(change, np.abs(step).max()) < tolerance:
            break
    return GaussianFit(centre, covariance, amplitude)


def shift(array: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Move an array by parts of a pixel with the Fourier shift theorem; the ends are mirrored."""
    pads = [min(8, size - 1) for size in array.shape]
    padded = np.pad(array, [(p, p) for p in pads], mode="reflect")
    moved = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(padded), by)).real
    inner = tuple(slice(p, p + size) for p, size in zip(pads, array.shape, strict=True))
    return np.ascontiguousarray(moved[inner])


def sampled_psf(array: Any) -> np.ndarray:
    """Return an array as a PSF: odd-sized, centred, without negative values, of sum 1.

    It is centred on its Gaussian of least squares (`fit_gaussian`) by the Fourier shift theorem,
    and zeros are put around it where it lay off the middle, so that no light is lost.

    Parameters
    ----------
    array : ndarray, (h, w) or (d, h, w)
        The image of a point, on no background, in any unit.

    Returns
    -------
    ndarray, float64
        Read-only.

    Raises
    ------
    InputError
        If the array is not a PSF, with the reason.
    """
    values = _numbers(array)
    spread = float(np.ptp(values))
    if spread <= 1e-9 * max(abs(float(values.max())), 1e-300):
        raise InputError("the PSF is flat; give the image of a point, such as of a bead")
    negative, positive = -values[values < 0].sum(), values[values > 0].sum()
    if negative > _MOST_NEGATIVE * positive:
        raise InputError(
            f"the PSF has negative values of {negative / max(positive, 1e-300):.0%} of its light; "
            "give intensities, with a background that was not over-subtracted"
        )
    values = np.clip(values, 0.0, None)
    total = float(values.sum())
    pedestal = float(np.median(_shell(values))) * values.size / total
    if pedestal > _MOST_BACKGROUND:
        raise InputError(
            f"the PSF does not fall off: a background of {pedestal:.0%} of its light reaches its "
            "edges; subtract the background or give a larger part around the point"
        )
    _check_one_peak(values)
    fit = fit_gaussian(values)
    if _off_centre(values.shape, fit.centre) > _CENTRED:
        values = _centre(values, fit.centre)
        total = float(values.sum())
    if abs(total - 1.0) > 1e-12:
        values = values / total
    values = np.ascontiguousarray(values)
    values.setflags(write=False)
    return values


_NO_SPOT: Final = (
    "the PSF has no spot that is smaller than itself; give the image of one point with some "
    "dark around it"
)


def _numbers(array: Any) -> np.ndarray:
    try:
        given = np.asarray(array)
        values = np.array(given.real, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("the PSF is not an array of numbers; give intensities") from error
    if np.iscomplexobj(given) or values.ndim not in (2, 3) or min(values.shape, default=0) < 3:
        raise InputError(
            f"the PSF has shape {values.shape}; give intensities of height x width, or planes x "
            "height x width, with at least 3 values along each axis"
        )
    if not np.isfinite(values).all():
        raise InputError(
            f"{int((~np.isfinite(values)).sum())} values of the PSF are NaN or infinite; give a "
            "PSF of numbers"
        )
    return values


def _shell(values: np.ndarray) -> np.ndarray:
    """Return the values on the outer faces."""
    inside = np.zeros(values.shape, bool)
    inside[(slice(1, -1),) * values.ndim] = True
    return np.asarray(values[~inside])


def _check_one_peak(values: np.ndarray) -> None:
    # a little smoothing, so that noise on the flank of one spot is not a second one
    smooth = ndimage.gaussian_filter(values, 1.0, mode="nearest")
    _, peaks = ndimage.label(smooth > _SECOND_PEAK * smooth.max())
    if peaks > 1:
        raise InputError(
            f"the PSF has {peaks} separate peaks; give the image of one point, on no background"
        )
    peak = np.unravel_index(int(smooth.argmax()), values.shape)
    if any(at in (0, size - 1) for at, size in zip(peak, values.shape, strict=True)):
        raise InputError("the peak of the PSF lies on its edge; give it with the peak inside")


def _off_centre(shape: tuple[int, ...], centre: np.ndarray) -> float:
    if any(size % 2 == 0 for size in shape):
        return np.inf
    return float(np.abs(centre - (np.array(shape) - 1) / 2).max())


def _centre(values: np.ndarray, centre: np.ndarray) -> np.ndarray:
    whole = np.rint(centre).astype(int)
    moved = np.clip(shift(values, whole - centre), 0.0, None)
    before = [int(max(size - 1 - 2 * at, 0)) for at, size in zip(whole, values.shape, strict=True)]
    after = [int(max(2 * at - size + 1, 0)) for at, size in zip(whole, values.shape, strict=True)]
    return np.pad(moved, list(zip(before, after, strict=True)))


def _start(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the peak, and a width from the extent of what is above half of it."""
    smooth = ndimage.gaussian_filter(values, 0.7, mode="nearest")
    peak = np.unravel_index(int(smooth.argmax()), values.shape)
    labels, _ = ndimage.label(smooth > 0.5 * smooth.max())
    spot = np.argwhere(labels == labels[peak])
    extent = np.ptp(spot, axis=0) + 1
    return np.array(peak, np.float64), np.maximum(extent / 2.355, 0.7)


def check_size(kernel: Sequence[int], image: Sequence[int]) -> None:
    """Refuse a PSF, of a shape, that is larger than an image or stack of another shape.

    Raises
    ------
    InputError
        If it is along any axis.
    """
    shape = image[-len(kernel) :]
    if len(image) < len(kernel) or any(k > n for k, n in zip(kernel, shape, strict=True)):
        raise InputError(
            f"the PSF of {_told(kernel)} is larger than the image of {_told(shape)}; give a "
            "smaller part of the PSF (size=...) or a larger image"
        )


def _told(shape: Sequence[int]) -> str:
    return " x ".join(str(int(size)) for size in shape) + (" px" if len(shape) == 2 else " voxels")
