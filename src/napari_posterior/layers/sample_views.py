"""Looking through the samples of a run in a viewer: sorted, side by side, along what varies."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.image import SAMPLE_AXIS
from napari_posterior.layers.follow import kept_selection
from napari_posterior.layers.names import KEY, metadata_of, quantity_of
from napari_posterior.layers.out import place
from napari_posterior.layers.puncta_points import gather_puncta, show_puncta
from napari_posterior.layers.side_by_side import SideBySide
from napari_posterior.layers.thread import in_main_thread, unwrapped
from napari_posterior.runs.faults import explain
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.sample_views import (
    SortChoice,
    SortedStack,
    Variation,
    find_variation,
    measure_run,
    order_by,
    sort_choices,
)
from napari_posterior.session.view_state import Sorting, ViewState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Image as ImageLayer

    from napari_posterior.session.aside import Aside
    from napari_posterior.session.models import RunEntry, SessionState
    from napari_posterior.session.watch import SampleValues

__all__ = ["SampleViews", "axis_of_samples", "samples_of"]


class SampleViews:
    """The ways to look through samples in one viewer; belongs to the main thread.

    Everything returns at once: what must be read or computed first is shown when it is there, and
    dropped where something else was asked for meanwhile.

    Parameters
    ----------
    viewer : napari viewer, its proxy or ViewerModel
        Held weakly.
    session : SessionState
        With the runs and the comparison.
    aside : callable
        Does what reads samples.

    Attributes
    ----------
    state : ViewState
        What is shown.
    """

    def __init__(self, viewer: ViewerModel, session: SessionState, aside: Aside) -> None:
        in_main_thread("views of samples are made")
        self._viewer = weakref.ref(unwrapped(viewer))
        self._session = session
        self._aside = aside
        self.state = ViewState()
        self._asked = {"sort": 0, "vary": 0}
        self._measured: weakref.WeakKeyDictionary[RunEntry, dict[tuple[str, int], SampleValues]]
        self._measured = weakref.WeakKeyDictionary()
        self._sides = SideBySide(unwrapped(viewer))
        self._layer: weakref.ReferenceType[Any] | None = None

    def choices(self, entry: RunEntry) -> tuple[SortChoice, ...]:
        """Return by what the samples of a run can be sorted."""
        return sort_choices(entry, self._session.compare)

    def sort(self, entry: RunEntry, key: str | None = None) -> None:
        """Sort the samples of a run as they are shown, smallest first; nothing is written.

        Parameters
        ----------
        entry : RunEntry
            A run that has ended and is shown.
        key : str, optional
            Of `choices`; None for the order in which they were drawn.

        Raises
        ------
        InputError
            If there is no such number, or the samples are not shown.
        """
        in_main_thread("samples are sorted")
        self._asked["sort"] += 1
        self.state.problem = ""
        if key is None:
            self._show_sorted(entry, None)
            return
        choice = next((one for one in self.choices(entry) if one.key == key), None)
        if choice is None:
            known = ", ".join(one.key for one in self.choices(entry))
            raise InputError(f"samples cannot be sorted by {key!r}; choose one of {known}")
        stack = _drawn(self._samples(entry))
        count = len(stack)
        known_values = self._values(entry, key, count)
        if known_values is not None:
            self._show_sorted(entry, Sorting(choice, order_by(known_values), known_values))
            return
        run = entry.run
        if run is None:
            raise InputError("this run has not ended; sort it when it has")
        # the agreement with the measurement is always measured, and no statistic
        statistics = () if key == "likelihood" else (key.partition(".")[0],)
        self.state.busy = f"measuring {choice.title} of {count} samples"
        self._aside(
            f"measuring {entry.title}",
            partial(measure_run, run, statistics),
            partial(self._take_values, self._asked["sort"], entry, choice),
            partial(self._fail, "sort", self._asked["sort"]),
        )

    def sorting_of(self, entry: RunEntry | None) -> Sorting | None:
        """Return how the samples of a run are sorted; None as they were drawn."""
        layer = None if entry is None else self._find(entry)
        here = layer is not None and isinstance(layer.data, SortedStack)
        return self.state.sorting if here and self.state.sorted_run is entry else None

    def show_side_by_side(self, on: bool = True) -> None:
        """Show the samples of teacher and student beside each other, or all as it was before.

        They share the slider and the contrast limits, whichever layer these are changed of.

        Raises
        ------
        InputError
            If the samples of one of them are not in the viewer.
        """
        in_main_thread("layers are laid out")
        viewer = self._viewer()
        if viewer is None or on == self.state.side_by_side:
            return
        if on:
            teacher, student = self._pair()
            if teacher is student:
                raise InputError("both runs are the same one; choose two")
            self._sides.lay_out(teacher, student)
        else:
            self._sides.put_back()
        self.state.side_by_side = on

    def vary(self, entry: RunEntry) -> None:
        """Find what varies most among the samples of a run; then `set_weights` shows it.

        Raises
        ------
        InputError
            If the run has not ended.
        """
        in_main_thread("a variation is asked for")
        run = entry.run
        if run is None:
            raise InputError("this run has not ended; look at what varies when it has")
        self._asked["vary"] += 1
        self.state.problem = ""
        self.state.busy = f"finding what varies among {len(run)} samples"
        self._aside(
            f"variation of {entry.title}",
            partial(find_variation, run),
            partial(self._take_variation, self._asked["vary"], entry),
            partial(self._fail, "vary", self._asked["vary"]),
        )

    def set_weights(self, weights: Sequence[float]) -> None:
        """Show the mean and some standard deviations along each component, as a layer.

        Parameters
        ----------
        weights : sequence of float
            One for each component; all 0 for the mean.
        """
        in_main_thread("a variation is shown")
        viewer, variation, entry = self._viewer(), self.state.variation, self.state.varied
        if viewer is None or variation is None or entry is None:
            return
        layer = self._variation_layer(viewer, variation, entry)
        variation.image(weights, out=layer.data)
        layer.refresh(thumbnail=False, highlight=False, extent=False)
        self.state.weights = tuple(float(one) for one in weights)

    def forget_variation(self) -> None:
        """Let go of the components, and take their layer away."""
        viewer, layer = self._viewer(), None if self._layer is None else self._layer()
        self._asked["vary"] += 1
        state = self.state
        state.variation, state.varied, state.weights = None, None, ()
        self._layer = None
        if viewer is not None and layer is not None and layer in viewer.layers:
            viewer.layers.remove(layer)

    def add_puncta(self) -> None:
        """Show the puncta of the last comparison as points, coloured by their probability.

        Raises
        ------
        InputError
            If the last comparison counted no puncta.
        """
        compare = self._session.compare
        report, compared = compare.report, compare.compared
        runs = None if compared is None else (compared[0].run, compared[1].run)
        if report is None or report.figures.sites is None or runs is None or None in runs:
            raise InputError("no puncta were compared yet; compare two runs by their puncta count")
        self._aside(
            "reading the puncta",
            partial(gather_puncta, report, *runs),  # type: ignore[arg-type]
            self._take_puncta,
            self._fail_puncta,
        )

    def sample_at(self, entry: RunEntry) -> int | None:
        """Return which sample the slider is at, from 0; None where the samples are not shown."""
        viewer, layer = self._viewer(), self._find(entry)
        if viewer is None or layer is None:
            return None
        axis = axis_of_samples(viewer, layer)
        step = int(viewer.dims.current_step[axis])
        return min(step, layer.data.shape[0] - 1)

    def go_to_sample(self, entry: RunEntry, number: int) -> None:
        """Move the slider to a sample, from 0, as they are sorted now."""
        viewer, layer = self._viewer(), self._find(entry)
        if viewer is not None and layer is not None:
            viewer.dims.set_current_step(axis_of_samples(viewer, layer), number)

    def show_drawn(self, entry: RunEntry, number: int) -> None:
        """Move the slider to a sample by its place in the run, from 0, however they are sorted."""
        layer = self._find(entry)
        if layer is not None:
            at = number
            if isinstance(layer.data, SortedStack):
                at = int(np.flatnonzero(layer.data.order == number)[0])
            layer.visible = True
            self.go_to_sample(entry, at)

    def count(self, entry: RunEntry) -> int:
        """Return how many samples of a run are shown; 0 where they are not."""
        layer = self._find(entry)
        return 0 if layer is None else int(layer.data.shape[0])

    def close(self) -> None:
        """End with the viewer."""
        self._asked = {key: number + 1 for key, number in self._asked.items()}
        self._sides.unlink()

    def _find(self, entry: RunEntry) -> ImageLayer | None:
        viewer = self._viewer()
        return None if viewer is None else samples_of(viewer, entry)

    def _samples(self, entry: RunEntry) -> ImageLayer:
        layer = self._find(entry)
        if layer is None:
            raise InputError(f"the samples of {entry.title} are not shown; press Show in its row")
        return layer

    def _values(self, entry: RunEntry, key: str, count: int) -> np.ndarray | None:
        """Return the numbers of the samples that are shown; None where they are not known."""
        drawn = next((one for one in entry.measured if one.id == key), None)
        kept = self._measured.get(entry, {}).get((key, count))
        for one in (drawn, kept):
            if one is not None and len(one.values) == count:
                return np.asarray(one.values, np.float64)
        return None

    def _take_values(
        self, number: int, entry: RunEntry, choice: SortChoice, values: tuple[SampleValues, ...]
    ) -> None:
        kept = self._measured.setdefault(entry, {})
        for one in values:
            kept[one.id, len(one.values)] = one
        if number != self._asked["sort"]:
            return
        self.state.busy = ""
        try:
            count = len(_drawn(self._samples(entry)))
        except InputError as error:
            self.state.problem = sentence_of(str(error))
            return
        found = self._values(entry, choice.key, count)
        if found is None:
            self.state.problem = "The run has other samples now; sort it again."
            return
        self._show_sorted(entry, Sorting(choice, order_by(found), found))

    def _show_sorted(self, entry: RunEntry, sorting: Sorting | None) -> None:
        """Put a view in another order into the layer, and stay at the sample that is looked at."""
        viewer, layer = self._viewer(), self._find(entry)
        if viewer is None or layer is None:
            self.state.sorting, self.state.sorted_run = None, None
            return
        stack, now = _drawn(layer), self.sample_at(entry) or 0
        drawn = int(layer.data.order[now]) if isinstance(layer.data, SortedStack) else now
        limits = layer.contrast_limits
        layer.data = stack if sorting is None else SortedStack(stack, sorting.order)
        layer.contrast_limits = limits
        at = drawn if sorting is None else int(np.flatnonzero(sorting.order == drawn)[0])
        self.state.sorting = sorting
        self.state.sorted_run = None if sorting is None else entry
        self.go_to_sample(entry, at)
        layer.refresh()

    def _pair(self) -> tuple[ImageLayer, ImageLayer]:
        compare = self._session.compare
        if compare.teacher is None or compare.student is None:
            raise InputError("choose a run of the teacher and one of a student in Compare first")
        return self._samples(compare.teacher), self._samples(compare.student)

    def _take_variation(self, number: int, entry: RunEntry, found: Variation) -> None:
        if number != self._asked["vary"]:
            return
        self.state.busy = ""
        self.forget_variation()
        self.state.variation, self.state.varied = found, entry
        self.set_weights((0.0,) * len(found))

    def _variation_layer(
        self, viewer: ViewerModel, variation: Variation, entry: RunEntry
    ) -> ImageLayer:
        """Return the layer that shows the variation, a new one where there is none."""
        layer = None if self._layer is None else self._layer()
        if layer is not None and layer in viewer.layers:
            return layer
        run = entry.run
        assert run is not None
        samples = self._find(entry)
        with kept_selection(viewer):
            layer = viewer.add_image(
                np.array(variation.mean),
                name=f"{run.request.image.name} | variation",
                **place(run.geometry),
                contrast_limits=_limits(variation) if samples is None else samples.contrast_limits,
                colormap=samples.colormap if samples is not None else "gray",
                metadata=metadata_of(run.request, "variation", path=run.path, samples=len(run)),
            )
            # above all images, below what marks places in them
            images = [i for i, one in enumerate(viewer.layers) if hasattr(one, "contrast_limits")]
            viewer.layers.move(viewer.layers.index(layer), max(images[:-1], default=-1) + 1)
        self._layer = weakref.ref(layer)
        return layer

    def _take_puncta(self, layer: Any) -> None:
        viewer = self._viewer()
        if viewer is not None and layer is not None:
            show_puncta(viewer, layer).visible = True

    def _fail_puncta(self, error: Exception) -> None:
        self.state.problem = sentence_of(explain(error, "reading the puncta"))

    def _fail(self, what: str, number: int, error: Exception) -> None:
        if number != self._asked[what]:
            return
        self.state.busy = ""
        told = str(error) if isinstance(error, PosteriorError) else explain(error, "this")
        self.state.problem = sentence_of(told)


def samples_of(viewer: ViewerModel, entry: RunEntry) -> ImageLayer | None:
    """Return the layer of the samples of a run that has begun; None where it is not shown."""
    folder = str(entry.folder)
    for layer in viewer.layers:
        if quantity_of(layer) == "samples" and layer.metadata[KEY].get("run") == folder:
            return layer
    return None


def axis_of_samples(viewer: ViewerModel, layer: ImageLayer) -> int:
    """Return the axis of the viewer along which the samples of a layer lie."""
    assert layer.axis_labels[0] == SAMPLE_AXIS
    return int(viewer.dims.ndim - layer.ndim)


def _drawn(layer: ImageLayer) -> Any:
    """Return the samples of a layer in the order in which they were drawn."""
    return layer.data.stack if isinstance(layer.data, SortedStack) else layer.data


def _limits(variation: Variation) -> tuple[float, float]:
    low, high = np.percentile(variation.mean, [1, 99.8])
    return float(low), float(max(high, low + 1e-3))
