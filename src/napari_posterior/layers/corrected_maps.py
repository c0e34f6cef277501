"""Maps of a corrected estimate as layers: the teacher's mean and sd, how well known they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.colours import SPREAD, difference_colormap, sample_colormap
from napari_posterior.layers.limits import shared_by
from napari_posterior.layers.names import corrected_name
from napari_posterior.layers.out import pair_metadata, place

if TYPE_CHECKING:
    from napari_posterior.api.corrections import Corrections
    from napari_posterior.layers.limits import Limits
    from napari_posterior.layers.names import Quantity
    from napari_posterior.layers.out import LayerData
    from napari_posterior.layers.ready import KnownRuns
    from napari_posterior.runs.run import Run

__all__ = ["corrected_layers", "gather_corrected"]

_HIGH: Final = 99.5  # percentile of the standard errors that the colours span
_LEAST: Final = 1e-6


def gather_corrected(
    teacher: Run, student: Run, found: Corrections, known: KnownRuns
) -> tuple[LayerData, ...]:
    """Make the maps with the contrast limits that all runs of the image have; reads from disk.

    Raises
    ------
    RunError
        If a run holds no sample or is damaged.
    """
    runs, _ = known.add(teacher, student)
    return corrected_layers(teacher, student, found, limits=shared_by(runs))


def corrected_layers(
    teacher: Run, student: Run, found: Corrections, *, limits: Limits
) -> tuple[LayerData, ...]:
    """Return the maps of a corrected estimate, the one to lie on top last.

    Parameters
    ----------
    teacher, student : Run
        What it was made of.
    found : Corrections
        What `napari_posterior.correct` returned.
    limits : Limits
        Of mean and sd, shared with the runs of the image.

    Returns
    -------
    tuple of (data, attributes, "image")
        Correlation of teacher and student on shared noise, the standard error of the mean,
        the sd, all hidden, and the mean, each of the shape of a sample, float32. The sd is the
        root of a variance that is estimated without bias: it is 0 where that came out below 0.
    """
    request = teacher.request
    error = np.asarray(found.se, np.float32)
    finite = error[np.isfinite(error)]
    top = float(np.percentile(finite, _HIGH)) if finite.size else 1.0
    maps: tuple[tuple[Quantity, np.ndarray, Any, tuple[float, float], bool], ...] = (
        ("correlation", found.correlation, difference_colormap(), (-1.0, 1.0), False),
        ("standard error of the mean", error, SPREAD, (0.0, max(top, _LEAST)), False),
        ("corrected sd", found.sd, SPREAD, (0.0, limits.sd), False),
        ("corrected mean", found["mean"].value, sample_colormap("teacher"), limits.object, True),
    )
    return tuple(
        (
            np.asarray(values, np.float32),
            {
                "name": corrected_name(request.image.name, quantity),
                **place(request.image.geometry),
                "contrast_limits": reach,
                "colormap": colours,
                "visible": visible,
                "metadata": pair_metadata(teacher, student, quantity),
            },
            "image",
        )
        for quantity, values, colours, reach, visible in maps
    )
