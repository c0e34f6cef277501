"""Units as napari draws them."""

from __future__ import annotations

from typing import Any

import pint

__all__ = ["drawable_unit", "in_units_of", "load_units"]


def load_units() -> None:
    """Read the definitions of units, once and in one thread.

    pint reads them when the first unit is asked for, and meanwhile tells other threads that there
    is no such unit. napari asks in the main thread, as soon as it has a layer.
    """
    pint.application_registry.Unit("pixel")


def drawable_unit(unit: str) -> str:
    """Return a unit that napari can draw: what it does not know counts as pixels."""
    try:
        pint.application_registry.Unit(unit)
    except (pint.errors.PintError, ValueError, TypeError, AttributeError):
        return "pixel"
    return unit


def in_units_of(wanted: Any, given: Any) -> float:
    """Return the factor between two units; 1 where they measure different things.

    napari draws such layers over each other by their numbers.
    """
    registry = pint.get_application_registry()
    try:
        return float(registry.Quantity(1.0, given).to(wanted).magnitude)
    except pint.errors.DimensionalityError:
        return 1.0
