"""The point estimate: posterior mean by regression, posterior sd from the residuals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from napari_posterior.training.recipes.base import mean_loss

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_posterior.training.batches import Batch, BatchStream

__all__ = ["SPREAD_FLOOR", "PointRecipe", "size_of_error", "standardise"]

SPREAD_FLOOR = 0.02
"""Smallest spread the loss weighs with, in units of the photon scale."""


@dataclass
class PointRecipe:
    """Regress ``(x - b) / s`` on the measurement and learn the size of the error.

    The centre is fitted by squared error over the mean square of the image's spread, which is held
    fixed: any fixed weight keeps the posterior mean as the optimum, and this one lets every image
    count alike, however dim. The spread is fitted by the Gaussian likelihood of the residual,
    without touching the centre. The held-out loss is that of `held`, a stream that no step learns
    from.
    """

    net: nn.Module
    stream: BatchStream
    name: str = "point"
    held: BatchStream | None = None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are evaluated."""
        return {"point": self.net}

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        return self._loss(self.stream, step)

    def held_out(self) -> float | None:
        """Return the loss on images that no step learns from; None without any."""
        return None if self.held is None else mean_loss(partial(self._loss, self.held))

    def _loss(self, stream: BatchStream, step: int) -> Tensor:
        batch = stream.batch_at(step)
        centre, log_spread = self.net(batch.maps, batch.vector)
        error = centre - (batch.x - batch.b) / batch.s
        residual = error.detach().square() * (-2 * log_spread).exp()
        # the cap keeps single surprises from throwing the spread about
        likelihood = log_spread + 0.5 * residual.clamp_max(400.0)
        loss: Tensor = (error / size_of_error(log_spread.detach())).square().mean()
        loss = loss + 0.1 * likelihood.mean()
        return loss


def size_of_error(log_spread: Tensor) -> Tensor:
    """Return the root mean square of each image's spread, (B, 1, 1, 1), in photon scales."""
    spread = log_spread.exp().clamp_min(SPREAD_FLOOR)
    return spread.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()


def standardise(batch: Batch, point: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the residual r = (x - centre) / spread and the four condition maps of a batch."""
    centre, log_spread = point(batch.maps, batch.vector)
    r = ((batch.x - batch.b) / batch.s - centre) * (-log_spread).exp()
    return r, torch.cat([batch.maps, centre, log_spread], dim=1)
