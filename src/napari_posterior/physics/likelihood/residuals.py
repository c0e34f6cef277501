"""Randomised quantile residuals: standard normal for the object that made the measurement.

Source: P. K. Dunn and G. K. Smyth, Journal of Computational and Graphical Statistics 5 (1996)
236-244. A grey level stands for an interval of electrons, so the residual of a pixel is a random
point of the interval of quantiles, at a share V that is drawn once a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import torch

from napari_posterior.physics.likelihood.exact import NOISE_FLOOR
from napari_posterior.physics.likelihood.mask import EXACT_BELOW_NOISE

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.likelihood.pixels import Columns

__all__ = ["Cells", "cells_of", "quantile_residuals"]

_REACH: Final = 8.0  # read noises, beyond which an electron number is surely above or below
_NEWTON_STEPS: Final = 10
_FAR: Final = 1e-9  # probability of a brighter pixel below which 1 - u has lost its digits
_TINY: Final = 1e-300
_NEAR_ZERO: Final = 1e-3  # where the saddlepoint formula divides by zero its limit stands in


class Cells(NamedTuple):
    """What the grey level of every pixel stands for, (n,) float64 each.

    Parameters
    ----------
    low, high : Tensor
        The interval of electrons.
    share : Tensor
        V, uniform between 0 and 1.
    noise : Tensor
        Read noise in electrons, without that of rounding.
    """

    low: Tensor
    high: Tensor
    share: Tensor
    noise: Tensor

    def at(self, columns: Columns) -> Cells:
        """Return the cells of some pixels."""
        return Cells(*(level[columns] for level in self))


def cells_of(y: np.ndarray, camera: Camera, *, seed: int) -> Cells:
    """Return the intervals of electrons of a measurement and a random share of each.

    Whole grey levels are taken as digitised: half a level to both sides. What rounding adds to
    the read noise (1/12 ADU^2) is then part of the interval and not of the noise. Other values
    stand for themselves unless the read noise is below 0.1 e-: then for half an electron to both
    sides, as the number of electrons was whole.

    Parameters
    ----------
    y : ndarray, (H, W) or (D, H, W)
        Grey levels in ADU, finite.
    camera : Camera
        Gain, offset and noise.
    seed : int
        Seed of the shares; one seed gives a pixel one share in all samples.
    """
    grey = np.asarray(y, np.float64)
    gain, noise = np.asarray(camera.gain), np.asarray(camera.noise_floor)
    half = np.zeros(())
    if bool((grey == np.round(grey)).all()):
        half = 0.5 / gain
        noise = np.sqrt(np.maximum(noise**2 - 1 / (12 * gain**2), 0.0))
    half = np.where(noise < NOISE_FLOOR, np.maximum(half, 0.5), half)
    electrons = camera.to_electrons(grey)
    share = np.random.default_rng(seed).random(grey.shape)
    noise = np.broadcast_to(np.maximum(noise, NOISE_FLOOR), grey.shape)
    levels = (electrons - half, electrons + half, share, noise)
    return Cells(*(torch.from_numpy(np.array(level).ravel()) for level in levels))


def quantile_residuals(cells: Cells, mean: Tensor) -> Tensor:
    """Return ``Phi^-1(F(low) + V (F(high) - F(low)))`` of every pixel and sample, (K, n).

    F is the distribution of ``Poisson(mean) + Normal(0, noise^2)``: exact sums where the read
    noise is below 1.6 e-; elsewhere, and where a pixel is brighter than F resolves, the directed
    deviate of the saddlepoint approximation, whose error in F is below 2e-4 from 1.6 e- on.

    Parameters
    ----------
    cells : Cells
        Of n pixels.
    mean : Tensor, (K, n) float64
        Expected electrons, positive.
    """
    quiet = cells.noise < EXACT_BELOW_NOISE
    if not bool(quiet.any()):
        return _approximate(cells, mean)
    if not bool(quiet.all()):
        q: Tensor = torch.empty_like(mean)
        for part in (quiet, ~quiet):
            q[:, part] = quantile_residuals(cells.at(part), mean[:, part])
        return q
    u = _probability(cells, mean)
    q = torch.special.ndtri(u.clamp(_TINY, 1 - _FAR))
    sample, pixel = (u > 1 - _FAR).nonzero(as_tuple=True)
    if len(pixel):
        q[sample, pixel] = _approximate(cells.at(pixel), mean[sample, pixel])
    return q


def _probability(cells: Cells, mean: Tensor) -> Tensor:
    """Return the exact u = F(low) + V (F(high) - F(low)), (K, n).

    Electron numbers n below a window count in full, P(N < first) = Q(first, mean) (regularised
    incomplete gamma function), those above not at all, and those inside with the weight
    ``w = (1 - V) Phi((low - n) / s) + V Phi((high - n) / s)``.
    """
    first = (cells.low - _REACH * cells.noise).ceil().clamp_min(0.0)
    last = (cells.high + _REACH * cells.noise).floor().clamp_min(0.0)
    count = int((last - first).max()) + 1
    j = torch.arange(count, dtype=mean.dtype, device=mean.device)[:, None]
    n = first + j
    below, above = (torch.special.ndtr((end - n) / cells.noise) for end in cells[:2])
    weight = below + cells.share * (above - below)
    # sum_j w_j mean^j first! / (first + j)! by Horner's rule in mean / (first + 1)
    weight[1:] *= ((first + 1) / n[1:]).cumprod(0)
    t = mean / (first + 1)
    inside = weight[-1].expand_as(mean).clone()
    for term in weight[:-1].flip(0):
        torch.addcmul(term, inside, t, out=inside)
    foot = torch.xlogy(first, mean) - mean - torch.lgamma(first + 1)
    # a mean so far above that the foot vanishes may have made the rest infinite
    inside = torch.where(foot > -700, inside * foot.exp(), 0.0)
    surely = torch.special.gammaincc(first.clamp_min(1.0).expand_as(mean), mean)
    return inside + torch.where(first > 0, surely, 0.0)


def _approximate(cells: Cells, mean: Tensor) -> Tensor:
    """Return the residuals by the saddlepoint approximation, in the nearer tail for its digits."""
    low = _deviate(cells.low, mean, cells.noise)
    if torch.equal(cells.low, cells.high):
        return low
    high = _deviate(cells.high, mean, cells.noise)
    side = torch.where(low + high > 0, -1.0, 1.0).to(mean.dtype)
    near, far = torch.special.ndtr(side * low), torch.special.ndtr(side * high)
    q: Tensor = side * torch.special.ndtri((near + cells.share * (far - near)).clamp_min(_TINY))
    return q


def _deviate(z: Tensor, mean: Tensor, noise: Tensor) -> Tensor:
    """Return r* with F(z) = Phi(r*), the modified directed deviate ``r + ln(v / r) / r``.

    With K(t) = mean (e^t - 1) + noise^2 t^2 / 2 and K'(t) = z: r = sign(t) sqrt(2 (t z - K(t)))
    and v = t sqrt(K''(t)). Source: O. E. Barndorff-Nielsen, Biometrika 73 (1986) 307-322; H. E.
    Daniels, International Statistical Review 55 (1987) 37-48.
    """
    square = noise.square()
    variance = mean + square
    t = (z - mean) / variance
    # started above the root of a convex function, Newton's method falls to it
    t = torch.where(z > mean, torch.minimum(t, (z.clamp_min(_TINY) / mean).log()), t)
    for _ in range(_NEWTON_STEPS):
        light = mean * t.exp()
        t = t - (light + square * t - z) / (light + square)
    cumulants = mean * t.expm1() + 0.5 * square * t.square()
    r = t.sign() * (2 * (t * z - cumulants)).clamp_min(0.0).sqrt()
    v = t * (mean * t.exp() + square).sqrt()
    at_zero = r.abs() < _NEAR_ZERO
    safe = torch.where(at_zero, 1.0, r)
    correction = torch.where(at_zero, 1.0, v / safe).log() / safe
    return r + torch.where(at_zero, mean / (6 * variance**1.5), correction)
