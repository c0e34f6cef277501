"""The baseline of one image: the teacher's network, taught to give the mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from napari_posterior.training.recipes.base import mean_loss
from napari_posterior.training.recipes.point import SPREAD_FLOOR, size_of_error, standardise

if TYPE_CHECKING:
    from torch import Tensor, nn

    from napari_posterior.sampling.path import Path
    from napari_posterior.training.batches import BatchStream

__all__ = ["MseRecipe"]


@dataclass
class MseRecipe:
    """Regress the standardised residual with the network of the teacher, from its weights.

    The network is asked for the data at time 1 where the noise would be, and given none: its answer
    is a function of the measurement alone. The loss is the squared error of the image, every image
    measured by the size of error that the point estimate expects of it; its optimum is the
    posterior mean, as for the teacher's samples. The held-out loss is that of `held`, a stream that
    no step learns from.
    """

    net: nn.Module
    point: nn.Module
    path: Path
    stream: BatchStream
    name: str = "mse"
    held: BatchStream | None = None

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks that are evaluated."""
        return {"mse": self.net, "point": self.point}

    def loss(self, step: int) -> Tensor:
        """Return the loss of one step."""
        return self._loss(self.stream, step)

    def held_out(self) -> float | None:
        """Return the loss on images that no step learns from; None without any."""
        return None if self.held is None else mean_loss(partial(self._loss, self.held), 16)

    def _loss(self, stream: BatchStream, step: int) -> Tensor:
        batch = stream.batch_at(step)
        with torch.no_grad():
            r, maps = standardise(batch, self.point)
        nothing, one = torch.zeros_like(r), torch.ones(r.shape[0], device=r.device)
        F = self.net(nothing, one, one, maps, batch.vector)
        error = self.path.data_from_F(nothing, one[:, None, None, None], F) - r
        log_spread = maps[:, -1:]
        spread = log_spread.exp().clamp_min(SPREAD_FLOOR)
        loss: Tensor = (spread * error / size_of_error(log_spread)).square().mean()
        return loss
