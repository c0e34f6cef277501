"""Colours of the docks in the theme of the viewer; teacher grey, student blue, both readable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari.utils.theme import get_theme
from qtpy.QtCore import QObject, Signal

from napari_posterior.widgets.connections import Connections

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

__all__ = ["Palette", "ThemeFollower", "contrast", "palette_of", "readable"]

_LEAST: Final = 4.5  # contrast of words, WCAG 2.2, success criterion 1.4.3

_WISHES: Final = {
    "dark": {"teacher": "#9aa3af", "student": "#6ea8ff", "mark": "#e8b64a"},
    "light": {"teacher": "#6b7280", "student": "#1d63d8", "mark": "#8a5600"},
}


@dataclass(frozen=True)
class Palette:
    """Colours as ``"#rrggbb"``.

    Attributes
    ----------
    background, text : str
        Of the dock.
    soft : str
        Of words that matter less, and of axes.
    teacher, student : str
        Grey and blue, for lines, filled areas and words.
    mark : str
        Of what is expected, and of what to keep in mind.
    """

    background: str
    text: str
    soft: str
    teacher: str
    student: str
    mark: str


def palette_of(viewer: Any) -> Palette:
    """Return the colours that go with the theme of a viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    """
    theme = get_theme(viewer.theme)
    background, text = theme.background.as_hex("long"), theme.text.as_hex("long")
    colours = {
        name: readable(wish, background, _LEAST) for name, wish in _WISHES[str(theme.type)].items()
    }
    return Palette(
        background=background,
        text=text,
        soft=readable(_mix(text, background, 0.35), background, _LEAST),
        **colours,
    )


def contrast(colour: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21, after WCAG 2.2."""
    light, dark = sorted((_luminance(colour), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(colour: str, background: str, least: float) -> str:
    """Return a colour, moved towards white or black until it stands out from the background."""
    end = max(("#ffffff", "#000000"), key=lambda pole: contrast(pole, background))
    steps = 20
    for step in range(steps):
        found = _mix(colour, end, step / steps)
        if contrast(found, background) >= least:
            return found
    return end


class ThemeFollower(QObject):
    """Tells of a new palette whenever the viewer changes its theme.

    Parameters
    ----------
    viewer : napari.Viewer
        Or its proxy.
    parent : QWidget
        Ends with it.
    """

    changed = Signal(object)
    """The new `Palette`."""

    def __init__(self, viewer: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.palette = palette_of(viewer)
        self._connections = Connections(self)
        self._connections.add(viewer.events.theme, self._on_theme)

    def _on_theme(self, *_: object) -> None:
        self.palette = palette_of(self._viewer)
        self.changed.emit(self.palette)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    shares = [value / 255 for value in _channels(colour)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix(colour: str, other: str, share: float) -> str:
    mixed = (
        round((1 - share) * one + share * two)
        for one, two in zip(_channels(colour), _channels(other), strict=True)
    )
    return "#" + "".join(f"{value:02x}" for value in mixed)
