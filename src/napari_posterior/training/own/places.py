"""Where crops are taken: mostly where there is something, but not only there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.physics.scenes import Dice

__all__ = ["AIMED", "Crop", "draw_crops", "find_places", "mirrored"]

AIMED: Final = 0.75
"""Share of the crops that hold a place with structure; the others lie anywhere."""

_BLOCK: Final = 16
_SOMETHING: Final = 0.1


@dataclass(frozen=True)
class Crop:
    """Where a crop lies: which piece and plane, and its first row and column."""

    piece: int
    plane: int
    row: int
    column: int


def find_places(planes: np.ndarray) -> np.ndarray:
    """Return the middles of the blocks of 16 x 16 pixels that hold something.

    A block holds something if its brightest pixel, after a Gaussian blur of 1 px that takes out
    single hot pixels, is above a tenth of bright structure.

    Parameters
    ----------
    planes : ndarray, (P, H, W)
        Clean planes above their level, in units of their bright structure.

    Returns
    -------
    ndarray, (n, 3), int32
        Plane, row and column; empty where nothing is bright.
    """
    found = []
    for number, plane in enumerate(planes):
        smooth = gaussian_filter(np.asarray(plane, np.float32), 1.0)
        rows, columns = (-(-side // _BLOCK) * _BLOCK for side in smooth.shape)
        filled = np.full((rows, columns), -np.inf, np.float32)
        filled[: smooth.shape[0], : smooth.shape[1]] = smooth
        highest = filled.reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK).max((1, 3))
        where = np.argwhere(highest > _SOMETHING) * _BLOCK + _BLOCK // 2
        where = np.minimum(where, np.array(smooth.shape) - 1)
        found.append(np.insert(where, 0, number, axis=1))
    return np.concatenate(found).astype(np.int32)


def draw_crops(
    shapes: Sequence[tuple[int, ...]],
    places: Sequence[np.ndarray],
    count: int,
    size: int,
    dice: Dice,
) -> list[Crop]:
    """Draw where crops lie.

    Every piece is drawn equally often. Three crops of four hold a place of that piece at a
    position of theirs that is drawn anew; the others, and all of a piece without places, lie
    anywhere in any of its planes.

    Parameters
    ----------
    shapes : sequence of (P, H, W)
        Of the pieces; H and W at least `size`.
    places : sequence of ndarray, (n, 3)
        From :func:`find_places`, for every piece.
    count, size : int
        How many crops, and their height and width in pixels.
    dice : Dice
        The only source of randomness.
    """
    crops = []
    for which, aimed, u, v, w in dice.uniform(count, 5).tolist():
        piece = int(which * len(shapes))
        planes, height, width = shapes[piece]
        there = places[piece]
        if aimed < AIMED and len(there):
            plane, row, column = there[int(u * len(there))].tolist()
            row, column = row - int(v * size), column - int(w * size)
        else:
            plane = int(u * planes)
            row, column = int(v * (height - size + 1)), int(w * (width - size + 1))
        row = min(max(row, 0), height - size)
        column = min(max(column, 0), width - size)
        crops.append(Crop(piece, plane, row, column))
    return crops


def mirrored(start: int, stop: int, length: int) -> np.ndarray:
    """Return the indices start to stop of an axis of `length` that is mirrored at both ends.

    The end pixels are not repeated; `start` may be negative and `stop` beyond the end, by less than
    the length.
    """
    index = np.abs(np.arange(start, stop))
    return np.where(index >= length, 2 * (length - 1) - index, index)
