"""Solvers: from noise at t = 1 to a clean image at t = 0 along a time grid.

A solver knows a velocity ``F(x, t)`` and a path, and nothing of networks, images or conditions.
"""

from napari_posterior.sampling.solvers.deterministic import DpmPp2M, euler, heun
from napari_posterior.sampling.solvers.follow import renoise, solve, trace, walk
from napari_posterior.sampling.solvers.registry import SOLVERS, Solver, get_solver, nfe
from napari_posterior.sampling.solvers.step import Fresh, Jump, OnCall, OnData, Step, Velocity
from napari_posterior.sampling.solvers.stochastic import DpmPp2MSde, Sde, coarsen

__all__ = [
    "SOLVERS",
    "DpmPp2M",
    "DpmPp2MSde",
    "Fresh",
    "Jump",
    "OnCall",
    "OnData",
    "Sde",
    "Solver",
    "Step",
    "Velocity",
    "coarsen",
    "euler",
    "get_solver",
    "heun",
    "nfe",
    "renoise",
    "solve",
    "trace",
    "walk",
]
