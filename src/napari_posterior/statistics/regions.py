"""Regions of a plane: where a statistic is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Region", "ellipse_outline", "region_in_polygon", "regions_of_labels"]

_CORNERS: Final = 90
"""Corners of the polygon that stands for an ellipse."""


@dataclass(frozen=True, eq=False)
class Region:
    """A part of a plane under a name.

    Parameters
    ----------
    name : str
        What tables call it.
    mask : ndarray, (H, W)
        Its pixels, bool.

    Raises
    ------
    InputError
        If it holds no pixel or is no plane of flags.
    """

    name: str
    mask: np.ndarray

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != bool:
            raise InputError(
                f"the region {self.name!r} is an array of {self.mask.dtype} with "
                f"{self.mask.ndim} axes; give a plane of flags, or use regions_of_labels"
            )
        if not self.mask.any():
            raise InputError(
                f"the region {self.name!r} holds no pixel of the image; draw it larger or inside"
            )

    def check_shape(self, shape: tuple[int, ...]) -> None:
        """Raise `InputError` if the region is not of this shape, (H, W)."""
        if self.mask.shape != tuple(shape):
            told = " x ".join(map(str, self.mask.shape)), " x ".join(map(str, shape))
            raise InputError(
                f"the region {self.name!r} has {told[0]} pixels and a plane {told[1]}; "
                "give regions of the size of the image"
            )


def regions_of_labels(
    labels: np.ndarray, *, names: Mapping[int, str] | None = None
) -> tuple[Region, ...]:
    """Make one region of each label but 0, the background.

    Parameters
    ----------
    labels : ndarray, (H, W)
        Integers or flags; those of stacks are given plane by plane.
    names : mapping of int to str, optional
        What tables call them; ``"label 7"`` by default.

    Raises
    ------
    InputError
        If they are no plane of integers, are negative somewhere, or hold nothing but 0.
    """
    given = np.asarray(labels)
    if given.ndim != 2 or given.dtype.kind not in "biu":
        raise InputError(
            f"labels are one plane of integers; these are {given.dtype} with {given.ndim} axes"
        )
    found = [int(one) for one in np.unique(given) if one != 0]
    if not found or found[0] < 0:
        raise InputError("labels are positive integers on a background of 0; there are none here")
    told = names or {}
    return tuple(Region(told.get(one, f"label {one}"), given == one) for one in found)


def region_in_polygon(vertices: np.ndarray, shape: tuple[int, int], *, name: str) -> Region:
    """Make a region of the pixels whose centre lies in a polygon.

    Parameters
    ----------
    vertices : array-like, (n, 2)
        Row and column in pixels, three or more; pixel (0, 0) has its centre at 0, 0.
    shape : tuple of int
        Height and width of the plane.
    name : str
        What tables call it.

    Raises
    ------
    InputError
        If there are fewer than three vertices, or no pixel lies inside.
    """
    from skimage.draw import polygon2mask

    corners = np.asarray(vertices, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise InputError(
            f"the region {name!r} needs three corners or more, each a row and a column"
        )
    if not np.isfinite(corners).all():
        raise InputError(f"the region {name!r} has corners that are not finite; draw it again")
    mask = polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
    return Region(name, np.asarray(mask, bool))


def ellipse_outline(box: np.ndarray) -> np.ndarray:
    """Return points of the ellipse in a box, (90, n).

    Parameters
    ----------
    box : ndarray, (4, n)
        Its corners in order, as napari keeps an ellipse.
    """
    centre = box.mean(axis=0)
    first, second = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angles) * first + np.sin(angles) * second)
