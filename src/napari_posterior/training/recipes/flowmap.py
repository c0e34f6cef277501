"""Students: jumps of a flow map, distilled from stored trajectories of the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.targets import Trajectories

__all__ = ["FlowMapRecipe"]


@dataclass
class FlowMapRecipe:
    """Regress jumps on the states of converged teacher trajectories (direct rule).

    ``F* = unjump(x_s, x_t)`` for stored states of one trajectory. With the single jump from noise
    to data this is knowledge distillation (Luhman & Luhman 2021); with all pairs of states the
    student takes any of their subsets as its steps.

    Parameters
    ----------
    net : nn.Module
        The student, initialised from the teacher.
    path : Path
        The teacher's path.
    trajectories : Trajectories
        Stored states with their conditions.
    jumps : tuple of (int, int)
        Pairs of state numbers to learn, each used equally often.
    seed, stream : int
        Seed of the recipe and number of the process.
    batch : int
        Images a step.
    """

    net: nn.Module
    path: Path
    trajectories: Trajectories
    jumps: tuple[tuple[int, int], ...]
    seed: int
    stream: int
    batch: int
    name: str = "student"

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + self.stream)
        states, maps, vector = self.trajectories.draw(self.batch, generator)
        pick = torch.randint(len(self.jumps), (self.batch,), generator=generator)
        pairs = torch.tensor(self.jumps)[pick]
        times = torch.tensor(self.trajectories.times)
        rows = torch.arange(self.batch)
        s, t = times[pairs[:, 0]], times[pairs[:, 1]]
        x_s = states[rows, pairs[:, 0]][:, None]
        x_t = states[rows, pairs[:, 1]][:, None]
        at, to = s[:, None, None, None], t[:, None, None, None]
        target = self.path.unjump(x_s, x_t, at, to)
        loss: Tensor = (self.net(x_s, s, t, maps, vector) - target).square().mean()
        return loss
