"""A window that is slow to paint is brought up to date rarely, a quick one often."""

from __future__ import annotations

import time

import pytest
from qtpy.QtWidgets import QWidget

from napari_posterior.widgets.pace import Pace

pytestmark = pytest.mark.gui


class SlowWindow(QWidget):
    def __init__(self, seconds):
        super().__init__()
        self.seconds, self.painted = seconds, 0

    def paintEvent(self, event):
        time.sleep(self.seconds)
        self.painted += 1


@pytest.fixture
def shown(qtbot):
    def show(seconds):
        window = SlowWindow(seconds)
        qtbot.addWidget(window)
        pace = Pace(window)
        window.show()
        qtbot.waitExposed(window)
        qtbot.waitUntil(lambda: window.painted > 0)
        qtbot.wait(50)
        pace.wait()  # what showing took
        return window, pace

    return show


def paint(window, qtbot):
    before = window.painted
    window.update()
    qtbot.waitUntil(lambda: window.painted > before)
    qtbot.wait(50)


def test_after_a_painting_of_50_ms_the_next_change_waits_twelve_times_as_long(shown, qtbot):
    window, pace = shown(0.05)
    paint(window, qtbot)
    assert 600 <= pace.wait() <= 1000


def test_all_paintings_since_the_last_change_count(shown, qtbot):
    window, pace = shown(0.02)
    for _ in range(2):
        paint(window, qtbot)
    assert pace.wait() >= 480


def test_a_window_is_never_left_alone_for_more_than_a_second(shown, qtbot):
    window, pace = shown(0.3)
    paint(window, qtbot)
    assert pace.wait() == 1000


def test_a_quick_window_is_brought_up_to_date_ten_times_a_second(shown):
    _, pace = shown(0)
    assert pace.wait() == 100
    assert pace.wait() == 100
