"""Target rules: where the trajectory through x_s is at time t, as far as a teacher can tell.

Each rule gives the state X that the student's jump from s to t should reach. The network itself is
then compared in one of the ways of ``objectives``.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_posterior.training.recipes.jumpers import Jumper
    from napari_posterior.training.recipes.states import Drawn

__all__ = [
    "ConditionRows",
    "Direct",
    "Eulerian",
    "Lagrangian",
    "Rule",
    "Semigroup",
    "Start",
    "detached",
]


@dataclass(frozen=True)
class Start:
    """The jumps of one step of training.

    Parameters
    ----------
    drawn : Drawn
        The images that the states belong to.
    x : Tensor, (B, 1, H, W)
        States at the times s.
    s, u, t : Tensor, (B,)
        From s to t, with a stop at u.
    """

    drawn: Drawn
    x: Tensor
    s: Tensor
    u: Tensor
    t: Tensor

    @property
    def maps(self) -> Tensor:
        """Condition maps, (B, C, H, W)."""
        return self.drawn.maps

    @property
    def vector(self) -> Tensor:
        """Condition vectors, (B, D)."""
        return self.drawn.vector


@dataclass(frozen=True)
class ConditionRows:
    """The conditions of some of the images of a step."""

    maps: Tensor
    vector: Tensor

    @classmethod
    def of(cls, start: Start, rows: Tensor | slice) -> ConditionRows:
        """Return the conditions of the images picked by `rows`."""
        return cls(start.maps[rows], start.vector[rows])


class Rule(Protocol):
    """Tells where jumps should end."""

    def __call__(self, start: Start) -> Tensor:
        """Return the states X (B, 1, H, W) at the times t."""
        ...


@dataclass(frozen=True)
class Direct:
    """The stored state at t; the images have to come from stored trajectories."""

    def __call__(self, start: Start) -> Tensor:
        """See :class:`Rule`."""
        return start.drawn.at(start.t)


@dataclass(frozen=True)
class Semigroup:
    """Two jumps, ``H_{u to t}(H_{s to u}(x_s))``.

    Parameters
    ----------
    target : Jumper
        H.
    solver : Jumper, optional
        Takes the jumps that are shorter than `short` in time, where H says little.
    short : float
        Length below which it does.
    """

    target: Jumper
    solver: Jumper | None = None
    short: float = 1 / 64

    def __call__(self, start: Start) -> Tensor:
        """See :class:`Rule`."""
        half = self.target.jump(start.x, start.s, start.u, start)
        end = self.target.jump(half, start.u, start.t, start)
        rows = start.s - start.t < self.short
        if self.solver is None or not bool(rows.any()):
            return end
        s, t = start.s[rows], start.t[rows]
        short = self.solver.jump(start.x[rows], s, t, ConditionRows.of(start, rows))
        return end.index_put((rows.nonzero()[:, 0],), short)


@dataclass(frozen=True)
class Eulerian:
    """First the solver from s to u, then a jump of the target from u to t.

    Parameters
    ----------
    target, solver : Jumper
        What makes the two parts.
    """

    target: Jumper
    solver: Jumper

    def __call__(self, start: Start) -> Tensor:
        """See :class:`Rule`."""
        there = self.solver.jump(start.x, start.s, start.u, start)
        return self.target.jump(there, start.u, start.t, start)


@dataclass(frozen=True)
class Lagrangian:
    """First a jump of the target from s to u, then the solver from u to t.

    Parameters
    ----------
    target, solver : Jumper
        What makes the two parts.
    """

    target: Jumper
    solver: Jumper

    def __call__(self, start: Start) -> Tensor:
        """See :class:`Rule`."""
        there = self.target.jump(start.x, start.s, start.u, start)
        return self.solver.jump(there, start.u, start.t, start)


@contextmanager
def detached() -> Iterator[None]:
    """Compute targets: no gradient flows to them."""
    with torch.no_grad():
        yield
    # what autocast rounded here must not be taken for what the gradient flows through
    torch.clear_autocast_cache()
