"""Where scenes come from: the seam between training batches and what x can look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch

from napari_posterior.physics.scenes import KINDS, Dice, draw_scenes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SceneSource", "SimulatedScenes"]


class SceneSource(Protocol):
    """Draws scenes; picklable, and without any state that a draw depends on."""

    @property
    def overlays(self) -> bool:
        """Whether two scenes may be laid over each other, as if they were one specimen."""
        ...

    def draw(self, count: int, size: int, dice: Dice) -> Tensor:
        """Draw scenes.

        Parameters
        ----------
        count : int
            Number of scenes.
        size : int
            Height and width in pixels, the margin for the blur included.
        dice : Dice
            The only source of randomness; its device is the scenes' device.

        Returns
        -------
        Tensor, (count, 1, size, size), float32
            Objects at the target resolution, 0 or more; bright structure has about 1.
        """
        ...


@dataclass(frozen=True)
class SimulatedScenes:
    """Scenes of every simulated kind, equally often."""

    overlays: ClassVar[bool] = True

    def draw(self, count: int, size: int, dice: Dice) -> Tensor:
        """Draw scenes; see :class:`SceneSource`."""
        share = -(-count // len(KINDS))
        drawn = torch.cat([draw_scenes(kind, share, size, 1.0, dice) for kind in KINDS])
        return drawn[:count]
