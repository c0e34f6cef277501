"""Between runs and a napari viewer: layers out, live layers, the reader, and images in.

May import napari and no Qt, so that everything here works on a `napari.components.ViewerModel`.
What touches a viewer belongs to the main thread; what only reads may be called on a worker.
"""

from __future__ import annotations

from napari_posterior.layers.choices import (
    AcquisitionSettings,
    can_be_restored,
    image_choice,
    sample_settings,
)
from napari_posterior.layers.into import plane_at, rectangle_of
from napari_posterior.layers.limits import Limits, expected_limits, shared_by
from napari_posterior.layers.live import LiveRun, empty_stack
from napari_posterior.layers.names import KEY, choose_label, layer_name, quantity_of
from napari_posterior.layers.out import (
    LayerData,
    add_layers,
    add_run,
    comparison_layers,
    input_layer,
    residual_layer,
    run_layers,
    share_limits,
)
from napari_posterior.layers.reader import get_reader, read_run
from napari_posterior.layers.regions import regions_of_layer
from napari_posterior.layers.side import ViewerLayers
from napari_posterior.layers.thread import WrongThreadError, in_main_thread

__all__ = [
    "KEY",
    "AcquisitionSettings",
    "LayerData",
    "Limits",
    "LiveRun",
    "ViewerLayers",
    "WrongThreadError",
    "add_layers",
    "add_run",
    "can_be_restored",
    "choose_label",
    "comparison_layers",
    "empty_stack",
    "expected_limits",
    "get_reader",
    "image_choice",
    "in_main_thread",
    "input_layer",
    "layer_name",
    "plane_at",
    "quantity_of",
    "read_run",
    "rectangle_of",
    "regions_of_layer",
    "residual_layer",
    "run_layers",
    "sample_settings",
    "share_limits",
    "shared_by",
]
