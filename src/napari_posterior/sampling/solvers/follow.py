"""From noise to data: a solver along a grid, a flow map along a grid, or with new noise between."""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING

from napari_posterior.sampling.grid import check_grid
from napari_posterior.sampling.solvers.registry import get_solver, nfe
from napari_posterior.sampling.solvers.step import no_noise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from napari_posterior.sampling.path import Path
    from napari_posterior.sampling.solvers.step import Fresh, Jump, OnCall, OnData, Velocity

__all__ = ["renoise", "solve", "trace", "walk"]


def solve(
    velocity: Velocity,
    path: Path,
    solver: str,
    grid: Sequence[float],
    z: Tensor,
    on_call: OnCall | None = None,
    on_data: OnData | None = None,
    *,
    fresh: Fresh | None = None,
    eta: float | None = None,
    start: float = 1.0,
) -> Tensor:
    """Go from noise to data.

    Parameters
    ----------
    velocity : callable
        ``F(x, t)``, the normalised velocity of a batch, shaped as `x`, at a float time.
    path : Path
        The path on which `velocity` was trained.
    solver : str
        A key of ``SOLVERS``.
    grid : sequence of float
        Decreasing times from `start` to 0.0.
    z : Tensor
        State at `start`, any shape; its dtype is kept.
    on_call : callable, optional
        Called as ``on_call(done, total)`` after every evaluation of `velocity`; an exception it
        raises ends the solve before the next evaluation.
    on_data : callable, optional
        Called as ``on_data(x, t, F)`` after every evaluation, before `on_call`.
    fresh : callable, optional
        ``fresh(i)`` is the noise, shaped as `z`, that joins at ``grid[i]``; needed by solvers of
        the SDE.
    eta : float, optional
        Share of renewed noise of the solver ``"sde"``.
    start : float
        Time of `z`: 1 for noise.

    Returns
    -------
    Tensor
        State at t = 0, shaped as `z`.

    Raises
    ------
    ModelError
        If the solver is unknown, `eta` does not fit it, or the grid does not decrease from `start`
        to 0.
    ValueError
        If the solver needs fresh noise and none is given.
    """
    total, counter = nfe(solver, len(grid) - 1), itertools.count(1)

    def counted(x: Tensor, t: float) -> Tensor:
        F = velocity(x, t)
        if on_data is not None:
            on_data(x, t, F)
        if on_call is not None:
            on_call(next(counter), total)
        return F

    states = trace(counted, path, solver, grid, z, fresh=fresh, eta=eta, start=start)
    return deque(states, maxlen=1).pop()


def trace(
    velocity: Velocity,
    path: Path,
    solver: str,
    grid: Sequence[float],
    z: Tensor,
    *,
    fresh: Fresh | None = None,
    eta: float | None = None,
    start: float = 1.0,
) -> Iterator[Tensor]:
    """Yield the states at ``grid[1]``, ``grid[2]``, ... on the way of :func:`solve`."""
    chosen = get_solver(solver, eta)
    check_grid(grid, start=start)
    step = chosen.begin(fresh or no_noise, 0.0 if eta is None else eta)
    x = z
    for s, t in itertools.pairwise(grid):
        x = step(velocity, path, x, s, t)
        yield x


def walk(
    jump: Jump,
    grid: Sequence[float],
    z: Tensor,
    on_call: OnCall | None = None,
    *,
    end: float = 0.0,
) -> Tensor:
    """Follow a flow map along the grid: one call of ``jump(x, s, t)`` an interval.

    Parameters
    ----------
    jump : callable
        The flow map from time s to time t.
    grid : sequence of float
        Decreasing times from 1.0 to `end`.
    z : Tensor
        State at t = 1.
    on_call : callable, optional
        As in :func:`solve`.
    end : float
        Time to stop at.

    Returns
    -------
    Tensor
        State at `end`.

    Raises
    ------
    ModelError
        If the grid does not decrease from 1 to `end`.
    """
    check_grid(grid, end=end)
    total = len(grid) - 1
    x = z
    for done, (s, t) in enumerate(itertools.pairwise(grid), start=1):
        x = jump(x, s, t)
        if on_call is not None:
            on_call(done, total)
    return x


def renoise(
    jump: Jump,
    path: Path,
    grid: Sequence[float],
    z: Tensor,
    fresh: Fresh,
    on_call: OnCall | None = None,
) -> Tensor:
    """Jump to a clean image and add new noise, again and again (Song et al. 2023, algorithm 1).

    At every time s of the grid but the last, ``D = jump(x, s, 0)``; then
    ``x = alpha_t D + beta_t fresh(i)`` at the next time t. The last D is the draw. Each round
    forgets the canvas: draws are no longer coupled with the teacher's on the same canvas.

    Parameters
    ----------
    jump : callable
        The flow map from time s to time t; only asked for t = 0.
    path : Path
        The path of the flow map.
    grid : sequence of float
        Decreasing times from 1.0 to 0.0.
    z : Tensor
        State at t = 1.
    fresh : callable
        ``fresh(i)`` is the noise, shaped as `z`, that joins at ``grid[i]``.
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
        x = jump(x, s, 0.0)
        if on_call is not None:
            on_call(done, total)
        if done < total:
            x = path.noise(x, t, fresh(done))
    return x
