"""What a training learns from: the seam between a plan and its streams of batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_posterior.training.batches import SceneStream

if TYPE_CHECKING:
    from napari_posterior.training.batches import BatchStream, TrainingRange

__all__ = ["SimulatedData", "TrainingData"]


class TrainingData(Protocol):
    """Makes streams of batches; picklable, so that every process can make its own."""

    def stream(
        self,
        *,
        seed: int,
        batch: int,
        stream: int,
        size: int,
        device: str,
        trained: TrainingRange,
        held_out: bool = False,
    ) -> BatchStream:
        """Return a stream of batches.

        Parameters
        ----------
        seed, batch, stream, size, device, trained
            As those of :class:`~napari_posterior.training.batches.SceneStream`.
        held_out : bool
            Draw from what no training of these data sees. Where scenes are simulated it is the
            seed that keeps them apart.
        """
        ...


@dataclass(frozen=True)
class SimulatedData:
    """Scenes that are simulated, what the shipped weights learn from."""

    def stream(
        self,
        *,
        seed: int,
        batch: int,
        stream: int,
        size: int,
        device: str,
        trained: TrainingRange,
        held_out: bool = False,
    ) -> SceneStream:
        """Return a stream of batches; see :class:`TrainingData`."""
        return SceneStream(
            seed=seed, batch=batch, stream=stream, size=size, device=device, trained=trained
        )
