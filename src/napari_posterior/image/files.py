"""Image files read with their axes and pixel size."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.image.check import refuse_colour
from napari_posterior.image.geometry import Geometry, default_geometry, unit_name
from napari_posterior.image.model import Image, native

if TYPE_CHECKING:
    import os

    import tifffile

__all__ = ["FORMATS", "load_image"]

FORMATS: Final = "a TIFF, NPY, PNG or JPEG file"
"""What :func:`load_image` reads."""


def load_image(path: str | os.PathLike[str]) -> Image:
    """Read an image file with its axes and pixel size.

    Parameters
    ----------
    path : path
        TIFF (axes, pixel size and units from ImageJ or OME metadata), NPY, PNG or JPEG.

    Raises
    ------
    InputError
        If the file is missing, cannot be read or holds a colour image.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; check the name of the image file")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give {FORMATS}")
    readers = {".tif": _read_tiff, ".tiff": _read_tiff, ".npy": _read_npy}
    readers |= dict.fromkeys((".png", ".jpg", ".jpeg"), _read_picture)
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is not a kind of image that can be read; give {FORMATS}")
    try:
        data, geometry = reader(path)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path} may not be read; change its permissions") from error
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory; crop it first") from error
    except Exception as error:  # a damaged file makes its reader raise anything
        raise InputError(
            f"{path} cannot be read as an image ({type(error).__name__}); check that it opens "
            "elsewhere, or save it again as TIFF"
        ) from error
    return Image(native(data), geometry, path.name.split(".")[0] or path.name, str(path))


def _read_npy(path: Path) -> tuple[np.ndarray, Geometry]:
    try:
        data = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise InputError(
            f"{path} does not hold a plain array; save numbers with numpy.save"
        ) from error
    if not isinstance(data, np.ndarray):
        raise InputError(f"{path} is an archive of arrays; save one array with numpy.save")
    return data, default_geometry(data.shape, path.name)


def _read_picture(path: Path) -> tuple[np.ndarray, Geometry]:
    from skimage.io import imread

    # from memory: given a path of a broken file, the reader leaves it open
    data = np.asarray(imread(io.BytesIO(path.read_bytes())))
    if data.ndim != 2:
        refuse_colour(path.name)
    return data, Geometry.default(data.shape)


def _read_tiff(path: Path) -> tuple[np.ndarray, Geometry]:
    import tifffile

    with tifffile.TiffFile(path) as tif:
        series = tif.series[0]
        if "S" in series.axes:
            refuse_colour(path.name)
        data = np.asarray(series.asarray())
        axes = _tiff_axes(series.axes, path.name)
        sizes = _tiff_pixel_sizes(tif)
    unknown = (1.0, "pixel")
    return data, Geometry(
        axes,
        tuple(sizes.get(axis, unknown)[0] for axis in axes),
        tuple(sizes.get(axis, unknown)[1] for axis in axes),
        (0.0,) * len(axes),
    )


def _tiff_axes(codes: str, name: str) -> tuple[str, ...]:
    """Axis names of tifffile's codes; an axis it cannot name takes the first free of z, t, c."""
    known = [code.lower() if code in "TCZYX" else "" for code in codes]
    free = [axis for axis in "ztc" if axis not in known]
    if known.count("") > len(free):
        raise InputError(f"{name} has the axes {codes}; save it with at most t, c, z, y and x")
    return tuple(axis or free.pop(0) for axis in known)


def _tiff_pixel_sizes(tif: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    """Pixel size and unit of each axis for which the file states one."""
    import tifffile

    found: dict[str, tuple[Any, Any]] = {}
    if tif.is_ome and tif.ome_metadata:
        images = tifffile.xml2dict(tif.ome_metadata).get("OME", {}).get("Image", {})
        pixels = (images[0] if isinstance(images, list) else images).get("Pixels", {})
        for axis in "xyz":
            key = f"PhysicalSize{axis.upper()}"
            found[axis] = pixels.get(key), pixels.get(f"{key}Unit", "um")
        found["t"] = pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s")
    elif tif.is_imagej and tif.imagej_metadata:
        meta, tags = tif.imagej_metadata, tif.pages.first.tags
        unit = meta.get("unit", "pixel")
        for axis, key in (("x", "XResolution"), ("y", "YResolution")):
            count, length = tags[key].value if key in tags else (0, 1)
            found[axis] = (length / count if count else None), meta.get(f"{axis}unit", unit)
        found["z"] = meta.get("spacing"), meta.get("zunit", unit)
        found["t"] = meta.get("finterval"), meta.get("tunit", "s")
    sizes = {axis: (_number(size), unit_name(str(unit))) for axis, (size, unit) in found.items()}
    # ImageJ writes a resolution of 1, or of the display, beside the unit "pixel": no size at all.
    return {axis: (size, unit) for axis, (size, unit) in sizes.items() if size and unit != "pixel"}


def _number(value: Any) -> float:
    """Positive finite number, else 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
