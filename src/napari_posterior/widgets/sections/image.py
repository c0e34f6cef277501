"""What is restored: an image layer, and which part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from napari.errors import MultipleReaderError
from napari.layers import Image, Shapes
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QButtonGroup, QFileDialog, QPushButton, QRadioButton, QWidget

from napari_posterior.layers.choices import can_be_restored, image_choice
from napari_posterior.layers.thread import unwrapped
from napari_posterior.session.axes import MOST_AXES
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Notice, Rows, Words, describe, side_by_side
from napari_posterior.widgets.sections.acquisition import take_settings
from napari_posterior.widgets.sections.axes import AxesRow
from napari_posterior.widgets.sections.fields import Picker

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.models import ImageChoice, RestoreState

__all__ = ["ImageSection"]

_PATIENCE: Final = 80
"""Milliseconds to wait for more changes of a layer before it is looked at."""

_ABOUT_A_LAYER: Final = (
    "data",
    "name",
    "scale",
    "translate",
    "rotate",
    "shear",
    "affine",
    "units",
    "axis_labels",
    "metadata",
)
_REGIONS: Final = {
    "whole": ("Whole", "Restore the whole image, every plane of it."),
    "plane": ("Plane", "Restore only the plane that the viewer shows now."),
    "shape": ("Shape", "Restore what a rectangle of a Shapes layer encloses, in every plane."),
}


class ImageSection(QWidget):
    """Choose an image layer, or open a file, and the part of it to restore.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    state : RestoreState
        `image`, `region`, and what is known of camera and PSF are set here.
    """

    layer_changed = Signal(object)
    """The layer that is chosen, or None; also when its pixel size changes."""

    emptied = Signal(bool)
    """Whether there is nothing that could be chosen."""

    def __init__(self, viewer: Any, state: RestoreState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._state = viewer, state
        self._layers: list[Any] = []
        self._drawn: list[Any] = []
        self._taken: Any = None
        self._build()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PATIENCE)
        self._timer.timeout.connect(self.refresh)
        self._of_layers = Connections(self)
        self._connections = Connections(self)
        for name in ("inserted", "removed", "reordered", "renamed"):
            if (signal := getattr(viewer.layers.events, name, None)) is not None:
                self._connections.add(signal, self.reset_choices)
        for name in ("current_step", "order", "ndim"):
            self._connections.add(getattr(viewer.dims.events, name), self._on_step)
        self._connections.add(state.events.region, self._show_region)
        self._connections.add(state.events.image, self._show_choice)
        self._show_region()
        self.reset_choices()
        self.refresh()

    @property
    def layer(self) -> Any:
        """The image layer that is chosen; None where there is none."""
        return _at(self._layers, self._picker.currentIndex())

    @property
    def shapes(self) -> Any:
        """The Shapes layer that is chosen; None where there is none."""
        return _at(self._drawn, self._shapes.currentIndex())

    def reset_choices(self, *_: object) -> None:
        """Look again which layers there are; napari calls this too."""
        chosen, drawn = self.layer, self.shapes
        every = list(self._viewer.layers)
        self._layers = [layer for layer in every if _is_offered(layer)]
        shapes = [layer for layer in every if isinstance(layer, Shapes)]
        grown = [layer for layer in shapes if layer not in self._drawn]
        self._drawn = shapes
        if chosen not in self._layers:
            chosen = self._find_first()
        if drawn not in shapes or grown:
            drawn = (grown or shapes or [None])[-1]
        _fill(self._picker, self._layers, chosen)
        _fill(self._shapes, self._drawn, drawn, none="no Shapes layer yet")
        self._follow()
        self.emptied.emit(not self._layers)
        self._timer.start()

    def choose(self, layer: Any) -> None:
        """Choose an image layer."""
        if layer in self._layers:
            self._picker.setCurrentIndex(self._layers.index(layer))

    def refresh(self) -> None:
        """Take what is chosen into the state now, without waiting for more changes."""
        self._timer.stop()
        layer, state = self.layer, self._state
        several = layer is not None and layer.ndim > 2
        self._regions["plane"].setEnabled(several)
        if not several and state.region == "plane":
            state.region = "whole"
        choice = None if layer is None else self._look(layer)
        known = state.image
        if layer != self._taken:
            again = self._taken is None and known is not None and choice is not None
            if not (again and known is not None and choice is not None and known.key == choice.key):
                take_settings(state, layer, before=self._taken)
            self._taken = layer
        state.image = choice
        self._show_axes()
        self.layer_changed.emit(layer)

    def draw_rectangle(self) -> None:
        """Take up the rectangle tool, in a new Shapes layer where there is none."""
        if (shapes := self.shapes) is None:
            shapes = self._add_shapes()
        self._viewer.layers.selection.active = shapes
        shapes.mode = "add_rectangle"

    def open_files(self) -> None:
        """Ask for a file and open it as napari would."""
        paths, _ = QFileDialog.getOpenFileNames(self, "Open an image")
        if paths:
            self.open_paths(paths)

    def open_paths(self, paths: list[str]) -> None:
        """Open files as napari would, and choose the first image of them."""
        try:
            opened = self._viewer.open(paths)
        except MultipleReaderError:
            show_error(
                "Several plugins can open this file: choose one with File > Open File(s) with..., "
                "or set one in the preferences."
            )
            return
        except Exception as error:  # whatever a reader of another plugin raises
            reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
            show_error(f"The file cannot be opened ({reason}); choose another.")
            return
        self.reset_choices()
        self.choose(next(filter(can_be_restored, opened), None))

    def _build(self) -> None:
        self._picker = Picker()
        describe(self._picker, "image", "The image layer to restore; grey levels in ADU.")
        self._open = QPushButton("&Open...")
        describe(self._open, "open", "Open an image file; it becomes a layer.")
        self._words = Words()
        self._words.setObjectName("image_words")
        self._problem = Notice()
        self._problem.setObjectName("image_problem")
        self._group = QButtonGroup(self)
        self._regions: dict[str, QRadioButton] = {}
        for name, (text, tip) in _REGIONS.items():
            button = QRadioButton(text)
            describe(button, f"region_{name}", tip)
            self._group.addButton(button)
            self._regions[name] = button
        self._shapes = Picker()
        describe(
            self._shapes,
            "shapes",
            "The Shapes layer: its selected rectangle counts, else the one drawn last.",
            spoken="Shapes layer of the region",
        )
        self._draw = QPushButton("Draw a rectangle")
        describe(self._draw, "draw", "Take up the rectangle tool; then drag over the image.")
        regions = QWidget()
        describe(regions, "region", "Which part of the image is restored.", spoken="Region")
        regions.setLayout(side_by_side(*self._regions.values()))
        self._by_shape = QWidget()
        self._by_shape.setLayout(side_by_side(self._shapes, self._draw, stretch=(1,)))
        rows = Rows()
        rows.add("&Image", self._picker, self._open)
        rows.add_below(self._words)
        self._axes = AxesRow()
        self._axes_label = rows.add("Axes", self._axes)
        rows.add("Region", regions)
        rows.add_wide(self._by_shape)
        rows.add_wide(self._problem)
        self.setLayout(rows)

        self._picker.currentIndexChanged.connect(self._on_picked)
        self._open.clicked.connect(self.open_files)
        self._axes.given.connect(self._on_axes)
        self._axes.to_be_written.connect(self._on_write_axes)
        self._shapes.currentIndexChanged.connect(self._on_shapes)
        self._draw.clicked.connect(self.draw_rectangle)
        for name, button in self._regions.items():
            button.clicked.connect(self._region_setter(name))

    def _region_setter(self, name: str) -> Callable[..., None]:
        def choose(*_: object) -> None:
            self._state.region = name  # type: ignore[assignment]
            self.refresh()

        return choose

    def _look(self, layer: Any) -> ImageChoice:
        region = self._state.region
        axes = self._state.axes.get(unwrapped(layer).unique_id)
        return image_choice(
            layer, region=region, shapes=self.shapes, viewer=self._viewer, axes=axes
        )

    def _find_first(self) -> Any:
        """Choose what was chosen before, what is active, or the first that can be restored."""
        known = self._state.image
        able = [layer for layer in self._layers if can_be_restored(layer)]
        if known is not None:
            for layer in able:
                if self._look(layer).key == known.key:
                    return layer
        seen = [layer for layer in able if layer.visible]
        active = self._viewer.layers.selection.active
        return next(
            (layer for layer in seen if layer == active),
            (seen or able or self._layers or [None])[0],
        )

    def _follow(self) -> None:
        """Listen to the layers that are chosen, and to no others."""
        self._of_layers.cut()
        if (layer := self.layer) is not None:
            for name in _ABOUT_A_LAYER:
                if (signal := getattr(layer.events, name, None)) is not None:
                    self._of_layers.add(signal, self._on_layer)
        if (shapes := self.shapes) is not None:
            for name in ("data", "set_data", "name", "scale", "translate", "highlight"):
                if (signal := getattr(shapes.events, name, None)) is not None:
                    self._of_layers.add(signal, self._on_shape)

    def _on_axes(self, axes: str) -> None:
        """Keep what the user says of this layer; nothing where that is what its labels say."""
        if (layer := self.layer) is None:
            return
        key, kept = unwrapped(layer).unique_id, dict(self._state.axes)
        if axes and axes != image_choice(layer).axes:
            kept[key] = axes
        else:
            kept.pop(key, None)
        self._state.axes = kept
        self.refresh()

    def _on_write_axes(self) -> None:
        """Give the layer the labels that were typed: only because the user asked for it."""
        layer, choice = self.layer, self._state.image
        if layer is not None and choice is not None and len(choice.axes) == layer.ndim:
            axes = choice.axes
            layer.axis_labels = tuple(axes.lower())
            self._on_axes(axes)

    def _show_axes(self) -> None:
        layer, choice = self.layer, self._state.image
        there = layer is not None and choice is not None and bool(choice.axes)
        several = there and 2 < layer.ndim <= MOST_AXES
        self._axes.setVisible(several)
        self._axes_label.setVisible(several)
        if several and choice is not None:
            labels = tuple(str(one).lower() for one in layer.axis_labels)
            self._axes.show_axes(
                choice.axes, layer.ndim, differs=labels != tuple(choice.axes.lower())
            )

    def _on_picked(self, *_: object) -> None:
        self._follow()
        self.refresh()

    def _on_shapes(self, *_: object) -> None:
        self._follow()
        self.refresh()

    def _on_layer(self, *_: object) -> None:
        self._timer.start()

    def _on_shape(self, *_: object) -> None:
        if self._state.region == "shape":
            self._timer.start()

    def _on_step(self, *_: object) -> None:
        if self._state.region == "plane":
            self._timer.start()

    def _show_region(self, *_: object) -> None:
        self._regions[self._state.region].setChecked(True)
        self._by_shape.setVisible(self._state.region == "shape")
        if self._layers:
            self._timer.start()

    def _show_choice(self, *_: object) -> None:
        choice = self._state.image
        self._words.say("" if choice is None else choice.words)
        self._problem.say("" if choice is None else sentence_of(choice.problem, name=choice.name))

    def _add_shapes(self) -> Any:
        layer = self.layer
        place = {}
        if layer is not None:
            place = {
                "scale": np.asarray(layer.scale)[-2:],
                "translate": np.asarray(layer.translate)[-2:],
                "units": tuple(layer.units)[-2:],
                "axis_labels": tuple(layer.axis_labels)[-2:],
            }
        return self._viewer.add_shapes(
            ndim=2,
            name="region",
            face_color="transparent",
            edge_color="#6ea8ff",
            edge_width=2,
            **place,
        )


def _is_offered(layer: Any) -> bool:
    """Whether a layer is on the list; one in colour is, so that it can be said what is wrong."""
    return isinstance(layer, Image) and (bool(layer.rgb) or can_be_restored(layer))


def _at(layers: list[Any], place: int) -> Any:
    return layers[place] if 0 <= place < len(layers) else None


def _fill(picker: Picker, layers: list[Any], chosen: Any, *, none: str = "") -> None:
    items = [(str(place), layer.name, "") for place, layer in enumerate(layers)]
    if not items and none:
        items = [("", none, "")]
    current = str(layers.index(chosen)) if chosen in layers else ""
    picker.set_items(items, current)
