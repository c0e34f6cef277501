"""Arrays, files and napari layers taken as images."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image.check import refuse_colour
from napari_posterior.image.files import FORMATS, load_image
from napari_posterior.image.geometry import AXES, Geometry, default_geometry, unit_name
from napari_posterior.image.model import Image, native

__all__ = ["as_image"]

_AXIS_NAMES = {"time": "t", "channel": "c", "depth": "z", "frame": "t", "slice": "z"}


def as_image(obj: Any, *, name: str | None = None) -> Image:
    """Take an array, a file or a napari Image layer as an image.

    Parameters
    ----------
    obj : ndarray, path, layer or Image
        A layer is anything with ``data`` and ``scale``; its units, axis labels and position are
        used where it has them, and the full resolution of a multiscale layer.
    name : str, optional
        What to call it; by default the name of the layer or file.

    Raises
    ------
    InputError
        If `obj` is none of these, or a colour layer. The pixels are looked at by `check_image`.
    """
    if isinstance(obj, Image):
        return obj if name is None else replace(obj, name=name)
    if isinstance(obj, str | os.PathLike):
        return as_image(load_image(obj), name=name)
    if hasattr(obj, "data") and hasattr(obj, "scale"):
        return _from_layer(obj, name)
    if hasattr(obj, "__array__") or isinstance(obj, list | tuple):
        try:
            data = native(np.asarray(obj))
        except ValueError as error:
            raise InputError(
                "the nested lists do not form an image; give rows of equal length"
            ) from error
        return Image(data, default_geometry(data.shape, name or "the array"), name or "image")
    raise InputError(
        f"a {type(obj).__name__} is not an image; give an array, {FORMATS} or an image layer"
    )


def _from_layer(layer: Any, name: str | None) -> Image:
    name = name or str(getattr(layer, "name", "") or "image")
    if getattr(layer, "rgb", False):
        refuse_colour(name)
    level = layer.data[0] if getattr(layer, "multiscale", False) else layer.data
    data = native(np.asarray(level))
    plain = default_geometry(data.shape, name)
    labels = [str(label).lower() for label in getattr(layer, "axis_labels", ())]
    labels = [_AXIS_NAMES.get(label, label) for label in labels]
    named = len(labels) == data.ndim and labels[-2:] == ["y", "x"] and set(labels) <= set(AXES)
    if named and len(set(labels)) < len(labels):
        named = False
    geometry = Geometry(
        tuple(labels) if named else plain.axes,
        tuple(np.atleast_1d(layer.scale)),
        tuple(unit_name(str(unit)) for unit in getattr(layer, "units", None) or plain.units),
        plain.translate if (shift := getattr(layer, "translate", None)) is None else tuple(shift),
    )
    path = getattr(getattr(layer, "source", None), "path", None)
    return Image(data, geometry, name, None if path is None else str(path))
