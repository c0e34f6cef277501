"""Buttons that find the numbers of camera and PSF, and what came of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.layers import Image
from qtpy.QtWidgets import QFileDialog, QMenu, QProgressBar, QPushButton, QWidget

from napari_posterior.errors import PosteriorError
from napari_posterior.layers.into import LayerPart
from napari_posterior.layers.names import quantity_of
from napari_posterior.layers.thread import unwrapped
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Notice, Words, column, describe, side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RestoreState

__all__ = ["FindingRow"]

_CAMERAS: Final = "Cameras (*.json *.tif *.tiff *.npy)"
_IMAGES: Final = "Images (*.tif *.tiff *.npy)"


class FindingRow(QWidget):
    """How far an estimate is, what it says of itself, and the way back.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    state : RestoreState
        What is chosen.
    controller : Controller
        What the buttons call.

    Attributes
    ----------
    camera, psf : QPushButton
        *Estimate* beside the gain and beside the PSF; to be placed by who shows the numbers.
    source, psf_source : QPushButton
        *From...* of both.
    """

    def __init__(
        self,
        viewer: Any,
        state: RestoreState,
        controller: Controller,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._state = viewer, state
        self._acquisition = controller.acquisition
        self._build()
        self._connections = Connections(self)
        self._connections.add(self._acquisition.changed, self._show)
        for name in ("image", "camera", "psf"):
            self._connections.add(getattr(state.events, name), self._show)
        self._show()

    def _build(self) -> None:
        self.camera = QPushButton("Estimate")
        describe(
            self.camera,
            "estimate_camera",
            "Estimate gain (ADU/e-), offset (ADU) and read noise (e-) from the noise of the image.",
            spoken="Estimate the camera",
        )
        self.psf = QPushButton("Estimate")
        describe(
            self.psf,
            "estimate_psf",
            "Estimate the PSF sigma (px) from the small spots of the image.",
            spoken="Estimate the PSF",
        )
        self.source = QPushButton("From...")
        describe(
            self.source,
            "camera_source",
            "Take the camera from a file (numbers as JSON, three maps as TIFF or NPY) or from a "
            "layer of three maps: gain (ADU/e-), offset (ADU), read variance (ADU^2).",
            spoken="Camera from a file or layer",
        )
        self._menu = QMenu(self.source)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.source.setMenu(self._menu)
        self.psf_source = QPushButton("From...")
        describe(
            self.psf_source,
            "psf_source",
            "Take the PSF from a file (TIFF or NPY) or a layer: the image of one point, or the "
            "mean of beads, on the pixels of the image.",
            spoken="PSF from a file or layer",
        )
        self._psf_menu = QMenu(self.psf_source)
        self._psf_menu.aboutToShow.connect(self._fill_psf_menu)
        self.psf_source.setMenu(self._psf_menu)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        describe(self._bar, "estimate_bar", "An estimate is being made.", spoken="Estimating")
        self._stop = QPushButton("Stop")
        describe(self._stop, "estimate_stop", "Give the estimate up; the numbers stay as they are.")
        self._notes = Words()
        self._notes.setObjectName("estimate_notes")
        self._fault = Notice()
        self._fault.setObjectName("estimate_fault")
        self._back = QPushButton("Back to the numbers before")
        describe(
            self._back, "estimate_undo", "Take the numbers that were set before the last estimate."
        )
        layout = column(self)
        layout.addLayout(side_by_side(self._bar, self._stop, stretch=(1,)))
        for widget in (self._notes, self._fault, self._back):
            layout.addWidget(widget)
        self.camera.clicked.connect(self._asker(self._acquisition.estimate_camera))
        self.psf.clicked.connect(self._asker(self._acquisition.estimate_psf))
        self._stop.clicked.connect(self._on_stop)
        self._back.clicked.connect(self._on_back)

    def open_file(self) -> None:
        """Ask for a file that holds a camera."""
        path, _ = QFileDialog.getOpenFileName(self, "Open a camera", filter=_CAMERAS)
        if path:
            self.take_file(path)

    def take_file(self, path: str) -> None:
        """Read a camera from a file."""
        name = Path(path).name
        self._ask(partial(self._acquisition.read_camera, path, name=name))

    def take_layer(self, layer: Any) -> None:
        """Take a layer of three planes as the maps of a camera."""
        self._ask(partial(self._acquisition.read_camera, layer.data, name=str(layer.name)))

    def open_psf_file(self, *, beads: bool = False) -> None:
        """Ask for a file with the image of one point, or of beads."""
        title = "Open an image of beads" if beads else "Open the image of one point"
        path, _ = QFileDialog.getOpenFileName(self, title, filter=_IMAGES)
        if path:
            self.take_psf_file(path, beads=beads)

    def take_psf_file(self, path: str, *, beads: bool = False) -> None:
        """Read the PSF from a file."""
        name = Path(path).name
        self._ask(partial(self._acquisition.read_psf, path, name=name, beads=beads))

    def take_psf_layer(self, layer: Any, *, beads: bool = False) -> None:
        """Take the PSF from a layer."""

        def start() -> object:
            read = LayerPart.of(unwrapped(layer)).read
            return self._acquisition.read_psf(read, name=str(layer.name), beads=beads)

        self._ask(start)

    def _fill_menu(self) -> None:
        self._menu.clear()
        self._menu.addAction("A file...", self.open_file)
        for layer in self._images():
            if _is_maps(layer.data):
                self._menu.addAction(f"Layer {layer.name}", partial(self.take_layer, layer))

    def _fill_psf_menu(self) -> None:
        self._psf_menu.clear()
        beads = QMenu("Mean of the beads in", self._psf_menu)
        for menu, averaged in ((self._psf_menu, False), (beads, True)):
            menu.addAction("A file...", partial(self.open_psf_file, beads=averaged))
            for layer in self._images():
                if quantity_of(layer) is None:  # what a run made is no acquisition
                    take = partial(self.take_psf_layer, layer, beads=averaged)
                    menu.addAction(f"Layer {layer.name}", take)
        self._psf_menu.addMenu(beads)

    def _images(self) -> list[Any]:
        return [one for one in self._viewer.layers if isinstance(one, Image) and not one.rgb]

    def _asker(self, start: Callable[[], object]) -> Callable[..., None]:
        def ask(*_: object) -> None:
            self._ask(start)

        return ask

    def _ask(self, start: Callable[[], object]) -> None:
        try:
            start()
        except PosteriorError as error:
            self._fault.say(sentence_of(str(error)))

    def _on_stop(self) -> None:
        if (job := self._acquisition.job) is not None:
            job.cancel()

    def _on_back(self) -> None:
        self._acquisition.undo()

    def _show(self, *_: object) -> None:
        found = self._acquisition
        job, image = found.job, self._state.image
        able = job is None and image is not None and not image.problem
        self.camera.setEnabled(able)
        self.psf.setEnabled(able)
        self.source.setEnabled(job is None)
        self.psf_source.setEnabled(job is None)
        self._bar.setVisible(job is not None)
        self._stop.setVisible(job is not None)
        self._notes.say(" ".join(found.notes))
        self._fault.say(sentence_of(found.problem))
        self._back.setVisible(found.can_undo)


def _is_maps(data: Any) -> bool:
    shape: tuple[int, ...] = tuple(getattr(data, "shape", ()))
    return len(shape) == 3 and shape[0] == 3
