"""The reference of a bundle: its teacher's solvers measured on scenes that no training saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import POINT, TEACHER, SolverConfig
from napari_posterior.bundles.certificate import Certificate
from napari_posterior.bundles.parts import read_parts
from napari_posterior.bundles.write import CardFields, Part, write_bundle
from napari_posterior.errors import InputError, ModelError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.sampling.certify import SolverChoice, certify
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.samplers import TeacherSampler
from napari_posterior.training.batches import SceneStream, TrainingRange
from napari_posterior.training.files import read_weights

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path as FilePath

    import numpy as np
    import torch
    from torch import Tensor

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.sampling.certify import Certification
    from napari_posterior.sampling.conditioning import Condition

__all__ = [
    "CANDIDATES",
    "RULER",
    "STOCHASTIC",
    "SceneDraw",
    "certify_bundle",
    "draw_scenes_of",
    "held_out",
    "reference_config",
    "write_reference",
]

_LOG = (("sigma_max", 300.0), ("sigma_min", 0.01))
_FINE = (("sigma_max", 80.0), ("sigma_min", 0.002))

RULER: Final = SolverChoice("dpmpp2m", "power_late", 128, (("rho", 2.0),))
"""What candidates are measured with, once its steps are doubled and its noise level halved."""

STOCHASTIC: Final = SolverChoice("dpmpp2m_sde", "logsnr", 128, _FINE)
"""The solver of the self-check; on a Gaussian it is off by 0.2 % of the variance."""

CANDIDATES: Final = (
    SolverChoice("euler", "uniform", 32),
    SolverChoice("heun", "power_late", 24, (("rho", 1.6),)),
    SolverChoice("heun", "power_late", 32, (("rho", 2.0),)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 1.6),)) for n in (32, 48)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 2.0),)) for n in (24, 32, 48, 64)),
    *(SolverChoice("dpmpp2m", "power_late", n, (("rho", 2.5),)) for n in (32, 48)),
    # coarse structure varies by many times a pixel's sd: noise must start far above it
    *(SolverChoice("dpmpp2m", "logsnr", n, _LOG) for n in (24, 32, 40, 48)),
)
"""Solvers and grids that are offered to be the reference."""

_STAGE = 3
"""Training uses the seeds 0 to 2 of every plan: no training scene is among these."""


@dataclass(frozen=True)
class SceneDraw:
    """The samples of one scene, from the same noise with every solver.

    Parameters
    ----------
    sampler : TeacherSampler
        The teacher, with any solver.
    condition : Condition
        The prepared measurement.
    samples : int
        How many to draw.
    seed : int
        Of the noise.
    """

    sampler: TeacherSampler
    condition: Condition
    samples: int
    seed: int

    def __call__(self, solver: str, times: tuple[float, ...]) -> np.ndarray:
        """Return the samples, (K, H, W), in photoelectrons per pixel."""
        sampler = replace(self.sampler, solver=solver, grid=times)
        return sampler.draw(self._fresh(0), self.condition, fresh=self._fresh).cpu().numpy()

    def _fresh(self, step: int) -> Tensor:
        shape, device = self.condition.padded_shape, self.condition.maps.device
        return canvas(range(self.samples), shape, seed=self.seed, step=step, device=device)


def held_out(
    count: int, *, seed: int = 0, size: int = 64, trained: TrainingRange | None = None
) -> list[Measurement]:
    """Simulate measurements from the prior of training that no training of this seed saw.

    Parameters
    ----------
    count : int
        How many.
    seed : int
        Seed of the training plan.
    size : int
        Height and width in pixels.
    trained : TrainingRange, optional
        Ranges of the acquisitions.
    """
    stream = SceneStream(
        seed=seed * 16 + _STAGE,
        batch=count,
        size=size,
        trained=TrainingRange() if trained is None else trained,
        pool=max(5 * count, 40),
    )
    batch = stream.batch_at(0)
    return [
        Measurement(
            y=batch.electrons[i, 0].numpy(),
            camera=Camera(gain=1.0, offset=0.0, read_noise=float(batch.acquisition[i, 0])),
            psf=Psf(float(batch.acquisition[i, 1])),
            background=float(batch.acquisition[i, 2]),
        )
        for i in range(count)
    ]


def draw_scenes_of(
    bundle: Bundle,
    measurements: Sequence[Measurement],
    *,
    samples: int,
    device: str | torch.device = "cpu",
    precision: str = "float32",
) -> list[SceneDraw]:
    """Return what draws the samples of each measurement with the teacher of a bundle.

    Raises
    ------
    ModelError
        If the bundle is incomplete, or its teacher is not solved along a path.
    """
    teacher = bundle.sampler(TEACHER, device=device, precision=precision)
    if not isinstance(teacher, TeacherSampler):
        raise ModelError("the bundle's teacher has no solver; train it again")
    conditioner = bundle.conditioner(device)
    return [
        SceneDraw(teacher, conditioner.prepare(measurement, device=device), samples, seed)
        for seed, measurement in enumerate(measurements)
    ]


def certify_bundle(
    bundle: str | os.PathLike[str],
    *,
    scenes: int = 40,
    samples: int = 8,
    candidates: Sequence[SolverChoice] = CANDIDATES,
    ruler: SolverChoice = RULER,
    stochastic: SolverChoice | None = STOCHASTIC,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> Certification:
    """Measure the solvers of a bundle's teacher on held-out scenes; nothing is written.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle.
    scenes, samples : int
        Scenes, and samples of each.
    candidates : sequence of SolverChoice
        Solvers that may become the reference.
    ruler, stochastic : SolverChoice
        See :func:`napari_posterior.sampling.certify.certify`.
    device : str
        Where to compute.
    report : callable, optional
        Called as ``report(done, total)`` after every scene.

    Returns
    -------
    Certification

    Raises
    ------
    ModelError
        If the bundle is damaged or incomplete.
    InputError
        If there are too few scenes or samples.
    """
    opened = open_bundle(bundle)
    trained = opened.card.training_range
    ranges = TrainingRange(
        peak=trained.peak, psf_sigma=trained.psf_sigma, read_noise=trained.read_noise
    )
    measurements = held_out(scenes, seed=opened.card.training.seed, trained=ranges)
    return certify(
        draw_scenes_of(opened, measurements, samples=samples, device=device),
        candidates,
        path=get_path(opened.card.path),
        ruler=ruler,
        stochastic=stochastic,
        report=report,
    )


def reference_config(found: Certification, *, precision: str = "float32") -> SolverConfig:
    """Return what ``sampler.json`` says of the reference.

    Parameters
    ----------
    found : Certification
        Of a teacher.
    precision : str
        Precision of the networks when they were measured.

    Raises
    ------
    ModelError
        If no candidate may be the reference.
    """
    choice = found.require().choice
    return SolverConfig.model_validate(
        {
            "solver": choice.solver,
            "grid": choice.grid,
            **dict(choice.options),
            "steps": choice.steps,
            "nfe": choice.nfe,
            "precision": precision,
            "certificate": Certificate.of(found),
        }
    )


def write_reference(
    bundle: str | os.PathLike[str], found: Certification, *, precision: str = "float32"
) -> FilePath:
    """Make the certified solver the reference of a bundle that has no students yet.

    Measured figures are removed, since they were measured with another reference.

    Parameters
    ----------
    bundle : str or path
        Folder of a bundle with a teacher and a point estimate alone.
    found : Certification
        Of its teacher.
    precision : str
        Precision of the networks when they were measured.

    Returns
    -------
    pathlib.Path
        The bundle's folder.

    Raises
    ------
    ModelError
        If no candidate may be the reference, or the bundle is damaged.
    InputError
        If the bundle has students: they were distilled from the reference it has.
    OutputError
        If it cannot be written.
    """
    opened = open_bundle(bundle)
    files = read_parts(opened.folder, opened.card)
    students = sorted(set(files) - {TEACHER, POINT})
    if students:
        raise InputError(
            f"the student {students[0]!r} was distilled from the reference that the bundle has; "
            "certify the teacher first and distil its students then"
        )
    samplers = {name: part.sampler for name, part in files.items()}
    samplers[TEACHER] = reference_config(found, precision=precision)
    parts = {
        name: Part(read_weights(opened.folder / part.weights_path), part.config, samplers[name])
        for name, part in files.items()
    }
    fields = {key: getattr(opened.card, key) for key in CardFields.__dataclass_fields__}
    return write_bundle(
        opened.folder,
        card=CardFields(**fields),
        parts=parts,
        licence_text=(opened.folder / "LICENSE").read_text(encoding="utf-8"),
        overwrite=True,
    )
