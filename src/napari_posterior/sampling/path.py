"""Paths between noise and clean images, and the algebra of the jump.

Time runs from 1 (noise) to 0 (clean): ``x_t = alpha_t x0 + beta_t eps``. The network predicts one
quantity, the *normalised velocity* ``F = (alpha' x0 + beta' eps) / W`` with
``W = alpha beta' - alpha' beta``, which is constant on both paths. Every other prediction, the
probability-flow velocity and every student's step are one-line conversions of ``F``.

Sources: Salimans & Ho 2022 (v-prediction, cosine path), Lipman et al. 2023 and Liu et al. 2023
(linear path), Song et al. 2021 (DDIM step).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    Time = float | Tensor

__all__ = ["PATHS", "LinearFlow", "Path", "VPCosine", "get_path"]


class Path(ABC):
    """A pair of schedules ``alpha_t``, ``beta_t`` with constant Wronskian ``W``.

    All methods broadcast: a time is a float, or a tensor of shape ``(B, 1, 1, 1)`` for a batch of
    images of shape ``(B, 1, H, W)``.
    """

    name: ClassVar[str]
    W: ClassVar[float]

    @abstractmethod
    def alpha(self, t: Time) -> Time:
        """Weight of the clean image at time `t`."""

    @abstractmethod
    def beta(self, t: Time) -> Time:
        """Weight of the noise at time `t`."""

    @abstractmethod
    def dalpha(self, t: Time) -> Time:
        """Time derivative of :meth:`alpha`."""

    @abstractmethod
    def dbeta(self, t: Time) -> Time:
        """Time derivative of :meth:`beta`."""

    @abstractmethod
    def time_of_sigma(self, sigma: float) -> float:
        """Return the time at which ``beta / alpha`` is `sigma`."""

    def logsnr(self, t: float) -> float:
        """Return ``log(alpha / beta)``: -inf at t = 1 and inf at t = 0."""
        if t in (0.0, 1.0):
            return math.inf if t == 0.0 else -math.inf
        return math.log(float(self.alpha(t)) / float(self.beta(t)))

    def noise(self, x0: Tensor, t: Time, eps: Tensor) -> Tensor:
        """Return ``x_t = alpha_t x0 + beta_t eps``."""
        return self.alpha(t) * x0 + self.beta(t) * eps

    def F_of(self, x0: Tensor, eps: Tensor, t: Time) -> Tensor:
        """Return the normalised velocity of the pair ``(x0, eps)``, the training target."""
        return (self.dalpha(t) * x0 + self.dbeta(t) * eps) / self.W

    def data_from_F(self, x: Tensor, t: Time, F: Tensor) -> Tensor:
        """Return the predicted clean image ``D = (beta'/W) x - beta F``."""
        return self.dbeta(t) / self.W * x - self.beta(t) * F

    def eps_from_F(self, x: Tensor, t: Time, F: Tensor) -> Tensor:
        """Return the predicted noise ``eps = alpha F - (alpha'/W) x``."""
        return self.alpha(t) * F - self.dalpha(t) / self.W * x

    def score_from_F(self, x: Tensor, t: Time, F: Tensor) -> Tensor:
        """Return the score ``-eps / beta``; undefined at t = 0."""
        return -self.eps_from_F(x, t, F) / self.beta(t)

    def F_from_data(self, x: Tensor, t: Time, data: Tensor) -> Tensor:
        """Return ``F`` of a clean-image prediction; undefined at t = 0."""
        return (self.dbeta(t) / self.W * x - data) / self.beta(t)

    def F_from_eps(self, x: Tensor, t: Time, eps: Tensor) -> Tensor:
        """Return ``F`` of a noise prediction; undefined where ``alpha`` is 0 (t = 1)."""
        return (eps + self.dalpha(t) / self.W * x) / self.alpha(t)

    def F_from_v(self, x: Tensor, t: Time, v: Tensor) -> Tensor:
        """Return ``F`` of a v-prediction ``v = alpha eps - beta x0`` (Salimans & Ho 2022)."""
        alpha, beta = self.alpha(t), self.beta(t)
        turn = (alpha * self.dalpha(t) + beta * self.dbeta(t)) / self.W
        return (turn * x + v) / (alpha**2 + beta**2)

    def F_from_velocity(self, u: Tensor) -> Tensor:
        """Return ``F`` of the time derivative ``u = dx/dt`` of the probability flow."""
        return u / self.W

    def F_from_score(self, x: Tensor, t: Time, score: Tensor) -> Tensor:
        """Return ``F`` of a score; undefined where ``alpha`` is 0 (t = 1)."""
        return self.F_from_eps(x, t, -self.beta(t) * score)

    def drift(self, F: Tensor) -> Tensor:
        """Return ``dx/dt = W F``, the velocity of the probability-flow ODE."""
        return self.W * F

    def jump(self, x: Tensor, s: Time, t: Time, F: Tensor) -> Tensor:
        """Go from time `s` to `t` with an effective prediction: ``x_t = A x + B F``.

        ``A = (alpha_t beta'_s - beta_t alpha'_s) / W`` and ``B = beta_t alpha_s - alpha_t beta_s``;
        with the teacher's ``F`` this is the DDIM step.
        """
        A, B = self._jump_weights(s, t)
        return A * x + B * F

    def unjump(self, x_s: Tensor, x_t: Tensor, s: Time, t: Time) -> Tensor:
        """Return the ``F`` whose :meth:`jump` takes ``x_s`` to ``x_t``; undefined for s = t."""
        A, B = self._jump_weights(s, t)
        return (x_t - A * x_s) / B

    def _jump_weights(self, s: Time, t: Time) -> tuple[Time, Time]:
        A = (self.alpha(t) * self.dbeta(s) - self.beta(t) * self.dalpha(s)) / self.W
        B = self.beta(t) * self.alpha(s) - self.alpha(t) * self.beta(s)
        return A, B


@dataclass(frozen=True)
class LinearFlow(Path):
    """Straight path of flow matching: ``alpha = 1 - t``, ``beta = t``, ``F = eps - x0``."""

    name: ClassVar[str] = "linear"
    W: ClassVar[float] = 1.0

    def alpha(self, t: Time) -> Time:  # noqa: D102 - documented on the base class
        return 1.0 - t

    def beta(self, t: Time) -> Time:  # noqa: D102
        return t

    def dalpha(self, t: Time) -> Time:  # noqa: D102
        return -1.0

    def dbeta(self, t: Time) -> Time:  # noqa: D102
        return 1.0

    def time_of_sigma(self, sigma: float) -> float:  # noqa: D102
        return sigma / (1.0 + sigma)


@dataclass(frozen=True)
class VPCosine(Path):
    """Variance-preserving path: ``alpha = cos(pi t / 2)``, ``beta = sin(pi t / 2)``."""

    name: ClassVar[str] = "vpcosine"
    W: ClassVar[float] = math.pi / 2

    def alpha(self, t: Time) -> Time:  # noqa: D102
        return _cos(self.W * t)

    def beta(self, t: Time) -> Time:  # noqa: D102
        return _sin(self.W * t)

    def dalpha(self, t: Time) -> Time:  # noqa: D102
        return -self.W * _sin(self.W * t)

    def dbeta(self, t: Time) -> Time:  # noqa: D102
        return self.W * _cos(self.W * t)

    def time_of_sigma(self, sigma: float) -> float:  # noqa: D102
        return math.atan(sigma) / self.W


def _cos(angle: Time) -> Time:
    return math.cos(angle) if isinstance(angle, (int, float)) else angle.cos()


def _sin(angle: Time) -> Time:
    return math.sin(angle) if isinstance(angle, (int, float)) else angle.sin()


PATHS: dict[str, type[Path]] = {cls.name: cls for cls in (LinearFlow, VPCosine)}


def get_path(name: str) -> Path:
    """Return the path called `name` (``"linear"`` or ``"vpcosine"``).

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    if name not in PATHS:
        raise ModelError(f"unknown path {name!r}; use one of {', '.join(sorted(PATHS))}")
    return PATHS[name]()
