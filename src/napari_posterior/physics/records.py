"""Cameras and PSFs as JSON: their numbers, and of an array what tells it from others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf

    Value = TypeVar("Value", Camera, Psf)

__all__ = ["array_record", "arrays_of", "from_record", "key_of", "to_record"]


def array_record(values: np.ndarray) -> dict[str, Any]:
    """Describe an array: SHA-256 of its float64 values in C order, shape in pixels, and median."""
    array = np.ascontiguousarray(values, np.float64)
    return {
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        "shape": list(array.shape),
        "median": float(np.median(array)),
    }


def arrays_of(value: Camera | Psf) -> dict[str, np.ndarray]:
    """Return the fields that are arrays, which a record only describes."""
    held = {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}


def key_of(value: Camera | Psf) -> tuple[Any, ...]:
    """Return what two cameras or PSFs are compared by: all fields, of an array shape and hash."""
    held = (getattr(value, field.name) for field in fields(value))
    return tuple(
        (entry.shape, hashlib.sha256(entry.tobytes()).digest())
        if isinstance(entry, np.ndarray)
        else entry
        for entry in held
    )


def to_record(value: Camera | Psf) -> dict[str, Any]:
    """Return the fields of a camera or PSF as JSON can hold them.

    Fields that stand for "not known" are left out.
    """
    record: dict[str, Any] = {}
    for field in fields(value):
        entry = getattr(value, field.name)
        if isinstance(entry, np.ndarray):
            record[field.name] = array_record(entry)
        elif entry is not None:
            record[field.name] = list(entry) if isinstance(entry, tuple) else entry
    return record


def from_record(
    kind: type[Value], record: Any, arrays: Mapping[str, np.ndarray] | None = None
) -> Value:
    """Make a camera or PSF of its record.

    Parameters
    ----------
    kind : type
        `Camera` or `Psf`.
    record : dict
        From `to_record`.
    arrays : mapping of str to ndarray, optional
        The arrays that the record describes, by field.

    Raises
    ------
    InputError
        If a field is unknown or cannot be, or an array is missing or another one.
    """
    name = kind.__name__.lower() if kind.__name__ != "Psf" else "PSF"
    if not isinstance(record, Mapping):
        raise InputError(f"the record of the {name} is not a table; restore the image again")
    known = {field.name for field in fields(kind)}
    if unknown := sorted(set(record) - known):
        raise InputError(f"the record of the {name} has an unknown field, {unknown[0]!r}")
    values: dict[str, Any] = {}
    for key, entry in record.items():
        if isinstance(entry, Mapping):
            array = (arrays or {}).get(key)
            if array is None or array_record(array) != entry:
                raise InputError(f"the {key} of the {name} is missing, damaged or another one")
            values[key] = array
        else:
            values[key] = tuple(entry) if isinstance(entry, list) else entry
    return kind(**values)
