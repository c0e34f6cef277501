"""Exact tiling of a network call.

The network is evaluated on windows of the frame and the interiors are stitched. The sampler steps
the whole frame, so that a draw of a large image is one joint draw without seams: only the network
call is cut, never the noise and never the state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_posterior.sampling.model import VelocityNet

__all__ = ["TiledNet", "tiled", "windows"]


@dataclass(frozen=True)
class TiledNet:
    """A velocity network evaluated tile by tile; make it with :func:`tiled`.

    Parameters
    ----------
    net : VelocityNet
        A network whose output at a pixel depends on inputs within `halo` pixels only, in a frame
        aligned to its stride.
    tile : int
        Side of a tile in pixels, a multiple of the stride.
    halo : int
        Margin in pixels around a tile, at least the receptive radius, a multiple of the stride.
    """

    net: VelocityNet
    tile: int
    halo: int

    def __call__(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return ``F`` of the whole frame, ``(B, 1, H, W)``; arguments as for the network."""
        height, width = x.shape[-2:]
        if height <= self.tile and width <= self.tile:
            return self.net(x, s, t, maps, vector)
        out = torch.empty_like(x)
        for row, rows, row_kept in windows(height, tile=self.tile, halo=self.halo):
            for column, columns, column_kept in windows(width, tile=self.tile, halo=self.halo):
                F = self.net(x[..., rows, columns], s, t, maps[..., rows, columns], vector)
                out[..., row, column] = F[..., row_kept, column_kept]
        return out


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
        Side of a tile in pixels, without the halo; None evaluates the whole frame.
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
    if tile < 1:
        raise InputError(
            f"the tile size is {tile} px; give a positive number, or none for no tiles"
        )
    if halo < 0 or stride < 1:
        raise ValueError(f"halo {halo} and stride {stride} must be >= 0 and >= 1")
    return TiledNet(net=net, tile=_round_up(tile, stride), halo=_round_up(halo, stride))


def windows(length: int, *, tile: int, halo: int) -> Iterator[tuple[slice, slice, slice]]:
    """Cut one axis into tiles with halos.

    Parameters
    ----------
    length : int
        Length of the axis in pixels.
    tile, halo : int
        Tile side and margin in pixels.

    Yields
    ------
    kept : slice
        The tile in the frame.
    window : slice
        The tile with its halo, clipped to the frame.
    inside : slice
        The tile in its window.
    """
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        first, last = max(start - halo, 0), min(stop + halo, length)
        yield slice(start, stop), slice(first, last), slice(start - first, stop - first)


def _round_up(size: int, stride: int) -> int:
    return math.ceil(size / stride) * stride
