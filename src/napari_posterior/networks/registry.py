"""The architectures a bundle may name, and how each is built from plain numbers.

A network takes what the samplers know (the noisy image, times, condition maps and vector) and
returns the normalised velocity; a point network returns the centre and the log spread. One that is
local says so by its attribute `receptive_field`, in pixels; one without it, or with None there, is
taken to depend on all of its frame: attention, or a norm over space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_posterior.errors import ModelError
from napari_posterior.networks.unet import STRIDE, UNet, UNetConfig
from napari_posterior.sampling.path import get_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ARCHITECTURES", "STRIDE", "PointUNet", "VelocityUNet", "build", "reach_of"]


class VelocityUNet(nn.Module):
    """Normalised velocity F(x, s, t; maps, vector), preconditioned for unit-variance data.

    With ``V = alpha^2 + beta^2`` the network sees ``x / sqrt(V)`` and
    ``F = x (alpha alpha' + beta beta') / (W V) + net / sqrt(V)``, so that a network that returns 0
    is the exact velocity of a standard normal posterior (Karras et al. 2022, for any path).

    Parameters
    ----------
    path : str
        Name of the path.
    maps : int
        Number of condition maps.
    vector : int
        Length of the condition vector.
    channels : sequence of 3 int
        Widths of the U-Net.
    blocks : int
        Residual blocks a level.
    """

    def __init__(
        self,
        *,
        path: str = "linear",
        maps: int = 4,
        vector: int = 4,
        channels: tuple[int, int, int] = (48, 80, 128),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.path = get_path(path)
        self.net = UNet(
            UNetConfig(in_channels=1 + maps, vector=vector, channels=channels, blocks=blocks)
        )

    @property
    def receptive_field(self) -> int:
        """Pixels on each side that can change an output pixel."""
        return self.net.config.receptive_field

    def forward(self, x: Tensor, s: Tensor, t: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
        """Return F, (B, 1, H, W), for x (B, 1, H, W), times (B,) and conditions of batch B."""
        at = s[:, None, None, None]
        alpha, beta = self.path.alpha(at), self.path.beta(at)
        slope = (alpha * self.path.dalpha(at) + beta * self.path.dbeta(at)) / self.path.W
        variance = alpha**2 + beta**2
        scale = torch.rsqrt(torch.as_tensor(variance))
        out = self.net(torch.cat([x * scale, maps], dim=1), vector, s, t)
        F: Tensor = slope / variance * x + scale * out.float()
        return F


class PointUNet(nn.Module):
    """Point estimate with its error: centre and log spread, both in units of the photon scale.

    Parameters
    ----------
    maps : int
        Number of condition maps; the first is the normalised measurement.
    vector : int
        Length of the condition vector.
    channels : sequence of 3 int
        Widths of the U-Net.
    blocks : int
        Residual blocks a level.
    """

    def __init__(
        self,
        *,
        maps: int = 2,
        vector: int = 4,
        channels: tuple[int, int, int] = (48, 80, 128),
        blocks: int = 2,
    ) -> None:
        super().__init__()
        self.net = UNet(
            UNetConfig(
                in_channels=maps,
                out_channels=2,
                vector=vector,
                channels=channels,
                blocks=blocks,
                timed=False,
            )
        )

    @property
    def receptive_field(self) -> int:
        """Pixels on each side that can change an output pixel."""
        return self.net.config.receptive_field

    def forward(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return centre and log spread, each (B, 1, H, W)."""
        out = self.net(maps, vector).float()
        return maps[:, :1] + out[:, :1], out[:, 1:].clamp(-7.0, 4.0)


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "velocity-unet-1": VelocityUNet,
    "point-unet-1": PointUNet,
}


def build(arch: str, kwargs: Mapping[str, Any]) -> nn.Module:
    """Build the network `arch`, with untrained weights.

    Raises
    ------
    ModelError
        If the architecture is not in the registry or an argument is not one of its own.
    """
    if arch not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ModelError(f"the bundle asks for the unknown network {arch!r}; known are {known}")
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in kwargs.items()}
    try:
        return ARCHITECTURES[arch](**settings)
    except TypeError as error:
        raise ModelError(f"the bundle's settings for network {arch!r} do not fit it") from error


def reach_of(net: object) -> int | None:
    """Return how many pixels away an input can change an output; None for a net that is not local.

    Parameters
    ----------
    net : nn.Module
        A network of the registry.
    """
    reach = getattr(net, "receptive_field", None)
    return None if reach is None else int(reach)
