"""The plan of a training run and the recipes it is made of.

The factories are module-level functions of plain values, so that processes can start from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from napari_posterior.networks.registry import build
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import SceneStream, TrainingRange
from napari_posterior.training.fit import FitSettings, fit, load_average
from napari_posterior.training.recipes.flow import FlowRecipe
from napari_posterior.training.recipes.point import PointRecipe

if TYPE_CHECKING:
    from pathlib import Path as FilePath

    from torch import nn

    from napari_posterior.training.fit import Report
    from napari_posterior.training.recipes.base import Recipe

__all__ = ["POINT_ARCH", "VELOCITY_ARCH", "TrainingPlan", "fit_point", "fit_teacher", "load_net"]

POINT_ARCH = "point-unet-1"
VELOCITY_ARCH = "velocity-unet-1"


@dataclass(frozen=True)
class TrainingPlan:
    """Everything a training run depends on; the same plan makes the same weights.

    Parameters
    ----------
    seed : int
        Seed of scenes, measurements and initial weights.
    steps : int
        Steps of the point estimate, and as many of the teacher.
    batch : int
        Images a step, over all processes.
    size : int
        Height and width of the training crops, in pixels.
    channels : (int, int, int)
        Widths of the networks.
    blocks : int
        Residual blocks a level.
    path : str
        Path of the teacher, ``"linear"`` or ``"vpcosine"``.
    processes : int
        Processes, one thread each.
    autocast : bool
        Train in bfloat16.
    device : str
        Where to train.
    trained : TrainingRange
        What the weights are trained for.
    """

    seed: int = 0
    steps: int = 24_000
    batch: int = 16
    size: int = 64
    channels: tuple[int, int, int] = (48, 72, 96)
    blocks: int = 2
    path: str = "linear"
    processes: int = 2
    autocast: bool = True
    device: str = "cpu"
    trained: TrainingRange = field(default_factory=TrainingRange)

    @property
    def point_kwargs(self) -> dict[str, Any]:
        """Settings of the point network."""
        return {"channels": list(self.channels), "blocks": self.blocks}

    @property
    def velocity_kwargs(self) -> dict[str, Any]:
        """Settings of the teacher and of every student."""
        return {"path": self.path, "channels": list(self.channels), "blocks": self.blocks}

    def settings(self, steps: int, rate: float = 1e-3) -> FitSettings:
        """Return the loop's settings for a stage of `steps` steps."""
        return FitSettings(
            steps=steps,
            rate=rate,
            warmup=min(200, max(steps // 10, 1)),
            processes=self.processes,
            autocast=self.autocast,
        )

    def stream(self, stage: int, rank: int) -> SceneStream:
        """Return the scenes of a stage for one process."""
        return SceneStream(
            seed=self.seed * 16 + stage,
            batch=self.batch // self.processes,
            stream=rank,
            size=self.size,
            device=self.device,
            trained=self.trained,
        )


def fit_point(plan: TrainingPlan, work: FilePath, report: Report | None = None) -> FilePath:
    """Train the point estimate in the folder `work` and return its checkpoint."""
    return fit(partial(_point_recipe, plan), plan.settings(plan.steps), work, report=report)


def fit_teacher(plan: TrainingPlan, work: FilePath, report: Report | None = None) -> FilePath:
    """Train the teacher on the residuals of the point estimate of `work`."""
    make = partial(_flow_recipe, plan, work / "point.pt")
    return fit(make, plan.settings(plan.steps), work, report=report)


def load_net(arch: str, kwargs: dict[str, Any], checkpoint: FilePath, device: str) -> nn.Module:
    """Build a network with the averaged weights of a checkpoint, ready to be evaluated.

    The weights are rounded as a bundle stores them, so that what is trained on top of them meets
    the same numbers again.
    """
    net = build(arch, kwargs)
    net.load_state_dict({k: v.half().float() for k, v in load_average(checkpoint).items()})
    return net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload, no-any-return]


def _point_recipe(plan: TrainingPlan, rank: int) -> Recipe:
    return PointRecipe(_fresh(plan, POINT_ARCH, plan.point_kwargs), plan.stream(0, rank))


def _flow_recipe(plan: TrainingPlan, point: FilePath, rank: int) -> Recipe:
    return FlowRecipe(
        net=_fresh(plan, VELOCITY_ARCH, plan.velocity_kwargs),
        point=load_net(POINT_ARCH, plan.point_kwargs, point, plan.device),
        path=get_path(plan.path),
        stream=plan.stream(1, rank),
    )


def _fresh(plan: TrainingPlan, arch: str, kwargs: dict[str, Any]) -> nn.Module:
    # every process starts from the same weights
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return build(arch, kwargs).to(plan.device)
