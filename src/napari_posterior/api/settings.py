"""What a user asks for, before image and model are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.sampling.corrections import Correction

__all__ = ["DEFAULT_SAMPLES", "Settings"]

DEFAULT_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a user asks for; see :func:`napari_posterior.restore`."""

    sampler: str = "teacher"
    steps: int | None = None
    samples: int | None = None
    seed: int = 0
    camera: Camera | None = None
    psf: Psf | None = None
    background: float = 0.0
    blind: bool | None = None
    device: str = "auto"
    precision: str = "float32"
    tile: int | str | None = "auto"
    batch: int | str = "auto"
    correction: Correction | None = None
