"""Bars of runs, also where something happens while they are being updated."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from napari.resources import LOADING_GIF_PATH
from qtpy.QtGui import QMovie
from qtpy.QtWidgets import QLabel, QWidget

from napari_posterior.session.models import RunEntry
from napari_posterior.session.progress import Progress
from napari_posterior.widgets.activity import ActivityBars

pytestmark = pytest.mark.gui


@pytest.fixture
def window(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    return window


@pytest.fixture
def bars(window):
    bars = ActivityBars(window, interval=0)
    yield bars
    bars.close()


@pytest.fixture
def make_entry():
    def make_entry(number=1, state="running"):
        asked = []
        job = SimpleNamespace(cancel=lambda: asked.append("cancel"), asked=asked)
        return RunEntry(number, "kd-1", "student", "cell", 16, job, state)

    return make_entry


def test_every_run_that_is_drawn_has_a_bar_and_no_other(bars, make_entry):
    entries = [make_entry(1), make_entry(2, "waiting"), make_entry(3)]
    bars.refresh(entries)
    assert [bar.desc[:2] for bar in bars.bars] == ["#1", "#3"]
    entries[0].state = "failed"
    entries[1].state = "running"
    bars.refresh(entries[:2])
    assert [bar.desc[:2] for bar in bars.bars] == ["#2"]


def test_a_bar_goes_to_and_fro_until_the_total_is_known(bars, make_entry):
    entry = make_entry()
    entry.progress = Progress(sentence="loading the model")
    bars.refresh([entry])
    (bar,) = bars.bars
    assert bar.total == 0
    assert bar.desc.removesuffix(": ") == "#1 kd-1, K = 16: loading the model"
    entry.progress = Progress(0.25, 8.0, 4, 16, "4 of 16 samples, 8 s left")
    bars.refresh([entry])
    assert (bar.n, bar.total) == (25, 100)
    assert bar.desc.removesuffix(": ").endswith("4 of 16 samples, 8 s left")


def test_a_picture_that_moves_is_slow_while_there_are_bars(bars, window, make_entry):
    label, movie = QLabel(window), QMovie(LOADING_GIF_PATH)
    label.setMovie(movie)
    first, second = make_entry(1), make_entry(2)
    bars.refresh([first, second])
    assert movie.speed() == 20
    first.state = "done"
    bars.refresh([first, second])
    assert movie.speed() == 20
    second.state = "cancelled"
    bars.refresh([first, second])
    assert movie.speed() == 100


def test_a_bar_changes_at_most_once_in_its_interval(window, make_entry):
    bars, entry = ActivityBars(window, interval=60), make_entry()
    try:
        entry.progress = Progress(sentence="loading the model")
        bars.refresh([entry])
        entry.progress = Progress(0.25, 8.0, 4, 16, "4 of 16 samples, 8 s left")
        bars.refresh([entry])
        assert bars.bars[0].desc.removesuffix(": ").endswith("loading the model")
        entry.state = "done"
        bars.refresh([entry])
        assert not bars.bars
    finally:
        bars.close()


def test_cancel_of_a_bar_is_that_of_the_run(bars, make_entry):
    entry = make_entry()
    bars.refresh([entry])
    bars.bars[0].cancel()
    assert entry.job.asked == ["cancel"]
    assert bars.bars[0].is_canceled


def test_a_run_that_ends_while_its_bar_is_updated_leaves_none(bars, make_entry):
    entries = [make_entry(1), make_entry(2)]
    bars.refresh(entries)

    def end(event):
        entries[0].state = "done"
        bars.refresh(entries)

    bars.bars[0].events.description.connect(end)
    entries[0].progress = Progress(0.5, 1.0, 8, 16, "8 of 16 samples")
    bars.refresh(entries)
    assert [bar.desc[:2] for bar in bars.bars] == ["#2"]


def test_bars_that_are_closed_while_they_are_updated_stay_away(bars, make_entry):
    entries = [make_entry(1), make_entry(2)]
    bars.refresh(entries[:1])
    bars.bars[0].events.value.connect(lambda event: bars.close())
    entries[0].progress = Progress(0.5, 1.0, 8, 16, "8 of 16 samples")
    bars.refresh(entries)
    assert bars.bars == ()
    bars.refresh(entries)
    assert bars.bars == ()
