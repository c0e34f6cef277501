"""Tiles for a network that is not local: at every step the velocities of overlapping tiles blend.

A network with attention or a norm over space has no receptive field to use as a halo, so that its
tiles differ where they meet. Mixed with weights that sum to one, they become one velocity field
without edges, of one state and one noise: a draw stays one joint draw. It is not the draw of the
untiled network, which `tiling` gives for a network that is local.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_posterior.errors import InputError
from napari_posterior.sampling.tiling import check_tile, round_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_posterior.sampling.conditioning import PointNet
    from napari_posterior.sampling.model import VelocityNet

__all__ = ["BlendedNet", "BlendedPointNet", "blended", "blended_point", "starts", "weights"]


@dataclass(frozen=True)
class _Cut:
    """How a frame is cut into tiles that overlap, all numbers in pixels.

    `tile` and `overlap` are multiples of `stride`.
    """

    tile: int
    overlap: int
    stride: int

    def fits(self, frame: Tensor) -> bool:
        """Say whether the frame is one tile."""
        return max(frame.shape[-2:]) <= self.tile

    def mix(self, call: Callable[[slice, slice], Sequence[Tensor]], frame: Tensor) -> list[Tensor]:
        """Blend what `call` gives for the rows and columns of each tile; `frame` is what is cut."""
        height, width = frame.shape[-2:]
        whole: list[Tensor] = []
        for rows, row_weight in self._axis(height, frame):
            for columns, column_weight in self._axis(width, frame):
                parts = call(rows, columns)
                if not whole:
                    whole = [p.new_zeros((*p.shape[:-2], height, width)) for p in parts]
                for out, part in zip(whole, parts, strict=True):
                    out[..., rows, columns] += part * (row_weight[:, None] * column_weight)
        return whole

    def _axis(self, length: int, like: Tensor) -> list[tuple[slice, Tensor]]:
        tile = min(self.tile, length)
        first = starts(length, tile=tile, overlap=self.overlap, stride=self.stride)
        share = weights(length, tile=tile, starts=first).to(like)
        return [
            (slice(start, start + tile), weight) for start, weight in zip(first, share, strict=True)
        ]


@dataclass(frozen=True)
class BlendedNet:
    """A velocity network evaluated on overlapping tiles and blended; make it with `blended`.

    Parameters
    ----------
    net : VelocityNet
        Any network.
    tile : int
        Side of a tile in pixels, a multiple of `stride`. All tiles are of this size, unless the
        frame is smaller: such a network depends on it.
    overlap : int
        Least number of pixels that neighbouring tiles share, a multiple of `stride`.
    stride : int
        Tiles begin at multiples of it.
    """

    net: VelocityNet
    tile: int
    overlap: int
    stride: int

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return ``F`` of the whole frame, ``(B, 1, H, W)``; arguments as for the network."""
        cut = _Cut(self.tile, self.overlap, self.stride)
        if cut.fits(x):
            return self.net(x, s, t, maps, vector)

        def call(rows: slice, columns: slice) -> tuple[Tensor]:
            return (self.net(x[..., rows, columns], s, t, maps[..., rows, columns], vector),)

        return cut.mix(call, x)[0]


@dataclass(frozen=True)
class BlendedPointNet:
    """A point network evaluated on overlapping tiles and blended; make it with `blended_point`.

    Parameters
    ----------
    net : PointNet
        Any network.
    tile, overlap, stride : int
        As in `BlendedNet`.
    """

    net: PointNet
    tile: int
    overlap: int
    stride: int

    def __call__(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return centre and log spread of the whole frame, each (B, 1, H, W)."""
        cut = _Cut(self.tile, self.overlap, self.stride)
        if cut.fits(maps):
            return self.net(maps, vector)

        def call(rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
            return self.net(maps[..., rows, columns], vector)

        centre, log_spread = cut.mix(call, maps)
        return centre, log_spread


def blended(
    net: VelocityNet, *, tile: int | None, overlap: int | None = None, stride: int = 8
) -> VelocityNet:
    """Return a network that blends the velocities which `net` has on overlapping tiles.

    Parameters
    ----------
    net : VelocityNet
        Any network; for a local one :func:`napari_posterior.sampling.tiling.tiled` is exact.
    tile : int or None
        Side of a tile in pixels, its overlap included; None evaluates the whole frame.
    overlap : int, optional
        Least number of pixels that neighbouring tiles share; a quarter of the tile by default.
    stride : int
        Total stride of the network in pixels; tile and overlap are rounded up to multiples of it.

    Returns
    -------
    VelocityNet
        Called as `net` is.

    Raises
    ------
    InputError
        If `tile` is not positive, or the overlap is not below it.
    """
    if tile is None:
        return net
    return BlendedNet(net, *_checked(tile, overlap, stride), stride)


def blended_point(
    net: PointNet, *, tile: int | None, overlap: int | None = None, stride: int = 8
) -> PointNet:
    """Return a point network that blends centre and log spread; arguments as for :func:`blended`.

    Raises
    ------
    InputError
        If `tile` is not positive, or the overlap is not below it.
    """
    if tile is None:
        return net
    return BlendedPointNet(net, *_checked(tile, overlap, stride), stride)


def starts(length: int, *, tile: int, overlap: int, stride: int = 1) -> list[int]:
    """Return where the tiles of one axis begin: as few as possible, spread evenly.

    Parameters
    ----------
    length : int
        Length of the axis in pixels, a multiple of `stride` and at least `tile`.
    tile, overlap : int
        Tile and least overlap in pixels, multiples of `stride`, ``overlap < tile``.
    stride : int
        Tiles begin at multiples of it.
    """
    count = 1 + math.ceil((length - tile) / (tile - overlap))
    room = (length - tile) // stride
    return [i * room // max(count - 1, 1) * stride for i in range(count)]


def weights(length: int, *, tile: int, starts: list[int]) -> Tensor:
    """Return the share of each tile in each of its pixels, along one axis.

    ``sin^2`` from the edge to the middle of a tile, divided by the sum over all tiles at a pixel:
    where two tiles meet one fades out as the other fades in, and the shares of a pixel sum to one.

    Parameters
    ----------
    length : int
        Length of the axis in pixels.
    tile : int
        Length of a tile in pixels.
    starts : list of int
        First pixels of the tiles, which cover the axis.

    Returns
    -------
    Tensor, (tiles, tile), float64
    """
    inside = (torch.arange(tile, dtype=torch.float64) + 0.5) / tile
    bump = torch.sin(math.pi * inside).square()
    total = torch.zeros(length, dtype=torch.float64)
    for start in starts:
        total[start : start + tile] += bump
    return torch.stack([bump / total[start : start + tile] for start in starts])


def _checked(tile: int, overlap: int | None, stride: int) -> tuple[int, int]:
    check_tile(tile)
    if stride < 1 or (overlap is not None and overlap < 1):
        raise ValueError(f"overlap {overlap} and stride {stride} must be >= 1")
    side = round_up(tile, stride)
    shared = round_up(math.ceil(side / 4) if overlap is None else overlap, stride)
    if shared >= side:
        raise InputError(
            f"tiles of {side} px cannot overlap by {shared} px; give tiles of at least "
            f"{2 * shared} px"
        )
    return side, shared
