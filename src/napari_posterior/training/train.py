"""From nothing to a bundle: train a point estimate, a teacher, and the network for "mse"."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import torch

from napari_posterior.bundles.card import (
    MSE,
    POINT,
    TEACHER,
    Conditioning,
    PointConfig,
    SolverConfig,
    TrainingRecord,
)
from napari_posterior.bundles.card import TrainingRange as CardRange
from napari_posterior.bundles.write import CardFields, Part, check_place, write_bundle
from napari_posterior.sampling.conditioning import VECTOR, Normaliser
from napari_posterior.sampling.solvers import nfe
from napari_posterior.training.curves import curve_drawn
from napari_posterior.training.files import network, work_folder
from napari_posterior.training.fit import load_average, read_minutes
from napari_posterior.training.held_out import HELD_OUT, measurements_of
from napari_posterior.training.plan import (
    POINT_ARCH,
    VELOCITY_ARCH,
    TrainingPlan,
    fit_mse,
    fit_point,
    fit_teacher,
)
from napari_posterior.training.reference import find_reference, with_reference
from napari_posterior.training.words import CardWords

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from torch import Tensor

    from napari_posterior.training.fit import Report

__all__ = ["train"]

REFERENCE = SolverConfig(
    solver="heun", grid="power_late", rho=1.6, steps=24, nfe=nfe("heun", 24), precision="float32"
)
"""Solver and grid of a draft, until the reference is certified."""


def train(
    out: str | os.PathLike[str],
    *,
    plan: TrainingPlan | None = None,
    work: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    words: CardWords | None = None,
    report: Report | None = None,
    note: Callable[[str], None] | None = None,
) -> FilePath:
    """Train a point estimate, a teacher and the network for ``"mse"``; write them as a bundle.

    The solver of the teacher that becomes the reference is certified on scenes that were held out;
    where none passes, the bundle says what its reference leaves open.

    Parameters
    ----------
    out : str or path
        Folder of the bundle; its name is the model's name.
    plan : TrainingPlan, optional
        Seed, length and size; the defaults remake the shipped weights.
    work : str or path, optional
        Where checkpoints and loss curves are kept, ``OUT.training`` by default. A call with the
        same folder and plan goes on where an interrupted one stopped.
    overwrite : bool
        Replace a bundle that is there.
    words : CardWords, optional
        What the card says; by default that it was trained on simulated scenes.
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
    OutputError
        If the bundle exists and `overwrite` is False, or cannot be written.
    """
    plan = TrainingPlan() if plan is None else plan
    words = CardWords() if words is None else words
    target, folder = FilePath(out), work_folder(out, work)
    check_place(target, overwrite=overwrite)
    with curve_drawn(folder / "point.csv", note):
        point = fit_point(plan, folder, report)
    with curve_drawn(folder / "teacher.csv", note):
        teacher = fit_teacher(plan, folder, report)
    with curve_drawn(folder / "mse.csv", note):
        mse = fit_mse(plan, folder, report)
    velocity = network(VELOCITY_ARCH, plan.velocity_kwargs)
    parts = {
        TEACHER: Part(load_average(teacher), velocity, REFERENCE),
        POINT: Part(load_average(point), network(POINT_ARCH, plan.point_kwargs), PointConfig()),
    }
    steps = {POINT: plan.steps, TEACHER: plan.steps, MSE: plan.mse_steps}
    card = CardFields(
        id=f"napari-posterior/{target.name}",
        name=target.name,
        version="0.1.0",
        license=words.license,
        description=words.description,
        intended_use=words.intended_use,
        known_limits=words.known_limits,
        path=plan.path,
        conditioning=Conditioning(normaliser=asdict(Normaliser()), vector=VECTOR),
        training=TrainingRecord(
            steps=steps,
            images={name: count * plan.batch for name, count in steps.items()},
            seed=plan.seed,
            minutes={
                name: round(read_minutes(checkpoint), 1)
                for name, checkpoint in ((POINT, point), (TEACHER, teacher), (MSE, mse))
            },
            kinds=words.kinds,
            own=words.own,
            start=words.start,
        ),
        training_range=_measure_range(plan),
    )
    reference = _certify(card, parts, plan, folder, words.licence_text, report)
    parts[TEACHER] = replace(parts[TEACHER], sampler=reference)
    parts[MSE] = Part(load_average(mse), velocity, PointConfig())
    return write_bundle(
        target,
        card=with_reference(card, reference),
        parts=parts,
        licence_text=words.licence_text,
        overwrite=overwrite,
    )


def _certify(
    card: CardFields,
    parts: dict[str, Part],
    plan: TrainingPlan,
    folder: FilePath,
    licence_text: str,
    report: Report | None,
) -> SolverConfig:
    """Return the reference, measured on a draft of the bundle that is not kept."""
    draft = write_bundle(
        folder / "draft", card=card, parts=parts, licence_text=licence_text, overwrite=True
    )
    reference = find_reference(
        draft,
        folder / "reference.json",
        plan=plan.certify,
        measurements=measurements_of(plan.stream(HELD_OUT, 0), plan.certify.scenes),
        device=plan.device,
        report=report,
    )
    shutil.rmtree(draft)
    return reference


def _measure_range(plan: TrainingPlan) -> CardRange:
    """Return the range of measurements that training saw, from simulated ones."""
    stream = plan.stream(1, 0)
    batches = [stream.batch_at(number) for number in range(100)]
    scale = torch.cat([batch.s.flatten() for batch in batches])
    level = torch.cat([batch.b.flatten() for batch in batches])
    return CardRange(
        psf_sigma=plan.trained.psf_sigma,
        read_noise=plan.trained.read_noise,
        peak=plan.trained.peak,
        photon_scale=_middle(scale),
        background=_middle(level),
    )


def _middle(values: Tensor) -> tuple[float, float]:
    low, high = values.quantile(torch.tensor([0.005, 0.995])).tolist()
    return float(f"{low:.3g}"), float(f"{high:.3g}")
