"""The inspector: what the samples of teacher and student say of one pixel or one punctum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtWidgets import QPushButton, QScrollArea, QWidget

from napari_posterior.layers.inspect import (
    CanvasClicks,
    CanvasKey,
    CanvasMark,
    grid_of,
    image_of_layer,
    pixel_at,
    regions_at,
)
from napari_posterior.layers.thread import unwrapped
from napari_posterior.session.punctum import PunctumReading
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.inspector_parts import PixelView, PunctumView, RegionView
from napari_posterior.widgets.parts import Heading, Notice, Words, column, describe, side_by_side
from napari_posterior.widgets.plots.source import edited_layers
from napari_posterior.widgets.theme import ThemeFollower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QKeyEvent

    from napari_posterior.session.pixels import PixelReading
    from napari_posterior.widgets.session import Session
    from napari_posterior.widgets.theme import Palette

__all__ = ["InspectorPanel"]

_LAYOUT_MS: Final = 30
"""After which the panel has its place in the dock."""

_NO_MARK: Final = (
    "Its place is not marked while layers are shown as a grid; leave the grid to see it."
)

_STEPS: Final = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Down: 1,
}


class InspectorPanel(QWidget):
    """Shows what is known of the pixel or punctum that was clicked in the canvas.

    It is hidden until something is inspected. What that is belongs to the session
    (``controller.inspecting``), so that a second panel shows the same. Clicks count while the
    widget that the panel is in can be seen. Arrow keys go from punctum to punctum, by decreasing
    difference of their probabilities; Escape closes.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    session : Session
        Of the viewer.
    """

    def __init__(self, viewer: Any, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._viewer = viewer
        self._session = session
        self._inspecting = session.controller.inspecting
        self._by_step = False
        self._unseen = False
        self._scroller = QTimer(self)
        self._scroller.setSingleShot(True)
        self._scroller.setInterval(_LAYOUT_MS)
        self._scroller.timeout.connect(self._bring_into_sight)
        self._build()
        self._mark = CanvasMark(viewer)
        self._clicks = CanvasClicks(viewer, self._on_click)
        self._escape = CanvasKey(viewer, "Escape", self._on_close)
        self.destroyed.connect(self._clicks.stop)
        self.destroyed.connect(self._escape.stop)
        self._connections = Connections(self)
        events = self._inspecting.state.events
        for signal in (events.reading, events.region, events.reading_now, events.problem):
            self._connections.add(signal, self._on_state)
        self._connections.add(grid_of(unwrapped(viewer)).events.enabled, self._on_grid)
        follower = ThemeFollower(viewer, self)
        follower.changed.connect(self.set_palette)
        self.set_palette(follower.palette)
        self.hide()
        self._show_state()

    def refresh(self) -> None:
        """Take in a new comparison: what is inspected is read again."""
        self._inspecting.refresh()

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self._pixel.set_palette(palette)
        self._punctum.set_palette(palette)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Step by the arrow keys, close by Escape."""
        if event is None:
            return
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self._on_close()
        elif key in _STEPS and isinstance(self._inspecting.state.reading, PunctumReading):
            self._step(_STEPS[key])
        else:
            event.ignore()

    def _build(self) -> None:
        self._title = Heading("", self)
        self._title.setObjectName("inspector_title")
        self._back, self._next = QPushButton("◀", self), QPushButton("▶", self)
        describe(
            self._back,
            "inspector_back",
            "The punctum with the next larger difference between teacher and student (left arrow).",
            spoken="Back",
        )
        describe(
            self._next,
            "inspector_next",
            "The punctum with the next smaller difference between teacher and student "
            "(right arrow).",
            spoken="Next",
        )
        self._to_pixel = QPushButton("Pixel", self)
        describe(
            self._to_pixel,
            "inspector_pixel",
            "What the samples show at the pixel in the middle of this punctum, in photoelectrons "
            "per pixel.",
        )
        self._close = QPushButton("Close", self)
        describe(self._close, "inspector_close", "Close the inspector (Escape).")
        for button in (self._back, self._next, self._to_pixel, self._close):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._place, self._fault = Words("", self), Notice(self)
        self._unmarked = Words("", self)
        self._unmarked.setObjectName("inspector_unmarked")
        self._place.setObjectName("inspector_place")
        self._fault.setObjectName("inspector_fault")
        self._pixel, self._punctum = PixelView(self), PunctumView(self)
        self._punctum.asked_for_sample.connect(self._on_sample)
        self._region = RegionView(self)
        lines = column(self, spacing=6)
        lines.addLayout(
            side_by_side(
                self._title, self._back, self._next, self._to_pixel, self._close, stretch=(1,)
            )
        )
        parts = (
            self._place, self._unmarked, self._fault, self._region, self._punctum, self._pixel
        )  # fmt: skip
        for part in parts:
            lines.addWidget(part)
        self._back.clicked.connect(self._on_back)
        self._next.clicked.connect(self._on_next)
        self._to_pixel.clicked.connect(self._on_pixel)
        self._close.clicked.connect(self._on_close)

    def _on_state(self, *_: object) -> None:
        self._show_state()

    def _show_state(self) -> None:
        state = self._inspecting.state
        reading = state.reading
        of_punctum = isinstance(reading, PunctumReading)
        shown = reading is not None or state.reading_now or bool(state.problem)
        self._unseen |= shown and self.isHidden()
        self.setVisible(shown)
        for button in (self._back, self._next, self._to_pixel):
            button.setVisible(of_punctum)
        self._fault.say(state.problem)
        self._region.show_reading(state.region, note=self._about_regions())
        self._punctum.setVisible(of_punctum)
        self._pixel.setVisible(reading is not None and not of_punctum)
        if reading is None:
            self._title.setText("Inspector")
            self._place.say("Reading the samples..." if state.reading_now else "")
            self._mark.hide()
            self._unmarked.say("")
            self._escape.want(False)
            return
        if isinstance(reading, PunctumReading):
            self._title.setText(f"Punctum {reading.number}")
            rank = f"{reading.rank + 1} of {reading.total} by difference"
            self._place.say(f"{rank}; {reading.place}")
        else:
            self._title.setText("Pixel")
            self._place.say(reading.place)
        if not state.reading_now:
            self._take(reading)

    def _take(self, reading: PixelReading | PunctumReading) -> None:
        """Show numbers and pictures of an answer, and where it is."""
        if isinstance(reading, PunctumReading):
            self._punctum.show_reading(reading)
        else:
            self._pixel.show_reading(reading)
        self._mark_place(reading)
        self._escape.want(True)
        if isinstance(reading, PunctumReading) and self.isVisible():
            self.setFocus(Qt.FocusReason.OtherFocusReason)  # for the arrow keys
        if self._unseen:
            self._unseen = False
            self._scroller.start()

    def _mark_place(self, reading: PixelReading | PunctumReading) -> None:
        entries = self._inspecting.runs(reading.sha256)
        run = next((one.run for one in entries if one is not None), None)
        if run is None:
            return
        geometry, name = run.geometry, run.request.image.name
        radius = reading.radius if isinstance(reading, PunctumReading) else None
        place = reading.centre if isinstance(reading, PunctumReading) else reading.index
        self._mark.show(name, place, geometry, radius=radius)
        self._unmarked.say("" if self._mark.layer is not None else _NO_MARK)
        if self._by_step:
            self._by_step = False
            self._mark.bring_into_sight(place, geometry)

    def _on_grid(self, *_: object) -> None:
        """Set the mark anew: in grid mode it would be given a cell of its own."""
        reading = self._inspecting.state.reading
        if reading is not None:
            self._mark_place(reading)

    def _about_regions(self) -> str:
        """Say so where the regions were edited since they were compared."""
        return "\n".join(
            f"{one.name} was edited since: this is on what it was before; compare again."
            for one in edited_layers(self._session.state.compare)
        )

    def _bring_into_sight(self) -> None:
        """Scroll to the panel where it does not lie in what the dock shows."""
        area = self.parentWidget()
        while area is not None and not isinstance(area, QScrollArea):
            area = area.parentWidget()
        bar = None if area is None else area.verticalScrollBar()
        inside = None if area is None else area.widget()
        port = None if area is None else area.viewport()
        if bar is None or inside is None or port is None or self.isHidden():
            return
        top = self.mapTo(inside, QPoint(0, 0)).y()
        if top < bar.value() or top + self.height() > bar.value() + port.height():
            bar.setValue(top)

    @property
    def _sha256(self) -> str | None:
        """The image of the layer that is selected, where it is one of a run."""
        return image_of_layer(self._viewer.layers.selection.active)

    def _on_click(self, position: Sequence[float]) -> None:
        host = self.parentWidget()
        if host is not None and not host.isVisible():
            return
        sha256 = self._sha256
        found = self._inspecting.geometry(sha256)
        if found is None:
            return
        place = pixel_at(self._viewer, position, *found)
        if place is not None:
            self._unseen = True
            declared = self._session.state.compare.declared
            chosen = None if declared is None else declared.regions
            key = None if chosen is None else chosen.key
            regions = regions_at(unwrapped(self._viewer), position, among=key)
            self._inspecting.look_at(place, sha256=sha256, regions=regions)

    def _step(self, by: int) -> None:
        self._by_step = True
        self._inspecting.step(by)

    def _on_back(self) -> None:
        self._step(-1)

    def _on_next(self) -> None:
        self._step(1)

    def _on_pixel(self) -> None:
        reading = self._inspecting.state.reading
        if reading is not None:
            self._inspecting.look_at_pixel(reading.index, sha256=reading.sha256)

    def _on_close(self, *_: object) -> None:
        self._inspecting.close()

    def _on_sample(self, role: str, number: int) -> None:
        """Move the slider to a sample that was clicked, wherever it stands now."""
        compared = self._session.state.compare.compared
        if compared is not None:
            entry = compared[0] if role == "teacher" else compared[1]
            self._session.views.show_drawn(entry, number - 1)
