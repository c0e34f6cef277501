"""The moving average of a network's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["ramp", "update_average"]


def ramp(decay: float, step: int) -> float:
    """Return the decay at `step`, counted from 0: at first an average over a tenth of the steps."""
    return min(decay, (step + 1) / (step + 10))


@torch.no_grad()
def update_average(
    average: Mapping[str, Tensor], weights: Mapping[str, Tensor], decay: float
) -> None:
    """Move `average` in place towards `weights`: ``decay * average + (1 - decay) * weights``.

    Parameters
    ----------
    average, weights : mapping of str to Tensor
        State dicts of the same network.
    decay : float
        From 0 to 1.
    """
    torch._foreach_lerp_(list(average.values()), [weights[k] for k in average], 1 - decay)
