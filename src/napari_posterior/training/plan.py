"""The plan of a training run and the recipes it is made of.

The factories are module-level functions of plain values, so that processes can start from them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import torch

from napari_posterior.bundles.card import POINT, TEACHER, WEIGHTS_FILE
from napari_posterior.bundles.parts import part_folder
from napari_posterior.networks.registry import build
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.data import SimulatedData, TrainingData
from napari_posterior.training.files import read_weights
from napari_posterior.training.fit import FitSettings, fit, load_average
from napari_posterior.training.held_out import HELD_OUT
from napari_posterior.training.recipes.flow import FlowRecipe
from napari_posterior.training.recipes.mse import MseRecipe
from napari_posterior.training.recipes.point import PointRecipe
from napari_posterior.training.reference import CertifyPlan

if TYPE_CHECKING:
    from torch import nn

    from napari_posterior.training.batches import BatchStream
    from napari_posterior.training.fit import Report
    from napari_posterior.training.recipes.base import Recipe

__all__ = [
    "POINT_ARCH",
    "VELOCITY_ARCH",
    "TrainingPlan",
    "fit_mse",
    "fit_point",
    "fit_teacher",
    "flow_recipe",
    "load_net",
    "mse_recipe",
    "point_recipe",
]

POINT_ARCH = "point-unet-1"
VELOCITY_ARCH = "velocity-unet-1"

_MSE_STAGE = 5


@dataclass(frozen=True)
class TrainingPlan:
    """Everything a training run depends on; the same plan makes the same weights.

    Parameters
    ----------
    seed : int
        Seed of scenes, measurements and initial weights.
    steps : int
        Steps of the point estimate, and as many of the teacher; the network for ``"mse"`` goes on
        from the teacher for 3 / 20 of them.
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
    rate : float
        Peak learning rate.
    data : TrainingData
        What is learned from.
    start : str, optional
        Folder of a bundle with networks of this size whose weights are gone on from; None begins
        with random ones.
    certify : CertifyPlan
        How the solvers of the teacher are measured, one of which becomes the reference.
    """

    seed: int = 0
    steps: int = 40_000
    batch: int = 16
    size: int = 64
    channels: tuple[int, int, int] = (48, 72, 96)
    blocks: int = 2
    path: str = "linear"
    processes: int = 2
    autocast: bool = True
    device: str = "cpu"
    trained: TrainingRange = field(default_factory=TrainingRange)
    rate: float = 1e-3
    data: TrainingData = field(default_factory=SimulatedData)
    start: str | None = None
    certify: CertifyPlan = field(default_factory=CertifyPlan)

    @property
    def mse_steps(self) -> int:
        """Steps of the network for ``"mse"``: by then its held-out loss has long been flat."""
        return max(self.steps * 3 // 20, 1)

    @property
    def point_kwargs(self) -> dict[str, Any]:
        """Settings of the point network."""
        return {"channels": list(self.channels), "blocks": self.blocks}

    @property
    def velocity_kwargs(self) -> dict[str, Any]:
        """Settings of the teacher and of every student."""
        return {"path": self.path, "channels": list(self.channels), "blocks": self.blocks}

    def settings(self, steps: int) -> FitSettings:
        """Return the loop's settings for a stage of `steps` steps."""
        return FitSettings(
            steps=steps,
            rate=self.rate,
            warmup=min(200, max(steps // 10, 1)),
            processes=self.processes,
            autocast=self.autocast,
            report_every=min(100, max(steps // 20, 1)),
        )

    def stream(self, stage: int, rank: int) -> BatchStream:
        """Return what one process learns from in a stage, or what is held out of all."""
        return self.data.stream(
            seed=self.seed * 16 + stage,
            batch=self.batch // self.processes,
            stream=rank,
            size=self.size,
            device=self.device,
            trained=self.trained,
            held_out=stage == HELD_OUT,
        )


def fit_point(plan: TrainingPlan, work: FilePath, report: Report | None = None) -> FilePath:
    """Train the point estimate in the folder `work` and return its checkpoint."""
    return fit(partial(point_recipe, plan), plan.settings(plan.steps), work, report=report)


def fit_teacher(plan: TrainingPlan, work: FilePath, report: Report | None = None) -> FilePath:
    """Train the teacher on the residuals of the point estimate of `work`."""
    make = partial(flow_recipe, plan, work / "point.pt")
    return fit(make, plan.settings(plan.steps), work, report=report)


def fit_mse(plan: TrainingPlan, work: FilePath, report: Report | None = None) -> FilePath:
    """Train the network for ``"mse"`` on from the teacher of `work`; return its checkpoint."""
    settings = plan.settings(plan.mse_steps)
    # what goes on from weights needs no rate as high as what begins
    settings = replace(settings, rate=plan.rate / 2)
    return fit(partial(mse_recipe, plan, work), settings, work, report=report)


def load_net(arch: str, kwargs: dict[str, Any], checkpoint: FilePath, device: str) -> nn.Module:
    """Build a network with the averaged weights of a checkpoint, ready to be evaluated.

    The weights are rounded as a bundle stores them, so that what is trained on top of them meets
    the same numbers again.
    """
    net = build(arch, kwargs)
    net.load_state_dict({k: v.half().float() for k, v in load_average(checkpoint).items()})
    return net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload, no-any-return]


def point_recipe(plan: TrainingPlan, rank: int) -> Recipe:
    """Return what one process trains to make the point estimate."""
    return PointRecipe(
        net=_begin_net(plan, POINT_ARCH),
        stream=plan.stream(0, rank),
        held=plan.stream(HELD_OUT, 0),
    )


def flow_recipe(plan: TrainingPlan, point: FilePath, rank: int) -> Recipe:
    """Return what one process trains to make the teacher, around a point estimate."""
    return FlowRecipe(
        net=_begin_net(plan, VELOCITY_ARCH),
        point=load_net(POINT_ARCH, plan.point_kwargs, point, plan.device),
        path=get_path(plan.path),
        stream=plan.stream(1, rank),
        held=plan.stream(HELD_OUT, 0),
    )


def mse_recipe(plan: TrainingPlan, work: FilePath, rank: int) -> Recipe:
    """Return what one process trains to make the network for ``"mse"``."""
    net = build(VELOCITY_ARCH, plan.velocity_kwargs)
    net.load_state_dict(load_average(work / "teacher.pt"))
    return MseRecipe(
        net=net.to(plan.device),
        point=load_net(POINT_ARCH, plan.point_kwargs, work / "point.pt", plan.device),
        path=get_path(plan.path),
        stream=plan.stream(_MSE_STAGE, rank),
        held=plan.stream(HELD_OUT, 0),
    )


def _begin_net(plan: TrainingPlan, arch: str) -> nn.Module:
    """Build a network as training begins with it, the same in every process."""
    point = arch == POINT_ARCH
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        net = build(arch, plan.point_kwargs if point else plan.velocity_kwargs)
    if plan.start is not None:
        part = part_folder(POINT if point else TEACHER)
        net.load_state_dict(read_weights(FilePath(plan.start) / part / WEIGHTS_FILE))
    return net.to(plan.device)
