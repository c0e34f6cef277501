"""The seam between the training loop and what is taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

__all__ = ["Measured", "Recipe", "Stateful", "mean_loss"]


class Recipe(Protocol):
    """A network and a loss; the loop in ``fit`` owns optimiser, schedule and averaging.

    A recipe may offer more: what :class:`Stateful` and :class:`Measured` ask for, and
    ``networks``, a mapping of names to the networks it evaluates, whose evaluations are counted.
    """

    name: str
    net: nn.Module

    def loss(self, step: int) -> Tensor:
        """Return the scalar loss of one step; every random number derives from `step`."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """A recipe that changes besides its network, and resumes from what a checkpoint keeps."""

    def after_step(self, step: int) -> None:
        """Take note that the optimiser has made step number `step`, counted from 0."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed training needs besides the network."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what :meth:`state` returned."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A recipe that measures its network on images that no step learns from."""

    def held_out(self) -> float | None:
        """Return a loss of the network as it is, always of the same images; None without any."""
        ...


@torch.no_grad()
def mean_loss(loss: Callable[[int], Tensor], batches: int = 4) -> float:
    """Return the mean of ``loss(i)`` over the first batches."""
    return sum(float(loss(i)) for i in range(batches)) / batches
