"""How many steps fit into the minutes that a user gives."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from napari_posterior.networks.registry import build
from napari_posterior.training.fit import FitSettings, fit
from napari_posterior.training.plan import VELOCITY_ARCH, flow_recipe, point_recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from napari_posterior.training.plan import TrainingPlan
    from napari_posterior.training.recipes.base import Recipe

__all__ = ["bfloat16_pays", "seconds_of_a_step"]

_STEPS: Final = 14
_FIRST: Final = 4
_PAYS: Final = 1.1


class _Timed:
    """A recipe that writes down when each of its steps begins."""

    def __init__(self, recipe: Recipe, file: Path | None) -> None:
        self.name, self.net = recipe.name, recipe.net
        self._recipe, self._file = recipe, file

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(f"{time.monotonic()}\n")
        return self._recipe.loss(step)


def seconds_of_a_step(plan: TrainingPlan) -> float:
    """Return the time that one of the plan's steps takes for all the networks together.

    Point estimate and teacher are trained for a few steps as they will be, in as many processes;
    the first steps, which get things ready, do not count. What was trained is thrown away. The
    network for ``"mse"`` takes as long as the teacher.

    Parameters
    ----------
    plan : TrainingPlan
        Its number of steps does not matter.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        point = _time(partial(point_recipe, plan), plan.settings(_STEPS), folder, "point")
        make = partial(flow_recipe, plan, folder / "point.pt")
        teacher = _time(make, plan.settings(_STEPS), folder, "teacher")
    return point + teacher * (1 + plan.mse_steps / plan.steps)


def _time(make: Callable[[int], Recipe], settings: FitSettings, folder: Path, name: str) -> float:
    stamps = folder / f"{name}.txt"
    fit(partial(_timed, make, stamps), settings, folder)
    times = [float(line) for line in stamps.read_text().split()]
    return float(np.median(np.diff(times)[_FIRST:]))


def _timed(make: Callable[[int], Recipe], file: Path, rank: int) -> Recipe:
    return _Timed(make(rank), None if rank else file)


def bfloat16_pays(plan: TrainingPlan) -> bool:
    """Return whether a step of the teacher is at least a tenth faster in bfloat16.

    Measured with one thread, as processes have; where the device is not the CPU it is taken for
    granted.
    """
    if not plan.device.startswith("cpu"):
        return True
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = build(VELOCITY_ARCH, plan.velocity_kwargs)
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        slow, fast = (_seconds(net, plan, autocast=autocast) for autocast in (False, True))
    finally:
        torch.set_num_threads(threads)
    return slow > _PAYS * fast


def _seconds(net: nn.Module, plan: TrainingPlan, *, autocast: bool) -> float:
    count = max(plan.batch // plan.processes, 1)
    x = torch.zeros(count, 1, plan.size, plan.size)
    t, maps, vector = torch.zeros(count), x.expand(-1, 4, -1, -1), torch.zeros(count, 4)
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = net(x, t, t, maps, vector).float().square().mean()
        loss.backward()
        taken.append(time.perf_counter() - start)
    return min(taken[1:])
