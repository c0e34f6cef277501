"""Layers that a comparison takes its known object or its regions from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.layers.edits import Mark
from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.layers.regions import take_regions
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.layers.units import in_units_of
from napari_posterior.session.comparison_choices import LayerChoice

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

    from napari_posterior.runs.run import Run

__all__ = ["is_truth", "known_object", "region_choice", "truth_choice", "truth_of"]


def is_truth(layer: Layer) -> bool:
    """Whether a layer says that it is a known object, as those of the samples do."""
    told = layer.metadata.get(KEY)
    if not isinstance(told, dict):
        return False
    return bool(told.get("truth")) or ("sample" in told and "gain" not in told)


def truth_of(layer: Layer) -> str:
    """Return the name of the image that a known object belongs to; empty where it says none."""
    told = layer.metadata.get(KEY)
    return str(told.get("sample") or "") if isinstance(told, dict) and is_truth(layer) else ""


def truth_choice(layer: Layer) -> LayerChoice:
    """Take an image layer for the known object, in photoelectrons per pixel.

    Parameters
    ----------
    layer : napari Image layer
        On the pixels of the image that was restored; it may be larger.
    """
    layer = unwrapped(layer)
    return _choice(layer, known_object)


def region_choice(layer: Layer) -> LayerChoice:
    """Take the shapes or labels of a layer for regions, as they are when runs are compared."""
    return _choice(unwrapped(layer), take_regions)


def _choice(layer: Any, take: Callable[[Any, Run], Any]) -> LayerChoice:
    key = ("layer", layer.unique_id)
    return LayerChoice(layer.name, key, partial(take, layer), Mark(layer))


def known_object(layer: Any, run: Run) -> Any:
    """Return what reads the part of a layer that a run restored; in the main thread.

    Parameters
    ----------
    layer : napari Image layer
        The object.
    run : Run
        Of the image.

    Returns
    -------
    callable
        Returns the object, the shape of the image, float32; for any thread.

    Raises
    ------
    InputError
        If the layer does not lie on the pixels of the run, or does not hold all of them.
    """
    in_main_thread("a layer is looked at")
    if quantity_of(layer) == "input" or getattr(layer, "rgb", False):
        raise InputError(f"{layer.name} is not the object itself; choose another layer for it")
    data = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    image = run.request.image
    geometry, shape = image.geometry, image.shape
    spare = data.ndim - len(shape)
    if spare < 0 or any(size != 1 for size in data.shape[:spare]):
        raise InputError(
            f"{layer.name} has shape {tuple(data.shape)} and the image {tuple(shape)}; give the "
            "object of that image"
        )
    starts = []
    for axis, size in enumerate(shape):
        there = axis + spare
        factor = in_units_of(geometry.units[axis], layer.units[there])
        step = float(layer.scale[there]) * factor
        start = (geometry.translate[axis] - float(layer.translate[there]) * factor) / step
        fits = np.isclose(step, geometry.scale[axis], rtol=1e-3) and abs(start - round(start)) < 0.1
        first = round(start)
        if not fits or first < 0 or first + size > data.shape[there]:
            raise InputError(
                f"{layer.name} does not lie on the pixels of the restored image; give it the same "
                "scale and position"
            )
        starts.append(first)
    part = (0,) * spare + tuple(
        slice(first, first + size) for first, size in zip(starts, shape, strict=True)
    )
    return lambda: np.asarray(data[part], np.float32)
