"""Formulas over blocks of pixels, all samples at once, small enough to stay in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import torch

from napari_posterior.physics.likelihood.densities import LAMBDA_FLOOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Columns", "Formula", "Part", "add_up", "assemble", "samples_at_once", "take", "wide"]

Columns = slice | torch.Tensor
"""Pixels of one block: a run of them, or their numbers."""

Formula = Callable[[Columns, torch.Tensor], torch.Tensor]
"""From the pixels and their expected electrons, (K, n), to a number for each, (K, n)."""

# Numbers per temporary array: they stay in the cache, and torch spreads no operation this small
# over threads, which would wait for each other hundreds of times while a sampler wants the cores.
_IN_CACHE: Final = 2**15
_ON_DEVICE: Final = 2**22  # the same for a graphics card, which has no use for small ones
_NARROWEST, _WIDEST = 512, 1536  # pixels a block: a pixel has some 20 terms of its own
_FORWARD: Final = 2**24  # numbers that pass the forward model at once


class Part(NamedTuple):
    """A formula and the pixels it is for: their numbers, or None for all."""

    formula: Formula
    pixels: Tensor | None


def samples_at_once(pixels: int) -> int:
    """Return how many samples pass the forward model together, for bounded memory."""
    return max(1, _FORWARD // max(1, pixels))


def wide(x: Tensor) -> torch.dtype:
    """Return float64, or the dtype of `x` on devices without it."""
    return x.dtype if x.device.type == "mps" else torch.float64


def take(level: Tensor, columns: Columns, like: Tensor) -> Tensor:
    """Return a level of the measurement, (n,) or (K, n), at some pixels, of the kind of `like`."""
    at = columns.to(level.device) if isinstance(columns, torch.Tensor) else columns
    return level[..., at].to(like)


def assemble(parts: Sequence[Part], mean: Tensor) -> Tensor:
    """Evaluate every part on its pixels; pixels of none are 0.

    Parameters
    ----------
    parts : sequence of Part
        Their pixels do not overlap.
    mean : Tensor, (K, n)
        Expected electrons, not yet floored.

    Returns
    -------
    Tensor, (K, n)
        Of the dtype and device of `mean`, differentiable in it.
    """
    whole = torch.zeros_like(mean)
    pieces = []
    for columns, values in _evaluate(parts, mean):
        if values.requires_grad:
            pieces.append((_numbers(columns, mean), values.to(mean.dtype)))
        else:
            whole[:, columns] = values.to(mean.dtype)
    if pieces:
        at, values = (torch.cat(column, dim=-1) for column in zip(*pieces, strict=True))
        whole = whole.index_copy(1, at, values)
    return whole


def add_up(parts: Sequence[Part], mean: Tensor) -> Tensor:
    """Return the sum of all parts over their pixels, (K,) float64, differentiable in `mean`."""
    total = torch.zeros(len(mean), dtype=wide(mean), device=mean.device)
    for _, values in _evaluate(parts, mean):
        total = total + values.sum(-1)
    return total


def _evaluate(parts: Sequence[Part], mean: Tensor) -> Iterator[tuple[Columns, Tensor]]:
    size = _IN_CACHE if mean.device.type == "cpu" else _ON_DEVICE
    step = size // max(1, len(mean))
    if mean.device.type == "cpu":
        step = min(max(step, _NARROWEST), _WIDEST)
    for formula, pixels in parts:
        count = mean.shape[1] if pixels is None else len(pixels)
        for start in range(0, count, max(1, step)):
            if pixels is None:
                columns: Columns = slice(start, min(start + step, count))
                there = mean[:, columns]
            else:
                columns = pixels[start : start + step].to(mean.device)
                there = mean.index_select(1, columns)
            yield columns, formula(columns, there.to(wide(mean)).clamp_min(LAMBDA_FLOOR))


def _numbers(columns: Columns, mean: Tensor) -> Tensor:
    if isinstance(columns, torch.Tensor):
        return columns
    return torch.arange(columns.start, columns.stop, device=mean.device)
