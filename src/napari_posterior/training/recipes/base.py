"""The seam between the training loop and what is taught."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Recipe"]


class Recipe(Protocol):
    """A network and a loss; the loop in ``fit`` owns optimiser, schedule and averaging."""

    name: str
    net: nn.Module

    def loss(self, step: int) -> Tensor:
        """Return the scalar loss of one step; every random number derives from `step`."""
        ...
