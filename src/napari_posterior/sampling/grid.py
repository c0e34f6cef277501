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

    from napari_posterior.sampling.path import Path

    Grid = tuple[float, ...]

__all__ = [
    "GRIDS",
    "MAX_STEPS",
    "SIGMA_MAX",
    "SIGMA_MIN",
    "below",
    "check_grid",
    "grid_label",
    "karras",
    "logsnr",
    "make_grid",
    "power_early",
    "power_late",
    "uniform",
]

MAX_STEPS: Final = 1000
"""Most steps a grid may have: beyond it the times add cost and no accuracy in float32."""

SIGMA_MAX: Final = 80.0
"""Noise over signal from which the grids in sigma come down (Karras et al. 2022)."""

SIGMA_MIN: Final = 0.002
"""Noise over signal at the last time but one of the grids in sigma."""


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


def logsnr(
    n: int, sigma_max: float = SIGMA_MAX, sigma_min: float = SIGMA_MIN, *, path: Path
) -> Grid:
    """Return times equally far apart in log-SNR (Lu et al. 2022).

    ``beta / alpha`` falls geometrically from `sigma_max` to `sigma_min` over ``n`` times, of which
    the first is moved to 1; the last step goes on to 0. Structure finer than ten times `sigma_min`
    in network units loses variance in that last step.

    Parameters
    ----------
    n : int
        Number of steps.
    sigma_max, sigma_min : float
        Noise over signal near the noisy and at the clean end.
    path : Path
        Says at which time there is how much noise.

    Raises
    ------
    InputError
        If `n` is not between 1 and `MAX_STEPS`, or the sigmas are not positive and falling.
    """
    _check_sigmas(sigma_max, sigma_min)
    ratio = sigma_min / sigma_max
    return _from_sigmas(n, path, lambda share: float(sigma_max * ratio**share))


def karras(
    n: int,
    rho: float = 7.0,
    sigma_max: float = SIGMA_MAX,
    sigma_min: float = SIGMA_MIN,
    *,
    path: Path,
) -> Grid:
    """Return times whose ``(beta / alpha)^(1 / rho)`` are equally far apart (Karras et al. 2022).

    Ends as in :func:`logsnr`, which is the limit of a large `rho`.

    Raises
    ------
    InputError
        If `n`, `rho` or the sigmas are out of range.
    """
    _check_rho(rho)
    _check_sigmas(sigma_max, sigma_min)
    high, low = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return _from_sigmas(n, path, lambda share: float((high + share * (low - high)) ** rho))


GRIDS: Final[dict[str, Callable[..., Grid]]] = {
    "uniform": uniform,
    "power_late": power_late,
    "power_early": power_early,
    "logsnr": logsnr,
    "karras": karras,
}

_SIGMAS: Final = frozenset({"sigma_max", "sigma_min"})
_OPTIONS: Final[dict[str, frozenset[str]]] = {
    "uniform": frozenset(),
    "power_late": frozenset({"rho"}),
    "power_early": frozenset({"rho"}),
    "logsnr": _SIGMAS,
    "karras": _SIGMAS | {"rho"},
}


def make_grid(name: str, n: int, path: Path | None = None, /, **options: float) -> Grid:
    """Return the grid called `name` with `n` steps.

    Parameters
    ----------
    name : str
        A key of `GRIDS`.
    n : int
        Number of steps.
    path : Path, optional
        The path of the teacher; needed by ``"logsnr"`` and ``"karras"``.
    **options : float
        Options of that grid: ``rho``, ``sigma_max``, ``sigma_min``.

    Returns
    -------
    tuple of float
        ``n + 1`` decreasing times, from 1.0 to 0.0.

    Raises
    ------
    ModelError
        If the name or an option is unknown, or the grid needs the path.
    InputError
        If `n` or an option is out of range.
    """
    if name not in GRIDS:
        raise ModelError(f"unknown grid {name!r}; use one of {', '.join(GRIDS)}")
    unknown = set(options) - _OPTIONS[name]
    if unknown:
        raise ModelError(f"the grid {name!r} has no option {sorted(unknown)[0]!r}; remove it")
    if not _OPTIONS[name] & _SIGMAS:
        return GRIDS[name](n, **options)
    if path is None:
        raise ModelError(f"the times of the grid {name!r} depend on the path; give the path too")
    return GRIDS[name](n, path=path, **options)


def grid_label(name: str, **options: float) -> str:
    """Return the words for a grid, such as ``"power_late(0.6)"``."""
    return f"{name}({', '.join(f'{value:g}' for value in options.values())})" if options else name


def below(grid: Sequence[float], tau: float, steps: int | None = None) -> Grid:
    """Return the part of a grid that leads from a time on the way to the end.

    The times are read off the grid at equal distances in its index, so that they are as dense as
    those of the grid; where `tau` is one of its times and `steps` is not given they are its own.

    Parameters
    ----------
    grid : sequence of float
        Decreasing times from 1.0 to 0.0.
    tau : float
        Time to begin at, between 0 and 1.
    steps : int, optional
        Intervals; by default as many as the grid has below `tau`, the cut one included.

    Returns
    -------
    tuple of float
        ``steps + 1`` decreasing times from `tau` to 0.0.

    Raises
    ------
    InputError
        If `tau` is not between 0 and 1, or `steps` not from 1 to `MAX_STEPS`.
    """
    check_grid(grid)
    if not 0 < tau < 1:
        raise InputError(f"tau is {tau}; give a time between 0 (clean) and 1 (noise)")
    after = next(i for i, t in enumerate(grid) if t <= tau)
    start = after - (tau - grid[after]) / (grid[after - 1] - grid[after])
    left = len(grid) - 1 - start
    count = math.ceil(left) if steps is None else steps
    _check_steps(count)
    places = (start + left * i / count for i in range(1, count))
    return (tau, *(_read(grid, place) for place in places), 0.0)


def check_grid(grid: Sequence[float], *, start: float = 1.0, end: float = 0.0) -> None:
    """Raise unless `grid` decreases strictly from `start` to `end`.

    Raises
    ------
    ModelError
        If it does not.
    """
    falls = all(later < earlier for earlier, later in itertools.pairwise(grid))
    if len(grid) < 2 or grid[0] != start or grid[-1] != end or not falls:
        raise ModelError(
            f"the time grid must decrease from {start:g} to {end:g}; use fewer steps or another "
            "grid"
        )


def _read(grid: Sequence[float], place: float) -> float:
    """Return the time at a place between two indices of a grid."""
    first = min(int(place), len(grid) - 2)
    share = place - first
    return grid[first] + share * (grid[first + 1] - grid[first])


def _from_sigmas(n: int, path: Path, sigma: Callable[[float], float]) -> Grid:
    _check_steps(n)
    inner = [path.time_of_sigma(sigma(i / (n - 1))) for i in range(1, n)]
    return _fix_ends([1.0, *inner, 0.0])


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


def _check_sigmas(sigma_max: float, sigma_min: float) -> None:
    if not 0 < sigma_min < sigma_max < math.inf:
        raise InputError(
            f"the grid goes from sigma {sigma_max} to {sigma_min}; give two positive numbers, the "
            "first the larger one"
        )
