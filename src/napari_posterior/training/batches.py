"""Training batches: scenes measured through optics and camera, redrawn for every step.

A batch is a pure function of (seed, stream, step), so that training resumes exactly where it
stopped. Scenes are drawn in pools that serve several steps; peak, PSF, camera, orientation and
noise are redrawn at every use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import TARGET_SIGMA, Psf, gaussian_blur
from napari_posterior.physics.scenes import Dice
from napari_posterior.sampling.conditioning import Normaliser, make_inputs
from napari_posterior.training.sources import SceneSource, SimulatedScenes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "MARGIN",
    "Batch",
    "BatchStream",
    "SceneStream",
    "TrainingRange",
    "add_second",
    "make_batch",
    "measure_scenes",
    "mix",
    "orient",
]


@dataclass(frozen=True)
class TrainingRange:
    """What the weights are trained for.

    Parameters
    ----------
    peak : (float, float)
        Brightest structure of a scene, in photoelectrons per pixel; log-uniform.
    psf_sigma : (float, float)
        PSF sigma in pixels; uniform, and a share of the images at the lower end exactly.
    read_noise : (float, float)
        In photoelectrons; log-uniform.
    background : (float, float)
        Camera-side background in photoelectrons per pixel; 0 for most images, else log-uniform up
        to the upper end.
    """

    peak: tuple[float, float] = (5.0, 500.0)
    psf_sigma: tuple[float, float] = (TARGET_SIGMA, 3.0)
    read_noise: tuple[float, float] = (0.5, 5.0)
    background: tuple[float, float] = (0.0, 100.0)


@dataclass(frozen=True)
class Batch:
    """Objects with their measurements, ready for a network.

    Parameters
    ----------
    x : Tensor, (B, 1, H, W)
        Photoelectrons per pixel.
    electrons : Tensor, (B, 1, H, W)
        The calibrated measurement in photoelectrons.
    b, s : Tensor, (B, 1, 1, 1)
        Background level and photon scale of the normalisation, in photoelectrons per pixel.
    maps : Tensor, (B, 2, H, W)
        Inputs of the point network.
    vector : Tensor, (B, 4)
        Acquisition conditions.
    acquisition : Tensor, (B, 3)
        Read noise (e-), PSF sigma (px) and camera-side background (e-), as simulated.
    """

    x: Tensor
    electrons: Tensor
    b: Tensor
    s: Tensor
    maps: Tensor
    vector: Tensor
    acquisition: Tensor

    def measurements(self) -> list[Measurement]:
        """Return the measurements one by one, in photoelectrons."""
        electrons = self.electrons[:, 0].cpu().numpy()
        return [
            Measurement(y, Camera(gain=1.0, offset=0.0, read_noise=read), Psf(sigma), background)
            for y, (read, sigma, background) in zip(
                electrons, self.acquisition.tolist(), strict=True
            )
        ]


class BatchStream(Protocol):
    """An endless stream of batches, each a pure function of its step."""

    seed: int
    batch: int
    size: int

    def seed_of(self, step: int) -> int:
        """Return a seed for whatever else a recipe draws at `step`."""
        ...

    def batch_at(self, step: int) -> Batch:
        """Return the batch of one step."""
        ...


@dataclass
class SceneStream:
    """An endless stream of training batches, measurements simulated.

    Parameters
    ----------
    seed : int
        Seed of the whole stream.
    batch : int
        Images a batch.
    stream : int
        Number of the process, so that processes draw different images.
    size : int
        Height and width of the crops, in pixels.
    device : str
        Where scenes are simulated.
    trained : TrainingRange
        Ranges the acquisitions are drawn from.
    blind : float
        Share of images whose acquisition conditions are withheld.
    pool : int
        Scenes drawn at a time.
    reuse : int
        Uses of each scene, each with another orientation, peak, PSF, camera and noise.
    source : SceneSource
        What draws the scenes.
    """

    seed: int
    batch: int
    stream: int = 0
    size: int = 64
    device: str = "cpu"
    trained: TrainingRange = TrainingRange()
    blind: float = 0.1
    pool: int = 512
    reuse: int = 4
    source: SceneSource = field(default_factory=SimulatedScenes)
    _pools: dict[int, Tensor] = field(default_factory=dict, init=False, repr=False)

    def seed_of(self, step: int) -> int:
        """Return a seed for whatever else a recipe draws at `step`."""
        return mix(self.seed, self.stream, 3, step)

    def batch_at(self, step: int) -> Batch:
        """Return the batch of one step."""
        dice = Dice.seeded(mix(self.seed, self.stream, 1, step), self.device)
        per_pool = max(self.pool * self.reuse // self.batch, 1)
        scenes = self._pool_of(step // per_pool)
        picked = torch.randint(
            self.pool, (2, self.batch), generator=dice.generator, device=self.device
        )
        scene = scenes[picked[0]]
        if self.source.overlays:
            scene = add_second(scene, scenes[picked[1]], dice)
        scene = orient(scene, dice)
        low, high = self.trained.peak
        peak = dice.log_uniform(self.batch, 1, 1, 1, low=low, high=high)
        return measure_scenes(
            scene * peak, dice, size=self.size, trained=self.trained, blind=self.blind
        )

    def _pool_of(self, number: int) -> Tensor:
        if number not in self._pools:
            self._pools.clear()
            dice = Dice.seeded(mix(self.seed, self.stream, 2, number), self.device)
            size = self.size + 2 * MARGIN
            self._pools[number] = self.source.draw(self.pool, size, dice)
        return self._pools[number]

    def __getstate__(self) -> dict[str, Any]:
        # a pool can be drawn again
        return {**vars(self), "_pools": {}}


def add_second(scene: Tensor, other: Tensor, dice: Dice) -> Tensor:
    """Lay a second, weaker structure over two scenes in seven, (B, 1, H, W) each.

    This, with a first structure of each kind as often, is the prior of all that is trained.
    """
    share = dice.uniform(scene.shape[0], 1, 1, 1, low=-2.0, high=0.8).clamp_min(0.0)
    return (scene + share * other) / (1 + share)


MARGIN = 16
"""Pixels simulated around a crop, more than four sigma of the widest blur."""


def measure_scenes(
    x: Tensor,
    dice: Dice,
    *,
    size: int,
    trained: TrainingRange,
    blind: float = 0.0,
    jitter: bool = True,
) -> Batch:
    """Image scenes through random optics and cameras of the training range.

    Parameters
    ----------
    x : Tensor, (B, 1, size + 2 MARGIN, size + 2 MARGIN)
        Scenes in photoelectrons per pixel, with a margin for the blur.
    dice : Dice
        Source of randomness.
    size : int
        Height and width of the crops returned, in pixels.
    trained : TrainingRange
        Ranges to draw from.
    blind : float
        Share of images whose acquisition conditions are withheld.
    jitter : bool
        Blur the two numbers of the normalisation, as if the crop were part of a larger plane.

    Returns
    -------
    Batch
    """
    count = x.shape[0]
    low, high = trained.psf_sigma
    sigma = dice.uniform(count, low=low - 0.25 * (high - low), high=high).clamp_min(low)
    read = dice.log_uniform(count, low=trained.read_noise[0], high=trained.read_noise[1])
    most = trained.background[1]
    background = dice.log_uniform(count, low=most / 1000, high=most)
    background = background * (dice.uniform(count) < 0.3)
    inner = slice(MARGIN, MARGIN + size)
    blur = (sigma.square() - TARGET_SIGMA**2).clamp_min(0.0).sqrt()[:, None, None, None]
    mean = gaussian_blur(x, blur)[..., inner, inner].clamp_min(0.0)
    mean = mean + background[:, None, None, None]
    electrons = dice.poisson(mean) + read[:, None, None, None] * dice.normal(*mean.shape)
    acquisition = torch.stack([read, sigma, background], 1)
    return make_batch(
        x[..., inner, inner], electrons, acquisition, dice, blind=blind, jitter=jitter
    )


def make_batch(
    x: Tensor,
    electrons: Tensor,
    acquisition: Tensor,
    dice: Dice,
    *,
    blind: float = 0.0,
    jitter: bool = True,
) -> Batch:
    """Normalise measurements and make what networks are told of them.

    Parameters
    ----------
    x, electrons : Tensor, (B, 1, H, W)
        Objects and measurements, in photoelectrons.
    acquisition : Tensor, (B, 3)
        Read noise (e-), PSF sigma (px) and camera-side background (e-).
    dice : Dice
        Source of randomness.
    blind, jitter
        As in :func:`measure_scenes`.

    Returns
    -------
    Batch
    """
    count = x.shape[0]
    read, background = (acquisition[:, i, None, None, None] for i in (0, 2))
    stats = Normaliser().stats(electrons - background, electrons + read**2)
    b, s = stats.background, stats.photon_scale
    if jitter:
        widen = (0.35 * dice.normal(count, 1, 1, 1)).exp()
        lower = 0.4 * dice.normal(count, 1, 1, 1).clamp_min(0.0)
        b, s = b - lower * s, s * widen
    known = (dice.uniform(count) >= blind).float()
    maps, vector = make_inputs(electrons, background, b, s, acquisition[:, :2], known)
    return Batch(x, electrons, b, s, maps, vector, acquisition)


def orient(x: Tensor, dice: Dice) -> Tensor:
    """Turn and mirror a batch (B, C, H, W) at random, all of its images alike."""
    turn = torch.randint(8, (1,), generator=dice.generator, device=x.device).item()
    x = torch.rot90(x, int(turn) % 4, dims=(2, 3))
    return x.flip(3) if turn >= 4 else x


def mix(*numbers: int) -> int:
    """Hash small integers to one 63-bit seed (splitmix64)."""
    state = 0
    for number in numbers:
        state = (state ^ number) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
