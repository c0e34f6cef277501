"""Bands of spatial frequency, and the power of an image in each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.physics.psf import TARGET_SIGMA

if TYPE_CHECKING:
    from napari_posterior.physics.psf import Psf

__all__ = ["BandPower", "Bands", "hann", "make_bands", "optical_cutoff"]

_DARK: Final = 0.01  # transfer below which the microscope passes no detail
_PATCHES: Final = 22  # independent numbers that a band holds at least, as a tile does
_TAPER: Final = (
    18 / 35
) ** 2  # what the window leaves of them: (sum w^2)^2 / sum w^4 over n, twice
_FINEST: Final = math.sqrt(math.log(1 / _DARK) / 2) / math.pi
_GRID: Final = 512


def optical_cutoff(psf: Psf) -> float | None:
    """Return the frequency, in cycles per pixel, of which the optics pass less than 1 %.

    Parameters
    ----------
    psf : Psf
        Gaussian, ``exp(-2 pi^2 sigma^2 f^2)``, or sampled: then the first frequency of the
        radial mean of its transfer; of a stack, that of the sum along z.

    Returns
    -------
    float or None
        None where a sampled PSF stays above 1 %, as one with noise does.
    """
    if psf.kernel is None:
        return _FINEST / psf.sigma
    kernel = psf.kernel if psf.kernel.ndim == 2 else psf.kernel.sum(0)
    size = max(_GRID, *kernel.shape)
    transfer = np.abs(np.fft.rfft2(kernel, (size, size)))
    radius = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    ring = np.rint(radius * size).astype(int)
    mean = np.bincount(ring.ravel(), transfer.ravel()) / np.bincount(ring.ravel())
    dark = np.flatnonzero(mean[: size // 2 + 1] < _DARK * mean[0])
    return float(dark[0] / size) if len(dark) else None


@dataclass(frozen=True)
class Bands:
    """Bands of radial frequency.

    Parameters
    ----------
    edges : tuple of float, (n + 1,)
        In cycles per pixel, increasing; the first band reaches down to 0.
    cutoff : float or None
        Frequency that the optics pass 1 % of; one of the edges, or None where all are below it.
    """

    edges: tuple[float, ...]
    cutoff: float | None = None

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.edges) - 1

    @property
    def beyond(self) -> tuple[bool, ...]:
        """Whether a band lies beyond the optical cut-off, (n,)."""
        cutoff = math.inf if self.cutoff is None else self.cutoff
        return tuple(low >= cutoff for low in self.edges[:-1])


def make_bands(shape: tuple[int, int], *, cutoff: float | None = None, count: int = 12) -> Bands:
    """Return bands of equal width in the logarithm of the frequency.

    They end where the target resolution passes 1 %, 0.48 cycles per pixel: an image at that
    resolution holds nothing finer. The optical cut-off is one of their edges.

    Parameters
    ----------
    shape : tuple of int
        Height and width in pixels.
    cutoff : float, optional
        From `optical_cutoff`.
    count : int
        Bands; fewer in a small image, as each holds 22 independent numbers or more: the coarsest
        ones are joined until it does.
    """
    first, last = 1 / min(shape), _FINEST / TARGET_SIGMA
    inner = cutoff if cutoff is not None and first < cutoff < 0.95 * last else None
    if inner is None:
        edges = np.geomspace(first, last, count + 1)
    else:
        beyond = round(count * math.log(last / inner) / math.log(last / first))
        beyond = min(max(beyond, 1), count - 1)
        below = np.geomspace(first, inner, count - beyond + 1)
        edges = np.concatenate([below, np.geomspace(inner, last, beyond + 1)[1:]])
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    kept = [float(edges[0])]
    reached = 0.0
    for edge in map(float, edges[1:]):
        inside = float(((radius >= reached) & (radius < edge)).sum())
        if inside * _TAPER >= _PATCHES or edge == inner:
            kept.append(edge)
            reached = edge
    kept[max(len(kept) - 1, 1) :] = [float(edges[-1])]
    return Bands(tuple(kept), inner if inner in kept else None)


class BandPower:
    """Transforms planes, and sums products of transforms in bands.

    Parameters
    ----------
    bands : Bands
        For the shape of the plane.
    weight : ndarray, (H, W), optional
        What a plane is multiplied by first, fixed beforehand. By default a Hann window whose
        squares sum to 1, so that powers are means over pixels: it keeps the power that the borders
        leak out of coarse structure from hiding what is fine.
    shape : tuple of int, optional
        Height and width; needed without a weight.
    """

    def __init__(
        self,
        bands: Bands,
        *,
        weight: np.ndarray | None = None,
        shape: tuple[int, int] | None = None,
    ) -> None:
        self.bands = bands
        if weight is None:
            if shape is None:
                raise ValueError("give the weight or the shape of the planes")
            window = hann(shape)
            weight = window / math.sqrt(float((window**2).sum()))
        self._weight = np.asarray(weight, np.float32)
        height, width = self._weight.shape
        radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        place = np.searchsorted(bands.edges, radius, side="right") - 1
        # what is coarser than the first edge belongs to the first band, what is finer to none
        self._place = np.where(radius >= bands.edges[-1], bands.count, np.maximum(place, 0)).ravel()
        twice = np.full(width // 2 + 1, 2.0)
        twice[0] = 1.0
        if width % 2 == 0:
            twice[-1] = 1.0
        self._twice = np.broadcast_to(twice / (height * width), radius.shape).ravel()

    def transform(self, plane: np.ndarray) -> np.ndarray:
        """Return the transform of a weighted plane (H, W), its half of non-negative columns."""
        from scipy import fft

        return np.asarray(fft.rfft2(plane * self._weight))

    def products(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the real inner product of two transforms in each band, (n,) float64.

        Over all bands, that of a transform with itself is about the sum of squares of the weighted
        plane (Parseval), less what is finer than the last edge.
        """
        power = (first.real * second.real + first.imag * second.imag).ravel() * self._twice
        found = np.bincount(self._place, power, minlength=self.bands.count + 1)
        return np.asarray(found[: self.bands.count], np.float64)


def hann(shape: tuple[int, int]) -> np.ndarray:
    """Return a Hann window that is zero just outside the plane, (H, W) float64."""
    return np.outer(*(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2 for size in shape))
