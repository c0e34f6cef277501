"""Axes, scale, units and position of an array as one frozen value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["AXES", "SAMPLE_AXIS", "Geometry", "default_geometry", "unit_name"]

AXES: Final = ("t", "c", "z", "y", "x")
"""Names of the axes of an image; the last two are always y and x."""

SAMPLE_AXIS: Final = "sample"
"""Name of the leading axis of a stack of samples."""

_UNITS = {
    "pixel": "pixel", "pixels": "pixel", "px": "pixel", "": "pixel",
    "micron": "micrometer", "microns": "micrometer", "um": "micrometer", "\u00b5m": "micrometer",
    "\u03bcm": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter",
    "m": "meter", "s": "second", "sec": "second", "ms": "millisecond", "min": "minute",
    "h": "hour", "\u00c5": "angstrom", "a": "angstrom",
}  # fmt: skip


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of an array lie.

    Parameters
    ----------
    axes : tuple of str
        One name for each array axis: some of t, c, z and then y, x; ``"sample"`` may stand first.
    scale : tuple of float
        Distance between neighbouring pixels along each axis, positive.
    units : tuple of str
        UDUNITS name of the unit of each axis, such as ``"micrometer"``, ``"second"``, ``"pixel"``.
    translate : tuple of float
        Position of the first pixel along each axis, in `units`.

    Raises
    ------
    InputError
        If the lengths differ, an axis is unknown or repeated, y and x are not last, or a number
        is not finite.
    """

    axes: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    translate: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(str(axis) for axis in self.axes))
        object.__setattr__(self, "scale", tuple(float(step) for step in self.scale))
        object.__setattr__(self, "units", tuple(str(unit) for unit in self.units))
        object.__setattr__(self, "translate", tuple(float(start) for start in self.translate))
        if not len(self.axes) == len(self.scale) == len(self.units) == len(self.translate):
            raise InputError(
                f"the image has {len(self.axes)} axes but {len(self.scale)} scales, "
                f"{len(self.units)} units and {len(self.translate)} positions; give one of each "
                "for every axis"
            )
        body = self.axes[1:] if self.has_samples else self.axes
        if body[-2:] != ("y", "x") or len(set(body)) < len(body) or not set(body) <= set(AXES):
            raise InputError(
                f"the axes {self.axes} cannot be used; name them once each from t, c, z and end "
                "with y, x"
            )
        if not all(math.isfinite(step) and step > 0 for step in self.scale):
            raise InputError(f"the scale {self.scale} cannot be used; give positive pixel sizes")
        if not all(math.isfinite(start) for start in self.translate):
            raise InputError(f"the position {self.translate} cannot be used; give finite numbers")

    @classmethod
    def default(cls, shape: Sequence[int]) -> Geometry:
        """Geometry of an array about which nothing is known: yx, zyx, tzyx or tczyx in pixels.

        Raises
        ------
        InputError
            If the array has fewer than two or more than five axes.
        """
        names = {2: "yx", 3: "zyx", 4: "tzyx", 5: "tczyx"}.get(len(shape))
        if names is None:
            raise InputError(
                f"the image has {len(shape)} axes; give one of 2 to 5 axes that end with y and x"
            )
        n = len(names)
        return cls(tuple(names), (1.0,) * n, ("pixel",) * n, (0.0,) * n)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.axes)

    @property
    def has_samples(self) -> bool:
        """Whether the first axis counts samples."""
        return self.axes[:1] == (SAMPLE_AXIS,)

    def crop(self, slices: Sequence[slice]) -> Geometry:
        """Geometry of ``array[slices]``.

        Parameters
        ----------
        slices : sequence of slice
            One for each axis, with starts of 0 or more (or None) and positive steps.

        Raises
        ------
        InputError
            If a slice is missing, starts below 0 or steps backwards.
        """
        starts = [0 if part.start is None else int(part.start) for part in slices]
        steps = [1 if part.step is None else int(part.step) for part in slices]
        if len(starts) != self.ndim or min(starts, default=0) < 0 or min(steps, default=1) < 1:
            raise InputError(
                f"the crop {tuple(slices)} cannot be used; give {self.ndim} slices that start at "
                "0 or more and step forwards"
            )
        return Geometry(
            self.axes,
            tuple(size * step for size, step in zip(self.scale, steps, strict=True)),
            self.units,
            tuple(
                origin + start * size
                for origin, start, size in zip(self.translate, starts, self.scale, strict=True)
            ),
        )

    def project(self, axis: str) -> Geometry:
        """Geometry after a reduction along `axis` (any but y and x)."""
        if axis not in self.axes or axis in ("y", "x"):
            raise InputError(
                f"the axes {self.axes} cannot be reduced along {axis!r}; choose one before y and x"
            )
        return self.select([name for name in self.axes if name != axis])

    def select(self, axes: Sequence[str]) -> Geometry:
        """Geometry of the named axes alone, in the order given."""
        where = [self.axes.index(name) for name in axes]
        return Geometry(
            tuple(axes),
            tuple(self.scale[i] for i in where),
            tuple(self.units[i] for i in where),
            tuple(self.translate[i] for i in where),
        )

    def with_samples(self) -> Geometry:
        """Geometry of a stack of samples of this image, the sample axis first."""
        if self.has_samples:
            return self
        return Geometry(
            (SAMPLE_AXIS, *self.axes),
            (1.0, *self.scale),
            ("pixel", *self.units),  # napari drops all units where one axis has none
            (0.0, *self.translate),
        )


def default_geometry(shape: Sequence[int], name: str) -> Geometry:
    """Return :meth:`Geometry.default`, naming the image where it cannot be had."""
    if not 2 <= len(shape) <= 5:
        raise InputError(
            f"{name} has {len(shape)} {'axis' if len(shape) == 1 else 'axes'}; give an image of "
            "2 to 5 axes that end with y and x"
        )
    return Geometry.default(shape)


def unit_name(name: str) -> str:
    """Return the UDUNITS name of a unit as programs write it."""
    plain = name.strip().replace("\\u00B5", "\u00b5").replace("\\u00b5", "\u00b5")
    return _UNITS.get(plain, _UNITS.get(plain.lower(), plain))
