"""Colours that can be read in every theme, and that follow it."""

from __future__ import annotations

import pytest
from napari.components import ViewerModel
from napari.utils.theme import available_themes
from qtpy.QtWidgets import QWidget

from napari_posterior.widgets.theme import ThemeFollower, contrast, palette_of, readable

pytestmark = pytest.mark.gui


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.mark.parametrize("theme", available_themes())
@pytest.mark.parametrize("name", ["teacher", "student", "mark", "soft", "text"])
def test_colours_stand_out_from_the_background(viewer, theme, name):
    viewer.theme = theme
    palette = palette_of(viewer)
    assert contrast(getattr(palette, name), palette.background) >= 4.5


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_teacher_is_grey_and_student_is_blue(viewer, theme):
    viewer.theme = theme
    palette = palette_of(viewer)
    red, green, blue = (int(palette.teacher[i : i + 2], 16) for i in (1, 3, 5))
    assert max(red, green, blue) - min(red, green, blue) < 40
    red, green, blue = (int(palette.student[i : i + 2], 16) for i in (1, 3, 5))
    assert blue > red + 80


@pytest.mark.parametrize(
    ("colour", "other", "expected"),
    [("#000000", "#ffffff", 21.0), ("#777777", "#ffffff", 4.48), ("#abcdef", "#abcdef", 1.0)],
)
def test_contrast_is_that_of_wcag(colour, other, expected):
    assert contrast(colour, other) == pytest.approx(expected, abs=0.01)
    assert contrast(other, colour) == contrast(colour, other)


@pytest.mark.parametrize("background", ["#23242b", "#ebe7e6", "#808080"])
def test_a_colour_that_cannot_be_seen_is_moved_until_it_can(background):
    assert contrast(readable(background, background, 4.5), background) >= 4.5


def test_a_colour_that_can_be_seen_is_kept():
    assert readable("#ffffff", "#000000", 4.5) == "#ffffff"


def test_a_new_theme_is_told_of(viewer, qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    viewer.theme = "dark"
    follower = ThemeFollower(viewer, parent)
    with qtbot.waitSignal(follower.changed) as told:
        viewer.theme = "light"
    assert told.args == [palette_of(viewer)]
    assert follower.palette == palette_of(viewer)


def test_a_widget_that_is_gone_hears_nothing_of_a_theme(viewer, qtbot):
    parent = QWidget()
    heard = []
    follower = ThemeFollower(viewer, parent)
    follower.changed.connect(heard.append)
    with qtbot.waitSignal(parent.destroyed):
        parent.deleteLater()
    viewer.theme = "light" if viewer.theme == "dark" else "dark"
    assert heard == []
