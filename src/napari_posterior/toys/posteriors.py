"""Closed-form posteriors: the ruler for samplers, students and checks.

Two families have exact posterior moments, velocities and flow maps on every path: a Gaussian prior
with a linear measurement, and a one-dimensional Gaussian mixture measured in Gaussian noise, pixel
by pixel. A ``MixtureFamily`` and a ``GaussianFamily`` have one such posterior for every
measurement, which students have to learn to look at. Everything is meant for float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch

from napari_posterior.physics.psf import gaussian_blur

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.model import VelocityNet
    from napari_posterior.sampling.path import Path

    Time = float | Tensor

__all__ = [
    "Family",
    "GaussianFamily",
    "GaussianPosterior",
    "MixtureFamily",
    "MixturePosterior",
    "Toy",
    "blur_matrix",
    "exact_student",
    "exact_teacher",
    "smooth_covariance",
]


class Toy(Protocol):
    """A posterior p(x0 | y) whose noising, velocity and flow map are known.

    States have shape ``(..., d)``; times are floats, or tensors that broadcast over the states.
    """

    def data(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``D = E[x0 | x_t, y]``."""
        ...

    def velocity(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return the normalised velocity ``F``, regular at both ends."""
        ...

    def score(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return the gradient of ``log p(x_t | y)``."""
        ...

    def flow(self, path: Path, x: Tensor, s: Time, t: Time) -> Tensor:
        """Return the state at `t` of the trajectory that is at `x` at time `s`."""
        ...


@dataclass(frozen=True)
class GaussianPosterior:
    """A Gaussian posterior by its mean and the eigen-directions of its covariance.

    Parameters
    ----------
    mean : Tensor, (..., d)
        Posterior mean m.
    variances : Tensor, (d,)
        Eigenvalues c of the posterior covariance C.
    directions : Tensor, (d, d)
        Eigenvectors, one a column.
    """

    mean: Tensor
    variances: Tensor
    directions: Tensor

    @classmethod
    def from_covariance(cls, mean: Tensor, covariance: Tensor) -> GaussianPosterior:
        """Make it from its mean (d,) and covariance (d, d)."""
        variances, directions = torch.linalg.eigh(covariance)
        return cls(mean=mean, variances=variances, directions=directions)

    @classmethod
    def from_measurement(
        cls,
        *,
        y: Tensor,
        H: Tensor,
        noise_covariance: Tensor,
        prior_mean: Tensor,
        prior_covariance: Tensor,
    ) -> GaussianPosterior:
        """Condition ``x0 ~ N(mu, Sigma)`` on ``y = H x0 + n``, ``n ~ N(0, R)``.

        ``C = (Sigma^-1 + H^T R^-1 H)^-1`` and ``m = mu + C H^T R^-1 (y - H mu)``, computed through
        the gain, which needs no inverse of Sigma.

        Parameters
        ----------
        y : Tensor, (m,)
            Measurement.
        H : Tensor, (m, d)
            Linear forward model.
        noise_covariance : Tensor, (m, m)
            R.
        prior_mean, prior_covariance : Tensor, (d,) and (d, d)
            mu and Sigma.
        """
        cross = prior_covariance @ H.T
        gain = torch.linalg.solve(H @ cross + noise_covariance, cross.T).T
        mean = prior_mean + gain @ (y - H @ prior_mean)
        covariance = prior_covariance - gain @ cross.T
        return cls.from_covariance(mean, (covariance + covariance.T) / 2)

    @property
    def covariance(self) -> Tensor:
        """Posterior covariance C, (d, d)."""
        return (self.directions * self.variances) @ self.directions.T

    def data(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``D = m + alpha c / V (x - alpha m)`` with ``V = alpha^2 c + beta^2``."""
        alpha, _, V = self._schedule(path, t)
        return self.mean + self._scale(x - alpha * self.mean, alpha * self.variances / V)

    def velocity(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``F = (alpha' D + beta' eps) / W``, regular at both ends."""
        alpha, beta, V = self._schedule(path, t)
        slope = (path.dalpha(t) * alpha * self.variances + path.dbeta(t) * beta) / V
        centred = self._scale(x - alpha * self.mean, slope)
        return (path.dalpha(t) * self.mean + centred) / path.W

    def score(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``-(x - alpha m) / V``."""
        alpha, _, V = self._schedule(path, t)
        return self._scale(x - alpha * self.mean, -1 / V)

    def flow(self, path: Path, x: Tensor, s: Time, t: Time) -> Tensor:
        """Return ``alpha_t m + sqrt(V_t / V_s) (x - alpha_s m)``."""
        alpha_s, _, V_s = self._schedule(path, s)
        alpha_t, _, V_t = self._schedule(path, t)
        centred = self._scale(x - alpha_s * self.mean, torch.sqrt(V_t / V_s))
        return alpha_t * self.mean + centred

    def _schedule(self, path: Path, t: Time) -> tuple[Time, Time, Tensor]:
        alpha, beta = path.alpha(t), path.beta(t)
        return alpha, beta, alpha**2 * self.variances + beta**2

    def _scale(self, centred: Tensor, factor: Tensor) -> Tensor:
        return (centred @ self.directions * factor) @ self.directions.T


@dataclass(frozen=True)
class MixturePosterior:
    """Independent one-dimensional Gaussian mixtures, one a pixel.

    Parameters
    ----------
    weights, means, variances : Tensor, (..., d, n)
        The n components of each of the d pixels; weights sum to 1.
    """

    weights: Tensor
    means: Tensor
    variances: Tensor

    @classmethod
    def from_measurement(
        cls,
        *,
        y: Tensor,
        noise_variance: float,
        weights: Tensor,
        means: Tensor,
        variances: Tensor,
    ) -> MixturePosterior:
        """Condition a mixture prior on ``y = x0 + n``, ``n ~ N(0, noise_variance)``.

        Weights are proportional to the prior's times ``N(y; mean, variance + noise_variance)``.

        Parameters
        ----------
        y : Tensor, (..., d)
            Measurement.
        noise_variance : float
            Variance of n.
        weights, means, variances : Tensor, (n,)
            Components of the prior, the same for every pixel.
        """
        total = variances + noise_variance
        residual = y[..., None] - means
        log_weights = weights.log() - residual**2 / (2 * total) - total.log() / 2
        return cls(
            weights=torch.softmax(log_weights, dim=-1),
            means=means + variances / total * residual,
            variances=(variances * noise_variance / total).expand_as(residual),
        )

    @property
    def mean(self) -> Tensor:
        """Posterior mean, (d,)."""
        return (self.weights * self.means).sum(-1)

    @property
    def variance(self) -> Tensor:
        """Posterior variance, (d,)."""
        return (self.weights * (self.variances + self.means**2)).sum(-1) - self.mean**2

    def data(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``D = sum_k r_k (m_k + alpha c_k / V_k (x - alpha m_k))``."""
        residual, V = self._noised(path, x, t)
        guess = self.means + _last(path.alpha(t)) * self.variances / V * residual
        return (self._shares(residual, V) * guess).sum(-1)

    def velocity(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``F = (alpha' D + beta' eps) / W``, regular at both ends."""
        eps = -path.beta(t) * self.score(path, x, t)
        return (path.dalpha(t) * self.data(path, x, t) + path.dbeta(t) * eps) / path.W

    def score(self, path: Path, x: Tensor, t: Time) -> Tensor:
        """Return ``-sum_k r_k (x - alpha m_k) / V_k``."""
        residual, V = self._noised(path, x, t)
        return -(self._shares(residual, V) * residual / V).sum(-1)

    def flow(self, path: Path, x: Tensor, s: Time, t: Time) -> Tensor:
        """Return the quantile map ``P_t^-1(P_s(x))``; exact in one dimension for any density."""
        below, above = self.tails(path, x, s)
        offset, V = self._noised(path, torch.zeros_like(x), t)
        low = (-offset - 15 * V.sqrt()).amin(-1)
        high = (-offset + 15 * V.sqrt()).amax(-1)
        for _ in range(64):
            middle = (low + high) / 2
            below_m, above_m = self.tails(path, middle, t)
            # compare in the smaller tail: the larger one has no digits left far out
            short = torch.where(below < above, below_m < below, above_m > above)
            low, high = torch.where(short, middle, low), torch.where(short, high, middle)
        return (low + high) / 2

    def tails(self, path: Path, x: Tensor, t: Time) -> tuple[Tensor, Tensor]:
        """Return the probabilities of a state below and above `x` at time `t`, each (..., d)."""
        residual, V = self._noised(path, x, t)
        # erfc keeps the digits of a small tail, which ndtr loses
        standard = residual / (2 * V).sqrt()
        below = (self.weights * torch.special.erfc(-standard)).sum(-1) / 2
        return below, (self.weights * torch.special.erfc(standard)).sum(-1) / 2

    def _noised(self, path: Path, x: Tensor, t: Time) -> tuple[Tensor, Tensor]:
        """Return ``x - alpha m_k`` and ``V_k`` of every component, (..., d, n)."""
        alpha, beta = _last(path.alpha(t)), _last(path.beta(t))
        return x[..., None] - alpha * self.means, alpha**2 * self.variances + beta**2

    def _shares(self, residual: Tensor, V: Tensor) -> Tensor:
        """Return the probability ``r_k`` of every component, (..., d, n)."""
        return torch.softmax(self.weights.log() - residual**2 / (2 * V) - V.log() / 2, dim=-1)


@dataclass(frozen=True)
class GaussianFamily:
    """Normal objects and measurements ``y = x0 + n``, each pixel by itself.

    Parameters
    ----------
    variance, noise_variance : float
        Variances of x0 and n.
    """

    variance: float
    noise_variance: float

    @property
    def posterior_variance(self) -> float:
        """Posterior variance of a pixel, whatever was measured."""
        return self.variance * self.noise_variance / (self.variance + self.noise_variance)

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return objects and measurements of a shape."""
        x0, noise = (_normal(shape, generator) for _ in range(2))
        x0 = math.sqrt(self.variance) * x0
        return x0, x0 + math.sqrt(self.noise_variance) * noise

    def posterior(self, y: Tensor) -> GaussianPosterior:
        """Return the posteriors of measurements y (B, d), for states (B, d)."""
        pixels = y.shape[-1]
        return GaussianPosterior(
            mean=self.variance / (self.variance + self.noise_variance) * y,
            variances=y.new_full((pixels,), self.posterior_variance),
            directions=torch.eye(pixels, dtype=y.dtype, device=y.device),
        )


@dataclass(frozen=True)
class MixtureFamily:
    """Objects of a Gaussian mixture and measurements ``y = x0 + n``, each pixel by itself.

    Parameters
    ----------
    weights, means, variances : Tensor, (n,)
        Components of the prior.
    noise_variance : float
        Variance of n.
    """

    weights: Tensor
    means: Tensor
    variances: Tensor
    noise_variance: float

    def draw(self, shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return objects and measurements of a shape."""
        count = math.prod(shape)
        kind = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        kind = kind.reshape(shape)
        x0, noise = (_normal(shape, generator) for _ in range(2))
        x0 = self.means[kind] + self.variances[kind].sqrt() * x0
        return x0, x0 + math.sqrt(self.noise_variance) * noise

    def posterior(self, y: Tensor) -> MixturePosterior:
        """Return the posteriors of measurements y (B, d), for states (B, d)."""
        return MixturePosterior.from_measurement(
            y=y,
            noise_variance=self.noise_variance,
            weights=self.weights,
            means=self.means,
            variances=self.variances,
        )


Family: TypeAlias = GaussianFamily | MixtureFamily


def exact_teacher(toy: Toy | Family, path: Path) -> VelocityNet:
    """Return a network that predicts the velocity of `toy`.

    States are images (B, 1, H, W) with ``H * W = d``. That of one posterior reads neither maps nor
    vector; that of a family reads the measurements, maps (B, 1, H, W).
    """

    def net(x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        flat = x.flatten(1)
        return _posterior(toy, maps).velocity(path, flat, s[:, None]).reshape(x.shape)

    return net


def exact_student(toy: Toy | Family, path: Path) -> VelocityNet:
    """Return a network whose jump is the flow map of `toy`; where s = t it is the velocity.

    States are images (B, 1, H, W) with ``H * W = d``; maps as in :func:`exact_teacher`.
    """

    def net(x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        posterior = _posterior(toy, maps)
        flat, s, t = x.flatten(1), s[:, None], t[:, None]
        still = s == t
        # any other time will do where the jump is none: its quotient is not looked at
        away = torch.where(still, s - 0.25, t)
        F = path.unjump(flat, posterior.flow(path, flat, s, away), s, away)
        return torch.where(still, posterior.velocity(path, flat, s), F).reshape(x.shape)

    return net


def _posterior(toy: Toy | Family, maps: Tensor) -> Toy:
    if isinstance(toy, (GaussianFamily, MixtureFamily)):
        return toy.posterior(maps.flatten(1))
    return toy


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def blur_matrix(shape: tuple[int, int], sigma: float) -> Tensor:
    """Return the matrix (d, d), float64, of a Gaussian blur of `sigma` px on an image (H, W)."""
    pixels = math.prod(shape)
    basis = torch.eye(pixels, dtype=torch.float64).reshape(pixels, *shape)
    return gaussian_blur(basis, sigma).reshape(pixels, pixels).T


def smooth_covariance(shape: tuple[int, int], *, length: float, variance: float) -> Tensor:
    """Return the covariance (d, d), float64, ``variance * exp(-distance / length)`` of an image.

    The distance and the correlation `length` are in pixels; `shape` is (H, W).
    """
    height, width = shape
    rows = torch.arange(height, dtype=torch.float64).repeat_interleave(width)
    columns = torch.arange(width, dtype=torch.float64).repeat(height)
    places = torch.stack([rows, columns], dim=1)
    return variance * torch.exp(-torch.cdist(places, places) / length)


def _last(value: Time) -> Time:
    return value[..., None] if isinstance(value, torch.Tensor) else value
