"""What the inspector shows of a pixel, of a punctum and of a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from napari_posterior.checks.finding import number
from napari_posterior.layers.colours import sample_colormap
from napari_posterior.layers.inspect import MARK_COLOUR
from napari_posterior.widgets.parts import Heading, Notice, Rows, Words, column, describe
from napari_posterior.widgets.plots.histogram import HistogramPlot
from napari_posterior.widgets.plots.pair import Pair, Series

if TYPE_CHECKING:
    from napari_posterior.session.inspecting import RegionReading
    from napari_posterior.session.pixels import Marginal, PixelReading
    from napari_posterior.session.punctum import PunctumReading, Shown
    from napari_posterior.widgets.theme import Palette

__all__ = ["PixelView", "PunctumView", "RegionView", "Thumbnail", "pair_of_light", "pair_of_pixel"]

_SIDE: Final = 72  # px of the screen
_ROLES: Final = ("teacher", "student")
_RING: Final = 3.2  # of a thumbnail, in pixels of the image


@dataclass(frozen=True, eq=False)
class _PixelPair(Pair):
    """Densities at one pixel, with the measurement there."""

    words_of: tuple[str, str] = ("", "")
    measured: str = ""

    @property
    def axis(self) -> str:
        """Words for the axis: the unit."""
        return self.unit

    def words(self, role: str) -> str:
        """Return a line of the legend, with mean, SD and interval."""
        return self.words_of[0 if role == "teacher" else 1]

    @property
    def expectation(self) -> str:
        """The line of the legend for the measurement."""
        return f"measured: {self.measured}"


@dataclass(frozen=True, eq=False)
class _LightPair(Pair):
    """Light of a punctum over the samples that show it."""

    @property
    def axis(self) -> str:
        """Words for the axis."""
        return "light of the punctum (photoelectrons)"

    def words(self, role: str) -> str:
        """Return a line of the legend."""
        series = self.teacher if role == "teacher" else self.student
        values = series.finite
        if not len(values):
            return f"{series.name}: no sample shows it"
        told = f"{series.name}: mean ▼ {number(float(values.mean()))}"
        if len(values) > 1:
            told += f", SD {number(float(values.std(ddof=1)), 2)}"
        return f"{told} photoelectrons in {len(values)} samples"


def pair_of_pixel(reading: PixelReading) -> Pair:
    """Return what a plot shows of a pixel."""
    teacher, student = (
        Series(role) if one is None else Series(one.name, one.values)
        for role, one in zip(_ROLES, (reading.teacher, reading.student), strict=True)
    )
    return _PixelPair(
        "pixel",
        "light of the pixel",
        "photoelectrons/px",
        teacher,
        student,
        expected=reading.electrons,
        words_of=(_told(reading.teacher), _told(reading.student)),
        measured=reading.measured,
    )


def pair_of_light(reading: PunctumReading) -> Pair:
    """Return what a plot shows of the light of a punctum."""
    return _LightPair(
        "punctum",
        "light of the punctum",
        "photoelectrons",
        Series(reading.teacher.name, reading.teacher.light),
        Series(reading.student.name, reading.student.light),
    )


class PixelView(QWidget):
    """The densities of the samples at a pixel, and the measurement there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector_pixel_view")
        self.plot = HistogramPlot("pixel_histogram")
        column(self).addWidget(self.plot.widget)

    def show_reading(self, reading: PixelReading) -> None:
        """Show another pixel."""
        self.plot.show(pair_of_pixel(reading))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self.plot.set_palette(palette)


class PunctumView(QWidget):
    """What became of a punctum: words, probabilities, pictures, light."""

    asked_for_sample = Signal(str, int)
    """Role of the run and place of the sample in it, from 1."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector_punctum_view")
        self._verdict = Words("", self)
        self._verdict.setObjectName("punctum_verdict")
        font = self._verdict.font()
        font.setBold(True)
        self._verdict.setFont(font)
        self._probabilities: dict[str, Words] = {}
        rows = Rows()
        for name, tip in (
            ("teacher", "Share of the teacher's samples that show it, with its Wilson interval."),
            ("student", "Share of the student's samples that show it, with its Wilson interval."),
            ("difference", "Student minus teacher, with Newcombe's interval."),
        ):
            words = Words("", self)
            describe(words, f"punctum_{name}", tip, spoken=name.capitalize())
            rows.add(name.capitalize(), words)
            self._probabilities[name] = words
        self._intervals = Words("", self)
        self._intervals.setObjectName("punctum_intervals")
        self._pictures = _Pictures(self)
        self._pictures.asked_for_sample.connect(self.asked_for_sample)
        self.plot = HistogramPlot("light_histogram")
        lines = column(self, spacing=6)
        lines.addWidget(self._verdict)
        lines.addLayout(rows)
        lines.addWidget(self._intervals)
        lines.addWidget(self._pictures)
        lines.addWidget(self.plot.widget)

    def show_reading(self, reading: PunctumReading) -> None:
        """Show another punctum."""
        verdict = reading.verdict
        self._verdict.say(verdict[:1].upper() + verdict[1:])
        self._probabilities["teacher"].say(reading.teacher.words)
        self._probabilities["student"].say(reading.student.words)
        self._probabilities["difference"].say(reading.change)
        self._intervals.say(reading.levels)
        self._pictures.show_reading(reading)
        self.plot.show(pair_of_light(reading))

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        self.plot.set_palette(palette)
        self._pictures.set_palette(palette)
        self._intervals.setStyleSheet(f"color: {palette.soft};")


class Thumbnail(QPushButton):
    """A small picture of a sample around a punctum; a click moves the slider to the sample."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        describe(self, name, "A sample around the punctum.", spoken="Sample")
        self.setFixedSize(_SIDE + 4, _SIDE + 4)
        self.setIconSize(QSize(_SIDE, _SIDE))
        self.setStyleSheet("QPushButton { padding: 0px; }")
        self.pixels = np.zeros((0, 0), np.float32)
        self.number = 0

    def show_picture(
        self,
        number: int,
        pixels: np.ndarray,
        *,
        limits: tuple[float, float],
        role: str,
        ring: str,
        words: str,
    ) -> None:
        """Show the pixels of a sample, with a ring around the middle.

        Parameters
        ----------
        number : int
            Of the sample, from 1.
        pixels : ndarray, (H, W) float32
            Photoelectrons per pixel.
        limits : tuple of float
            Contrast limits.
        role : str
            Whose colours it has.
        ring : str
            Colour of the ring.
        words : str
            Whether the sample shows the punctum, for the tooltip.
        """
        self.number, self.pixels = number, pixels
        low, high = limits
        scaled = np.clip((pixels - low) / (high - low), 0, 1)
        colours = sample_colormap(role).map(scaled.ravel()).reshape(*pixels.shape, 4)
        bytes_of = (255 * colours).astype(np.uint8).tobytes()  # kept: a QImage does not copy them
        height, width = pixels.shape
        image = QImage(bytes_of, width, height, 4 * width, QImage.Format.Format_RGBA8888)
        mode = Qt.TransformationMode.FastTransformation
        picture = QPixmap.fromImage(image).scaled(
            _SIDE, _SIDE, Qt.AspectRatioMode.KeepAspectRatio, mode
        )
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(ring), 1.5))
        middle, radius = _SIDE / 2 + _SIDE / width / 2, _RING * _SIDE / width
        painter.drawEllipse(
            int(middle - radius), int(middle - radius), round(2 * radius), round(2 * radius)
        )
        painter.end()
        self.setIcon(QIcon(picture))
        tip = f"Sample {number} of the {role}: {words}. Click to move the slider there."
        self.setToolTip(tip)
        self.setAccessibleDescription(tip)
        self.setAccessibleName(f"Sample {number}, {words}")


class _Pictures(QWidget):
    """Samples of both runs with and without a punctum, with one contrast."""

    asked_for_sample = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(2)
        self._cells: dict[tuple[str, bool], list[Thumbnail]] = {}
        self._none: dict[tuple[str, bool], QLabel] = {}
        self._heads: dict[tuple[str, bool], QLabel] = {}
        for row, role in enumerate(_ROLES):
            for side, there in enumerate((True, False)):
                word = "with it" if there else "without it"
                head = QLabel(f"{role.capitalize()}, {word}", self)
                grid.addWidget(head, 2 * row, 2 * side, 1, 2)
                key = role, there
                none = QLabel("none", self)
                none.setObjectName(f"none_{role}_{'with' if there else 'without'}")
                none.setMinimumHeight(_SIDE + 4)
                grid.addWidget(none, 2 * row + 1, 2 * side, 1, 2)
                self._heads[key], self._none[key], self._cells[key] = head, none, []
                for place in range(2):
                    name = f"picture_{role}_{'with' if there else 'without'}_{place + 1}"
                    picture = Thumbnail(name, self)
                    picture.clicked.connect(self._on_clicked)
                    grid.addWidget(picture, 2 * row + 1, 2 * side + place)
                    self._cells[key].append(picture)
        grid.setColumnStretch(4, 1)

    def show_reading(self, reading: PunctumReading) -> None:
        """Show the pictures of another punctum."""
        for role in _ROLES:
            shown: Shown = getattr(reading, role)
            for there in (True, False):
                pictures = shown.pictures_with if there else shown.pictures_without
                key, words = (role, there), "with it" if there else "without it"
                self._none[key].setVisible(not pictures)
                for place, cell in enumerate(self._cells[key]):
                    cell.setVisible(place < len(pictures))
                    if place < len(pictures):
                        sample, pixels = pictures[place]
                        cell.show_picture(
                            sample,
                            pixels,
                            limits=reading.limits,
                            role=role,
                            ring=MARK_COLOUR,
                            words=words,
                        )

    def set_palette(self, palette: Palette) -> None:
        """Take the colours of the viewer's theme."""
        for none in self._none.values():
            none.setStyleSheet(f"color: {palette.soft};")

    def _on_clicked(self) -> None:
        sender: Any = self.sender()
        for (role, _), cells in self._cells.items():
            if sender in cells:
                self.asked_for_sample.emit(role, sender.number)


class RegionView(QWidget):
    """What a report says of the region that was clicked into."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector_region")
        self._title, self._lines = Heading("", self), Words("", self)
        self._title.setObjectName("region_title")
        self._lines.setObjectName("region_lines")
        self._note = Notice(self)
        self._note.setObjectName("region_note")
        lines = column(self)
        lines.addWidget(self._title)
        lines.addWidget(self._note)
        lines.addWidget(self._lines)

    def show_reading(self, reading: RegionReading | None, *, note: str = "") -> None:
        """Show another region, with a note on all regions; nothing for None."""
        self.setVisible(reading is not None)
        if reading is not None:
            self._title.setText(f"Region {reading.name}")
            self._note.say(note)
            self._lines.say("\n\n".join(reading.lines))


def _told(one: Marginal | None) -> str:
    """Return the line of a run in the legend of a pixel; empty where there is no run."""
    if one is None:
        return ""
    told = f"{one.name}: K = {len(one.values)}, mean ▼ {number(one.mean)}"
    if one.sd is not None and one.interval is not None:
        low, high = (number(end) for end in one.interval)
        told += f", SD {number(one.sd, 2)}; 90 % of them {low} to {high}"
    return f"{told} photoelectrons/px"
