"""The recipe put together: which source, pairs, rule, jumpers and objective make which method.

Each preset is a function of a :class:`Setup` and the number of sampling steps of the student.
Schedules and weights are those of the papers named in ``training.methods``, for small networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from napari_posterior.sampling.model import FlowMap, Teacher
from napari_posterior.training.recipes.jumpers import Averaged, PreviousStage, Solved
from napari_posterior.training.recipes.objectives import AtTheEnd, InState, InVelocity, OfSpeed
from napari_posterior.training.recipes.pairs import Halves, Hops, Neighbours, Nodes, Spans, Stages
from napari_posterior.training.recipes.rules import Direct, Eulerian, Lagrangian, Semigroup
from napari_posterior.training.recipes.states import NoiseSource, StoredSource
from napari_posterior.training.recipes.trajectory import TrajectoryRecipe

if TYPE_CHECKING:
    from torch import nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.recipes.states import Source
    from napari_posterior.training.recipes.trajectory import HeldOut

__all__ = [
    "Setup",
    "any_jump",
    "bootstrapped",
    "consistency",
    "lagrangian",
    "one_jump",
    "progressive",
    "shortcut",
    "trajectory_model",
]


@dataclass(frozen=True)
class Setup:
    """What a method is given: networks, a supply of states, and how long there is.

    Parameters
    ----------
    net, teacher : nn.Module
        Student, initialised from the teacher, and teacher.
    path : Path
        Their path.
    source : Source
        Noised objects; for a method with stored targets, its stored trajectories.
    steps : int
        Steps of the optimiser.
    held : HeldOut, optional
        Trajectories that no step learns from.
    name : str
        Name of the student.
    """

    net: nn.Module
    teacher: nn.Module
    path: Path
    source: Source
    steps: int
    held: HeldOut | None = None
    name: str = "student"

    @property
    def student(self) -> FlowMap:
        """The student as a flow map."""
        return FlowMap(self.path, self.net)

    def solved(self, solver: str = "heun", steps: int = 1) -> Solved:
        """Return the teacher's solver."""
        return Solved(Teacher(self.path, self.teacher), solver, steps)

    def recipe(self, **parts: Any) -> TrajectoryRecipe:
        """Return the recipe with these parts."""
        given = {"source": self.source, "held": self.held, "name": self.name, **parts}
        return TrajectoryRecipe(self.net, self.teacher, self.path, steps=self.steps, **given)


def one_jump(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn the jump from noise to image of stored trajectories."""
    times = _stored(setup).trajectories.times
    pairs = Nodes(times, ((0, len(times) - 1),))
    return setup.recipe(pairs=pairs, objective=InVelocity(Direct()))


def any_jump(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn the jumps between any two states of stored trajectories."""
    times = _stored(setup).trajectories.times
    pairs = Nodes(times, tuple(combinations(range(len(times)), 2)))
    return setup.recipe(pairs=pairs, objective=InVelocity(Direct()))


def progressive(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn from two steps of the student of the stage before, which had twice as many."""
    stages = Stages.down_to(steps)
    previous = PreviousStage(setup.student, setup.solved(), stages, setup.steps)
    return setup.recipe(
        pairs=Halves(stages), objective=InVelocity(Semigroup(previous)), selfnets=(previous,)
    )


def consistency(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn from the averaged student, one step of the solver closer to the image."""
    slow = Averaged(setup.student, 0.95)
    rule = Eulerian(slow, setup.solved())
    return setup.recipe(pairs=Neighbours(), objective=InState(rule), selfnets=(slow,))


def trajectory_model(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn jumps between any two times from a part solved and a part jumped."""
    outer = Averaged(setup.student, 0.999)
    rule = Eulerian(setup.student, setup.solved(steps=2))
    return setup.recipe(
        pairs=Spans("anywhere"), objective=AtTheEnd(rule, outer), selfnets=(outer,), anchor=0.3
    )


def shortcut(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn jumps between any two times from two jumps of half their length."""
    slow = Averaged(setup.student, 0.99)
    rule = Semigroup(slow, setup.solved())
    return setup.recipe(pairs=Spans(), objective=InVelocity(rule), selfnets=(slow,), anchor=0.5)


def lagrangian(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn jumps between any two times by the speed they should have where they end."""
    objective = OfSpeed(Teacher(setup.path, setup.teacher))
    return setup.recipe(pairs=Spans(), objective=objective, anchor=0.25)


def bootstrapped(setup: Setup, steps: int) -> TrajectoryRecipe:
    """Learn jumps from noise, each from one that ends a hop earlier."""
    slow = Averaged(setup.student, 0.95)
    return setup.recipe(
        source=NoiseSource(setup.source),
        pairs=Hops(),
        objective=InVelocity(Lagrangian(slow, setup.solved())),
        selfnets=(slow,),
        anchor=0.1,
    )


def _stored(setup: Setup) -> StoredSource:
    if not isinstance(setup.source, StoredSource):
        raise TypeError("this method learns from stored trajectories")
    return setup.source
