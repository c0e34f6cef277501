"""The shipped network: a space-to-depth U-Net that is local, so that tiling is exact.

Dense 3x3 convolutions, one per-pixel channel norm and FiLM per block, no attention and no norm over
space: the output at a pixel depends on a finite neighbourhood only (`UNetConfig.receptive_field`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as nnf

__all__ = ["STRIDE", "UNet", "UNetConfig"]

STRIDE = 8
"""Images and tiles are padded and aligned to multiples of this many pixels."""


@dataclass(frozen=True)
class UNetConfig:
    """Shape of a :class:`UNet`.

    Parameters
    ----------
    in_channels, out_channels : int
        Image channels in and out, before space-to-depth.
    vector : int
        Length of the vector of acquisition conditions.
    channels : (int, int, int)
        Width at 1/2, 1/4 and 1/8 of the image's resolution.
    blocks : int
        Residual blocks a level on the way down; one fewer (at least one) on the way up.
    embedding : int
        Width of the time and condition embedding.
    timed : bool
        Whether the network is told the times s and t; a point estimate is not.
    """

    in_channels: int
    out_channels: int = 1
    vector: int = 4
    channels: tuple[int, int, int] = (48, 80, 128)
    blocks: int = 2
    embedding: int = 96
    timed: bool = True

    @property
    def receptive_field(self) -> int:
        """Reach of the network: pixels on each side that can change an output pixel."""
        down, up = self.blocks, max(self.blocks - 1, 1)
        # reach in pixels at strides 2, 4, 8: two 3x3 convolutions a block, plus the resampling ones
        half = 1 + 2 * down + 1 + 1 + 2 * up + 1
        quarter = 2 * down + 1 + 1 + 2 * up
        eighth = 2 * down
        return 2 * half + 4 * quarter + 8 * eighth + STRIDE


class UNet(nn.Module):
    """Space-to-depth U-Net with FiLM conditioning.

    The last convolution starts at zero, and so does the part of the embedding that separates `t`
    from `s`: a student initialised from a teacher is that teacher for every t.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        wide, mid, deep = config.channels
        width = config.embedding
        up = max(config.blocks - 1, 1)
        if config.timed:
            self.time = _mlp(2 * _OCTAVES, width)
            self.gap = _mlp(2 * _OCTAVES, width)
            _zero(self.gap[-1])
        self.acquisition = _mlp(config.vector, width)
        self.stem = _conv(4 * config.in_channels, wide)
        self.down1 = _stage(wide, config.blocks, width)
        self.shrink1 = _conv(wide, mid, stride=2)
        self.down2 = _stage(mid, config.blocks, width)
        self.shrink2 = _conv(mid, deep, stride=2)
        self.middle = _stage(deep, config.blocks, width)
        self.grow2 = _conv(deep, mid)
        self.up2 = _stage(mid, up, width)
        self.grow1 = _conv(mid, wide)
        self.up1 = _stage(wide, up, width)
        self.head = _conv(wide, 4 * config.out_channels)
        _zero(self.head)

    def forward(
        self, x: Tensor, vector: Tensor, s: Tensor | None = None, t: Tensor | None = None
    ) -> Tensor:
        """Evaluate the network.

        Parameters
        ----------
        x : Tensor, (B, in_channels, H, W)
            H and W are multiples of `STRIDE`.
        vector : Tensor, (B, vector)
            Acquisition conditions.
        s, t : Tensor, (B,)
            Times a jump starts and ends at; needed if the network is timed.

        Returns
        -------
        Tensor, (B, out_channels, H, W)
        """
        e = self.acquisition(vector)
        if self.config.timed:
            if s is None or t is None:
                raise ValueError("a timed network needs the times s and t")
            at = _time_features(s)
            e = e + self.time(at) + self.gap(at - _time_features(t))
        e = nnf.silu(e)
        x = nnf.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)
        # a list, so that what is added is not held any longer: it is a quarter of the memory needed
        skipped = [_run(self.down1, self.stem(x), e)]
        skipped.append(_run(self.down2, self.shrink1(skipped[0]), e))
        h = _run(self.middle, self.shrink2(skipped[1]), e)
        h = _run(self.up2, _add(self.grow2(_double(h)), skipped.pop()), e)
        h = _run(self.up1, _add(self.grow1(_double(h)), skipped.pop()), e)
        out: Tensor = nnf.pixel_shuffle(self.head(_silu(h)), 2)
        return out


class _Block(nn.Module):
    """Per-pixel norm, FiLM, SiLU, convolution, SiLU, convolution, added to the input."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.film = nn.Linear(embedding, 2 * channels)
        self.first = _conv(channels, channels)
        self.second = _conv(channels, channels)
        _zero(self.film)
        _zero(self.second)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        scale, shift = self.film(e)[:, :, None, None].chunk(2, dim=1)
        # nested, so that no result is held longer than the next call needs it
        return _add(
            self.second(_silu(self.first(_silu(torch.addcmul(shift, pixel_norm(x), 1 + scale))))),
            x,
        )


def pixel_norm(x: Tensor) -> Tensor:
    """Divide each pixel by the root mean square over its channels, (B, C, H, W)."""
    rms: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True) * float(x.shape[1]) ** -0.5
    return x * (rms + 1e-3).reciprocal()


_OCTAVES = 4


def _time_features(t: Tensor) -> Tensor:
    # low octaves only: students need a network that is smooth in time
    angle = (0.5 * math.pi) * t[:, None] * 2.0 ** torch.arange(_OCTAVES, device=t.device)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


# Both take a result that nobody else holds. Without gradients its memory is used again: fresh pages
# cost a CPU more time than the arithmetic.
def _silu(fresh: Tensor) -> Tensor:
    return nnf.silu(fresh, inplace=not fresh.requires_grad)


def _add(fresh: Tensor, x: Tensor) -> Tensor:
    return x + fresh if fresh.requires_grad else fresh.add_(x)


def _run(stage: nn.ModuleList, x: Tensor, e: Tensor) -> Tensor:
    for block in stage:
        x = block(x, e)
    return x


def _stage(channels: int, blocks: int, embedding: int) -> nn.ModuleList:
    return nn.ModuleList(_Block(channels, embedding) for _ in range(blocks))


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1)


def _double(x: Tensor) -> Tensor:
    return nnf.interpolate(x, scale_factor=2.0, mode="nearest")


def _mlp(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width))


def _zero(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
