"""What is left of a sampled PSF beyond the target resolution: the kernel k."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import fft

__all__ = ["REGULARISATION", "beyond_target"]

REGULARISATION: Final = 0.01
"""Transfer of the target below which k is no longer the quotient, but falls to zero."""

_LOST: Final = 1e-4
_FACE: Final = 2


def beyond_target(kernel: np.ndarray, target: float) -> tuple[np.ndarray, float]:
    """Return k with ``target Gaussian * k = PSF`` and the error that is left.

    The object x is seen through a Gaussian G of `target` pixels in every axis, so a PSF H is
    reached by K = H / G. G is small at high frequencies (0.007 at the Nyquist frequency for 1 px,
    its powers in the corners), where H is noise; so K minimises ``|G K - H|^2 + e^2 |K|^2``
    (A.N. Tikhonov, Soviet Mathematics Doklady 4 (1963) 1035-1038), scaled to keep all light:

        K(f) = (1 + e^2) G(f) H(f) / (G(f)^2 + e^2),    e = REGULARISATION

    which is H / G where G >> e and amplifies nothing by more than 1 / (2 e). A PSF that ends before
    it is dark, such as that of a widefield stack, is led to zero around its box first, as k would
    ring from an edge. k is then cut to the smallest odd box, no larger than that of the PSF,
    that leaves out 1e-4 of its absolute sum along each axis.

    Parameters
    ----------
    kernel : ndarray, (h, w) or (d, h, w)
        The PSF: odd sizes, centred, sum 1.
    target : float
        Standard deviation of the target in pixels, the same for every axis.

    Returns
    -------
    k : ndarray, float64
        Odd sizes, none larger than that of the PSF, centred, sum 1, read-only.
    misfit : float
        ``|G k - H| / |H|``, root sums of squares. Two pixels at the faces do not count, as there
        G takes part of its light from beyond the box.
    """
    reach = int(np.ceil(5 * target))
    shape = tuple(n + 2 * reach for n in kernel.shape)
    axes = tuple(range(kernel.ndim))
    spectrum = fft.rfftn(np.fft.ifftshift(_led_to_zero(kernel, reach)))
    gauss = _gaussian_transfer(shape, target)
    e2 = REGULARISATION**2
    k = fft.irfftn((1 + e2) * gauss * spectrum / (gauss**2 + e2), s=shape, axes=axes)
    k = _cut(np.fft.fftshift(k), kernel.shape)
    k /= k.sum()
    outer = [((n - m) // 2,) * 2 for n, m in zip(shape, k.shape, strict=True)]
    again = fft.irfftn(fft.rfftn(np.fft.ifftshift(np.pad(k, outer))) * gauss, s=shape, axes=axes)
    inside = tuple(
        slice(reach + min(_FACE, n // 4), reach + n - min(_FACE, n // 4)) for n in kernel.shape
    )
    left = (np.fft.fftshift(again) - np.pad(kernel, reach))[inside]
    misfit = float(np.linalg.norm(left) / np.linalg.norm(kernel))
    k.setflags(write=False)
    return k, misfit


def _led_to_zero(kernel: np.ndarray, reach: int) -> np.ndarray:
    """Continue each axis by its last value under half a period of a cosine."""
    padded = np.pad(kernel, reach, mode="edge")
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, reach + 1) / (reach + 1))
    for axis, size in enumerate(kernel.shape):
        weight = np.concatenate([fall[::-1], np.ones(size), fall])
        padded *= weight.reshape([-1 if i == axis else 1 for i in range(kernel.ndim)])
    return padded


def _gaussian_transfer(shape: tuple[int, ...], sigma: float) -> np.ndarray:
    frequencies = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    squared = sum(f**2 for f in np.meshgrid(*frequencies, indexing="ij", sparse=True))
    return np.asarray(np.exp(-2 * (np.pi * sigma) ** 2 * squared))


def _cut(k: np.ndarray, most: tuple[int, ...]) -> np.ndarray:
    middle = np.array(k.shape) // 2
    light = np.abs(k)
    half = []
    for axis, (centre, size) in enumerate(zip(middle, most, strict=True)):
        along = light.sum(tuple(i for i in range(k.ndim) if i != axis))
        # what lies outside of each half-size along this axis
        outside = np.cumsum((along[centre:] + along[centre::-1])[::-1])[::-1]
        needed = int(np.count_nonzero(outside > _LOST * along.sum())) - 1
        half.append(min(max(needed, 1), size // 2))
    box = tuple(slice(c - r, c + r + 1) for c, r in zip(middle, half, strict=True))
    return np.ascontiguousarray(k[box])
