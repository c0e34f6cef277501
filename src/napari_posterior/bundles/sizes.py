"""Tile and batch of the network calls of a run, from what a call costs and the memory there is."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from napari_posterior.bundles.catalogue import MEMORY_VARIABLE

if TYPE_CHECKING:
    from napari_posterior.bundles.speed import Rate

__all__ = ["Sizes", "choose_batch", "choose_tile", "memory_share"]

_SHARE: Final = 0.5
"""Part of the free memory that a network call may take, where the user does not say."""

_SHARES: Final = (0.05, 0.95)

_MOST_BYTES: Final = {"cpu": 2**29}
"""Most memory of a network call in bytes: on a CPU a larger one is not faster."""

_MOST_AT_ONCE: Final = {"cpu": 16}
_MANY: Final = 64

_VALUES_AT_ONCE: Final = 2**28
"""Values of unfinished samples that are held at a time: 1 GiB of float32."""

_ALIGN: Final = 64
_SMALLEST: Final = 128


@dataclass(frozen=True)
class Sizes:
    """How much a network call may hold.

    Parameters
    ----------
    rate : Rate
        What a call costs.
    free : int
        Free memory of the device in bytes.
    device : str
        Name of the device.
    """

    rate: Rate
    free: int
    device: str

    @property
    def most(self) -> int:
        """Pixels that a call may have at most."""
        limit = _MOST_BYTES.get(self._kind, self.free)
        return max(1, int(min(limit, memory_share() * self.free) / self.rate.bytes))

    @property
    def at_once(self) -> int:
        """Samples that a call may have at most."""
        return _MOST_AT_ONCE.get(self._kind, _MANY)

    @property
    def _kind(self) -> str:
        return torch.device(self.device).type


def memory_share() -> float:
    """Return the part of the free memory that a network call may take, 0.05 to 0.95.

    The environment variable ``NAPARI_POSTERIOR_MEMORY_SHARE`` sets it; a half by default.
    """
    try:
        given = float(os.environ[MEMORY_VARIABLE])
    except (KeyError, ValueError):
        return _SHARE
    return min(max(given, _SHARES[0]), _SHARES[1]) if math.isfinite(given) else _SHARE


def choose_tile(sizes: Sizes, shape: tuple[int, int], *, halo: int) -> int | None:
    """Return the side of the tiles of a network call, in pixels; None for whole planes.

    The largest tile that fits with its halo: the halo is computed twice.

    Parameters
    ----------
    sizes : Sizes
        What a call may hold.
    shape : (H, W)
        A plane in pixels.
    halo : int
        Margin around a tile in pixels.
    """
    if math.prod(shape) <= sizes.most:
        return None
    side = math.isqrt(sizes.most) - 2 * halo
    return max(side // _ALIGN * _ALIGN, _SMALLEST)


def choose_batch(
    sizes: Sizes, shape: tuple[int, int], *, tile: int | None, samples: int, planes: int
) -> int:
    """Return how many samples to draw at a time.

    No more than make a pixel cheaper, so that cancelling acts soon; no more than memory holds, of
    calls and of unfinished samples; and so that there are at least four batches where it can be,
    for a cancelled run to keep some.

    Parameters
    ----------
    sizes : Sizes
        What a call may hold.
    shape : (H, W)
        A plane in pixels.
    tile : int or None
        From :func:`choose_tile`, or what was asked for.
    samples, planes : int
        Of the run.
    """
    pixels = math.prod(shape)
    call = pixels if tile is None else min(pixels, tile**2)
    useful = sizes.rate.pixels // call
    held = _VALUES_AT_ONCE // (pixels * planes)
    return max(1, min(useful, sizes.most // call, held, sizes.at_once, math.ceil(samples / 4)))
