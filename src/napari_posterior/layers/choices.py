"""What of a viewer can be restored, and in which words that is said before it is read."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.image import MIN_SIZE, SAMPLE_AXIS, Image, check_image
from napari_posterior.layers.into import LayerPart, plane_at, rectangle_of, refuse_unfit
from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.physics.camera import Camera, Levels
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.records import from_record
from napari_posterior.session.axes import parse_axes, write_axes
from napari_posterior.session.models import ImageChoice
from napari_posterior.statistics.lengths import in_micrometres

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari.components import ViewerModel
    from napari.layers import Layer, Shapes

    from napari_posterior.session.models import Region

__all__ = ["AcquisitionSettings", "can_be_restored", "image_choice", "sample_settings"]

_LOG = logging.getLogger(__name__)

_SHORT: Final = {
    "micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "meter": "m",
    "angstrom": "Å", "second": "s", "millisecond": "ms", "minute": "min", "hour": "h",
}  # fmt: skip
_PIXEL: Final = "pixel"


@dataclass(frozen=True)
class AcquisitionSettings:
    """What a layer says of how it was acquired.

    Attributes
    ----------
    camera : Camera
        Gain (ADU per photoelectron), offset (ADU) and read noise (photoelectrons).
    psf : float or None
        Width of the PSF in pixels; None where it is not said.
    background : float
        Camera-side constant in photoelectrons per pixel.
    """

    camera: Camera
    psf: float | None = None
    background: float = 0.0


def image_choice(
    layer: Layer,
    *,
    region: Region = "whole",
    shapes: Shapes | None = None,
    viewer: ViewerModel | None = None,
    axes: str | None = None,
) -> ImageChoice:
    """Say what would be restored of a layer; to be called in the main thread.

    All that is asked of the layer is asked here: `ImageChoice.read` may be called in any thread,
    reads only the part that is wanted, and gives a copy. Pixels that are painted between the two
    calls are read as they are then.

    Parameters
    ----------
    layer : napari layer
        Any; what cannot be restored has a `problem` and raises nothing.
    region : str
        ``"whole"``, ``"plane"`` (the one that the viewer shows) or ``"shape"`` (the rows and
        columns that a rectangle encloses, in all planes).
    shapes : napari Shapes layer, optional
        Holds the rectangle.
    viewer : viewer, optional
        Whose sliders say which plane.
    axes : str, optional
        Names of the axes, such as ``"TZYX"``, where the labels of the layer are missing or wrong.

    Returns
    -------
    ImageChoice
    """
    in_main_thread("a layer is looked at")
    layer, shapes, viewer = unwrapped(layer), unwrapped(shapes), unwrapped(viewer)
    name = str(layer.name)
    part, words, problem, taken = None, "", "", ""
    try:
        refuse_unfit(_image_layer(layer))
        names = None if axes is None else parse_axes(axes, int(layer.ndim))
        part = LayerPart.of(layer, axes=names)
        words, taken = _words(part), write_axes(part.outline().geometry.axes)
        if region != "whole":
            part = LayerPart.of(layer, _slices(layer, region, shapes, viewer), axes=names)
            words = _words(part)
        check_image(_stand_in(part, layer.dtype))
    except PosteriorError as error:
        problem = str(error)
    except Exception as error:  # layers hold what other plugins give them
        _LOG.debug("a layer cannot be looked at", exc_info=True)
        problem = (
            f"{name} cannot be taken as an image ({type(error).__name__}); choose another layer"
        )

    def read() -> Image:
        if problem or part is None:
            raise InputError(problem)
        return part.read()

    return ImageChoice(
        name=name,
        key=_key(layer, part),
        shape=() if part is None else part.shape,
        words=words,
        read=read,
        problem=problem,
        axes=taken,
        pixel_um=None if part is None else _pixel_um(part),
    )


def can_be_restored(layer: Layer) -> bool:
    """Say whether a layer is a measurement: grey levels, and no result of this package.

    The measurement that a run brought with it is one; the known object of a simulation is not.
    """
    layer = unwrapped(layer)
    try:
        refuse_unfit(_image_layer(layer))
    except InputError:
        return False
    told = _told(layer)
    return not ("sample" in told and "gain" not in told)


def sample_settings(layer: Layer) -> AcquisitionSettings | None:
    """Return camera, PSF and background that a layer states; None where it states none.

    Sample images and the measurements that runs bring with them do.
    """
    layer = unwrapped(layer)
    told = _told(layer)
    asked = told.get("request")
    if asked is not None and quantity_of(layer) != "input":
        return None
    try:
        if asked is not None:
            # camera maps and sampled PSFs are not in the layer: such a run restates nothing
            camera, psf = from_record(Camera, asked["camera"]), from_record(Psf, asked["psf"])
            return AcquisitionSettings(camera, psf.sigma, float(asked["background"]))
        numbers = Levels(*(float(told[key]) for key in Levels._fields))
        sigma = told.get("psf_sigma")
        return AcquisitionSettings(
            Camera(numbers.gain, numbers.offset, numbers.read_noise),
            None if sigma is None else float(sigma),
            float(told.get("background", 0.0)),
        )
    except (AttributeError, KeyError, TypeError, ValueError, PosteriorError):
        return None


def _told(layer: Any) -> dict[str, Any]:
    told = layer.metadata.get(KEY)
    return told if isinstance(told, dict) else {}


def _image_layer(layer: Any) -> Any:
    from napari.layers import Image as ImageLayer

    if not isinstance(layer, ImageLayer):
        raise InputError(f"{layer.name} is a {type(layer).__name__} layer; choose an image layer")
    told = _told(layer)
    if SAMPLE_AXIS not in layer.axis_labels and told.get("quantity") not in (None, "input"):
        raise InputError(
            f"{layer.name} shows the {told['quantity']} of a run; choose the measured image"
        )
    return layer


def _slices(
    layer: Any, region: Region, shapes: Shapes | None, viewer: ViewerModel | None
) -> tuple[slice, ...]:
    part = [slice(None)] * int(layer.ndim)
    if region == "plane":
        if viewer is None:
            raise InputError("no viewer says which plane is meant; choose the whole image")
        # of length 1, so that the result lies where the plane was
        part[:-2] = [slice(i, i + 1) for i in plane_at(layer, viewer)]
    elif shapes is None:
        raise InputError("no rectangle is there yet; draw one around what to restore")
    else:
        part[-2:] = rectangle_of(layer, shapes)
    return tuple(part)


def _key(layer: Any, part: LayerPart | None) -> Hashable:
    """Return what is equal for one part of one layer, until the layer is given other data."""
    if part is None:
        return (layer.unique_id,)
    slices = tuple((one.start, one.stop) for one in part.part)
    return layer.unique_id, id(part.data), slices, part.axis_labels


def _stand_in(part: LayerPart, dtype: Any) -> Image:
    """Return an image that is refused for the same type and shape, without reading a pixel."""
    outline = part.outline()
    shape, least = part.shape, MIN_SIZE + 1
    if 0 not in shape:
        plane = shape[-2:] if min(shape[-2:]) < least else (least, least)
        shape = (*(1 for _ in shape[:-2]), *plane)
    dtype = np.dtype(dtype)
    numbers = np.arange(math.prod(shape)).reshape(shape) % 100
    data = numbers.astype(dtype) if dtype.kind in "iufcb" else np.zeros(shape, dtype)
    return Image(data, outline.geometry, outline.name)


def _words(part: LayerPart) -> str:
    """Return axes, size, pixel size and what is taken: ``"YX 512 x 512, 0.23 µm/px"``."""
    geometry = part.outline().geometry
    shape = part.shape
    steps = dict(zip(geometry.axes, zip(geometry.scale, geometry.units, strict=True), strict=True))
    words = [
        f"{''.join(geometry.axes).upper()} {' x '.join(map(str, shape))}",
        _pixel_size(steps["y"], steps["x"]),
    ]
    for axis, kind in (("z", "z step"), ("t", "time step")):
        if axis in steps and steps[axis][1] != _PIXEL:
            words.append(f"{kind} {_number(*steps[axis])}")
    words += _taken(part, geometry.axes)
    planes = " x ".join(str(size) for size in shape[:-2] if size > 1)
    told = ", ".join(words)
    return f"{told}: {planes} planes, restored separately" if planes else told


def _pixel_um(part: LayerPart) -> float | None:
    geometry = part.outline().geometry
    size = in_micrometres((geometry.scale[-2], geometry.scale[-1]), geometry.units[-1])
    return None if size is None else size[1]


def _pixel_size(y: tuple[float, str], x: tuple[float, str]) -> str:
    if y[1] == _PIXEL or x[1] == _PIXEL:
        return "pixel size unknown"
    if y[1] == x[1]:
        same = math.isclose(y[0], x[0], rel_tol=1e-3)
        size = f"{x[0]:.3g}" if same else f"{y[0]:.3g} x {x[0]:.3g}"
        return f"{size} {_SHORT.get(x[1], x[1])}/px"
    return f"{_number(*y)}/px x {_number(*x)}/px"


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {_SHORT.get(unit, unit)}"


def _taken(part: LayerPart, axes: tuple[str, ...]) -> list[str]:
    """Say which plane, rows and columns are taken where that is not all; counted from 0."""
    sizes = part.data.shape
    words = []
    planes = [
        f"{axis} = {part.part[i].start}"
        for axis, i in zip(axes[:-2], part.kept[:-2], strict=True)
        if part.shape[part.kept.index(i)] == 1 < sizes[i]
    ]
    if planes:
        words.append(f"plane {', '.join(planes)}")
    for one, size, what in zip(part.part[-2:], sizes[-2:], ("rows", "columns"), strict=True):
        if (one.start, one.stop) != (0, size):
            words.append(f"{what} {one.start}-{one.stop - 1}")
    return words
