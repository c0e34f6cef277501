"""How well an object explains the measurement: -log p(y|x) under Poisson and Gaussian noise.

With z = (y - offset) / gain in electrons and lambda = k * x + background, the camera gives

    p(z | lambda) = sum_n Poisson(n; lambda) Normal(z; n, read_noise^2).

The sum is evaluated where it matters (few electrons and little read noise); elsewhere the
Gaussian ``Normal(z; lambda, lambda + read_noise^2)``, with its log-variance term, is within
0.005 nat per pixel. All densities are per electron; a density per ADU is lower by the constant
``ln gain`` per pixel, see `Likelihood.log_gain`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch
from scipy import ndimage

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_posterior.physics.measurement import Measurement

__all__ = ["EXACT_BELOW_ELECTRONS", "EXACT_BELOW_READ_NOISE", "LAMBDA_FLOOR", "Likelihood"]

EXACT_BELOW_READ_NOISE: Final = 1.6
"""Read noise in e- below which the exact sum is worth its time."""

EXACT_BELOW_ELECTRONS: Final = 30.0
"""Local electrons per pixel below which the exact sum is worth its time."""

LAMBDA_FLOOR: Final = 1e-3
"""Smallest expected electrons per pixel that is evaluated."""

READ_NOISE_FLOOR: Final = 0.1
"""Smallest read noise in e- that is evaluated: with none, grey levels between electrons have
density zero."""

_SMOOTHING: Final = 2.0  # px, for the choice of the exact pixels from y
_REACH: Final = 8.0  # terms are kept within this many read noises of the largest one
_CHUNK: Final = 4_000_000  # numbers per temporary array
_NEWTON_STEPS: Final = 12
_LOG_2PI: Final = math.log(2 * math.pi)

Model = Literal["auto", "exact", "gaussian"]


class Likelihood:
    """Minus log likelihood of objects given one measurement, batched over samples.

    The pixels of the exact sum are chosen once, from the smoothed measurement alone, so that two
    runs on one measurement are scored by one formula pixel by pixel.

    Parameters
    ----------
    measurement : Measurement
        The plane y with camera, PSF and background.
    model : {"auto", "exact", "gaussian"}
        ``"auto"`` takes the exact sum where the read noise is below 1.6 e- and the smoothed
        measurement below 30 e-, and the Gaussian elsewhere.

    Attributes
    ----------
    mask : Tensor, (H, W) bool
        Where the exact sum is used.

    Raises
    ------
    InputError
        If `model` is unknown, the plane is not two-dimensional or has values that are not finite.
    """

    def __init__(self, measurement: Measurement, *, model: Model = "auto") -> None:
        electrons = np.asarray(measurement.electrons, np.float64)
        if electrons.ndim != 2:
            raise InputError(
                f"the measurement has shape {electrons.shape}; give one plane of height x width"
            )
        if not np.isfinite(electrons).all():
            raise InputError("the measurement has NaN or infinite values; replace them first")
        self.measurement: Final = measurement
        self.read_noise: Final = max(float(measurement.camera.read_noise), READ_NOISE_FLOOR)
        self.mask: Final[Tensor] = torch.from_numpy(
            _exact_pixels(electrons, self.read_noise, model)
        )
        self._z: Final[Tensor] = torch.from_numpy(electrons)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return int(self._z.shape[0]), int(self._z.shape[1])

    @property
    def log_gain(self) -> float:
        """What to add to `total` for a density per ADU instead of per electron, in nats."""
        return self._z.numel() * math.log(self.measurement.camera.gain)

    def per_pixel(self, x: Tensor) -> Tensor:
        """Return -log p(z|x) of every pixel.

        Parameters
        ----------
        x : Tensor, (K, H, W)
            Objects in photoelectrons per pixel, float32 or float64.

        Returns
        -------
        Tensor, (K, H, W)
            Nats; the dtype and device of `x`. Differentiable in `x`.
        """
        return torch.cat([self._nats(part) for part in self._parts(x)])

    def total(self, x: Tensor) -> Tensor:
        """Return -log p(z|x) summed over the plane, (K,), in nats."""
        return torch.cat(
            [self._nats(part).sum((-2, -1), dtype=_wide(x)) for part in self._parts(x)]
        ).to(x.dtype)

    def reduced_chi2(self, x: Tensor) -> Tensor:
        """Return the mean of (z - lambda)^2 / (lambda + read_noise^2) over the plane, (K,).

        Its expected value is 1 for the object that made the measurement, at any number of
        photons, and so for a draw from the posterior; `chi2_sd` is its standard deviation.
        """
        return self.agreement(x)[0]

    def chi2_sd(self, x: Tensor) -> Tensor:
        """Return the sd of `reduced_chi2` over measurements of the object `x`, (K,).

        The squared residual has variance ``2 + lambda / variance^2`` (fourth cumulant of the
        Poisson part), hence ``sqrt(2 / n)`` at many photons.
        """
        return self.agreement(x)[1]

    def floored_fraction(self, x: Tensor) -> Tensor:
        """Return the fraction of pixels whose expected electrons were raised to 1e-3, (K,)."""
        return self.agreement(x)[2]

    def agreement(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `reduced_chi2`, `chi2_sd` and `floored_fraction` of one forward pass, (K,) each.

        Parameters
        ----------
        x : Tensor, (K, H, W)
            Objects in photoelectrons per pixel.
        """
        columns = [self._agreement(part) for part in self._parts(x)]
        chi2, sd, floored = (torch.cat(column).to(x.dtype) for column in zip(*columns, strict=True))
        return chi2, sd, floored

    def standardised_residuals(self, x: Tensor) -> Tensor:
        """Return (z - lambda) / sqrt(lambda + read_noise^2) of every pixel, (K, H, W).

        Their mean square is `reduced_chi2`.

        Parameters
        ----------
        x : Tensor, (K, H, W)
            Objects in photoelectrons per pixel.
        """
        return torch.cat([self._standardised(part)[0] for part in self._parts(x)]).to(x.dtype)

    def _parts(self, x: Tensor) -> Iterator[Tensor]:
        """Yield `x` in runs of samples that bound the memory of the temporaries."""
        if x.ndim != 3 or tuple(x.shape[-2:]) != self.shape:
            raise InputError(
                f"the objects have shape {tuple(x.shape)}; the measurement needs "
                f"(samples, {self.shape[0]}, {self.shape[1]})"
            )
        step = max(1, _CHUNK // max(1, self._z.numel()))
        for start in range(0, x.shape[0], step):
            yield x[start : start + step]

    def _agreement(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the columns of `agreement` for one part."""
        residuals, mean, raw = self._standardised(x)
        variance = mean + self.read_noise**2
        chi2 = residuals.square().mean((-2, -1))
        spread = (2 + mean / variance**2).mean((-2, -1)) / self._z.numel()
        floored = (raw < LAMBDA_FLOOR).to(mean.dtype).mean((-2, -1))
        return chi2, spread.sqrt(), floored

    def _standardised(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return residuals in units of the noise, lambda, and lambda before it was floored."""
        raw = self.measurement.forward.mean(x)
        mean = raw.clamp_min(LAMBDA_FLOOR).to(_wide(x))
        return (self._z.to(mean) - mean) / (mean + self.read_noise**2).sqrt(), mean, raw

    def _nats(self, x: Tensor) -> Tensor:
        mean = self.measurement.forward.mean(x).clamp_min(LAMBDA_FLOOR).to(_wide(x))
        z = self._z.to(mean)
        variance = mean + self.read_noise**2
        nats = 0.5 * ((z - mean) ** 2 / variance + variance.log() + _LOG_2PI)
        mask = self.mask.to(x.device)
        if bool(mask.any()):
            exact = _exact_nats(z[mask].expand(x.shape[0], -1), mean[:, mask], self.read_noise)
            index = mask.flatten().nonzero().squeeze(1).expand(x.shape[0], -1)
            nats = nats.flatten(1).scatter(1, index, exact).reshape(nats.shape)
        return nats.to(x.dtype)


def _exact_pixels(electrons: np.ndarray, read_noise: float, model: Model) -> np.ndarray:
    """Choose the pixels of the exact sum from the measurement alone, (H, W) bool."""
    if model == "gaussian":
        return np.zeros(electrons.shape, bool)
    if model == "exact":
        return np.ones(electrons.shape, bool)
    if model != "auto":
        raise InputError(f"likelihood model {model!r} is unknown; use auto, exact or gaussian")
    if read_noise >= EXACT_BELOW_READ_NOISE:
        return np.zeros(electrons.shape, bool)
    smooth = ndimage.gaussian_filter(electrons, _SMOOTHING, mode="reflect")
    return np.asarray(smooth < EXACT_BELOW_ELECTRONS)


def _exact_nats(z: Tensor, mean: Tensor, read_noise: float) -> Tensor:
    """Return -log sum_n Poisson(n; mean) Normal(z; n, read_noise^2), (K, M), chunked over M."""
    # log Poisson is concave in n, so around the largest term the summand falls at least as
    # fast as the Gaussian: terms beyond 8 read noises weigh less than exp(-32).
    reach = math.ceil(_REACH * read_noise) + 2
    step = max(1, _CHUNK // (max(1, z.shape[0]) * (2 * reach + 1)))
    parts = [
        _exact_chunk(z[:, i : i + step], mean[:, i : i + step], read_noise, reach)
        for i in range(0, z.shape[1], step)
    ]
    return torch.cat(parts, dim=1)


def _exact_chunk(z: Tensor, mean: Tensor, read_noise: float, reach: int) -> Tensor:
    peak = _largest_term(z, mean.detach(), read_noise)
    offsets = torch.arange(-reach, reach + 1, device=z.device, dtype=z.dtype)
    n = peak.round()[..., None] + offsets
    count = n.clamp_min(0.0)
    terms = (
        count * mean[..., None].log()
        - mean[..., None]
        - torch.lgamma(count + 1)
        - 0.5 * ((z[..., None] - count) / read_noise) ** 2
    )
    terms = terms.masked_fill(n < 0, -torch.inf)
    return math.log(read_noise) + 0.5 * _LOG_2PI - torch.logsumexp(terms, dim=-1)


def _largest_term(z: Tensor, mean: Tensor, read_noise: float) -> Tensor:
    """Return where Poisson(n; mean) Normal(z; n, read_noise^2) is largest, n real, (K, M).

    Newton's method in u = ln n on the convex ``n + s^2 ln n = z + s^2 ln mean``, started to the
    right of the root so that it falls monotonically.
    """
    square = read_noise**2
    goal = z + square * mean.log()
    u = torch.maximum(z, mean).log()
    for _ in range(_NEWTON_STEPS):
        n = u.exp()
        u = u - (n + square * u - goal) / (n + square)
    return u.exp()


def _wide(x: Tensor) -> torch.dtype:
    """Return float64, or the dtype of `x` on devices without it."""
    return x.dtype if x.device.type == "mps" else torch.float64
