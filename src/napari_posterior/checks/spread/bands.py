"""Power of a sample's deviation from the mean in bands of spatial frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.spread.scale import pooled_scale
from napari_posterior.physics.psf import TARGET_SIGMA

if TYPE_CHECKING:
    from napari_posterior.checks.spread.moments import Moments
    from napari_posterior.physics.psf import Psf

__all__ = ["BandMeter", "Bands", "make_bands", "optical_cutoff"]

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


class BandMeter:
    """Measures the deviations of samples from the mean of their run, band by band.

    They are divided by a map of the standard deviation of both runs together, so that a bright spot
    does not stand for the whole, and tapered with a Hann window.

    Parameters
    ----------
    bands : Bands
        For the shape of the plane.
    teacher, student : Moments
        Mean and standard deviation of the samples that are compared and no other.
    counts : tuple of int
        Samples of each run.
    """

    def __init__(
        self, bands: Bands, teacher: Moments, student: Moments, counts: tuple[int, int]
    ) -> None:
        self.bands = bands
        self._means = teacher.mean, student.mean
        scale = pooled_scale(teacher, student, counts)
        height, width = scale.shape
        window = np.outer(_hann(height), _hann(width))
        self._weight = (window / scale / math.sqrt(float((window**2).sum()))).astype(np.float32)
        radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
        place = np.searchsorted(bands.edges, radius, side="right") - 1
        # what is coarser than the first edge belongs to the first band, what is finer to none
        self._place = np.where(radius >= bands.edges[-1], bands.count, np.maximum(place, 0)).ravel()
        twice = np.full(width // 2 + 1, 2.0)
        twice[0] = 1.0
        if width % 2 == 0:
            twice[-1] = 1.0
        self._twice = np.broadcast_to(twice / (height * width), radius.shape).ravel()

    def measure(self, plane: np.ndarray, group: int) -> np.ndarray:
        """Return the power of one plane of one sample in each band, (n,) float64.

        Summed over planes and bands it is about the mean square of the deviation, in units of the
        standard deviation, times the planes.

        Parameters
        ----------
        plane : ndarray, (H, W) float32
            Photoelectrons per pixel.
        group : int
            0 for the teacher, 1 for the student.
        """
        from scipy import fft

        deviation = (plane - self._means[group]) * self._weight
        values = fft.rfft2(deviation)
        power = (values.real**2 + values.imag**2).ravel() * self._twice
        found = np.bincount(self._place, power, minlength=self.bands.count + 1)
        return np.asarray(found[: self.bands.count], np.float64)


def _hann(size: int) -> np.ndarray:
    return np.asarray(np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2)
