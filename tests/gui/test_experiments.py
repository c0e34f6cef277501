"""Experiments that a user starts from the dock *Compare*, with networks that really restore."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from qtpy.QtWidgets import QProgressBar, QPushButton

import napari_posterior as npo
from napari_posterior.api import experiments
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.compare import CompareDock
from napari_posterior.widgets.parts import Words
from napari_posterior.widgets.verdict_strip import VerdictStrip

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 60_000  # milliseconds: the machine may be busy with something else


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def session(viewer, tiny_model, qtbot):
    session = npo.session(viewer)
    qtbot.waitUntil(lambda: bool(session.state.restore.models), timeout=LONG)
    session.state.restore.model = "tiny"
    return session


@pytest.fixture
def compared(viewer, session, measured, quick, qtbot, alone):
    """The dock, with the report on a teacher and a student that were really drawn."""

    def compared(samples):
        viewer.add_image(measured, name="cell")
        options = {key: value for key, value in quick.items() if key != "sampler"}
        jobs = session.restore_pair("cell", **{**options, "samples": samples, "batch": 8})
        qtbot.waitUntil(lambda: all(one.state in ENDED for one in session.state.runs), timeout=LONG)
        assert [one.state for one in jobs] == ["done", "done"]
        dock = CompareDock(viewer)
        alone(dock)
        dock.resize(380, 620)
        dock.show()
        button = dock.findChild(QPushButton, "compare")
        qtbot.waitUntil(button.isEnabled, timeout=LONG)
        button.click()
        wait_for_report(session, qtbot)
        return dock

    return compared


def wait_for_report(session, qtbot):
    state = session.state.compare
    qtbot.waitUntil(lambda: state.state in ENDED, timeout=LONG)
    assert (state.state, state.report is not None) == ("done", True), state.progress.sentence
    return state.report


def ask_for(dock, question, qtbot):
    dock.findChild(VerdictStrip, "verdicts").choose(question)
    button = dock.findChild(QPushButton, "run_experiment")
    assert button.isVisible()
    qtbot.waitUntil(button.isEnabled, timeout=LONG)
    button.click()


def verdict_of(dock, question):
    rows = dock.findChild(VerdictStrip, "verdicts").rows
    return next(row for row in rows if row.question == question)


def make_small(monkeypatch, name, **options):
    monkeypatch.setattr(experiments, name, partial(getattr(experiments, name), **options))


def test_the_dependence_check_restores_new_measurements_and_is_judged_with_the_rest(
    compared, session, qtbot, monkeypatch
):
    make_small(monkeypatch, "check_dependence", measurements=3, samples=2)
    dock = compared(8)
    first, state = session.state.compare.report, session.state.compare
    assert verdict_of(dock, "dependence").verdict == "not asked"
    ask_for(dock, "dependence", qtbot)
    button = dock.findChild(QPushButton, "compare")
    qtbot.waitUntil(lambda: not button.isEnabled(), timeout=LONG)
    qtbot.waitUntil(lambda: state.report is not first, timeout=LONG)
    report = wait_for_report(session, qtbot)
    assert {"dependence", "dependence.patches"} <= {one.id for one in report.findings}
    qtbot.waitUntil(lambda: verdict_of(dock, "dependence").verdict != "not asked")
    row = verdict_of(dock, "dependence")
    assert row.verdict == report["dependence"].verdict
    # what it found stays with this pair, and is not asked for twice
    qtbot.waitUntil(lambda: not dock.findChild(QPushButton, "run_experiment").isVisible())
    session.compare()
    again = wait_for_report(session, qtbot)
    assert again["dependence"].estimate == report["dependence"].estimate


@pytest.mark.slow
def test_the_self_calibration_is_judged_with_the_rest(compared, session, qtbot, monkeypatch):
    make_small(monkeypatch, "check_self_calibration", simulations=8, samples=7)
    dock = compared(8)
    first, state = session.state.compare.report, session.state.compare
    ask_for(dock, "calibration", qtbot)
    qtbot.waitUntil(lambda: state.report is not first, timeout=LONG)
    report = wait_for_report(session, qtbot)
    assert "self_calibration" in {one.id for one in report.findings}
    assert report["self_calibration"].n_teacher == 8
    qtbot.waitUntil(lambda: verdict_of(dock, "calibration").verdict != "not asked")


def test_an_experiment_that_is_stopped_leaves_the_report_as_it_was(
    compared, session, qtbot, gate, monkeypatch
):
    gate.open.set()
    make_small(monkeypatch, "check_dependence", measurements=40, samples=2)
    dock, state = compared(8), session.state.compare
    first, before = state.report, gate.calls
    gate.open.clear()
    gate.let(2)
    gate.let_go = lambda: state.job.state in ENDED or state.job._token.cancelled
    ask_for(dock, "dependence", qtbot)
    bar, stop = dock.findChild(QProgressBar, "progress"), dock.findChild(QPushButton, "stop")
    qtbot.waitUntil(lambda: gate.calls == before + 3, timeout=LONG)
    qtbot.waitUntil(lambda: stop.isVisible() and bar.value() > 0, timeout=LONG)
    said = dock.findChild(Words, "said")
    qtbot.waitUntil(lambda: "restorations" in said.said, timeout=LONG)
    stop.click()
    qtbot.waitUntil(lambda: state.state == "cancelled", timeout=LONG)
    assert gate.calls == before + 3
    assert state.report is first
    assert state.experiments == ()
    assert all(threading.main_thread().name != name for name in gate.threads)
    button = dock.findChild(QPushButton, "run_experiment")
    qtbot.waitUntil(lambda: button.isVisible() and button.isEnabled(), timeout=LONG)
    assert verdict_of(dock, "dependence").verdict == "not asked"


def test_an_experiment_that_fails_says_why_and_another_can_be_asked_for(
    compared, session, qtbot, gate, monkeypatch
):
    gate.open.set()
    make_small(monkeypatch, "check_dependence", measurements=3, samples=2)
    dock, state = compared(8), session.state.compare
    first = state.report
    gate.fault = RuntimeError("CUDA out of memory")
    ask_for(dock, "dependence", qtbot)
    qtbot.waitUntil(lambda: state.state == "failed", timeout=LONG)
    failed = dock.findChild(Words, "failed")
    qtbot.waitUntil(lambda: bool(failed.said))
    assert state.report is first
    gate.fault = None
    button = dock.findChild(QPushButton, "run_experiment")
    qtbot.waitUntil(button.isEnabled)
    button.click()
    qtbot.waitUntil(lambda: state.report is not first, timeout=LONG)
    wait_for_report(session, qtbot)
