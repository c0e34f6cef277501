"""One pass over the pixels of two runs, in bands of rows that bound the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.truth import BlockScores, score_blocks, sum_blocks
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks.source import Stack

__all__ = ["Moments", "Pass", "read_pixels"]

_BAND_BYTES: Final = 96 * 2**20
_BLOCKS: Final = (32, 16)  # px; the larger one where it leaves enough blocks
_ENOUGH_BLOCKS: Final = 30
_TIES_SEED: Final = 0


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation (ddof 1) over samples of one plane, (H, W) float32 each."""

    mean: np.ndarray
    sd: np.ndarray


@dataclass(frozen=True)
class Pass:
    """What one pass over the pixels gives.

    Parameters
    ----------
    gram : Gram
        Inner products over all planes.
    teacher, student : Moments
        Maps of one plane.
    scores : tuple of BlockScores or None
        Of teacher and student against the known object, if one was given.
    """

    gram: Gram
    teacher: Moments
    student: Moments
    scores: tuple[BlockScores, BlockScores] | None


def read_pixels(
    teacher: Stack, student: Stack, *, plane: int, truth: np.ndarray | None = None
) -> Pass:
    """Accumulate Gram matrix, maps and scores.

    Parameters
    ----------
    teacher, student : Stack
        Samples of the same image.
    plane : int
        The plane whose maps are kept.
    truth : ndarray, (P, H, W), optional
        The known object in photoelectrons per pixel.

    Raises
    ------
    InputError
        If a sample has values that are not finite.
    """
    height, width = teacher.plane_shape
    counts = teacher.count, student.count
    block = _block_side(height, width, teacher.planes)
    band = max(_BAND_BYTES // (4 * sum(counts) * width) // block, 1) * block
    gram = GramAccumulator(*counts)
    maps = [np.empty((height, width), np.float32) for _ in range(4)]
    scores: tuple[list[BlockScores], list[BlockScores]] = ([], [])
    generator = np.random.default_rng(_TIES_SEED)
    for index in range(teacher.planes):
        for start in range(0, height, band):
            stop = min(start + band, height)
            rows = np.empty((sum(counts), stop - start, width), np.float32)
            for k in range(sum(counts)):
                stack, sample = (teacher, k) if k < counts[0] else (student, k - counts[0])
                rows[k] = stack.rows(sample, index, start, stop)
            if not np.isfinite(rows).all():
                raise InputError("a sample has NaN or infinite pixels; draw the run again")
            gram.add(rows.reshape(len(rows), -1))
            groups = rows[: counts[0]], rows[counts[0] :]
            if index == plane:
                for i, part in enumerate(groups):
                    maps[2 * i][start:stop] = part.mean(0, dtype=np.float64)
                    maps[2 * i + 1][start:stop] = part.std(0, ddof=1, dtype=np.float64)
            if truth is not None:
                for scored, part in zip(scores, groups, strict=True):
                    known = truth[index, start:stop]
                    scored.append(
                        score_blocks(part[: min(counts)], known, block=block, generator=generator)
                    )
    return Pass(
        gram.result(),
        Moments(maps[0], maps[1]),
        Moments(maps[2], maps[3]),
        None if truth is None else (sum_blocks(scores[0]), sum_blocks(scores[1])),
    )


def _block_side(height: int, width: int, planes: int) -> int:
    """Return the larger side that leaves at least 30 blocks, else the smaller one."""
    for side in _BLOCKS:
        if planes * (height // side) * (width // side) >= _ENOUGH_BLOCKS:
            return side
    return _BLOCKS[-1]
