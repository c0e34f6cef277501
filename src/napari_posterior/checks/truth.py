"""Samples against a known object: rank-based coverage and spread over error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.checks.finding import Finding, percent, rounded
from napari_posterior.checks.intervals import delete_one

__all__ = [
    "LEVELS",
    "BlockScores",
    "attainable",
    "find_calibration",
    "score_blocks",
    "sum_blocks",
]

LEVELS: Final = (0.5, 0.8, 0.9)
"""Nominal coverage that is looked at."""


def attainable(samples: int, level: float) -> tuple[int, float]:
    """Return j and the coverage (K+1-2j)/(K+1) of [x_(j), x_(K+1-j)] nearest to `level`.

    K samples order the axis into K + 1 equally likely gaps, so other levels cannot be had
    without interpolation, which covers too little.
    """
    j = min(max(round((samples + 1) * (1 - level) / 2), 1), samples // 2)
    return j, (samples + 1 - 2 * j) / (samples + 1)


@dataclass(frozen=True)
class BlockScores:
    """Sums over blocks of pixels, the unit of the intervals as pixels are correlated.

    Parameters
    ----------
    pixels : ndarray, (n,)
        Pixels of each block.
    covered : ndarray, (n, 3)
        Pixels inside the interval of each of `LEVELS`.
    variance, error : ndarray, (n,)
        Sum of the sample variance (ddof 1), and of the squared error of the sample mean.
    samples : int
        K.
    """

    pixels: np.ndarray
    covered: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    samples: int

    def coverage(self, level: int, keep: np.ndarray | None = None) -> float:
        """Return the coverage at one of `LEVELS`, of all blocks or those to keep."""
        rows = slice(None) if keep is None else keep
        return float(self.covered[rows, level].sum() / self.pixels[rows].sum())

    def spread_skill(self, keep: np.ndarray | None = None) -> float:
        """Return sqrt((K+1)/K mean variance / mean squared error): 1 when calibrated."""
        rows = slice(None) if keep is None else keep
        error = float(self.error[rows].sum())
        if error <= 0:
            return float("nan")
        factor = (self.samples + 1) / self.samples
        return float(np.sqrt(factor * self.variance[rows].sum() / error))


def score_blocks(
    samples: np.ndarray, truth: np.ndarray, *, block: int, generator: np.random.Generator
) -> BlockScores:
    """Score a band of pixels block by block.

    Parameters
    ----------
    samples : ndarray, (K, h, W)
        Photoelectrons per pixel.
    truth : ndarray, (h, W)
        The object in the same unit and at the same resolution.
    block : int
        Side of a block in pixels.
    generator : Generator
        Breaks ties of samples and truth at random.
    """
    count = len(samples)
    ties = (samples == truth).sum(0)
    rank = (samples < truth).sum(0) + generator.integers(0, ties + 1)
    planes = [np.ones(truth.shape)]
    for level in LEVELS:
        j, _ = attainable(count, level)
        planes.append(((rank >= j) & (rank <= count - j)).astype(float))
    mean = samples.mean(0, dtype=np.float64)
    planes += [samples.var(0, ddof=1, dtype=np.float64), (truth - mean) ** 2]
    sums = np.stack([_block_sums(plane, block) for plane in planes], axis=1)
    return BlockScores(sums[:, 0], sums[:, 1:4], sums[:, 4], sums[:, 5], count)


def sum_blocks(parts: list[BlockScores]) -> BlockScores:
    """Join the blocks of several bands."""
    return BlockScores(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.covered for p in parts]),
        np.concatenate([p.variance for p in parts]),
        np.concatenate([p.error for p in parts]),
        parts[0].samples,
    )


def find_calibration(
    teacher: BlockScores, student: BlockScores, *, level: float, coupled: bool
) -> list[Finding]:
    """Compare coverage and spread-skill of two runs of equal K against the known object.

    Parameters
    ----------
    teacher, student : BlockScores
        Of the same blocks and the same number of samples.
    level : float
        Confidence level of the intervals.
    coupled : bool
        Whether both runs share their noise.
    """
    blocks, k = len(teacher.pixels), teacher.samples
    keeps = [np.arange(blocks) != i for i in range(blocks)]
    method = f"difference, jackknife over {blocks} blocks of pixels"
    findings = []
    for index, nominal in enumerate(LEVELS):
        _, exact = attainable(k, nominal)
        values = [run.coverage(index) for run in (teacher, student)]
        without = np.array([student.coverage(index, i) - teacher.coverage(index, i) for i in keeps])
        estimate = delete_one(values[1] - values[0], without, level=level, method=method)
        written, ends = rounded(estimate.value, estimate.interval, sign=True)
        findings.append(
            Finding(
                id=f"coverage.{nominal * 100:.0f}",
                title=f"coverage at {nominal * 100:.0f} %",
                estimand="coverage of student intervals − coverage of teacher intervals",
                unit="share of pixels",
                estimate=estimate.value,
                interval=estimate.interval,
                level=level,
                method=estimate.method,
                n_teacher=k,
                n_student=k,
                coupled=coupled,
                sentence=(
                    f"Intervals that should hold the known object at {percent(exact, 1)} of the "
                    f"pixels hold it at {percent(values[1], 1)} (student) and "
                    f"{percent(values[0], 1)} (teacher); difference "
                    f"{written} ({percent(level)} interval {ends})."
                ),
                extra={
                    "nominal": exact,
                    "teacher": values[0],
                    "student": values[1],
                    "se": estimate.se,
                    "blocks": blocks,
                },
            )
        )
    for name, run in (("teacher", teacher), ("student", student)):
        without = np.array([run.spread_skill(i) for i in keeps])
        value = run.spread_skill()
        estimate = delete_one(
            value, without, level=level, method=f"jackknife over {blocks} blocks of pixels"
        )
        written, ends = rounded(estimate.value, estimate.interval)
        findings.append(
            Finding(
                id=f"spread_skill.{name}",
                title=f"spread over error, {name}",
                estimand="sqrt((K+1)/K mean sample variance / mean squared error of the mean)",
                unit="",
                estimate=estimate.value,
                interval=estimate.interval,
                level=level,
                method=estimate.method,
                n_teacher=k if name == "teacher" else 0,
                n_student=k if name == "student" else 0,
                coupled=False,
                sentence=(
                    f"The {name}'s error bars are {written} times its errors against the "
                    f"known object ({percent(level)} interval {ends}); "
                    "1 is expected of a calibrated sampler."
                ),
                no_difference=1.0,
                extra={"se": estimate.se, "blocks": blocks},
            )
        )
    return findings


def _block_sums(plane: np.ndarray, block: int) -> np.ndarray:
    """Sum a plane over blocks, those at the edges smaller, (n,)."""
    down = np.add.reduceat(plane, np.arange(0, plane.shape[0], block), axis=0)
    return np.asarray(np.add.reduceat(down, np.arange(0, plane.shape[1], block), axis=1).ravel())
