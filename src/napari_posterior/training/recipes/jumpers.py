"""What makes the jumps of a target: the teacher's solver, or the student itself in some form.

A student that learns from itself takes its targets from its present weights, from their moving
average, or from the student of the stage before.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from napari_posterior.sampling.model import FlowMap
from napari_posterior.training.average import ramp, update_average

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_posterior.sampling.model import Conditions, Teacher
    from napari_posterior.training.recipes.pairs import Stages

__all__ = ["Averaged", "Jumper", "PreviousStage", "SelfNet", "Solved", "copy_frozen"]


class Jumper(Protocol):
    """Goes from time s to time t of a trajectory, each state with times of its own."""

    def jump(self, x: Tensor, s: Tensor, t: Tensor, cond: Conditions) -> Tensor:
        """Return the states (B, 1, H, W) at t (B,) of the states x at s (B,)."""
        ...


class SelfNet(Protocol):
    """A copy of the student that follows it in training."""

    @property
    def network(self) -> nn.Module:
        """The copy."""
        ...

    def after_step(self, step: int) -> None:
        """Follow the student, whose step number `step` was made."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        ...


@dataclass(frozen=True)
class Solved:
    """Steps of the teacher's ODE, as those of ``sampling.solvers`` and with a time for each state.

    Parameters
    ----------
    teacher : Teacher
        The velocity field.
    solver : str
        ``"euler"`` or ``"heun"``.
    steps : int
        Steps of equal length.
    """

    teacher: Teacher
    solver: str = "heun"
    steps: int = 1

    def jump(self, x: Tensor, s: Tensor, t: Tensor, cond: Conditions) -> Tensor:
        """See :class:`Jumper`."""
        for i in range(self.steps):
            a, b = (s + (t - s) * share / self.steps for share in (i, i + 1))
            x = self._step(x, a, b, cond)
        return x

    def _step(self, x: Tensor, s: Tensor, t: Tensor, cond: Conditions) -> Tensor:
        path = self.teacher.path
        at, to = s[:, None, None, None], t[:, None, None, None]
        F = self.teacher.F(x, s, cond)
        jumped = path.jump(x, at, to, F)
        if self.solver == "euler":
            return jumped
        # velocities are averaged: averaging F inside the jump is first order on a curved path
        start = path.drift(F)
        end = path.drift(self.teacher.F(x + (to - at) * start, t, cond))
        return torch.where(to == 0, jumped, x + (to - at) / 2 * (start + end))


class Averaged:
    """The moving average of the student's weights.

    Parameters
    ----------
    student : FlowMap
        Whose network is followed.
    decay : float
        Decay of the average.
    """

    def __init__(self, student: FlowMap, decay: float) -> None:
        self._followed, self._decay = _module(student), decay
        self.network = copy_frozen(self._followed)
        self._map = FlowMap(student.path, self.network)

    def jump(self, x: Tensor, s: Tensor, t: Tensor, cond: Conditions) -> Tensor:
        """See :class:`Jumper`."""
        return self._map.jump(x, s, t, cond)

    def after_step(self, step: int) -> None:
        """Follow the student; see :class:`SelfNet`."""
        decay = ramp(self._decay, step)
        update_average(self.network.state_dict(), self._followed.state_dict(), decay)

    def state(self) -> dict[str, Tensor]:
        """Return the weights."""
        return dict(self.network.state_dict())

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take weights."""
        self.network.load_state_dict(state)


class PreviousStage:
    """The averaged student at the end of the stage before; in the first stage a solver.

    Parameters
    ----------
    student : FlowMap
        Whose network is followed.
    first : Jumper
        What jumps in the first stage.
    stages : Stages
        The stages.
    steps : int
        Length of the training.
    decay : float
        Decay of the average.
    """

    def __init__(
        self, student: FlowMap, first: Jumper, stages: Stages, steps: int, decay: float = 0.99
    ) -> None:
        self._average = Averaged(student, decay)
        self._first, self._begins = first, frozenset(stages.begins(steps))
        self.network = copy_frozen(_module(student))
        self._map = FlowMap(student.path, self.network)
        self._begun = False

    def jump(self, x: Tensor, s: Tensor, t: Tensor, cond: Conditions) -> Tensor:
        """See :class:`Jumper`."""
        return (self._map if self._begun else self._first).jump(x, s, t, cond)

    def after_step(self, step: int) -> None:
        """Follow the student, and take its place where a stage ends."""
        self._average.after_step(step)
        if step + 1 in self._begins:
            self.network.load_state_dict(self._average.state())
            self._begun = True

    def state(self) -> dict[str, Tensor]:
        """Return the weights of this stage's teacher and of the average."""
        return {
            "begun": torch.tensor(self._begun),
            **{f"previous.{key}": value for key, value in self.network.state_dict().items()},
            **{f"average.{key}": value for key, value in self._average.state().items()},
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        self._begun = bool(state["begun"])
        self.network.load_state_dict(_below("previous.", state))
        self._average.load_state(_below("average.", state))


def copy_frozen(net: nn.Module) -> nn.Module:
    """Return a copy of a network that is evaluated only."""
    copy = deepcopy(net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frozen: nn.Module = copy.eval().requires_grad_(False)
    return frozen


def _module(student: FlowMap) -> nn.Module:
    if not isinstance(student.net, torch.nn.Module):
        raise TypeError("a student in training has to be a torch module")
    return student.net


def _below(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
