"""A camera from a file or an array: three maps, or numbers as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_posterior.errors import InputError, OutputError
from napari_posterior.image import as_image, load_image
from napari_posterior.physics.camera import Camera, Levels
from napari_posterior.physics.records import to_record

__all__ = ["read_camera", "write_camera"]

_MAPS: Final = "gain (ADU/e-), offset (ADU) and read variance (ADU^2)"


def read_camera(
    source: Any,
    *,
    bits: int | None = None,
    saturation: float | None = None,
) -> Camera:
    """Read a camera from a file, an array, a napari layer or a mapping.

    Parameters
    ----------
    source : path, array, layer or mapping
        A TIFF or NPY file, an array or an Image layer of three planes (3, H, W): gain in ADU/e-,
        offset in ADU and read variance in ADU^2, the calibration of F. Huang et al., Nature Methods
        10 (2013) 653-658. Or a JSON file, or a mapping, of the numbers ``gain`` (ADU/e-),
        ``offset`` (ADU) and ``read_noise`` (e-), with ``bits``, ``saturation`` (ADU) and intervals
        if they are known.
    bits : int, optional
        Bits of the analogue-to-digital converter, where the source does not tell.
    saturation : float, optional
        Grey level in ADU of a full pixel, where the source does not tell.

    Returns
    -------
    Camera

    Raises
    ------
    InputError
        If the file is missing or cannot be read, the array is not three planes, a number is
        missing, unknown or out of range, or a map holds NaN.
    """
    extra = {
        name: value
        for name, value in (("bits", bits), ("saturation", saturation))
        if value is not None
    }
    name = "the camera"
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        name = str(path)
        content = _read_json(path) if path.suffix.lower() == ".json" else load_image(path).data
    else:
        content = source
    if isinstance(content, Mapping):
        return _from_numbers(content, name, extra)
    if hasattr(content, "data") and hasattr(content, "scale"):
        content = as_image(content).data
    try:
        planes = np.asarray(content)
    except ValueError as error:
        raise InputError(f"{name} is not an array; give three planes of one shape") from error
    return _from_planes(planes, name, extra)


def write_camera(camera: Camera, path: str | os.PathLike[str]) -> None:
    """Write a camera so that `read_camera` reads it: numbers as JSON, maps as TIFF.

    Parameters
    ----------
    camera : Camera
        Of numbers, or with maps.
    path : path
        Ends with .json for numbers and with .tif or .tiff for three planes (3, H, W) of float64:
        gain (ADU/e-), offset (ADU) and read variance (ADU^2), which hold no intervals.

    Raises
    ------
    InputError
        If the ending is another one, or maps are to go into JSON.
    OutputError
        If the file cannot be written.
    """
    import tifffile

    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".json", ".tif", ".tiff"):
        raise InputError(f"{path} does not end with .json or .tif; name the camera file so")
    if suffix == ".json" and camera.maps:
        raise InputError(f"the camera has maps, which {path} cannot hold; name it with .tif")
    try:
        if suffix == ".json":
            path.write_text(json.dumps(to_record(camera), indent=1) + "\n", encoding="utf-8")
        else:
            shape = camera.shape or (1, 1)
            levels = camera.gain, camera.offset, (camera.read_noise * camera.gain) ** 2
            planes = np.stack([np.broadcast_to(level, shape) for level in levels])
            tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "CYX"})
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written ({reason}); choose another file") from error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; check the name of the camera file") from error
    except OSError as error:
        raise InputError(f"{path} may not be read; change its permissions") from error
    except ValueError as error:
        raise InputError(
            f'{path} is not JSON; write for example {{"gain": 2.1, "offset": 100, '
            '"read_noise": 1.6}'
        ) from error


def _from_numbers(numbers: Mapping[str, Any], name: str, extra: dict[str, Any]) -> Camera:
    known = [field.name for field in fields(Camera)]
    if unknown := [key for key in numbers if key not in known]:
        raise InputError(
            f"{name} has the field {unknown[0]!r}; give gain, offset and read_noise, and bits and "
            "saturation if you know them"
        )
    if missing := [level for level in Levels._fields if level not in numbers]:
        raise InputError(
            f"{name} lacks {' and '.join(missing)}; give gain (ADU/e-), offset (ADU) and "
            "read_noise (e-)"
        )
    values = {key: value for key, value in numbers.items() if value is not None} | extra
    for key, value in values.items():
        _check_number(key, value, name)
    return Camera(**values)


def _check_number(key: str, value: Any, name: str) -> None:
    if key == "source":
        fits, kind = isinstance(value, str), "text"
    elif key.endswith("_interval"):
        fits = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))
        kind = "two numbers"
    elif key == "bits":
        fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
        kind = "a whole number"
    else:
        fits, kind = _is_number(value), "a number"
    if not fits:
        raise InputError(f"{key} of {name} is {value!r}; give {kind}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _from_planes(planes: np.ndarray, name: str, extra: dict[str, Any]) -> Camera:
    if planes.ndim != 3 or len(planes) != 3 or planes.dtype.kind not in "iuf":
        raise InputError(
            f"{name} has the shape {planes.shape}; give three planes of numbers (3, height, "
            f"width): {_MAPS}"
        )
    gain, offset, variance = planes.astype(np.float64)
    bad = ~(np.isfinite(variance) & (variance >= 0))
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} pixels of the read variance of {name} are negative, NaN or "
            f"infinite; give the planes {_MAPS} in this order"
        )
    # a gain of 0 is refused by the camera, with its own sentence
    read_noise = np.sqrt(variance) / np.where(gain > 0, gain, 1.0)
    return Camera(gain, offset, read_noise, **extra)
