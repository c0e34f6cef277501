"""The exact Poisson-Gaussian density: one polynomial a pixel, shared by all samples.

The sum over electrons n is ``exp(-lambda) sum_n c_n lambda^n``, where the coefficients ``c_n =
Normal(z; n, s^2) / n!`` do not depend on the sample. So they are computed once a pixel, and every
sample costs one fused multiply-add a term (Horner's rule) and one or two logarithms.

Source of the density: D. L. Snyder, A. M. Hammoud and R. L. White, Journal of the Optical Society
of America A 10 (1993) 1014-1023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NOISE_FLOOR", "exact_nats"]

NOISE_FLOOR: Final = 0.1
"""Smallest read noise in e- that is summed: with none, grey levels between electrons have density
zero."""

_REACH: Final = 7.0  # terms below exp(-7^2 / 2) of the largest one are left out
_MARGIN: Final = 1.5  # the largest term is known to within half an electron, and lies at an integer
_NEWTON_STEPS: Final = 12
_LOG_2PI: Final = math.log(2 * math.pi)


def exact_nats(z: Tensor, mean: Tensor, noise: Tensor) -> Tensor:
    """Return -log sum_n Poisson(n; mean) Normal(z; n, noise^2), in nats.

    Within 1e-10 nat of the full sum in float64. Differentiable once in `mean`, by the analytic
    derivative ``1 - E[n | z, mean] / mean``.

    Parameters
    ----------
    z : Tensor, (n,) or (K, n)
        Measurement in electrons, one for all means of a pixel or one for each.
    mean : Tensor, (K, n)
        Expected electrons, positive; of the dtype of `z`.
    noise : Tensor, (n,)
        Standard deviation of the read noise in electrons; raised to 0.1.

    Returns
    -------
    Tensor, (K, n)
    """
    noise = noise.clamp_min(NOISE_FLOOR)
    if z.ndim > 1:
        return exact_nats(
            z.reshape(-1), mean.reshape(1, -1), noise.expand(z.shape).reshape(-1)
        ).reshape(z.shape)
    if torch.is_grad_enabled() and mean.requires_grad:
        nats: Tensor = _ExactNats.apply(z, mean, noise)[0]  # type: ignore[no-untyped-call]
        return nats
    return _sum(z, mean.detach(), noise, slope=False)[0]


class _ExactNats(torch.autograd.Function):
    """The sum with its analytic derivative: Horner's rule in place, nothing kept for each term."""

    @staticmethod
    def forward(z: Tensor, mean: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return _sum(z, mean, noise, slope=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[None, Tensor, None]:
        (slope,) = ctx.saved_tensors
        return None, grads[0] * slope, None


class _Series(NamedTuple):
    """``sum_n c_n lambda^n = exp(scale) t^first sum_j terms_j t^j`` with t = lambda / unit."""

    terms: Tensor  # (N, n)
    first: Tensor  # (n,)
    unit: Tensor  # (n,)
    scale: Tensor  # (n,)


def _sum(z: Tensor, mean: Tensor, noise: Tensor, *, slope: bool) -> tuple[Tensor, Tensor]:
    """Return nats and, with `slope`, their derivative in `mean` (else an empty tensor)."""
    if mean.numel() == 0:
        return mean, mean
    low, high = mean.aminmax(dim=0)
    least, most = _window(z, low, high, noise)
    # Powers of t reach exp(+-spread); beyond, the samples of a pixel do not fit one scale.
    spread = 0.5 * (most - least) * (high / low).log()
    apart = spread > 0.8 * math.log(torch.finfo(mean.dtype).max)
    if bool(apart.any()):
        return _split(z, mean, noise, apart, slope=slope)
    return _horner(_series(z, (low * high).sqrt(), noise, least, most), mean, slope=slope)


def _split(
    z: Tensor, mean: Tensor, noise: Tensor, apart: Tensor, *, slope: bool
) -> tuple[Tensor, Tensor]:
    """Sum with one series a pixel, and where `apart` with one for every sample of the pixel."""
    shape, together = (mean.shape[0], int(apart.sum())), ~apart
    near = _sum(z[together], mean[:, together], noise[together], slope=slope)
    z, noise = (level[apart].expand(shape).reshape(-1) for level in (z, noise))
    far = _sum(z, mean[:, apart].reshape(1, -1), noise, slope=slope)
    nats, change = torch.empty_like(mean), torch.empty_like(mean)
    for whole, ours, theirs in zip((nats, change)[: 1 + slope], near, far, strict=False):
        whole[:, together], whole[:, apart] = ours, theirs.reshape(shape)
    return nats, change


def _window(z: Tensor, low: Tensor, high: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and last electron number that counts for means in [low, high], (n,) each.

    The logarithm of a term is concave in n with curvature at least ``1 / noise^2 + 1 / (n + 1)``
    (of the Gaussian, and of ln n!), hence the distance at which it has fallen by reach^2 / 2.
    """
    stiff = noise.square().reciprocal()
    first, last = _largest_term(z, low, noise), _largest_term(z, high, noise)
    left = _REACH / (stiff + 1 / (first + 1)).sqrt()
    right = _REACH / (stiff + 1 / (last + 1 + _REACH * noise)).sqrt()
    least = (first - left - _MARGIN).floor().clamp_min(0.0)
    return least, torch.maximum((last + right + _MARGIN).ceil(), least)


def _largest_term(z: Tensor, mean: Tensor, noise: Tensor) -> Tensor:
    """Return where Poisson(n; mean) Normal(z; n, noise^2) is largest, n real, (n,).

    Newton's method in u = ln n on the convex ``n + s^2 ln n = z + s^2 ln mean`` (ln n! by
    Stirling), started to the right of the root so that it falls monotonically.
    """
    square = noise.square()
    goal = z + square * mean.log()
    u = torch.minimum(torch.maximum(z, mean).log(), goal / square)
    for _ in range(_NEWTON_STEPS):
        n = u.exp()
        u = u - (n + square * u - goal) / (n + square)
    return u.exp()


def _series(z: Tensor, unit: Tensor, noise: Tensor, least: Tensor, most: Tensor) -> _Series:
    """Return the polynomial of every pixel, its largest term at lambda = unit scaled to 1."""
    count = int((most - least).max()) + 1
    n = least + torch.arange(count, dtype=z.dtype, device=z.device)[:, None]
    log_factorial = n.clamp_min(1.0).log()
    log_factorial[0] = torch.lgamma(least + 1)
    log_factorial = log_factorial.cumsum(0)
    logs = n * unit.log() - log_factorial - 0.5 * ((z - n) / noise).square()
    scale = logs.amax(0)
    return _Series((logs - scale).exp_(), least, unit, scale - noise.log() - 0.5 * _LOG_2PI)


def _horner(series: _Series, mean: Tensor, *, slope: bool) -> tuple[Tensor, Tensor]:
    """Evaluate -log of the series at every mean, and the derivative of that in the mean."""
    t = mean / series.unit
    value = series.terms[-1].expand_as(mean).clone()
    change = torch.zeros_like(value) if slope else value.new_empty(0)
    for term in series.terms[:-1].flip(0):
        if slope:
            torch.addcmul(value, change, t, out=change)
        torch.addcmul(term, value, t, out=value)
    nats = mean - series.scale - value.log()
    if bool((series.first > 0).any()):
        nats -= series.first * t.log()
    if slope:
        # E[n | z, mean] / mean, from the derivative of the logarithm of the series
        change = 1 - (series.first / t + change / value) / series.unit
    return nats, change
