"""The axes of a layer, as people write them: ``"TZYX"``."""

from __future__ import annotations

from itertools import permutations

from napari_posterior.errors import InputError
from napari_posterior.image import AXES

__all__ = ["MOST_AXES", "axes_offered", "parse_axes", "write_axes"]

MOST_AXES = len(AXES)
_LEADING = tuple(name for name in AXES if name not in "yx")


def parse_axes(text: str, ndim: int) -> tuple[str, ...]:
    """Read the names of the axes of a layer.

    Parameters
    ----------
    text : str
        Letters in the order of the axes, such as ``"TZYX"``; case does not matter.
    ndim : int
        How many axes the layer has.

    Returns
    -------
    tuple of str
        Lower-case names.

    Raises
    ------
    InputError
        If there are not as many, one is unknown or repeated, or Y and X are not last.
    """
    names = tuple(text.strip().lower())
    fits = (
        len(names) == ndim
        and names[-2:] == ("y", "x")
        and len(set(names)) == ndim
        and set(names) <= set(AXES)
    )
    if not fits:
        offered = axes_offered(ndim)
        example = f", as in {offered[0]}" if offered else ""
        raise InputError(
            f"{text.strip().upper() or 'nothing'!r} does not name {ndim} axes; "
            f"name each once, from T, C and Z, and end with YX{example}"
        )
    return names


def axes_offered(ndim: int) -> tuple[str, ...]:
    """Return what the axes of a layer can be, the usual orders first; empty for too many.

    >>> axes_offered(3)
    ('ZYX', 'TYX', 'CYX')
    """
    if not 2 <= ndim <= MOST_AXES:
        return ()
    # time before channel before depth is what programs write most
    usual = {3: ("zyx", "tyx", "cyx"), 4: ("tzyx", "czyx", "tcyx")}.get(ndim, ())
    every = ("".join((*lead, "y", "x")) for lead in permutations(_LEADING, ndim - 2))
    return tuple(write_axes(names) for names in dict.fromkeys((*usual, *every)))


def write_axes(names: tuple[str, ...] | str) -> str:
    """Write the names of axes: ``"TZYX"``."""
    return "".join(names).upper()
