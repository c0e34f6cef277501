"""The correction of a student in the dock *Restore*: chosen, told, drawn, kept."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QLabel, QScrollArea, QWidget

from napari_posterior.physics.camera import Camera
from napari_posterior.sampling.corrections import Guided, HandOver, Refine
from napari_posterior.widgets.session import session as session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 200_000  # milliseconds: this may run on a busy machine
OWN = ("correction_hand_over", "correction_refine", "correction_guided")


@pytest.fixture
def window(make_napari_viewer, tiny_with_figures, measured, qtbot):
    """Open a viewer with an image and the dock *Restore*."""
    viewer = make_napari_viewer(show=True)
    viewer.add_image(measured, name="cell", scale=(0.2, 0.2), units=("um", "um"))
    frame, dock = viewer.window.add_plugin_dock_widget("napari-posterior", "Restore")
    session = session_of(viewer)
    restore = session.state.restore
    qtbot.waitUntil(lambda: bool(restore.models), timeout=LONG)
    restore.model, restore.samples, restore.device = "tiny", 2, "cpu"
    restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
    qtbot.waitUntil(part(dock, "run").isEnabled, timeout=LONG)
    yield viewer, dock, session, frame
    assert session.controller.close(60)


def part(dock, name):
    found = dock.findChild(QWidget, name)
    assert found is not None, name
    return found


def said(dock, name):
    widget = part(dock, name)
    return "" if widget.isHidden() else getattr(widget, "said", None) or widget.text()


def choose(box, key):
    box.setCurrentIndex(box.findData(key))


def shown(dock):
    return [name for name in OWN if not part(dock, name).isHidden()]


def test_the_teachers_solver_stands_beside_its_steps(window):
    _, dock, _, _ = window
    assert said(dock, "calls") == "Heun solver, 5 calls"


def test_a_correction_is_chosen_told_of_and_drawn_for_the_student_only(window, qtbot):
    _, dock, session, _ = window
    restore = session.state.restore
    part(dock, "sampler_student").click()
    assert shown(dock) == []
    assert said(dock, "correction_words") == ""
    choose(part(dock, "correction"), "refine")
    assert restore.correction == Refine()
    assert shown(dock) == ["correction_refine"]
    assert said(dock, "correction_words") == Refine().meaning
    calls = said(dock, "calls")
    tau = part(dock, "correction_refine").findChild(QAbstractSpinBox, "correction_tau")
    tau.setFocus()
    tau.selectAll()
    qtbot.keyClicks(tau, "0.6")
    qtbot.keyClick(tau, Qt.Key.Key_Return)
    part(dock, "correction_refine").findChild(QAbstractSpinBox, "correction_times").setValue(2)
    assert restore.correction == Refine(tau=0.6, times=2)
    assert said(dock, "correction_words").startswith("Refined 2 times from tau 0.6")
    assert said(dock, "calls") != calls
    assert said(dock, "cost").startswith(said(dock, "calls"))

    restore.then_compare = False
    part(dock, "run_pair").click()
    runs = session.state.runs
    qtbot.waitUntil(lambda: [run.state for run in runs] == ["done", "done"], timeout=LONG)
    assert [run.run.request.correction for run in runs] == [None, Refine(tau=0.6, times=2)]
    assert runs[1].label == "kd-1 + refine"
    choose(part(dock, "correction"), "none")
    assert restore.correction is None


def test_a_student_that_cannot_be_corrected_so_says_it_once_and_the_teacher_can_run(window):
    _, dock, session, _ = window
    choose(part(dock, "correction"), "hand-over")
    told = said(dock, "correction_problem")
    assert told.startswith("The student 'kd' goes from noise to the clean image only")
    assert part(dock, "run").isEnabled()
    assert not part(dock, "run_pair").isEnabled()
    part(dock, "sampler_student").click()
    assert not part(dock, "run").isEnabled()
    assert said(dock, "why_not") == ""  # it is said where it is chosen
    session.state.restore.correction = HandOver(tau=0.4)
    choose(part(dock, "student"), "flow")
    assert said(dock, "correction_problem") == ""
    assert part(dock, "run").isEnabled()


def test_guidance_by_means_says_before_what_variance_it_takes(window):
    _, dock, session, _ = window
    part(dock, "sampler_student").click()
    choose(part(dock, "student"), "flow")
    choose(part(dock, "correction"), "guided")
    panel = part(dock, "correction_guided")
    steps = panel.findChild(QAbstractSpinBox, "correction_steps")
    assert "% of the posterior variance" in said(dock, "correction_words")
    assert not steps.isEnabled()
    choose(panel.findChild(QWidget, "correction_kernel"), "sample")
    assert session.state.restore.correction == Guided(kernel="sample")
    assert "posterior variance" not in said(dock, "correction_words")
    steps.setValue(2)
    assert session.state.restore.correction.steps == 2
    choose(panel.findChild(QWidget, "correction_kernel"), "mean")
    assert session.state.restore.correction == Guided()


def test_reset_takes_the_correction_away_and_a_second_dock_shows_the_same(window):
    viewer, dock, session, _ = window
    choose(part(dock, "correction"), "refine")
    other = viewer.window.add_plugin_dock_widget("napari-posterior", "Restore")[1]
    assert part(other, "correction").currentData() == "refine"
    part(dock, "reset").click()
    assert session.state.restore.correction is None
    assert shown(dock) == shown(other) == []


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_nothing_is_clipped_at_the_width_of_the_dock(window, qtbot, theme):
    viewer, dock, session, frame = window
    viewer.theme = theme
    big = viewer.window.main_menu.window()
    big.resize(1280, 720)
    restore = session.state.restore
    restore.sampler = "flow"
    session.controller.rates.learn("tiny", "cpu", "float32", pixel_calls=1, seconds=1e-4)
    session.controller.look_again()
    session.state.corrected.seconds = 60.0
    part(dock, "corrected_fold").click()
    inside = dock.findChild(QScrollArea).widget()
    for correction in (HandOver(tau=0.4), Refine(), Guided(kernel="sample"), None):
        restore.correction = correction
        qtbot.waitUntil(lambda: dock.minimumSizeHint().width() <= 380, timeout=LONG)
        big.resizeDocks([frame], [dock.minimumSizeHint().width()], Qt.Orientation.Horizontal)
        qtbot.waitUntil(lambda: clipped(inside) == [], timeout=LONG)


def clipped(inside):
    """Names of the controls and texts that have less room than they need."""
    found = []
    for widget in inside.findChildren(QWidget):
        if not widget.isVisible():
            continue
        if widget.mapTo(inside, widget.rect().topRight()).x() >= inside.width():
            found.append(f"{widget.objectName()} is cut at the right")
        if isinstance(widget, QLabel) and widget.wordWrap():
            if widget.height() < widget.heightForWidth(widget.width()):
                found.append(f"{widget.text()} is cut at the bottom")
        elif isinstance(widget, QLabel | QAbstractButton):
            if widget.width() < widget.minimumSizeHint().width():
                found.append(f"{widget.text()} is too narrow")
        elif isinstance(widget, QAbstractSpinBox):
            if widget.lineEdit().width() < widget.fontMetrics().horizontalAdvance(widget.text()):
                found.append(f"{widget.objectName()} is too narrow")
    return found


def test_the_numbers_say_what_they_are(window):
    _, dock, _, _ = window
    for name in OWN:
        fields = [w for w in part(dock, name).findChildren(QWidget) if w.objectName()]
        ours = [w for w in fields if w.objectName().startswith("correction_")]
        assert len(ours) >= 2
        for field in ours:
            assert field.toolTip()
            assert field.accessibleName()
    assert np.isclose(part(dock, "correction_tau").maximum(), 0.99)
