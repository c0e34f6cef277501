"""The PSF measured: beads are found, judged, aligned to parts of a pixel and averaged."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.bead_search import (
    HALF_SIZE,
    Bead,
    background_of,
    box_around,
    check_bead_image,
    common_size,
    find_peaks,
    judge_peak,
    of_common_size,
)
from napari_posterior.physics.kernel import shift
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bead", "Beads", "measure_beads"]

_SUPPORT: Final = 3.0
_EMPTY: Final = 1e-6
_LEAST_EMPTY: Final = 0.05


@dataclass(frozen=True, eq=False)
class Beads:
    """The beads of an image and their mean.

    Parameters
    ----------
    psf : Psf
        Their mean: sampled, centred, on no background, of sum 1.
    beads : tuple of Bead
        Those that were averaged.
    left_out : tuple of str
        Why each other one was not, such as ``"clipped"``.
    misfit : float
        How much one bead differs from the mean: root sum of squares of the difference within two
        sigmas over that of the mean, its median over the beads. Noise is part of it.
    scatter, axial_scatter : float
        Standard deviation of the widths of the beads over their mean.
    """

    psf: Psf
    beads: tuple[Bead, ...]
    left_out: tuple[str, ...]
    misfit: float
    scatter: float
    axial_scatter: float | None


def measure_beads(
    image: Any,
    *,
    at_least: int = 3,
    size: Sequence[int] | None = None,
    saturation: float | None = None,
) -> Beads:
    """Measure the PSF with the beads of an image or stack.

    Peaks of the smoothed image are fitted with Gaussians (`kernel.fit_gaussian`). Of those that
    stand alone, are bright, round, not clipped and of the common size, the images are moved onto
    the pixel grid by the Fourier shift theorem and summed, so that a bead counts by its light.
    The background, taken away before, is the mean of what lies outside of all beads, in each plane
    by itself. What does not rise over the noise around the mean is set to zero.

    Parameters
    ----------
    image : ndarray, (H, W) or (D, H, W)
        Sub-resolution beads, in any unit that is linear in the light.
    at_least : int
        Beads that must be usable.
    size : sequence of int, optional
        Odd sizes of the PSF; by default four sigmas to each side, as far as the planes reach.
    saturation : float, optional
        Value at and above which a pixel is clipped; by default the largest of an integer type,
        or the maximum where three pixels of a peak share it.

    Raises
    ------
    InputError
        If there are no such beads, with the reason: clipped, too few, too dim, elongated, too
        close, at the edge, or an image without bright spots.
    """
    values, full = check_bead_image(image, saturation)
    sigma = common_size(values)
    candidates, noise = find_peaks(values, sigma)
    background, dark = background_of(values, candidates, sigma)
    signal = values - background
    spread = max(float(signal[dark].std()), noise)
    clipped = values >= full
    kept: list[Bead] = []
    left_out: list[str] = []
    for peak in candidates:
        fault, bead = judge_peak(signal, clipped, peak, candidates, sigma, spread)
        if bead is None:
            left_out.append(fault)
        else:
            kept.append(bead)
    kept, odd = of_common_size(kept)
    left_out += ["of another size"] * odd
    if len(kept) < at_least:
        raise InputError(_too_few(len(kept), at_least, left_out))
    return _average(signal, dark, kept, tuple(left_out), size)


def _too_few(count: int, needed: int, left_out: list[str]) -> str:
    if not count and not left_out:
        return "no beads stand out of the noise; give an image with a longer exposure"
    reasons = Counter(left_out).most_common()
    told = ", ".join(f"{number} {reason}" for reason, number in reasons)
    remedies = {
        "clipped": "expose for shorter",
        "too dim": "expose for longer",
        "at the edge": "give a larger field",
        "too close to another": "give a field with fewer beads",
        "elongated": "look for drift, tilt or clumps of beads",
        "not a single spot": "look for clumps of beads",
        "of another size": "look for clumps of beads",
    }
    remedy = remedies[reasons[0][0]] if reasons else "give a larger field, or more fields"
    return (
        f"only {count} of {count + len(left_out)} beads can be used and {needed} are needed"
        f"{f' ({told})' if told else ''}; {remedy}"
    )


def _average(
    signal: np.ndarray,
    dark: np.ndarray,
    beads: list[Bead],
    left_out: tuple[str, ...],
    size: Sequence[int] | None,
) -> Beads:
    shape = np.array(signal.shape)
    widths = np.array(
        [[b.axial_sigma] * (signal.ndim - 2) + [b.sigma] * 2 for b in beads], np.float64
    ).mean(0)
    centres = np.rint([b.position for b in beads]).astype(int)
    half = np.ceil(HALF_SIZE * widths).astype(int)
    if size is not None:
        half = _half(size, signal.ndim)
    room = np.minimum(centres, shape - 1 - centres).min(0)
    if size is not None and (half > room).any():
        raise InputError(
            f"a PSF of {tuple(int(s) for s in size)} reaches over the edge of the bead image; "
            f"give a size of {tuple(int(s) for s in 2 * room + 1)} or less"
        )
    half = np.minimum(half, room)
    # a margin keeps what the Fourier shift does at the ends out of the result
    margin = np.minimum(4, room - half)
    cuts = []
    for bead, centre in zip(beads, centres, strict=True):
        box, _ = box_around(centre, half + margin, signal.shape)
        moved = shift(signal[box], centre - np.array(bead.position))
        inner = tuple(slice(int(m), int(m + 2 * h + 1)) for m, h in zip(margin, half, strict=True))
        cuts.append(moved[inner])
    stack = np.stack(cuts)
    mean = stack.sum(0)
    noise = float(signal[dark].std()) * len(beads) ** 0.5
    psf = Psf(kernel=_without_noise(mean, noise, widths), source="measured")
    scatter = [float(np.std(w, ddof=1) / np.mean(w)) if len(w) > 1 else 0.0 for w in _widths(beads)]
    return Beads(
        psf,
        tuple(beads),
        left_out,
        _differences(stack, mean, widths),
        scatter[0],
        scatter[1] if signal.ndim == 3 else None,
    )


def _half(size: Sequence[int], axes: int) -> np.ndarray:
    sizes = np.atleast_1d(np.asarray(size))
    if sizes.shape != (axes,) or sizes.dtype.kind not in "iu" or (sizes % 2 == 0).any():
        raise InputError(f"size is {size!r}; give {axes} odd whole numbers of pixels")
    if (sizes < 3).any():
        raise InputError(f"size is {size!r}; give sizes of 3 pixels or more")
    return sizes // 2


def _widths(beads: list[Bead]) -> list[list[float]]:
    lateral = [bead.sigma for bead in beads]
    return [lateral, [bead.axial_sigma for bead in beads if bead.axial_sigma is not None]]


def _without_noise(mean: np.ndarray, noise: float, widths: np.ndarray) -> np.ndarray:
    """Filter the noise out, and set to zero what does not rise over it or is apart from the peak.

    The filter is that of N. Wiener (Extrapolation, Interpolation and Smoothing of Stationary Time
    Series, 1949), S / (S + N): S is the spectrum of the Gaussian of the beads, N that of the mean
    where S is below a millionth, as there is only noise.
    """
    pads = [(int(4 * w),) * 2 for w in widths]
    padded = np.pad(
        mean, pads, mode="reflect" if (np.array(mean.shape) > 4 * widths).all() else "edge"
    )
    spectrum = np.fft.fftn(padded)
    frequencies = np.meshgrid(*map(np.fft.fftfreq, padded.shape), indexing="ij", sparse=True)
    power = np.exp(-sum((2 * np.pi * w * f) ** 2 for w, f in zip(widths, frequencies, strict=True)))
    empty = power < _EMPTY
    white = noise**2 * padded.size
    if empty.mean() > _LEAST_EMPTY:
        white = max(white, float(np.mean(np.abs(spectrum[empty]) ** 2)))
    power *= float(np.abs(spectrum.flat[0])) ** 2
    smooth = np.fft.ifftn(spectrum * power / (power + white)).real
    inner = tuple(slice(p, n - p) for (p, _), n in zip(pads, padded.shape, strict=True))
    smooth = smooth[inner]
    # a Gaussian of s pixels leaves 1 / (2 sqrt(pi) s) of the variance of white noise, each axis
    left = noise * float(np.prod(np.minimum(1.0, 1 / (np.sqrt(np.pi) * widths)) ** 0.5))
    labels, _ = ndimage.label(ndimage.gaussian_filter(smooth, widths / 2) > _SUPPORT * left)
    peak = np.unravel_index(int(smooth.argmax()), mean.shape)
    return np.where(labels == labels[peak], np.clip(smooth, 0.0, None), 0.0)


def _differences(stack: np.ndarray, mean: np.ndarray, widths: np.ndarray) -> float:
    """Return the median difference of one bead and the mean, each scaled to the least squares."""
    at = np.meshgrid(*(np.arange(n) - n // 2 for n in mean.shape), indexing="ij", sparse=True)
    near = sum((a / w) ** 2 for a, w in zip(at, widths, strict=True)) <= 4
    one, all_ = stack[:, near], mean[near]
    scale = one @ all_ / (all_ @ all_)
    left = np.linalg.norm(one / scale[:, None] - all_, axis=1) / np.linalg.norm(all_)
    return float(np.median(left))
