"""Exact tiling of a network call.

The network is evaluated on windows of the frame and the interiors are stitched. The sampler steps
the whole frame, so that a draw of a large image is one joint draw without seams: only the network
call is cut, never the noise and never the state.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_posterior.sampling.conditioning import PointNet
    from napari_posterior.sampling.model import VelocityNet

__all__ = [
    "TiledNet",
    "TiledPointNet",
    "check_tile",
    "round_up",
    "tiled",
    "tiled_point",
    "windows",
]


@dataclass(frozen=True)
class _Cut:
    """How a frame is cut: tiles of at most `tile` pixels, windows with `halo` pixels around them.

    All three are in pixels; `tile` and `halo` are multiples of `stride`.
    """

    tile: int
    halo: int
    stride: int

    def fits(self, height: int, width: int) -> bool:
        """Say whether the frame is one tile."""
        return height <= self.tile and width <= self.tile

    def stitch(
        self, call: Callable[[slice, slice], Sequence[Tensor]], height: int, width: int
    ) -> list[Tensor]:
        """Put together what `call` gives for the rows and columns of each window."""
        whole: list[Tensor] = []
        for row, rows, row_kept in self._windows(height):
            for column, columns, column_kept in self._windows(width):
                parts = call(rows, columns)
                if not whole:
                    whole = [p.new_empty((*p.shape[:-2], height, width)) for p in parts]
                for out, part in zip(whole, parts, strict=True):
                    out[..., row, column] = part[..., row_kept, column_kept]
        return whole

    def _windows(self, length: int) -> Iterator[tuple[slice, slice, slice]]:
        return windows(length, tile=self.tile, halo=self.halo, stride=self.stride)


@dataclass(frozen=True)
class TiledNet:
    """A velocity network evaluated tile by tile; make it with :func:`tiled`.

    Parameters
    ----------
    net : VelocityNet
        A network whose output at a pixel depends on inputs within `halo` pixels only, in a frame
        aligned to its stride.
    tile : int
        Largest side of a tile in pixels, a multiple of the stride.
    halo : int
        Margin in pixels around a tile, at least the receptive radius, a multiple of the stride.
    stride : int
        Total stride of the network in pixels.
    """

    net: VelocityNet
    tile: int
    halo: int
    stride: int

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return ``F`` of the whole frame, ``(B, 1, H, W)``; arguments as for the network."""
        cut = _Cut(self.tile, self.halo, self.stride)
        height, width = x.shape[-2:]
        if cut.fits(height, width):
            return self.net(x, s, t, maps, vector)

        def call(rows: slice, columns: slice) -> tuple[Tensor]:
            window = maps[..., rows, columns]
            return (self.net(x[..., rows, columns], s, t, window, vector),)

        return cut.stitch(call, height, width)[0]


@dataclass(frozen=True)
class TiledPointNet:
    """A point network evaluated tile by tile; make it with :func:`tiled_point`.

    Parameters
    ----------
    net : PointNet
        A local network, as in `TiledNet`.
    tile, halo, stride : int
        As in `TiledNet`.
    """

    net: PointNet
    tile: int
    halo: int
    stride: int

    def __call__(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return centre and log spread of the whole frame, each (B, 1, H, W)."""
        cut = _Cut(self.tile, self.halo, self.stride)
        height, width = maps.shape[-2:]
        if cut.fits(height, width):
            return self.net(maps, vector)

        def call(rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
            return self.net(maps[..., rows, columns], vector)

        centre, log_spread = cut.stitch(call, height, width)
        return centre, log_spread


def tiled(net: VelocityNet, *, tile: int | None, halo: int, stride: int = 8) -> VelocityNet:
    """Return a network that evaluates `net` on tiles and equals it on the whole frame.

    A window reaches `halo` pixels beyond its tile and ends at the border of the frame, where the
    network pads as it does for the whole frame. Tiles and halos are rounded up to multiples of the
    stride, so that every window is sampled on the same lattice as the whole frame.

    Parameters
    ----------
    net : VelocityNet
        A network with a finite receptive field.
    tile : int or None
        Largest side of a tile in pixels, without the halo; None evaluates the whole frame.
    halo : int
        Receptive radius of the network in pixels, or more.
    stride : int
        Total stride of the network in pixels.

    Returns
    -------
    VelocityNet
        Called as `net` is.

    Raises
    ------
    InputError
        If `tile` is not positive.
    """
    if tile is None:
        return net
    return TiledNet(net, *_checked(tile, halo, stride), stride)


def tiled_point(net: PointNet, *, tile: int | None, halo: int, stride: int = 8) -> PointNet:
    """Return a point network that evaluates `net` on tiles; arguments as for :func:`tiled`.

    Raises
    ------
    InputError
        If `tile` is not positive.
    """
    if tile is None:
        return net
    return TiledPointNet(net, *_checked(tile, halo, stride), stride)


def windows(
    length: int, *, tile: int, halo: int, stride: int = 1
) -> Iterator[tuple[slice, slice, slice]]:
    """Cut one axis into as few tiles as possible, of nearly equal length, with halos.

    Parameters
    ----------
    length : int
        Length of the axis in pixels.
    tile, halo : int
        Largest tile and margin in pixels, multiples of `stride`.
    stride : int
        Tiles begin at multiples of it.

    Yields
    ------
    kept : slice
        The tile in the frame.
    window : slice
        The tile with its halo, clipped to the frame.
    inside : slice
        The tile in its window.
    """
    count = math.ceil(length / tile)
    blocks = math.ceil(length / stride)
    edges = [min(i * blocks // count * stride, length) for i in range(count + 1)]
    for start, stop in itertools.pairwise(edges):
        first, last = max(start - halo, 0), min(stop + halo, length)
        yield slice(start, stop), slice(first, last), slice(start - first, stop - first)


def round_up(size: int, stride: int) -> int:
    """Return the smallest multiple of `stride` that is not below `size`."""
    return math.ceil(size / stride) * stride


def check_tile(tile: int) -> None:
    """Refuse a tile without pixels.

    Raises
    ------
    InputError
        If `tile` is not positive.
    """
    if tile < 1:
        raise InputError(
            f"the tile size is {tile} px; give a positive number, or none for no tiles"
        )


def _checked(tile: int, halo: int, stride: int) -> tuple[int, int]:
    check_tile(tile)
    if halo < 0 or stride < 1:
        raise ValueError(f"halo {halo} and stride {stride} must be >= 0 and >= 1")
    return round_up(tile, stride), round_up(halo, stride)
