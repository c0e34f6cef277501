"""Regions of an image in all the ways that users have them: labels, masks, and shapes of napari."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.statistics import Region

__all__ = ["as_regions", "read_regions"]

_LINES: Final = ("line", "path")
"""Shapes that have no inside."""


def as_regions(given: Any, shape: Sequence[int]) -> tuple[Region, ...]:
    """Make regions of what a user gives, and see that they fit an image.

    Parameters
    ----------
    given : array-like, path, mapping, Region, sequence of Region, or None
        Labels, (H, W) integers, one region each; a file of them or of shapes, see `read_regions`; a
        mapping of names to masks, (H, W) bool, or to such files; none where it is None.
    shape : sequence of int
        Height and width of the image.

    Returns
    -------
    tuple of Region

    Raises
    ------
    InputError
        If they cannot be read, do not fit the image, or two have one name.
    """
    found = _gather(given, (int(shape[0]), int(shape[1])))
    names = [one.name for one in found]
    for one in found:
        one.check_shape(tuple(shape))
        if names.count(one.name) > 1:
            raise InputError(f"two regions are called {one.name!r}; give each a name of its own")
    return found


def read_regions(
    path: str | os.PathLike[str], shape: tuple[int, int], *, name: str | None = None
) -> tuple[Region, ...]:
    """Read regions from a file.

    Parameters
    ----------
    path : path
        An image of labels or a mask, in which what is not 0 is inside; or the CSV file that napari
        saves of a Shapes layer, in pixels of the image: keep the scale of the layer at that of the
        image.
    shape : tuple of int
        Height and width of the image, which shapes are drawn on.
    name : str, optional
        What the region is called; several are numbered, as ``"cell 1"``. By default labels are
        called ``"label 7"``, and shapes after the file.

    Raises
    ------
    InputError
        If the file cannot be read or holds no region.
    """
    from napari_posterior.image import load_image
    from napari_posterior.statistics import regions_of_labels

    file = Path(path).expanduser()
    if file.suffix.lower() == ".csv":
        return _read_shapes(file, shape, name or file.stem)
    labels = np.squeeze(np.asarray(load_image(file).data))
    if name is None:
        return regions_of_labels(labels)
    whole = labels.dtype.kind in "biu"
    values = [int(one) for one in np.unique(labels) if one != 0] if whole else []
    if len(values) == 1:  # a mask, whatever stands for the inside
        return regions_of_labels(labels != 0, names={1: name})
    return regions_of_labels(labels, names={value: f"{name} {value}" for value in values})


def _gather(given: Any, shape: tuple[int, int]) -> tuple[Region, ...]:
    from napari_posterior.statistics import Region, regions_of_labels

    if given is None:
        return ()
    if isinstance(given, str | os.PathLike):
        return read_regions(given, shape)
    if isinstance(given, Region):
        return (given,)
    if isinstance(given, Mapping):
        found: list[Region] = []
        for name, one in given.items():
            if isinstance(one, str | os.PathLike):
                found += read_regions(one, shape, name=str(name))
            else:
                found.append(Region(str(name), np.asarray(one)))
        return tuple(found)
    if isinstance(given, Sequence) and all(isinstance(one, Region) for one in given):
        return tuple(given)
    if hasattr(given, "shape"):
        return regions_of_labels(np.asarray(given))
    raise InputError(
        "regions are an array or file of labels, a mapping of names to masks, or Region objects"
    )


def _read_shapes(file: Path, shape: tuple[int, int], name: str) -> tuple[Region, ...]:
    """Read the shapes that napari saved, one region each."""
    from napari_posterior.statistics.regions import ellipse_outline, region_in_polygon

    found = {
        number: ellipse_outline(corners) if kind == "ellipse" else corners
        for number, (kind, corners) in enumerate(_shapes_in(file), start=1)
        if kind not in _LINES
    }
    if not found:
        raise InputError(
            f"{file} holds no shape with an inside; draw a rectangle, an ellipse or a polygon"
        )
    return tuple(
        region_in_polygon(outline, shape, name=name if len(found) == 1 else f"{name} {number}")
        for number, outline in found.items()
    )


def _shapes_in(file: Path) -> list[tuple[str, np.ndarray]]:
    """Return kind and corners, row and column in pixels, of each shape of a CSV file of napari."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines)
            axes = sorted(
                (one for one in table.fieldnames or () if one.startswith("axis-")),
                key=lambda one: int(one.removeprefix("axis-")),
            )
            corners: dict[str, list[list[float]]] = {}
            kinds: dict[str, str] = {}
            for row in table:
                kinds[row["index"]] = row["shape-type"]
                corners.setdefault(row["index"], []).append([float(row[one]) for one in axes[-2:]])
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); check the name") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(
            f"{file} is no table of shapes; save a Shapes layer of napari as CSV"
        ) from error
    return [(kinds[key], np.array(points)) for key, points in corners.items()]
