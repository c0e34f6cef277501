"""What one pixel is worth given its expected electrons: formulas without a sum over electrons."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LAMBDA_FLOOR",
    "gaussian_nats",
    "poisson_deviance",
    "poisson_nats",
    "standardise",
]

LAMBDA_FLOOR: Final = 1e-3
"""Smallest expected electrons per pixel that is evaluated."""

_LOG_2PI: Final = math.log(2 * math.pi)


def gaussian_nats(z: Tensor, mean: Tensor, noise: Tensor) -> Tensor:
    """Return -log Normal(z; mean, mean + noise^2), its log-variance term included, in nats.

    Without that term the object that explains the measurement best would be biased towards high
    variance, hence high intensity. Source: A. Foi, M. Trimeche, V. Katkovnik and K. Egiazarian,
    IEEE Transactions on Image Processing 17 (2008) 1737-1754, for the signal-dependent variance.

    Parameters
    ----------
    z : Tensor, (n,) or (K, n)
        Measurement in electrons.
    mean : Tensor, (K, n)
        Expected electrons, positive.
    noise : Tensor, (n,)
        Standard deviation of the read noise in electrons.

    Returns
    -------
    Tensor, (K, n)
    """
    variance = mean + noise.square()
    return 0.5 * ((z - mean).square() / variance + variance.log() + _LOG_2PI)


def poisson_nats(z: Tensor, mean: Tensor) -> Tensor:
    """Return ``mean - z ln mean + ln Gamma(z + 1)``, for counts without read noise, in nats.

    Negative z count as 0; between whole numbers the Gamma function carries the factorial on.

    Parameters
    ----------
    z : Tensor, (n,) or (K, n)
        Measurement in electrons.
    mean : Tensor, (K, n)
        Expected electrons, positive.

    Returns
    -------
    Tensor, (K, n)
    """
    count = z.clamp_min(0.0)
    return mean - count * mean.log() + torch.lgamma(count + 1)


def poisson_deviance(z: Tensor, mean: Tensor) -> Tensor:
    """Return ``2 (z ln(z / mean) - z + mean)``, with 2 mean where z is 0 or less.

    Twice the nats lost against mean = z under Poisson noise alone. Its expected value is not 1 a
    pixel at few electrons (0.30 at 0.05 e-, 1.15 at 1 e-): compare it with its `law`. Source: P.
    McCullagh and J. A. Nelder, Generalized Linear Models, 2nd edition (1989), section 2.3.

    Parameters
    ----------
    z : Tensor, (n,) or (K, n)
        Measurement in electrons.
    mean : Tensor, (K, n)
        Expected electrons, positive.

    Returns
    -------
    Tensor, (K, n)
    """
    count = z.clamp_min(0.0)
    own = torch.xlogy(count, count) - count  # of the measurement alone: once for all samples
    return 2 * (own - count * mean.log() + mean)


def standardise(z: Tensor, mean: Tensor, noise: Tensor) -> Tensor:
    """Return ``(z - mean) / sqrt(mean + noise^2)``, the Pearson residual.

    Mean 0 and variance 1 for the object that made the measurement, at any number of electrons.
    Source: McCullagh and Nelder (1989), section 2.4.

    Parameters
    ----------
    z : Tensor, (n,) or (K, n)
        Measurement in electrons.
    mean : Tensor, (K, n)
        Expected electrons, positive.
    noise : Tensor, (n,)
        Standard deviation of the read noise in electrons.

    Returns
    -------
    Tensor, (K, n)
    """
    return (z - mean) / (mean + noise.square()).sqrt()
