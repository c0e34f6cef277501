"""The variance ratio tile by tile: where in the image the error bars are kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, rounded
from napari_posterior.checks.intervals import Estimate, jackknife_log_ratio, leave_one_out_total
from napari_posterior.checks.lengths import pixel_um, tell_length
from napari_posterior.checks.maps import MapImage
from napari_posterior.checks.verdicts.family import BEYOND, OPEN, WITHIN, RatioFamily
from napari_posterior.checks.verdicts.looks import FEWEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.verdicts.tolerances import Limits

__all__ = ["CELL", "PATCHES", "TileSquares", "TileSums", "choose_tile", "find_tiles"]

CELL: Final = 16
"""Side in pixels of the smallest tile; larger ones are made of these."""

PATCHES: Final = 22
"""Independent patches that a tile holds at least: 32 samples then resolve 25 % of its variance."""

_LITTLE: Final = 0.1  # of the interval: a correction that is not worth a number
_CERTAIN: Final = 0.1  # of the median SD: below it both samplers are certain


def choose_tile(nu: float, shape: tuple[int, int], *, planes: int = 1) -> int:
    """Return the side of tiles that hold `PATCHES` independent patches on average.

    Parameters
    ----------
    nu : float
        Effective dimension of the teacher's samples, `gram.Group.dimension`; may be NaN.
    shape : tuple of int
        Height and width of a plane in pixels.
    planes : int
        Planes of a sample.

    Returns
    -------
    int
        16, 32, 64 ... pixels; the longer side of the image where fewer than two tiles fit in it.
    """
    area = shape[0] * shape[1] * planes
    side = CELL
    while 2 * side <= max(shape) and side <= min(shape):
        if nu * side**2 / area >= PATCHES:
            return side
        side *= 2
    return max(shape)


class TileSums:
    """Adds up how far each sample is from the mean of its run, cell by cell, in one pass.

    Parameters
    ----------
    n_teacher, n_student : int
        Samples of each run.
    shape : tuple of int
        Height and width of a plane in pixels.
    planes : int
        Planes of a sample.
    """

    def __init__(
        self, n_teacher: int, n_student: int, shape: tuple[int, int], *, planes: int = 1
    ) -> None:
        self._n_teacher = n_teacher
        self._shape = shape
        cells = (planes, -(-shape[0] // CELL), -(-shape[1] // CELL))
        self._squares = np.zeros((n_teacher + n_student, *cells))

    def add(self, rows: np.ndarray, start: int, *, plane: int = 0) -> None:
        """Add a band of whole cells.

        Parameters
        ----------
        rows : ndarray, (K_T + K_S, h, W) float32
            Photoelectrons per pixel, teacher first: all samples that are compared and no other, as
            their means are taken here.
        start : int
            First row of the band, a multiple of `CELL`.
        plane : int
            Which plane.

        Raises
        ------
        ValueError
            If the band does not begin and end with a cell or the image.
        """
        stop = start + rows.shape[1]
        if start % CELL or (stop % CELL and stop != self._shape[0]):
            raise ValueError(f"rows {start} to {stop} are not a band of whole cells of {CELL}")
        first = start // CELL
        down = np.arange(0, rows.shape[1], CELL)
        across = np.arange(0, rows.shape[2], CELL)
        for group in (slice(None, self._n_teacher), slice(self._n_teacher, None)):
            part = rows[group]
            centred = part - part.mean(0, dtype=np.float64).astype(part.dtype)
            np.square(centred, out=centred)
            sums = np.add.reduceat(centred, across, axis=2, dtype=np.float64)
            found = np.add.reduceat(sums, down, axis=1)
            self._squares[group, plane, first : first + len(down)] += found

    def result(self) -> TileSquares:
        """Return what has been added up so far."""
        return TileSquares(self._squares.copy(), self._n_teacher, self._shape)


@dataclass(frozen=True, eq=False)
class TileSquares:
    """Squared distance of each sample from the mean of its run, in each cell.

    Parameters
    ----------
    squares : ndarray, (K_T + K_S, P, cells down, cells across)
        float64, (photoelectrons per pixel)^2 summed over pixels; teacher first.
    n_teacher : int
        Samples of the teacher.
    shape : tuple of int
        Height and width of a plane in pixels.
    """

    squares: np.ndarray
    n_teacher: int
    shape: tuple[int, int]

    def edges(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row and the first column of each tile, in pixels.

        What is left over at the end belongs to the last tile.
        """
        down, across = (np.arange(max(size // side, 1)) * side for size in self.shape)
        return down, across

    def merged(self, side: int) -> np.ndarray:
        """Return the squares of tiles, (K_T + K_S, P, tiles down, tiles across).

        Parameters
        ----------
        side : int
            A multiple of `CELL`, or the longer side of the image.
        """
        down, across = (first // CELL for first in self.edges(side))
        return np.asarray(np.add.reduceat(np.add.reduceat(self.squares, down, 2), across, 3))


def find_tiles(
    tiles: TileSquares,
    *,
    side: int,
    limits: Limits,
    level: float,
    paired: bool,
    plane: int = 0,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> tuple[Finding, tuple[MapImage, ...]]:
    """Compare the total variance of two runs in each tile.

    All tiles are within limits where each is, at the full level; some tile is beyond them by Holm's
    procedure over all. Tiles in which both runs vary less than a tenth as much as in the median
    tile are left out.

    Parameters
    ----------
    tiles : TileSquares
        At least 3 samples of each run; in pairs, as many of each.
    side : int
        Of a tile in pixels, from `choose_tile`.
    limits : Limits
        Tolerance of one tile, for the map.
    level : float
        Confidence level of each interval.
    paired : bool
        Whether sample i of both runs share their noise.
    plane : int
        The plane that the maps show.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Returns
    -------
    Finding
        Its estimate is the ratio of the tile that differs most surely, its interval reaches from
        the lowest lower end to the highest upper one of all tiles.
    tuple of MapImage
        ``"tile_ratio"`` and ``"tile_verdict"``.
    """
    squares = tiles.merged(side)
    counts = tiles.n_teacher, len(squares) - tiles.n_teacher
    grid = squares.shape[1:]
    table = squares.reshape(len(squares), -1)
    pixels = _pixels(tiles, side).ravel()
    shown = np.flatnonzero(_varies(table, tiles.n_teacher, pixels))
    estimates = [_estimate(table[:, i], tiles.n_teacher, level, paired=paired) for i in shown]
    if not estimates:
        estimates = [Estimate(None, (None, None), math.nan, math.nan, "jackknife t")]
    family = RatioFamily(estimates)
    low, high = limits.low or 0.0, math.inf if limits.high is None else limits.high
    codes = family.sort(low, high, tail=(1 - level) / 2)
    if min(counts) < FEWEST:
        codes[:] = OPEN
    worst = family.clearest
    um = pixel_um(pixel_size, unit)
    place = _place(tiles, side, grid, int(shown[worst])) if len(shown) else None
    finding = Finding(
        id="tiles",
        title="variance ratio, tile by tile",
        estimand="total variance of student / total variance of teacher, in each tile",
        unit="",
        estimate=estimates[worst].value,
        interval=family.interval if len(shown) else (None, None),
        level=level,
        method=f"{estimates[worst].method} in each of {len(shown)} tiles; the interval reaches "
        "from the lowest lower end to the highest upper end",
        n_teacher=counts[0],
        n_student=counts[1],
        coupled=paired,
        sentence=_tell(family, codes, limits, level, side, tiles.shape, um, place)
        if place
        else "The ratio cannot be estimated: the samples do not vary.",
        no_difference=1.0,
        question="variance",
        kind="tiles",
        evidence=family if len(shown) else None,
        p_value=family.p_value if len(shown) else None,
        p_method=f"jackknife t, times twice the number of tiles ({len(shown)})",
        correlation=estimates[worst].correlation,
        maps=("tile_ratio", "tile_verdict"),
        notes=_notes(family, len(shown)),
        extra={
            "side_px": side,
            "tiles": len(shown),
            "blank": int(np.prod(grid)) - len(shown),
            "within": int((codes == WITHIN).sum()),
            "beyond": int((codes == BEYOND).sum()),
            "worst_tile": place,
            "worst_interval": estimates[worst].interval,
            "worst_expected": float(family.expected[worst]),
        },
    )
    maps = _maps(tiles, side, grid, plane, shown, family, codes, limits, level, counts)
    return finding, maps


def _estimate(squares: np.ndarray, split: int, level: float, *, paired: bool) -> Estimate:
    return jackknife_log_ratio(
        leave_one_out_total(squares[:split]),
        leave_one_out_total(squares[split:]),
        level=level,
        paired=paired,
    )


def _pixels(tiles: TileSquares, side: int) -> np.ndarray:
    """Return the pixels of each tile, (P, tiles down, tiles across)."""
    sides = [
        np.diff([*first, size]) for first, size in zip(tiles.edges(side), tiles.shape, strict=True)
    ]
    return np.broadcast_to(
        sides[0][:, None] * sides[1], (tiles.squares.shape[1], len(sides[0]), len(sides[1]))
    )


def _varies(table: np.ndarray, split: int, pixels: np.ndarray) -> np.ndarray:
    """Return whether a run varies in a tile, against how the pixels of the median tile do."""
    per_pixel = np.stack(
        [table[:split].sum(0) / (split - 1), table[split:].sum(0) / (len(table) - split - 1)]
    )
    per_pixel /= pixels
    floor = _CERTAIN**2 * float(np.median(per_pixel.mean(0)))
    return np.asarray((per_pixel > floor).any(0))


def _place(tiles: TileSquares, side: int, grid: tuple[int, ...], index: int) -> dict[str, int]:
    """Return where a tile lies, in pixels."""
    plane, down, across = (int(i) for i in np.unravel_index(index, grid))
    rows, columns = tiles.edges(side)
    return {"plane": plane, "row": int(rows[down]), "column": int(columns[across])}


def _tell(
    family: RatioFamily,
    codes: np.ndarray,
    limits: Limits,
    level: float,
    side: int,
    shape: tuple[int, int],
    um: float | None,
    place: dict[str, int],
) -> str:
    worst = family.estimates[family.clearest]
    value, ends = rounded(worst.value, worst.interval)
    span = f"{value} times the teacher's variance ({confidence(level)} interval {ends})"
    count = len(codes)
    if count == 1 and side >= max(shape):
        return (
            "On this image the samples hold too few independent patches to look at parts of it; "
            f"as a whole the student's samples have {span}."
        )
    where = " and ".join(
        f"{tell_length(place[key], um)} from the {edge}"
        for key, edge in (("column", "left"), ("row", "top"))
    )
    inside, outside = int((codes == WITHIN).sum()), int((codes == BEYOND).sum())
    rest = count - inside - outside
    return (
        f"On this image {inside} of {count} tiles of {tell_length(side, um)} lie within "
        f"{limits.words} times the teacher's variance, {outside} beyond, and {rest} cannot "
        f"be told; the clearest difference is in the tile {where}, with {span}."
    )


def _notes(family: RatioFamily, count: int) -> tuple[str, ...]:
    if count < 2:
        return ()
    likely, named = float(family.expected[family.clearest]), family.estimates[family.clearest]
    low, high = named.interval
    known = None not in (named.value, low, high)
    if known and abs(likely - named.value) < _LITTLE * (high - low):  # type: ignore[operator]
        told = "but hardly here"
    else:
        told = f"and its ratio is likely nearer to {rounded(likely, (None, None))[0]}"
    return (
        f"The tile named was picked out of {count} for its difference, which chance exaggerates, "
        f"{told}.",
    )


def _maps(
    tiles: TileSquares,
    side: int,
    grid: tuple[int, ...],
    plane: int,
    shown: np.ndarray,
    family: RatioFamily,
    codes: np.ndarray,
    limits: Limits,
    level: float,
    counts: tuple[int, int],
) -> tuple[MapImage, ...]:
    ratios = np.array([math.nan if e.value is None else e.value for e in family.estimates])
    with np.errstate(divide="ignore"):
        logs = np.log2(ratios)
    few = (
        f" With fewer than {FEWEST} samples of a run none can be told."
        if min(counts) < FEWEST
        else ""
    )
    return (
        MapImage(
            "tile_ratio",
            "variance ratio, tile by tile",
            _paint(tiles, side, grid, plane, shown, logs),
            "log2",
            "Binary logarithm of the student's variance over the teacher's in each tile; blank "
            "where both are certain.",
        ),
        MapImage(
            "tile_verdict",
            "tiles within and beyond the limit",
            _paint(tiles, side, grid, plane, shown, codes),
            "",
            f"0 (clear): within {limits.words} times the teacher's variance; 1 (hatched): beyond "
            f"it; 2 (dots): cannot be told from {counts[0]} teacher and {counts[1]} student "
            f"samples.{few}",
        ),
    )


def _paint(
    tiles: TileSquares,
    side: int,
    grid: tuple[int, ...],
    plane: int,
    shown: np.ndarray,
    values: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Return a plane with one value for each tile, (H, W) float32."""
    flat = np.full(int(np.prod(grid)), np.nan, np.float32)
    flat[shown] = np.asarray(values)[: len(shown)]
    found: np.ndarray = flat.reshape(grid)[plane]
    for axis, first in enumerate(tiles.edges(side)):
        found = np.repeat(found, np.diff([*first, tiles.shape[axis]]), axis)
    return found
