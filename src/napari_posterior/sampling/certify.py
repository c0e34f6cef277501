"""Which solver and grid may be called the reference: measured once, when a bundle is built.

A solver that agrees with itself at twice the steps can still be biased, where its grid ends too
early. So nothing here is compared with its own double alone: every candidate is compared, from the
same noise, with a *ruler* whose steps are doubled *and* whose last noise level is halved, and what
that refinement changes in the ruler itself is added to what is left open. The cheapest candidate
whose remaining bias is below the tolerance in every band of spatial frequency is the reference.
Where none is, the one of moderate cost that leaves least open is used, and not called certified.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from napari_posterior.errors import InputError
from napari_posterior.sampling.bands import BANDS, compare_bands, measure_bands
from napari_posterior.sampling.grid import grid_label, make_grid
from napari_posterior.sampling.solvers import nfe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from napari_posterior.sampling.bands import BandBias, SceneBands
    from napari_posterior.sampling.path import Path

    Grid = tuple[float, ...]

__all__ = [
    "MODERATE",
    "TOLERANCE",
    "Certification",
    "Draw",
    "Measured",
    "SolverChoice",
    "certify",
    "refine",
]

TOLERANCE: Final = 0.02
"""Largest remaining bias of a reference in any band, as a share of the variance there."""

MODERATE: Final = 48
"""Most network evaluations per sample of a reference that is not certified: more bring nothing
where no solver is close enough."""


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
        Against the refined ruler, in increasing order of cost; without those that were not
        measured because a cheaper one had passed.
    ruler : Measured
        What refining the ruler changes in it: the ruler against its own refinement.
    scenes, samples : int
        Scenes, and samples of each.
    level, tolerance : float
        Confidence level of the intervals, and the largest remaining bias allowed.
    doubled : Measured or None
        What :attr:`chosen` is, against its own refinement.
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

    @property
    def chosen(self) -> Measured:
        """The reference; where no candidate passes, the one of moderate cost that is closest.

        That is the least biased of those with up to `MODERATE` network evaluations, or of all
        where every one costs more.
        """
        if self.reference is not None:
            return self.reference
        moderate = [m for m in self.candidates if m.choice.nfe <= MODERATE]
        return self._closest(moderate or self.candidates)

    @property
    def shortfall(self) -> str | None:
        """One sentence that says by how much no candidate passes and what to do; None if one does.

        A ruler that changes under its own refinement is named first: it can let nothing pass.
        """
        if self.reference is not None:
            return None
        if self.ruler.worst >= self.tolerance / 2:
            return (
                f"The ruler itself ({self.ruler.choice.label}) changes by up to "
                f"{self.ruler.worst:.1%} of the variance of a band when it is refined; "
                "give it more steps, or more scenes."
            )
        best = self._closest(self.candidates)
        return (
            f"No solver stays within {self.tolerance:.0%} of the variance in every band: "
            f"{best.choice.label} comes closest and leaves {max(self.remaining(best)):.1%} open; "
            "offer solvers with more steps, or measure more scenes."
        )

    def _closest(self, among: Sequence[Measured]) -> Measured:
        return min(among, key=lambda m: max(self.remaining(m)))


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
    stop_early: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> Certification:
    """Measure the bias of the candidates, band by band, on shared noise.

    Parameters
    ----------
    scenes : sequence of Draw
        Two scenes or more, each drawing the same number of samples.
    candidates : sequence of SolverChoice
        One or more; the cheapest are measured first.
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
    stop_early : bool
        Leave out the candidates that cost more than one that passes: it is chosen in any case.
    report : callable, optional
        Called as ``report(done, total)`` now and then with network calls a sample, over all scenes
        and solvers; stopping early makes the total a bound.

    Returns
    -------
    Certification
        Of which :attr:`Certification.chosen` is the reference.

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
    standards = [ruler, *([] if stochastic is None else [stochastic])]
    fine = refine(ruler.times(path), path)
    each = nfe(ruler.solver, len(fine) - 1) + sum(choice.nfe for choice in standards)
    costs = [choice.nfe for choice in ordered]
    # in the end the chosen one is drawn again, and refined
    work = _Work(len(scenes) * (each + sum(costs) + 3 * costs[-1]), report)

    def compare(choice: SolverChoice, parts: Sequence[SceneBands]) -> Measured:
        return Measured(choice, compare_bands(parts, level=level, edges=edges))

    bases: list[np.ndarray] = []
    found: list[list[SceneBands]] = [[] for _ in standards]
    for draw in scenes:
        bases.append(draw(ruler.solver, fine))
        for kept, choice in zip(found, standards, strict=True):
            other = draw(choice.solver, choice.times(path))
            kept.append(measure_bands(bases[-1], other, edges=edges))
        work.add(each)
    checks = [compare(choice, kept) for choice, kept in zip(standards, found, strict=True)]
    result = Certification(
        candidates=(),
        ruler=checks[0],
        scenes=len(scenes),
        samples=len(bases[0]),
        level=level,
        tolerance=tolerance,
        self_check=None if stochastic is None else checks[-1],
    )
    # all of one cost before the choice: the less biased of them is taken
    for _, tied in itertools.groupby(ordered, key=lambda choice: choice.nfe):
        for choice in tied:
            times = choice.times(path)
            parts = [
                measure_bands(base, draw(choice.solver, times), edges=edges)
                for base, draw in zip(bases, scenes, strict=True)
            ]
            measured = compare(choice, parts)
            result = replace(result, candidates=(*result.candidates, measured))
            work.add(len(scenes) * choice.nfe)
        if stop_early and result.reference is not None:
            break
    choice = result.chosen.choice
    times = choice.times(path)
    finer = refine(times, path)
    last = len(scenes) * (choice.nfe + nfe(choice.solver, len(finer) - 1))
    work.total = work.done + last
    parts = [
        measure_bands(draw(choice.solver, finer), draw(choice.solver, times), edges=edges)
        for draw in scenes
    ]
    work.add(last)
    return replace(result, doubled=compare(choice, parts))


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


class _Work:
    """Counts what is done of a bound, and tells it."""

    def __init__(self, total: int, report: Callable[[int, int], None] | None) -> None:
        self.done, self.total, self.report = 0, total, report

    def add(self, amount: int) -> None:
        self.done += amount
        if self.report is not None:
            self.report(self.done, self.total)
