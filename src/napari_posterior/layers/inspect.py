"""From a click in the canvas to a pixel of a run, and a mark where that is."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.follow import kept_selection
from napari_posterior.layers.names import KEY
from napari_posterior.layers.out import place
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.layers.units import in_units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from napari.components import ViewerModel

    from napari_posterior.image import Geometry

__all__ = [
    "MARK_COLOUR",
    "CanvasClicks",
    "CanvasKey",
    "CanvasMark",
    "grid_of",
    "image_of_layer",
    "pixel_at",
    "regions_at",
]

_STILL: Final = 3.0  # px of the canvas: a hand that clicks moves a little
_DIGITS: Final = 6
MARK_COLOUR: Final = "#ff6ec7"
"""Of a mark: no colour of a sample, of a probability or of a verdict."""

_LEAST_MARK: Final = 10  # px of the canvas
_FRAME: Final = 5.0  # px of the image: wide enough to be seen, with the pixel in its middle


def pixel_at(
    viewer: ViewerModel, position: Sequence[float], geometry: Geometry, shape: Sequence[int]
) -> tuple[float, ...] | None:
    """Turn a place in the canvas into pixels of an image; None where that lies outside.

    Scale, position and units of the image are honoured; axes of the viewer that the image does
    not have, such as that of samples, do not matter.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where the click was.
    position : sequence of float
        In the viewer's world, along all its axes.
    geometry : Geometry
        Of the image.
    shape : sequence of int
        Of the image.

    Returns
    -------
    tuple of float or None
        Along all axes of the image; 0 is the centre of the first pixel.
    """
    ndim = geometry.ndim
    if len(position) < ndim or viewer.dims.ndisplay != 2:
        return None
    shown = viewer.layers.extent.units
    units = place(geometry)["units"]
    found = []
    for axis in range(ndim):
        unit = units[axis]
        factor = 1.0 if shown is None else in_units_of(unit, shown[axis - ndim])
        world = float(position[axis - ndim]) * factor
        pixel = (world - geometry.translate[axis]) / geometry.scale[axis]
        if not 0 <= math.floor(round(pixel, _DIGITS) + 0.5) < shape[axis]:
            return None
        found.append(pixel)
    return tuple(found)


def world_of(viewer: ViewerModel, index: Sequence[float], geometry: Geometry) -> tuple[float, ...]:
    """Return where a pixel lies in the viewer's world, along the axes of its image."""
    shown = viewer.layers.extent.units
    units = place(geometry)["units"]
    n = geometry.ndim
    return tuple(
        (geometry.translate[i] + index[i] * geometry.scale[i])
        * (1.0 if shown is None else in_units_of(shown[i - n], units[i]))
        for i in range(n)
    )


def grid_of(viewer: ViewerModel) -> Any:
    """Return the grid of a viewer, which napari 0.9 moved to its canvas."""
    return getattr(viewer, "canvas", viewer).grid


def image_of_layer(layer: Any) -> str | None:
    """Return the hash of the image that a layer of this package belongs to; None for others."""
    told = None if layer is None else layer.metadata.get(KEY)
    sha256 = told.get("image_sha256") if isinstance(told, dict) else None
    return None if sha256 is None else str(sha256)


def regions_at(
    viewer: ViewerModel, position: Sequence[float], *, among: Hashable = None
) -> tuple[str, ...]:
    """Return what the visible shapes and labels are called that lie at a place, the topmost first.

    As `regions_of_layer` calls them: shapes after the layer and their number, from 1; labels after
    their value, so that two layers can have one of the same name.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where the click was.
    position : sequence of float
        In the viewer's world, along all its axes.
    among : Hashable, optional
        The key of the `LayerChoice` whose labels are meant; by default those of all layers.
    """
    found = (
        _region_of(layer, position[-layer.ndim :])
        for layer in reversed(list(viewer.layers))
        if layer.visible and layer.ndim <= len(position)
        if among is None or not _is_labels(layer) or among == ("layer", layer.unique_id)
    )
    return tuple(name for name in found if name)


def _region_of(layer: Any, position: Sequence[float]) -> str:
    """Return what the shape or label of a layer at a place is called; empty where there is none."""
    from napari.layers import Shapes

    if isinstance(layer, Shapes) and len(layer.data):
        value = layer.get_value(position, world=True)
        shape = value[0] if isinstance(value, tuple) else None
        return "" if shape is None else f"{layer.name} {shape + 1}"
    if _is_labels(layer):
        value = layer.get_value(position, world=True)
        label = value[-1] if isinstance(value, tuple) else value  # of a pyramid: level and value
        return f"label {int(label)}" if label else ""
    return ""


def _is_labels(layer: Any) -> bool:
    from napari.layers import Labels

    return isinstance(layer, Labels)


class CanvasClicks:
    """Hears of clicks in the canvas that no tool wants, until it is stopped.

    A click is the left button, without a modifier, pressed and let go at one place, while the
    layer that is selected is only panned and zoomed.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Held weakly.
    listener : callable
        A bound method, held weakly; gets the place in the viewer's world.
    """

    def __init__(
        self, viewer: ViewerModel, listener: Callable[[tuple[float, ...]], object]
    ) -> None:
        in_main_thread("clicks are listened to")
        self._viewer = weakref.ref(unwrapped(viewer))
        self._listener = weakref.WeakMethod(listener)
        unwrapped(viewer).mouse_drag_callbacks.append(self._on_press)

    def stop(self, *_: object) -> None:
        """Hear no more; may be called again."""
        viewer = self._viewer()
        if viewer is not None and self._on_press in viewer.mouse_drag_callbacks:
            viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(self, viewer: ViewerModel, event: Any) -> Iterator[None]:
        if event.button != 1 or len(event.modifiers) or not _is_idle(viewer):
            return
        start = np.asarray(event.pos, float)
        position = tuple(float(one) for one in event.position)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - start).max() > _STILL:
                return  # it is a drag
            yield
        listener = self._listener()
        if listener is not None:
            listener(position)


class CanvasKey:
    """Hears of a key in the canvas while it is wanted; keys of tools and layers come first.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Held weakly.
    key : str
        As napari writes it: ``"Escape"``.
    listener : callable
        A bound method without arguments, held weakly.
    """

    def __init__(self, viewer: ViewerModel, key: str, listener: Callable[[], object]) -> None:
        self._viewer = weakref.ref(unwrapped(viewer))
        self._key = key
        self._listener = weakref.WeakMethod(listener)
        self._before: Any = None
        self._bound = False

    def want(self, wanted: bool) -> None:
        """Listen from now on, or no more: then what the key did before is back."""
        viewer = self._viewer()
        if viewer is None or wanted == self._bound:
            return
        self._bound = wanted
        if wanted:
            self._before = viewer.bind_key(self._key, self._on_key, overwrite=True)
            return
        ours = viewer.bind_key(self._key, None)
        if ours != self._on_key:  # somebody else took it meanwhile
            self._before = ours
        if self._before is not None:
            viewer.bind_key(self._key, self._before, overwrite=True)
            self._before = None

    def stop(self, *_: object) -> None:
        """Listen no more; may be called again."""
        self.want(False)

    def _on_key(self, viewer: ViewerModel) -> None:
        listener = self._listener()
        if listener is not None:
            listener()


class CanvasMark:
    """A ring or a frame in the canvas around what is inspected: a small layer of points.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Held weakly.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = weakref.ref(unwrapped(viewer))
        self._layer: Any = None

    @property
    def layer(self) -> Any:
        """The layer, while it is in the viewer."""
        viewer = self._viewer()
        there = viewer is not None and self._layer is not None and self._layer in viewer.layers
        return self._layer if there else None

    def show(
        self,
        name: str,
        index: Sequence[float],
        geometry: Geometry,
        *,
        radius: float | None = None,
    ) -> None:
        """Mark a pixel by a square, or a punctum by a ring.

        In grid mode nothing is marked: the mark would be given a cell of its own.

        Parameters
        ----------
        name : str
            Of the image.
        index : sequence of float
            In pixels of the image.
        geometry : Geometry
            Of the image.
        radius : float, optional
            Of the ring, in pixels.
        """
        in_main_thread("a mark is set")
        viewer = self._viewer()
        self.hide()
        if viewer is None or grid_of(viewer).enabled:
            return
        with kept_selection(viewer):
            self._layer = viewer.add_points(
                np.asarray([index], float),
                name=f"{name} | inspected",
                **place(geometry),
                size=_FRAME if radius is None else 3.0 * radius,
                symbol="square" if radius is None else "disc",
                face_color="transparent",
                border_color=MARK_COLOUR,
                border_width=0.1,
                canvas_size_limits=(_LEAST_MARK, 10000),
                metadata={KEY: {"quantity": "inspected"}},
            )

    def hide(self) -> None:
        """Take the mark away."""
        in_main_thread("a mark is taken away")
        layer, self._layer = self.layer, None
        viewer = self._viewer()
        if layer is not None and viewer is not None:
            with kept_selection(viewer):
                viewer.layers.remove(layer)

    def bring_into_sight(self, index: Sequence[float], geometry: Geometry) -> None:
        """Move the sliders to the plane of a pixel, and the canvas where it is out of sight."""
        viewer = self._viewer()
        if viewer is None or viewer.dims.ndim < geometry.ndim:
            return
        first = viewer.dims.ndim - geometry.ndim
        world = world_of(viewer, index, geometry)
        for axis in range(geometry.ndim - 2):
            viewer.dims.set_point(first + axis, world[axis])
        if not _in_sight(viewer, world[-2:]):
            camera = getattr(viewer, "scene", viewer).camera  # napari 0.8 has no scene
            camera.center = (*camera.center[:-2], *world[-2:])


def _in_sight(viewer: ViewerModel, place: Sequence[float]) -> bool:
    """Say whether a place of the world lies in the canvas, as far as its size is known."""
    size = getattr(getattr(viewer, "canvas", None), "size", None)
    if size is None:
        return True
    camera = getattr(viewer, "scene", viewer).camera
    half = np.asarray(size, float) / max(camera.zoom, 1e-9) / 2
    away = np.abs(np.asarray(place) - np.asarray(camera.center[-2:]))
    return bool((away <= half).all())


def _is_idle(viewer: ViewerModel) -> bool:
    """Say whether a click would only pan: no tool of the layer that is selected wants it."""
    layer = viewer.layers.selection.active
    return layer is None or str(getattr(layer, "mode", "pan_zoom")) == "pan_zoom"
