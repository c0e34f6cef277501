"""How much of a map repeats with the tiles: a seam shows as power at the frequency of the tiles."""

from __future__ import annotations

import numpy as np

__all__ = ["grid_power"]


def grid_power(image: np.ndarray, period: int, *, lattice: int | None = None) -> float:
    """Return the power at the tile frequency and its harmonics over that of the noise around.

    The profile along each axis is taken (seams run along the other one), and of its spectrum the
    mean over the harmonics of the period, relative to the mean over all other frequencies. Without
    a grid this is near 1: a mean of 2 h exponential variables, for h harmonics along two axes.

    Parameters
    ----------
    image : ndarray, (H, W)
        H and W are multiples of `period`.
    period : int
        Distance from tile to tile in pixels.
    lattice : int, optional
        Stride of a network, which divides the period: what repeats with it, on whole frames too,
        is left out.
    """
    on, off = [], []
    for axis in (0, 1):
        profile = image.mean(axis=1 - axis)
        power = np.abs(np.fft.rfft(profile - profile.mean()))[1:] ** 2
        number = np.arange(1, len(power) + 1)
        harmonic = number % (len(profile) // period) == 0
        if lattice is not None:
            kept = number % (len(profile) // lattice) != 0
            power, harmonic = power[kept], harmonic[kept]
        on.append(power[harmonic] / power[~harmonic].mean())
        off.append(power[~harmonic] / power[~harmonic].mean())
    return float(np.concatenate(on).mean() / np.concatenate(off).mean())
