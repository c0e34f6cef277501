"""Regions of a run from layers of shapes and of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.layers.units import in_units_of
from napari_posterior.statistics.regions import (
    Region,
    ellipse_outline,
    region_in_polygon,
    regions_of_labels,
)

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_posterior.image import Geometry
    from napari_posterior.runs.run import Run

__all__ = ["regions_of_layer"]


def regions_of_layer(layer: Layer, run: Run) -> tuple[Region, ...]:
    """Turn the shapes or the labels of a layer into regions of a run's planes.

    Scale, position and units of the layer are honoured. Shapes are called after the layer and
    their number, from 1; a pixel belongs to a shape if its centre does. Labels must lie on the
    pixels of the run.

    Parameters
    ----------
    layer : napari Shapes or Labels layer
        To be looked at in the main thread.
    run : Run
        What is measured.

    Returns
    -------
    tuple of Region
        One for each rectangle, polygon or ellipse, or for each label but 0.

    Raises
    ------
    InputError
        If the layer is of another kind, holds nothing, or does not lie on the image of the run.
    """
    in_main_thread("a layer is looked at")
    from napari.layers import Labels, Shapes

    layer = unwrapped(layer)
    image = run.request.image
    height, width = image.shape[-2:]
    if isinstance(layer, Shapes):
        return _of_shapes(layer, image.geometry, (height, width))
    if isinstance(layer, Labels):
        return _of_labels(layer, image.geometry, (height, width))
    raise InputError(f"{layer.name} holds no regions; give a Shapes or a Labels layer")


def _of_shapes(layer: Any, geometry: Geometry, shape: tuple[int, int]) -> tuple[Region, ...]:
    found = []
    for number, (kind, data) in enumerate(zip(layer.shape_type, layer.data, strict=True), start=1):
        if kind in ("line", "path"):
            continue  # they have no inside
        corners = ellipse_outline(np.asarray(data)) if kind == "ellipse" else np.asarray(data)
        world = np.array([layer.data_to_world(corner) for corner in corners])
        pixels = np.stack(
            [_in_pixels(world[:, axis], layer, geometry, axis) for axis in (-2, -1)], axis=1
        )
        found.append(region_in_polygon(pixels, shape, name=f"{layer.name} {number}"))
    if not found:
        raise InputError(
            f"{layer.name} holds no shape with an inside; draw a rectangle, an ellipse or a polygon"
        )
    return tuple(found)


def _of_labels(layer: Any, geometry: Geometry, shape: tuple[int, int]) -> tuple[Region, ...]:
    labels = np.asarray(layer.data)
    while labels.ndim > 2 and len(labels) == 1:
        labels = labels[0]
    world = np.array([layer.data_to_world(corner) for corner in _frame(layer.data.shape)])
    corners = [_in_pixels(world[:, axis], layer, geometry, axis) for axis in (-2, -1)]
    there = np.stack(corners, axis=1)
    if labels.shape != shape or not np.allclose(there, _frame(shape), atol=1e-3):
        raise InputError(
            f"{layer.name} does not lie on the pixels of the run; make it with New Labels while "
            "the restored image is the only layer, or draw shapes"
        )
    return regions_of_labels(labels)


def _frame(shape: tuple[int, ...]) -> np.ndarray:
    """Return the first and the last pixel of the last two axes, (2, ndim)."""
    frame = np.zeros((2, len(shape)))
    frame[1, -2:] = np.array(shape[-2:]) - 1
    return frame


def _in_pixels(world: np.ndarray, layer: Any, geometry: Geometry, axis: int) -> np.ndarray:
    """Turn world coordinates of a layer along an axis into pixels of a run."""
    world = world * in_units_of(geometry.units[axis], layer.units[axis])
    return np.asarray((world - geometry.translate[axis]) / geometry.scale[axis])
