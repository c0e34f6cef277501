"""A button that shows and hides the layers that go with a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QPushButton, QWidget

from napari_posterior.layers.names import KEY, quantity_of
from napari_posterior.layers.report_maps import REPORT_MAPS
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_posterior.checks.report import Report

__all__ = ["MapButton", "map_layers"]

_QUANTITIES: Final = {
    "variance": "sd ratio",
    "likelihood": "residual",
    **{question: f"map {name}" for question, name in REPORT_MAPS.items()},
}

_WORDS: Final = {
    "mean": ("mean difference", "Mean of student minus teacher, photoelectrons per pixel"),
    "variance": ("sd ratio", "log2 of the ratio of the standard deviations, student / teacher"),
    "likelihood": ("residuals", "Measurement minus mean of each run, in standard deviations"),
    "calibration": (
        "misses",
        "Where the known object lies outside: 1 teacher's intervals, 2 the student's, 3 both",
    ),
    "dependence": (
        "dependence",
        "How strongly the student follows the data, as a share of the teacher; 1 is alike",
    ),
}


def map_layers(layers: Iterable[Any], question: str, *, sha256: str | None = None) -> list[Any]:
    """Return the layers that show where an answer comes from.

    Parameters
    ----------
    layers : iterable of Layer
        Of the viewer.
    question : str
        Key of `finding.QUESTIONS`.
    sha256 : str, optional
        Of the image; layers that say that they are of another one are left out.
    """
    wanted = _QUANTITIES.get(question)
    if wanted is None:
        return []
    found = [layer for layer in layers if quantity_of(layer) == wanted]
    return [one for one in found if sha256 in (None, one.metadata[KEY].get("image_sha256", sha256))]


class MapButton(QPushButton):
    """Shows the map of the question that is selected, or hides it.

    Parameters
    ----------
    session : Session
        Of the viewer; makes the maps of a report.
    """

    def __init__(self, session: Any, parent: QWidget | None = None) -> None:
        super().__init__("Show &map", parent)
        describe(self, "show_map", "Shows the map of the answer as layers")
        self._session, self._viewer = session, session.viewer
        self._question = ""
        self._report: Report | None = None
        self._list_links = Connections(self)
        self._layer_links = Connections(self)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            self._list_links.add(event, self.refresh)
        self.clicked.connect(self._on_clicked)
        self.refresh()

    def show_question(self, question: str, report: Report | None) -> None:
        """Take the question that is selected, and the report that it is of."""
        self._question, self._report = question, report
        self.refresh()

    def refresh(self, *_: object) -> None:
        """Say whether there is a map, and whether the button shows or hides it."""
        self._layer_links.cut()
        layers = self._layers()
        for layer in layers:
            self._layer_links.add(layer.events.visible, self._on_visible)
        noun, tip = _WORDS.get(self._question, ("", ""))
        self._say(layers, noun)
        can = bool(layers) or self._can_be_made()
        # a number for each sample has no map
        self.setVisible(bool(tip) and (can or self._question in ("variance", "likelihood")))
        self.setEnabled(can)
        missing = "There is no such layer in the viewer; compare the runs again"
        self.setToolTip(tip if can else missing)

    def _can_be_made(self) -> bool:
        name, report = REPORT_MAPS.get(self._question), self._report
        return report is not None and any(one.name == name for one in report.figures.maps)

    def _layers(self) -> list[Any]:
        sha256 = None if self._report is None else self._report.teacher.image_sha256
        return map_layers(self._viewer.layers, self._question, sha256=sha256)

    def _say(self, layers: list[Any], noun: str) -> None:
        shown = bool(layers) and all(layer.visible for layer in layers)
        self.setText(f"{'Hide' if shown else 'Show'} &map of the {noun}" if noun else "Show &map")

    def _on_visible(self, *_: object) -> None:
        self._say(self._layers(), _WORDS.get(self._question, ("", ""))[0])

    def _on_clicked(self) -> None:
        layers = self._layers()
        if not layers:
            self._session.maps.show(self._question)
            return
        show = not all(layer.visible for layer in layers)
        for layer in layers:
            layer.visible = show
