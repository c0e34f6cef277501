"""The samples of two runs in bands of rows, so that the memory does not grow with the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_posterior.checks.source import Stack

__all__ = ["BandReader"]

_BAND_BYTES: Final = 96 * 2**20
_ROWS: Final = 32


class BandReader:
    """Reads both runs, teacher first.

    Parameters
    ----------
    teacher, student : Stack
        Samples of the same image.
    on_step : callable, optional
        Called after every sample; may raise to end it.

    Attributes
    ----------
    band : int
        Rows that are read at once, a multiple of 32.
    """

    def __init__(self, teacher: Stack, student: Stack, on_step: Callable[[], None] | None) -> None:
        self._stacks = teacher, student
        self._counts = teacher.count, student.count
        self._shape = teacher.plane_shape
        self._on_step = on_step
        row = 4 * sum(self._counts) * self._shape[1]
        # which cells of tiles and blocks of scores divide
        self.band = max(_BAND_BYTES // row // _ROWS, 1) * _ROWS

    def bands(self, plane: int, *, halo: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row of each band and its rows, (K_T + K_S, h, W), with a halo."""
        height, width = self._shape
        for start in range(0, height, self.band):
            low, high = max(start - halo, 0), min(start + self.band + halo, height)
            rows = np.empty((sum(self._counts), high - low, width), np.float32)
            for k in range(len(rows)):
                stack, sample = self._find(k)
                rows[k] = stack.rows(sample, plane, low, high)
                if self._on_step is not None:
                    self._on_step()
            if not np.isfinite(rows).all():
                raise InputError("a sample has NaN or infinite pixels; draw the run again")
            yield start, rows

    def plane(self, k: int, plane: int) -> np.ndarray:
        """Return a plane of a sample, (H, W)."""
        if self._on_step is not None:
            self._on_step()
        stack, sample = self._find(k)
        return stack.plane(sample, plane)

    def split(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the teacher's and the student's."""
        return rows[: self._counts[0]], rows[self._counts[0] :]

    def _find(self, k: int) -> tuple[Stack, int]:
        first = self._counts[0]
        return (self._stacks[0], k) if k < first else (self._stacks[1], k - first)
