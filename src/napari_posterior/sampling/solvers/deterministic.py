"""Solvers of the probability-flow ODE: a draw is a function of its noise canvas alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_posterior.sampling.solvers.step import decay

if TYPE_CHECKING:
    from torch import Tensor

    from napari_posterior.sampling.path import Path
    from napari_posterior.sampling.solvers.step import Velocity

__all__ = ["Bend", "DpmPp2M", "euler", "heun"]


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


@dataclass
class Bend:
    """How a clean image changes over a step, judged by how it changed over the one before."""

    _data: Tensor | None = field(default=None, init=False)
    _length: float = field(default=math.inf, init=False)

    def __call__(self, path: Path, data: Tensor, s: float, t: float) -> Tensor | None:
        """Return ``h / (2 h_before) (D - D_before)``, or None where a step or h has no bounds."""
        before, length = self._data, self._length
        self._data, self._length = data, path.logsnr(t) - path.logsnr(s)
        if before is None or not math.isfinite(length) or not math.isfinite(self._length):
            return None
        return self._length / (2 * length) * (data - before)


@dataclass
class DpmPp2M:
    """DPM-Solver++(2M): the clean image is extrapolated in log-SNR (Lu et al. 2022).

    With ``h = logsnr(t) - logsnr(s)`` and D the clean image at s,
    ``x_t = (beta_t / beta_s) x + alpha_t (1 - exp(-h)) (D + h / (2 h_before) (D - D_before))``.
    Second order in log-SNR with one network call a step; on a grid in time less regular, since its
    steps near the ends are long in log-SNR. Steps that touch 0 or 1, where the log-SNR has no
    bounds, and the one after the first, are jumps.
    """

    bend: Bend = field(default_factory=Bend)

    def __call__(self, velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
        """Take one step; see :class:`Step`."""
        F = velocity(x, s)
        bend = self.bend(path, path.data_from_F(x, s, F), s, t)
        there = path.jump(x, s, t, F)
        return there if bend is None else there + path.alpha(t) * (1 - decay(path, s, t)) * bend
