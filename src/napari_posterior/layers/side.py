"""The runs of a session as layers of one viewer, from before their first sample on."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.layers.corrected_maps import gather_corrected
from napari_posterior.layers.follow import SliderFollower, kept_selection
from napari_posterior.layers.live import LiveRun
from napari_posterior.layers.names import KEY, choose_label, layer_name, ratio_name
from napari_posterior.layers.out import add_layers, attributes, input_layer, share_limits
from napari_posterior.layers.places import is_input, layers_of, own_layers, put_layer
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
from napari_posterior.layers.steps import Steps
from napari_posterior.layers.thread import in_main_thread, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.checks.report import Report
    from napari_posterior.layers.limits import Limits
    from napari_posterior.layers.out import LayerData
    from napari_posterior.layers.steps import Later
    from napari_posterior.runs.request import RestoreRequest
    from napari_posterior.runs.run import Run
    from napari_posterior.session.models import RunEntry
    from napari_posterior.session.restore_job import RunInProgress

__all__ = ["ViewerLayers"]


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
    later : Later, optional
        Gives turns of the window: a comparison then adds one layer at each, as napari needs up to
        a tenth of a second for one. By default all are added at once.

    Raises
    ------
    WrongThreadError
        By every method of the main thread, if it is called off it.
    """

    def __init__(self, viewer: ViewerModel, *, later: Later | None = None) -> None:
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
        self._steps = Steps(later)
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
            layers=own_layers(viewer, run.path) if run.drawn else None,
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
            added = [put_layer(viewer, one) for one in layers]
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
        self._steps.finish()  # else layers of it would still come
        layers = layers_of(viewer, entry.folder)
        for layer in layers:
            viewer.layers.remove(layer)
        return bool(layers)

    def gather_comparison(
        self, teacher: Run, student: Run, report: Report | None = None
    ) -> Comparison | None:
        """Make the sd ratio, residuals, limits and puncta; in the thread of the job."""
        return None if self._closed else compare(teacher, student, self._known, report)

    def show_comparison(
        self,
        teacher: RunEntry,
        student: RunEntry,
        gathered: Any,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Show the sd ratio, puncta, hidden residuals, and both runs with the same limits.

        Layers of an earlier comparison of these runs are replaced. `then` is called when all are
        there.
        """
        in_main_thread("a comparison is shown")
        if self._there() is not None and isinstance(gathered, Comparison):
            shows: list[Callable[[ViewerModel], None]]
            shows = [partial(self._show_residual, gathered, one) for one in gathered.residuals]
            shows += [partial(one, gathered) for one in (self._show_pair, self._show_shared)]
            self._steps.add(*(partial(self._show, one) for one in shows))
        if then is not None:
            self._steps.add(then)

    def gather_corrected(self, teacher: Run, student: Run, found: Any) -> tuple[LayerData, ...]:
        """Make the maps of a corrected estimate; in the thread of the job.

        Raises
        ------
        RunError
            If a run holds no sample or is damaged.
        """
        return () if self._closed else gather_corrected(teacher, student, found, self._known)

    def show_corrected(self, one: LayerData) -> None:
        """Show one of these maps, or renew the one that is there."""
        in_main_thread("a corrected estimate is shown")
        viewer = self._there()
        if viewer is not None:
            with kept_selection(viewer):
                put_layer(viewer, one)

    def close(self) -> None:
        """End with the viewer: layers stay as they are, and nothing touches them any more."""
        viewer = self._there()
        self._closed = True
        self._steps.drop()
        self._live.clear()
        self._known.keep(())
        if viewer is not None:
            viewer.layers.events.removed.disconnect(self._on_removed)

    def _there(self) -> ViewerModel | None:
        return None if self._closed else self._viewer()

    def _show(self, show: Callable[[ViewerModel], None]) -> None:
        """Take a step, if the viewer is still there."""
        viewer = self._there()
        if viewer is not None:
            with kept_selection(viewer):
                show(viewer)

    def _show_residual(self, gathered: Comparison, one: LayerData, viewer: ViewerModel) -> None:
        data, look, kind = one
        told, runs = look["metadata"][KEY]["run"], (gathered.teacher, gathered.student)
        run = next(run for run in runs if str(run.path) == told)
        name = layer_name(run.request, "residual", label=self._labels.get(told))
        put_layer(viewer, (data, {**look, "name": name}, kind))

    def _show_pair(self, gathered: Comparison, viewer: ViewerModel) -> None:
        runs = gathered.teacher, gathered.student
        shown = self._show_ratio(viewer, *runs, gathered.ratio)
        pair = str(runs[0].path), str(runs[1].path)
        if pair not in self._compared:  # later on it is as visible as the user left it
            self._compared.add(pair)
            for layer in shown:
                layer.visible = True

    def _show_shared(self, gathered: Comparison, viewer: ViewerModel) -> None:
        if gathered.puncta is not None:
            show_puncta(viewer, gathered.puncta)
        request = gathered.teacher.request
        self._share(viewer, request, self._take_limits(request, gathered))

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
        return [
            put_layer(viewer, (data, {**look, "name": name}, kind)) for data, look, kind in layers
        ]

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
            if wanted is None or not is_input(layer, request):
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
