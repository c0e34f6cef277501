"""Distillation targets: states of the reference's trajectories, kept on disk.

Each trajectory starts from its own noise and measurement; its states at a few times of the
reference's grid are stored with the conditions, so that students learn from converged targets
without the teacher in their loop.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_posterior.errors import ModelError
from napari_posterior.sampling.solvers import trace
from napari_posterior.training.fit import Progress
from napari_posterior.training.recipes.point import standardise

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from torch import Tensor, nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.batches import BatchStream
    from napari_posterior.training.fit import Report

__all__ = ["Reference", "Trajectories", "make_trajectories"]


@dataclass(frozen=True)
class Reference:
    """The solver and grid that targets are made with.

    Parameters
    ----------
    solver : str
        A key of ``SOLVERS``.
    grid : tuple of float
        Decreasing times from 1.0 to 0.0.
    nodes : tuple of int
        Positions in the grid whose states are stored, the first 0 and the last the end.
    """

    solver: str
    grid: tuple[float, ...]
    nodes: tuple[int, ...]

    @property
    def times(self) -> tuple[float, ...]:
        """Times of the stored states."""
        return tuple(self.grid[i] for i in self.nodes)

    def states(self, net: nn.Module, path: Path, z: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return the states at the nodes of trajectories from z (B, 1, H, W): (B, nodes, H, W)."""

        def velocity(x: Tensor, t: float) -> Tensor:
            at = torch.full((x.shape[0],), t, device=x.device)
            F: Tensor = net(x, at, at, maps, vector)
            return F

        kept = {0: z}
        for i, x in enumerate(trace(velocity, path, self.solver, self.grid, z), start=1):
            if i in self.nodes:
                kept[i] = x
        return torch.cat([kept[i] for i in self.nodes], dim=1)


@dataclass(frozen=True)
class Trajectories:
    """Stored trajectories.

    Parameters
    ----------
    times : tuple of float
        Times of the states, decreasing.
    states : ndarray, (N, nodes, H, W), float32
        States, the first of them the noise.
    maps : ndarray, (N, 4, H, W), float32
        Condition maps.
    vector : ndarray, (N, 4), float32
        Condition vectors.
    """

    times: tuple[float, ...]
    states: np.ndarray
    maps: np.ndarray
    vector: np.ndarray

    @classmethod
    def open(cls, folder: FilePath) -> Trajectories:
        """Open a folder written by :func:`make_trajectories`, without reading it into memory."""
        times = tuple(json.loads((folder / "plan.json").read_text())["times"])
        arrays = (
            np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("states", "maps", "vector")
        )
        return cls(times, *arrays)

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Return states, maps and vectors of trajectories picked at random, turned at random.

        Networks and noise know no direction, so a turned or mirrored trajectory is another one.
        """
        rows = torch.randint(len(self.states), (count,), generator=generator).numpy()
        turn = int(torch.randint(8, (1,), generator=generator).item())
        states, maps = (
            torch.from_numpy(np.stack([array[i] for i in rows]))
            for array in (self.states, self.maps)
        )
        states, maps = (torch.rot90(v, turn % 4, dims=(2, 3)) for v in (states, maps))
        if turn >= 4:
            states, maps = states.flip(3), maps.flip(3)
        return states, maps, torch.from_numpy(np.stack([self.vector[i] for i in rows]))


@torch.no_grad()
def make_trajectories(
    teacher: nn.Module,
    point: nn.Module,
    path: Path,
    reference: Reference,
    stream: BatchStream,
    folder: FilePath,
    *,
    count: int,
    autocast: bool = False,
    report: Report | None = None,
) -> Trajectories:
    """Make `count` trajectories in a folder, or go on where an interrupted call stopped.

    Parameters
    ----------
    teacher, point : nn.Module
        Trained networks.
    path : Path
        The teacher's path.
    reference : Reference
        Solver, grid and stored times.
    stream : BatchStream
        Source of measurements; its batch is the number of trajectories at a time.
    folder : pathlib.Path
        Where the arrays are kept.
    count : int
        Number of trajectories, rounded up to whole batches.
    autocast : bool
        Evaluate the networks in bfloat16.
    report : callable, optional
        Called with a :class:`Progress` after every tenth batch.

    Raises
    ------
    ModelError
        If the folder holds trajectories of another plan.
    """
    batches = -(-count // stream.batch)
    total, size, nodes = batches * stream.batch, stream.size, len(reference.nodes)
    plan = {"count": total, "size": size, "times": list(reference.times), "seed": stream.seed}
    shapes = {
        "states": (total, nodes, size, size),
        "maps": (total, 4, size, size),
        "vector": (total, 4),
    }
    done = _resume(folder, plan, shapes)
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in shapes}
    start = time.monotonic()
    for number in range(done, batches):
        batch = stream.batch_at(number)
        device = batch.x.device.type
        generator = torch.Generator(batch.x.device).manual_seed(stream.seed_of(number))
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            _, maps = standardise(batch, point)
            z = torch.empty_like(batch.x).normal_(generator=generator)
            states = reference.states(teacher, path, z, maps, batch.vector)
        rows = slice(number * stream.batch, (number + 1) * stream.batch)
        for name, value in (("states", states), ("maps", maps), ("vector", batch.vector)):
            arrays[name][rows] = value.float().cpu().numpy()
        if (number + 1) % 10 == 0 or number + 1 == batches:
            for array in arrays.values():
                array.flush()
            (folder / "done").write_text(str(number + 1))
            if report is not None:
                pace = (time.monotonic() - start) / (number + 1 - done)
                left = pace * (batches - number - 1)
                report(Progress("trajectories", number + 1, batches, float("nan"), left))
    return Trajectories.open(folder)


def _resume(folder: FilePath, plan: dict[str, object], shapes: dict[str, tuple[int, ...]]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "plan.json"
    if file.exists():
        if json.loads(file.read_text()) != plan:
            raise ModelError(
                f"the folder {folder} holds trajectories of another plan; give another folder"
            )
        done = folder / "done"
        return int(done.read_text()) if done.exists() else 0
    for name, shape in shapes.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, shape).flush()
    file.write_text(json.dumps(plan))
    return 0
