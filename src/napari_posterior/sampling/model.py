"""What a network means: a teacher is a velocity field, a student is a flow map.

Both hold the same kind of network, called with two times. The teacher's are equal; a student whose
network ignores the second one is the teacher's Euler sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.path import Path

__all__ = ["Conditions", "FlowMap", "Teacher", "VelocityNet"]


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
    """

    path: Path
    net: VelocityNet

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
        return _call(self.net, x, t, t, cond)


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
        F = _call(self.net, x, s, t, cond)
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
