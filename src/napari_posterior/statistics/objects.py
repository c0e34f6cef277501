"""Objects such as nuclei and cells: what lies above a level fixed from the measurement, or labels.

Objects that touch are one; nothing is split. Objects of one sample are not independent of each
other: what is compared between models is their number and their mean in each sample.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.statistics.base import FunctionStatistic, Objects, Parameter
from napari_posterior.statistics.context import StatisticContext
from napari_posterior.statistics.lengths import in_micrometres
from napari_posterior.statistics.registry import statistic
from napari_posterior.statistics.segmentation import SMALLEST, SMOOTHING, object_threshold, segment

__all__ = ["find_objects", "measure_objects", "object_threshold", "objects_in", "segment"]


def measure_objects(
    labels: np.ndarray,
    x: np.ndarray | None = None,
    *,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> Objects:
    """Measure labelled objects: area, eccentricity, solidity, and with `x` their mean intensity.

    The eccentricity is that of the ellipse with the same second moments, 0 for a circle, in
    lengths where the pixel size is known. The solidity is the share of its convex hull that an
    object fills. What an object lacks beyond the edge of the plane is missing from its numbers.

    Parameters
    ----------
    labels : ndarray, (H, W) int
        0 for none; objects come in the order of their labels.
    x : ndarray, (H, W), optional
        Photoelectrons per pixel.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length; the area is given in square micrometres too if it is a length.

    Returns
    -------
    Objects
        Columns ``area`` [px²], ``area_um2`` [µm²], ``eccentricity``, ``solidity``, ``intensity``
        [photoelectrons/px].
    """
    from skimage.measure import regionprops_table

    size = pixel_size or (1.0, 1.0)
    asked = ["centroid", "area", "eccentricity", "solidity"]
    asked += [] if x is None else ["intensity_mean"]
    found = regionprops_table(  # type: ignore[no-untyped-call]
        np.asarray(labels),
        None if x is None else np.asarray(x, np.float64),
        properties=asked,
        spacing=size,
    )
    pixels = found["area"] / (size[0] * size[1])
    columns, units = {"area": pixels}, {"area": "px²"}
    known = in_micrometres(pixel_size, unit)
    if known is not None:
        columns["area_um2"], units["area_um2"] = pixels * known[0] * known[1], "µm²"
    for name in ("eccentricity", "solidity"):
        columns[name], units[name] = found[name], ""
    if x is not None:
        columns["intensity"], units["intensity"] = found["intensity_mean"], "photoelectrons/px"
    centres = np.stack([found["centroid-0"] / size[0], found["centroid-1"] / size[1]], axis=1)
    return Objects(centres, columns, units)


@statistic(name="objects", title="number of objects", unit="objects", combine="sum", regions=True)
def find_objects(
    x: np.ndarray,
    context: StatisticContext,
    *,
    threshold_factor: Annotated[
        float, Parameter(minimum=0.1, doc="Times the threshold fixed from the measurement.")
    ] = 1.0,
    minimum_area: Annotated[
        float, Parameter(unit="px²", minimum=1, doc="Smallest object.")
    ] = SMALLEST,
    smoothing: Annotated[
        float, Parameter(unit="px", minimum=0, doc="Width of the smoothing before the threshold.")
    ] = SMOOTHING,
    fill_holes: Annotated[
        bool, Parameter(doc="Whether what an object encloses is part of it.")
    ] = True,
) -> Objects:
    """Find and measure the objects above the threshold of the context.

    With a region, those whose centre lies inside; see `segment` and `measure_objects`.

    Raises
    ------
    InputError
        If the context has no object threshold.
    """
    if context.object_threshold is None:
        raise InputError(
            "objects need a threshold fixed from the measurement; make the context with "
            "make_context, or give labels"
        )
    labels = segment(
        x,
        threshold_factor * context.object_threshold,
        minimum_area=minimum_area,
        smoothing=smoothing,
        fill_holes=fill_holes,
    )
    found = measure_objects(labels, x, pixel_size=context.pixel_size, unit=context.unit)
    return found.take(context.inside(found.positions))


def objects_in(labels: np.ndarray, *, name: str = "labelled_objects") -> FunctionStatistic:
    """Make a statistic that measures every sample in given outlines, the same for all samples.

    Only the intensity then differs between samples.

    Parameters
    ----------
    labels : ndarray, (H, W) int
        0 for none, such as the data of a Labels layer.
    name : str
        Identifier of the statistic.

    Raises
    ------
    InputError
        If the labels are no plane of integers; when computed, if they are not as large as a
        sample.
    """
    given = np.asarray(labels)
    if given.ndim != 2 or given.dtype.kind not in "iu":
        raise InputError(
            f"labels are one plane of integers; these are {given.dtype} with {given.ndim} axes"
        )

    def measured(x: np.ndarray, context: StatisticContext) -> Objects:
        if x.shape != given.shape:
            raise InputError(
                f"the labels have {given.shape} pixels and a sample {x.shape}; give labels of the "
                "size of the image"
            )
        found = measure_objects(given, x, pixel_size=context.pixel_size, unit=context.unit)
        return found.take(context.inside(found.positions))

    return FunctionStatistic(measured, name, name.replace("_", " "), "objects", "sum", regions=True)
