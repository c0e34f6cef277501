"""Scenes that no training saw, and the teacher's samples of them from noise that solvers share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from napari_posterior.bundles.card import TEACHER
from napari_posterior.errors import ModelError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.samplers import TeacherSampler
from napari_posterior.training.batches import SceneStream, TrainingRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import torch
    from torch import Tensor

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.sampling.conditioning import Condition
    from napari_posterior.training.batches import BatchStream

__all__ = ["HELD_OUT", "SceneDraw", "draw_scenes_of", "held_out", "measurements_of"]

HELD_OUT: Final = 3
"""Stage of a plan whose scenes certify: training uses 0 to 2, so it has seen none of them."""


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
        """Return the samples, (K, H, W), in photoelectrons per pixel.

        Raises
        ------
        ModelError
            If they are not finite.
        """
        sampler = replace(self.sampler, solver=solver, grid=times)
        drawn = sampler.draw(self._fresh(0), self.condition, fresh=self._fresh)
        if not drawn.isfinite().all():
            raise ModelError(
                "the teacher draws numbers that are not finite: its training has diverged; train "
                "it again at a lower rate"
            )
        return drawn.cpu().numpy()

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
        seed=seed * 16 + HELD_OUT,
        batch=count,
        size=size,
        trained=TrainingRange() if trained is None else trained,
        pool=max(5 * count, 40),
    )
    return measurements_of(stream, count)


def measurements_of(stream: BatchStream, count: int) -> list[Measurement]:
    """Return the first `count` measurements of a stream, with cameras and PSFs as simulated."""
    found: list[Measurement] = []
    while len(found) < count:
        batch = stream.batch_at(len(found) // stream.batch)
        electrons = batch.electrons[:, 0].cpu().numpy()
        found += [
            Measurement(
                y=y,
                camera=Camera(gain=1.0, offset=0.0, read_noise=read_noise),
                psf=Psf(sigma),
                background=background,
            )
            for y, (read_noise, sigma, background) in zip(
                electrons, batch.acquisition.tolist(), strict=True
            )
        ]
    return found[:count]


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
