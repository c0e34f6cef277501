"""The log in a window: bounded, copied without folders, opened from what went wrong."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QDialog, QWidget

from napari_posterior.session.log import CAPACITY, LOGGER, LogRing, keep_log, leave_log, log_lines
from napari_posterior.widgets.log_window import LogWindow, open_log
from napari_posterior.widgets.session import session as session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 120_000  # milliseconds: the machine may be busy with something else
LOG = logging.getLogger("napari_posterior.somewhere")


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    return make_napari_viewer_proxy()


@pytest.fixture
def session(viewer):
    found = session_of(viewer)
    yield found
    assert found.controller.close(60)


@pytest.fixture
def window(viewer, session):
    found = open_log(viewer)
    yield found
    found.close()


def rings():
    return [one for one in logging.getLogger(LOGGER).handlers if isinstance(one, LogRing)]


def text_of(window):
    return window.findChild(QWidget, "log_text").toPlainText()


def freed(gone):
    """Let Qt and Python take away what nobody uses; say whether this went."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    gc.collect()
    return gone() is None


def test_ring_keeps_the_newest_records_only():
    ring = keep_log()
    try:
        for number in range(CAPACITY + 20):
            LOG.warning("message %d", number)
        assert len(ring.texts) == CAPACITY
        assert ring.texts[0].endswith("message 20")
        assert ring.texts[-1].endswith(f"message {CAPACITY + 19}")
        assert ring.count == CAPACITY + 20
        assert log_lines(2)[-1].endswith(f"message {CAPACITY + 19}")
    finally:
        leave_log(ring)
    assert rings() == []


def test_ring_keeps_a_traceback_as_text_and_nothing_of_what_it_saw():
    class Large:
        pass

    def fail():
        large = Large()
        kept.append(weakref.ref(large))
        raise ValueError("too large")

    kept, ring = [], LogRing()
    alone = logging.Logger("alone")  # nobody else keeps its records
    alone.addHandler(ring)
    try:
        fail()
    except ValueError:
        alone.exception("it failed")
    gc.collect()
    assert "ValueError: too large" in ring.texts[-1]
    assert kept[0]() is None


def test_log_is_still_printed_where_nobody_else_prints_it(capfd, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])
    ring = keep_log()
    try:
        LOG.error("to be seen")
    finally:
        leave_log(ring)
    assert "to be seen" in capfd.readouterr().err


def test_records_of_many_threads_are_all_kept():
    ring = keep_log()
    try:
        threads = [
            threading.Thread(target=lambda: [LOG.warning("x") for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ring.count == 200
    finally:
        leave_log(ring)


def test_two_sessions_share_one_ring_which_goes_with_the_last(make_napari_viewer, tiny_model):
    first, second = (session_of(make_napari_viewer()) for _ in range(2))
    assert len(rings()) == 1
    first.close()
    assert len(rings()) == 1
    second.close()
    assert rings() == []


def test_window_shows_what_is_logged_while_it_is_open_as_plain_text(window, qtbot):
    LOG.error("<b>bold</b> fault")
    qtbot.waitUntil(lambda: "<b>bold</b> fault" in text_of(window), timeout=LONG)


def test_window_is_opened_once_and_freed_when_it_is_closed(viewer, session, qtbot):
    window = open_log(viewer)
    assert open_log(viewer) is window
    gone = weakref.ref(window)
    window.close()
    del window
    qtbot.waitUntil(lambda: freed(gone))
    assert rings()[0].users == 1  # the session's own
    again = open_log(viewer)
    assert again.isVisible()
    again.close()


def test_log_and_report_go_to_the_clipboard(window, session, qtbot, tmp_path):
    LOG.error("%s cannot be read", tmp_path / "cell.tif")
    qtbot.waitUntil(lambda: "cell.tif" in text_of(window), timeout=LONG)
    clipboard = QApplication.clipboard()
    window.findChild(QWidget, "log_copy").click()
    assert str(tmp_path) in clipboard.text()
    window.findChild(QWidget, "log_report").click()
    qtbot.waitUntil(lambda: "report for help" in clipboard.text(), timeout=LONG)
    assert "cell.tif cannot be read" in clipboard.text()
    assert str(tmp_path) not in clipboard.text()
    assert window.findChild(QWidget, "log_done").said == "The report is in the clipboard."


def test_report_that_comes_after_the_window_was_closed_does_no_harm(viewer, session, qtbot):
    window = open_log(viewer)
    QApplication.clipboard().setText("before")
    done = []
    session.controller.history.aside("waiting", lambda: None, lambda _: done.append(1))
    window.findChild(QWidget, "log_report").click()
    gone = weakref.ref(window)
    window.close()
    del window
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    qtbot.waitUntil(lambda: bool(done), timeout=LONG)
    qtbot.wait(300)
    assert QApplication.clipboard().text() == "before"
    qtbot.waitUntil(lambda: freed(gone))


def test_failure_is_one_sentence_whose_details_open_the_log(
    viewer, session, measured, tiny_bundle, quick, gate, qtbot
):
    told = []
    notification_manager.notification_ready.connect(told.append)
    try:
        gate.fault = RuntimeError("CUDA error: device-side assert")
        gate.open.set()
        job = session.restore(measured, model=tiny_bundle, **quick)
        qtbot.waitUntil(lambda: job.state == "failed" and bool(told), timeout=LONG)
    finally:
        notification_manager.notification_ready.disconnect(told.append)
    [message] = told
    assert "\n" not in message.message
    [(text, act)] = message.actions
    assert text == "Details"
    act(None)
    window = viewer.window.main_menu.window().findChild(LogWindow)
    assert "device-side assert" in text_of(window)
    assert "Traceback" in text_of(window)
    window.close()


def test_notification_keeps_no_viewer_alive(make_napari_viewer, tiny_model):
    from napari_posterior.widgets.telling import tell_error

    viewer = make_napari_viewer()
    gone = weakref.ref(viewer)
    tell_error(viewer, "Something failed; try again.")
    action = notification_manager.records[-1].actions[0][1]
    viewer.close()
    del viewer
    gc.collect()
    held = gone()
    assert held is None or held not in gc.get_referents(action)
    action(None)  # after the viewer: nothing


def test_log_fits_a_small_screen_and_says_what_its_controls_do(window):
    assert isinstance(window, QDialog)
    assert window.width() <= 1000
    assert window.height() <= 700
    for name in ("log_copy", "log_report", "log_close"):
        assert window.findChild(QWidget, name).toolTip()
