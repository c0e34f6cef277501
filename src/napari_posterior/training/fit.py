"""The training loop: one for every recipe.

AdamW with warm-up and cosine decay, gradient clipping, an exponential moving average of the
weights, checkpoints from which a run resumes exactly, and gradients averaged over processes. Now
and then it reports, and writes the loss and the held-out loss into a table.
"""

from __future__ import annotations

import csv
import math
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import multiprocessing

from napari_posterior.training.average import ramp, update_average
from napari_posterior.training.calls import count_calls
from napari_posterior.training.recipes.base import Measured, Stateful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path as FilePath

    from napari_posterior.training.recipes.base import Recipe

    Report = Callable[["Progress"], None]

__all__ = ["FitSettings", "Progress", "fit", "load_average", "read_calls", "read_minutes"]


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
    restarts : tuple of int
        Steps at which warm-up, decay and moving average begin again.
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
    restarts: tuple[int, ...] = ()

    def stage(self, step: int) -> tuple[int, int]:
        """Return the first step of the stage that `step` is in, and the first one after it."""
        begin = max((r for r in self.restarts if r <= step), default=0)
        return begin, min((r for r in self.restarts if r > step), default=self.steps)


@dataclass(frozen=True)
class Progress:
    """A report of the loop.

    Parameters
    ----------
    name : str
        What is trained or made.
    step, steps : int
        Steps made, and in all.
    loss : float
        Mean since the last report.
    seconds_left : float
        At the pace so far.
    held_out : float, optional
        Loss of the averaged weights on images that no step learns from.
    calls : mapping of str to int
        Images evaluated in training so far by each network, over all processes.
    """

    name: str
    step: int
    steps: int
    loss: float
    seconds_left: float
    held_out: float | None = None
    calls: Mapping[str, int] = field(default_factory=dict)


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


def read_calls(checkpoint: FilePath) -> dict[str, int]:
    """Return the images evaluated by each network up to a checkpoint, over all calls."""
    return dict(_load(checkpoint).get("calls", {}))


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
    checkpoint, table = folder / f"{recipe.name}.pt", folder / f"{recipe.name}.csv"
    net = recipe.net.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    weights = [p for p in net.parameters() if p.requires_grad]
    device = weights[0].device
    optimiser = torch.optim.AdamW(
        weights, lr=settings.rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
    )
    average = {name: value.detach().clone() for name, value in net.state_dict().items()}
    begin, before, calls = 0, 0.0, dict.fromkeys(getattr(recipe, "networks", {}), 0)
    if checkpoint.exists():
        state = _load(checkpoint)
        net.load_state_dict(state["net"])
        optimiser.load_state_dict(state["optimiser"])
        for name, value in state["average"].items():
            average[name].copy_(value)
        begin, before = int(state["step"]), float(state["seconds"])
        calls |= state.get("calls", {})
        if isinstance(recipe, Stateful):
            recipe.load_state(state["recipe"])
    losses: list[float] = []
    start = saved = time.monotonic()
    for step in range(begin, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * _schedule(step, settings)
        optimiser.zero_grad(set_to_none=True)
        with (
            count_calls(getattr(recipe, "networks", {}), calls, settings.processes),
            torch.autocast(device.type, torch.bfloat16, enabled=settings.autocast),
        ):
            loss = recipe.loss(step)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.processes > 1:
            _average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, settings.clip)
        optimiser.step()
        if isinstance(recipe, Stateful):
            recipe.after_step(step)
        losses.append(loss.item())
        if rank:
            continue
        decay = ramp(settings.average, step - settings.stage(step)[0])
        update_average(average, net.state_dict(), decay)
        last = step + 1 == settings.steps
        if (step + 1) % settings.report_every == 0 or last:
            mean = sum(losses) / len(losses)
            losses.clear()
            held_out = _measure(recipe, average)
            _append(table, step + 1, mean, held_out)
            if report is not None:
                pace = (time.monotonic() - start) / (step + 1 - begin)
                left = pace * (settings.steps - step - 1)
                told = dict(calls)
                report(Progress(recipe.name, step + 1, settings.steps, mean, left, held_out, told))
        if last or time.monotonic() - saved > settings.save_every:
            saved = time.monotonic()
            _save(
                checkpoint,
                {
                    "net": net.state_dict(),
                    "average": average,
                    "optimiser": optimiser.state_dict(),
                    "recipe": recipe.state() if isinstance(recipe, Stateful) else {},
                    "step": step + 1,
                    "seconds": before + saved - start,
                    "calls": calls,
                    "settings": asdict(settings),
                },
            )
    return checkpoint


def _schedule(step: int, settings: FitSettings) -> float:
    begin, end = settings.stage(step)
    step, steps = step - begin, end - begin
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    done = (step - settings.warmup) / max(steps - settings.warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def _measure(recipe: Recipe, average: Mapping[str, torch.Tensor]) -> float | None:
    if not isinstance(recipe, Measured):
        return None
    with _weights(recipe.net, average):
        return recipe.held_out()


@contextmanager
def _weights(net: torch.nn.Module, weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(weights)
    net.eval()
    try:
        yield
    finally:
        net.load_state_dict(kept)
        net.train()


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


def _append(table: FilePath, step: int, loss: float, held_out: float | None) -> None:
    """Add a row to a table of losses, after those of earlier steps.

    Rows of the same or later steps are of a training that was interrupted and are left out. A table
    without a column keeps being without it.
    """
    columns, rows = ["step", "loss", "held_out"], []
    if table.exists():
        with table.open(newline="") as file:
            reader = csv.DictReader(file)
            rows = [row for row in reader if int(row["step"]) < step]
            columns = list(reader.fieldnames or columns)
    told = "" if held_out is None else f"{held_out:.6g}"
    rows.append({"step": str(step), "loss": f"{loss:.6g}", "held_out": told})
    temporary = table.with_suffix(".tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(temporary, table)


def _save(path: FilePath, state: dict[str, Any]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def _load(path: FilePath) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state
