"""Samples against a known object: rank-based coverage and spread over error.

The known object is in the space of the samples. One measured at a lower resolution is compared with
samples seen through the same optics: give both so, and its own noise drawn on every sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.intervals import delete_one

__all__ = [
    "FEWEST_BLOCKS",
    "KNOWN",
    "LEVELS",
    "BlockScores",
    "attainable",
    "find_calibration",
    "fit_blocks",
    "rank_pixels",
    "score_blocks",
    "sum_blocks",
]

LEVELS: Final = (0.5, 0.8, 0.9)
"""Nominal coverage that is looked at."""

KNOWN: Final = "known object"
"""What samples are scored against, in words, where nothing else is said."""

FEWEST_BLOCKS: Final = 30
"""Blocks of pixels that an interval of the coverage needs."""

_DECIDING: Final = 0.9
_LIMITS: Final = (-0.05, 0.05)  # of the coverage of one run about its nominal value
_LENGTHS: Final = 3.0  # correlation lengths to the side of a block


def attainable(samples: int, level: float) -> tuple[int, float]:
    """Return j and the coverage (K+1-2j)/(K+1) of [x_(j), x_(K+1-j)] nearest to `level`.

    K samples order the axis into K + 1 equally likely gaps, so other levels cannot be had
    without interpolation, which covers too little.
    """
    j = min(max(round((samples + 1) * (1 - level) / 2), 1), samples // 2)
    return j, (samples + 1 - 2 * j) / (samples + 1)


@dataclass(frozen=True, eq=False)
class BlockScores:
    """Sums over blocks of pixels, the unit of the intervals as pixels are correlated.

    Parameters
    ----------
    pixels : ndarray, (n,)
        Pixels of each block.
    ranks : ndarray, (n, K + 1)
        Pixels of each block in which 0, 1, ..., K samples lie below the known object.
    variance, error : ndarray, (n,)
        Sum of the sample variance (ddof 1), and of the squared error of the sample mean.
    samples : int
        K.
    places : ndarray, (n, 3) int64
        Plane, row and column of each block, counted in blocks.
    side : int
        Of a block in pixels.
    """

    pixels: np.ndarray
    ranks: np.ndarray
    variance: np.ndarray
    error: np.ndarray
    samples: int
    places: np.ndarray
    side: int

    @property
    def covered(self) -> np.ndarray:
        """Pixels inside the interval of each of `LEVELS`, (n, 3)."""
        return np.stack([self.inside(attainable(self.samples, one)[0]) for one in LEVELS], axis=1)

    def inside(self, j: int) -> np.ndarray:
        """Return the pixels of each block inside the interval [x_(j), x_(K+1-j)], (n,)."""
        return np.asarray(self.ranks[:, j : self.samples + 1 - j].sum(1))

    def coverage(self, level: int, keep: np.ndarray | None = None) -> float:
        """Return the coverage at one of `LEVELS`, of all blocks or those to keep."""
        rows = slice(None) if keep is None else keep
        return float(self.covered[rows, level].sum() / self.pixels[rows].sum())

    def coverage_without(self, level: int) -> np.ndarray:
        """Return the coverage at one of `LEVELS` without each block in turn, (n,)."""
        covered = self.covered[:, level]
        # a single block leaves no pixels, and no interval is made of it
        left = np.maximum(self.pixels.sum() - self.pixels, 1)
        return np.asarray((covered.sum() - covered) / left)

    def spread_skill(self, keep: np.ndarray | None = None) -> float:
        """Return sqrt((K+1)/K mean variance / mean squared error): 1 when calibrated."""
        rows = slice(None) if keep is None else keep
        error = float(self.error[rows].sum())
        if error <= 0:
            return float("nan")
        return float(np.sqrt(self._factor * self.variance[rows].sum() / error))

    def spread_skill_without(self) -> np.ndarray:
        """Return `spread_skill` without each block in turn, (n,)."""
        error = self.error.sum() - self.error
        with np.errstate(divide="ignore", invalid="ignore"):
            squares = self._factor * (self.variance.sum() - self.variance) / error
        return np.asarray(np.sqrt(np.where(error > 0, squares, np.nan)))

    def merge(self, factor: int) -> BlockScores:
        """Join `factor` by `factor` blocks to one."""
        keys = self.places // np.array([1, factor, factor])
        places, of = np.unique(keys, axis=0, return_inverse=True)
        of = of.ravel()

        def join(values: np.ndarray) -> np.ndarray:
            sums = np.zeros((len(places), *values.shape[1:]), values.dtype)
            np.add.at(sums, of, values)
            return sums

        return BlockScores(
            join(self.pixels),
            join(self.ranks),
            join(self.variance),
            join(self.error),
            self.samples,
            places,
            self.side * factor,
        )

    @property
    def _factor(self) -> float:
        return (self.samples + 1) / self.samples


def rank_pixels(
    samples: np.ndarray, truth: np.ndarray, *, generator: np.random.Generator
) -> np.ndarray:
    """Return how many samples lie below the known object at each pixel, (h, W) int64, 0 to K.

    Parameters
    ----------
    samples : ndarray, (K, h, W)
        Photoelectrons per pixel.
    truth : ndarray, (h, W)
        The object in the same unit and at the same resolution.
    generator : Generator
        Breaks ties of samples and truth at random.
    """
    ties = (samples == truth).sum(0)
    return np.asarray((samples < truth).sum(0) + generator.integers(0, ties + 1))


def score_blocks(
    samples: np.ndarray,
    truth: np.ndarray,
    *,
    block: int,
    generator: np.random.Generator,
    ranks: np.ndarray | None = None,
    plane: int = 0,
    start: int = 0,
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
    ranks : ndarray, (h, W), optional
        What `rank_pixels` gave, where that is known.
    plane, start : int
        Where the band lies: its plane and first row, a multiple of `block`.
    """
    count, (height, width) = len(samples), truth.shape
    if ranks is None:
        ranks = rank_pixels(samples, truth, generator=generator)
    rows, columns = np.arange(height) // block, np.arange(width) // block
    across = int(columns[-1]) + 1
    number = (int(rows[-1]) + 1) * across
    of = rows[:, None] * across + columns
    counts = np.bincount((of * (count + 1) + ranks).ravel(), minlength=number * (count + 1))
    mean = samples.mean(0, dtype=np.float64)
    planes = samples.var(0, ddof=1, dtype=np.float64), (truth - mean) ** 2
    variance, error = (np.bincount(of.ravel(), one.ravel(), number) for one in planes)
    counts = counts.reshape(number, count + 1)
    first = np.arange(number)
    places = np.stack([np.full(number, plane), start // block + first // across, first % across], 1)
    return BlockScores(counts.sum(1), counts, variance, error, count, places, block)


def sum_blocks(parts: list[BlockScores]) -> BlockScores:
    """Join the blocks of several bands."""
    return BlockScores(
        np.concatenate([p.pixels for p in parts]),
        np.concatenate([p.ranks for p in parts]),
        np.concatenate([p.variance for p in parts]),
        np.concatenate([p.error for p in parts]),
        parts[0].samples,
        np.concatenate([p.places for p in parts]),
        parts[0].side,
    )


def fit_blocks(scores: BlockScores, length: float) -> BlockScores:
    """Join blocks until their side is 3 correlation lengths of the ranks, or more.

    Parameters
    ----------
    scores : BlockScores
        Of small blocks.
    length : float
        In pixels, see `rank_histogram.correlation_length`.
    """
    factor = max(int(np.ceil(_LENGTHS * length / scores.side)), 1)
    return scores if factor == 1 else scores.merge(factor)


def find_calibration(
    teacher: BlockScores,
    student: BlockScores,
    *,
    level: float,
    coupled: bool,
    known: str = KNOWN,
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
    known : str
        What they are scored against: ``"known object"`` or ``"reference image"``.
    """
    blocks, k = len(teacher.pixels), teacher.samples
    findings = [
        _compare_coverage(teacher, student, index, level=level, coupled=coupled, known=known)
        for index in range(len(LEVELS))
    ]
    findings += [
        _find_coverage(run, key, name, level=level, known=known)
        for key, name, run in (
            ("reference.coverage", "teacher", teacher),
            ("student.coverage", "student", student),
        )
    ]
    for name, run in (("teacher", teacher), ("student", student)):
        value = run.spread_skill()
        estimate = delete_one(
            value, run.spread_skill_without(), level=level, method=_over_blocks(blocks)
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
                    f"On this image the {name}'s error bars are {written} times its errors against "
                    f"the {known} ({confidence(level)} interval {ends}); "
                    "1 is expected of a calibrated sampler."
                ),
                no_difference=1.0,
                question="calibration",
                extra={"se": estimate.se, "blocks": blocks},
            )
        )
    return findings


def _compare_coverage(
    teacher: BlockScores,
    student: BlockScores,
    index: int,
    *,
    level: float,
    coupled: bool,
    known: str,
) -> Finding:
    """Compare the coverage of two runs at one of `LEVELS`; that at 90 % gets a verdict."""
    nominal, blocks, k = LEVELS[index], len(teacher.pixels), teacher.samples
    _, exact = attainable(k, nominal)
    values = [run.coverage(index) for run in (teacher, student)]
    without = student.coverage_without(index) - teacher.coverage_without(index)
    estimate = delete_one(
        values[1] - values[0],
        without,
        level=level,
        method=f"difference, {_over_blocks(blocks)}",
    )
    shares = [None if v is None else 100 * v for v in (estimate.value, *estimate.interval)]
    written, ends = rounded(shares[0], (shares[1], shares[2]), sign=True)
    decides = nominal == _DECIDING
    return Finding(
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
            f"On this image intervals that should hold the {known} at {percent(exact, 1)} of "
            f"the pixels hold it at {percent(values[1], 1)} (student) and "
            f"{percent(values[0], 1)} (teacher); difference {written} percentage points "
            f"({confidence(level)} interval {ends})."
        ),
        question="calibration",
        kind="coverage" if decides else "",
        evidence=estimate.evidence,
        untestable=_too_small(blocks) if decides else "",
        maps=("misses",) if decides else (),
        extra={
            "nominal": exact,
            "teacher": values[0],
            "student": values[1],
            "se": estimate.se,
            "blocks": blocks,
            "block_side": teacher.side,
        },
    )


def _find_coverage(run: BlockScores, key: str, name: str, *, level: float, known: str) -> Finding:
    """Compare the coverage of one run at 90 % with what it should be, without a verdict."""
    index, blocks = LEVELS.index(_DECIDING), len(run.pixels)
    _, exact = attainable(run.samples, _DECIDING)
    estimate = delete_one(
        run.coverage(index) - exact,
        run.coverage_without(index) - exact,
        level=level,
        method=f"difference from the nominal value, {_over_blocks(blocks)}",
    )
    found = estimate.value or 0.0
    low, high = (None if end is None else 100 * (end + exact) for end in estimate.interval)
    written, ends = rounded(100 * (exact + found), (low, high))
    return Finding(
        id=key,
        title=f"coverage of the {name} at {_DECIDING * 100:.0f} %",
        estimand=f"coverage of {name} intervals − their nominal coverage",
        unit="share of pixels",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=estimate.method,
        n_teacher=run.samples if name == "teacher" else 0,
        n_student=run.samples if name == "student" else 0,
        coupled=False,
        sentence=(
            f"On this image the {name}'s intervals hold the {known} at {written} % of the pixels "
            f"({confidence(level)} interval {ends} %), where {percent(exact, 1)} is expected."
        ),
        question="calibration",
        evidence=estimate.evidence,
        extra={
            "nominal": exact,
            "value": exact + found,
            "limits": _LIMITS,
            "se": estimate.se,
            "blocks": blocks,
        },
    )


def _over_blocks(blocks: int) -> str:
    return f"jackknife over {blocks} blocks of pixels"


def _too_small(blocks: int) -> str:
    held = f"it holds {blocks} independent blocks of pixels"
    needed = f"an interval of the coverage needs {FEWEST_BLOCKS}"
    return "" if blocks >= FEWEST_BLOCKS else f"the image is too small, as {held} and {needed}"
