"""The runs of a session as layers of one viewer, from before their first sample on."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.layers.follow import SliderFollower, kept_selection
from napari_posterior.layers.live import LiveRun
from napari_posterior.layers.names import (
    KEY,
    choose_label,
    layer_name,
    quantity_of,
    ratio_name,
)
from napari_posterior.layers.out import add_layers, attributes, input_layer, share_limits
from napari_posterior.layers.puncta_points import show_puncta
from napari_posterior.layers.ready import (
    Beginning,
    Comparison,
    Ending,
    KnownRuns,
    begin,
    compare,
    end,
)
from napari_posterior.layers.thread import in_main_thread, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.checks.report import Report
    from napari_posterior.layers.limits import Limits
    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run
    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.restore_job import RunInProgress

__all__ = ["ViewerLayers"]

_OWN: Final = ("samples", "point estimate", "mean", "sd", "variance")
"""What the layers of a run show that need no other run."""


class ViewerLayers:
    """Shows the runs of a session in a viewer; a `session.controller.LayerSide`.

    A layer that the user deletes stays away, what is selected stays so, and all runs of one image
    have the same contrast limits. Samples fill in at `refresh`, which a timer calls. `prepare_live`
    and the two `gather` methods belong to jobs and workers and touch no layer; all the others
    belong to the main thread.

    Parameters
    ----------
    viewer : napari viewer, its proxy or ViewerModel
        Where to. It is held weakly: once it is gone nothing is shown any more.

    Raises
    ------
    WrongThreadError
        By every method of the main thread, if it is called off it.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        in_main_thread("the layers of a session are made")
        self._viewer = weakref.ref(unwrapped(viewer))
        self._closed = False
        self._known = KnownRuns()
        self._live: dict[RunEntry, LiveRun] = {}
        self._follower = SliderFollower()
        self._labels: dict[str, str] = {}
        self._limits: dict[str, tuple[int, Limits]] = {}
        self._adapted: weakref.WeakKeyDictionary[Any, tuple[float, ...]]
        self._adapted = weakref.WeakKeyDictionary()
        self._compared: set[tuple[str, str]] = set()
        unwrapped(viewer).layers.events.removed.connect(self._on_removed)

    def prepare_live(self, run: RunInProgress) -> Beginning | None:
        """Make the empty stack of a run, and guess its limits; in the thread of the job."""
        return None if self._closed else begin(run)

    def show_live(self, entry: RunEntry, run: RunInProgress, ready: Any) -> None:
        """Show a run that begins: its samples on top and selected, and its image if need be."""
        in_main_thread("a run is shown")
        viewer = self._there()
        if viewer is None or not isinstance(ready, Beginning):
            return
        request = run.request
        _, limits = self._limits.get(request.image.sha256, (0, ready.limits))
        if all(layer.name != request.image.name for layer in viewer.layers):
            look = attributes(request, "input", limits, path=run.path)
            add_layers(viewer, [(ready.image.data, look, "image")])
        axes = viewer.dims.ndim
        live = LiveRun(
            viewer,
            request,
            limits=limits,
            label=self._labels.get(str(run.path)),
            folder=run.path,
            stack=ready.stack,
            drawn=run.drawn,
            layers=_own_layers(viewer, run.path) if run.drawn else None,
        )
        self._live[entry] = live
        self._labels[str(run.path)] = live.label
        self._follower.start(live, new_axis=viewer.dims.ndim > axes)
        self._adapt_input(viewer, request, limits, ready.automatic)

    def add_sample(self, entry: RunEntry, index: int, sample: Any) -> None:
        """Fill in one sample; it is seen after the next `refresh`."""
        in_main_thread("a sample is filled in")
        if self._there() is not None and (live := self._live.get(entry)) is not None:
            live.add_sample(index, sample)

    def add_preview(self, entry: RunEntry, index: int, plane: int, image: Any) -> None:
        """Fill in what a plane of a sample looks like so far; seen after the next `refresh`."""
        in_main_thread("a preview is filled in")
        if self._there() is not None and (live := self._live.get(entry)) is not None:
            live.add_preview(index, plane, image)

    def refresh(self) -> None:
        """Draw what was filled in; the slider follows the newest sample until the user moves it."""
        in_main_thread("layers are refreshed")
        viewer = self._there()
        if viewer is None:
            return
        drawn = self._follower.follow(viewer)
        for live in self._live.values():
            live.refresh(drawn=live is drawn)

    def gather(self, run: Run) -> Ending | None:
        """Make the layers of a run, and the limits of all runs of its image; off the main thread.

        Raises
        ------
        RunError
            If the run holds no sample or is damaged.
        """
        return None if self._closed else end(run, self._known)

    def show_run(self, entry: RunEntry, run: Run, gathered: Any) -> None:
        """Add mean, sd and variance to the samples, and the sd ratio to another run, hidden.

        Of a run that was not shown while it was drawn all layers are added or renewed, the samples
        on top and selected, and its image if need be.
        """
        in_main_thread("a run is shown")
        viewer, live = self._there(), self._live.get(entry)
        if viewer is None:
            return
        if live is not None:
            live.drop_preview()
            live.refresh(drawn=self._follower.follow(viewer) is live)
            self._follower.stop(live)
            del self._live[entry]
        if not isinstance(gathered, Ending):
            return  # it could not be read; the samples stay as they are
        request = run.request
        limits = self._take_limits(request, gathered)
        label = choose_label(viewer.layers, request) if live is None else live.label
        self._labels[str(run.path)] = label
        layers = [_dressed(one, request, label, limits) for one in gathered.layers]
        if live is None:
            if all(layer.name != request.image.name for layer in viewer.layers):
                layers.insert(0, input_layer(run, limits=limits))  # read by `gather`
            added = [_put(viewer, one) for one in layers]
            viewer.layers.selection.active = added[-1]
        with kept_selection(viewer):
            if live is not None:
                live.finish(layers)
            if gathered.pair is not None:
                self._show_ratio(viewer, *gathered.pair, gathered.ratio)
        self._share(viewer, request, limits)
        self._adapt_input(viewer, request, limits, gathered.automatic)

    def drop_live(self, entry: RunEntry) -> None:
        """Take away what was shown of a run that holds nothing."""
        in_main_thread("layers are removed")
        live = self._live.pop(entry, None)
        if live is not None and self._there() is not None:
            self._follower.stop(live)
            live.remove()

    def remove_run(self, entry: RunEntry) -> bool:
        """Take away all layers of a run whose folder goes; say whether there were any."""
        in_main_thread("layers are removed")
        viewer = self._there()
        if viewer is None or entry.folder is None:
            return False
        layers = _layers_of(viewer, entry.folder)
        for layer in layers:
            viewer.layers.remove(layer)
        return bool(layers)

    def gather_comparison(
        self, teacher: Run, student: Run, report: Report | None = None
    ) -> Comparison | None:
        """Make the sd ratio, residuals, limits and puncta; in the thread of the job."""
        return None if self._closed else compare(teacher, student, self._known, report)

    def show_comparison(self, teacher: RunEntry, student: RunEntry, gathered: Any) -> None:
        """Show the sd ratio, puncta, hidden residuals, and both runs with the same limits.

        Layers of an earlier comparison of these runs are replaced.
        """
        in_main_thread("a comparison is shown")
        viewer = self._there()
        if viewer is None or not isinstance(gathered, Comparison):
            return
        runs = gathered.teacher, gathered.student
        pair = str(runs[0].path), str(runs[1].path)
        with kept_selection(viewer):
            for data, look, kind in gathered.residuals:
                told = look["metadata"][KEY]
                run = next(one for one in runs if str(one.path) == told["run"])
                label = self._labels.get(told["run"])
                look = {**look, "name": layer_name(run.request, "residual", label=label)}
                _put(viewer, (data, look, kind))
            shown = self._show_ratio(viewer, *runs, gathered.ratio)
        if pair not in self._compared:  # later on it is as visible as the user left it
            self._compared.add(pair)
            for layer in shown:
                layer.visible = True
        if gathered.puncta is not None:
            show_puncta(viewer, gathered.puncta)
        limits = self._take_limits(runs[0].request, gathered)
        self._share(viewer, runs[0].request, limits)

    def close(self) -> None:
        """End with the viewer: layers stay as they are, and nothing touches them any more."""
        viewer = self._there()
        self._closed = True
        self._live.clear()
        self._known.keep(())
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._on_removed)

    def _there(self) -> ViewerModel | None:
        return None if self._closed else self._viewer()

    def _take_limits(self, request: RestoreRequest, gathered: Ending | Comparison) -> Limits:
        """Return the newest limits of an image: those gathered, unless they were overtaken."""
        sha256 = request.image.sha256
        number, limits = self._limits.get(sha256, (0, gathered.limits))
        if gathered.number > number:
            number, limits = gathered.number, gathered.limits
        self._limits[sha256] = number, limits
        return limits

    def _share(self, viewer: ViewerModel, request: RestoreRequest, limits: Limits) -> None:
        """Show all runs of an image with the same limits, also those that are being drawn."""
        sha256 = request.image.sha256
        if runs := self._known.of(sha256):
            share_limits(viewer, runs, limits=limits)
        for live in self._live.values():
            if live.request.image.sha256 == sha256:
                live.set_limits(limits)

    def _show_ratio(
        self, viewer: ViewerModel, teacher: Run, student: Run, layers: Sequence[LayerData]
    ) -> list[ImageLayer]:
        labels = {
            role: self._labels.get(str(run.path), run.role)
            for role, run in (("teacher", teacher), ("student", student))
        }
        name = ratio_name(teacher.request.image.name, **labels)
        return [_put(viewer, (data, {**look, "name": name}, kind)) for data, look, kind in layers]

    def _adapt_input(
        self,
        viewer: ViewerModel,
        request: RestoreRequest,
        limits: Limits,
        automatic: tuple[float, float] | None,
    ) -> None:
        """Map the limits to the layer that was restored, unless its user has chosen some."""
        wanted = limits.of("input", request)
        for layer in viewer.layers:
            if wanted is None or not _is_input(layer, request):
                continue
            now = tuple(layer.contrast_limits)
            untouched = automatic is not None and np.allclose(now, automatic)
            if untouched or now == self._adapted.get(layer):
                layer.contrast_limits = wanted
                self._adapted[layer] = tuple(layer.contrast_limits)

    def _on_removed(self, event: object = None) -> None:
        """Let go of runs of which no layer is left: their folders may be temporary."""
        if (viewer := self._there()) is not None:
            told = (layer.metadata.get(KEY) for layer in viewer.layers)
            self._known.keep(str(one.get("run")) for one in told if isinstance(one, dict))


def _dressed(one: LayerData, request: RestoreRequest, label: str, limits: Limits) -> LayerData:
    """Give a layer of a run the label of the run and its contrast limits."""
    data, look, kind = one
    quantity = look["metadata"][KEY]["quantity"]
    chosen = limits.of(quantity, request) or look["contrast_limits"]
    name = layer_name(request, quantity, label=label)
    return data, {**look, "name": name, "contrast_limits": chosen}, kind


def _put(viewer: ViewerModel, one: LayerData) -> ImageLayer:
    """Add a layer, or renew the one that shows the same of the same runs."""
    data, look, _ = one
    for layer in viewer.layers:
        if quantity_of(layer) is not None and _shows(layer) == _shows(look["metadata"]):
            layer.data = data
            layer.contrast_limits = look["contrast_limits"]
            layer.metadata = {**layer.metadata, **look["metadata"]}
            return layer
    return add_layers(viewer, [one])[0]


def _shows(thing: Any) -> tuple[Any, ...]:
    """Return what tells a layer from others: what it shows, and of which runs."""
    told = getattr(thing, "metadata", thing)[KEY]
    return told.get("quantity"), told.get("run"), (told.get("teacher") or {}).get("run")


def _layers_of(viewer: ViewerModel, folder: Path) -> list[ImageLayer]:
    """Return the layers that show the run in a folder; its image belongs to the user."""
    return [
        layer
        for layer in viewer.layers
        if quantity_of(layer) not in (None, "input") and str(folder) in _shows(layer)[1:]
    ]


def _own_layers(viewer: ViewerModel, folder: Path) -> dict[str, ImageLayer]:
    """Return the layers that a run has of itself, by what they show."""
    there = reversed(_layers_of(viewer, folder))
    return {str(one): layer for layer in there if (one := quantity_of(layer)) in _OWN}


def _is_input(layer: Any, request: RestoreRequest) -> bool:
    """Say whether a layer of the user is the whole of what was restored."""
    image = request.image
    return (
        layer.name == image.name
        and quantity_of(layer) is None
        and getattr(layer, "contrast_limits", None) is not None
        and not getattr(layer, "auto_contrast", False)
        and getattr(layer.data, "shape", None) == image.shape
        and np.allclose(layer.scale, image.scale)
        and np.allclose(layer.translate, image.translate)
    )
