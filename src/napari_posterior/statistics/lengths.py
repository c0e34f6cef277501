"""Pixel sizes in micrometres."""

from __future__ import annotations

from typing import Final

__all__ = ["in_micrometres"]

_MICROMETRES: Final = {
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}


def in_micrometres(pixel_size: tuple[float, float] | None, unit: str) -> tuple[float, float] | None:
    """Return height and width of a pixel in micrometres, or None where they are not known.

    Parameters
    ----------
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        UDUNITS name; one that is no length, such as ``"pixel"``, tells nothing.
    """
    if pixel_size is None or unit not in _MICROMETRES:
        return None
    height, width = pixel_size
    return height * _MICROMETRES[unit], width * _MICROMETRES[unit]
