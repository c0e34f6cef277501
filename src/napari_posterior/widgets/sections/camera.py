"""Camera, PSF and background: estimated, told by the image, or entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QButtonGroup, QRadioButton, QWidget

from napari_posterior.physics.camera import Camera, Levels
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.session.problems import sentence_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import Folded, Rows, Words, column, describe
from napari_posterior.widgets.sections.acquisition import comes_from, pixel_size
from napari_posterior.widgets.sections.fields import NumberField

if TYPE_CHECKING:
    from napari_posterior.session.models import RestoreState

__all__ = ["CameraSection", "summary"]

_LEAST_GAIN = 0.001


def summary(
    state: RestoreState, *, pixel: tuple[float, str] | None = None, told: bool = False
) -> str:
    """Say in words what is known of camera, PSF and background.

    Parameters
    ----------
    state : RestoreState
        What is chosen.
    pixel : (float, str), optional
        Width of a pixel and its unit.
    told : bool
        Whether all of it comes from the image's metadata.
    """
    camera = state.camera
    words = []
    if camera is None:
        words.append("camera estimated from the image")
    else:
        gain, offset, read_noise = camera.typical
        maps = " (medians of maps)" if camera.maps else ""
        words.append(f"{gain:.4g} ADU/e-, {offset:.4g} ADU, {read_noise:.3g} e-{maps}")
    if state.psf_sigma is None:
        words.append("noise removed, no deblurring")
    else:
        words.append(f"PSF sigma {state.psf_sigma:.3g} px{_in_units(state.psf_sigma, pixel)}")
    if state.background:
        words.append(f"background {state.background:.3g} e-/px")
    if told:
        words.append("from the image's metadata")
    return sentence_of("; ".join(words))


class CameraSection(QWidget):
    """One line that says what is taken; unfolded, where it is entered.

    Parameters
    ----------
    state : RestoreState
        `camera`, `psf_sigma` and `background` are set here.
    """

    def __init__(self, state: RestoreState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._layer: Any = None
        self._given = Camera(1.0, 100.0, 1.5)
        self._sigma = 1.5
        self._build()
        self._levels = self._gain, self._offset, self._noise
        self._shown = self._entries()
        self._connections = Connections(self)
        for name in ("camera", "psf_sigma", "background"):
            self._connections.add(getattr(state.events, name), self._show)
        self._show()

    def show_layer(self, layer: Any) -> None:
        """Say what is known of this layer."""
        self._layer = layer
        self._show()

    def _build(self) -> None:
        self._estimated = QRadioButton("&Estimated from the image")
        describe(
            self._estimated,
            "camera_estimated",
            "Gain, offset and read noise are estimated from the grey levels when the run begins.",
        )
        self._entered = QRadioButton("&Given below")
        describe(self._entered, "camera_given", "Enter what is known of the camera.")
        self._gain = NumberField(_LEAST_GAIN, 1e5, unit="ADU/e-", step=0.1)
        describe(self._gain, "gain", "Grey levels for each photoelectron, in ADU/e-.")
        self._offset = NumberField(-1e6, 1e6, unit="ADU", step=10)
        describe(self._offset, "offset", "Grey level of a dark pixel, in ADU.")
        self._noise = NumberField(0, 1e4, unit="e-", step=0.1)
        describe(self._noise, "read_noise", "Standard deviation of the read noise, in e-.")
        self._sharp = QRadioButton("De&noise only")
        describe(
            self._sharp,
            "psf_none",
            f"Take the blur as that of the restored image, sigma {TARGET_SIGMA:g} px.",
        )
        self._blurred = QRadioButton("De&blur too")
        describe(
            self._blurred, "psf_given", f"Undo the blur beyond a sigma of {TARGET_SIGMA:g} px."
        )
        self._psf = NumberField(0, 100, unit="px", step=0.1)
        describe(
            self._psf,
            "psf_sigma",
            f"Sigma of the Gaussian PSF in camera pixels (px), {TARGET_SIGMA:g} px or more.",
        )
        self._units = Words()
        self._units.setObjectName("psf_units")
        self._background = NumberField(0, 1e6, unit="e-/px", step=1)
        describe(
            self._background,
            "background",
            "What the camera sees without any object, in photoelectrons per pixel (e-/px).",
        )
        by_camera, by_psf = QButtonGroup(self), QButtonGroup(self)
        for group, buttons in (
            (by_camera, (self._estimated, self._entered)),
            (by_psf, (self._sharp, self._blurred)),
        ):
            for button in buttons:
                group.addButton(button)
                button.clicked.connect(self._on_edited)
        for field in (self._gain, self._offset, self._noise, self._psf, self._background):
            field.valueChanged.connect(self._on_edited)

        rows = Rows()
        rows.add("Camera", self._estimated)
        rows.add_below(self._entered)
        rows.add("Gain", self._gain)
        rows.add("Offset", self._offset)
        rows.add("Read noise", self._noise)
        rows.add("PSF", self._sharp)
        rows.add_below(self._blurred)
        rows.add("Sigma", self._psf)
        rows.add_below(self._units)
        rows.add("Background", self._background)
        inside = QWidget()
        inside.setLayout(rows)
        self.fold = Folded("Camera and PSF", inside)
        describe(
            self.fold.toggleButton(), "camera_fold", "Show or hide what is known of the microscope."
        )
        self._words = Words()
        self._words.setObjectName("camera_words")
        layout = column(self, spacing=2)
        layout.addWidget(self.fold)
        layout.addWidget(self._words)

    def _on_edited(self, *_: object) -> None:
        """Take what was entered; the numbers are kept while they are not used."""
        state = self._state
        given, blurred = self._entered.isChecked(), self._blurred.isChecked()
        if given and self._entries() != self._shown:  # maps and intervals stay where they are
            gain, offset, read_noise = self._entries()
            self._given = Camera(gain, offset, read_noise)
        if blurred:
            self._sigma = self._psf.value()
        state.camera = self._given if given else None
        state.psf_sigma = self._sigma if blurred else None
        state.background = self._background.value()
        self._show()

    def _entries(self) -> Levels:
        return Levels(*(field.value() for field in self._levels))

    def _show(self, *_: object) -> None:
        state = self._state
        given, blurred = state.camera is not None, state.psf_sigma is not None
        self._given = state.camera or self._given
        self._sigma = self._sigma if state.psf_sigma is None else state.psf_sigma
        (self._entered if given else self._estimated).setChecked(True)
        (self._blurred if blurred else self._sharp).setChecked(True)
        for field, value in zip(self._levels, self._given.typical, strict=True):
            field.show_value(value)
        self._shown = self._entries()
        self._psf.show_value(self._sigma)
        self._background.show_value(state.background)
        for field in self._levels:
            field.setEnabled(given)
        self._psf.setEnabled(blurred)
        pixel = pixel_size(self._layer)
        self._units.say(f"= {self._sigma * pixel[0]:.3g} {pixel[1]}" if blurred and pixel else "")
        self._words.say(summary(state, pixel=pixel, told=comes_from(self._layer, state)))


def _in_units(sigma: float, pixel: tuple[float, str] | None) -> str:
    return "" if pixel is None else f" ({sigma * pixel[0]:.3g} {pixel[1]})"
