"""How the law of two sets of samples differs, band by band in spatial frequency.

Both sets belong to one scene and start, sample by sample, from the same noise where they can, so
that their difference is seen with far fewer samples than either law alone. In each band two numbers
are estimated, both as a share of the variance there: how much variance is missing or too much, and
how far the mean is off, squared.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from scipy import stats

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BANDS", "BandBias", "SceneBands", "compare_bands", "measure_bands"]

BANDS: Final = (0.0, 0.05, 0.1, 0.2, 0.71)
"""Edges of the bands, in cycles a pixel of radial frequency; the last ends at the corner."""

Unit = Literal["scene", "sample"]


@dataclass(frozen=True)
class SceneBands:
    """What two sets of K samples of one scene hold in each of B bands.

    Powers are means over pixels, in the square of the samples' unit.

    Parameters
    ----------
    base, other : ndarray, (K, B), float64
        Power of each sample's deviation from the mean of its set.
    shift : ndarray, (B,), float64
        Squared difference of the two means, without bias: it may be negative.
    shift_without : ndarray, (K, B), float64
        The same without each pair of samples in turn.
    """

    base: np.ndarray
    other: np.ndarray
    shift: np.ndarray
    shift_without: np.ndarray


@dataclass(frozen=True)
class BandBias:
    """How the law of one set of samples differs from that of another in one band.

    Parameters
    ----------
    low, high : float
        Edges of the band, in cycles a pixel.
    share : float
        Share of the variance that lies in this band, averaged over scenes.
    variance : float
        Variance of the set over that of the other, less 1.
    variance_interval : tuple of float
        Its interval.
    mean : float
        Squared difference of the means over the variance, without bias: it may be negative.
    mean_interval : tuple of float
        Its interval.
    """

    low: float
    high: float
    share: float
    variance: float
    variance_interval: tuple[float, float]
    mean: float
    mean_interval: tuple[float, float]

    @property
    def worst(self) -> float:
        """Largest bias, of variance or mean, that the intervals leave open."""
        return max(*(abs(end) for end in self.variance_interval), self.mean_interval[1])


def measure_bands(
    base: np.ndarray, other: np.ndarray, *, edges: Sequence[float] = BANDS
) -> SceneBands:
    """Measure two sets of samples of one scene.

    A Hann window keeps the power that the borders of an image leak out of its coarse structure from
    hiding what happens at fine frequencies; it is applied to deviations, where it favours neither
    set.

    Parameters
    ----------
    base, other : ndarray, (K, H, W)
        The samples, 3 or more; those at one position share their noise, or all are independent.
    edges : sequence of float
        B + 1 increasing edges in cycles a pixel, the last of them excluded.

    Raises
    ------
    InputError
        If the sets differ in shape, have fewer than 3 samples, or a band holds no frequency.

    Notes
    -----
    With the differences ``d_k`` of the K pairs, the squared difference of the means is estimated by
    the U-statistic ``(|sum d_k|^2 - sum |d_k|^2) / (K (K - 1))``.
    """
    if base.shape != other.shape or base.ndim != 3 or len(base) < 3:
        raise InputError("give two sets of as many samples of one image, 3 samples or more")
    band = _bands_of(base.shape[1:], edges)
    count = len(edges) - 1
    first, second = (_spectrum(x - x.mean(0)) for x in (base, other))
    gaps = _spectrum(np.asarray(other, np.float64) - base)
    total = gaps.sum(0)
    own = _power(gaps, gaps, band, count)
    crossed = _power(gaps, np.broadcast_to(total, gaps.shape), band, count)
    whole = _power(total[None], total[None], band, count)[0]
    k = len(base)
    shift = (whole - own.sum(0)) / (k * (k - 1))
    # |S - d|^2 less the squares that are left
    left = whole - 2 * crossed + own - (own.sum(0) - own)
    return SceneBands(
        base=_power(first, first, band, count),
        other=_power(second, second, band, count),
        shift=shift,
        shift_without=left / ((k - 1) * (k - 2)),
    )


def compare_bands(
    scenes: Sequence[SceneBands],
    *,
    level: float = 0.95,
    edges: Sequence[float] = BANDS,
    unit: Unit | None = None,
) -> tuple[BandBias, ...]:
    """Pool scenes and say how the law of `other` differs from that of `base` in each band.

    Every scene counts alike: its powers are divided by the total variance of its base samples.

    Parameters
    ----------
    scenes : sequence of SceneBands
        One or more.
    level : float
        Confidence level of the intervals.
    edges : sequence of float
        The edges given to :func:`measure_bands`.
    unit : str, optional
        What is left out in turn: ``"scene"``, for a statement about scenes like these, or
        ``"sample"``, for one about these scenes. Scenes by default, samples where there is one.

    Returns
    -------
    tuple of BandBias

    Raises
    ------
    InputError
        If the base samples do not vary in a band, or scenes are to be left out of one.

    Notes
    -----
    Intervals are jackknife t intervals, of the logarithm for the ratio of variances. Samples are
    left out one at a time within each scene, and the squared errors of the scenes are added.
    """
    by_scene = len(scenes) > 1 if unit is None else unit == "scene"
    if by_scene and len(scenes) < 2:
        raise InputError("an interval over scenes needs two scenes or more; give more scenes")
    scale = [1 / max(_variance(s.base).sum(), 1e-300) for s in scenes]
    base = np.stack([w * _variance(s.base) for w, s in zip(scale, scenes, strict=True)])
    other = np.stack([w * _variance(s.other) for w, s in zip(scale, scenes, strict=True)])
    shift = np.stack([w * s.shift for w, s in zip(scale, scenes, strict=True)])
    sums = np.stack([base.sum(0), other.sum(0), shift.sum(0)])
    if not ((sums[0] > 0).all() and (sums[1] > 0).all()):
        raise InputError("the samples do not vary in some band; use a larger image or other bands")
    if by_scene:
        without = [sums[:, None] - np.stack([base, other, shift])]
    else:
        without = [
            sums[:, None] + w * _without_samples(s) for w, s in zip(scale, scenes, strict=True)
        ]
    log_ratio, mean = np.log(sums[1] / sums[0]), sums[2] / sums[0]
    freedom = sum(w.shape[1] - 1 for w in without)
    reach = float(stats.t.isf((1 - level) / 2, freedom))
    log_reach = reach * _jackknife([np.log(w[1] / w[0]) for w in without])
    mean_reach = reach * _jackknife([w[2] / w[0] for w in without])
    shares = base.mean(0)
    return tuple(
        BandBias(
            low=float(low),
            high=float(high),
            share=float(shares[i]),
            variance=math.expm1(log_ratio[i]),
            variance_interval=(
                math.expm1(log_ratio[i] - log_reach[i]),
                math.expm1(log_ratio[i] + log_reach[i]),
            ),
            mean=float(mean[i]),
            mean_interval=(float(mean[i] - mean_reach[i]), float(mean[i] + mean_reach[i])),
        )
        for i, (low, high) in enumerate(itertools.pairwise(edges))
    )


def _without_samples(scene: SceneBands) -> np.ndarray:
    """Return what leaving each sample out changes of both variances and of the shift, (3, K, B)."""
    k = len(scene.base)
    changes = []
    for power in (scene.base, scene.other):
        # the mean moves as well: d_k counts K / (K - 1) times
        left = (power.sum(0) - k / (k - 1) * power) / (k - 2)
        changes.append(left - _variance(power))
    return np.stack([*changes, scene.shift_without - scene.shift])


def _jackknife(groups: list[np.ndarray]) -> np.ndarray:
    """Return the standard error from leave-one-out values (n, B) of independent groups, (B,)."""
    parts = [(len(v) - 1) / len(v) * ((v - v.mean(0)) ** 2).sum(0) for v in groups]
    return np.asarray(np.sqrt(sum(parts)))


def _variance(power: np.ndarray) -> np.ndarray:
    return np.asarray(power.sum(0) / (len(power) - 1))


def _spectrum(x: np.ndarray) -> np.ndarray:
    """Return the windowed Fourier transform of (K, H, W), scaled so that power is a pixel mean."""
    height, width = x.shape[-2:]
    window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (height, width)))
    window /= np.sqrt((window**2).mean())
    return np.asarray(np.fft.fft2(np.asarray(x, np.float64) * window) / (height * width))


def _bands_of(shape: tuple[int, ...], edges: Sequence[float]) -> np.ndarray:
    """Return the number of the band of every frequency of an image (H, W), flat; B for none."""
    rows, columns = (np.fft.fftfreq(n) for n in shape)
    radius = np.hypot(rows[:, None], columns[None, :]).ravel()
    band = np.searchsorted(np.asarray(edges), radius, side="right") - 1
    held = np.bincount(band[band >= 0], minlength=len(edges) - 1)[: len(edges) - 1]
    if (held == 0).any():
        raise InputError(f"an image of {shape} pixels has no frequency in some band; use a larger")
    return np.where(band < 0, len(edges) - 1, band)


def _power(a: np.ndarray, b: np.ndarray, band: np.ndarray, count: int) -> np.ndarray:
    """Return the real inner products of spectra (K, H, W), band by band, (K, count)."""
    products = (a * b.conj()).real.reshape(len(a), -1)
    rows = [np.bincount(band, weights=row, minlength=count + 1)[:count] for row in products]
    return np.stack(rows)
