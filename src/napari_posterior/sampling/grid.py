"""Named time grids: the times at which a sampler stops on its way from noise to a clean image.

A grid is a decreasing tuple of floats that starts at 1.0 (noise) and ends at 0.0 (clean); ``n``
steps are the ``n`` intervals between its ``n + 1`` times.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import InputError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Grid = tuple[float, ...]

__all__ = [
    "GRIDS",
    "MAX_STEPS",
    "check_grid",
    "grid_label",
    "make_grid",
    "power_early",
    "power_late",
    "uniform",
]

MAX_STEPS: Final = 1000
"""Most steps a grid may have: beyond it the times add cost and no accuracy in float32."""


def uniform(n: int) -> Grid:
    """Return `n` steps of equal length, ``t_i = 1 - i / n``.

    Raises
    ------
    InputError
        If `n` is not between 1 and `MAX_STEPS`.
    """
    _check_steps(n)
    return tuple((n - i) / n for i in range(n + 1))


def power_late(n: int, rho: float = 0.6) -> Grid:
    """Return ``t_i = 1 - (i / n)^rho``; `rho` below 1 puts the short steps near the clean end.

    Raises
    ------
    InputError
        If `n` is not between 1 and `MAX_STEPS`, or `rho` is not a positive number.
    """
    _check_steps(n)
    _check_rho(rho)
    return _fix_ends([1.0 - (i / n) ** rho for i in range(n + 1)])


def power_early(n: int, rho: float = 1.67) -> Grid:
    """Return ``t_i = (1 - i / n)^rho``; `rho` above 1 puts the short steps near the clean end.

    Raises
    ------
    InputError
        If `n` is not between 1 and `MAX_STEPS`, or `rho` is not a positive number.
    """
    _check_steps(n)
    _check_rho(rho)
    return _fix_ends([((n - i) / n) ** rho for i in range(n + 1)])


GRIDS: Final[dict[str, Callable[..., Grid]]] = {
    "uniform": uniform,
    "power_late": power_late,
    "power_early": power_early,
}


def make_grid(name: str, n: int, **options: float) -> Grid:
    """Return the grid called `name` with `n` steps.

    Parameters
    ----------
    name : str
        A key of `GRIDS`.
    n : int
        Number of steps.
    **options : float
        Options of that grid, such as ``rho``.

    Returns
    -------
    tuple of float
        ``n + 1`` decreasing times, from 1.0 to 0.0.

    Raises
    ------
    ModelError
        If the name or an option is unknown.
    InputError
        If `n` or an option is out of range.
    """
    if name not in GRIDS:
        raise ModelError(f"unknown grid {name!r}; use one of {', '.join(GRIDS)}")
    unknown = set(options) - ({"rho"} if name != "uniform" else set())
    if unknown:
        raise ModelError(f"the grid {name!r} has no option {sorted(unknown)[0]!r}; remove it")
    return GRIDS[name](n, **options)


def grid_label(name: str, **options: float) -> str:
    """Return the words for a grid, such as ``"power_late(0.6)"``."""
    return f"{name}({', '.join(f'{value:g}' for value in options.values())})" if options else name


def check_grid(grid: Sequence[float]) -> None:
    """Raise unless `grid` decreases strictly from 1.0 to 0.0.

    Raises
    ------
    ModelError
        If it does not.
    """
    falls = all(later < earlier for earlier, later in itertools.pairwise(grid))
    if len(grid) < 2 or grid[0] != 1.0 or grid[-1] != 0.0 or not falls:
        raise ModelError("the time grid must decrease from 1 to 0; use fewer steps or another grid")


def _fix_ends(times: list[float]) -> Grid:
    grid = (1.0, *times[1:-1], 0.0)
    check_grid(grid)
    return grid


def _check_steps(n: int) -> None:
    if not 1 <= n <= MAX_STEPS:
        raise InputError(f"{n} steps were asked for; give a number from 1 to {MAX_STEPS}")


def _check_rho(rho: float) -> None:
    if not (math.isfinite(rho) and rho > 0):
        raise InputError(f"the grid exponent is {rho}; give a positive number")
