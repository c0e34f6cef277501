"""One OME-Zarr 0.5 image on disk: written so that other tools read it, read back axis by axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.image import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import zarr

    from napari_posterior.image import Geometry

__all__ = [
    "LEVEL",
    "MANTISSA_BITS",
    "StoredImage",
    "read_array",
    "round_mantissa",
    "write_group",
    "write_image",
]

LEVEL: Final = "0"
"""Name of the one resolution level of an image."""

MANTISSA_BITS: Final = 12
"""Explicit mantissa bits that samples keep: a relative error of at most 2**-13."""

_CHUNK: Final = 512
_FLOAT32_MANTISSA: Final = 23
_SPACE_UNITS: Final = ("angstrom", "inch", "foot", "yard", "mile", "parsec")
_TIME_UNITS: Final = ("minute", "hour", "day")


def round_mantissa(values: np.ndarray, bits: int = MANTISSA_BITS) -> np.ndarray:
    """Round float32 values to `bits` explicit mantissa bits, to nearest, ties to even.

    Fewer random bits compress better; NaN and infinity stay as they are.

    Parameters
    ----------
    values : ndarray
        Any shape, taken as float32.
    bits : int
        1 to 23.

    Returns
    -------
    ndarray
        float32, of the same shape.
    """
    plain = np.ascontiguousarray(values, np.float32)
    drop = _FLOAT32_MANTISSA - bits
    if drop <= 0:
        return plain.reshape(np.shape(values))
    words = plain.view(np.uint32)
    half = np.uint32((1 << (drop - 1)) - 1)
    odd = (words >> np.uint32(drop)) & np.uint32(1)
    keep = np.uint32(0xFFFFFFFF ^ ((1 << drop) - 1))
    rounded = ((words + half + odd) & keep).view(np.float32)
    return np.where(np.isfinite(plain), rounded, plain).reshape(np.shape(values))


def write_group(folder: Path) -> None:
    """Make a plain Zarr group in an existing, empty folder."""
    import zarr

    zarr.create_group(str(folder), zarr_format=3)


def write_image(
    folder: Path,
    data: np.ndarray,
    geometry: Geometry,
    *,
    name: str,
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write an array as an OME-Zarr 0.5 image of one level.

    Axes are stored in the order t, c, z, y, x that the format asks for; `StoredImage` puts them
    back. Units that the format does not know, such as pixels, are left out.

    Parameters
    ----------
    folder : Path
        Where to; created, or empty.
    data : ndarray
        At most five axes.
    geometry : Geometry
        Axes, scale, units and position of `data`.
    name : str
        Name of the image.
    attributes : mapping, optional
        More attributes of the group.
    """
    import zarr
    from yaozarrs import v05
    from zarr.codecs import BloscCodec

    axes, order = _stored_order(geometry)
    stored = geometry.select(axes)
    dataset = v05.Dataset(
        path=LEVEL,
        coordinateTransformations=[
            v05.ScaleTransformation(scale=list(stored.scale)),
            v05.TranslationTransformation(translation=list(stored.translate)),
        ],
    )
    multiscale = v05.Multiscale(
        name=name,
        axes=[_axis(axis, unit) for axis, unit in zip(axes, stored.units, strict=True)],
        datasets=[dataset],
    )
    ome = v05.Image(multiscales=[multiscale]).model_dump(mode="json", exclude_none=True)
    values = np.ascontiguousarray(data.transpose(order))
    group = zarr.create_group(
        str(folder), zarr_format=3, attributes={**(attributes or {}), "ome": ome}
    )
    array = group.create_array(
        LEVEL,
        shape=values.shape,
        dtype=values.dtype,
        chunks=tuple(
            min(_CHUNK, size) if axis in ("y", "x") else 1
            for axis, size in zip(axes, values.shape, strict=True)
        ),
        # level 5 would save a sixth of the room and take five times as long
        compressors=[BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")],
        dimension_names=list(axes),
        # a chunk that gets lost reads as NaN, not as a dark region
        fill_value=np.nan if values.dtype.kind == "f" else 0,
    )
    array[...] = values


def read_array(folder: Path) -> np.ndarray:
    """Read the whole of an image in the order that it is stored in: t, c, z, y, x."""
    import zarr

    return np.asarray(zarr.open_array(str(folder / LEVEL), mode="r")[...])


class StoredImage:
    """An image written by `write_image`, read in the axis order of its geometry.

    Parameters
    ----------
    folder : Path
        The group.
    geometry : Geometry
        The geometry that it was written with.
    """

    def __init__(self, folder: Path, geometry: Geometry) -> None:
        import zarr

        self._array: zarr.Array[Any] = zarr.open_array(str(folder / LEVEL), mode="r")
        self._axes, self._order = _stored_order(geometry)
        self._geometry = geometry

    def read(self, key: tuple[int | slice, ...] = ()) -> np.ndarray:
        """Read the whole, or what one index or forward slice for each axis selects."""
        key = key or (slice(None),) * len(self._axes)
        values = np.asarray(self._array[tuple(key[position] for position in self._order)])
        kept = [
            axis
            for axis, position in zip(self._axes, self._order, strict=True)
            if isinstance(key[position], slice)
        ]
        wanted = [axis for axis in self._geometry.axes if axis in kept]
        return values.transpose([kept.index(axis) for axis in wanted])


def _stored_order(geometry: Geometry) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Axes in the order t, c, z, y, x, and where each stands in the geometry."""
    axes = tuple(axis for axis in AXES if axis in geometry.axes)
    return axes, tuple(geometry.axes.index(axis) for axis in axes)


def _axis(name: str, unit: str) -> Any:
    from yaozarrs import v05

    if name == "c":
        return v05.ChannelAxis(name=name)
    if name == "t":
        known = unit.endswith("second") or unit in _TIME_UNITS
        return v05.TimeAxis(name=name, unit=unit if known else None)
    known = unit.endswith("meter") or unit in _SPACE_UNITS
    return v05.SpaceAxis(name=name, unit=unit if known else None)
