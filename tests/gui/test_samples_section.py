"""The samples of a run in a window: slider, play, order, side by side, variation."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QComboBox, QLabel, QSlider, QWidget

from napari_posterior.layers import sample_views as module
from napari_posterior.layers.inspect import grid_of
from napari_posterior.layers.sample_views import samples_of
from napari_posterior.session.sample_views import SortedStack
from napari_posterior.session.watch import SampleValues
from napari_posterior.widgets.parts import Folded
from napari_posterior.widgets.sections.samples import SamplesSection
from napari_posterior.widgets.session import session as session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 60_000


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    viewer = make_napari_viewer_proxy()
    yield viewer
    assert session_of(viewer).controller.close(60)


@pytest.fixture
def session(viewer):
    return session_of(viewer)


@pytest.fixture
def entries(viewer, session, stored_run):
    found = []
    for changes in ({}, {"sampler": "kd", "role": "student", "spread": 1.5, "samples": 7}):
        run = stored_run(**changes)
        run.add_to(viewer)
        found.append(session.controller.add_run(run))
    values = np.array([3.0, 1, 7, 5, 2, 4, 6])
    found[1].measured = (SampleValues("puncta_count", "puncta count", "puncta", values),)
    return found


@pytest.fixture
def section(viewer, session, entries, qtbot, alone):
    section = SamplesSection(viewer, session.state, session.controller)
    alone(section)
    section.findChild(Folded).expand()
    return section


def part(section, name):
    found = section.findChild(QWidget, name)
    assert found is not None, name
    return found


def said(section, name):
    widget = part(section, name)
    return "" if widget.isHidden() else getattr(widget, "said", None) or widget.text()


def choose(section, text):
    box = part(section, "sort_samples")
    [place] = [i for i in range(box.count()) if box.itemText(i) == text]
    box.setCurrentIndex(place)
    box.activated.emit(place)


def test_without_a_run_it_says_so(viewer, session, qtbot, alone):
    section = SamplesSection(viewer, session.state, session.controller)
    alone(section)
    assert said(section, "samples_words").startswith("There is no run yet")
    assert not part(section, "play").isEnabled()


def test_newest_run_is_looked_at_and_another_can_be_chosen(section, entries):
    assert section.entry is entries[1]
    assert said(section, "sample_number") == "1 of 7"
    section.choose(entries[0])
    assert said(section, "sample_number") == "1 of 5"


def test_slider_and_that_of_the_viewer_are_one(section, viewer):
    slider = part(section, "sample_slider")
    slider.setValue(4)
    assert viewer.dims.current_step[0] == 4
    viewer.dims.set_current_step(0, 2)
    assert slider.value() == 2
    assert said(section, "sample_number") == "3 of 7"


def test_slider_is_moved_by_keys(section, viewer, qtbot):
    qtbot.keyClick(part(section, "sample_slider"), Qt.Key.Key_Right)
    assert viewer.dims.current_step[0] == 1


def test_play_goes_round_and_ends_where_it_is_not_seen(section, viewer, qtbot):
    section.show()
    qtbot.waitExposed(section)
    section._timer.setInterval(5)
    viewer.dims.set_current_step(0, 5)
    seen = []
    viewer.dims.events.point.connect(lambda: seen.append(viewer.dims.current_step[0]))
    part(section, "play").click()
    assert part(section, "play").text() == "Pause"
    qtbot.waitUntil(lambda: len(seen) >= 4, timeout=LONG)
    assert seen[:4] == [6, 0, 1, 2]
    section.hide()
    assert not section._timer.isActive()
    assert part(section, "play").text() == "Play"


def test_order_is_chosen_told_and_taken_back(section, viewer, entries):
    box = part(section, "sort_samples")
    assert [box.itemText(i) for i in range(box.count())] == [
        "as they were drawn",
        "by puncta count",
        "by total intensity",
    ]
    choose(section, "by puncta count")
    layer = samples_of(viewer.__wrapped__, entries[1])
    assert isinstance(layer.data, SortedStack)
    part(section, "sample_slider").setValue(6)
    assert said(section, "samples_words") == (
        "Sorted by puncta count: 7 in this sample, which was drawn as number 3."
    )
    choose(section, "as they were drawn")
    assert not isinstance(layer.data, SortedStack)
    assert said(section, "samples_words") == ""


def test_number_that_is_not_there_is_measured_on_a_worker(section, viewer, entries, qtbot):
    choose(section, "by total intensity")
    assert "measuring total intensity" in said(section, "samples_words")
    qtbot.waitUntil(lambda: "Sorted by" in said(section, "samples_words"), timeout=LONG)
    light = [float(one.sum()) for one in samples_of(viewer.__wrapped__, entries[1]).data]
    assert light == sorted(light)


def test_side_by_side_is_switched_on_and_off(section, viewer, session):
    box = part(section, "side_by_side")
    assert box.isEnabled()
    box.click()
    assert grid_of(viewer).enabled
    assert [layer.name for layer in viewer.layers if layer.visible] == [
        "cell | teacher samples",
        "cell | student samples",
    ]
    box.click()
    assert not grid_of(viewer).enabled
    assert viewer.layers["cell"].visible


def test_side_by_side_needs_the_layers_of_both(section, viewer):
    viewer.layers.remove("cell | teacher samples")
    assert not part(section, "side_by_side").isEnabled()


def test_variation_is_found_on_a_worker_and_shown_by_sliders(
    section, viewer, session, monkeypatch, qtbot
):
    threads = []
    find = module.find_variation
    monkeypatch.setattr(
        module,
        "find_variation",
        lambda run: threads.append(threading.current_thread()) or find(run),
    )
    part(section, "find_variation").click()
    qtbot.waitUntil(lambda: session.views.state.variation is not None, timeout=LONG)
    assert threading.main_thread() not in threads
    sliders = [part(section, f"component_{i}") for i in range(1, 6)]
    assert [one.isHidden() for one in sliders] == [False] * 5
    shares = [label.text() for label in part(section, "variation").findChildren(QLabel)]
    assert any(text.endswith(" %") for text in shares)

    sliders[0].setValue(30)
    assert session.views.state.weights[0] == 1.5
    found = session.views.state.variation
    wanted = found.mean + 1.5 * found.components[0]
    np.testing.assert_allclose(viewer.layers["cell | variation"].data, wanted, atol=1e-5)
    assert part(section, "reset_variation").isEnabled()
    part(section, "reset_variation").click()
    assert sliders[0].value() == 0
    np.testing.assert_array_equal(viewer.layers["cell | variation"].data, found.mean)


def test_sliders_are_those_of_the_run_that_is_looked_at(section, session, entries, qtbot):
    part(section, "find_variation").click()
    qtbot.waitUntil(lambda: session.views.state.variation is not None, timeout=LONG)
    section.choose(entries[0])
    assert part(section, "component_1").isHidden()
    assert part(section, "find_variation").isEnabled()


def test_second_section_shows_the_same(section, viewer, session, qtbot, alone):
    other = SamplesSection(viewer, session.state, session.controller)
    alone(other)
    choose(section, "by puncta count")
    assert part(other, "sort_samples").currentText() == "by puncta count"
    part(other, "side_by_side").click()
    assert part(section, "side_by_side").isChecked()
    part(section, "side_by_side").click()


def test_removed_run_is_let_go_of(section, session, entries):
    session.controller.forget(entries[1])
    assert section.entry is entries[0]
    session.controller.forget(entries[0])
    assert section.entry is None


def test_every_control_says_what_it_does(section):
    for kind in (QAbstractButton, QSlider, QComboBox):
        for control in section.findChildren(kind):
            if control.objectName() and not control.objectName().startswith("qt_"):
                assert control.toolTip(), control.objectName()
                named = control.accessibleName() or getattr(control, "text", str)()
                assert named, control.objectName()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_clipped_in_a_narrow_dock(section, session, viewer, theme, qtbot):
    viewer.theme = theme
    part(section, "find_variation").click()
    qtbot.waitUntil(lambda: session.views.state.variation is not None, timeout=LONG)
    section.resize(324, 500)
    section.show()
    qtbot.waitExposed(section)
    assert section.minimumSizeHint().width() <= 324
    for widget in section.findChildren(QWidget):
        if widget.isVisible():
            right = widget.mapTo(section, widget.rect().topRight()).x()
            assert right <= section.width(), widget.objectName()
