"""Simulated fluorescence scenes at the target resolution, vectorised over a batch.

Every scene is x: expected photoelectrons per camera pixel of an object seen at `TARGET_SIGMA`,
out-of-focus haze included. Structure is drawn with a peak of 1 and scaled to the peak asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA, gaussian_blur

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["KINDS", "Dice", "draw_scenes", "point_source"]

KINDS: Final = ("puncta", "filaments", "sheets", "nuclei", "haze")
"""Kinds of structure, in the order used by training and evaluation."""

_AREA = 64 * 64
"""Densities are given for fields of this many square pixels."""


@dataclass(frozen=True)
class Dice:
    """Random numbers from one generator on one device, so that scenes can be made again."""

    generator: torch.Generator

    @classmethod
    def seeded(cls, seed: int, device: str | torch.device = "cpu") -> Dice:
        """Return dice that always roll the same way for the same `seed`."""
        return cls(torch.Generator(device).manual_seed(seed))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return uniform numbers."""
        u = torch.rand(shape, generator=self.generator, device=self.generator.device)
        return low + (high - low) * u

    def log_uniform(self, *shape: int, low: float, high: float) -> Tensor:
        """Return numbers whose logarithm is uniform."""
        return self.uniform(*shape, low=math.log(low), high=math.log(high)).exp()

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers."""
        return torch.randn(shape, generator=self.generator, device=self.generator.device)

    def poisson(self, mean: Tensor) -> Tensor:
        """Return Poisson counts."""
        return torch.poisson(mean, generator=self.generator)


def draw_scenes(kind: str, count: int, size: int, peak: Tensor | float, dice: Dice) -> Tensor:
    """Draw scenes of one kind.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    count : int
        Number of scenes.
    size : int
        Height and width in pixels.
    peak : Tensor, (count,) or float
        Brightest structure, in photoelectrons per pixel, haze not counted.
    dice : Dice
        Source of randomness; its device is the scenes' device.

    Returns
    -------
    Tensor, (count, 1, size, size), float32
        Expected photoelectrons per pixel at the target resolution.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if kind not in _DRAW:
        raise InputError(f"unknown kind of scene {kind!r}; use one of {', '.join(KINDS)}")
    structure = _DRAW[kind](count, size, dice).clamp_min(0.0)
    # the margin may hold the only structure: the floor avoids blowing up an almost empty scene
    highest = structure.flatten(1).amax(1).clamp_min(1e-2)[:, None, None]
    scene = structure / highest
    level = torch.where(
        dice.uniform(count) < 0.6, dice.log_uniform(count, low=0.02, high=0.6), torch.zeros(())
    )
    scene = scene + level[:, None, None] * _haze(count, size, dice)
    floor = dice.uniform(count) ** 3 * 0.3
    amplitude = torch.as_tensor(peak, device=scene.device).expand(count)
    return ((scene + floor[:, None, None]) * amplitude[:, None, None])[:, None]


def point_source(size: int, position: tuple[float, float], photons: float) -> Tensor:
    """Return one point source of `photons` photoelectrons in all, (1, 1, size, size).

    Parameters
    ----------
    size : int
        Height and width in pixels.
    position : (row, column)
        Centre in pixels, not rounded.
    photons : float
        Sum over the image if the source is well inside it; the peak is
        ``photons / (2 pi target_sigma^2)`` photoelectrons per pixel on a pixel centre.
    """
    row, column = (torch.tensor([[value]]) for value in position)
    one = torch.ones(1, 1)
    spot = _render(row, column, TARGET_SIGMA * one, one, size)
    return (spot * photons / (2 * math.pi * TARGET_SIGMA**2))[:, None]


def _puncta(count: int, size: int, dice: Dice) -> Tensor:
    most = max(int(70 * size * size / _AREA), 1)
    number = dice.log_uniform(count, low=0.03, high=1.0) * most
    free = dice.uniform(count, most, 2, low=-4, high=size + 3)
    hubs = dice.uniform(count, max(most // 10, 1), 2, low=-4, high=size + 3)
    pick = (dice.uniform(count, most) * hubs.shape[1]).long()
    near = hubs.gather(1, pick[..., None].expand(-1, -1, 2)) + 5 * dice.normal(count, most, 2)
    clustered = dice.uniform(count, most) < dice.uniform(count, 1) * 0.5
    place = torch.where(clustered[..., None], near, free)
    small = dice.uniform(count, most) < 0.6
    extra = torch.where(small, dice.uniform(count, most) * 0.4, dice.uniform(count, most) * 1.6)
    brightness = (dice.uniform(count, 1, low=0.1, high=0.9) * dice.normal(count, most)).exp()
    index = torch.arange(most, device=number.device)
    brightness = brightness * (index[None, :] < number[:, None])
    return _render(place[..., 0], place[..., 1], (1 + extra**2).sqrt(), brightness, size)


def _filaments(count: int, size: int, dice: Dice) -> Tensor:
    most = max(round(7 * size / 64), 2)
    # 1 px between points of sigma >= 1 px leaves a ripple below 1e-8
    length = round(1.6 * size)
    number = dice.uniform(count, low=1.0, high=most)
    bend = dice.log_uniform(count, most, 1, low=0.01, high=0.12) * dice.normal(count, most, length)
    bend = bend + dice.normal(count, most, 1) * 0.01
    heading = dice.uniform(count, most, 1, high=2 * math.pi) + bend.cumsum(-1)
    start = dice.uniform(count, most, 2, 1, high=size)
    row = heading.sin().cumsum(-1)
    column = heading.cos().cumsum(-1)
    middle = length // 2
    row = row - row[..., middle : middle + 1] + start[:, :, 0]
    column = column - column[..., middle : middle + 1] + start[:, :, 1]
    span = dice.uniform(count, most, 1, low=0.25, high=1.0) * length / 2
    along = (torch.arange(length, device=row.device) - middle).abs()
    visible = torch.sigmoid((span - along) * 1.5)
    swell = (
        0.25
        * (
            2
            * math.pi
            * (along / dice.log_uniform(count, most, 1, low=15, high=80) + start[:, :, 0])
        ).sin()
    )
    brightness = dice.log_uniform(count, most, 1, low=0.35, high=1.0) * (1 + swell) * visible
    shown = torch.arange(most, device=row.device)[None, :] < number[:, None]
    brightness = brightness * shown[..., None]
    width = dice.uniform(count, most, 1, low=1.0, high=1.5).expand_as(row)
    row, column, width, brightness = (
        values.reshape(count, -1) for values in (row, column, width, brightness)
    )
    return _render(row, column, width, brightness, size)


def _sheets(count: int, size: int, dice: Dice) -> Tensor:
    reach = dice.uniform(count, 1, 1, low=5.0, high=14.0)
    field = _smooth_field(count, size, reach, dice)
    level = dice.uniform(count, 1, 1, low=-0.8, high=0.8)
    slope_y, slope_x = torch.gradient(field, dim=(1, 2))
    distance = (field - level).abs() / (slope_y.square() + slope_x.square() + 1e-6).sqrt()
    half = dice.uniform(count, 1, 1, low=0.5, high=1.2)
    sheet = torch.sigmoid((half - distance) * 4)
    patchy = (0.4 * _smooth_field(count, size, 1.2 * reach, dice)).exp()
    inside = (
        (field > level) * dice.uniform(count, 1, 1, high=0.3) * (dice.uniform(count, 1, 1) < 0.4)
    )
    return gaussian_blur(sheet * patchy + inside, TARGET_SIGMA)


def _nuclei(count: int, size: int, dice: Dice) -> Tensor:
    most = max(round(4 * size * size / 96**2), 2)
    number = dice.uniform(count, low=1.0, high=most + 0.99)
    grid = torch.arange(size, device=number.device, dtype=torch.float32)
    centre = dice.uniform(count, most, 2, 1, 1, low=-6, high=size + 5)
    dy, dx = grid[:, None] - centre[:, :, 0], grid[None, :] - centre[:, :, 1]
    radius = dice.log_uniform(count, most, 1, 1, low=7.0, high=26.0)
    tilt = dice.uniform(count, most, 1, 1, high=math.pi)
    stretch = dice.uniform(count, most, 1, 1, low=0.6, high=1.0)
    u = dx * tilt.cos() + dy * tilt.sin()
    v = (dy * tilt.cos() - dx * tilt.sin()) / stretch
    angle = torch.atan2(v, u)
    bump = torch.zeros(())
    for order in (2, 3, 5):
        phase = dice.uniform(count, most, 1, 1, high=2 * math.pi)
        bump = bump + 0.25 / order * dice.uniform(count, most, 1, 1) * (order * angle + phase).cos()
    edge = 1 - (u.square() + v.square()).sqrt() / (radius * (1 + bump))
    body = torch.sigmoid(edge * radius * 2) * (0.5 + 0.5 * edge.clamp_min(0.0).sqrt())
    weight = dice.log_uniform(count, most, 1, 1, low=0.3, high=1.0)
    shown = torch.arange(most, device=number.device)[None, :] < number[:, None]
    bodies = (body * weight * shown[..., None, None]).amax(1)
    grain = dice.uniform(count, 1, 1, low=1.2, high=4.0)
    rough = dice.uniform(count, 1, 1, low=0.05, high=0.5)
    texture = (rough * _smooth_field(count, size, grain, dice)).exp()
    return gaussian_blur(bodies * texture, TARGET_SIGMA)


def _haze(count: int, size: int, dice: Dice) -> Tensor:
    reach = dice.log_uniform(count, 1, 1, low=5.0, high=0.4 * max(size, 32))
    contrast = dice.uniform(count, 1, 1, low=0.3, high=1.0)
    field = contrast * _smooth_field(count, size, reach, dice)
    # before the exponential, which overflows where a wide field hardly varies around its mean
    return (field - field.amax((1, 2), keepdim=True)).exp()


_DRAW: dict[str, Callable[[int, int, Dice], Tensor]] = {
    "puncta": _puncta,
    "filaments": _filaments,
    "sheets": _sheets,
    "nuclei": _nuclei,
    "haze": _haze,
}


def _render(row: Tensor, column: Tensor, sigma: Tensor, height: Tensor, size: int) -> Tensor:
    """Sum Gaussian spots (count, points) of peak `height` into images (count, size, size)."""
    grid = torch.arange(size, device=row.device, dtype=torch.float32)
    scale = -0.5 / sigma.square()[..., None]
    along_y = (scale * (grid - row[..., None]).square()).exp()
    along_x = (scale * (grid - column[..., None]).square()).exp()
    return torch.einsum("bph,bpw->bhw", along_y * height[..., None], along_x)


def _smooth_field(count: int, size: int, sigma: Tensor, dice: Dice) -> Tensor:
    """Return periodic Gaussian fields of unit variance and correlation width `sigma`, in pixels."""
    frequency = torch.fft.fftfreq(size, device=sigma.device)
    half = torch.fft.rfftfreq(size, device=sigma.device)
    square = frequency[:, None] ** 2 + half[None, :] ** 2
    transfer = torch.exp(-2 * math.pi**2 * sigma.square() * square)
    white = torch.fft.rfft2(dice.normal(count, size, size))
    field: Tensor = torch.fft.irfft2(white * transfer, s=(size, size))
    return field / field.std((1, 2), keepdim=True).clamp_min(1e-6)
