"""Distil students from the teacher of a bundle and add them to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import MSE, POINT, TEACHER, SolverConfig
from napari_posterior.bundles.parts import teacher_grid
from napari_posterior.bundles.write import CardFields, Part, write_bundle
from napari_posterior.errors import InputError, ModelError
from napari_posterior.networks.registry import build
from napari_posterior.sampling.grid import uniform
from napari_posterior.sampling.path import get_path
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.curves import curve_drawn
from napari_posterior.training.data import SimulatedData
from napari_posterior.training.files import network, read_part, work_folder
from napari_posterior.training.fit import FitSettings, fit, load_average, read_minutes
from napari_posterior.training.held_out import HELD_OUT
from napari_posterior.training.methods import (
    COARSE_STEPS,
    FAMILY,
    QUARTERS,
    Method,
    get_method,
)
from napari_posterior.training.recipes.presets import Setup
from napari_posterior.training.recipes.states import DataSource, StoredSource
from napari_posterior.training.recipes.trajectory import HeldOut
from napari_posterior.training.targets import Reference, Trajectories, make_trajectories

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path as FilePath

    from torch import nn

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.training.batches import BatchStream
    from napari_posterior.training.data import TrainingData
    from napari_posterior.training.fit import Report
    from napari_posterior.training.recipes.trajectory import TrajectoryRecipe

__all__ = ["DistillPlan", "StudentPlan", "distill"]

_STAGE = 2
_HELD_OUT_IMAGES = 16


@dataclass(frozen=True)
class DistillPlan:
    """Everything students depend on besides teacher and method.

    Parameters
    ----------
    seed : int
        Seed of measurements, noise and training.
    trajectories : int
        Trajectories to learn from, for methods that need stored ones.
    train_steps : int, optional
        Steps of the optimiser; None: the method's own.
    batch : int, optional
        Images a step, over all processes; None: the method's own.
    rate : float, optional
        Peak learning rate; None: the method's own.
    size : int
        Height and width of the training crops, in pixels.
    processes : int
        Processes, one thread each.
    autocast : bool
        Train in bfloat16.
    device : str
        Where to train.
    data : TrainingData
        What measurements are drawn from.
    """

    seed: int = 0
    trajectories: int = 10_000
    train_steps: int | None = None
    batch: int | None = None
    rate: float | None = None
    size: int = 64
    processes: int = 2
    autocast: bool = True
    device: str = "cpu"
    data: TrainingData = field(default_factory=SimulatedData)


@dataclass(frozen=True)
class StudentPlan:
    """One student; processes of a training make its recipe from it.

    Parameters
    ----------
    bundle : pathlib.Path
        Folder of the teacher's bundle.
    method : str
        A key of ``METHODS``.
    name : str
        Name of the student in the bundle.
    steps : int
        Sampling steps.
    work : pathlib.Path
        Where trajectories and checkpoints are kept.
    plan : DistillPlan
        The rest.
    """

    bundle: FilePath
    method: str
    name: str
    steps: int
    work: FilePath
    plan: DistillPlan

    @property
    def settings(self) -> FitSettings:
        """Settings of the training loop."""
        method, plan = get_method(self.method), self.plan
        steps = plan.train_steps or method.train_steps
        restarts = method.restarts(self.steps, steps)
        shortest = min(b - a for a, b in zip((0, *restarts), (*restarts, steps), strict=True))
        return FitSettings(
            steps=steps,
            rate=plan.rate or method.rate,
            warmup=min(100, max(shortest // 10, 1)),
            processes=plan.processes,
            autocast=plan.autocast,
            restarts=restarts,
        )

    @property
    def batch(self) -> int:
        """Images a step, over all processes."""
        return self.plan.batch or get_method(self.method).batch

    def recipe(self, rank: int) -> TrajectoryRecipe:
        """Return the recipe of one process."""
        opened, method, device = open_bundle(self.bundle), get_method(self.method), self.plan.device
        path = get_path(opened.card.path)
        teacher, point = (_network(opened, name, device) for name in (TEACHER, POINT))
        held = DataSource(_stream(opened, self.plan, HELD_OUT, _HELD_OUT_IMAGES), point, path)
        net = _network(opened, TEACHER, device).train().requires_grad_(True)
        share, seed = self.batch // self.plan.processes, self.plan.seed
        times: tuple[float, ...] = ()
        source: DataSource | StoredSource
        if method.targets is None:
            source = DataSource(_stream(opened, self.plan, _STAGE, share, rank), point, path)
        else:
            stored = Trajectories.open(_targets_folder(self.work, method))
            source, times = StoredSource(stored, share, seed, rank, device), stored.times
        grid = method.sampler(self.steps, times).grids
        # with new noise between its steps a student is no longer on the reference's trajectory
        one = method.mode == "renoise"
        return method.make(
            Setup(
                net=net,
                teacher=teacher,
                path=path,
                source=source,
                steps=self.settings.steps,
                held=HeldOut(
                    teacher,
                    _reference(opened),
                    held,
                    uniform(1) if one else grid[str(self.steps)],
                ),
                name=self.name,
            ),
            self.steps,
        )


def distill(
    bundle: str | os.PathLike[str],
    *,
    methods: Sequence[str] = FAMILY,
    steps: int | None = None,
    name: str | None = None,
    plan: DistillPlan | None = None,
    work: str | os.PathLike[str] | None = None,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
) -> FilePath:
    """Distil students from the teacher of a bundle and add them to it.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle with a teacher and a point estimate; students of the same names are
        replaced, and measured figures are removed, since they were measured without the new ones.
    methods : sequence of str
        Keys of ``METHODS``, one student each.
    steps : int, optional
        Sampling steps of the students whose method leaves a choice; None: the method's own.
    name : str, optional
        Name of the student in the bundle, where there is one; its method's by default.
    plan : DistillPlan, optional
        Seed and length; the defaults remake the shipped students.
    work : str or path, optional
        Where trajectories, checkpoints and loss curves are kept, ``BUNDLE.training`` by default; a
        call with the same folder and plan goes on where an interrupted one stopped.
    report : callable, optional
        Called with a ``Progress`` now and then; picklable if there are several processes.
    note : callable, optional
        Called with a sentence where a loss curve cannot be drawn.

    Returns
    -------
    pathlib.Path
        The bundle's folder.

    Raises
    ------
    InputError
        If a method is unknown, or the steps or the name do not fit the methods.
    ModelError
        If the bundle is damaged or incomplete, or the folder `work` holds another student of the
        name.
    """
    plan = DistillPlan() if plan is None else plan
    chosen = _choose(methods, steps, name)
    folder = work_folder(bundle, work)
    opened = open_bundle(bundle)
    students = [
        StudentPlan(
            bundle=opened.folder,
            method=method.name,
            name=name or method.name,
            steps=steps if steps and method.takes_steps else method.steps,
            work=folder,
            plan=plan,
        )
        for method in chosen
    ]
    for student in students:
        _check_plan(student)
    parts = {part: read_part(opened, part) for part in opened.card.parts}
    minutes = dict(opened.card.training.minutes)
    made, images = dict(opened.card.training.steps), dict(opened.card.training.images)
    taught = dict(opened.card.training.methods)
    for student, method in zip(students, chosen, strict=True):
        times = _make_targets(opened, method, plan, folder, report)
        with curve_drawn(folder / f"{student.name}.csv", note):
            checkpoint = fit(student.recipe, student.settings, folder, report=report)
        kwargs = dict(parts[TEACHER].config.arch_kwargs)
        parts[student.name] = Part(
            load_average(checkpoint),
            network(parts[TEACHER].config.arch, kwargs),
            method.sampler(student.steps, times),
        )
        minutes[student.name] = round(read_minutes(checkpoint), 1)
        made[student.name] = student.settings.steps
        images[student.name] = student.settings.steps * student.batch
        taught[student.name] = f"{method.title}: {method.inference}"
    fields = {key: getattr(opened.card, key) for key in CardFields.__dataclass_fields__}
    record = opened.card.training.model_copy(
        update={"minutes": minutes, "steps": made, "images": images, "methods": taught}
    )
    card = replace(CardFields(**fields), training=record)
    licence_text = (opened.folder / "LICENSE").read_text(encoding="utf-8")
    return write_bundle(
        opened.folder, card=card, parts=parts, licence_text=licence_text, overwrite=True
    )


def _choose(methods: Sequence[str], steps: int | None, name: str | None) -> list[Method]:
    chosen = [get_method(method) for method in dict.fromkeys(methods)]
    if name is not None and len(chosen) != 1:
        raise InputError("a name is for one student; give one method with it")
    if name in (TEACHER, POINT, MSE):
        raise InputError(f"the bundle calls another part {name!r}; give another name")
    if steps is not None and not any(method.takes_steps for method in chosen):
        raise InputError(f"the method {chosen[0].name!r} has its own steps; leave the number out")
    if steps is not None and not 1 <= steps <= 32:
        raise InputError(f"{steps} sampling steps were asked for; give a number from 1 to 32")
    return chosen


def _check_plan(student: StudentPlan) -> None:
    """Refuse a folder with another student of the name; note which one this is."""
    settings = student.settings
    told = {
        "method": student.method,
        "sampling_steps": student.steps,
        "train_steps": settings.steps,
        "rate": settings.rate,
        "batch": student.batch,
        **{k: v for k, v in asdict(student.plan).items() if k in ("seed", "size", "trajectories")},
    }
    file = student.work / f"{student.name}.json"
    if file.exists() and json.loads(file.read_text()) != told:
        raise ModelError(
            f"the folder {student.work} holds another student called {student.name!r}; give "
            "another folder or another name"
        )
    student.work.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told))


def _reference(bundle: Bundle) -> Reference:
    config = read_part(bundle, TEACHER).sampler
    if not isinstance(config, SolverConfig):
        raise InputError("the bundle's teacher has no solver; train it again")
    grid = teacher_grid(config, config.steps, get_path(bundle.card.path))
    nodes = tuple(round(i * config.steps / QUARTERS) for i in range(QUARTERS + 1))
    return Reference(config.solver, grid, nodes)


def _targets_folder(work: FilePath, method: Method) -> FilePath:
    return work / {"reference": "targets", "coarse": "targets-euler"}[str(method.targets)]


def _make_targets(
    bundle: Bundle, method: Method, plan: DistillPlan, work: FilePath, report: Report | None
) -> tuple[float, ...]:
    """Make the trajectories that a method needs and return the times of their states."""
    if method.targets is None:
        return ()
    coarse = Reference("euler", uniform(COARSE_STEPS), (0, COARSE_STEPS))
    reference = _reference(bundle) if method.targets == "reference" else coarse
    stored = make_trajectories(
        _network(bundle, TEACHER, plan.device),
        _network(bundle, POINT, plan.device),
        get_path(bundle.card.path),
        reference,
        _stream(bundle, plan, _STAGE, 32),
        _targets_folder(work, method),
        count=plan.trajectories,
        autocast=plan.autocast,
        report=report,
    )
    return stored.times


def _stream(
    bundle: Bundle, plan: DistillPlan, stage: int, batch: int, rank: int = 0
) -> BatchStream:
    trained = bundle.card.training_range
    return plan.data.stream(
        seed=plan.seed * 16 + stage,
        batch=batch,
        stream=rank,
        size=plan.size,
        device=plan.device,
        trained=TrainingRange(
            peak=trained.peak, psf_sigma=trained.psf_sigma, read_noise=trained.read_noise
        ),
        held_out=stage == HELD_OUT,
    )


def _network(bundle: Bundle, name: str, device: str) -> nn.Module:
    part = read_part(bundle, name)
    net = build(part.config.arch, part.config.arch_kwargs)
    net.load_state_dict(dict(part.state_dict))
    return net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload, no-any-return]
