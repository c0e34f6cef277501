"""Solvers: from noise at t = 1 to a clean image at t = 0 along a time grid.

A solver knows a velocity ``F(x, t)`` and a path, and nothing of networks, images or conditions.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final, Protocol

from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import check_grid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_posterior.sampling.path import Path

    Velocity = Callable[[Tensor, float], Tensor]
    Jump = Callable[[Tensor, float, float], Tensor]
    OnCall = Callable[[int, int], None]

__all__ = ["SOLVERS", "Step", "euler", "heun", "nfe", "solve", "walk"]


class Step(Protocol):
    """One step of a solver from time `s` to `t`, with ``s > t``."""

    def __call__(self, velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
        """Return the state at time `t`; `velocity` is called once or twice."""
        ...


def euler(velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
    """Take one DDIM step: the jump with the velocity at its start (Song et al. 2021).

    First order. Loses variance at few steps: on a Gaussian by the product of ``cos^2`` of the
    angles it turns.
    """
    return path.jump(x, s, t, velocity(x, s))


def heun(velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
    """Take one trapezoidal step of ``dx/dt = W F``; the step that ends at 0 is a jump.

    Second order (Karras et al. 2022). The velocities are averaged in time: averaging ``F`` inside
    the jump looks alike and is first order on a curved path.
    """
    F = velocity(x, s)
    if t == 0:
        return path.jump(x, s, t, F)
    start = path.drift(F)
    end = path.drift(velocity(x + (t - s) * start, t))
    return x + (t - s) / 2 * (start + end)


SOLVERS: Final[dict[str, Step]] = {"euler": euler, "heun": heun}


def nfe(solver: str, n: int) -> int:
    """Return the number of velocity evaluations of `n` steps: ``n`` for Euler, ``2n - 1`` for Heun.

    Raises
    ------
    ModelError
        If the solver is unknown.
    """
    _find(solver)
    return 2 * n - 1 if solver == "heun" else n


def solve(
    velocity: Velocity,
    path: Path,
    solver: str,
    grid: Sequence[float],
    z: Tensor,
    on_call: OnCall | None = None,
) -> Tensor:
    """Integrate the probability-flow ODE from noise to data.

    Parameters
    ----------
    velocity : callable
        ``F(x, t)``, the normalised velocity of a batch, shaped as `x`, at a float time.
    path : Path
        The path on which `velocity` was trained.
    solver : str
        A key of `SOLVERS`.
    grid : sequence of float
        Decreasing times from 1.0 to 0.0.
    z : Tensor
        State at t = 1, any shape; its dtype is kept.
    on_call : callable, optional
        Called as ``on_call(done, total)`` after every evaluation of `velocity`; an exception it
        raises ends the solve before the next evaluation.

    Returns
    -------
    Tensor
        State at t = 0, shaped as `z`.

    Raises
    ------
    ModelError
        If the solver is unknown or the grid does not decrease from 1 to 0.
    """
    step = _find(solver)
    check_grid(grid)
    total = nfe(solver, len(grid) - 1)
    counter = itertools.count(1)

    def counted(x: Tensor, t: float) -> Tensor:
        F = velocity(x, t)
        if on_call is not None:
            on_call(next(counter), total)
        return F

    x = z
    for s, t in itertools.pairwise(grid):
        x = step(counted, path, x, s, t)
    return x


def walk(jump: Jump, grid: Sequence[float], z: Tensor, on_call: OnCall | None = None) -> Tensor:
    """Follow a flow map along the grid: one call of ``jump(x, s, t)`` an interval.

    Parameters
    ----------
    jump : callable
        The flow map from time s to time t.
    grid : sequence of float
        Decreasing times from 1.0 to 0.0.
    z : Tensor
        State at t = 1.
    on_call : callable, optional
        As in :func:`solve`.

    Returns
    -------
    Tensor
        State at t = 0.

    Raises
    ------
    ModelError
        If the grid does not decrease from 1 to 0.
    """
    check_grid(grid)
    total = len(grid) - 1
    x = z
    for done, (s, t) in enumerate(itertools.pairwise(grid), start=1):
        x = jump(x, s, t)
        if on_call is not None:
            on_call(done, total)
    return x


def _find(solver: str) -> Step:
    if solver not in SOLVERS:
        raise ModelError(f"unknown solver {solver!r}; use one of {', '.join(SOLVERS)}")
    return SOLVERS[solver]
