"""Folders of simulated microscope images, as a user would have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.scenes import Dice, draw_scenes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CAMERA = Camera(gain=2.0, offset=100.0, read_noise=1.5)


@pytest.fixture
def scenes() -> Callable[..., np.ndarray]:
    """Draw objects, (n, size, size), with a peak of 1."""

    def draw(count: int, size: int = 96, seed: int = 0, kind: str = "puncta") -> np.ndarray:
        return draw_scenes(kind, count, size, 1.0, Dice.seeded(seed))[:, 0].numpy()

    return draw


@pytest.fixture
def clean_folder(tmp_path: Path, scenes: Callable[..., np.ndarray]) -> Path:
    """Five clean images, one of them a stack of two planes."""
    folder = tmp_path / "clean"
    folder.mkdir()
    planes = scenes(6)
    for number in range(4):
        tifffile.imwrite(folder / f"cell{number}.tif", 300 + 1000 * planes[number])
    np.save(folder / "stack.npy", 50 + 10 * planes[4:])
    return folder


@pytest.fixture
def pair_folders(tmp_path: Path, scenes: Callable[..., np.ndarray]) -> tuple[Path, Path]:
    """Four pairs: clean ones in units of their own, moved by (1.5, -0.5) px against the noisy."""
    noisy, clean = tmp_path / "noisy", tmp_path / "bright"
    noisy.mkdir()
    clean.mkdir()
    rng = np.random.default_rng(5)
    from scipy.ndimage import shift

    for number, x in enumerate(scenes(4, 144, kind="filaments")):
        seen = shift(60.0 * x + 4.0, (1.5, -0.5), order=5, mode="mirror").clip(0)
        electrons = rng.poisson(seen) + rng.normal(0, CAMERA.read_noise, x.shape)
        y = CAMERA.to_adu(electrons).astype(np.float32)
        tifffile.imwrite(noisy / f"f{number}.tif", y)
        tifffile.imwrite(clean / f"f{number}.tif", (5000 * x + 700).astype(np.float32))
    return noisy, clean
