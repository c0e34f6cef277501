"""Students: one recipe for every way of learning a jump along the teacher's trajectories.

A student is a network F whose jump ``G(x, s, t) = A x + B F(x, s, t)`` should be the flow of the
teacher's ODE from time s to time t. Ways of teaching it differ in few things, each a small part
with a module of its own:

===========  ===================================================  ===============
part         what it decides                                      module
===========  ===================================================  ===============
source       at which states x_s: noised objects, noise, stored   ``states``
pairs        from which s to which t, and where to stop (u)        ``pairs``
rule         where the trajectory is at t                          ``rules``
jumper       who makes the jumps that a rule is made of            ``jumpers``
objective    how the network is held to the rule                   ``objectives``
anchor       how often F(x, s, s) is held to the teacher's         here
===========  ===================================================  ===============

``training.methods`` puts the parts together under the names of the literature.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.sampling.solvers import walk
from napari_posterior.training.recipes.rules import ConditionRows, Start, detached

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from napari_posterior.sampling.model import Conditions
    from napari_posterior.sampling.path import Path
    from napari_posterior.training.recipes.jumpers import SelfNet
    from napari_posterior.training.recipes.objectives import Objective
    from napari_posterior.training.recipes.pairs import PairSampler
    from napari_posterior.training.recipes.states import Source
    from napari_posterior.training.targets import Reference

__all__ = ["HeldOut", "TrajectoryRecipe"]


@dataclass
class TrajectoryRecipe:
    """A student and how it learns its jumps.

    Parameters
    ----------
    net : nn.Module
        The student's network, initialised from the teacher's.
    teacher : nn.Module
        The teacher's network.
    path : Path
        Their path.
    source : Source
        States to learn at.
    pairs : PairSampler
        Jumps to learn.
    objective : Objective
        How they are scored.
    steps : int
        Length of the training, for what changes on its way.
    anchor : float
        Share of the batch on which F(x, s, s) is held to the teacher's, so that short jumps stay
        the teacher's and the student is a teacher of its own.
    selfnets : tuple of SelfNet
        Copies of the student that follow it.
    held : HeldOut, optional
        Trajectories that no step learns from.
    name : str
        Name of the student.
    """

    net: nn.Module
    teacher: nn.Module
    path: Path
    source: Source
    pairs: PairSampler
    objective: Objective
    steps: int
    anchor: float = 0.0
    selfnets: tuple[SelfNet, ...] = ()
    held: HeldOut | None = None
    name: str = "student"

    @property
    def student(self) -> FlowMap:
        """The student as a flow map."""
        return FlowMap(self.path, self.net)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are evaluated; the copies of the student count as "self"."""
        copies = {f"self {i}": copy.network for i, copy in enumerate(self.selfnets, start=1)}
        return {"student": self.net, "teacher": self.teacher, **copies}

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        drawn = self.source.draw(step)
        count = drawn.maps.shape[0]
        times = self.pairs(count, step / self.steps, drawn.generator).to(drawn.maps.device)
        start = Start(drawn, drawn.at(times.s), times.s, times.u, times.t)
        loss = self.objective(self.student, start).mean()
        anchored = round(self.anchor * count)
        return loss + anchored / count * self._anchor(start, anchored) if anchored else loss

    def after_step(self, step: int) -> None:
        """Let the copies of the student follow."""
        for copy in self.selfnets:
            copy.after_step(step)

    def state(self) -> dict[str, Tensor]:
        """Return the copies of the student."""
        return {
            f"{number}.{key}": value
            for number, copy in enumerate(self.selfnets)
            for key, value in copy.state().items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take them back."""
        for number, copy in enumerate(self.selfnets):
            prefix = f"{number}."
            copy.load_state(
                {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            )

    def held_out(self) -> float | None:
        """Return how far the student's images are from the reference's of the same noise."""
        return None if self.held is None else self.held.distance(self.student)

    def _anchor(self, start: Start, count: int) -> Tensor:
        some = ConditionRows.of(start, slice(count))
        x, s = start.x[:count], start.s[:count]
        with detached():
            F = Teacher(self.path, self.teacher).F(x, s, some)
        return (self.student.F(x, s, s, some) - F).square().mean()


@dataclass
class HeldOut:
    """Noise and measurements that no step learns from, and where the reference takes them.

    Parameters
    ----------
    teacher : nn.Module
        The teacher's network.
    reference : Reference
        Its solver and grid.
    source : Source
        Measurements; the first draw is taken.
    grid : tuple of float
        Times that the student steps through.
    """

    teacher: nn.Module
    reference: Reference
    source: Source
    grid: tuple[float, ...]
    _kept: tuple[Tensor, Tensor, Conditions] | None = field(default=None, init=False, repr=False)

    @torch.no_grad()
    def distance(self, student: FlowMap) -> float:
        """Return the mean square distance of student and reference on the same noise.

        In units of the squared posterior standard deviation where the residual is standardised: for
        a student fitted by squared error, the share of variance that it loses.
        """
        z, ends, cond = self._get(student.path)

        def jump(x: Tensor, s: float, t: float) -> Tensor:
            return student.jump(x, s, t, cond)

        return float((walk(jump, self.grid, z) - ends).square().mean())

    def _get(self, path: Path) -> tuple[Tensor, Tensor, Conditions]:
        if self._kept is None:
            drawn = self.source.draw(0)
            cond = ConditionRows(drawn.maps, drawn.vector)
            z = drawn.at(torch.ones(drawn.maps.shape[0], device=drawn.maps.device))
            states = self.reference.states(self.teacher, path, z, cond.maps, cond.vector)
            self._kept = z, states[:, -1:], cond
        return self._kept
