"""From nothing to a bundle: train a point estimate and a teacher."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import torch

from napari_posterior.bundles.card import (
    POINT,
    TEACHER,
    Conditioning,
    PointConfig,
    SolverConfig,
    TrainingRecord,
)
from napari_posterior.bundles.card import TrainingRange as CardRange
from napari_posterior.bundles.write import CardFields, Part, write_bundle
from napari_posterior.physics.scenes import KINDS
from napari_posterior.sampling.conditioning import VECTOR, Normaliser
from napari_posterior.sampling.solvers import nfe
from napari_posterior.training.files import licence, network, work_folder
from napari_posterior.training.fit import load_average, read_minutes
from napari_posterior.training.plan import (
    POINT_ARCH,
    VELOCITY_ARCH,
    TrainingPlan,
    fit_point,
    fit_teacher,
)

if TYPE_CHECKING:
    import os

    from torch import Tensor

    from napari_posterior.training.fit import Report

__all__ = ["train"]

REFERENCE = SolverConfig(
    solver="heun", grid="power_late", rho=1.6, steps=24, nfe=nfe("heun", 24), precision="float32"
)
"""Solver and grid of the reference, and of the targets that students learn from."""


def train(
    out: str | os.PathLike[str],
    *,
    plan: TrainingPlan | None = None,
    work: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    report: Report | None = None,
) -> FilePath:
    """Train a point estimate and a teacher on simulated scenes and write them as a bundle.

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
    report : callable, optional
        Called with a ``Progress`` now and then; picklable if there are several processes.

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
    target, folder = FilePath(out), work_folder(out, work)
    point, teacher = fit_point(plan, folder, report), fit_teacher(plan, folder, report)
    velocity = network(VELOCITY_ARCH, plan.velocity_kwargs)
    parts = {
        TEACHER: Part(load_average(teacher), velocity, REFERENCE),
        POINT: Part(load_average(point), network(POINT_ARCH, plan.point_kwargs), PointConfig()),
    }
    card = CardFields(
        id=f"napari-posterior/{target.name}",
        name=target.name,
        version="0.1.0",
        license="BSD-3-Clause",
        description=(
            "Posterior samples of two-dimensional fluorescence images: conditional flow matching "
            "of the standardised residual around a point estimate, trained on simulated puncta, "
            "filaments, sheets, nuclei and haze."
        ),
        intended_use=(
            "Denoising and mild deconvolution of single planes whose camera and Gaussian PSF are "
            "known or estimated, and comparison of distilled students with the teacher."
        ),
        known_limits=(
            "Trained on simulated scenes only: what it draws where the measurement says little "
            "comes from them.",
            "The PSF is Gaussian and the same everywhere; the camera is linear, with one gain, "
            "offset and read noise for all pixels.",
            "Planes of a stack are restored separately; samples of neighbouring planes are not "
            "drawn jointly.",
        ),
        path=plan.path,
        conditioning=Conditioning(normaliser=asdict(Normaliser()), vector=VECTOR),
        training=TrainingRecord(
            steps={POINT: plan.steps, TEACHER: plan.steps},
            images=dict.fromkeys((POINT, TEACHER), plan.steps * plan.batch),
            seed=plan.seed,
            minutes={
                name: round(read_minutes(checkpoint), 1)
                for name, checkpoint in ((POINT, point), (TEACHER, teacher))
            },
            kinds=KINDS,
        ),
        training_range=_measure_range(plan),
    )
    return write_bundle(target, card=card, parts=parts, licence_text=licence(), overwrite=overwrite)


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
