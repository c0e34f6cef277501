"""A button that shows and hides the layers that go with a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QPushButton, QWidget

from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MapButton", "map_layers"]

_QUANTITIES: Final = {"mean": "mean", "variance": "sd ratio", "likelihood": "residual"}

_WORDS: Final = {
    "mean": ("means", "Means of both runs, photoelectrons per pixel"),
    "variance": ("sd ratio", "log2 of the ratio of the standard deviations, student / teacher"),
    "likelihood": ("residuals", "Measurement minus mean of each run, in standard deviations"),
}


def map_layers(layers: Iterable[Any], group: str, *, sha256: str | None = None) -> list[Any]:
    """Return the layers that show where a finding comes from.

    Parameters
    ----------
    layers : iterable of Layer
        Of the viewer.
    group : str
        As in `FindingList`.
    sha256 : str, optional
        Of the image; layers that say that they are of another one are left out.
    """
    wanted = _QUANTITIES.get(group)
    if wanted is None:
        return []
    found = [layer for layer in layers if quantity_of(layer) == wanted]
    return [one for one in found if sha256 in (None, one.metadata[KEY].get("image_sha256", sha256))]


class MapButton(QPushButton):
    """Shows the map of the finding that is chosen, or hides it.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__("Show &map", parent)
        describe(self, "show_map", "Shows the map of the finding as layers")
        self._viewer = viewer
        self._group = ""
        self._sha256: str | None = None
        self._list_links = Connections(self)
        self._layer_links = Connections(self)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            self._list_links.add(event, self.refresh)
        self.clicked.connect(self._on_clicked)
        self.refresh()

    def set_group(self, group: str, sha256: str | None) -> None:
        """Take the group of findings that is chosen, and the hash of the image."""
        if (group, sha256) != (self._group, self._sha256):
            self._group, self._sha256 = group, sha256
            self.refresh()

    def refresh(self, *_: object) -> None:
        """Say whether there is a map, and whether the button shows or hides it."""
        self._layer_links.cut()
        layers = self._layers()
        for layer in layers:
            self._layer_links.add(layer.events.visible, self._on_visible)
        noun, tip = _WORDS.get(self._group, ("map", ""))
        self._say(layers, noun)
        self.setVisible(bool(tip))  # a number for each sample has no map
        self.setEnabled(bool(layers))
        missing = "There is no such layer in the viewer; compare the runs again"
        self.setToolTip(tip if layers else missing)

    def _layers(self) -> list[Any]:
        return map_layers(self._viewer.layers, self._group, sha256=self._sha256)

    def _say(self, layers: list[Any], noun: str) -> None:
        shown = bool(layers) and all(layer.visible for layer in layers)
        self.setText(f"{'Hide' if shown else 'Show'} &map of the {noun}" if layers else "Show &map")

    def _on_visible(self, *_: object) -> None:
        self._say(self._layers(), _WORDS.get(self._group, ("map", ""))[0])

    def _on_clicked(self) -> None:
        layers = self._layers()
        show = not all(layer.visible for layer in layers)
        for layer in layers:
            layer.visible = show
