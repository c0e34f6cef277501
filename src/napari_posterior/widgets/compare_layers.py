"""Which layers a comparison takes its known object and its regions from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, Signal

from napari_posterior.layers.edits import edits_of
from napari_posterior.layers.known_object import (
    is_truth,
    region_choice,
    truth_choice,
    truth_of,
)
from napari_posterior.layers.names import quantity_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import describe
from napari_posterior.widgets.sections.fields import Picker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QWheelEvent
    from qtpy.QtWidgets import QWidget

    from napari_posterior.session.comparison_choices import LayerChoice
    from napari_posterior.session.models import CompareState

__all__ = ["ComparisonLayers"]

_NO_TRUTH: Final = "none: calibration is not asked"
_NO_REGIONS: Final = "none: the whole image"


class _LayerPicker(Picker):
    """Layers by name; the wheel scrolls the dock."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Leave the wheel to the dock."""
        if event is not None:
            event.ignore()


class ComparisonLayers(QObject):
    """Pickers of the known object and of the regions, to be laid out by who owns them.

    A layer that says that it is the known object of the image is chosen by itself, until the user
    chooses.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    state : CompareState
        Holds what is chosen.
    parent : QWidget
        Ends with it.

    Attributes
    ----------
    truth, regions : Picker
        The lists.
    edited : Signal()
        A layer that is chosen may have been edited.
    """

    edited = Signal()

    def __init__(self, viewer: Any, state: CompareState, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer, self._state = viewer, state
        self._touched = False
        self.truth, self.regions = _LayerPicker(parent), _LayerPicker(parent)
        describe(
            self.truth,
            "truth_layer",
            "The known object in photoelectrons per pixel, where there is one: tests whether error "
            "bars hold it",
            spoken="Known object",
        )
        describe(
            self.regions,
            "region_layer",
            "Shapes or Labels: statistics are compared in each of them too, with verdicts of "
            "their own",
            spoken="Regions",
        )
        self.truth.activated.connect(self._on_truth)
        self.regions.activated.connect(self._on_regions)
        self._links = Connections(self)
        self._named, self._watched = Connections(self), Connections(self)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._links.add(event, self.refresh)
        self._links.add(state.events.teacher, self.refresh)
        self._links.add(state.events.truth, self.refresh)
        self._links.add(state.events.regions, self.refresh)
        self.refresh()

    def refresh(self, *_: object) -> None:
        """List the layers that there are; what is gone is not chosen any more."""
        truths, regions = self._candidates()
        self._named.cut()
        for layer in (*truths, *regions):
            self._named.add(layer.events.name, self.refresh)
        self._drop_what_is_gone([*truths, *regions])
        self._choose_by_itself(truths)
        self._watch(truths, regions)
        state = self._state
        _show(self.truth, truths, state.truth, _NO_TRUTH)
        _show(self.regions, regions, state.regions, _NO_REGIONS)

    def _watch(self, truths: Sequence[Any], regions: Sequence[Any]) -> None:
        """Hear when a layer that is chosen is edited."""
        self._watched.cut()
        for chosen, layers in ((self._state.truth, truths), (self._state.regions, regions)):
            for layer in layers:
                if chosen is not None and chosen.key == ("layer", layer.unique_id):
                    for event in edits_of(layer):
                        self._watched.add(event, self._on_edit)

    def _on_edit(self, *_: object) -> None:
        self.edited.emit()

    def _candidates(self) -> tuple[list[Any], list[Any]]:
        from napari.layers import Image, Labels, Shapes

        layers = list(self._viewer.layers)
        images = [one for one in layers if isinstance(one, Image) and quantity_of(one) is None]
        images.sort(key=lambda one: not is_truth(one))
        return images, [one for one in layers if isinstance(one, Shapes | Labels)]

    def _drop_what_is_gone(self, layers: Sequence[Any]) -> None:
        there = {("layer", one.unique_id) for one in layers}
        state = self._state
        for name in ("truth", "regions"):
            chosen: LayerChoice | None = getattr(state, name)
            if chosen is not None and _is_layer(chosen) and chosen.key not in there:
                setattr(state, name, None)

    def _choose_by_itself(self, layers: Sequence[Any]) -> None:
        run = None if self._state.teacher is None else self._state.teacher.run
        if self._touched or self._state.truth is not None or run is None:
            return
        name = run.request.image.name
        fitting = [one for one in layers if truth_of(one) == name]
        if len(fitting) == 1:
            self._touched = True  # once: what is taken away after that stays away
            self._state.truth = truth_choice(fitting[0])

    def _on_truth(self, place: int) -> None:
        self._touched = True
        layer = self._layer(self.truth, place)
        self._state.truth = None if layer is None else truth_choice(layer)

    def _on_regions(self, place: int) -> None:
        layer = self._layer(self.regions, place)
        self._state.regions = None if layer is None else region_choice(layer)

    def _layer(self, picker: Picker, place: int) -> Any:
        key = picker.itemData(place)
        return next((one for one in self._viewer.layers if str(one.unique_id) == key), None)


def _show(picker: Picker, layers: Sequence[Any], chosen: LayerChoice | None, none: str) -> None:
    items = [("", none, ""), *((str(one.unique_id), one.name, "") for one in layers)]
    current = ""
    if chosen is not None:
        key: Any = chosen.key
        current = str(key[1]) if _is_layer(chosen) else "given"
        if not _is_layer(chosen):
            items.append(("given", chosen.name, ""))
    shown = [(picker.itemData(i), picker.itemText(i)) for i in range(picker.count())]
    if shown != [(key, text) for key, text, _ in items]:
        picker.set_items(items, current)
    elif picker.currentData() != current:
        picker.choose(current)


def _is_layer(choice: LayerChoice) -> bool:
    return isinstance(choice.key, tuple) and choice.key[:1] == ("layer",)
