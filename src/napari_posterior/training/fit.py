"""The training loop: one for every recipe.

AdamW with warm-up and cosine decay, gradient clipping, an exponential moving average of the
weights, checkpoints from which a run resumes exactly, and gradients averaged over processes.
"""

from __future__ import annotations

import csv
import math
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import multiprocessing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as FilePath

    from napari_posterior.training.recipes.base import Recipe

    Report = Callable[["Progress"], None]

__all__ = ["FitSettings", "Progress", "fit", "load_average", "read_minutes"]


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train.

    Parameters
    ----------
    steps : int
        Optimiser steps in all.
    rate : float
        Peak learning rate.
    warmup : int
        Steps of linear warm-up.
    average : float
        Decay of the moving average of the weights.
    clip : float
        Largest norm of the gradient.
    processes : int
        Processes that share a step, one thread each; 1 runs in this process.
    autocast : bool
        Evaluate networks in bfloat16.
    report_every : int
        Steps between reports.
    save_every : float
        Seconds between checkpoints.
    """

    steps: int
    rate: float = 1e-3
    warmup: int = 200
    average: float = 0.999
    clip: float = 1.0
    processes: int = 1
    autocast: bool = False
    report_every: int = 100
    save_every: float = 60.0


@dataclass(frozen=True)
class Progress:
    """A report of the loop: step reached, mean loss since the last report, seconds left."""

    name: str
    step: int
    steps: int
    loss: float
    seconds_left: float


def fit(
    make_recipe: Callable[[int], Recipe],
    settings: FitSettings,
    folder: FilePath,
    *,
    report: Report | None = None,
) -> FilePath:
    """Train a recipe, resuming from `folder` if it was begun there.

    Parameters
    ----------
    make_recipe : callable
        Gets the number of the process and returns its recipe; has to be picklable if there are
        several processes.
    settings : FitSettings
        How long and how fast.
    folder : pathlib.Path
        Where ``NAME.pt`` (the checkpoint) and ``NAME.csv`` (the loss curve) are kept.
    report : callable, optional
        Called with a :class:`Progress` every `report_every` steps, in the first process; has to be
        picklable if there are several processes.

    Returns
    -------
    pathlib.Path
        The checkpoint, for :func:`load_average`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if settings.processes == 1:
        return _train(make_recipe(0), settings, folder, 0, report)
    with tempfile.TemporaryDirectory() as meeting:
        multiprocessing.spawn(  # type: ignore[attr-defined,no-untyped-call]
            _join_and_train,
            args=(make_recipe, settings, folder, f"file://{meeting}/store", report),
            nprocs=settings.processes,
        )
    return folder / f"{make_recipe(0).name}.pt"


def load_average(checkpoint: FilePath) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a checkpoint as a state dict."""
    return dict(_load(checkpoint)["average"])


def read_minutes(checkpoint: FilePath) -> float:
    """Return the wall-clock minutes trained up to a checkpoint, over all calls."""
    return float(_load(checkpoint)["seconds"]) / 60


def _join_and_train(
    rank: int,
    make_recipe: Callable[[int], Recipe],
    settings: FitSettings,
    folder: FilePath,
    store: str,
    report: Report | None,
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=settings.processes)
    _train(make_recipe(rank), settings, folder, rank, report)
    # together: a process that leaves while another still works takes its connections with it
    dist.barrier()
    dist.destroy_process_group()


def _train(
    recipe: Recipe, settings: FitSettings, folder: FilePath, rank: int, report: Report | None
) -> FilePath:
    checkpoint = folder / f"{recipe.name}.pt"
    net = recipe.net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    weights = [p for p in net.parameters() if p.requires_grad]
    device = weights[0].device
    optimiser = torch.optim.AdamW(
        weights, lr=settings.rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    begin, before = 0, 0.0
    if checkpoint.exists():
        state = _load(checkpoint)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        average, begin, before = state["average"], int(state["step"]), float(state["seconds"])
    losses: list[float] = []
    start = saved = time.monotonic()
    for step in range(begin, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * _schedule(step, settings)
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.autocast):
            loss = recipe.loss(step)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.processes > 1:
            _average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, settings.clip)
        optimiser.step()
        losses.append(loss.item())
        if rank:
            continue
        _update_average(average, net, min(settings.average, (step + 1) / (step + 10)))
        last = step + 1 == settings.steps
        if (step + 1) % settings.report_every == 0 or last:
            mean = sum(losses) / len(losses)
            losses.clear()
            _append(folder / f"{recipe.name}.csv", step + 1, mean)
            if report is not None:
                pace = (time.monotonic() - start) / (step + 1 - begin)
                left = pace * (settings.steps - step - 1)
                report(Progress(recipe.name, step + 1, settings.steps, mean, left))
        if last or time.monotonic() - saved > settings.save_every:
            saved = time.monotonic()
            _save(
                checkpoint,
                {
                    "net": net.state_dict(),
                    "average": average,
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                    "seconds": before + saved - start,
                    "settings": asdict(settings),
                },
            )
    return checkpoint


def _schedule(step: int, settings: FitSettings) -> float:
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(settings.steps - settings.warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def _average_gradients(weights: list[torch.nn.Parameter]) -> None:
    used = [p.grad for p in weights if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in used])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    offset = 0
    for gradient in used:
        size = gradient.numel()
        gradient.copy_(flat[offset : offset + size].view_as(gradient))
        offset += size


@torch.no_grad()
def _update_average(average: dict[str, torch.Tensor], net: torch.nn.Module, decay: float) -> None:
    state = net.state_dict()
    torch._foreach_lerp_(list(average.values()), [state[k] for k in average], 1 - decay)


def _append(path: FilePath, step: int, loss: float) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(["step", "loss"])
        writer.writerow([step, f"{loss:.6g}"])


def _save(path: FilePath, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _load(path: FilePath) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state
