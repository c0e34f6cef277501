"""Which jumps a student learns: samplers of the times s > u > t, which may change in training.

A jump goes from s to t; u is where a rule stops on the way. Progress p runs from 0 to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Halves",
    "Hops",
    "Neighbours",
    "Nodes",
    "PairSampler",
    "Spans",
    "Stages",
    "Times",
]


@dataclass(frozen=True)
class Times:
    """The times of a batch of jumps, (B,) each: from s to t, with a stop at u."""

    s: Tensor
    u: Tensor
    t: Tensor

    def to(self, device: torch.device) -> Times:
        """Return them on a device."""
        return Times(self.s.to(device), self.u.to(device), self.t.to(device))


class PairSampler(Protocol):
    """Draws the times of a step."""

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """Return the times of `count` jumps at progress `p`."""
        ...


@dataclass(frozen=True)
class Nodes:
    """Pairs of given times, each as often; nothing between.

    Parameters
    ----------
    times : tuple of float
        Times to choose from.
    jumps : tuple of (int, int)
        Pairs of their positions.
    """

    times: tuple[float, ...]
    jumps: tuple[tuple[int, int], ...]

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """See :class:`PairSampler`."""
        pick = torch.randint(len(self.jumps), (count,), generator=generator)
        pairs = torch.tensor(self.times)[torch.tensor(self.jumps)[pick]]
        return Times(pairs[:, 0], pairs[:, 1], pairs[:, 1])


@dataclass(frozen=True)
class Stages:
    """Numbers of steps that are halved stage by stage, such as 32, 16, 8, 4.

    The stages of one and of two steps are twice as long as the others.

    Parameters
    ----------
    counts : tuple of int
        Steps of each stage.
    """

    counts: tuple[int, ...]

    @classmethod
    def down_to(cls, steps: int, first: int = 32) -> Stages:
        """Return the stages from at least `first` steps down to `steps`, by halves."""
        doublings = max(math.ceil(math.log2(first / steps)), 0)
        return cls(tuple(steps * 2**k for k in range(doublings, -1, -1)))

    def number(self, p: float) -> int:
        """Return the number of the stage at progress `p`, counted from 0."""
        lengths = list(accumulate(2 if n <= 2 else 1 for n in self.counts))
        return sum(p >= end / lengths[-1] for end in lengths[:-1])

    def begins(self, steps: int) -> tuple[int, ...]:
        """Return the first step of every stage but the first, in a training of `steps`."""
        numbers = [self.number(step / steps) for step in range(steps)]
        return tuple(i for i in range(1, steps) if numbers[i] != numbers[i - 1])


@dataclass(frozen=True)
class Halves:
    """Steps of the stage's uniform grid, with u half way (Salimans & Ho 2022).

    Parameters
    ----------
    stages : Stages
        Numbers of steps.
    """

    stages: Stages

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """See :class:`PairSampler`."""
        n = self.stages.counts[self.stages.number(p)]
        k = _integers(1, n, count, generator)
        return Times(k / n, (k - 0.5) / n, (k - 1) / n)


@dataclass(frozen=True)
class Neighbours:
    """From a time of a uniform grid to 0, with u the next time of the grid.

    The grid becomes finer by doublings that are spread over the training (Song et al. 2023).

    Parameters
    ----------
    first, last : int
        Steps of the first and of the last grid.
    """

    first: int = 8
    last: int = 128

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """See :class:`PairSampler`."""
        doublings = round(math.log2(self.last / self.first))
        n = self.first * 2 ** min(int(p * (doublings + 1)), doublings)
        k = _integers(1, n, count, generator)
        return Times(k / n, (k - 1) / n, torch.zeros_like(k))


@dataclass(frozen=True)
class Spans:
    """Any two times: s and t uniform and sorted, a fifth of the s at 1 and of the t at 0.

    Parameters
    ----------
    stop : str
        Where u lies: ``"anywhere"`` from s down to a twentieth of the way above t, or ``"half"``.
    """

    stop: Literal["anywhere", "half"] = "half"

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """See :class:`PairSampler`."""
        draws = torch.rand(5, count, generator=generator, device=generator.device)
        s, t = torch.maximum(draws[0], draws[1]), torch.minimum(draws[0], draws[1])
        s = torch.where(draws[2] < 0.2, torch.ones_like(s), s)
        t = torch.where(draws[3] < 0.2, torch.zeros_like(t), t)
        share = 0.05 + 0.95 * draws[4] if self.stop == "anywhere" else 0.5
        return Times(s, t + share * (s - t), t)


@dataclass(frozen=True)
class Hops:
    """From noise to any time, with u a little before: s = 1, u = t + hop (Gu et al. 2023).

    Parameters
    ----------
    first, last : float
        Length of the hop in time, at the beginning and at the end of training.
    """

    first: float = 0.1
    last: float = 0.04

    def __call__(self, count: int, p: float, generator: torch.Generator) -> Times:
        """See :class:`PairSampler`."""
        hop = self.first + p * (self.last - self.first)
        draws = torch.rand(2, count, generator=generator, device=generator.device)
        t = torch.where(draws[1] < 0.2, torch.zeros_like(draws[0]), (1 - hop) * draws[0])
        return Times(torch.ones_like(t), t + hop, t)


def _integers(low: int, high: int, count: int, generator: torch.Generator) -> Tensor:
    drawn = torch.randint(low, high + 1, (count,), generator=generator, device=generator.device)
    return drawn.to(torch.get_default_dtype())
