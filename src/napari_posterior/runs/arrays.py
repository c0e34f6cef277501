"""What a request holds that is too large for JSON: camera maps and a sampled PSF, as OME-Zarr."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_posterior.image import Geometry
from napari_posterior.physics.records import arrays_of
from napari_posterior.runs.ome import LEVEL, read_array, write_group, write_image

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from napari_posterior.runs.request import RestoreRequest

__all__ = ["PHYSICS", "read_arrays", "write_arrays"]

PHYSICS: Final = "physics"
"""Group of a run with the images ``camera/gain``, ``psf/kernel`` and their like."""


def write_arrays(folder: Path, request: RestoreRequest) -> None:
    """Write the arrays of camera and PSF, where they have any, into the folder of a run."""
    held = {"camera": arrays_of(request.camera), "psf": arrays_of(request.psf)}
    groups = [PHYSICS] * any(held.values()) + [f"{PHYSICS}/{kind}" for kind in held if held[kind]]
    for group in groups:
        (folder / group).mkdir()
        write_group(folder / group)
    for kind, arrays in held.items():
        for name, array in arrays.items():
            place = folder / PHYSICS / kind / name
            place.mkdir()
            write_image(place, array, Geometry.default(array.shape), name=name)


def read_arrays(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Read what `write_arrays` wrote: arrays by ``"camera"`` or ``"psf"`` and field name."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for level in sorted((folder / PHYSICS).glob(f"*/*/{LEVEL}")):
        kind, name = level.parts[-3:-1]
        found.setdefault(kind, {})[name] = read_array(level.parent)
    return found
