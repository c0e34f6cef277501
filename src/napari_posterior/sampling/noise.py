"""Counter-based Gaussian noise: the canvas of a crop is the crop of the canvas.

Each value depends only on (seed, sample, step, plane, row, column), through Philox4x32-10
(Salmon et al., SC'11), so that batch size, tile size, order, crop and resume never change a
sample, and teacher and student start from the same noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Stream", "canvas", "chances", "normal", "philox4x32", "stream"]

_MULTIPLIER = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_LANES = 4


def philox4x32(
    counter: Sequence[Tensor], key: tuple[int, int], *, rounds: int = 10
) -> list[Tensor]:
    """Encrypt four 32-bit counter words under a 64-bit key.

    Parameters
    ----------
    counter : sequence of 4 int64 tensors
        Words in ``[0, 2**32)``, broadcastable against each other.
    key : tuple of 2 int
        Words in ``[0, 2**32)``.
    rounds : int
        10 in the published generator.

    Returns
    -------
    list of 4 int64 tensors
        Words in ``[0, 2**32)``.
    """
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)  # type: ignore[no-untyped-call]
    k0, k1 = key
    for _ in range(rounds):
        # int64 wraps modulo 2**64, so the bits are those of the unsigned product
        p0, p1 = c0 * _MULTIPLIER[0], c2 * _MULTIPLIER[1]
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return [c0, c1, c2, c3]


def normal(
    shape: tuple[int, int],
    *,
    seed: int,
    sample: int,
    step: int = 0,
    plane: int = 0,
    origin: tuple[int, int] = (0, 0),
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return standard normal noise for the pixels of one plane.

    Parameters
    ----------
    shape : (H, W)
        Pixels.
    seed : int
        In ``[0, 2**64)``.
    sample, step, plane : int
        Sample in ``[0, 2**32)``, sampler step and plane in ``[0, 2**16)``.
    origin : (row, column)
        Absolute position of the first pixel in the full frame, in pixels.
    device : str or torch.device
        Where the noise is made; values agree between devices to float tolerance.

    Returns
    -------
    Tensor, (H, W), float32

    Raises
    ------
    InputError
        If a key is out of its range.
    """
    if not 0 <= seed < 2**64:
        raise InputError(f"seed {seed} is out of range; use a whole number from 0 to 2**64 - 1")
    if not (0 <= sample < 2**32 and 0 <= step < 2**16 and 0 <= plane < 2**16):
        raise InputError("noise keys are limited to 2**32 samples and 65536 steps and planes")
    (height, width), (top, left) = shape, origin
    first = left // _LANES
    blocks = (left + width - 1) // _LANES - first + 1
    column = torch.arange(first, first + blocks, device=device)[None, :]
    row = torch.arange(top, top + height, device=device)[:, None]
    fixed = torch.tensor([sample, (step << 16) | plane], device=device)
    words = philox4x32([column, row, fixed[0], fixed[1]], (seed & _MASK, seed >> 32))
    pairs = [_box_muller(words[0], words[1]), _box_muller(words[2], words[3])]
    lanes = torch.stack([value for pair in pairs for value in pair], dim=-1)
    skip = left - first * _LANES
    return lanes.reshape(height, blocks * _LANES)[:, skip : skip + width].contiguous()


def canvas(
    samples: Sequence[int],
    shape: tuple[int, int],
    *,
    seed: int,
    plane: int = 0,
    step: int = 0,
    origin: tuple[int, int] = (0, 0),
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return the noise canvases of several samples, (K, 1, H, W) float32; see :func:`normal`."""
    make = partial(normal, shape, seed=seed, step=step, plane=plane, origin=origin, device=device)
    return torch.stack([make(sample=k) for k in samples])[:, None]


def chances(samples: Sequence[int], *, seed: int, step: int, plane: int = 0) -> Tensor:
    """Return one uniform random number for each of several samples.

    It is read at a place where no pixel lies, so that it is the same for every crop of an image,
    and independent of all noise of :func:`normal`.

    Parameters
    ----------
    samples : sequence of int
        In ``[0, 2**32)``.
    seed, step, plane : int
        As in :func:`normal`.

    Returns
    -------
    Tensor, (K,), float64
        Between 0 and 1, both left out; on the CPU.
    """
    nowhere = torch.tensor(_MASK)
    keys = torch.tensor(list(samples), dtype=torch.int64)
    last = torch.tensor((step << 16) | plane)
    words = philox4x32([nowhere, nowhere, keys, last], (seed & _MASK, seed >> 32))
    return (words[0].to(torch.float64) + 0.5) * 2.0**-32


@dataclass(frozen=True)
class Stream:
    """The random numbers of several samples of one plane; make it with :func:`stream`."""

    samples: tuple[int, ...]
    shape: tuple[int, int]
    seed: int
    plane: int = 0
    origin: tuple[int, int] = (0, 0)
    device: str | torch.device = "cpu"

    def __call__(self, step: int) -> Tensor:
        """Return the canvases of a step, (K, 1, H, W) float32."""
        return canvas(
            self.samples,
            self.shape,
            seed=self.seed,
            plane=self.plane,
            step=step,
            origin=self.origin,
            device=self.device,
        )

    def chances(self, step: int) -> Tensor:
        """Return one uniform number for each sample, (K,) float64, the same for every crop."""
        return chances(self.samples, seed=self.seed, step=step, plane=self.plane)


def stream(
    samples: Sequence[int],
    shape: tuple[int, int],
    *,
    seed: int,
    plane: int = 0,
    origin: tuple[int, int] = (0, 0),
    device: str | torch.device = "cpu",
) -> Stream:
    """Return the fresh noise of several samples: ``stream(...)(step)`` is their canvas of a step.

    Step 0 is the canvas a draw starts from; a sampler that needs noise asks for step 1 and on.

    Parameters
    ----------
    samples : sequence of int
        Samples, each with noise of its own.
    shape : (H, W)
        Pixels.
    seed, plane, origin, device
        As in :func:`normal`.

    Returns
    -------
    Stream
        From step to a tensor (K, 1, H, W), float32.
    """
    return Stream(tuple(samples), shape, seed, plane, origin, device)


def _box_muller(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    # half a unit keeps the logarithm finite; float64 keeps devices in agreement
    u = (a.to(torch.float64) + 0.5) * 2.0**-32
    radius = torch.sqrt(-2.0 * torch.log(u))
    angle = (2.0 * math.pi * 2.0**-32) * b.to(torch.float64)
    return (radius * torch.cos(angle)).float(), (radius * torch.sin(angle)).float()
