"""Which solver and grid may be called the reference: measured once, when a bundle is built.

A solver that agrees with itself at twice the steps can still be biased, where its grid ends too
early. So nothing here is compared with its own double alone: every candidate is compared, from the
same noise, with a *ruler* whose steps are doubled *and* whose last noise level is halved, and what
that refinement changes in the ruler itself is added to what is left open. The cheapest candidate
whose remaining bias is below the tolerance in every band of spatial frequency is the reference.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.bands import BANDS, compare_bands, measure_bands
from napari_posterior.sampling.grid import grid_label, make_grid
from napari_posterior.sampling.solvers import nfe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from napari_posterior.sampling.bands import BandBias, SceneBands
    from napari_posterior.sampling.path import Path

    Grid = tuple[float, ...]

__all__ = ["TOLERANCE", "Certification", "Draw", "Measured", "SolverChoice", "certify", "refine"]

TOLERANCE: Final = 0.02
"""Largest remaining bias of a reference in any band, as a share of the variance there."""


class Draw(Protocol):
    """Draws the K samples of one scene, from the scene's own noise whatever the solver."""

    def __call__(self, solver: str, times: Grid) -> np.ndarray:
        """Return the samples, (K, H, W), in one unit for all solvers."""
        ...


@dataclass(frozen=True)
class SolverChoice:
    """A solver with its grid.

    Parameters
    ----------
    solver : str
        A key of ``SOLVERS``.
    grid : str
        A key of ``GRIDS``.
    steps : int
        Grid intervals.
    options : tuple of (str, float)
        Options of the grid, such as ``(("rho", 1.6),)``.
    """

    solver: str
    grid: str
    steps: int
    options: tuple[tuple[str, float], ...] = ()

    def times(self, path: Path) -> Grid:
        """Return the times from 1 to 0, ``steps + 1`` of them, for a teacher on `path`."""
        return make_grid(self.grid, self.steps, path, **dict(self.options))

    @property
    def nfe(self) -> int:
        """Network evaluations per sample."""
        return nfe(self.solver, self.steps)

    @property
    def label(self) -> str:
        """Such as ``"heun, 24 steps on power_late(1.6)"``."""
        grid = grid_label(self.grid, **dict(self.options))
        return f"{self.solver}, {self.steps} steps on {grid}"


@dataclass(frozen=True)
class Measured:
    """A solver and what its samples differ by, band by band.

    Parameters
    ----------
    choice : SolverChoice
        The solver.
    bands : tuple of BandBias
        Its bias, in the order of frequency.
    """

    choice: SolverChoice
    bands: tuple[BandBias, ...]

    @property
    def worst(self) -> float:
        """Largest bias in any band that the intervals leave open."""
        return max(band.worst for band in self.bands)


@dataclass(frozen=True)
class Certification:
    """What was measured of the solvers of one teacher.

    Parameters
    ----------
    candidates : tuple of Measured
        Against the refined ruler, in increasing order of cost.
    ruler : Measured
        What refining the ruler changes in it: the ruler against its own refinement.
    scenes, samples : int
        Scenes, and samples of each.
    level, tolerance : float
        Confidence level of the intervals, and the largest remaining bias allowed.
    doubled : Measured or None
        The reference against its own refinement; None where no candidate is one.
    self_check : Measured or None
        A stochastic solver against the refined ruler: they agree only if the velocity is that of
        the score.
    """

    candidates: tuple[Measured, ...]
    ruler: Measured
    scenes: int
    samples: int
    level: float
    tolerance: float
    doubled: Measured | None = None
    self_check: Measured | None = None

    def remaining(self, measured: Measured) -> tuple[float, ...]:
        """Return the bias that is left open in each band: of the solver, and of the ruler.

        The ruler's part is what its refinement changed: further ones change less, by a half each
        at first order and by a quarter at second, and the halves add up to as much again.
        """
        pairs = zip(measured.bands, self.ruler.bands, strict=True)
        return tuple(mine.worst + ruler.worst for mine, ruler in pairs)

    def passes(self, measured: Measured) -> bool:
        """Return whether the remaining bias is below the tolerance in every band."""
        return max(self.remaining(measured)) < self.tolerance

    @property
    def reference(self) -> Measured | None:
        """The cheapest candidate that passes, the less biased one of two that cost the same."""
        passing = [m for m in self.candidates if self.passes(m)]
        return min(passing, key=lambda m: (m.choice.nfe, m.worst), default=None)

    def require(self) -> Measured:
        """Return the reference.

        Raises
        ------
        ModelError
            If no candidate passes; the message says by how much and what to do.
        """
        if self.reference is not None:
            return self.reference
        if self.ruler.worst >= self.tolerance / 2:
            raise ModelError(
                f"the ruler itself ({self.ruler.choice.label}) changes by up to "
                f"{self.ruler.worst:.1%} of the variance of a band when it is refined; "
                "give it more steps, or more scenes"
            )
        best = min(self.candidates, key=lambda m: max(self.remaining(m)))
        raise ModelError(
            f"no solver stays within {self.tolerance:.0%} of the variance in every band: "
            f"{best.choice.label} comes closest and leaves {max(self.remaining(best)):.1%} open; "
            "offer solvers with more steps, or measure more scenes"
        )


def certify(
    scenes: Sequence[Draw],
    candidates: Sequence[SolverChoice],
    *,
    path: Path,
    ruler: SolverChoice,
    stochastic: SolverChoice | None = None,
    tolerance: float = TOLERANCE,
    level: float = 0.95,
    edges: Sequence[float] = BANDS,
    report: Callable[[int, int], None] | None = None,
) -> Certification:
    """Measure the bias of every candidate, band by band, on shared noise.

    Parameters
    ----------
    scenes : sequence of Draw
        Two scenes or more, each drawing the same number of samples.
    candidates : sequence of SolverChoice
        One or more.
    path : Path
        Path of the teacher.
    ruler : SolverChoice
        An accurate solver with many steps; the candidates are compared with its refinement.
    stochastic : SolverChoice, optional
        A stochastic solver with many steps, for the self-check of the teacher.
    tolerance : float
        Largest remaining bias of a reference.
    level : float
        Confidence level of the intervals, which are over scenes.
    edges : sequence of float
        Edges of the bands, in cycles a pixel.
    report : callable, optional
        Called as ``report(done, total)`` after every scene.

    Returns
    -------
    Certification
        Of which :meth:`Certification.require` is the reference.

    Raises
    ------
    InputError
        If there are too few scenes, samples or candidates, or samples do not vary in some band.
    ModelError
        If a solver or grid is unknown.
    """
    if len(scenes) < 2 or not candidates:
        raise InputError("certifying needs two scenes or more and a candidate; give more of them")
    ordered = sorted(candidates, key=lambda choice: choice.nfe)
    others = [*ordered, ruler, *([] if stochastic is None else [stochastic])]
    fine = refine(ruler.times(path), path)
    found: list[list[SceneBands]] = [[] for _ in others]
    samples = 0
    for done, draw in enumerate(scenes, start=1):
        base = draw(ruler.solver, fine)
        samples = len(base)
        for kept, choice in zip(found, others, strict=True):
            kept.append(measure_bands(base, draw(choice.solver, choice.times(path)), edges=edges))
        if report is not None:
            report(done, len(scenes))
    measured = [
        Measured(choice, compare_bands(kept, level=level, edges=edges))
        for choice, kept in zip(others, found, strict=True)
    ]
    count = len(ordered)
    result = Certification(
        candidates=tuple(measured[:count]),
        ruler=measured[count],
        scenes=len(scenes),
        samples=samples,
        level=level,
        tolerance=tolerance,
        self_check=None if stochastic is None else measured[-1],
    )
    return _double(result, scenes, path, edges)


def refine(times: Sequence[float], path: Path) -> Grid:
    """Return a grid with twice the steps that holds `times` and ends at half their noise level.

    Every step is halved in time, and the last one, which ends at 0, is cut where the noise level
    ``sigma = beta / alpha`` is half that at its start. Doubling the steps of a grid with a fixed
    smallest noise level would leave that level as it is, and with it the variance it costs.

    Parameters
    ----------
    times : sequence of float
        Decreasing times from 1.0 to 0.0.
    path : Path
        The path, for its noise level.

    Returns
    -------
    tuple of float
    """
    *noisy, end = times
    finer = [noisy[0]]
    for s, t in itertools.pairwise(noisy):
        finer += [(s + t) / 2, t]
    last = noisy[-1]
    # a grid of one step has no noise level to halve but that of pure noise
    clean = 0.5 if last == 1.0 else path.time_of_sigma(math.exp(-path.logsnr(last)) / 2)
    return (*finer, clean, end)


def _double(
    result: Certification, scenes: Sequence[Draw], path: Path, edges: Sequence[float]
) -> Certification:
    """Add what the refinement of the reference itself would have said of it."""
    if result.reference is None:
        return result
    choice = result.reference.choice
    times = choice.times(path)
    fine = refine(times, path)
    kept = [
        measure_bands(draw(choice.solver, fine), draw(choice.solver, times), edges=edges)
        for draw in scenes
    ]
    doubled = Measured(choice, compare_bands(kept, level=result.level, edges=edges))
    return dataclasses.replace(result, doubled=doubled)
