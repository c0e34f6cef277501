"""Students of normal posteriors, whose flow maps are known: sources, networks and setups."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_posterior.toys import GaussianFamily, exact_student, exact_teacher
from napari_posterior.training.methods import METHODS
from napari_posterior.training.recipes.presets import Setup
from napari_posterior.training.recipes.states import Noised, StoredSource
from napari_posterior.training.targets import Trajectories

if TYPE_CHECKING:
    from napari_posterior.sampling.path import Path
    from napari_posterior.training.recipes.trajectory import TrajectoryRecipe

FAMILY = GaussianFamily(variance=1.0, noise_variance=0.25)
SIDE = 2
QUARTERS = (1.0, 0.75, 0.5, 0.25, 0.0)


class ExactNet(nn.Module):
    """The exact velocity or flow map, but for a factor and an offset that start at 1 and 0."""

    def __init__(self, path: Path, *, student: bool, factor: float = 1.0) -> None:
        super().__init__()
        self.exact = (exact_student if student else exact_teacher)(FAMILY, path)
        self.factor = nn.Parameter(torch.tensor(factor))
        self.offset = nn.Parameter(torch.tensor(0.0))

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        return self.factor * self.exact(x, s, t, maps[:, :1], vector) + self.offset


class LinearNet(nn.Module):
    """``F = a(s, t) x + b(s, t) y``, which holds the exact flow map of a normal posterior."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(8, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )
        with torch.no_grad():
            self.net[0].weight[:, 4:] = 0

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        at = self._features(s)
        a, b = self.net(torch.cat([at, at - self._features(t)], 1))[..., None, None].chunk(2, 1)
        return a * x + b * maps

    def _features(self, t: Tensor) -> Tensor:
        angle = math.pi / 2 * t[:, None] * torch.tensor([1.0, 2.0])
        return torch.cat([angle.sin(), angle.cos()], 1)


@dataclass(frozen=True)
class GaussianSource:
    """Objects with their measurements, noised."""

    path: Path
    batch: int = 64
    side: int = SIDE

    def draw(self, step: int) -> Noised:
        """Return the objects of one step."""
        generator = torch.Generator().manual_seed(step)
        shape = (self.batch, 1, self.side, self.side)
        x0, y = (v.to(torch.get_default_dtype()) for v in FAMILY.draw(shape, generator))
        eps = torch.randn(shape, generator=generator)
        return Noised(self.path, x0, eps, y, torch.zeros(self.batch, 0), generator)


def store(path: Path, *, count: int = 256, batch: int = 64, side: int = SIDE) -> StoredSource:
    """Return exact trajectories at the quarters."""
    drawn = GaussianSource(path, count, side).draw(99)
    states = [drawn.noise]
    for s, t in pairwise(QUARTERS):
        flat = states[-1].flatten(1)
        moved = FAMILY.posterior(drawn.maps.flatten(1)).flow(path, flat, s, t)
        states.append(moved.reshape(states[-1].shape))
    return StoredSource(
        Trajectories(
            QUARTERS,
            torch.cat(states, dim=1).numpy(),
            drawn.maps.numpy(),
            torch.zeros(count, 0).numpy(),
        ),
        batch,
    )


def make_recipe(
    method: str,
    path: Path,
    net: nn.Module,
    *,
    steps: int = 8,
    sampling: int | None = None,
    batch: int = 64,
    side: int = SIDE,
    teacher: nn.Module | None = None,
) -> TrajectoryRecipe:
    """Return the recipe of a method on this family."""
    chosen = METHODS[method]
    source = GaussianSource(path, batch, side)
    if chosen.targets is not None:
        source = store(path, batch=batch, side=side)
    teacher = ExactNet(path, student=False).requires_grad_(False) if teacher is None else teacher
    setup = Setup(net=net, teacher=teacher, path=path, source=source, steps=steps)
    return chosen.make(setup, sampling or chosen.steps)


def near_the_end(recipe: TrajectoryRecipe) -> Tensor:
    """Return the loss of the last step, when schedules have come to their finest."""
    for step in range(recipe.steps - 1):
        recipe.after_step(step)
    return recipe.loss(recipe.steps - 1)
