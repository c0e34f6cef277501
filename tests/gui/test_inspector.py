"""The inspector in a window: clicks in the canvas, keys, and what the panel shows."""

from __future__ import annotations

import gc
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from napari.settings import get_settings
from puncta_pairs import INVENTED, LOST, SHARED, make_pair, rank_of, report_of_pair
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QLabel,
    QMenu,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_posterior.checks.finding import number
from napari_posterior.layers.inspect import grid_of, world_of
from napari_posterior.layers.known_object import region_choice
from napari_posterior.session import inspecting as module
from napari_posterior.session.comparing import declared_now
from napari_posterior.session.pixels import PixelReading
from napari_posterior.session.punctum import PunctumReading
from napari_posterior.widgets.inspector import InspectorPanel
from napari_posterior.widgets.inspector_parts import Thumbnail
from napari_posterior.widgets.session import session as session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 60_000


@pytest.fixture
def runs(tmp_path):
    return make_pair(tmp_path)


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    viewer = make_napari_viewer_proxy()
    yield viewer
    assert session_of(viewer).controller.close(60)


def begin(viewer, runs, *, layers=True):
    """Open the runs, and compare them, without waiting for a comparison."""
    session = session_of(viewer)
    entries = [session.controller.add_run(run) for run in runs]
    if layers:
        for run in runs:
            run.add_to(viewer)
    compare = session.state.compare
    compare.compared = tuple(entries)
    compare.report = report_of_pair(*runs)
    return session


@pytest.fixture
def session(viewer, runs):
    return begin(viewer, runs)


@pytest.fixture
def panel(viewer, session, qtbot, alone):
    panel = InspectorPanel(viewer, session)
    alone(panel)
    return panel


def part(panel, name):
    found = panel.findChild(QWidget, name)
    assert found is not None, name
    return found


def said(panel, name):
    widget = part(panel, name)
    return "" if widget.isHidden() else getattr(widget, "said", None) or widget.text()


def shown(panel, qtbot, kind=PunctumReading):
    state = panel._inspecting.state
    qtbot.waitUntil(lambda: isinstance(state.reading, kind) and not state.reading_now, timeout=LONG)
    return state.reading


def shows(panel, qtbot, index):
    state = panel._inspecting.state
    qtbot.waitUntil(
        lambda: getattr(state.reading, "index", None) == index and not state.reading_now,
        timeout=LONG,
    )


def test_it_is_hidden_until_something_is_inspected(panel, session, qtbot):
    assert panel.isHidden()
    session.controller.inspecting.look_at_pixel((3, 4))
    assert not panel.isHidden()
    shown(panel, qtbot, PixelReading)
    assert said(panel, "inspector_title") == "Pixel"
    assert said(panel, "inspector_place") == "row 3, column 4 (1.83, 2.94 µm)"


def test_pixel_shows_both_densities_and_the_measurement(panel, session, runs, qtbot):
    session.controller.inspecting.look_at_pixel((3, 4))
    reading = shown(panel, qtbot, PixelReading)
    legend = panel._pixel.plot.legend
    assert legend["teacher"].startswith("#1 teacher-4: K = 12, mean ▼ ")
    assert "90 % of them" in legend["teacher"]
    assert legend["student"].startswith("#2 student kd-4: K = 12")
    adu = int(runs[0].input[3, 4])
    electrons = number((adu - 100) / 2)
    assert legend["mark"] == f"measured: {electrons} photoelectrons/px ({adu} ADU)"
    both = np.concatenate([reading.teacher.values, reading.student.values])
    for role in ("teacher", "student"):
        edges, heights = panel._pixel.plot.drawn(role)
        assert heights.sum() == pytest.approx(100)
        assert edges[0] == pytest.approx(both.min())
    assert panel._pixel.plot.axes[0] == "photoelectrons/px"


def test_punctum_shows_words_pictures_and_light(panel, session, qtbot):
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(rank_of(inspecting.report, LOST))
    shown(panel, qtbot)
    assert said(panel, "punctum_verdict") == "Lost: less probable in the student."
    assert said(panel, "punctum_teacher").startswith("100 % (")
    assert said(panel, "punctum_student").endswith("0 of 12")
    assert said(panel, "punctum_difference").startswith("−100 % (")
    assert said(panel, "punctum_intervals").startswith("95 % intervals")
    there = [one.objectName() for one in panel.findChildren(Thumbnail) if not one.isHidden()]
    assert there == [
        "picture_teacher_with_1", "picture_teacher_with_2",
        "picture_student_without_1", "picture_student_without_2",
    ]  # fmt: skip
    assert said(panel, "none_student_with") == "none"
    legend = panel._punctum.plot.legend
    assert "photoelectrons in 12 samples" in legend["teacher"]
    assert legend["student"].endswith("no sample shows it")


def test_pictures_share_one_contrast(panel, session, qtbot):
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(rank_of(inspecting.report, INVENTED))
    reading = shown(panel, qtbot)
    low, high = reading.limits
    for name in ("picture_teacher_without_1", "picture_student_with_1"):
        picture = part(panel, name)
        image = picture.icon().pixmap(72, 72).toImage()
        lightness = image.pixelColor(36, 36).lightnessF()
        value = picture.pixels[24, 24]
        assert (lightness > 0.5) is bool((value - low) / (high - low) > 0.5)


def test_picture_that_is_clicked_moves_the_slider_to_its_sample(panel, session, viewer, qtbot):
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(rank_of(inspecting.report, LOST))
    shown(panel, qtbot)
    part(panel, "picture_teacher_with_2").click()
    assert viewer.dims.current_step[0] == 1


def test_arrow_keys_go_from_punctum_to_punctum_and_escape_closes(panel, session, viewer, qtbot):
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(0)
    assert shown(panel, qtbot).rank == 0
    ranks = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Left):
        qtbot.keyClick(panel, key)
        qtbot.waitUntil(lambda: not inspecting.state.reading_now, timeout=LONG)
        ranks.append(inspecting.state.reading.rank)
    assert ranks == [1, 2, 1]
    assert any(layer.name.endswith("| inspected") for layer in viewer.layers)
    qtbot.keyClick(panel, Qt.Key.Key_Escape)
    assert panel.isHidden()
    assert inspecting.state.reading is None
    assert not any(layer.name.endswith("| inspected") for layer in viewer.layers)


def test_punctum_that_is_shown_is_marked_in_the_canvas(panel, session, viewer, runs, qtbot):
    inspecting = session.controller.inspecting
    for place in (LOST, SHARED):
        inspecting.look_at_punctum(rank_of(inspecting.report, place))
        qtbot.waitUntil(lambda: not inspecting.state.reading_now, timeout=LONG)
        [mark] = [layer for layer in viewer.layers if layer.name.endswith("| inspected")]
        wanted = world_of(viewer, place, runs[0].geometry)
        np.testing.assert_allclose(mark.data_to_world(mark.data[0]), wanted, atol=0.05)


def test_button_leads_from_a_punctum_to_its_pixel(panel, session, qtbot):
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(rank_of(inspecting.report, SHARED))
    shown(panel, qtbot)
    part(panel, "inspector_pixel").click()
    assert shown(panel, qtbot, PixelReading).index == (20, 30)
    assert part(panel, "inspector_next").isHidden()


def test_samples_are_read_off_the_main_thread(panel, session, monkeypatch, qtbot):
    threads = []
    read = module.read_pixel
    monkeypatch.setattr(
        module,
        "read_pixel",
        lambda *args, **named: threads.append(threading.current_thread()) or read(*args, **named),
    )
    session.controller.inspecting.look_at_pixel((3, 4))
    shown(panel, qtbot, PixelReading)
    assert threads
    assert threading.main_thread() not in threads


def click(viewer, qtbot, world):
    """Click into the canvas where a place of the world is drawn."""
    canvas = viewer.window._qt_viewer.canvas
    QApplication.processEvents()
    at = canvas.view.scene.transform.map((world[-1], world[-2], 0, 1))
    at = at[:2] / at[3]
    point = QPoint(round(at[0]), round(at[1]))
    qtbot.mouseClick(canvas.native, Qt.MouseButton.LeftButton, pos=point)


@pytest.mark.parametrize("axes", ["yx", "zyx", "tyx"])
def test_click_in_a_real_canvas_hits_the_pixel(
    axes, make_napari_viewer, tiny_model, tmp_path, qtbot
):
    runs = make_pair(tmp_path, axes=axes, samples=6)
    viewer = make_napari_viewer(show=True)
    session = begin(viewer, runs)
    panel = InspectorPanel(viewer, session)
    viewer.window.add_dock_widget(panel)
    geometry = runs[0].geometry
    if len(axes) == 3:
        viewer.dims.set_point(1, world_of(viewer, (1, 0, 0), geometry)[0])
    lead = (1,) * (len(axes) - 2)

    click(viewer, qtbot, world_of(viewer, (*lead, 47, 11), geometry))
    assert shown(panel, qtbot, PixelReading).index == (*lead, 47, 11)

    click(viewer, qtbot, world_of(viewer, (*lead, *LOST), geometry))
    found = shown(panel, qtbot)
    assert found.kind in ("lost", "undecidable")
    assert found.index == (*lead, 40, 22)

    viewer.window._qt_viewer.canvas.native.setFocus()
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Escape)
    assert panel.isHidden()
    session.controller.close(60)


def test_a_click_on_an_object_of_labels_shows_what_the_report_says_of_it(
    make_napari_viewer, tiny_model, runs, qtbot
):
    viewer = make_napari_viewer(show=True)
    session = begin(viewer, runs)
    compare, geometry = session.state.compare, runs[0].geometry
    image = runs[0].request.image
    labels = np.zeros(image.shape, int)
    labels[44:52, 6:16] = 2
    layer = viewer.add_labels(
        labels, name="cells", scale=geometry.scale, translate=geometry.translate,
        units=geometry.units,
    )  # fmt: skip
    compare.regions = region_choice(layer)
    compare.declared = declared_now(compare)
    told = SimpleNamespace(
        region="label 2", title="puncta count", verdict="preserved", sentence="As many as before."
    )
    compare.report.findings = (told,)
    panel = InspectorPanel(viewer, session)
    viewer.window.add_dock_widget(panel)

    click(viewer, qtbot, world_of(viewer, (47, 11), geometry))
    assert shown(panel, qtbot, PixelReading).index == (47, 11)
    assert said(panel, "region_title") == "Region label 2"
    assert said(panel, "region_lines") == "Puncta count: preserved. As many as before."
    assert said(panel, "region_note") == ""

    layer.paint((30, 30), 2)
    click(viewer, qtbot, world_of(viewer, (48, 12), geometry))
    shows(panel, qtbot, (48, 12))
    assert said(panel, "region_note").startswith("cells was edited since")

    click(viewer, qtbot, world_of(viewer, (10, 60), geometry))  # outside: the pixel alone
    shows(panel, qtbot, (10, 60))
    assert part(panel, "inspector_region").isHidden()
    session.controller.close(60)


def test_in_grid_mode_the_mark_is_hidden_and_a_sentence_says_so(
    make_napari_viewer, tiny_model, runs, qtbot
):
    viewer = make_napari_viewer(show=True)
    session = begin(viewer, runs)
    panel = InspectorPanel(viewer, session)
    viewer.window.add_dock_widget(panel)
    session.controller.inspecting.look_at_pixel((3, 4))
    shown(panel, qtbot, PixelReading)
    mark = "cell | inspected"
    assert mark in viewer.layers
    assert said(panel, "inspector_unmarked") == ""
    grid_of(viewer).enabled = True
    assert mark not in viewer.layers
    assert "not marked while layers are shown as a grid" in said(panel, "inspector_unmarked")

    session.controller.inspecting.look_at_pixel((5, 6))
    shows(panel, qtbot, (5, 6))
    assert mark not in viewer.layers
    grid_of(viewer).enabled = False
    shown_at = viewer.layers[mark].data_to_world(viewer.layers[mark].data[0])
    np.testing.assert_allclose(shown_at, world_of(viewer, (5, 6), runs[0].geometry))
    assert said(panel, "inspector_unmarked") == ""
    panel._on_close()
    grid_of(viewer).enabled = True
    grid_of(viewer).enabled = False
    assert mark not in viewer.layers
    session.controller.close(60)


def test_clicks_do_not_count_while_the_dock_cannot_be_seen(viewer, session, qtbot, alone):
    host = QWidget()
    alone(host)
    panel = InspectorPanel(viewer, session, host)
    place = world_of(viewer, (10, 10), session.state.runs[0].run.geometry)
    panel._on_click(place)
    assert not session.controller.inspecting.state.reading_now
    host.show()
    panel._on_click(place)
    shown(panel, qtbot, PixelReading)


def test_callbacks_end_with_the_panel(viewer, session, qtbot):
    before = list(viewer.__wrapped__.mouse_drag_callbacks)
    panel = InspectorPanel(viewer, session)
    assert len(viewer.__wrapped__.mouse_drag_callbacks) == len(before) + 1
    session.controller.inspecting.look_at_pixel((3, 4))
    shown(panel, qtbot, PixelReading)
    assert len(viewer.__wrapped__.keymap) == 1
    gone = []
    panel.destroyed.connect(lambda: gone.append(True))
    panel.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    assert list(viewer.__wrapped__.mouse_drag_callbacks) == before
    assert not viewer.__wrapped__.keymap


def test_callbacks_end_with_the_viewer_and_the_panel_is_let_go_of(
    make_napari_viewer, tiny_model, runs, qtbot
):
    viewer = make_napari_viewer()
    session = begin(viewer, runs, layers=False)
    before = len(viewer.mouse_drag_callbacks)
    panel = InspectorPanel(viewer, session)
    viewer.window.add_dock_widget(panel)
    assert len(viewer.mouse_drag_callbacks) == before + 1
    gone = weakref.ref(panel)
    session.controller.close(60)
    del panel, session
    viewer.close()
    QApplication.sendPostedEvents(None, 0)
    QApplication.processEvents()
    qtbot.waitUntil(lambda: len(viewer.mouse_drag_callbacks) == before)
    gc.collect()
    assert gone() is None


def test_dock_scrolls_to_the_panel_that_a_click_opened(viewer, session, qtbot, alone):
    area, inside = QScrollArea(), QWidget()
    alone(area)
    area.setWidget(inside)
    area.setWidgetResizable(True)
    lines = QVBoxLayout(inside)
    above = QLabel("above")
    above.setFixedHeight(900)
    panel = InspectorPanel(viewer, session, inside)
    lines.addWidget(above)
    lines.addWidget(panel)
    area.resize(360, 400)
    area.show()
    qtbot.waitExposed(area)
    panel._on_click(world_of(viewer, (10, 10), session.state.runs[0].run.geometry))
    shown(panel, qtbot, PixelReading)
    bar = area.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.value() + 400 > panel.y() + 200, timeout=LONG)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [9, 12])
def test_nothing_is_clipped_in_a_narrow_dock(
    theme, size, make_napari_viewer, tiny_model, runs, qtbot
):
    viewer = make_napari_viewer(show=True)
    get_settings().appearance.font_size = size
    viewer.theme = theme
    session = begin(viewer, runs, layers=False)
    panel, area = InspectorPanel(viewer, session), QScrollArea()
    area.setWidgetResizable(True)  # as in the dock, which scrolls what is higher than the window
    area.setWidget(panel)
    frame = viewer.window.add_dock_widget(area)
    inspecting = session.controller.inspecting
    inspecting.look_at_punctum(0)
    shown(panel, qtbot)
    narrowest = panel.minimumSizeHint().width()
    assert narrowest <= (330 if size == 9 else 400)
    window = viewer.window.main_menu.window()
    room = narrowest + area.verticalScrollBar().sizeHint().width()
    window.resizeDocks([frame], [room], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: panel.isVisible() and panel.width() < narrowest + 30, timeout=LONG)
    qtbot.waitUntil(lambda: not clipped(panel), timeout=10_000)
    session.controller.close(60)


def clipped(panel):
    """Names of what has less room than it needs."""
    found = []
    for widget in panel.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if widget.mapTo(panel, widget.rect().topRight()).x() > panel.width():
            found.append(f"{widget.objectName()} is cut at the right")
        if isinstance(widget, QLabel) and widget.wordWrap():
            if widget.height() < widget.heightForWidth(widget.width()):
                found.append(f"{widget.text()} is cut at the bottom")
        elif isinstance(widget, QAbstractButton):
            if widget.width() < widget.minimumSizeHint().width():
                found.append(f"{widget.text()} is too narrow")
    return found


def test_every_control_says_what_it_does(panel):
    for control in panel.findChildren(QAbstractButton):
        if isinstance(control.window(), QMenu):
            continue  # of pyqtgraph, and never shown
        assert control.toolTip(), control.objectName()
        assert control.accessibleName() or control.text(), control.objectName()
