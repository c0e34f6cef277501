"""What belongs to a viewer, as docks and people at napari's console use it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QLabel, QProgressBar, QPushButton

import napari_posterior as npo
from napari_posterior.errors import InputError, RunError
from napari_posterior.layers.thread import WrongThreadError
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.console import find_run
from napari_posterior.widgets.session import Session, session

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left", "tiny_model")]

LONG = 120_000  # milliseconds: the machine may be busy with something else
MAIN = threading.main_thread()


class OutOfMemoryError(RuntimeError):
    """As torch.cuda raises it."""


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def cell(viewer, measured):
    return viewer.add_image(measured, name="cell", scale=(0.2, 0.2), units=("um", "um"))


@pytest.fixture
def ours(viewer, cell, qtbot):
    """The session of the viewer, with its models read."""
    ours = session(viewer)
    qtbot.waitUntil(lambda: bool(ours.state.restore.models), timeout=LONG)
    ours.state.restore.model = "tiny"
    return ours


@pytest.fixture
def errors():
    """Sentences that napari shows as errors."""
    seen = []

    def note(told):
        if str(told.severity) == "error":
            seen.append(told.message)

    notification_manager.notification_ready.connect(note)
    yield seen
    notification_manager.notification_ready.disconnect(note)


def ended(ours, job):
    return lambda: find_run(ours.controller, job).state in ENDED


def test_viewer_and_proxy_have_one_session_and_another_viewer_has_its_own(
    make_napari_viewer_proxy, viewer
):
    ours = npo.session(viewer)
    assert isinstance(ours, Session)
    assert npo.session(viewer.__wrapped__) is ours
    assert ours.viewer is viewer.__wrapped__
    assert npo.session(make_napari_viewer_proxy()) is not ours


def test_a_session_needs_a_window_that_is_open(make_napari_viewer):
    with pytest.raises(InputError, match="needs a viewer with a window"):
        session(ViewerModel())
    viewer = make_napari_viewer()
    ours = session(viewer)
    viewer.close()
    with pytest.raises((InputError, RunError), match="open a new one"):
        session(viewer)
    with pytest.raises(RunError, match="closed; open a new one"):
        ours.restore(np.ones((16, 16)))
    assert repr(ours) == "<Session of a closed viewer>"


def test_a_session_belongs_to_the_main_thread(viewer, ours):
    refused = []

    def ask():
        for call in (lambda: session(viewer), ours.restore, ours.restore_pair, ours.compare):
            try:
                call()
            except WrongThreadError as error:
                refused.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert len(refused) == 4
    assert "hand the event over to the main thread" in refused[0]


def test_models_and_devices_are_found_in_the_background(ours, qtbot):
    assert [one.name for one in ours.state.restore.models if not one.problem][-1] == "tiny"
    ours.look_for_devices()
    assert len(ours.state.restore.devices) == 2
    qtbot.waitUntil(lambda: len(ours.state.restore.devices) == 4, timeout=LONG)


def test_a_layer_is_restored_by_its_name_and_layers_appear_in_the_main_thread_only(
    viewer, ours, quick, qtbot, monkeypatch
):
    touched, layers = set(), viewer.__wrapped__.layers
    insert = type(layers).insert

    def noted(self, *args):
        touched.add(threading.current_thread())
        return insert(self, *args)

    monkeypatch.setattr(type(layers), "insert", noted)
    note = lambda event: touched.add(threading.current_thread())  # noqa: E731
    layers.events.inserted.connect(lambda event: event.value.events.connect(note))
    layers["cell"].events.connect(note)

    job = ours.restore("cell", **quick)
    assert job.state in ("waiting", "running")  # it returned at once
    assert ours.state.runs[-1].job is job
    assert len(job.result(LONG / 1000)) == 3
    qtbot.waitUntil(ended(ours, job), timeout=LONG)

    names = [layer.name for layer in viewer.layers]
    wanted = {f"cell | student {what}" for what in ("samples", "mean", "sd", "variance")}
    assert {"cell", *wanted} <= set(names)
    samples = viewer.layers["cell | student samples"]
    np.testing.assert_array_equal(samples.scale, (1, 0.2, 0.2))
    assert np.isfinite(np.asarray(samples.data)).all()
    assert touched == {MAIN}


def test_the_layer_that_is_selected_is_restored_by_default(viewer, ours, cell, quick):
    viewer.layers.selection.active = cell.__wrapped__
    run = ours.restore(**quick).result(LONG / 1000)
    assert run.request.image.name == "cell"


def test_arrays_layers_and_files_are_restored_too(viewer, ours, cell, measured, tmp_path, quick):
    np.save(tmp_path / "file.npy", measured)
    for image in (measured, cell, str(tmp_path / "file.npy"), tmp_path / "file.npy"):
        run = ours.restore(image, **quick).result(LONG / 1000)
        assert run.request.image.shape == measured.shape


def test_what_cannot_be_restored_is_refused_in_one_sentence(viewer, ours):
    with pytest.raises(InputError, match="no layer and no file called 'cel'; the layers are: cell"):
        ours.restore("cel")
    viewer.add_shapes(name="drawing")
    with pytest.raises(InputError, match="drawing"):
        ours.restore()
    viewer.add_image(np.zeros((20, 20, 3), np.uint8), name="picture", rgb=True)
    with pytest.raises(InputError, match="picture"):
        ours.restore("picture")
    viewer.layers.selection.clear()
    with pytest.raises(InputError, match="no layer is selected"):
        ours.restore()
    assert not ours.state.runs


def test_a_pair_shares_noise_and_can_be_compared(ours, qtbot, quick):
    del quick["sampler"]
    teacher, student = ours.restore_pair("cell", **{**quick, "samples": 4})
    runs = teacher.result(LONG / 1000), student.result(LONG / 1000)
    assert [run.role for run in runs] == ["teacher", "student"]
    assert runs[0].request.seed == runs[1].request.seed
    assert runs[0].request.image.sha256 == runs[1].request.image.sha256
    qtbot.waitUntil(ended(ours, student), timeout=LONG)
    report = ours.compare(teacher, runs[1]).result(LONG / 1000)
    assert report["mean"] is not None
    qtbot.waitUntil(lambda: ours.state.compare.report is report, timeout=LONG)
    assert ours.compare().result(LONG / 1000) is not report


def test_a_pair_whose_teacher_is_cancelled_ends_with_it(ours, gate, quick, qtbot):
    ours.restore(np.eye(16) + 110, **quick)  # keeps the device
    del quick["sampler"]
    teacher, student = ours.restore_pair("cell", student="kd", **quick)
    teacher.cancel()
    assert (teacher.state, student.state) == ("cancelled", "cancelled")
    gate.open.set()


def test_what_is_no_run_of_this_viewer_cannot_be_compared(ours, make_job):
    with pytest.raises(InputError, match="no run of this viewer"):
        ours.compare(make_job())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (RuntimeError("CUDA error: device-side assert"), "device-side assert"),
        (OutOfMemoryError("CUDA out of memory"), "does not fit into memory"),
    ],
)
def test_a_failure_is_told_once_and_the_next_run_works(
    ours, gate, quick, errors, qtbot, fault, words, caplog
):
    gate.open.set()
    gate.fault = fault
    job = ours.restore("cell", **quick)
    qtbot.waitUntil(lambda: bool(errors), timeout=LONG)
    entry = find_run(ours.controller, job)
    assert entry.state == "failed"
    assert words in entry.message
    assert errors == [entry.message]
    assert str(fault) in caplog.text
    gate.fault = None
    again = ours.restore("cell", **quick)
    assert len(again.result(LONG / 1000)) == 3
    qtbot.waitUntil(ended(ours, again), timeout=LONG)
    assert len(errors) == 1


def test_warnings_of_a_run_are_on_the_list_and_no_popups(ours, quick, qtbot):
    before = len(notification_manager.records)
    job = ours.restore("cell", **{**quick, "camera": None})  # estimated, and said so
    job.result(LONG / 1000)
    qtbot.waitUntil(ended(ours, job), timeout=LONG)
    assert find_run(ours.controller, job).warnings
    assert len(notification_manager.records) == before


def test_the_activity_bar_tells_how_far_a_run_is_and_cancels_it(ours, gate, quick, qtbot):
    def bars():
        kinds = (one for one in QApplication.allWidgets() if hasattr(one, "qt_progress_bar"))
        return [one for one in kinds if "kd" in one.findChild(QLabel).text()]

    job = ours.restore("cell", **{**quick, "samples": 20})
    qtbot.waitUntil(lambda: len(bars()) == 1, timeout=LONG)
    (bar,) = bars()
    gate.let(5)
    qtbot.waitUntil(lambda: "5 of 20 samples" in bar.findChild(QLabel).text(), timeout=LONG)
    assert bar.findChild(QProgressBar).maximum() == 100
    assert bar.findChild(QProgressBar).value() == 25
    qtbot.waitUntil(lambda: " s left" in bar.findChild(QLabel).text(), timeout=LONG)
    bar.findChild(QPushButton).click()
    gate.open.set()
    qtbot.waitUntil(ended(ours, job), timeout=LONG)
    assert job.state == "cancelled"
    qtbot.waitUntil(lambda: not bars(), timeout=LONG)


def test_the_bar_goes_away_when_a_run_fails(ours, gate, quick, qtbot):
    shown = lambda: any(hasattr(one, "qt_progress_bar") for one in QApplication.allWidgets())  # noqa: E731
    ours.restore("cell", **quick)
    qtbot.waitUntil(shown, timeout=LONG)
    gate.fault = RuntimeError("CUDA error")
    gate.open.set()
    qtbot.waitUntil(lambda: not shown(), timeout=LONG)


def test_a_timer_goes_only_while_a_run_does(ours, gate, quick, qtbot):
    def ticking():
        timers = ours.findChildren(QTimer)
        return any(one.isActive() and not one.isSingleShot() for one in timers)

    assert not ticking()
    job = ours.restore("cell", **quick)
    qtbot.waitUntil(lambda: ticking() and job.state == "running", timeout=LONG)
    gate.open.set()
    qtbot.waitUntil(lambda: job.state == "done" and not ticking(), timeout=LONG)


def test_a_session_says_what_there_is(ours, gate, quick, qtbot):
    assert "tiny" in repr(ours)
    assert repr(ours).endswith("runs: none yet>")
    job = ours.restore("cell", **quick)
    gate.open.set()
    job.result(LONG / 1000)
    qtbot.waitUntil(ended(ours, job), timeout=LONG)
    assert "#1 kd" in repr(ours)
    assert "3 samples in" in repr(ours)
