"""The teacher: conditional flow matching of the standardised residual."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from napari_posterior.training.recipes.base import mean_loss
from napari_posterior.training.recipes.point import standardise

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.batches import BatchStream

__all__ = ["FlowRecipe"]


@dataclass
class FlowRecipe:
    """Regress the normalised velocity of ``x_t`` (Lipman et al. 2023; v-prediction on VP).

    Half of the times are uniform and half logit-normal(-0.4, 1) (Esser et al. 2024). The held-out
    loss is that of `held`, a stream that no step learns from.
    """

    net: nn.Module
    point: nn.Module
    path: Path
    stream: BatchStream
    name: str = "teacher"
    held: BatchStream | None = None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are evaluated."""
        return {"teacher": self.net, "point": self.point}

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        return self._loss(self.stream, step)

    def held_out(self) -> float | None:
        """Return the loss on images that no step learns from; None without any."""
        return None if self.held is None else mean_loss(partial(self._loss, self.held))

    def _loss(self, stream: BatchStream, step: int) -> Tensor:
        batch = stream.batch_at(step)
        with torch.no_grad():
            r, maps = standardise(batch, self.point)
        generator = torch.Generator(r.device).manual_seed(stream.seed_of(step))
        t = draw_times(r.shape[0], generator)
        eps = torch.empty_like(r).normal_(generator=generator)
        at = t[:, None, None, None]
        target = self.path.F_of(r, eps, at)
        F = self.net(self.path.noise(r, at, eps), t, t, maps, batch.vector)
        # squared error only: any robust loss would move the learned velocity off the mean
        loss: Tensor = (F - target).square().mean()
        return loss


def draw_times(count: int, generator: torch.Generator) -> Tensor:
    """Return times in (0, 1), half uniform, half logit-normal(-0.4, 1)."""
    uniform = torch.rand(count, generator=generator, device=generator.device)
    normal = torch.randn(count, generator=generator, device=generator.device)
    half = torch.arange(count, device=generator.device) % 2 == 0
    return torch.where(half, uniform, torch.sigmoid(normal - 0.4)).clamp(1e-4, 1 - 1e-4)
