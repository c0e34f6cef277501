"""Which layers of a viewer show what of a run, and the one that takes the place of another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.layers.out import add_layers

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.request import RestoreRequest

__all__ = ["is_input", "layers_of", "own_layers", "put_layer"]

_OWN: Final = ("samples", "point estimate", "mean", "sd", "variance")
"""What the layers of a run show that need no other run."""


def put_layer(viewer: ViewerModel, one: LayerData) -> ImageLayer:
    """Add a layer, or renew the one that shows the same of the same runs."""
    data, look, _ = one
    for layer in viewer.layers:
        if quantity_of(layer) is not None and _shows(layer) == _shows(look["metadata"]):
            layer.data = data
            layer.contrast_limits = look["contrast_limits"]
            layer.metadata = {**layer.metadata, **look["metadata"]}
            return layer
    return add_layers(viewer, [one])[0]


def _shows(thing: Any) -> tuple[Any, ...]:
    """Return what tells a layer from others: what it shows, and of which runs."""
    told = getattr(thing, "metadata", thing)[KEY]
    return told.get("quantity"), told.get("run"), (told.get("teacher") or {}).get("run")


def layers_of(viewer: ViewerModel, folder: Path) -> list[ImageLayer]:
    """Return the layers that show the run in a folder; its image belongs to the user."""
    return [
        layer
        for layer in viewer.layers
        if quantity_of(layer) not in (None, "input") and str(folder) in _shows(layer)[1:]
    ]


def own_layers(viewer: ViewerModel, folder: Path) -> dict[str, ImageLayer]:
    """Return the layers that a run has of itself, by what they show."""
    there = reversed(layers_of(viewer, folder))
    return {str(one): layer for layer in there if (one := quantity_of(layer)) in _OWN}


def is_input(layer: Any, request: RestoreRequest) -> bool:
    """Say whether a layer of the user is the whole of what was restored."""
    image = request.image
    return (
        layer.name == image.name
        and quantity_of(layer) is None
        and getattr(layer, "contrast_limits", None) is not None
        and not getattr(layer, "auto_contrast", False)
        and getattr(layer.data, "shape", None) == image.shape
        and np.allclose(layer.scale, image.scale)
        and np.allclose(layer.translate, image.translate)
    )
