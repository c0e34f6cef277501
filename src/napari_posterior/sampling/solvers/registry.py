"""Solvers by name: what they cost, whether they take fresh noise, and how they are begun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import ModelError
from napari_posterior.sampling.solvers.deterministic import DpmPp2M, euler, heun
from napari_posterior.sampling.solvers.stochastic import DpmPp2MSde, Sde

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.sampling.solvers.step import Fresh, Step

__all__ = ["SOLVERS", "Solver", "get_solver", "nfe"]


@dataclass(frozen=True)
class Solver:
    """A named way of stepping from noise to data.

    Parameters
    ----------
    title : str
        Words for a report.
    begin : callable
        ``begin(fresh, eta)`` returns the step of one draw, which remembers that draw alone.
    needs_noise : bool
        Whether it takes fresh noise.
    calls : int
        Network calls a step; the last step takes one.
    takes_eta : bool
        Whether it has the share of renewed noise as an option.
    """

    title: str
    begin: Callable[[Fresh, float], Step]
    needs_noise: bool = False
    calls: int = 1
    takes_eta: bool = False


SOLVERS: Final[dict[str, Solver]] = {
    "euler": Solver("Euler", lambda fresh, eta: euler),
    "heun": Solver("Heun", lambda fresh, eta: heun, calls=2),
    "dpmpp2m": Solver("DPM-Solver++(2M)", lambda fresh, eta: DpmPp2M()),
    "ancestral": Solver("Ancestral", lambda fresh, eta: Sde(fresh), needs_noise=True),
    "sde": Solver("SDE", Sde, needs_noise=True, takes_eta=True),
    "dpmpp2m_sde": Solver(
        "DPM-Solver++(2M) SDE",
        lambda fresh, eta: DpmPp2MSde(fresh),
        needs_noise=True,
    ),
}


def get_solver(name: str, eta: float | None = None) -> Solver:
    """Return the solver called `name`, after checking that `eta` fits it.

    Parameters
    ----------
    name : str
        A key of `SOLVERS`.
    eta : float, optional
        Share of renewed noise, from 0 to 1; for the solver ``"sde"``, and only for it.

    Raises
    ------
    ModelError
        If the solver is unknown, or lacks or does not take `eta`.
    """
    if name not in SOLVERS:
        raise ModelError(f"unknown solver {name!r}; use one of {', '.join(SOLVERS)}")
    solver = SOLVERS[name]
    if solver.takes_eta and (eta is None or not 0 <= eta <= 1):
        raise ModelError(f"the solver {name!r} needs a share of new noise; give eta from 0 to 1")
    if eta is not None and not solver.takes_eta:
        raise ModelError(f"the solver {name!r} has no option 'eta'; remove it")
    return solver


def nfe(solver: str, n: int) -> int:
    """Return the network calls of `n` steps: ``2n - 1`` for Heun, ``n`` for all others.

    Raises
    ------
    ModelError
        If the solver is unknown.
    """
    if solver not in SOLVERS:
        raise ModelError(f"unknown solver {solver!r}; use one of {', '.join(SOLVERS)}")
    return SOLVERS[solver].calls * (n - 1) + 1
