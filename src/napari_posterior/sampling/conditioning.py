"""From a measurement to what a network is told: normalisation, condition maps, centre and spread.

The one normalisation (written in the bundle) has two numbers a channel, exact functions of the
whole stack and never of a tile: the background level b and the photon scale s. Samples live in the
standardised residual r, with ``x = centre + spread * r``, where the point-estimate network gives
the centre (the posterior mean) and the spread (the posterior sd) of every pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from napari_posterior.physics.psf import gaussian_blur

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_posterior.physics.measurement import Measurement

__all__ = ["VECTOR", "Condition", "Conditioner", "Normaliser", "PlaneStats", "PointNet"]

VECTOR = ("log10 photon scale", "log10 read noise", "PSF sigma", "known")
"""What the entries of the condition vector are; all zero is the "blind" token."""

MAPS = 4
"""Condition maps of a velocity network: measurement, noise, centre, log spread."""


class PointNet(Protocol):
    """A network that gives the centre and log spread of a posterior."""

    def __call__(self, maps: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Return centre and log spread, each (B, 1, H, W), in units of the photon scale."""
        ...


@dataclass(frozen=True)
class PlaneStats:
    """The two numbers of the normalisation.

    Parameters
    ----------
    background : float or Tensor
        Level b in photoelectrons per pixel, camera-side background removed.
    photon_scale : float or Tensor
        Scale s in photoelectrons per pixel.
    """

    background: Tensor
    photon_scale: Tensor


@dataclass(frozen=True)
class Normaliser:
    """Exact functions b and s of a whole plane or stack in photoelectrons.

    Both are found in blocks of the size the networks were trained on and then pooled, so that a
    bright object is scaled alike in a small crop and in a large, mostly empty field of view.

    Parameters
    ----------
    quantile : float
        A block's level is this quantile of it, smoothed first so that noise does not bias it; the
        plane's is the same quantile of its blocks' levels.
    smoothing : float
        Width of that smoothing in pixels.
    block : int
        Height and width of a block in pixels.
    """

    quantile: float = 0.05
    smoothing: float = 2.0
    block: int = 64

    def stats(self, signal: Tensor, variance: Tensor) -> PlaneStats:
        """Return b and s for a stack, one pair for each entry of the leading axis.

        The scale of a block is its intensity-weighted mean signal
        ``sum (l - b)^2 / sum (l - b)`` for the noiseless block l, estimated from the noisy one by
        subtracting the noise variance; it is at least the noise sd at the background level and at
        most the range of the block. The plane's scale is the mean of its blocks' scales weighted
        with their signal power.

        Parameters
        ----------
        signal : Tensor, (N, P, H, W)
            Photoelectrons, camera-side background removed; P planes share their numbers.
        variance : Tensor, (N, P, H, W)
            Unbiased noise variance, in photoelectrons squared.

        Returns
        -------
        PlaneStats
            Tensors of shape (N, 1, 1, 1).
        """
        count = signal.shape[0]
        smooth = gaussian_blur(signal, self.smoothing)
        e, v, low = (_cut(values, self.block) for values in (signal, variance, smooth))
        b = _quantile(low, self.quantile)[..., None]
        d = e - b
        floor = _quantile(v, 0.05).clamp_min(0.01).sqrt()
        power = (d.square() - v).mean(2)
        scale = power / d.mean(2).clamp_min(1e-3)
        scale = torch.minimum(torch.maximum(scale, floor), torch.maximum(d.amax(2), floor))
        weight = power.clamp_min(1e-6)
        pooled = (weight * scale).sum(1) / weight.sum(1)
        level = _quantile(b[..., 0], self.quantile)
        shape = (count, 1, 1, 1)
        return PlaneStats(level.reshape(shape), pooled.reshape(shape))


@dataclass(frozen=True)
class Condition:
    """What a sampler needs to know of one plane.

    Parameters
    ----------
    maps : Tensor, (1, 4, Hp, Wp)
        Normalised measurement, noise sd, centre and log spread; padded to the network's stride.
    vector : Tensor, (1, 4)
        Acquisition conditions, see `VECTOR`.
    centre, spread : Tensor, (1, 1, Hp, Wp)
        Point estimate and its sd, in photoelectrons per pixel.
    shape : (H, W)
        The plane before padding, in pixels.
    """

    maps: Tensor
    vector: Tensor
    centre: Tensor
    spread: Tensor
    shape: tuple[int, int]

    @property
    def padded_shape(self) -> tuple[int, int]:
        """(Hp, Wp): what noise canvases for this plane measure, in pixels."""
        height, width = self.maps.shape[-2:]
        return int(height), int(width)

    def decode(self, r: Tensor) -> Tensor:
        """Return photoelectrons per pixel (K, H, W) for residuals r (K, 1, Hp, Wp)."""
        x = self.centre + self.spread * r
        return x[:, 0, : self.shape[0], : self.shape[1]]


@dataclass(frozen=True)
class Conditioner:
    """Makes the :class:`Condition` of a measurement.

    Parameters
    ----------
    normaliser : Normaliser
        The bundle's normalisation.
    point_net : PointNet
        Gives centre and spread.
    stride : int
        Planes are padded by reflection, at the bottom and right, to multiples of it.
    """

    normaliser: Normaliser
    point_net: PointNet
    stride: int = 8

    def stats(self, planes: Sequence[Measurement]) -> PlaneStats:
        """Return background level and photon scale of planes that share them (one channel)."""
        e = torch.stack([torch.from_numpy(plane.electrons) for plane in planes])[None]
        variance = torch.tensor(planes[0].camera.noise_floor, dtype=e.dtype) ** 2
        return self.normaliser.stats(e - planes[0].background, e + variance)

    @torch.no_grad()
    def prepare(
        self,
        measurement: Measurement,
        *,
        stats: PlaneStats | None = None,
        device: str | torch.device = "cpu",
        blind: bool = False,
    ) -> Condition:
        """Make the condition of one plane.

        Parameters
        ----------
        measurement : Measurement
            The plane, (H, W), with camera, PSF and background.
        stats : PlaneStats, optional
            From :meth:`stats` over the stack the plane belongs to; of the plane alone by default.
        device : str or torch.device
            Where the network is.
        blind : bool
            Withhold the acquisition conditions, where they could not be estimated.

        Returns
        -------
        Condition
        """
        stats = self.stats([measurement]) if stats is None else stats
        e = torch.from_numpy(measurement.electrons)[None, None].to(device)
        b, s = stats.background.to(device), stats.photon_scale.to(device)
        read, sigma = measurement.camera.typical.read_noise, measurement.psf.sigma
        height, width = measurement.y.shape
        known = torch.tensor([0.0 if blind else 1.0], device=device)
        acquisition = torch.tensor([[read, sigma]], device=device)
        e = pad_to_stride(e, self.stride)
        floor = torch.tensor(measurement.camera.noise_floor, dtype=e.dtype, device=device)
        if floor.ndim:
            floor = pad_to_stride(floor[None, None], self.stride)
        maps, vector = make_inputs(
            e, measurement.background, b, s, acquisition, known, noise_floor=floor
        )
        centre, log_spread = self.point_net(maps, vector)
        spread = log_spread.exp()
        return Condition(
            maps=torch.cat([maps, centre, log_spread], dim=1),
            vector=vector,
            centre=b + s * centre,
            spread=s * spread,
            shape=(int(height), int(width)),
        )


def make_inputs(
    electrons: Tensor,
    background: float | Tensor,
    b: Tensor,
    s: Tensor,
    acquisition: Tensor,
    known: Tensor,
    *,
    noise_floor: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the condition maps and vector of a point network, for a batch.

    Parameters
    ----------
    electrons : Tensor, (B, 1, H, W)
        The calibrated measurement in photoelectrons.
    background : float or Tensor, (B, 1, 1, 1)
        Camera-side background in photoelectrons.
    b, s : Tensor, (B, 1, 1, 1)
        Background level and photon scale.
    acquisition : Tensor, (B, 2)
        Read noise in photoelectrons and PSF sigma in pixels.
    known : Tensor, (B,)
        1, or 0 for the blind token.
    noise_floor : Tensor, () or (B, 1, H, W), optional
        Noise of a dark pixel in photoelectrons, where it is not everywhere the read noise.

    Returns
    -------
    maps : Tensor, (B, 2, H, W)
        ``(electrons - background - b) / s`` and the noise sd over s (0 if blind).
    vector : Tensor, (B, 4)
        See `VECTOR`.
    """
    read, sigma = acquisition[:, 0], acquisition[:, 1]
    signal = (electrons - background - b) / s
    local = gaussian_blur(electrons, 1.0).clamp_min(0.0)
    dark = read[:, None, None, None] if noise_floor is None else noise_floor
    noise = (local + dark.square()).sqrt() / s
    mask = known[:, None]
    values = torch.stack(
        [
            s[:, 0, 0, 0].log10() - 1.5,
            read.clamp_min(0.1).log10(),
            sigma - 2.0,
            torch.ones_like(sigma),
        ],
        dim=1,
    )
    return torch.cat([signal, noise * mask[:, :, None, None]], dim=1), values * mask


def pad_to_stride(x: Tensor, stride: int) -> Tensor:
    """Pad (B, C, H, W) at the bottom and right by reflection to multiples of `stride`."""
    height, width = x.shape[-2:]
    bottom, right = -height % stride, -width % stride
    mode = "reflect" if bottom < height and right < width else "replicate"
    return torch.nn.functional.pad(x, (0, right, 0, bottom), mode=mode)


def _cut(values: Tensor, block: int) -> Tensor:
    """Cut (N, P, H, W) into blocks that cover it, the last ones flush with the edge: (N, B, n)."""
    height, width = values.shape[-2:]
    rows, columns = (_starts(length, block) for length in (height, width))
    cuts = [values[..., r : r + block, c : c + block] for r in rows for c in columns]
    return torch.stack([cut.flatten(2) for cut in cuts], dim=2).flatten(1, 2)


def _starts(length: int, block: int) -> list[int]:
    last = max(length - block, 0)
    return [*range(0, last, block), last]


def _quantile(values: Tensor, q: float) -> Tensor:
    # an order statistic: exact, and without the size limit of torch.quantile
    k = 1 + math.floor(q * (values.shape[-1] - 1))
    return values.kthvalue(k, dim=-1).values
