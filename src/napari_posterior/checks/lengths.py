"""Lengths in words: in micrometres where the size of a pixel is known, else in pixels."""

from __future__ import annotations

import math

from napari_posterior.checks.finding import number
from napari_posterior.statistics.lengths import in_micrometres

__all__ = ["pixel_um", "tell_length"]


def pixel_um(pixel_size: tuple[float, float] | None, unit: str) -> float | None:
    """Return the side of a square pixel of the same area in micrometres; None if not known.

    Parameters
    ----------
    pixel_size : tuple of float or None
        Height and width of a pixel in `unit`.
    unit : str
        UDUNITS name of a length.
    """
    sides = in_micrometres(pixel_size, unit)
    return None if sides is None else math.sqrt(sides[0] * sides[1])


def tell_length(pixels: float, um: float | None, digits: int = 2) -> str:
    """Write a length of some pixels, as ``"180 nm"``, ``"2.6 µm"`` or ``"32 px"``.

    Parameters
    ----------
    pixels : float
        Length in pixels.
    um : float or None
        Size of a pixel in micrometres.
    digits : int
        Significant digits.
    """
    if um is None:
        return f"{number(pixels, digits)} px"
    if pixels * um < 1:
        return f"{number(1000 * pixels * um, digits)} nm"
    return f"{number(pixels * um, digits)} µm"
