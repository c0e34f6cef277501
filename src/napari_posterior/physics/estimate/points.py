"""Blocks of an image: how bright they are and how much their pixels vary by noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

__all__ = ["Points", "blocks", "join", "laplacian_points", "laplacian_residual"]

# sum over all lags of the squared autocorrelation of the Laplacian residual of white noise:
# (1 + 2 (4/9 + 1/36))^2
_LAPLACIAN_REDUNDANCY: Final = (35 / 18) ** 2


@dataclass(frozen=True, eq=False)
class Points:
    """Mean and noise variance of blocks, each of the shape (blocks,).

    Parameters
    ----------
    mean : ndarray
        Mean in ADU.
    variance : ndarray
        Noise variance in ADU^2.
    pixels : ndarray
        Pixels times frames that the mean was taken over: its own variance is variance / pixels.
    freedom : ndarray
        Degrees of freedom of the variance: its relative variance is 2 / freedom.
    group : ndarray of int
        Which stack or level the block is of.
    """

    mean: np.ndarray
    variance: np.ndarray
    pixels: np.ndarray
    freedom: np.ndarray
    group: np.ndarray

    @classmethod
    def of(
        cls, mean: np.ndarray, variance: np.ndarray, pixels: float, freedom: float, group: int = 0
    ) -> Points:
        """Blocks that have all the same size."""
        shape = mean.shape
        return cls(
            mean,
            variance,
            np.full(shape, float(pixels)),
            np.full(shape, float(freedom)),
            np.full(shape, group),
        )

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, pick: np.ndarray) -> Points:
        """Return some of the blocks: a mask or indices."""
        return Points(*(getattr(self, name)[pick] for name in self.__dataclass_fields__))

    def by_level(self, count: int) -> Points:
        """Return the blocks grouped by their mean into `count` parts of about equal size."""
        edges = np.quantile(self.mean, np.arange(1, count) / count)
        return replace(self, group=np.searchsorted(edges, self.mean, side="right"))


def join(parts: list[Points]) -> Points:
    """All blocks of several sets of them."""
    names = Points.__dataclass_fields__
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def blocks(values: np.ndarray, size: int) -> np.ndarray:
    """Pixels of every whole block of planes (N, H, W), as (blocks, size^2)."""
    count, height, width = values.shape
    rows, columns = height // size, width // size
    tiles = values[:, : rows * size, : columns * size].reshape(count, rows, size, columns, size)
    return tiles.swapaxes(2, 3).reshape(-1, size * size)


def laplacian_residual(y: np.ndarray) -> np.ndarray:
    """Laplacian difference residual (N, H - 2, W - 2); its variance is that of white noise.

    J. Immerkaer, Computer Vision and Image Understanding 64 (1996) 300-302.
    """
    return np.asarray(np.diff(np.diff(y, 2, axis=1), 2, axis=2) / 6)


def laplacian_points(y: np.ndarray, size: int, group: int = 0) -> Points:
    """Blocks of planes (N, H, W) whose noise is what a smooth object does not explain."""
    mean = blocks(y[:, 1:-1, 1:-1], size).mean(axis=1)
    variance = blocks(laplacian_residual(y) ** 2, size).mean(axis=1)
    return Points.of(mean, variance, size**2, size**2 / _LAPLACIAN_REDUNDANCY, group)
