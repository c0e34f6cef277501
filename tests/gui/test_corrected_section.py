"""*Fast and right* in the dock *Restore*: a time, three lines, a button, maps and sentences."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QApplication, QDockWidget, QFileDialog, QWidget

import napari_posterior as npo
from napari_posterior import commands
from napari_posterior.layers import quantity_of
from napari_posterior.physics.camera import Camera
from napari_posterior.session import outlook
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.docks import RESTORE, find_dock, open_dock

pytestmark = [
    pytest.mark.gui,
    pytest.mark.usefixtures("no_thread_is_left", "tiny_with_figures"),
]

LONG = 200_000  # milliseconds: this may run on a busy machine
CALL = 0.02  # s that a network call is said to take
MAPS = ("correlation", "standard error of the mean", "corrected sd", "corrected mean")


@pytest.fixture
def window(make_napari_viewer, measured, qtbot, monkeypatch):
    """Open a viewer with an image and the dock, which is told how long a call takes."""
    monkeypatch.setattr(outlook, "_find_speed", lambda *_: None)

    def window():
        viewer = make_napari_viewer(show=True)
        viewer.add_image(measured, name="cell", scale=(0.2, 0.2), units=("um", "um"))
        open_dock(viewer, RESTORE)
        session = npo.session(viewer)
        restore = session.state.restore
        qtbot.waitUntil(lambda: bool(restore.models), timeout=LONG)
        restore.model, restore.device, restore.samples = "tiny", "cpu", 2
        restore.camera, restore.psf = Camera(2.0, 100.0, 1.5), 1.4
        qtbot.waitUntil(part(viewer, "run").isEnabled, timeout=LONG)
        time_is_known(session, measured.size)
        if not part(viewer, "run_corrected").isVisible():
            part(viewer, "corrected_fold").click()
        return viewer, session

    return window


def time_is_known(session, pixels):
    session.controller.rates.learn("tiny", "cpu", "float32", pixel_calls=pixels, seconds=CALL)
    session.state.corrected.seconds = 1.5
    session.controller.look_again()


def part(viewer, name):
    found = find_dock(viewer, RESTORE).findChild(QWidget, name)
    assert found is not None, name
    return found


def said(viewer, name):
    widget = part(viewer, name)
    return "" if widget.isHidden() else getattr(widget, "said", None) or widget.text()


def press(viewer, name):
    button = part(viewer, name)
    assert button.isEnabled(), f"{name}: {button.toolTip()}"
    button.click()


def maps_of(viewer):
    return {quantity_of(one): one for one in viewer.layers if quantity_of(one) in MAPS}


def close_dock(viewer):
    frame = find_dock(viewer, RESTORE).parent()
    while not isinstance(frame, QDockWidget):
        frame = frame.parent()
    viewer.window.remove_dock_widget(frame)
    frame.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    gc.collect()


def test_the_time_is_set_by_slider_keys_or_number_and_three_lines_follow(window, qtbot):
    viewer, session = window()
    state, slider = session.state.corrected, part(viewer, "corrected_slider")
    told = part(viewer, "corrected_offers").accessibleDescription()
    assert "Teacher alone: " in told
    assert "Student, biased: " in told
    assert "Corrected: " in told
    assert "kd alone stays 0.2" in said(viewer, "corrected_note")
    slider.setFocus()
    qtbot.keyClick(slider, Qt.Key.Key_End)
    assert state.seconds == 3600
    assert part(viewer, "corrected_seconds").value() == 3600
    qtbot.keyClick(slider, Qt.Key.Key_Home)
    assert state.seconds == 5
    assert said(viewer, "corrected_problem") == ""
    assert part(viewer, "run_corrected").isEnabled()
    part(viewer, "corrected_seconds").setValue(1)
    assert "too short" in said(viewer, "corrected_problem")
    assert part(viewer, "corrected_offers").isHidden()
    assert not part(viewer, "run_corrected").isEnabled()


def test_run_corrected_draws_both_runs_and_adds_maps_and_sentences(
    window, qtbot, tmp_path, monkeypatch
):
    viewer, session = window()
    state = session.state.corrected
    plan = state.plan
    press(viewer, "run_corrected")
    assert part(viewer, "cancel_corrected").isEnabled()
    assert not part(viewer, "run_corrected").isEnabled()
    assert said(viewer, "corrected_now").startswith("1 of 3, drawing the teacher")
    runs = list(session.state.runs)
    assert [run.samples for run in runs] == [plan.pairs, plan.pairs + plan.students]
    qtbot.waitUntil(lambda: state.state in ENDED, timeout=LONG)
    assert (state.state, state.fault) == ("done", "")
    qtbot.waitUntil(lambda: len(maps_of(viewer)) == 4, timeout=LONG)

    found = maps_of(viewer)
    assert {one.name for one in found.values()} == {f"cell | {name}" for name in MAPS}
    mean, sd = found["corrected mean"], found["corrected sd"]
    assert [one.visible for one in (mean, sd)] == [True, False]
    for one in found.values():
        assert np.allclose(one.scale, 0.2)
        assert one.data.shape == (24, 32)
        assert str(one.units[0]) == str(viewer.layers["cell"].units[0])
    of_teacher = {quantity_of(one): one for one in viewer.layers if "teacher" in one.name}
    assert mean.contrast_limits == of_teacher["mean"].contrast_limits
    assert sd.contrast_limits == of_teacher["sd"].contrast_limits
    assert found["correlation"].contrast_limits == [-1, 1]
    assert np.allclose(mean.data, state.found.mean, atol=1e-3)
    assert said(viewer, "corrected_now").startswith("Corrected in")
    assert "standard error" in said(viewer, "corrected_found")

    target = tmp_path / "cell.corrected.zarr"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    press(viewer, "save_corrected")
    qtbot.waitUntil(lambda: state.saved is not None or bool(state.fault), timeout=LONG)
    assert state.saved == target
    assert said(viewer, "corrected_saved") == "Saved as cell.corrected.zarr."
    press(viewer, "save_corrected")  # it exists now
    qtbot.waitUntil(lambda: bool(said(viewer, "corrected_fault")), timeout=LONG)


def test_dock_is_closed_and_opened_again_meanwhile_and_cancel_keeps_samples(window, gate, qtbot):
    viewer, session = window()
    state = session.state.corrected
    press(viewer, "run_corrected")
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)  # the teacher is drawn by then
    close_dock(viewer)
    assert state.going_on
    open_dock(viewer, RESTORE)
    assert part(viewer, "cancel_corrected").isEnabled()  # unfolded, as it goes on
    qtbot.waitUntil(lambda: "2 of 3, drawing the student" in said(viewer, "corrected_now"))
    gate.let_go = lambda: not state.going_on
    press(viewer, "cancel_corrected")
    qtbot.waitUntil(lambda: not state.going_on, timeout=LONG)
    teacher, student = session.state.runs
    qtbot.waitUntil(lambda: student.state == "cancelled", timeout=LONG)
    assert len(teacher.run) >= 8
    assert maps_of(viewer) == {}
    assert said(viewer, "corrected_now") == "Cancelled; samples that were drawn are kept."


def test_dock_closed_meanwhile_finds_the_result_of_what_went_on(window, gate, qtbot):
    viewer, session = window()
    press(viewer, "run_corrected")
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    close_dock(viewer)
    gate.open.set()
    qtbot.waitUntil(lambda: session.state.corrected.state == "done", timeout=LONG)
    qtbot.waitUntil(lambda: len(maps_of(viewer)) == 4, timeout=LONG)
    open_dock(viewer, RESTORE)
    assert "standard error" in part(viewer, "corrected_found").said
    assert not part(viewer, "save_corrected").isHidden()


def test_another_viewer_is_left_alone(window, gate, qtbot):
    viewer, session = window()
    other, others = window()
    press(viewer, "run_corrected")
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    assert not others.state.corrected.going_on
    assert part(other, "run_corrected").isEnabled()
    assert said(other, "corrected_now") == ""
    gate.open.set()
    qtbot.waitUntil(lambda: session.state.corrected.state == "done", timeout=LONG)
    qtbot.waitUntil(lambda: len(maps_of(viewer)) == 4, timeout=LONG)
    assert maps_of(other) == {}


def test_the_command_of_the_palette_runs_it_on_the_selected_layer(window, qtbot):
    viewer, session = window()
    viewer.layers.selection.active = viewer.layers["cell"]
    commands.run_corrected()
    state = session.state.corrected
    qtbot.waitUntil(lambda: state.state in ENDED, timeout=LONG)
    assert state.state == "done"


def test_two_runs_are_corrected_from_the_console(window, qtbot):
    viewer, session = window()
    options = {"camera": Camera(2.0, 100.0, 1.5), "device": "cpu", "seed": 3}
    teacher = session.restore("cell", sampler="teacher", samples=4, **options)
    assert teacher.result(LONG / 1000).request.seed == 3
    student = session.restore("cell", sampler="kd", samples=9, **options)
    job = session.correct(teacher, student, statistics=("mean_intensity",))
    found = job.result(LONG / 1000)
    assert found["mean"].pairs == 4
    assert "mean_intensity" in found
    qtbot.waitUntil(lambda: len(maps_of(viewer)) == 4, timeout=LONG)
    with pytest.raises(npo.errors.InputError, match="not a run of the teacher"):
        session.correct(student, teacher)
