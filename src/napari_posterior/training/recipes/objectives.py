"""How the student is held to its target: in velocity, in state, at the end, or by its speed.

A loss in states is B^2 times the loss in velocities for jumps ``A x + B F``: the choice is a
weighting of long jumps against short ones, and each objective says which one it takes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import torch
from torch.autograd import forward_ad

from napari_posterior.training.recipes.rules import detached

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.model import Conditions, FlowMap, Teacher
    from napari_posterior.training.recipes.jumpers import Jumper
    from napari_posterior.training.recipes.rules import Rule, Start

__all__ = ["AtTheEnd", "InState", "InVelocity", "Objective", "OfSpeed", "jump_and_speed"]

_HUBER: Final = 0.00054
"""Where the pseudo-Huber loss turns linear, per root pixel (Song & Dhariwal 2024)."""


class Objective(Protocol):
    """The loss of a student's jumps."""

    def __call__(self, student: FlowMap, start: Start) -> Tensor:
        """Return the loss of every image, (B,)."""
        ...


@dataclass(frozen=True)
class InVelocity:
    """Mean square of ``F - unjump(x_s, X)``: every jump counts alike, however short.

    Parameters
    ----------
    rule : Rule
        Gives X.
    """

    rule: Rule

    def __call__(self, student: FlowMap, start: Start) -> Tensor:
        """See :class:`Objective`."""
        with detached():
            X = self.rule(start)
        at, to = start.s[:, None, None, None], start.t[:, None, None, None]
        target = student.path.unjump(start.x, X, at, to)
        return _mean(student.F(start.x, start.s, start.t, start) - target)


@dataclass(frozen=True)
class InState:
    """Pseudo-Huber distance of the jump from X, weighted with ``1 / max(s, 0.1)``.

    Parameters
    ----------
    rule : Rule
        Gives X.
    """

    rule: Rule

    def __call__(self, student: FlowMap, start: Start) -> Tensor:
        """See :class:`Objective`."""
        with detached():
            X = self.rule(start)
        square = _mean(student.jump(start.x, start.s, start.t, start) - X)
        return ((square + _HUBER**2).sqrt() - _HUBER) / start.s.clamp_min(0.1)


@dataclass(frozen=True)
class AtTheEnd:
    """Mean square of what becomes of the jump at t = 0, and half of that at t (Kim et al. 2024).

    Parameters
    ----------
    rule : Rule
        Gives X.
    outer : Jumper
        Takes both the jump and X from t to 0.
    """

    rule: Rule
    outer: Jumper

    def __call__(self, student: FlowMap, start: Start) -> Tensor:
        """See :class:`Objective`."""
        end = torch.zeros_like(start.t)
        with detached():
            X = self.rule(start)
            X_end = self.outer.jump(X, start.t, end, start)
        G = student.jump(start.x, start.s, start.t, start)
        G_end = self.outer.jump(G, start.t, end, start)
        return _mean(G_end - X_end) + 0.5 * _mean(G - X)


@dataclass(frozen=True)
class OfSpeed:
    """Mean square of ``dG/dt / W - F(G, t)``: the jump moves with t as the teacher flows.

    The Lagrangian limit (Boffi et al. 2025; Sabour et al. 2025): exact without any solver, since
    the teacher is asked where the student is. The derivative is taken forward through the network.

    Parameters
    ----------
    teacher : Teacher
        The velocity field.
    earliest : float
        Where jumps to earlier times end: there a teacher's velocity is least well learned.
    """

    teacher: Teacher
    earliest: float = 0.01

    def __call__(self, student: FlowMap, start: Start) -> Tensor:
        """See :class:`Objective`."""
        t = start.t.clamp_min(self.earliest)
        G, speed = jump_and_speed(student, start.x, start.s, t, start)
        with detached():
            F = self.teacher.F(G.detach(), t, start)
        return _mean(speed / student.path.W - F)


def jump_and_speed(
    student: FlowMap, x: Tensor, s: Tensor, t: Tensor, cond: Conditions
) -> tuple[Tensor, Tensor]:
    """Return the jumps from s to t and their derivatives with respect to t, by forward mode.

    Both can be differentiated again with respect to the weights.

    Parameters
    ----------
    student : FlowMap
        Path and network.
    x : Tensor, (B, 1, H, W)
        States at the times s.
    s, t : Tensor, (B,)
        Times.
    cond : Conditions
        Conditions of the states.

    Returns
    -------
    jump, speed : Tensor, (B, 1, H, W)
    """
    with forward_ad.dual_level():
        with warnings.catch_warnings():
            # on its first use torch loads formulas in a way that it deprecates itself
            warnings.simplefilter("ignore", DeprecationWarning)
            moving = forward_ad.make_dual(t, torch.ones_like(t))  # type: ignore[no-untyped-call]
        G = student.jump(x, s, moving, cond)
        value, speed = forward_ad.unpack_dual(G)  # type: ignore[no-untyped-call]
    return value, speed


def _mean(error: Tensor) -> Tensor:
    return error.square().mean(dim=(1, 2, 3))
