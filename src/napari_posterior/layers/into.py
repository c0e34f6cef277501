"""From napari layers to images: the whole layer, one plane, or what a rectangle encloses."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image import SAMPLE_AXIS, as_image
from napari_posterior.image.check import refuse_colour
from napari_posterior.layers.names import quantity_of
from napari_posterior.layers.units import in_units_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer
    from napari.layers import Shapes

    from napari_posterior.image import Image

__all__ = [
    "LayerPart",
    "plane_at",
    "rectangle_of",
    "refuse_unfit",
]

_MOST_AXES: Final = 5
_DIGITS: Final = 3  # of a pixel: shapes are drawn in float32, also far from the origin


@dataclass(frozen=True, eq=False)
class LayerPart:
    """A part of an image layer, held without the layer: any thread may read it.

    Parameters
    ----------
    data : array-like
        Full resolution of the whole layer; NumPy, dask, Zarr and the like.
    part : tuple of slice
        What is taken, with a start and a stop for each axis.
    scale, translate, units, axis_labels, name, source
        Of the whole layer, as they were when this was made.
    """

    data: Any
    part: tuple[slice, ...]
    scale: np.ndarray
    translate: np.ndarray
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    name: str
    source: Any

    @classmethod
    def of(
        cls,
        layer: ImageLayer,
        part: Sequence[slice] | None = None,
        *,
        axes: Sequence[str] | None = None,
    ) -> LayerPart:
        """Take ``layer.data[part]``, by default all; in the main thread.

        The slices start at 0 or more and have no step. `axes` name the axes where the labels of
        the layer do not.
        """
        shape = _shape(layer)
        given = [slice(None)] * len(shape) if part is None else part
        return cls(
            _full_resolution(layer),
            tuple(slice(*one.indices(size)[:2]) for one, size in zip(given, shape, strict=True)),
            np.array(layer.scale, float),
            np.array(layer.translate, float),
            tuple(layer.units),
            tuple(layer.axis_labels if axes is None else axes),
            str(layer.name),
            layer.source,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image that is taken."""
        sizes = self._sizes
        return tuple(sizes[i] for i in self.kept)

    @property
    def kept(self) -> list[int]:
        """The axes of the layer that the image has: of a plane of many, the first are given up."""
        sizes = self._sizes
        spare = len(sizes) - _MOST_AXES
        return [i for i in range(len(sizes)) if not (i < spare and sizes[i] == 1)]

    def read(self) -> Image:
        """Read the pixels, and no others; may wait for the disk.

        They are a copy: what is painted into the layer later on does not change them.
        """
        data = np.array(self.data[self.part])
        kept, sizes = self.kept, tuple(self.data.shape)
        return replace(
            as_image(self._view(data.reshape(self.shape))),
            origin=tuple(self.part[i].start for i in kept),
            whole=tuple(sizes[i] for i in kept),
        )

    def outline(self) -> Image:
        """Return the image without its pixels, which are all 0; reads nothing.

        Raises
        ------
        InputError
            If scale, position or axes cannot be those of an image.
        """
        return as_image(self._view(np.broadcast_to(np.uint8(0), self.shape)))

    @property
    def _sizes(self) -> list[int]:
        return [max(one.stop - one.start, 0) for one in self.part]

    def _view(self, data: np.ndarray) -> SimpleNamespace:
        kept = self.kept
        starts = np.array([one.start for one in self.part], float)
        return SimpleNamespace(
            data=data,
            scale=self.scale[kept],
            translate=(self.translate + starts * self.scale)[kept],
            units=[self.units[i] for i in kept],
            axis_labels=[self.axis_labels[i] for i in kept],
            name=self.name,
            source=self.source,
        )


def rectangle_of(layer: ImageLayer, shapes: Shapes) -> tuple[slice, slice]:
    """Return the rows and columns of a layer that a rectangle encloses.

    The rectangle is the selected shape, or the last one drawn; of another shape the bounding box
    counts. A pixel belongs to it if its centre does. Scale, position and units of both layers are
    honoured.

    Raises
    ------
    InputError
        If there is no shape, or it encloses no pixel of the layer.
    """
    if not len(shapes.data):
        raise InputError(f"{shapes.name} holds no rectangle; draw one around what to restore")
    chosen = max(shapes.selected_data, default=len(shapes.data) - 1)
    corners = np.array([shapes.data_to_world(point) for point in np.asarray(shapes.data[chosen])])
    slices = []
    for axis in (-2, -1):
        world = corners[:, axis] * in_units_of(layer.units[axis], shapes.units[axis])
        pixels = (world - layer.translate[axis]) / layer.scale[axis]
        first, last = round(pixels.min(), _DIGITS), round(pixels.max(), _DIGITS)
        size = _shape(layer)[axis]
        start, stop = max(math.ceil(first), 0), min(math.floor(last) + 1, size)
        if stop <= start:
            raise InputError(
                f"the rectangle in {shapes.name} encloses no pixel of {layer.name}; draw it over "
                "the image"
            )
        slices.append(slice(start, stop))
    return slices[0], slices[1]


def plane_at(layer: ImageLayer, viewer: ViewerModel) -> tuple[int, ...]:
    """Return the position of the plane of a layer that a viewer shows, along the axes before y, x.

    Raises
    ------
    InputError
        If the sliders stand outside the layer.
    """
    ndim, shape = int(layer.ndim), _shape(layer)
    point = viewer.dims.point[-ndim:]
    shown = viewer.layers.extent.units
    found = []
    for axis in range(ndim - 2):
        unit = layer.units[axis]
        factor = 1.0 if shown is None else in_units_of(unit, shown[axis - ndim])
        pixel = (point[axis] * factor - layer.translate[axis]) / layer.scale[axis]
        index = math.floor(round(pixel, _DIGITS) + 0.5)
        if not 0 <= index < shape[axis]:
            raise InputError(
                f"the sliders stand outside {layer.name}; move them to the plane to restore"
            )
        found.append(index)
    return tuple(found)


def refuse_unfit(layer: ImageLayer) -> None:
    """Refuse what cannot be restored whatever its pixels are.

    Raises
    ------
    InputError
        If the layer is a result or in colour, or is rotated or sheared.
    """
    if layer.rgb:
        refuse_colour(layer.name)
    if SAMPLE_AXIS in layer.axis_labels:
        raise InputError(f"{layer.name} holds samples already; choose the measured image")
    if quantity_of(layer) not in (None, "input"):
        raise InputError(f"{layer.name} is a result of a run; choose the measured image")
    turned = layer.affine.affine_matrix
    if not (
        np.allclose(layer.rotate, np.eye(len(layer.rotate)))
        and np.allclose(layer.shear, 0)
        and np.allclose(turned, np.eye(len(turned)))
    ):
        raise InputError(
            f"{layer.name} is rotated, sheared or has an affine transform; restore a layer that "
            "has only a scale and a position"
        )


def _full_resolution(layer: ImageLayer) -> Any:
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data


def _shape(layer: ImageLayer) -> tuple[int, ...]:
    return tuple(int(size) for size in _full_resolution(layer).shape)
