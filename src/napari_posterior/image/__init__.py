"""Images and where their pixels lie; files, arrays and layers taken as images."""

from __future__ import annotations

from napari_posterior.image.check import MIN_SIZE, check_image
from napari_posterior.image.convert import as_image
from napari_posterior.image.files import load_image
from napari_posterior.image.geometry import AXES, SAMPLE_AXIS, Geometry
from napari_posterior.image.model import Image

__all__ = [
    "AXES",
    "MIN_SIZE",
    "SAMPLE_AXIS",
    "Geometry",
    "Image",
    "as_image",
    "check_image",
    "load_image",
]
