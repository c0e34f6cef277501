"""Where the states come from that a student learns at: noised objects, noise, or stored states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from napari_posterior.training.recipes.point import standardise

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.batches import BatchStream
    from napari_posterior.training.targets import Trajectories

__all__ = [
    "DataSource",
    "Drawn",
    "NoiseSource",
    "Noised",
    "Source",
    "Stored",
    "StoredSource",
]


class Drawn(Protocol):
    """The images of one step with their conditions, before a time is chosen for each."""

    @property
    def maps(self) -> Tensor:
        """Condition maps, (B, C, H, W)."""
        ...

    @property
    def vector(self) -> Tensor:
        """Condition vectors, (B, D)."""
        ...

    @property
    def generator(self) -> torch.Generator:
        """What the times are drawn with."""
        ...

    def at(self, t: Tensor) -> Tensor:
        """Return the states (B, 1, H, W) at the times t (B,)."""
        ...


class Source(Protocol):
    """An endless supply of images; a draw is a function of the step alone."""

    def draw(self, step: int) -> Drawn:
        """Return the images of one step."""
        ...


@dataclass(frozen=True)
class Noised:
    """Clean images and noise: ``x_t = alpha_t r + beta_t eps``.

    Parameters
    ----------
    path : Path
        The teacher's path.
    clean, noise : Tensor, (B, 1, H, W)
        Standardised residuals and standard normal noise.
    maps, vector : Tensor
        Conditions.
    generator : torch.Generator
        What the times are drawn with.
    """

    path: Path
    clean: Tensor
    noise: Tensor
    maps: Tensor
    vector: Tensor
    generator: torch.Generator

    def at(self, t: Tensor) -> Tensor:
        """Return the noised images; those of one image lie on a line, not on a trajectory."""
        return self.path.noise(self.clean, t[:, None, None, None], self.noise)


@dataclass(frozen=True)
class DataSource:
    """Simulated objects, noised: the marginals that the teacher was trained on.

    Parameters
    ----------
    stream : BatchStream
        Objects with their measurements.
    point : nn.Module
        The point network, which standardises them.
    path : Path
        The teacher's path.
    """

    stream: BatchStream
    point: nn.Module
    path: Path

    def draw(self, step: int) -> Noised:
        """Return the residuals of one batch with noise."""
        batch = self.stream.batch_at(step)
        with torch.no_grad():
            r, maps = standardise(batch, self.point)
        generator = torch.Generator(r.device).manual_seed(self.stream.seed_of(step))
        noise = torch.empty_like(r).normal_(generator=generator)
        return Noised(self.path, r, noise, maps, batch.vector, generator)


@dataclass(frozen=True)
class NoiseSource:
    """Noise with the measurements of another source: where every trajectory starts.

    Parameters
    ----------
    source : DataSource or another source of noised images
        Measurements.
    """

    source: Source

    def draw(self, step: int) -> FromNoise:
        """Return noise and conditions of one batch."""
        return FromNoise(self.source.draw(step))


@dataclass(frozen=True)
class FromNoise:
    """Images of which only the noise is looked at."""

    drawn: Drawn

    @property
    def maps(self) -> Tensor:
        """Condition maps, (B, C, H, W)."""
        return self.drawn.maps

    @property
    def vector(self) -> Tensor:
        """Condition vectors, (B, D)."""
        return self.drawn.vector

    @property
    def generator(self) -> torch.Generator:
        """What the times are drawn with."""
        return self.drawn.generator

    def at(self, t: Tensor) -> Tensor:
        """Return the noise; the times have to be 1."""
        if bool((t != 1).any()):
            raise ValueError("a source of noise has states at t = 1 only")
        return self.drawn.at(t)


@dataclass(frozen=True)
class Stored:
    """States of stored trajectories.

    Parameters
    ----------
    times : Tensor, (N,)
        Times of the states.
    states : Tensor, (B, N, H, W)
        States of B trajectories.
    maps, vector : Tensor
        Conditions.
    generator : torch.Generator
        What the times are drawn with.
    """

    times: Tensor
    states: Tensor
    maps: Tensor
    vector: Tensor
    generator: torch.Generator

    def at(self, t: Tensor) -> Tensor:
        """Return the states at stored times; those of one image lie on one trajectory."""
        found = t[:, None] == self.times
        if not bool(found.any(1).all()):
            raise ValueError("trajectories have states at their stored times only")
        rows = torch.arange(len(t), device=t.device)
        return self.states[rows, found.to(torch.uint8).argmax(1)][:, None]


@dataclass(frozen=True)
class StoredSource:
    """Trajectories of the reference, made before and kept on disk.

    Parameters
    ----------
    trajectories : Trajectories
        Stored states with their conditions.
    batch : int
        Images a step.
    seed, stream : int
        Seed of the recipe and number of the process.
    device : str
        Where the images are wanted.
    """

    trajectories: Trajectories
    batch: int
    seed: int = 0
    stream: int = 0
    device: str = "cpu"

    def draw(self, step: int) -> Stored:
        """Return trajectories picked and turned at random."""
        generator = torch.Generator().manual_seed((self.seed * 1_000_003 + step) * 64 + self.stream)
        states, maps, vector = self.trajectories.draw(self.batch, generator)
        return Stored(
            times=torch.tensor(self.trajectories.times, device=self.device),
            states=states.to(self.device),
            maps=maps.to(self.device),
            vector=vector.to(self.device),
            generator=generator,
        )
