from __future__ import annotations

import shutil
import threading
import time
from collections import Counter

import numpy as np
import pytest
import tifffile
from napari.utils.notifications import notification_manager
from qtpy import API_NAME
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QWidget,
)

from napari_posterior.layers import ready
from napari_posterior.physics.camera import Camera
from napari_posterior.session.choices import DeviceChoice, ModelChoice
from napari_posterior.session.models import RunEntry
from napari_posterior.session.progress import Progress
from napari_posterior.widgets.session import session as session_of

pytestmark = pytest.mark.gui

PLUGIN, NAME = "napari-posterior", "Restore"
LONG = 60_000  # milliseconds: this may run on a busy machine


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    viewer = make_napari_viewer_proxy()
    yield viewer
    assert session_of(viewer).controller.close(60)


@pytest.fixture
def session(viewer, qtbot):
    found = session_of(viewer)
    qtbot.waitUntil(lambda: bool(found.state.restore.models), timeout=LONG)
    found.state.restore.model = "tiny"
    found.state.restore.samples = 2
    return found


@pytest.fixture
def build(viewer, session):
    def build():
        return viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]

    return build


@pytest.fixture
def dock(build):
    return build()


@pytest.fixture
def cell(viewer, session):
    """A layer of a small simulated image."""
    rng = np.random.default_rng(0)
    data = (2 * rng.poisson(20, (3, 40, 48)) + 100).astype(np.uint16)
    return viewer.add_image(data, name="cell", scale=(1, 0.2, 0.2), units=("um", "um", "um"))


@pytest.fixture
def held(monkeypatch):
    """Hold every sampler at its first network call until it is let go."""
    from napari_posterior.sampling import samplers

    let_go = threading.Event()
    for kind in (samplers.StudentSampler, samplers.TeacherSampler):

        def gated(self, *args, draw=kind.draw, **options):
            assert let_go.wait(60)
            return draw(self, *args, **options)

        monkeypatch.setattr(kind, "draw", gated)
    yield let_go
    let_go.set()


def part(dock, name):
    found = dock.findChild(QWidget, name)
    assert found is not None, name
    return found


def click(dock, name):
    button = part(dock, name)
    assert isinstance(button, QAbstractButton)
    assert button.isEnabled(), f"{name} cannot be pressed: {button.toolTip()}"
    button.click()


def said(dock, name):
    widget = part(dock, name)
    return "" if widget.isHidden() else getattr(widget, "said", None) or widget.text()


def choose(box, text):
    [place] = [i for i in range(box.count()) if box.itemText(i).startswith(text)]
    box.setCurrentIndex(place)


def ended(session, count):
    def look():
        runs = list(session.state.runs)
        return len(runs) == count and {one.state for one in runs} <= {"done", "cancelled", "failed"}

    return look


def test_without_an_image_there_is_a_short_text_and_one_button(dock):
    assert not part(dock, "welcome").isHidden()
    buttons = [b for b in dock.findChildren(QPushButton) if b.isVisibleTo(dock)]
    assert [b.objectName() for b in buttons] == ["open_sample"]


def test_two_clicks_lead_from_an_empty_viewer_to_samples_of_teacher_and_student(
    dock, session, viewer, qtbot
):
    click(dock, "open_sample")
    qtbot.waitUntil(part(dock, "run_pair").isEnabled)
    click(dock, "region_shape")
    viewer.add_shapes([[[0, 0], [0, 3], [3, 3], [3, 0]]], scale=(1, 1), units=("um", "um"))
    qtbot.waitUntil(lambda: "31" in said(dock, "image_words"))
    click(dock, "run_pair")

    assert [run.role for run in session.state.runs] == ["teacher", "student"]
    assert part(dock, "cancel").isEnabled()
    qtbot.waitUntil(ended(session, 2), timeout=LONG)
    assert [run.state for run in session.state.runs] == ["done", "done"]
    assert not part(dock, "cancel").isEnabled()
    assert "2 samples in" in said(dock, "progress_words")


def test_camera_psf_and_background_of_a_sample_image_are_filled_in_and_said(dock, session, qtbot):
    click(dock, "open_sample")
    qtbot.waitUntil(lambda: session.state.restore.camera is not None)

    assert session.state.restore.camera == Camera(2.1, 100.0, 1.6)
    assert session.state.restore.psf == 1.6
    words = said(dock, "camera_words")
    assert words.startswith("2.1 ADU/e-, 100 ADU, 1.6 e-; PSF sigma 1.6 px (0.16 µm)")
    assert words.endswith("from the image's metadata.")


def test_what_one_image_told_is_not_taken_for_the_next_but_what_was_entered_is(
    dock, session, viewer, qtbot
):
    restore = session.state.restore
    click(dock, "open_sample")
    qtbot.waitUntil(lambda: restore.camera is not None)
    viewer.add_image(np.ones((40, 40), np.uint16), name="other")
    qtbot.waitUntil(lambda: part(dock, "image").count() == 2)

    choose(part(dock, "image"), "other")
    assert (restore.camera, restore.psf) == (None, None)
    assert said(dock, "camera_words").startswith("Camera estimated from the image")

    part(dock, "camera_given").click()
    part(dock, "gain").setValue(3.5)
    choose(part(dock, "image"), "puncta")
    assert restore.camera.gain == 2.1
    part(dock, "gain").setValue(3.5)
    words = said(dock, "camera_words")
    assert words.startswith("3.5 ADU/e-, 100 ADU, 1.6 e-, typed; PSF sigma 1.6 px (0.16 µm), from")
    choose(part(dock, "image"), "other")
    assert restore.camera.gain == 3.5


def test_step_control_says_why_there_is_no_choice_and_what_a_choice_means(
    dock, cell, session, qtbot
):
    qtbot.waitUntil(lambda: not part(dock, "sampler").isHidden())
    assert part(dock, "steps").isEnabled()
    assert said(dock, "calls") == "Heun solver, 5 calls"
    assert "are the reference" in said(dock, "steps_reason")

    choose(part(dock, "student"), "kd")
    click(dock, "sampler_student")
    assert not part(dock, "steps").isEnabled()
    assert said(dock, "steps_reason").startswith("kd was distilled for 1 step")
    assert said(dock, "calls") == "1 call"

    choose(part(dock, "student"), "flow")
    assert session.state.restore.sampler == "flow"
    assert part(dock, "steps").isEnabled()
    part(dock, "steps").stepBy(-1)
    assert session.state.restore.steps == 1
    part(dock, "steps").stepBy(-1)
    assert part(dock, "steps").value() == 1


def test_rectangle_is_the_region(dock, viewer, cell, session, qtbot):
    click(dock, "region_shape")
    qtbot.waitUntil(lambda: "draw one" in said(dock, "image_problem"))
    assert not part(dock, "run").isEnabled()

    click(dock, "draw")
    shapes = viewer.layers["region"]
    assert str(shapes.mode) == "add_rectangle"
    np.testing.assert_array_equal(shapes.scale, cell.scale[-2:])
    shapes.add_rectangles([[4.2, 5.2], [23.8, 30.8]])

    qtbot.waitUntil(part(dock, "run").isEnabled)
    assert session.state.restore.image.shape == (3, 19, 25)
    assert "rows 5-23" in said(dock, "image_words")
    assert said(dock, "image_problem") == ""


def test_current_plane_follows_the_slider(dock, viewer, cell, session, qtbot):
    qtbot.waitUntil(part(dock, "region_plane").isEnabled)
    click(dock, "region_plane")
    for plane in (0, 2):
        viewer.dims.set_current_step(0, plane)
        qtbot.waitUntil(lambda at=plane: f"= {at}" in said(dock, "image_words"))
    assert session.state.restore.image.read().data.shape[-2:] == (40, 48)


def test_plane_cannot_be_chosen_where_there_is_only_one(dock, viewer, qtbot):
    viewer.add_image(np.ones((40, 40), np.uint16))
    qtbot.waitUntil(lambda: not part(dock, "region_whole").isHidden())
    qtbot.waitUntil(lambda: not part(dock, "region_plane").isEnabled())


def test_opened_file_is_chosen(dock, cell, session, tmp_path, qtbot):
    qtbot.waitUntil(lambda: part(dock, "image").currentText() == "cell")
    tifffile.imwrite(tmp_path / "fresh.tif", np.ones((40, 40), np.uint16))
    dock.image.open_paths([str(tmp_path / "fresh.tif")])
    assert part(dock, "image").currentText() == "fresh"
    assert session.state.restore.image.name == "fresh"


def test_file_that_cannot_be_opened_gives_a_sentence(dock, viewer, tmp_path, qtbot):
    told = []
    notification_manager.notification_ready.connect(told.append)
    try:
        dock.image.open_paths([str(tmp_path / "gone.tif")])
    finally:
        notification_manager.notification_ready.disconnect(told.append)
    assert [one.message.startswith("The file cannot be opened") for one in told] == [True]
    assert len(viewer.layers) == 0


def test_renamed_layer_is_renamed_in_the_list(dock, cell, qtbot):
    cell.name = "another"
    qtbot.waitUntil(lambda: part(dock, "image").currentText() == "another")


def test_removed_layer_leaves_the_list_and_the_state(dock, viewer, cell, session, qtbot):
    qtbot.waitUntil(lambda: session.state.restore.image is not None)
    viewer.layers.remove("cell")
    qtbot.waitUntil(lambda: session.state.restore.image is None)
    assert not part(dock, "welcome").isHidden()


def test_colour_image_is_refused_with_the_reason(dock, viewer, qtbot):
    viewer.add_image(np.zeros((40, 40, 3), np.uint8), rgb=True, name="photo")
    qtbot.waitUntil(lambda: "photo" in said(dock, "image_problem"))
    assert "colour" in said(dock, "image_problem")
    assert not part(dock, "run").isEnabled()
    assert not part(dock, "run_pair").isEnabled()


def test_results_and_the_known_object_are_not_offered(dock, viewer, qtbot):
    click(dock, "open_sample")
    viewer.add_image(
        np.ones((40, 40)), name="mean", metadata={"napari_posterior": {"quantity": "mean"}}
    )
    picker = part(dock, "image")
    assert [picker.itemText(i) for i in range(picker.count())] == ["puncta"]


def test_psf_narrower_than_the_target_is_told_and_locks_the_buttons(dock, cell, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    click(dock, "camera_fold")
    click(dock, "psf_given")
    part(dock, "psf_sigma").setValue(0.5)
    assert "narrower than the target" in said(dock, "why_not")
    assert not part(dock, "run").isEnabled()
    assert not part(dock, "run_pair").isEnabled()
    part(dock, "psf_sigma").setValue(1.5)
    assert said(dock, "why_not") == ""
    assert part(dock, "run").isEnabled()


def test_same_run_is_locked_and_another_one_is_queued_in_words(dock, cell, session, held, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    click(dock, "run")
    assert not part(dock, "run").isEnabled()
    assert not part(dock, "run_pair").isEnabled()
    assert "drawn" in said(dock, "why_not")

    part(dock, "seed").setValue(7)
    click(dock, "run")
    assert len(session.state.runs) == 2
    assert "#2 teacher" in said(dock, "queue_words")
    assert "waits" in said(dock, "queue_words")

    click(dock, "cancel")
    held.set()
    qtbot.waitUntil(ended(session, 2), timeout=LONG)
    assert part(dock, "run").isEnabled()


def test_second_dock_shows_what_runs_after_the_first_was_deleted(
    build, viewer, cell, session, held, qtbot
):
    dock = build()
    qtbot.waitUntil(part(dock, "run").isEnabled)
    part(dock, "camera_given").click()
    part(dock, "gain").setValue(1.7)
    click(dock, "run")
    viewer.window.remove_dock_widget(dock)
    gone = []
    dock.destroyed.connect(lambda: gone.append(True))
    dock.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    cell.name = "renamed meanwhile"
    session.state.restore.samples = 3

    again = build()
    assert part(again, "cancel").isEnabled()
    assert "#1 teacher" in said(again, "progress_words")
    assert said(part(again, "run_1"), "run_title").startswith("#1 teacher")
    assert session.state.restore.camera.gain == 1.7
    assert part(again, "samples").value() == 3
    held.set()
    qtbot.waitUntil(ended(session, 1), timeout=LONG)
    qtbot.waitUntil(lambda: "2 samples in" in said(again, "progress_words"))


def test_camera_maps_from_the_console_survive_what_does_not_change_them(dock, cell, session):
    restore = session.state.restore
    camera = Camera(np.full((64, 64), 3.0), 90.0, 2.0, gain_interval=(2.5, 3.5))
    restore.camera = camera
    assert part(dock, "gain").value() == 3
    words = "3 ADU/e- (2.5-3.5), 90 ADU, 2 e- (medians of maps)"
    assert words in said(dock, "camera_words")
    part(dock, "camera_estimated").click()
    assert restore.camera is None
    part(dock, "camera_given").click()
    assert restore.camera == camera
    part(dock, "offset").setValue(95)
    assert restore.camera == Camera(3.0, 95.0, 2.0)


def test_settings_changed_from_the_console_show_in_the_dock(dock, cell, session, qtbot):
    restore = session.state.restore
    restore.samples, restore.seed, restore.sampler = 5, 2**40, "kd"
    restore.psf, restore.camera = 2.25, Camera(3.0, 90.0, 2.0)
    assert part(dock, "samples").value() == 5
    assert part(dock, "seed").value() == 2**40
    assert part(dock, "sampler_student").isChecked()
    assert part(dock, "student").currentText() == "kd"
    assert part(dock, "psf_sigma").value() == 2.25
    assert part(dock, "offset").value() == 90
    assert part(dock, "run").text().replace("&", "") == "Run kd"


def test_model_that_cannot_be_used_is_greyed_with_the_reason(dock, session):
    models = session.state.restore.models
    broken = ModelChoice("broken", None, (), "broken is damaged; get it again")
    session.controller.set_models((*models, broken))
    box = part(dock, "model")
    place = box.findData("broken")
    assert not box.model().item(place).isEnabled()
    assert "damaged" in box.itemData(place, Qt.ItemDataRole.ToolTipRole)


def test_device_that_is_not_there_is_greyed_with_the_reason(dock, session):
    session.controller.set_devices(
        (DeviceChoice("cpu", True, "the CPU"), DeviceChoice("cuda", False, "no GPU was found"))
    )
    box = part(dock, "device")
    place = box.findData("cuda")
    assert not box.model().item(place).isEnabled()
    assert box.itemText(place) == "cuda (no GPU was found)"


def test_card_is_plain_text(dock, session, cell, qtbot):
    [chosen] = [one for one in session.state.restore.models if one.name == "tiny"]
    card = chosen.card.model_copy(update={"description": "<b>bold</b> <img src='x'>"})
    tricky = ModelChoice("tiny", card, chosen.samplers)
    session.controller.set_models((tricky,))
    click(dock, "card")
    window = part(dock, "card_window")
    text = window.findChild(QPlainTextEdit).toPlainText()
    assert "<b>bold</b>" in text
    assert "Tests of logic." in text
    assert "It restores nothing." in text
    assert "teacher: " in text
    assert "5 network calls a sample" in text
    window.close()


def test_run_row_tells_failure_and_warnings_and_is_forgotten(dock, session, cell):
    entry = RunEntry(
        9,
        "kd-1",
        "student",
        "cell",
        4,
        state="failed",
        message="The disk is full; free some room.",
        warnings=("<i>dim</i> image",),
        progress=Progress(sentence="The disk is full; free some room."),
    )
    session.state.runs.append(entry)
    row = part(dock, "run_9")
    assert said(row, "run_title") == "#9 kd-1, K = 4"
    assert said(row, "run_words") == "failed"
    assert said(row, "run_fault") == "The disk is full; free some room."
    assert "1 warning" in part(row, "run_warnings_fold").text()
    click(row, "run_warnings_fold")
    assert said(row, "run_warnings") == "<i>dim</i> image"
    assert part(row, "run_warnings").textFormat() == Qt.TextFormat.PlainText

    [forget] = [one for one in row.menu.actions() if one.objectName() == "run_forget"]
    forget.trigger()
    assert not session.state.runs
    assert dock.findChild(QWidget, "run_9") is None or part(dock, "run_9").isHidden()


def test_layers_of_a_run_come_back_when_they_were_removed(
    dock, viewer, session, cell, stored_run, qtbot, monkeypatch
):
    readers = []
    make = ready.run_layers

    def run_layers(run):
        readers.append(threading.current_thread())
        return make(run)

    monkeypatch.setattr(ready, "run_layers", run_layers)
    run = stored_run()
    entry = session.controller.add_run(run)
    row = part(dock, f"run_{entry.number}")
    click(row, "run_show")
    name = "cell | teacher samples"
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
    assert [layer.name for layer in viewer.layers if layer.visible] == ["cell", name]
    assert viewer.layers.selection.active.name == name
    count = len(viewer.layers)
    viewer.layers[name].visible = False
    click(row, "run_show")
    assert len(viewer.layers) == count
    assert viewer.layers[name].visible
    [reader] = readers
    assert reader is not threading.main_thread()


def test_a_point_estimate_is_shown_again_though_its_image_never_went(
    dock, viewer, session, stored_run, qtbot
):
    entry = session.controller.add_run(stored_run(sampler="mse", role="point", samples=1))
    row, name = part(dock, f"run_{entry.number}"), "cell | point estimate"
    for _ in range(2):
        click(row, "run_show")
        qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
        assert [layer.name for layer in viewer.layers if layer.visible] == ["cell", name]
        viewer.layers.remove(name)
    click(row, "run_show")
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
    viewer.layers[name].visible = False
    click(row, "run_show")
    assert [layer.name for layer in viewer.layers if layer.visible] == ["cell", name]


def test_a_run_whose_folder_has_gone_is_told_of_in_a_sentence(
    dock, viewer, session, cell, stored_run, qtbot
):
    run = stored_run()
    entry = session.controller.add_run(run)
    shutil.rmtree(run.path)
    told = []
    notification_manager.notification_ready.connect(told.append)
    try:
        click(part(dock, f"run_{entry.number}"), "run_show")
        qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    finally:
        notification_manager.notification_ready.disconnect(told.append)
    [message] = [one.message for one in told]
    assert message.startswith(str(run.path))
    assert message.endswith("the run is damaged, so make it again.")
    assert [layer.name for layer in viewer.layers] == ["cell"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [9, 13])
def test_nothing_is_clipped_or_wider_than_the_dock(
    make_napari_viewer, tiny_model, qtbot, theme, size
):
    viewer = make_napari_viewer(show=True)
    window = viewer.window.main_menu.window()
    from napari.settings import get_settings

    viewer.theme = theme
    get_settings().appearance.font_size = size
    window.resize(1280, 720)
    session = session_of(viewer)
    qtbot.waitUntil(lambda: bool(session.state.restore.models), timeout=LONG)
    session.state.restore.model = "tiny"
    name = "a_very_long_name_of_a_measurement_from_a_microscope_2026_11_20_0001"
    viewer.add_image(np.ones((2, 40, 40), np.uint16), name=name)
    frame, dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)
    entry = RunEntry(1, "teacher-24", "teacher", 1, 16, state="failed", message=name * 2)
    entry.warnings = (f"{name} is dimmer than the model was trained on",)
    session.state.runs.append(entry)
    click(dock, "region_shape")
    click(dock, "camera_fold")
    click(dock, "psf_given")
    click(dock, "run_warnings_fold")
    inside = dock.findChild(QScrollArea).widget()
    qtbot.waitUntil(lambda: dock.minimumSizeHint().width() <= (380 if size == 9 else 480))
    narrowest = dock.minimumSizeHint().width()  # once the style has come to all of it
    window.resizeDocks([frame], [narrowest], Qt.Orientation.Horizontal)
    qtbot.waitUntil(lambda: narrowest <= dock.width() < narrowest + 20)
    qtbot.waitUntil(lambda: not clipped(inside), timeout=10_000)

    assert window.height() <= 720
    assert not dock.findChild(QScrollArea).horizontalScrollBar().isVisible()
    assert inside.width() <= dock.width()
    session.controller.close(10)


def clipped(inside):
    """Names of the controls and texts that have less room than they need."""
    found = []
    for widget in inside.findChildren(QWidget):
        if not widget.isVisible():
            continue
        right = widget.mapTo(inside, widget.rect().topRight()).x()
        if right >= inside.width():
            found.append(f"{widget.objectName()} is cut at the right")
        if isinstance(widget, QLabel) and widget.wordWrap():
            if widget.height() < widget.heightForWidth(widget.width()):
                found.append(f"{widget.text()} is cut at the bottom")
        elif isinstance(widget, QLabel | QAbstractButton):
            if widget.width() < widget.minimumSizeHint().width():
                found.append(f"{widget.text()} is too narrow")
            if widget.height() < widget.fontMetrics().height():
                found.append(f"{widget.text()} is too low")
        elif isinstance(widget, QAbstractSpinBox):
            if widget.lineEdit().width() < widget.fontMetrics().horizontalAdvance(widget.text()):
                found.append(f"{widget.objectName()} is too narrow")
    return found


def test_every_control_says_what_it_is_and_what_it_does(dock, cell, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    kinds = (QAbstractButton, QAbstractSpinBox, QComboBox)
    controls = [w for kind in kinds for w in dock.findChildren(kind) if w.objectName()]
    assert len(controls) > 20
    for control in controls:
        if control.objectName().startswith("qt_"):
            continue
        assert control.toolTip(), control.objectName()
        named = control.accessibleName() or getattr(control, "text", str)()
        assert named, control.objectName()
    for name in ("gain", "offset", "read_noise", "psf_sigma", "background"):
        unit = part(dock, name).suffix().strip()
        assert unit
        assert unit in part(dock, name).toolTip()


def test_mnemonics_are_neither_shared_nor_taken_from_the_menus(dock, cell, viewer, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    click(dock, "camera_fold")
    texts = [
        widget.text()
        for kind in (QAbstractButton, QLabel)
        for widget in dock.findChildren(kind)
        if widget.isVisibleTo(dock) and (kind is not QLabel or widget.buddy())
    ]
    letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
    menus = [a.text() for a in viewer.window.main_menu.actions()]
    taken = {text[text.index("&") + 1].lower() for text in menus if "&" in text}
    assert len(letters) >= 8
    assert [letter for letter, count in Counter(letters).items() if count > 1] == []
    assert not taken & set(letters)


@pytest.mark.skipif(
    API_NAME == "PySide6", reason="PySide6 keeps napari's own widgets alive that are walked through"
)
def test_tab_goes_from_the_top_to_the_bottom_and_not_into_what_is_folded(
    make_napari_viewer, tiny_model, qtbot
):
    viewer = make_napari_viewer(show=True)
    session = session_of(viewer)
    qtbot.waitUntil(lambda: bool(session.state.restore.models), timeout=LONG)
    viewer.add_image(np.random.default_rng(0).poisson(9, (40, 40)), name="cell")
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]
    qtbot.waitUntil(part(dock, "run").isEnabled)
    qtbot.waitUntil(part(dock, "run").isVisible)
    first = part(dock, "image")
    order, widget = [first], first.nextInFocusChain()
    while widget is not first:
        tabbed = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if tabbed and widget.isVisible() and widget.isEnabled():
            order.append(widget)
        widget = widget.nextInFocusChain()
    known = ["image", "open", "camera_fold", "model", "card", "student", "steps", "samples"]
    known += ["seed", "device", "run_pair", "run"]
    names = [one.objectName() for one in order]
    assert [name for name in names if name in known] == known
    assert "gain" not in names
    session.controller.close(10)


def test_dock_opens_in_less_than_a_second_of_computing(make_napari_viewer_proxy, tiny_model, qtbot):
    viewer = make_napari_viewer_proxy(show=True)
    QApplication.processEvents()
    start, cpu = time.perf_counter(), time.process_time()
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]
    QApplication.processEvents()
    spent = min(time.perf_counter() - start, time.process_time() - cpu)
    assert dock.isVisible()
    assert spent < 1
    assert session_of(viewer).controller.close(60)


def test_axes_that_the_labels_do_not_tell_are_given_by_the_user_and_kept_for_the_layer(
    dock, viewer, session, qtbot
):
    restore = session.state.restore
    labels = {"axis_labels": ("a", "b", "y", "x")}
    layer = viewer.add_image(np.ones((3, 2, 40, 48), np.uint16), name="stack", **labels)
    other = viewer.add_image(np.ones((3, 40, 48), np.uint16), name="other")
    choose(part(dock, "image"), "stack")
    dock.image.refresh()
    assert restore.image.axes == "TZYX"
    assert "3 x 2 planes, restored separately" in said(dock, "image_words")

    box = part(dock, "axes")
    choose(box, "TCYX")
    box.textActivated.emit("TCYX")
    assert restore.image.axes == "TCYX"
    assert restore.image.read().geometry.axes == ("t", "c", "y", "x")
    assert layer.axis_labels == labels["axis_labels"]

    choose(part(dock, "image"), "other")
    assert restore.image.axes == "ZYX"
    choose(part(dock, "image"), "stack")
    assert restore.image.axes == box.currentText() == "TCYX"

    click(dock, "write_axes")
    assert layer.axis_labels == ("t", "c", "y", "x")
    assert part(dock, "write_axes").isHidden()
    assert restore.axes == {}
    assert other.axis_labels != ("z", "y", "x")


def test_axes_that_cannot_be_are_told_of_and_not_taken(dock, viewer, session, qtbot):
    viewer.add_image(np.ones((3, 40, 48), np.uint16), name="stack")
    dock.image.refresh()
    line = part(dock, "axes").lineEdit()
    line.setText("QYX")
    line.editingFinished.emit()
    assert "name each once" in said(dock, "axes_fault")
    assert session.state.restore.image.axes == "ZYX"


def test_a_plane_has_no_axes_to_be_given(dock, viewer, qtbot):
    viewer.add_image(np.ones((40, 40), np.uint16))
    qtbot.waitUntil(lambda: not part(dock, "image_words").isHidden())
    assert part(dock, "axes").isHidden() or not part(dock, "axes").isVisibleTo(dock)


def test_camera_is_estimated_with_its_interval_and_one_can_go_back(dock, session, qtbot):
    restore = session.state.restore
    click(dock, "open_sample")
    qtbot.waitUntil(lambda: restore.camera is not None)
    click(dock, "camera_fold")
    before = restore.camera
    click(dock, "estimate_camera")
    assert not part(dock, "estimate_bar").isHidden()
    qtbot.waitUntil(lambda: session.controller.acquisition.job is None, timeout=LONG)
    qtbot.waitUntil(lambda: restore.camera != before, timeout=LONG)
    low, high = restore.camera.gain_interval
    assert f"ADU/e- ({low:.3g}-{high:.3g})" in said(dock, "camera_words")
    assert "estimated from puncta" in said(dock, "camera_words")
    assert "95 % interval" in said(dock, "estimate_notes")
    assert part(dock, "estimate_bar").isHidden()
    click(dock, "estimate_undo")
    assert restore.camera == before
    assert said(dock, "camera_words").endswith("from the image's metadata.")


def test_camera_is_taken_from_a_file_or_a_layer_of_maps(
    dock, viewer, cell, session, tmp_path, qtbot
):
    restore = session.state.restore
    finding = dock.camera._finding
    path = tmp_path / "camera.json"
    path.write_text('{"gain": 2.5, "offset": 99, "read_noise": 1.1}')
    finding.take_file(str(path))
    qtbot.waitUntil(lambda: restore.camera == Camera(2.5, 99.0, 1.1), timeout=LONG)
    assert "from camera.json" in said(dock, "camera_words")

    maps = np.stack([np.full((40, 48), one, np.float32) for one in (3.0, 100.0, 9.0)])
    viewer.add_image(maps, name="maps")
    menu = part(dock, "camera_source").menu()
    menu.aboutToShow.emit()
    [action] = [one for one in menu.actions() if one.text() == "Layer maps"]
    action.trigger()
    qtbot.waitUntil(lambda: restore.camera.typical.gain == 3, timeout=LONG)
    assert "from maps" in said(dock, "camera_words")


def test_what_is_outside_of_the_trained_range_is_told_before_sampling(dock, cell, session, qtbot):
    restore = session.state.restore
    restore.camera = Camera(2.0, 100.0, 1.5)
    session.look_for_devices()
    restore.psf = 5.0
    told = "The PSF sigma is 5 px, outside the trained range of 1 to 3;"
    qtbot.waitUntil(lambda: told in said(dock, "outlook"), timeout=LONG)
    qtbot.waitUntil(lambda: "about" in said(dock, "pair_cost"), timeout=LONG)
    restore.psf = 1.5
    assert said(dock, "outlook") == ""


def test_what_both_runs_take_is_said_before_the_first(dock, cell, session, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    rates = session.controller.rates
    pixels = float(np.prod(cell.data.shape))
    rates.learn("tiny", "auto", "float32", pixel_calls=pixels, seconds=7.0)
    session.controller.look_again()
    choose(part(dock, "student"), "kd")
    assert said(dock, "pair_cost") == "teacher 15 calls, about 70 s; kd 3 calls, about 14 s"


def test_a_pair_is_compared_by_itself_and_the_dock_compare_comes_to_the_front(
    dock, viewer, cell, session, qtbot
):
    from napari_posterior.widgets.docks import find_dock

    restore = session.state.restore
    restore.image = None
    restore.samples = 8
    dock.image.refresh()
    qtbot.waitUntil(part(dock, "run_pair").isEnabled)
    assert part(dock, "then_compare").isChecked()
    started = []
    session.controller.comparing.start = lambda: started.append(True)  # its answer is not asked
    click(dock, "run_pair")
    qtbot.waitUntil(lambda: bool(started), timeout=LONG)
    assert find_dock(viewer, "Compare") is not None
    assert session.state.compare.student is session.state.runs[1]


def test_without_the_tick_nothing_is_compared(dock, viewer, cell, session, qtbot):
    from napari_posterior.widgets.docks import find_dock

    qtbot.waitUntil(part(dock, "run_pair").isEnabled)
    click(dock, "then_compare")
    assert not session.state.restore.then_compare
    click(dock, "run_pair")
    qtbot.waitUntil(ended(session, 2), timeout=LONG)
    assert session.state.compare.job is None
    assert find_dock(viewer, "Compare") is None


def test_more_samples_continue_the_last_run(dock, cell, session, qtbot):
    qtbot.waitUntil(part(dock, "run").isEnabled)
    assert not part(dock, "more_samples").isEnabled()
    click(dock, "run")
    qtbot.waitUntil(ended(session, 1), timeout=LONG)
    qtbot.waitUntil(part(dock, "more_samples").isEnabled)
    assert "2 more samples of #1 teacher-3, K = 2" in part(dock, "more_samples").toolTip()
    click(dock, "more_samples")
    qtbot.waitUntil(lambda: len(session.state.runs[0].run or ()) == 4, timeout=LONG)
    assert len(session.state.runs) == 1


def test_help_of_the_first_time_stays_away_once_it_was_put_away(build, session, cell, qtbot):
    dock = build()
    qtbot.waitUntil(lambda: not dock.help.isHidden())
    lines = [one.said for one in dock.help.findChildren(QLabel)]
    assert len(lines) == 3
    dock.help.findChild(QPushButton, "help_away").click()
    assert dock.help.isHidden()
    assert build().help.isHidden()
    session.remembered.reset()
    assert not dock.help.isHidden()


def test_settings_are_those_of_the_last_session(
    make_napari_viewer, tiny_model, tmp_path, qtbot, monkeypatch
):
    path = tmp_path / "settings.json"
    monkeypatch.setenv("NAPARI_POSTERIOR_SETTINGS", str(path))
    first = session_of(make_napari_viewer())
    qtbot.waitUntil(lambda: bool(first.state.restore.models), timeout=LONG)
    first.state.restore.samples, first.state.restore.model = 77, "tiny"
    first.state.restore.student = "flow"
    qtbot.waitUntil(lambda: path.exists() and '"flow"' in path.read_text(), timeout=LONG)
    viewer = make_napari_viewer()
    second = session_of(viewer)
    qtbot.waitUntil(lambda: bool(second.state.restore.models), timeout=LONG)
    dock = viewer.window.add_plugin_dock_widget(PLUGIN, NAME)[1]
    assert part(dock, "samples").value() == 77
    assert part(dock, "model").currentData() == "tiny"
    assert part(dock, "student").currentText() == "flow"
    for one in (first, second):
        assert one.controller.close(10)


def test_preferences_of_napari_act_at_once(make_napari_viewer, tiny_model, qtbot):
    settings = pytest.importorskip("napari.settings")
    if not hasattr(settings, "get_plugin_settings"):
        pytest.skip("napari has had preferences of plugins since 0.9")
    session = session_of(make_napari_viewer())
    restore = session.state.restore
    qtbot.waitUntil(lambda: bool(restore.models), timeout=LONG)
    mine = settings.get_plugin_settings(PLUGIN)
    assert (mine.computing.memory_share, mine.window.live_preview) == (50, True)
    try:
        mine.window.live_preview = False
        mine.window.preview_seconds = 3.0
        mine.computing.device = "cpu"
        assert (restore.live_preview, restore.preview_seconds) == (False, 3.0)
        assert restore.device == "cpu"
    finally:
        for category in (mine.window, mine.computing):
            category.reset()
    assert session.controller.close(10)


def test_no_previews_are_drawn_where_they_are_not_wanted(dock, cell, session, monkeypatch, qtbot):
    from napari_posterior.runs.events import Preview

    monkeypatch.setattr("napari_posterior.runs.preview._APART", 0)
    monkeypatch.setattr("napari_posterior.runs.preview._SHARE", 0)
    qtbot.waitUntil(part(dock, "run").isEnabled)
    seen = []
    for wanted in (True, False):
        session.state.restore.live_preview = wanted
        session.state.restore.seed += 1
        click(dock, "run")
        events = []
        session.state.runs[-1].job.events.connect(events.append)
        qtbot.waitUntil(ended(session, len(session.state.runs)), timeout=LONG)
        seen.append(any(isinstance(one, Preview) for one in events))
    assert seen == [True, False]


def test_progress_comes_into_sight_when_a_run_begins_and_help_makes_room(
    viewer, dock, cell, session, held, qtbot
):
    dock.parentWidget().setFloating(True)
    dock.parentWidget().show()
    dock.resize(380, 320)
    qtbot.waitUntil(lambda: part(dock, "help_restore").isVisible())
    session.state.restore.camera = Camera(2.0, 100.0, 1.0)
    qtbot.waitUntil(part(dock, "run").isEnabled, timeout=LONG)
    bar = part(dock, "progress")
    assert bar.visibleRegion().isEmpty()

    click(dock, "run")

    qtbot.waitUntil(lambda: not bar.visibleRegion().isEmpty(), timeout=LONG)
    assert part(dock, "help_restore").isHidden()
    held.set()
    qtbot.waitUntil(ended(session, 1), timeout=LONG)
