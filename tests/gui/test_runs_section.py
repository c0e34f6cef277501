"""The list of runs in a window: its rows, its menu, what is deleted and brought back."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QApplication, QDialog, QFileDialog, QMenu, QMessageBox, QWidget

import napari_posterior as npo
from napari_posterior.layers.names import KEY
from napari_posterior.layers.thread import unwrapped
from napari_posterior.session.models import RunEntry
from napari_posterior.session.progress import ENDED, Progress
from napari_posterior.widgets.docks import COMPARE, find_dock
from napari_posterior.widgets.sections.runs import RunsSection
from napari_posterior.widgets.session import session as session_of

pytestmark = [pytest.mark.gui, pytest.mark.usefixtures("no_thread_is_left")]

LONG = 120_000  # milliseconds: the machine may be busy with something else


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    return make_napari_viewer_proxy()


@pytest.fixture
def session(viewer, qtbot):
    found = session_of(viewer)
    qtbot.waitUntil(lambda: bool(found.state.restore.models), timeout=LONG)
    yield found
    assert found.controller.close(60)


@pytest.fixture
def runs(viewer, session, qtbot, alone):
    section = RunsSection(viewer, session.state, session.controller, bring_back=session.bring_back)
    alone(section)
    return section


@pytest.fixture
def draw(session, measured, tiny_bundle, quick, qtbot):
    """Draw a run of the tiny student and wait for its end."""

    def draw(*, wait=True, **changes):
        session.restore(measured, model=tiny_bundle, **{**quick, **changes})
        entry = session.state.runs[-1]
        if wait:
            qtbot.waitUntil(lambda: entry.state in ENDED, timeout=LONG)
        return entry

    return draw


@pytest.fixture
def chosen(monkeypatch):
    """Answers of the dialogs that ask for a file."""
    answers = {"save": "", "open": ""}
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (answers["save"], ""))
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: answers["open"])
    return answers


@pytest.fixture
def told():
    """What napari was asked to tell."""
    messages = []
    notification_manager.notification_ready.connect(messages.append)
    yield messages
    notification_manager.notification_ready.disconnect(messages.append)


def freed(gone):
    """Let Qt and Python take away what nobody uses; say whether this went."""
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()
    gc.collect()
    return gone() is None


def part(widget, name, kind=QWidget):
    found = widget.findChild(kind, name)
    assert found is not None, name
    return found


def row_of(runs, entry):
    return part(runs, f"run_{entry.number}")


def action(runs, entry, name):
    menu = row_of(runs, entry).menu
    menu.fill()
    [found] = [one for one in menu.actions() if one.objectName() == name]
    return found


def said(widget, name):
    found = part(widget, name)
    return "" if found.isHidden() else found.said


def answer(box, text):
    [button] = [one for one in box.buttons() if one.text().replace("&", "") == text]
    button.click()


def test_list_takes_no_room_before_there_is_anything_to_choose(runs, session, viewer):
    assert runs.isHidden()
    session.state.runs.append(RunEntry(1, "kd-1", "student", "x", 4))
    assert not runs.isHidden()


def test_row_tells_what_is_left_and_that_a_run_is_not_saved(runs, draw, gate, qtbot):
    entry = draw(wait=False, samples=4)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    row = row_of(runs, entry)
    assert said(row, "run_title") == "#1 kd-1, K = 4"
    qtbot.waitUntil(lambda: said(row, "run_words").startswith("running: "), timeout=LONG)
    entry.progress = Progress(0.5, 8.0, 2, 4, "2 of 4 samples, 8 s left")
    assert said(row, "run_words") == "running: 2 of 4 samples, 8 s left"
    assert part(row, "run_show").isHidden()
    gate.open.set()
    qtbot.waitUntil(lambda: entry.state == "done", timeout=LONG)
    assert said(row, "run_words").startswith("done: 4 samples in ")
    assert said(row, "run_folder").startswith("not saved")


def test_newest_run_is_at_the_top_and_one_that_comes_back_is_where_it_was(
    runs, session, draw, qtbot
):
    entries = [draw(samples=2, seed=seed) for seed in range(3)]
    middle = entries[1]
    session.controller.history.delete(middle)
    qtbot.waitUntil(lambda: middle not in session.state.runs, timeout=LONG)
    part(runs, "run_undo").click()
    qtbot.waitUntil(lambda: middle in session.state.runs, timeout=LONG)
    layout = runs.layout()
    shown = [layout.itemAt(i).widget() for i in range(layout.count())]
    order = [one.entry.number for one in shown if hasattr(one, "entry")]
    assert order == [3, 2, 1]


def test_delete_asks_tells_the_size_and_undo_brings_run_folder_and_layers_back(
    runs, session, viewer, draw, qtbot
):
    entry = draw()
    name = next(layer.name for layer in viewer.layers if layer.name.endswith("samples"))
    action(runs, entry, "run_delete").trigger()
    qtbot.waitUntil(lambda: bool(runs.findChildren(QMessageBox)), timeout=LONG)
    [box] = runs.findChildren(QMessageBox)
    assert box.text() == "Delete #1 kd-1, K = 3?"
    assert "kB" in box.informativeText()
    answer(box, "Delete")
    qtbot.waitUntil(lambda: not session.state.runs, timeout=LONG)
    assert not entry.folder.exists()
    assert name not in viewer.layers
    assert said(runs, "runs_deleted") == "#1 kd-1, K = 3 was deleted."
    assert not runs.isHidden()

    part(runs, "run_undo").click()
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
    assert list(session.state.runs) == [entry]
    assert len(npo.open_run(entry.folder)) == 3
    assert part(runs, "run_undo").parentWidget().isHidden()


def test_answer_no_deletes_nothing(runs, session, draw, qtbot):
    entry = draw()
    action(runs, entry, "run_delete").trigger()
    qtbot.waitUntil(lambda: bool(runs.findChildren(QMessageBox)), timeout=LONG)
    [box] = runs.findChildren(QMessageBox)
    assert box.defaultButton().text().replace("&", "") == "Cancel"
    answer(box, "Cancel")
    qtbot.wait(100)
    assert list(session.state.runs) == [entry]
    assert entry.folder.exists()


def test_actions_that_cannot_be_done_while_a_run_is_drawn_say_why(runs, draw, gate, qtbot):
    entry = draw(wait=False)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    for name in ("run_more", "run_save", "run_forget", "run_delete"):
        found = action(runs, entry, name)
        assert not found.isEnabled(), name
        assert "stop it first" in found.toolTip(), name
    assert action(runs, entry, "run_script").isEnabled()
    gate.open.set()
    qtbot.waitUntil(lambda: entry.state == "done", timeout=LONG)
    for name in ("run_more", "run_save", "run_forget", "run_delete"):
        assert action(runs, entry, name).isEnabled(), name


def test_more_samples_are_asked_for_with_their_time_and_drawn_into_the_same_layers(
    runs, session, viewer, draw, qtbot
):
    entry = draw(samples=2)
    first = np.array(entry.run.samples)
    name = next(layer.name for layer in viewer.layers if layer.name.endswith("samples"))
    layer, count = viewer.layers[name], len(viewer.layers)
    action(runs, entry, "run_more").trigger()
    dialog = part(runs, "more_samples", QDialog)
    number = part(dialog, "more_number")
    assert (number.minimum(), number.value()) == (3, 4)
    number.setValue(5)
    assert said(dialog, "more_cost").startswith("3 samples more, about ")
    part(dialog, "more_draw").click()
    assert entry.state in ("waiting", "running", "done")
    qtbot.waitUntil(lambda: entry.state == "done" and len(entry.run) == 5, timeout=LONG)

    assert len(viewer.layers) == count
    assert unwrapped(viewer.layers[name]) is unwrapped(layer)
    assert layer.data.shape[0] == 5
    np.testing.assert_array_equal(np.asarray(layer.data[:2]), first)
    # those that were drawn just now are shown before they are rounded to be stored
    np.testing.assert_allclose(np.asarray(layer.data), np.array(entry.run.samples), rtol=2**-11)
    mean = viewer.layers[name.replace("samples", "mean")]
    np.testing.assert_array_equal(mean.data, entry.run.mean)
    assert mean.metadata[KEY]["samples"] == 5
    assert list(session.state.runs) == [entry]


def test_samples_that_were_there_are_seen_while_more_are_drawn(
    runs, session, viewer, draw, gate, qtbot
):
    gate.open.set()
    entry = draw(samples=2)
    first = np.array(entry.run.samples)
    name = next(layer.name for layer in viewer.layers if layer.name.endswith("samples"))
    gate.open.clear()
    session.controller.history.draw_more(entry, 4)
    qtbot.waitUntil(lambda: viewer.layers[name].data.shape[0] == 4, timeout=LONG)
    np.testing.assert_array_equal(np.asarray(viewer.layers[name].data[:2]), first)
    assert np.isnan(np.asarray(viewer.layers[name].data[2:])).all()
    entry.job.cancel()
    gate.open.set()
    qtbot.waitUntil(lambda: entry.state in ENDED, timeout=LONG)
    assert len(entry.run) >= 2
    assert viewer.layers[name].data.shape[0] == len(entry.run)


def test_cancelled_run_offers_to_go_on(runs, draw, gate, qtbot):
    entry = draw(wait=False, samples=6)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    part(row_of(runs, entry), "run_stop").click()
    gate.open.set()
    qtbot.waitUntil(lambda: entry.state == "cancelled", timeout=LONG)
    found = action(runs, entry, "run_more")
    assert found.text().replace("&", "") == "Go on..."
    found.trigger()
    assert part(part(runs, "more_samples", QDialog), "more_number").value() == 6


def test_run_is_saved_where_the_user_wants_and_the_row_says_so(runs, draw, chosen, tmp_path, qtbot):
    entry = draw()
    chosen["save"] = str(tmp_path / "mine")
    action(runs, entry, "run_save").trigger()
    assert said(row_of(runs, entry), "run_folder").startswith("is being saved as mine")
    qtbot.waitUntil(lambda: entry.saved is not None, timeout=LONG)
    assert said(row_of(runs, entry), "run_folder") == "saved as mine.posterior.zarr"
    assert len(npo.open_run(tmp_path / "mine")) == 3


def test_saving_over_something_is_told_in_a_sentence_with_details(
    runs, draw, chosen, tmp_path, told, qtbot
):
    entry = draw()
    (tmp_path / "mine.posterior.zarr").mkdir()
    chosen["save"] = str(tmp_path / "mine")
    action(runs, entry, "run_save").trigger()
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    [message] = told
    assert "exists already" in message.message
    assert [text for text, _ in message.actions] == ["Details"]
    assert entry.busy == ""


def test_script_and_report_go_to_the_clipboard(runs, draw, qtbot):
    entry = draw()
    clipboard = QApplication.clipboard()
    action(runs, entry, "run_script").trigger()
    assert "npo.restore(" in clipboard.text()
    assert "clipboard" in said(runs, "runs_done")
    action(runs, entry, "run_report").trigger()
    qtbot.waitUntil(lambda: "report for help" in clipboard.text(), timeout=LONG)
    assert "sampler: kd" in clipboard.text()


def test_folder_of_a_run_is_opened_outside(runs, draw, monkeypatch):
    entry, opened = draw(), []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    action(runs, entry, "run_folder").trigger()
    assert opened == [str(entry.folder)]


def test_saved_run_is_opened_shown_and_listed_once(
    runs, session, viewer, stored_run, chosen, qtbot
):
    run = stored_run()
    chosen["open"] = str(run.path)
    part(runs, "run_open").click()
    name = "cell | teacher samples"
    qtbot.waitUntil(lambda: name in viewer.layers, timeout=LONG)
    [entry] = session.state.runs
    assert said(row_of(runs, entry), "run_words") == "opened from disk: 5 samples"
    assert said(row_of(runs, entry), "run_folder") == ""
    viewer.layers[name].visible = False
    part(runs, "run_open").click()
    qtbot.waitUntil(lambda: viewer.layers[name].visible, timeout=LONG)
    assert len(session.state.runs) == 1


def test_folder_that_is_no_run_is_told_in_a_sentence(runs, session, chosen, tmp_path, told, qtbot):
    chosen["open"] = str(tmp_path)
    part(runs, "run_open").click()
    qtbot.waitUntil(lambda: bool(told), timeout=LONG)
    assert "is not a run" in told[0].message
    assert not session.state.runs


def test_run_is_compared_with_one_of_the_other_role_on_its_image(
    runs, session, viewer, stored_run, qtbot
):
    teacher = session.controller.add_run(stored_run())
    older = session.controller.add_run(stored_run(sampler="kd", role="student"))
    newer = session.controller.add_run(stored_run(sampler="kd", role="student", seed=1))
    assert session.state.compare.student is newer
    menu = row_of(runs, teacher).menu
    menu.fill()
    pairs = part(menu, "run_pairs", QMenu)
    assert [one.text() for one in pairs.actions()] == [newer.title, older.title]
    pairs.actions()[1].trigger()
    assert session.state.compare.teacher is teacher
    assert session.state.compare.student is older
    assert find_dock(viewer, COMPARE) is not None


def test_run_without_a_partner_says_so(runs, session, stored_run):
    entry = session.controller.add_run(stored_run(sampler="mse", role="point", samples=1))
    menu = row_of(runs, entry).menu
    menu.fill()
    pairs = part(menu, "run_pairs", QMenu).menuAction()
    assert not pairs.isEnabled()
    assert "point estimate" in pairs.toolTip()
    assert "point estimate" in action(runs, entry, "run_more").toolTip()


def test_failed_run_tells_why_and_opens_the_log(runs, session, viewer, qtbot):
    entry = RunEntry(7, "kd-1", "student", "x", 4, state="failed", message="The disk is full.")
    session.state.runs.append(entry)
    row = row_of(runs, entry)
    assert (said(row, "run_words"), said(row, "run_fault")) == ("failed", "The disk is full.")
    part(row, "run_details").click()
    window = viewer.window.main_menu.window().findChild(QDialog, "log_window")
    assert window.isVisible()
    window.close()


def test_menu_is_reached_by_keyboard_and_named_for_screen_readers(runs, session):
    entry = RunEntry(3, "kd-1", "student", "x", 4, state="failed")
    session.state.runs.append(entry)
    button = part(row_of(runs, entry), "run_actions")
    assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert button.accessibleName() == "More for run 3"
    assert button.menu() is row_of(runs, entry).menu
    for one in button.menu().actions():
        assert one.isSeparator() or one.toolTip(), one.text()


def test_list_is_there_again_after_the_dock_was_closed(viewer, session, draw, qtbot):
    entry = draw()
    for _ in range(2):
        section = RunsSection(
            viewer, session.state, session.controller, bring_back=session.bring_back
        )
        assert said(row_of(section, entry), "run_title") == entry.title
        gone = weakref.ref(section)
        section.deleteLater()
        del section
        qtbot.waitUntil(lambda gone=gone: freed(gone))
    entry.saved = entry.folder  # nobody listens any more: nothing happens


def test_files_are_touched_in_no_thread_of_the_window(
    runs, session, draw, chosen, tmp_path, monkeypatch, qtbot
):
    from napari_posterior.session import history

    threads = set()

    def watched(work):
        def noted(*args, **options):
            threads.add(threading.current_thread())
            return work(*args, **options)

        return noted

    for name in ("copy_run", "folder_bytes", "move_aside", "move_back", "empty", "open_run"):
        monkeypatch.setattr(history, name, watched(getattr(history, name)))
    entry = draw(samples=2)
    chosen["save"] = chosen["open"] = str(tmp_path / "mine.posterior.zarr")
    action(runs, entry, "run_save").trigger()
    qtbot.waitUntil(lambda: entry.saved is not None, timeout=LONG)
    part(runs, "run_open").click()
    qtbot.waitUntil(lambda: len(session.state.runs) == 2, timeout=LONG)
    ask = session.controller.history
    ask.measure(entry, lambda _: ask.delete(entry))
    qtbot.waitUntil(lambda: len(session.state.runs) == 1, timeout=LONG)
    part(runs, "run_undo").click()
    qtbot.waitUntil(lambda: len(session.state.runs) == 2, timeout=LONG)
    assert threading.main_thread() not in threads
    assert len(threads) > 0
