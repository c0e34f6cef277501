"""The teacher from a noise level down to the clean image: the part that corrections share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from napari_posterior.sampling.corrected_plans import Way, way_below
from napari_posterior.sampling.corrections import ROUND
from napari_posterior.sampling.solvers import solve

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.model import Conditions, Teacher
    from napari_posterior.sampling.samplers import TeacherSampler
    from napari_posterior.sampling.solvers import Fresh, OnCall, OnData

__all__ = ["Descent", "descend", "later"]


@dataclass(frozen=True, kw_only=True)
class Descent(Way):
    """A teacher's network on a way to the clean image.

    Parameters
    ----------
    model : Teacher
        Path and network.
    solver, grid, eta
        As of `Way`.
    """

    model: Teacher

    @torch.no_grad()
    def __call__(
        self,
        x: Tensor,
        cond: Conditions,
        on_call: OnCall | None = None,
        *,
        fresh: Fresh | None = None,
        on_data: OnData | None = None,
    ) -> Tensor:
        """Return the clean states of states `x` at the first time of the grid, shaped alike.

        Parameters
        ----------
        x : Tensor, (K, 1, Hp, Wp)
            In network units.
        cond : Conditions
            The prepared measurement.
        on_call, fresh, on_data : callable, optional
            As in :func:`solve`; ``fresh(i)`` joins at the `i`-th time of the grid.
        """

        def velocity(state: Tensor, t: float) -> Tensor:
            return self.model.F(state, t, cond)

        return solve(
            velocity,
            self.model.path,
            self.solver,
            self.grid,
            x,
            on_call,
            on_data,
            fresh=fresh,
            eta=self.eta,
            start=self.grid[0],
        )


def descend(
    teacher: TeacherSampler,
    tau: float,
    steps: int | None = None,
    *,
    kernel: Literal["own", "ode", "sde"] = "own",
) -> Descent:
    """Return a teacher's way from `tau` to the clean image.

    Parameters
    ----------
    teacher : TeacherSampler
        The reference.
    tau : float
        Where it begins, between 0 and 1.
    steps : int, optional
        Intervals; by default those of the teacher's grid below `tau`.
    kernel : str
        ``"own"``: the teacher's solver. ``"ode"``, ``"sde"``: a solver of that kind, which is the
        teacher's own where that is of the kind, else Heun and DPM-Solver++(2M) SDE. On Gaussians
        of variance 0.01 to 1 with the steps of ``logsnr(300, 0.01)``, 24 in all, below tau = 0.2
        to 0.7, the last one keeps 98 to 105 % of the variance, DPM-Solver++(2M) 99 to 102 %;
        ancestral steps keep 67 to 97 % and are not offered.

    Raises
    ------
    InputError
        If `tau` or `steps` is out of range.
    """
    way = way_below(teacher, tau, steps, kernel=kernel)
    return Descent(way.solver, way.grid, way.eta, model=teacher.model)


def later(fresh: Fresh, rounds: int) -> Fresh:
    """Return the noise that a round of a correction has to itself; the first round is 1."""
    return lambda step: fresh(ROUND * rounds + step)
