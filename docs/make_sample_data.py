"""Make the sample images of the package from its own simulator: run it, commit what it wrote.

    python docs/make_sample_data.py [FOLDER]

For each sample two files are written, as TIFF that Fiji and napari open with its pixel size:

``NAME.tif``
    the measurement, (H, W) uint16 in ADU. ImageJ metadata: ``unit`` and resolution (micrometre
    per pixel), and as numbers ``gain`` (ADU per photoelectron), ``offset`` (ADU), ``read_noise``
    (photoelectrons), ``psf_sigma`` (pixels), ``background`` (photoelectrons), ``seed``.
``NAME_truth.tif``
    the object x, (H, W) float32, expected photoelectrons per pixel at the target resolution.

The same version of torch writes the same bytes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from napari_posterior import Camera, Psf
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.scenes import Dice, draw_scenes

FOLDER = Path(__file__).parents[1] / "src" / "napari_posterior" / "sample_data"
CAMERA = Camera(gain=2.1, offset=100.0, read_noise=1.6)
PSF = Psf(sigma=1.6)


@dataclass(frozen=True)
class Recipe:
    """How one sample is simulated.

    Parameters
    ----------
    kind : str
        Kind of scene.
    peak : float
        Brightest structure, in photoelectrons per pixel.
    seed : int
        Seed of the scene and of the camera.
    size : int
        Height and width in pixels.
    pixel_size : float
        Micrometres per pixel.
    camera, psf
        What the object is seen through.
    background : float
        Camera-side constant, in photoelectrons per pixel.
    name : str
        Of the files; by default the kind.
    """

    kind: str
    peak: float
    seed: int
    size: int = 256
    pixel_size: float = 0.1
    camera: Camera = CAMERA
    psf: Psf = PSF
    background: float = 0.0
    name: str = ""


RECIPES = (
    Recipe(kind="puncta", peak=120.0, seed=6),
    Recipe(kind="filaments", peak=60.0, seed=7),
    Recipe(kind="nuclei", peak=40.0, seed=19),
    Recipe(kind="sheets", peak=50.0, seed=2, name="membranes"),
)


def simulate(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return the measurement, (H, W) uint16 in ADU, and the object x, (H, W) float32."""
    dice = Dice.seeded(recipe.seed)
    x = draw_scenes(recipe.kind, 1, recipe.size, recipe.peak, dice)[0, 0]
    forward = ForwardModel(recipe.camera, recipe.psf, recipe.background)
    y = forward.sample(x, dice.generator).round().clamp(0, 65535)
    return y.numpy().astype(np.uint16), x.numpy().astype(np.float32)


def write_sample(folder: Path, recipe: Recipe, y: np.ndarray, x: np.ndarray) -> None:
    """Write the two files of one sample into `folder`."""
    place = {"axes": "YX", "unit": "um"}
    simulation = {
        "gain": recipe.camera.gain,
        "offset": recipe.camera.offset,
        "read_noise": recipe.camera.read_noise,
        "psf_sigma": recipe.psf.sigma,
        "background": recipe.background,
        "seed": recipe.seed,
    }
    per_pixel = (1 / recipe.pixel_size, 1 / recipe.pixel_size)
    for name, pixels, metadata in (
        (f"{recipe.name or recipe.kind}.tif", y, place | simulation),
        (f"{recipe.name or recipe.kind}_truth.tif", x, place),
    ):
        tifffile.imwrite(
            folder / name, pixels, imagej=True, resolution=per_pixel, metadata=metadata
        )


def main(folder: Path = FOLDER) -> None:
    """Write every sample into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for recipe in RECIPES:
        write_sample(folder, recipe, *simulate(recipe))


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:]))
