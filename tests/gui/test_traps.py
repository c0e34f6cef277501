"""What goes wrong in plugins, tried in a real window with both docks open.

The traps are those of worker threads and docks in napari: a run that fails or is cancelled, docks
and viewers that go while a run is drawn, two viewers, layers that change meanwhile, a new theme.
"""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QDockWidget,
    QLabel,
    QScrollArea,
    QWidget,
)

import napari_posterior as npo
from napari_posterior.layers import quantity_of
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.docks import COMPARE, RESTORE, find_dock, open_dock
from napari_posterior.widgets.inspector import InspectorPanel
from napari_posterior.widgets.log_window import open_log
from napari_posterior.widgets.models_dialog import open_models_dialog
from napari_posterior.widgets.plots.canvas import Canvas
from napari_posterior.widgets.sections.card import CardWindow
from napari_posterior.widgets.theme import palette_of
from napari_posterior.widgets.verdict_strip import VerdictStrip

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left", "tiny_model")]

LONG = 60_000  # milliseconds: the machine may be busy with something else
STUDENT = {"sampler": "kd", "role": "student", "steps": 1, "nfe": 1}


class OutOfMemoryError(RuntimeError):
    """As torch.cuda raises it."""


@pytest.fixture
def nothing_is_left(qapp):
    """Windows, menus and widgets that outlive the viewers of a test are a fault."""
    before = set(QApplication.topLevelWidgets())
    yield
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        QApplication.processEvents()
        gc.collect()
    left = set(QApplication.topLevelWidgets()) - before
    assert [f"{type(one).__name__} {one.objectName()}" for one in left] == []


@pytest.fixture
def window(nothing_is_left, make_napari_viewer, measured, qtbot):
    """Open a viewer with an image and both docks."""

    def window(*, samples=4, show=True):
        viewer = make_napari_viewer(show=show)
        viewer.add_image(measured, name="cell", scale=(0.2, 0.2), units=("um", "um"))
        for name in (RESTORE, COMPARE):
            open_dock(viewer, name)
        session = npo.session(viewer)
        restore = session.state.restore
        qtbot.waitUntil(lambda: bool(restore.models), timeout=LONG)
        restore.model, restore.sampler, restore.samples = "tiny", "kd", samples
        restore.then_compare = False
        qtbot.waitUntil(part(viewer, RESTORE, "run").isEnabled, timeout=LONG)
        return viewer, session

    return window


@pytest.fixture
def reported(window, measured_image, stored_run, qtbot):
    """Open a viewer whose dock *Compare* shows a report."""

    def reported():
        viewer, session = window()
        image = measured_image("yx")
        for fields in ({"seed": 1}, {"seed": 1, "spread": 2.0, **STUDENT}):
            session.controller.add_run(stored_run(image, **fields))
        session.compare().result(LONG / 1000)
        state = session.state.compare
        qtbot.waitUntil(lambda: state.report is not None, timeout=LONG)
        return viewer, session

    return reported


def part(viewer, dock, name, kind=QWidget):
    found = find_dock(viewer, dock).findChild(kind, name)
    assert found is not None, name
    return found


def press(viewer, dock, name):
    button = part(viewer, dock, name)
    assert button.isEnabled(), f"{name}: {button.toolTip()}"
    button.click()


def said(viewer, dock):
    """Return all that a dock says, hidden parts left out."""
    dock = find_dock(viewer, dock)
    labels = [one for one in dock.findChildren(QLabel) if one.isVisibleTo(dock)]
    return "\n".join(one.text().replace("\u200b", "") for one in labels)


def close_dock(viewer, name):
    """Close a dock as its cross does; return a weak reference to what was inside."""
    widget = find_dock(viewer, name)
    frame = widget.parent()
    while not isinstance(frame, QDockWidget):
        frame = frame.parent()
    viewer.window.remove_dock_widget(frame)
    frame.deleteLater()
    return weakref.ref(widget)


def freed(*gone):
    """Let Qt and Python take away what nobody uses; say whether these went."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    gc.collect()
    return not any(one() for one in gone)


def layers_of(viewer, quantity):
    return [layer for layer in viewer.layers if quantity_of(layer) == quantity]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "fit into memory"),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), "fit into memory"),
        (MemoryError(), "memory"),
    ],
)
def test_a_run_that_is_out_of_memory_is_told_of_in_the_dock_and_the_next_one_works(
    window, gate, qtbot, fault, words
):
    viewer, session = window()
    gate.open.set()
    gate.fault = fault
    press(viewer, RESTORE, "run")
    runs = session.state.runs
    qtbot.waitUntil(lambda: [one.state for one in runs] == ["failed"], timeout=LONG)
    assert words in runs[0].message
    qtbot.waitUntil(lambda: runs[0].message in said(viewer, RESTORE), timeout=LONG)
    assert not layers_of(viewer, "samples")  # nothing stale is shown as if it had worked
    gate.fault = None
    qtbot.waitUntil(part(viewer, RESTORE, "run").isEnabled, timeout=LONG)
    press(viewer, RESTORE, "run")
    qtbot.waitUntil(lambda: runs[-1].state == "done", timeout=LONG)
    (samples,) = layers_of(viewer, "samples")
    assert np.isfinite(np.asarray(samples.data)).all()


def test_cancel_of_the_dock_keeps_samples_and_their_layer_and_the_dock_can_run_again(
    window, gate, qtbot
):
    viewer, session = window(samples=20)
    cancel = part(viewer, RESTORE, "cancel")
    assert not cancel.isEnabled()
    press(viewer, RESTORE, "run")
    entry = session.state.runs[0]
    gate.let(2)
    gate.let_go = lambda: entry.job.state in ENDED or entry.job._token.cancelled
    qtbot.waitUntil(lambda: gate.calls == 3, timeout=LONG)
    qtbot.waitUntil(cancel.isEnabled, timeout=LONG)
    cancel.click()
    qtbot.waitUntil(lambda: entry.state == "cancelled", timeout=LONG)
    assert gate.calls == 3
    assert 2 <= len(entry.run) < 20
    qtbot.waitUntil(lambda: "cancelled" in said(viewer, RESTORE), timeout=LONG)
    gate.open.set()
    session.state.restore.seed += 1
    qtbot.waitUntil(part(viewer, RESTORE, "run").isEnabled, timeout=LONG)
    press(viewer, RESTORE, "run")
    qtbot.waitUntil(lambda: session.state.runs[-1].state == "done", timeout=LONG)


def test_both_docks_are_closed_and_opened_again_while_a_pair_is_drawn(window, gate, qtbot):
    viewer, session = window()
    press(viewer, RESTORE, "run_pair")
    teacher, student = session.state.runs
    qtbot.waitUntil(lambda: gate.reached.is_set(), timeout=LONG)  # the teacher is drawn by then
    gone = [close_dock(viewer, name) for name in (RESTORE, COMPARE)]
    qtbot.waitUntil(lambda: freed(*gone), timeout=LONG)
    assert student.state == "running"

    for name in (RESTORE, COMPARE):  # the last one is in front
        open_dock(viewer, name)
    qtbot.waitUntil(lambda: student.title in said(viewer, RESTORE), timeout=LONG)
    assert part(viewer, RESTORE, "cancel").isEnabled()
    gate.open.set()
    qtbot.waitUntil(lambda: (teacher.state, student.state) == ("done", "done"), timeout=LONG)
    assert len(layers_of(viewer, "samples")) == 2
    qtbot.waitUntil(part(viewer, COMPARE, "compare").isEnabled, timeout=LONG)
    press(viewer, COMPARE, "compare")
    strip = part(viewer, COMPARE, "verdicts", VerdictStrip)
    qtbot.waitUntil(lambda: len(strip.rows) == 7, timeout=LONG)


def test_a_viewer_with_everything_open_is_closed_while_a_run_is_drawn(reported, gate, qtbot):
    def close():
        viewer, session = reported()
        session.controller.inspecting.look_at_pixel((3, 4))
        dialog, log = open_models_dialog(viewer), open_log(viewer)
        press(viewer, RESTORE, "run")
        job = session.state.runs[-1].job
        qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
        widgets = [find_dock(viewer, name) for name in (RESTORE, COMPARE)]
        widgets.append(widgets[1].findChild(InspectorPanel))
        things = (viewer, session, session.state, session.controller, dialog, log, *widgets)
        closed = weakref.ref(session)
        gate.let_go = lambda: closed() is None or closed().closed
        viewer.close()
        return job, [weakref.ref(one) for one in things]

    job, gone = close()
    assert job.wait(LONG / 1000)
    assert job.state == "cancelled"
    job = None  # it holds what is told of it
    for _ in range(30):
        freed(*gone)
        qtbot.wait(50)
    assert [type(one()).__name__ for one in gone if one() is not None] == []


@pytest.mark.parametrize("name", [RESTORE, COMPARE])
def test_a_dock_that_is_closed_is_let_go_of_with_all_that_it_shows(reported, qtbot, name):
    viewer, session = reported()
    dock = find_dock(viewer, name)
    if name == COMPARE:
        strip = part(viewer, COMPARE, "verdicts", VerdictStrip)
        qtbot.waitUntil(lambda: len(strip.rows) == 7 or not strip.isVisible(), timeout=LONG)
        for row in strip.rows:
            strip.choose(row.question)
        session.controller.inspecting.look_at_pixel((3, 4))
        del strip
    inside = [weakref.ref(one) for one in dock.findChildren(QWidget) if _is_ours(one)]
    assert len(inside) > 8
    del dock
    gone = [close_dock(viewer, name), *inside]
    qtbot.waitUntil(lambda: freed(*gone), timeout=LONG)
    viewer.theme = "light"  # who still listened would be called now
    session.state.restore.samples += 1
    viewer.layers["cell"].name = "another"
    assert find_dock(viewer, name) is None


def _is_ours(widget):
    return type(widget).__module__.startswith("napari_posterior")


@pytest.mark.parametrize("which", ["models", "card", "log"])
def test_a_dialog_that_is_closed_is_let_go_of(window, qtbot, which):
    viewer, session = window()
    if which == "models":
        made = open_models_dialog(viewer)
    elif which == "log":
        made = open_log(viewer)
    else:
        press(viewer, RESTORE, "card")
        made = next(one for one in QApplication.topLevelWidgets() if isinstance(one, CardWindow))
    gone = weakref.ref(made)
    made.close()
    del made
    qtbot.waitUntil(lambda: freed(gone), timeout=LONG)
    assert not session.closed


def test_two_viewers_draw_at_once_and_each_shows_its_own(window, gate, qtbot):
    both = [window(), window()]
    for number, (viewer, session) in enumerate(both):
        session.state.restore.seed = number
        qtbot.waitUntil(part(viewer, RESTORE, "run").isEnabled, timeout=LONG)
        press(viewer, RESTORE, "run")
    entries = [session.state.runs[0] for _, session in both]
    qtbot.waitUntil(lambda: [one.state for one in entries] == ["running"] * 2, timeout=LONG)
    gate.open.set()
    qtbot.waitUntil(lambda: [one.state for one in entries] == ["done"] * 2, timeout=LONG)
    for (viewer, session), entry in zip(both, entries, strict=True):
        assert list(session.state.runs) == [entry]
        (mean,) = layers_of(viewer, "mean")
        assert mean.metadata["napari_posterior"]["run"] == str(entry.run.path)
        np.testing.assert_array_equal(np.asarray(mean.data), entry.run.mean)
        assert entry.title in said(viewer, RESTORE)
    assert entries[0].run.path != entries[1].run.path


@pytest.mark.parametrize("way", ["remove", "clear"])
def test_layers_go_in_the_context_of_the_canvas_not_in_that_of_the_window(window, qtbot, way):
    from qtpy.QtGui import QOpenGLContext
    from qtpy.QtOpenGLWidgets import QOpenGLWidget

    viewer, _ = window()
    canvas = viewer.window.main_menu.window().centralWidget().findChild(QOpenGLWidget)
    qtbot.waitUntil(canvas.isValid, timeout=LONG)
    current = []
    viewer.layers.events.removed.connect(
        lambda: current.append(QOpenGLContext.currentContext() == canvas.context())
    )
    canvas.doneCurrent()
    if way == "remove":
        viewer.layers.remove("cell")
    else:
        viewer.layers.clear()
    assert current == [True]


@pytest.mark.parametrize("way", ["deletes", "hides"])
def test_layers_are_changed_while_a_run_is_drawn(window, gate, qtbot, measured, way):
    viewer, session = window()
    press(viewer, RESTORE, "run_pair")
    teacher, student = session.state.runs
    qtbot.waitUntil(lambda: gate.reached.is_set() and bool(teacher.run), timeout=LONG)
    qtbot.waitUntil(lambda: len(layers_of(viewer, "samples")) == 2, timeout=LONG)
    (teachers,) = [one for one in layers_of(viewer, "samples") if "teacher" in one.name]
    (students,) = [one for one in layers_of(viewer, "samples") if "student" in one.name]
    students.name = "mine"
    students.contrast_limits = (0, 50)
    if way == "deletes":
        viewer.layers.remove(teachers)
    else:
        students.visible = False
    cell, before = viewer.layers["cell"], measured.copy()
    cell.data[...] = 7  # the run has its own copy
    cell.name = "renamed"
    cell.scale = (1, 1)
    gate.open.set()
    qtbot.waitUntil(lambda: student.state in ENDED, timeout=LONG)
    assert (student.state, student.message) == ("done", "")
    left = layers_of(viewer, "samples")
    assert left == ([students] if way == "deletes" else [teachers, students])
    assert (students.name, students.visible) == ("mine", way == "deletes")
    assert np.isfinite(np.asarray(students.data)).all()
    np.testing.assert_array_equal(student.run.input, before)
    assert student.run.request.image.scale == (0.2, 0.2)
    viewer.layers.remove(cell)
    report = session.compare(teacher, student).result(LONG / 1000)
    assert len(report.findings) > 7


def test_all_that_is_open_follows_the_theme(reported, qtbot):
    viewer, session = reported()
    strip = part(viewer, COMPARE, "verdicts", VerdictStrip)
    qtbot.waitUntil(lambda: len(strip.rows) == 7, timeout=LONG)
    dock = find_dock(viewer, COMPARE)
    session.controller.inspecting.look_at_pixel((3, 4))
    inspector = dock.findChild(InspectorPanel)
    qtbot.waitUntil(lambda: inspector.isVisibleTo(dock), timeout=LONG)
    for row in strip.rows:
        strip.choose(row.question)
    plots = dock.findChildren(Canvas)
    assert len({one.objectName() for one in plots}) >= 4
    open_models_dialog(viewer)
    for theme in ("light", "dark"):
        viewer.theme = theme
        QApplication.processEvents()
        palette = palette_of(viewer)
        for plot in plots:
            axis = plot.getPlotItem().getAxis("bottom")
            assert axis.pen().color().name() == palette.soft, plot.objectName()
            assert axis.textPen().color().name() == palette.text, plot.objectName()
            assert plot.backgroundBrush().color().name() == palette.background, plot.objectName()
        for name in (RESTORE, COMPARE):
            assert palette.mark in find_dock(viewer, name).styleSheet()
        picture = strip.grab().toImage()
        ground = picture.pixelColor(picture.width() - 2, picture.height() - 3).lightness()
        assert (ground > 128) == (theme == "light")
        models = next(one for one in QApplication.topLevelWidgets() if "models" in one.objectName())
        words = models.findChild(QLabel, "models_title")
        assert (words.palette().color(words.foregroundRole()).lightness() < 128) == (
            theme == "light"
        )


def test_both_docks_fit_a_small_screen_beside_each_other(reported, qtbot):
    viewer, _ = reported()
    viewer.window.resize(1280, 720)
    strip = part(viewer, COMPARE, "verdicts", VerdictStrip)
    for name in (RESTORE, COMPARE):
        dock = open_dock(viewer, name)
        qtbot.waitUntil(dock.isVisible, timeout=LONG)
        area = dock.findChild(QScrollArea)
        qtbot.waitUntil(lambda: 340 <= dock.width() <= 420, timeout=LONG)  # noqa: B023
        for row in strip.rows if name == COMPARE else [None]:
            if row is not None:
                strip.choose(row.question)
            qtbot.waitUntil(lambda: cut_off(area.widget()) == [], timeout=LONG)  # noqa: B023
        assert not area.horizontalScrollBar().isVisible()
        assert area.widget().width() <= area.viewport().width()
    frame = viewer.window.main_menu.window()
    assert (frame.width(), frame.height()) == (1280, 720)


def cut_off(inside):
    """Return the controls and texts that have less room than they need."""
    found = []
    for widget in inside.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if widget.mapTo(inside, widget.rect().topRight()).x() >= inside.width():
            found.append(f"{widget.objectName()} is cut at the right")
        if isinstance(widget, QLabel) and widget.wordWrap():
            if widget.height() < widget.heightForWidth(widget.width()):
                found.append(f"{widget.text()} is cut at the bottom")
        elif isinstance(widget, QLabel | QAbstractButton) and widget.text():
            if widget.width() < widget.minimumSizeHint().width():
                found.append(f"{widget.text()} is too narrow")
        elif isinstance(widget, QAbstractSpinBox):
            if widget.lineEdit().width() < widget.fontMetrics().horizontalAdvance(widget.text()):
                found.append(f"{widget.objectName()} is too narrow")
    return found
