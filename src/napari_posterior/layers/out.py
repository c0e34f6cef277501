"""From runs to napari layers, with scale, units, position and axis labels of the image.

`run_layers` and its like only read and compute, so they may be called on a worker; `add_run` and
its like touch the viewer and belong to the main thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from napari_posterior.checks import check_comparable
from napari_posterior.checks.likelihood import residual_map
from napari_posterior.checks.page.pictures import symmetric_limits
from napari_posterior.checks.spread.variance import MAP_SMOOTHING, log2_variance_ratio_map
from napari_posterior.layers.colours import SPREAD, difference_colormap, sample_colormap
from napari_posterior.layers.limits import Limits, shared_by
from napari_posterior.layers.names import (
    KEY,
    Quantity,
    choose_label,
    layer_name,
    metadata_of,
    quantity_of,
    ratio_name,
)
from napari_posterior.layers.thread import in_main_thread
from napari_posterior.layers.units import drawable_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.image import Geometry
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run

__all__ = [
    "RESIDUAL_REACH",
    "LayerData",
    "add_layers",
    "add_run",
    "attributes",
    "comparison_layers",
    "input_layer",
    "pair_metadata",
    "place",
    "residual_layer",
    "run_layers",
    "share_limits",
]

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]
"""Data, attributes and type of a layer, as napari's readers give them."""

RESIDUAL_REACH: Final = 4.0
"""Standard deviations of the noise that the colours of a residual span at least."""

_RATIO_REACH: Final = 0.5  # a factor of 1.4 in sd


def attributes(
    request: RestoreRequest,
    quantity: Quantity,
    limits: Limits,
    *,
    label: str | None = None,
    visible: bool = True,
    **told: Any,
) -> dict[str, Any]:
    """Return the attributes of a layer of a run.

    Parameters
    ----------
    request : RestoreRequest
        Of the run.
    quantity : str
        What the layer shows.
    limits : Limits
        Contrast limits shared by the runs of the image.
    label : str, optional
        What the run is called in layer names; by default its role.
    visible : bool
        Whether the layer is shown at once.
    **told
        More of `metadata_of`.
    """
    geometry = request.image.geometry
    spread = quantity in ("sd", "variance")
    colour = "gray" if quantity == "input" else sample_colormap(request.role)
    return {
        "name": layer_name(request, quantity, label=label),
        **place(geometry.with_samples() if quantity == "samples" else geometry),
        "contrast_limits": limits.of(quantity, request) or (0.0, 1.0),
        "colormap": SPREAD if spread else colour,
        "visible": visible,
        "metadata": metadata_of(request, quantity, **told),
    }


def place(geometry: Geometry) -> dict[str, Any]:
    """Return scale, units, position and axis labels of a layer."""
    return {
        "scale": geometry.scale,
        "units": tuple(drawable_unit(unit) for unit in geometry.units),
        "translate": geometry.translate,
        "axis_labels": geometry.axes,
    }


def run_layers(
    run: Run,
    *,
    label: str | None = None,
    limits: Limits | None = None,
    with_input: bool = False,
    with_residual: bool = False,
) -> list[LayerData]:
    """Return the layers of a run, the one to lie on top last.

    Parameters
    ----------
    run : Run
        A run on disk. Its samples stay there and are read as they are looked at.
    label : str, optional
        What the run is called in layer names; by default its role.
    limits : Limits, optional
        Contrast limits; by default those of this run alone.
    with_input, with_residual : bool
        Add the measurement, and the residual map.

    Returns
    -------
    list of (data, attributes, "image")
        Variance, sd, mean (hidden) and samples, (K, ...) float32; a run of one sample has no sd,
        and a point estimate is a single layer.

    Raises
    ------
    RunError
        If the run holds no sample or is damaged.
    """
    limits = limits or shared_by([run])
    found: list[LayerData] = [input_layer(run, limits=limits)] if with_input else []
    if with_residual:
        found.append(residual_layer(run, label=label))
    parts: list[tuple[Quantity, Any]] = [("samples", run.samples)]
    if run.role == "point":
        parts = [("point estimate", run.mean)]
    elif len(run) > 1:
        parts = [("variance", np.square(run.sd)), ("sd", run.sd), ("mean", run.mean), *parts]
    for quantity, data in parts:
        shown = quantity in ("samples", "point estimate")
        look = attributes(run.request, quantity, limits, label=label, visible=shown, **_told(run))
        found.append((data, look, "image"))
    return found


def input_layer(run: Run, *, limits: Limits | None = None) -> LayerData:
    """Return the measurement of a run in ADU, shown with the contrast limits of the samples."""
    limits = limits or shared_by([run])
    return run.input, attributes(run.request, "input", limits, **_told(run)), "image"


def residual_layer(run: Run, *, label: str | None = None, visible: bool = False) -> LayerData:
    """Return what the mean of the samples leaves unexplained of the measurement.

    In units of the noise, ``(z - lambda) / sqrt(lambda + read_noise^2)`` per pixel: structure in
    it is signal that the samples do not have, or have too much of.
    """
    height, width = run.mean.shape[-2:]
    planes = run.mean.reshape(-1, height, width)
    maps = [residual_map(run.measurement(i), plane) for i, plane in enumerate(planes)]
    values = np.stack(maps).reshape(run.mean.shape)
    look = {
        "name": layer_name(run.request, "residual", label=label),
        **place(run.geometry),
        "contrast_limits": symmetric_limits(values, least=RESIDUAL_REACH),
        "colormap": difference_colormap(),
        "visible": visible,
        "metadata": metadata_of(run.request, "residual", **_told(run)),
    }
    return values, look, "image"


def comparison_layers(teacher: Run, student: Run, *, visible: bool = True) -> list[LayerData]:
    """Return the map of the spread of a student against that of its teacher.

    Its values are ``log2(student sd / teacher sd)``, half the log2 variance ratio of the report:
    0 where both are as wide, -1 where the student is half as wide. Pixels where both are certain
    have no value. Variances are smoothed as in the report: at one pixel few samples say little.

    Parameters
    ----------
    teacher, student : Run
        Runs of one image with one camera, PSF and bundle, of at least 4 samples each.
    visible : bool
        Whether the layer is shown at once.

    Raises
    ------
    InputError
        If the runs cannot be compared.
    """
    check_comparable(teacher, student)
    height, width = teacher.sd.shape[-2:]
    spreads = [run.sd.reshape(-1, height, width) for run in (teacher, student)]
    maps = [
        log2_variance_ratio_map(wide, other, smoothing=MAP_SMOOTHING) / 2
        for wide, other in zip(*spreads, strict=True)
    ]
    values = np.stack(maps).reshape(teacher.sd.shape)
    look = {
        "name": ratio_name(teacher.request.image.name),
        **place(teacher.geometry),
        "contrast_limits": symmetric_limits(values, least=_RATIO_REACH),
        "colormap": difference_colormap(),
        "visible": visible,
        "metadata": pair_metadata(teacher, student, "sd ratio"),
    }
    return [(values, look, "image")]


def add_layers(viewer: ViewerModel, layers: Iterable[LayerData]) -> list[ImageLayer]:
    """Add image layers to a viewer, which goes on to look at the same place.

    The slider of a new sample axis starts at the first sample.
    """
    in_main_thread("layers are added")
    added = []
    camera = getattr(viewer, "scene", viewer).camera  # napari 0.8 has no scene
    for data, look, _ in layers:
        empty, before = not len(viewer.layers), viewer.dims.ndim
        center, zoom = camera.center, camera.zoom
        layer = viewer.add_image(data, **look)
        added.append(layer)
        if viewer.dims.ndim == before:
            continue
        if not empty:  # napari goes back to the whole image where an axis is added
            camera.center, camera.zoom = center, zoom
        if quantity_of(layer) == "samples":
            # napari starts in the middle of an axis, where a live stack is still empty
            viewer.dims.set_current_step(viewer.dims.ndim - layer.ndim, 0)
    return added


def add_run(
    viewer: ViewerModel,
    run: Run,
    *,
    label: str | None = None,
    limits: Limits | None = None,
    with_input: bool | None = None,
    with_residual: bool = False,
) -> list[ImageLayer]:
    """Show a run in a viewer; `Run.add_to`.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where to.
    run : Run
        What to show.
    label : str, optional
        What the run is called in layer names; by default teacher or student, with the name of
        the sampler where the viewer shows another one of the image.
    limits : Limits, optional
        Contrast limits; by default those of this run alone, see `share_limits`.
    with_input : bool, optional
        Add the measurement; by default only where no layer has the name of the image.
    with_residual : bool
        Add the residual map.

    Returns
    -------
    list of napari Image layers
        In the order of `run_layers`.

    Raises
    ------
    RunError
        If the run holds no sample or is damaged.
    """
    if with_input is None:
        with_input = all(layer.name != run.request.image.name for layer in viewer.layers)
    found = run_layers(
        run,
        label=label or choose_label(viewer.layers, run.request),
        limits=limits,
        with_input=with_input,
        with_residual=with_residual,
    )
    return add_layers(viewer, found)


def share_limits(
    viewer: ViewerModel, runs: Sequence[Run], *, limits: Limits | None = None
) -> Limits:
    """Show the layers of several runs of one image with one set of contrast limits.

    Layers that are not of these runs stay as they are.

    Parameters
    ----------
    viewer : napari viewer or ViewerModel
        Where the layers are looked for.
    runs : sequence of Run
        Runs of one image.
    limits : Limits, optional
        By default those of `shared_by`, which reads from disk.

    Returns
    -------
    Limits
        The limits that were set.
    """
    in_main_thread("contrast limits are changed")
    limits = limits or shared_by(runs)
    known = [run.request.model_dump(mode="json") for run in runs]
    for layer in viewer.layers:
        quantity = quantity_of(layer)
        told = layer.metadata.get(KEY, {})
        if quantity is None or told.get("request") not in known:
            continue
        chosen = limits.of(quantity, runs[known.index(told["request"])].request)
        if chosen is not None:
            layer.contrast_limits = chosen
    return limits


def _told(run: Run) -> dict[str, Any]:
    """Return what the metadata of every layer of a run say."""
    return {
        "provenance": run.provenance,
        "path": run.path,
        "state": run.state,
        "samples": len(run),
        "warnings": run.warnings,
    }


def pair_metadata(teacher: Run, student: Run, quantity: Quantity) -> dict[str, Any]:
    """Return the metadata of a map of two runs: those of the student, the teacher's within."""
    told = metadata_of(student.request, quantity, **_told(student))
    told[KEY]["teacher"] = metadata_of(teacher.request, quantity, **_told(teacher))[KEY]
    return told
