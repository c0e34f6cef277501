"""Solvers of the reverse-time SDE: a draw takes fresh noise at every step but the last."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_posterior.errors import ModelError
from napari_posterior.sampling.solvers.deterministic import Bend
from napari_posterior.sampling.solvers.step import decay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_posterior.sampling.path import Path
    from napari_posterior.sampling.solvers.step import Fresh, Velocity

__all__ = ["DpmPp2MSde", "Sde", "coarsen"]


@dataclass
class Sde:
    """One DDIM step that renews a share of the noise (Song et al. 2021, their eta).

    ``x_t = alpha_t D + beta_t (sqrt(1 - q^2) eps + q z)`` with ``q = eta sqrt(1 - exp(-2 h))`` and
    ``h = logsnr(t) - logsnr(s)``. eta = 0 is Euler, eta = 1 is ancestral sampling (Ho et al. 2020),
    which forgets the canvas in its first step. First order; loses more variance than Euler at few
    steps.

    Parameters
    ----------
    fresh : callable
        Noise of step i, counted from 1.
    eta : float
        From 0 to 1.
    """

    fresh: Fresh
    eta: float = 1.0
    _steps: int = field(default=0, init=False)

    def __call__(self, velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
        """Take one step; see :class:`Step`."""
        F = velocity(x, s)
        self._steps += 1
        if t == 0 or self.eta == 0:
            return path.jump(x, s, t, F)
        renewed = self.eta * math.sqrt(1 - decay(path, s, t) ** 2)
        kept = math.sqrt(1 - renewed**2)
        noise = kept * path.eps_from_F(x, s, F) + renewed * self.fresh(self._steps)
        return path.noise(path.data_from_F(x, s, F), t, noise)


@dataclass
class DpmPp2MSde:
    """DPM-Solver++(2M) for the reverse SDE, midpoint form (Lu et al. 2022).

    ``x_t = (beta_t / beta_s) exp(-h) x + alpha_t (1 - exp(-2 h)) (D + h / (2 h_before) (D -
    D_before)) + beta_t sqrt(1 - exp(-2 h)) z``; the step that ends at 0 is a jump.

    Parameters
    ----------
    fresh : callable
        Noise of step i, counted from 1.
    """

    fresh: Fresh
    bend: Bend = field(default_factory=Bend)
    _steps: int = field(default=0, init=False)

    def __call__(self, velocity: Velocity, path: Path, x: Tensor, s: float, t: float) -> Tensor:
        """Take one step; see :class:`Step`."""
        F = velocity(x, s)
        self._steps += 1
        data = path.data_from_F(x, s, F)
        bend = self.bend(path, data, s, t)
        if t == 0:
            return data
        left = decay(path, s, t)
        gain = 1 - left**2
        data = data if bend is None else data + bend
        mean = path.beta(t) / path.beta(s) * left * x + path.alpha(t) * gain * data
        return mean + path.beta(t) * math.sqrt(gain) * self.fresh(self._steps)


def coarsen(path: Path, fine: Sequence[float], coarse: Sequence[float], fresh: Fresh) -> Fresh:
    """Return the noise of a coarse grid that is the sum of the noise of a finer one.

    The noise of ancestral sampling is a Brownian motion in the SNR ``(alpha / beta)^2``: one coarse
    increment is the sum of the fine ones within it, so that draws on both grids differ by their
    solver's error and little else.

    Parameters
    ----------
    path : Path
        The path of the teacher.
    fine, coarse : sequence of float
        Decreasing times from 1.0 to 0.0; those of `coarse` are all in `fine`.
    fresh : callable
        Noise of step i of the fine grid, counted from 1.

    Returns
    -------
    callable
        Noise of step i of the coarse grid.

    Raises
    ------
    ModelError
        If a coarse time is not in the fine grid.
    """
    missing = set(coarse) - set(fine)
    if missing:
        raise ModelError(f"the fine grid lacks the time {min(missing):g}; take all coarse times")
    snr = [math.exp(2 * path.logsnr(t)) for t in fine[:-1]]
    places = [bisect.bisect_left(fine, -t, key=lambda time: -time) for t in coarse]

    def merged(step: int) -> Tensor:
        first, last = places[step - 1], places[step]
        parts = [
            math.sqrt((snr[i] - snr[i - 1]) / (snr[last] - snr[first])) * fresh(i)
            for i in range(first + 1, last + 1)
        ]
        return sum(parts[1:], start=parts[0])

    return merged
