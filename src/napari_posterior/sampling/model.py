"""What a network means: a teacher is a velocity field, a student is a flow map.

A network that predicts something else than ``F`` is adapted by one line of `PREDICTIONS`.

Both hold the same kind of network, called with two times. The teacher's are equal; a student whose
network ignores the second one is the teacher's Euler sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import torch

from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_posterior.sampling.path import Path, Time

__all__ = ["PREDICTIONS", "Conditions", "FlowMap", "Teacher", "VelocityNet"]

PREDICTIONS: Final[dict[str, Callable[[Path, Tensor, Time, Tensor], Tensor]]] = {
    "F": lambda path, x, t, F: F,
    "x0": lambda path, x, t, data: path.F_from_data(x, t, data),
    "eps": lambda path, x, t, eps: path.F_from_eps(x, t, eps),
    "v": lambda path, x, t, v: path.F_from_v(x, t, v),
    "velocity": lambda path, x, t, u: path.F_from_velocity(u),
    "score": lambda path, x, t, score: path.F_from_score(x, t, score),
}
"""How ``F`` follows from what a network predicts, for a state x at time t."""

_BLIND_AT_NOISE: Final = ("eps", "score")
_SIGMA_BLIND: Final = 80.0


class VelocityNet(Protocol):
    """A conditional network that predicts the normalised velocity F."""

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return ``F``, shape (B, 1, H, W).

        Parameters
        ----------
        x : Tensor, (B, 1, H, W)
            State at time `s`, in network units.
        s, t : Tensor, (B,)
            Times from and to which the predicted velocity leads; equal for a teacher.
        maps : Tensor, (B, C, H, W)
            Conditioning images.
        vector : Tensor, (B, D)
            Conditioning numbers.
        """
        ...


class Conditions(Protocol):
    """What a model reads of a measurement: the network's part of a ``Condition``."""

    @property
    def maps(self) -> Tensor:
        """Conditioning images, (1, C, H, W) or (B, C, H, W)."""
        ...

    @property
    def vector(self) -> Tensor:
        """Conditioning numbers, (1, D) or (B, D)."""
        ...


@dataclass(frozen=True)
class Teacher:
    """A conditional velocity field on a path.

    Parameters
    ----------
    path : Path
        The path on which the network was trained.
    net : VelocityNet
        The network.
    prediction : str
        What it predicts, a key of `PREDICTIONS`. At t = 1 noise or a score say nothing of the
        image: such a network is asked where the noise is 80 times the image instead.

    Raises
    ------
    ModelError
        If the prediction is unknown.
    """

    path: Path
    net: VelocityNet
    prediction: str = "F"

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            known = ", ".join(PREDICTIONS)
            raise ModelError(f"unknown prediction {self.prediction!r}; use one of {known}")

    def F(self, x: Tensor, t: float | Tensor, cond: Conditions) -> Tensor:
        """Return the normalised velocity of `x` at time `t`.

        Parameters
        ----------
        x : Tensor, (B, 1, H, W)
            State, in network units.
        t : float or Tensor
            Time; a tensor has one element, or one for each of the B states.
        cond : Conditions
            Conditioning of the measurement, expanded over the batch.

        Returns
        -------
        Tensor, (B, 1, H, W)
        """
        if self.prediction in _BLIND_AT_NOISE:
            latest = self.path.time_of_sigma(_SIGMA_BLIND)
            t = t.clamp(max=latest) if isinstance(t, torch.Tensor) else min(t, latest)
        predicted = _call(self.net, x, t, t, cond)
        return PREDICTIONS[self.prediction](self.path, x, _align(t), predicted)


@dataclass(frozen=True)
class FlowMap:
    """A conditional map from time `s` to time `t` along the teacher's trajectories.

    Parameters
    ----------
    path : Path
        The path of the teacher from which the student was distilled.
    net : VelocityNet
        The network; its prediction is the effective velocity between the two times.
    """

    path: Path
    net: VelocityNet

    def F(self, x: Tensor, s: float | Tensor, t: float | Tensor, cond: Conditions) -> Tensor:
        """Return the effective velocity of the jump from `s` to `t`; see :meth:`jump`."""
        return _call(self.net, x, s, t, cond)

    def jump(self, x: Tensor, s: float | Tensor, t: float | Tensor, cond: Conditions) -> Tensor:
        """Return the state at time `t` of the trajectory that is at `x` at time `s`.

        Parameters
        ----------
        x : Tensor, (B, 1, H, W)
            State at time `s`, in network units.
        s, t : float or Tensor
            Times, ``s > t``; a tensor has one element, or one for each of the B states.
        cond : Conditions
            Conditioning of the measurement, expanded over the batch.

        Returns
        -------
        Tensor, (B, 1, H, W)
        """
        F = self.F(x, s, t, cond)
        return self.path.jump(x, _align(s), _align(t), F)


def _call(
    net: VelocityNet, x: Tensor, s: float | Tensor, t: float | Tensor, cond: Conditions
) -> Tensor:
    batch = x.shape[0]
    maps = cond.maps.expand(batch, -1, -1, -1)
    vector = cond.vector.expand(batch, -1)
    return net(x, _per_state(s, x), _per_state(t, x), maps, vector)


def _per_state(t: float | Tensor, x: Tensor) -> Tensor:
    time = torch.as_tensor(t, dtype=x.dtype, device=x.device)
    return time.reshape(-1).expand(x.shape[0])


def _align(t: float | Tensor) -> float | Tensor:
    return t.reshape(-1, 1, 1, 1) if isinstance(t, torch.Tensor) else t
