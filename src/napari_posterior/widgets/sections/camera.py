"""Camera, PSF and background: estimated, told by the image, or entered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QButtonGroup, QRadioButton, QWidget

from napari_posterior.physics.camera import Camera, Levels
from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.psf_choice import sampled_words, sigma_of
from napari_posterior.widgets.connections import Connections
from napari_posterior.widgets.parts import (
    Folded,
    Notice,
    Rows,
    Words,
    column,
    describe,
    side_by_side,
)
from napari_posterior.widgets.sections.acquisition import comes_from, pixel_size, told_parts
from napari_posterior.widgets.sections.fields import NumberField
from napari_posterior.widgets.sections.finding import FindingRow

if TYPE_CHECKING:
    from collections.abc import Collection

    from napari_posterior.physics.psf import Psf
    from napari_posterior.session.acquisition import Acquisition, Part
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.models import RestoreState

__all__ = ["CameraSection", "summary"]

_LEAST_GAIN = 0.001


def summary(
    state: RestoreState,
    acquisition: Acquisition | None = None,
    *,
    pixel: tuple[float, str] | None = None,
    told: bool = False,
    parts: Collection[str] = (),
) -> str:
    """Say in words what is known of camera, PSF and background.

    Parameters
    ----------
    state : RestoreState
        What is chosen.
    acquisition : Acquisition, optional
        Tells where the numbers come from.
    pixel : (float, str), optional
        Width of a pixel and its unit.
    told : bool
        Whether all of it comes from the image's metadata.
    parts : collection of str
        Which of ``"camera"`` and ``"psf"`` do, where not all of it does.
    """
    camera = state.camera
    words = []
    if camera is None:
        words.append("camera estimated from the image")
    else:
        origin = "" if told else _origin(acquisition, "camera", parts)
        words.append(f"{_camera_words(camera)}{origin}")
    sigma = sigma_of(state.psf)
    if sigma is None:
        words.append("noise removed, no deblurring")
    else:
        spread = "" if acquisition is None else _spread(acquisition.interval("psf"))
        origin = "" if told else _origin(acquisition, "psf", parts)
        kind = sampled_words(state.psf) or f"sigma {sigma:.3g} px"
        words.append(f"PSF {kind}{spread}{_in_units(sigma, pixel)}{origin}")
    if state.background:
        words.append(f"background {state.background:.3g} e-/px")
    if told:
        words.append("from the image's metadata")
    return sentence_of("; ".join(words))


class CameraSection(QWidget):
    """One line that says what is taken; unfolded, where it is entered.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy; its layers may hold the maps of a camera.
    state : RestoreState
        `camera`, `psf` and `background` are set here.
    controller : Controller
        Finds the numbers.
    """

    def __init__(
        self,
        viewer: Any,
        state: RestoreState,
        controller: Controller,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._state = state
        self._acquisition = controller.acquisition
        self._layer: Any = None
        self._given = Camera(1.0, 100.0, 1.5)
        self._chosen: Psf | float = 1.5
        self._finding = FindingRow(viewer, state, controller)
        self._build()
        self._levels = self._gain, self._offset, self._noise
        self._shown, self._shown_sigma = self._entries(), self._psf.value()
        self._connections = Connections(self)
        for name in ("camera", "psf", "background"):
            self._connections.add(getattr(state.events, name), self._show)
        self._connections.add(state.events.outlook, self._show_outlook)
        self._connections.add(self._acquisition.changed, self._show)
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
            f"Sigma of the Gaussian PSF in camera pixels (px), {TARGET_SIGMA:g} px or more. A "
            "number that is entered takes the place of a sampled PSF.",
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
        given = QWidget()
        given.setLayout(side_by_side(self._entered, self._finding.source, stretch=(1,)))
        rows.add_below(given)
        rows.add("Gain", self._gain, self._finding.camera)
        rows.add("Offset", self._offset)
        rows.add("Read noise", self._noise)
        rows.add("PSF", self._sharp)
        blurred = QWidget()
        blurred.setLayout(side_by_side(self._blurred, self._finding.psf_source, stretch=(1,)))
        rows.add_below(blurred)
        rows.add("Sigma", self._psf, self._finding.psf)
        rows.add_below(self._units)
        rows.add("Background", self._background)
        rows.add_wide(self._finding)
        inside = QWidget()
        inside.setLayout(rows)
        self.fold = Folded("Camera and PSF", inside)
        describe(
            self.fold.toggleButton(), "camera_fold", "Show or hide what is known of the microscope."
        )
        self._words = Words()
        self._words.setObjectName("camera_words")
        layout = column(self, spacing=2)
        self._outlook = Notice()
        self._outlook.setObjectName("outlook")
        layout.addWidget(self.fold)
        layout.addWidget(self._words)
        layout.addWidget(self._outlook)

    def _on_edited(self, *_: object) -> None:
        """Take what was entered; the numbers are kept while they are not used."""
        state = self._state
        given, blurred = self._entered.isChecked(), self._blurred.isChecked()
        if given and self._entries() != self._shown:  # maps and intervals stay where they are
            gain, offset, read_noise = self._entries()
            self._given = Camera(gain, offset, read_noise)
        if blurred and self._psf.value() != self._shown_sigma:  # a sampled PSF stays as it is
            self._chosen = self._psf.value()
        state.camera = self._given if given else None
        state.psf = self._chosen if blurred else None
        state.background = self._background.value()
        self._show()

    def _entries(self) -> Levels:
        return Levels(*(field.value() for field in self._levels))

    def _show(self, *_: object) -> None:
        state = self._state
        given, blurred = state.camera is not None, state.psf is not None
        self._given = state.camera or self._given
        self._chosen = self._chosen if state.psf is None else state.psf
        sigma = sigma_of(self._chosen)
        (self._entered if given else self._estimated).setChecked(True)
        (self._blurred if blurred else self._sharp).setChecked(True)
        for field, value in zip(self._levels, self._given.typical, strict=True):
            field.show_value(value)
        self._shown = self._entries()
        self._psf.show_value(sigma)
        self._shown_sigma = self._psf.value()
        self._background.show_value(state.background)
        for field in self._levels:
            field.setEnabled(given)
        self._psf.setEnabled(blurred)
        pixel = pixel_size(self._layer)
        self._units.say(_about_width(self._chosen, pixel) if blurred else "")
        told = comes_from(self._layer, state)
        parts = told_parts(self._layer, state)
        self._words.say(summary(state, self._acquisition, pixel=pixel, told=told, parts=parts))
        self._show_outlook()

    def _show_outlook(self, *_: object) -> None:
        self._outlook.say("\n! ".join(self._state.outlook))


def _camera_words(camera: Camera) -> str:
    """Say the numbers of a camera with their 95 % intervals, where these are known."""
    gain, offset, read_noise = camera.typical
    told = (
        f"{gain:.4g} ADU/e-{_spread(camera.gain_interval)}",
        f"{offset:.4g} ADU{_spread(camera.offset_interval)}",
        f"{read_noise:.3g} e-{_spread(camera.read_noise_interval)}",
    )
    return f"{', '.join(told)}{' (medians of maps)' if camera.maps else ''}"


def _about_width(chosen: Psf | float, pixel: tuple[float, str] | None) -> str:
    """Say what the number of the field is: in the unit of the image, of which PSF."""
    sigma, kind = sigma_of(chosen) or 0.0, sampled_words(chosen)
    size = f"= {sigma * pixel[0]:.3g} {pixel[1]}" if pixel else ""
    return f"{kind[:1].upper()}{kind[1:]} {size}".strip()


def _spread(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.3g}-{interval[1]:.3g})"


def _origin(acquisition: Acquisition | None, part: Part, parts: Collection[str]) -> str:
    """Say where a number comes from; one that nobody found was typed."""
    if part in parts:
        return ", from the image's metadata"
    found = "" if acquisition is None else acquisition.origin(part)
    return f", {found or 'typed'}"


def _in_units(sigma: float, pixel: tuple[float, str] | None) -> str:
    return "" if pixel is None else f" ({sigma * pixel[0]:.3g} {pixel[1]})"
