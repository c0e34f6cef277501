"""Distil students from the reference of a bundle."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import POINT, TEACHER, WEIGHTS_FILE, FlowMapConfig, SolverConfig
from napari_posterior.bundles.parts import part_folder, teacher_grid
from napari_posterior.bundles.write import CardFields, Part, write_bundle
from napari_posterior.errors import InputError
from napari_posterior.networks.registry import build
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import SceneStream, TrainingRange
from napari_posterior.training.files import licence, network, read_part, read_weights, work_folder
from napari_posterior.training.fit import FitSettings, fit, load_average, read_minutes
from napari_posterior.training.plan import VELOCITY_ARCH
from napari_posterior.training.recipes.flowmap import FlowMapRecipe
from napari_posterior.training.targets import Reference, Trajectories, make_trajectories

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path as FilePath

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.training.fit import Report
    from napari_posterior.training.recipes.base import Recipe

__all__ = ["STUDENTS", "DistillPlan", "distill"]

STUDENTS: dict[str, tuple[int, ...]] = {"kd": (1,), "flowmap": (1, 2, 3, 4)}
"""Step counts each student is trained for: one step (knowledge distillation), or one to four."""

_QUARTERS = 4
_STATES_OF_STEPS = {1: (0, 4), 2: (0, 2, 4), 3: (0, 1, 2, 4), 4: (0, 1, 2, 3, 4)}


@dataclass(frozen=True)
class DistillPlan:
    """Everything the students depend on besides their teacher.

    Parameters
    ----------
    seed : int
        Seed of measurements, noise and training.
    trajectories : int
        Trajectories of the reference to learn from.
    steps : int
        Steps of each student.
    batch : int
        Images a step, over all processes.
    rate : float
        Peak learning rate.
    size : int
        Height and width of the training crops, in pixels.
    processes : int
        Processes, one thread each.
    autocast : bool
        Train in bfloat16.
    """

    seed: int = 0
    trajectories: int = 10_000
    steps: int = 6_000
    batch: int = 16
    rate: float = 5e-4
    size: int = 64
    processes: int = 2
    autocast: bool = True


def distill(
    bundle: str | os.PathLike[str],
    *,
    students: tuple[str, ...] = tuple(STUDENTS),
    plan: DistillPlan | None = None,
    work: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> FilePath:
    """Distil students from the reference of a bundle and add them to it.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle with a teacher and a point estimate; students of the same names are
        replaced, and measured figures are removed, since they were measured without the new ones.
    students : tuple of str
        Which of `STUDENTS` to train.
    plan : DistillPlan, optional
        Seed and length; the defaults remake the shipped students.
    work : str or path, optional
        Where trajectories, checkpoints and loss curves are kept, ``BUNDLE.training`` by default; a
        call with the same folder and plan goes on where an interrupted one stopped.
    report : callable, optional
        Called with a ``Progress`` now and then; picklable if there are several processes.

    Returns
    -------
    pathlib.Path
        The bundle's folder.

    Raises
    ------
    InputError
        If a student's name is unknown.
    ModelError
        If the bundle is damaged or incomplete.
    """
    plan = DistillPlan() if plan is None else plan
    unknown = sorted(set(students) - set(STUDENTS))
    if unknown:
        raise InputError(f"unknown student {unknown[0]!r}; use {' or '.join(STUDENTS)}")
    folder = work_folder(bundle, work)
    opened = open_bundle(bundle)
    parts = {name: read_part(opened, name) for name in opened.names}
    config = parts[TEACHER].sampler
    if not isinstance(config, SolverConfig):
        raise InputError("the bundle's teacher has no solver; train it again")
    nodes = tuple(round(i * config.steps / _QUARTERS) for i in range(_QUARTERS + 1))
    grid = teacher_grid(config, config.steps, get_path(opened.card.path))
    reference = Reference(config.solver, grid, nodes)
    trajectories = _make_targets(opened, parts, reference, plan, folder, report)
    minutes = dict(opened.card.training.minutes)
    steps, images = dict(opened.card.training.steps), dict(opened.card.training.images)
    kwargs = dict(parts[TEACHER].config.arch_kwargs)
    for name in students:
        weights = opened.folder / part_folder(TEACHER) / WEIGHTS_FILE
        make = partial(_student_recipe, name, kwargs, weights, folder / "targets", plan)
        settings = FitSettings(
            steps=plan.steps,
            rate=plan.rate,
            warmup=min(100, max(plan.steps // 10, 1)),
            processes=plan.processes,
            autocast=plan.autocast,
        )
        checkpoint = fit(make, settings, folder, report=report)
        times = trajectories.times
        grids = {str(n): tuple(times[i] for i in _STATES_OF_STEPS[n]) for n in STUDENTS[name]}
        parts[name] = Part(
            load_average(checkpoint),
            network(VELOCITY_ARCH, kwargs),
            FlowMapConfig(grids=grids, default_steps=max(STUDENTS[name])),
        )
        minutes[name], steps[name] = round(read_minutes(checkpoint), 1), plan.steps
        images[name] = plan.steps * plan.batch
    fields = {key: getattr(opened.card, key) for key in CardFields.__dataclass_fields__}
    record = opened.card.training.model_copy(
        update={"minutes": minutes, "steps": steps, "images": images}
    )
    card = replace(CardFields(**fields), training=record)
    return write_bundle(
        opened.folder, card=card, parts=parts, licence_text=licence(), overwrite=True
    )


def _make_targets(
    bundle: Bundle,
    parts: Mapping[str, Part],
    reference: Reference,
    plan: DistillPlan,
    folder: FilePath,
    report: Report | None,
) -> Trajectories:
    nets = {name: _build(parts[name]) for name in (TEACHER, POINT)}
    trained = bundle.card.training_range
    stream = SceneStream(
        seed=plan.seed * 16 + 2,
        batch=32,
        size=plan.size,
        trained=TrainingRange(
            peak=trained.peak, psf_sigma=trained.psf_sigma, read_noise=trained.read_noise
        ),
    )
    return make_trajectories(
        nets[TEACHER],
        nets[POINT],
        get_path(bundle.card.path),
        reference,
        stream,
        folder / "targets",
        count=plan.trajectories,
        autocast=plan.autocast,
        report=report,
    )


def _student_recipe(
    name: str,
    kwargs: dict[str, Any],
    weights: FilePath,
    targets: FilePath,
    plan: DistillPlan,
    rank: int,
) -> Recipe:
    net = build(VELOCITY_ARCH, kwargs)
    net.load_state_dict(read_weights(weights))
    last = _QUARTERS
    every = tuple(itertools.combinations(range(last + 1), 2))
    return FlowMapRecipe(
        net=net,
        path=get_path(str(kwargs["path"])),
        trajectories=Trajectories.open(targets),
        jumps=((0, last),) if STUDENTS[name] == (1,) else every,
        seed=plan.seed,
        stream=rank,
        batch=plan.batch // plan.processes,
        name=name,
    )


def _build(part: Part) -> torch.nn.Module:
    net = build(part.config.arch, part.config.arch_kwargs)
    net.load_state_dict(dict(part.state_dict))
    return net.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload, no-any-return]
