"""Images as layers of a viewer, where their geometry says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_posterior.image import Image


def show(viewer: Any, image: Image, **changes: Any) -> Any:
    """Add an image as a layer; attributes can be changed by keyword."""
    geometry = image.geometry
    look = {
        "name": image.name,
        "scale": geometry.scale,
        "units": geometry.units,
        "translate": geometry.translate,
        "axis_labels": geometry.axes,
    }
    return viewer.add_image(image.data, **{**look, **changes})
