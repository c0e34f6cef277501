"""Maps of a report as layers: where on the image the samples of two runs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.page.pictures import symmetric_limits
from napari_posterior.layers.colours import difference_colormap
from napari_posterior.layers.names import KEY, metadata_of
from napari_posterior.layers.out import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_posterior.checks.report import Report
    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.run import Run

__all__ = ["REPORT_MAPS", "map_layer"]

REPORT_MAPS: Final[Mapping[str, str]] = {
    "mean": "mean_difference",
    "calibration": "misses",
    "dependence": "dependence",
}
"""Name of the map that a report has of a question."""

_LEAST: Final = {"mean_difference": 0.5}  # photoelectrons per pixel


def map_layer(report: Report, name: str, run: Run) -> LayerData | None:
    """Return a map of a report as a layer; not for the main thread, as it sorts pixels.

    Parameters
    ----------
    report : Report
        Of a comparison.
    name : str
        As in `REPORT_MAPS`.
    run : Run
        Of the student.

    Returns
    -------
    (data, attributes, "image") or None
        (H, W) float32, on the plane that the report shows; None where it has no such map.
    """
    found = next((one for one in report.figures.maps if one.name == name), None)
    if found is None:
        return None
    request = run.request
    geometry = place(request.image.geometry)
    values = np.asarray(found.values, np.float32)
    told = metadata_of(request, "mean", path=run.path)
    told[KEY] |= {
        "quantity": f"map {name}",
        "unit": found.unit,
        "words": found.words,
        "teacher": {"run": None},
    }
    look: dict[str, Any] = {key: value[-2:] for key, value in geometry.items()}
    look |= {"name": f"{request.image.name} | {found.title}", "metadata": told, "visible": True}
    if name == "misses":
        look |= {"colormap": "viridis", "contrast_limits": (0.0, 3.0)}
    elif name == "dependence":
        look |= {"colormap": difference_colormap(), "contrast_limits": (0.0, 2.0)}
    else:
        limits = symmetric_limits(values, least=_LEAST.get(name, 0.1))
        look |= {"colormap": difference_colormap(), "contrast_limits": limits}
    return values, look, "image"
