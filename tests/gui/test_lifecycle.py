"""Docks and viewers that are closed while runs go on, and programs that end."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

import napari_posterior as npo
from napari_posterior.errors import RunError
from napari_posterior.widgets.console import find_run
from napari_posterior.widgets.session import Session, session

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 120_000  # milliseconds: the machine may be busy with something else


class Layers:
    """Notes what it is asked to do in the main thread, and what elsewhere."""

    def __init__(self):
        self.calls = []
        self.elsewhere = set()

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        def note(*arguments):
            if threading.current_thread() is threading.main_thread():
                self.calls.append(name)
            else:
                self.elsewhere.add(name)

        return note


class Dock(QLabel):
    """The least that a dock does: it shows what is being drawn."""

    def __init__(self, viewer):
        super().__init__()
        self._session = session(viewer)
        self._session.state.runs.events.connect(self.look)
        self.look()

    def look(self, *_):
        self.setText("; ".join(entry.title for entry in self._session.state.runs))


@pytest.fixture
def layers():
    return Layers()


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def ours(viewer, layers):
    return Session(viewer, layers=layers)


@pytest.fixture
def restore(tiny_bundle, measured, quick):
    """Ask a session for a run of the tiny student."""

    def restore(ours, **changes):
        return ours.restore(measured, model=tiny_bundle, **{**quick, **changes})

    return restore


def held(gate, qtbot, calls=1):
    """Wait until a run is held at a network call."""
    qtbot.waitUntil(lambda: gate.calls >= calls, timeout=LONG)


def state_of(folder):
    return json.loads((folder / "run.json").read_text())["state"]


def test_closing_the_viewer_ends_runs_and_keeps_samples(viewer, ours, layers, restore, gate, qtbot):
    gate.let(2)
    running = restore(ours, samples=50)
    waiting = restore(ours, seed=1)
    held(gate, qtbot, calls=3)
    qtbot.waitUntil(lambda: layers.calls.count("add_sample") == 2, timeout=LONG)

    gate.let_go = lambda: ours.closed
    viewer.close()
    assert layers.calls[-1] == "close"
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    shown = len(layers.calls)
    qtbot.wait(200)  # whatever would still be delivered
    assert len(layers.calls) == shown
    assert layers.elsewhere <= {"prepare_live", "gather"}
    assert gate.calls == 3
    assert state_of(running.live.path) == "cancelled"
    assert len(npo.open_run(running.live.path)) in (2, 3)
    assert waiting.live is None
    with pytest.raises(RunError, match="closed"):
        restore(ours)


def test_closing_the_viewer_with_its_layers_filling_does_no_harm(
    viewer, measured, tiny_bundle, quick, gate, qtbot
):
    viewer.add_image(measured, name="cell")
    ours = session(viewer)
    job = ours.restore("cell", model=tiny_bundle, **{**quick, "samples": 20})
    gate.let(3)
    held(gate, qtbot, calls=4)
    qtbot.waitUntil(lambda: "cell | student samples" in viewer.layers, timeout=LONG)
    gate.let_go = lambda: ours.closed
    viewer.close()
    assert len(job.result(LONG / 1000)) >= 3
    assert len(viewer.layers) == 0


def test_a_window_that_the_user_closes_ends_its_session(
    make_napari_viewer, layers, restore, gate, qtbot
):
    viewer = make_napari_viewer(show=True)
    ours = Session(viewer, layers=layers)
    job = restore(ours)
    held(gate, qtbot)
    window = viewer.window.main_menu.window()
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)  # the fixture closes it again
    gate.let_go = lambda: ours.closed
    window.close()
    assert job.state == "cancelled"


def test_a_window_with_an_event_loop_does_not_wait_for_a_network_call(
    make_napari_viewer, layers, restore, gate, qtbot
):
    viewer = make_napari_viewer()
    ours = Session(viewer, layers=layers)
    job = restore(ours)
    held(gate, qtbot)
    seen = []
    QTimer.singleShot(0, lambda: (ours.close(), seen.append(job.state)))
    qtbot.waitUntil(lambda: bool(seen), timeout=LONG)
    assert seen == ["running"]
    gate.open.set()
    qtbot.waitUntil(lambda: job.state == "cancelled", timeout=LONG)


def test_a_window_that_stays_keeps_its_session(
    make_napari_viewer, layers, restore, gate, qtbot, monkeypatch
):
    viewer = make_napari_viewer(show=True)
    ours = Session(viewer, layers=layers)
    window = viewer.window.main_menu.window()
    with monkeypatch.context() as patched:  # as if the user said no
        patched.setattr(type(window), "closeEvent", lambda self, event: event.ignore())
        job = restore(ours)
        held(gate, qtbot)
        assert not window.close()
    assert not ours.closed
    gate.open.set()
    qtbot.waitUntil(lambda: job.state == "done", timeout=LONG)
    qtbot.waitUntil(lambda: layers.calls.count("add_sample") == 3, timeout=LONG)


def test_a_window_is_left_while_its_run_goes_on_in_another(
    make_napari_viewer, restore, gate, qtbot
):
    first, second = make_napari_viewer(), None
    other = Session(first, layers=Layers())
    second = make_napari_viewer()
    ours = Session(second, layers=Layers())
    job = restore(ours)
    held(gate, qtbot)
    first.close()
    assert other.closed
    assert not ours.closed
    gate.open.set()
    assert len(job.result(LONG / 1000)) == 3


def test_a_dock_is_closed_and_opened_again_while_a_run_goes_on(
    viewer, ours, layers, restore, gate, qtbot
):
    dock = viewer.window.add_dock_widget(Dock(viewer), name="ours")
    job = restore(ours, samples=5)
    held(gate, qtbot)
    first = weakref.ref(dock.inner_widget())
    assert "#1 kd" in first().text()
    viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    del dock
    gate.let(2)
    qtbot.waitUntil(lambda: layers.calls.count("add_sample") == 2, timeout=LONG)

    again = Dock(viewer)
    qtbot.addWidget(again)
    assert again.text() == ours.state.runs[0].title
    assert job.state == "running"
    gate.open.set()
    assert len(job.result(LONG / 1000)) == 5
    qtbot.waitUntil(lambda: "show_run" in layers.calls, timeout=LONG)


def test_session_and_viewer_are_released_after_closing(
    make_napari_viewer, tiny_bundle, measured, quick, qtbot
):
    viewer = make_napari_viewer()
    viewer.add_image(measured, name="cell")
    ours = session(viewer)
    job = ours.restore("cell", model=tiny_bundle, **quick)
    job.result(LONG / 1000)
    qtbot.waitUntil(lambda: find_run(ours.controller, job).state == "done", timeout=LONG)
    gone = [weakref.ref(viewer), weakref.ref(ours), weakref.ref(ours.state)]
    viewer.close()
    viewer = ours = job = None

    def released():
        gc.collect()
        return not any(one() for one in gone)

    qtbot.waitUntil(released, timeout=LONG)


def test_a_session_closes_once_also_when_its_window_is_deleted(viewer, ours, layers, qtbot):
    window = viewer.window.main_menu.window()
    gone = []
    window.destroyed.connect(lambda: gone.append(1))
    ours.close()
    viewer.close()
    qtbot.waitUntil(lambda: bool(gone), timeout=LONG)
    assert layers.calls == ["close"]
    assert isinstance(ours, QObject)
    assert ours.closed


SCRIPT = """
import atexit
import sys

import napari
import numpy as np
from qtpy.QtWidgets import QApplication

import napari_posterior as npo

model, image = sys.argv[1:3]
atexit.register(lambda: print(job.state, job.progress.done, job.progress.sentence))
viewer = napari.Viewer(show=False)
job = npo.session(viewer).restore(
    np.load(image), model=model, sampler="kd", samples=4096, device="cpu", batch=1,
    camera=npo.Camera(2.0, 100.0, 1.5), psf=npo.Psf(1.4),
)
while job.progress.done < 2:
    QApplication.processEvents()
if "close" in sys.argv:
    viewer.close()
"""


@pytest.mark.parametrize("way", ["close", "leave open"])
def test_a_script_that_ends_mid_run_ends_the_run(way, tiny_bundle, measured, tmp_path):
    np.save(tmp_path / "image.npy", measured)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tiny_bundle, tmp_path / "image.npy", way],
        env={**os.environ, "NAPARI_CONFIG": str(tmp_path / "settings.yaml")},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    state, kept, *_ = done.stdout.split()
    assert 2 <= int(kept) < 4096
    if way == "close":
        assert (state, done.stderr) == ("cancelled", "")
    else:  # by then Python has shut down what would write the end of the run
        assert state in ("cancelled", "failed")
