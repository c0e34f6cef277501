"""Regions of a run from layers of shapes and of labels."""

from __future__ import annotations

from functools import partial
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
    from collections.abc import Callable, Sequence

    from napari.layers import Layer

    from napari_posterior.image import Geometry
    from napari_posterior.runs.run import Run

__all__ = ["regions_of_layer", "take_regions"]


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
    return take_regions(layer, run)()


def take_regions(layer: Layer, run: Run) -> Callable[[], tuple[Region, ...]]:
    """Take a layer as it is now; return what makes regions of it, for any thread.

    Labels in memory are copied, as they may be painted over meanwhile; others are read later.

    Parameters
    ----------
    layer, run
        As of `regions_of_layer`.

    Returns
    -------
    callable
        Returns what `regions_of_layer` does, and raises `InputError` where a shape lies beside the
        image or the labels hold nothing but 0.

    Raises
    ------
    InputError
        If the layer is of another kind, holds no shape with an inside, or its labels do not lie
        on the pixels of the run.
    """
    in_main_thread("a layer is looked at")
    from napari.layers import Labels, Shapes

    layer = unwrapped(layer)
    image = run.request.image
    height, width = image.shape[-2:]
    if isinstance(layer, Shapes):
        return _take_shapes(layer, image.geometry, (height, width))
    if isinstance(layer, Labels):
        return _take_labels(layer, image.geometry, (height, width))
    raise InputError(f"{layer.name} holds no regions; give a Shapes or a Labels layer")


def _take_shapes(
    layer: Any, geometry: Geometry, shape: tuple[int, int]
) -> Callable[[], tuple[Region, ...]]:
    found = [
        (f"{layer.name} {number}", kind, np.array(data, np.float64))
        for number, (kind, data) in enumerate(zip(layer.shape_type, layer.data, strict=True), 1)
        if kind not in ("line", "path")  # they have no inside
    ]
    if not found:
        raise InputError(
            f"{layer.name} holds no shape with an inside; draw a rectangle, an ellipse or a polygon"
        )
    return partial(_of_outlines, found, _to_pixels(layer, geometry), shape)


def _of_outlines(
    outlines: Sequence[tuple[str, str, np.ndarray]],
    to_pixels: Callable[[np.ndarray], np.ndarray],
    shape: tuple[int, int],
) -> tuple[Region, ...]:
    """Make a region of each outline: name, kind of shape, corners (n, ndim)."""
    return tuple(
        region_in_polygon(
            to_pixels(ellipse_outline(corners) if kind == "ellipse" else corners), shape, name=name
        )
        for name, kind, corners in outlines
    )


def _take_labels(
    layer: Any, geometry: Geometry, shape: tuple[int, int]
) -> Callable[[], tuple[Region, ...]]:
    data = layer.data[0] if layer.multiscale else layer.data
    lead = data.shape[:-2]
    there = _to_pixels(layer, geometry)(_frame(data.shape))
    fits = data.shape[-2:] == shape and all(size == 1 for size in lead)
    if not fits or not np.allclose(there, _frame(shape), atol=1e-3):
        raise InputError(
            f"{layer.name} does not lie on the pixels of the run; make it with New Labels while "
            "the restored image is the only layer, or draw shapes"
        )
    labels = data[(0,) * len(lead)]
    if isinstance(labels, np.ndarray):
        labels = labels.copy()
    return lambda: regions_of_labels(np.asarray(labels))


def _to_pixels(layer: Any, geometry: Geometry) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns positions in a layer, (n, ndim), into rows and columns of a run, (n, 2).

    It holds numbers only, and so works in any thread.
    """
    origin = np.asarray(layer.data_to_world(np.zeros(layer.ndim)))[-2:]
    steps = [np.asarray(layer.data_to_world(one))[-2:] - origin for one in np.eye(layer.ndim)]
    factor = np.array([in_units_of(geometry.units[i], layer.units[i]) for i in (-2, -1)])
    scale, translate = np.array(geometry.scale[-2:]), np.array(geometry.translate[-2:])

    def turn(positions: np.ndarray) -> np.ndarray:
        world = positions @ np.array(steps) + origin
        return np.asarray((world * factor - translate) / scale)

    return turn


def _frame(shape: tuple[int, ...]) -> np.ndarray:
    """Return the first and the last pixel of the last two axes, (2, ndim)."""
    frame = np.zeros((2, len(shape)))
    frame[1, -2:] = np.array(shape[-2:]) - 1
    return frame
