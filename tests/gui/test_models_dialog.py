"""The dialog Models: what it shows, and what is done with models beside the window."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
import zipfile

import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QFileDialog,
    QMessageBox,
    QWidget,
)

import napari_posterior as npo
from napari_posterior.errors import InputError, RunError
from napari_posterior.session.progress import ENDED
from napari_posterior.widgets.model_table import COLUMNS, size_words
from napari_posterior.widgets.models_dialog import open_models_dialog
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
def dialog(viewer, session, qtbot):
    found = open_models_dialog(viewer)
    qtbot.waitUntil(lambda: bool(session.models.rows), timeout=LONG)
    yield found
    found.close()


@pytest.fixture
def cached(tmp_path):
    return tmp_path / "cache" / "models"


@pytest.fixture
def archive(tmp_path, tiny_bundle):
    """A zip archive of the tiny bundle, with more entries."""

    def archive(**extra):
        path = tmp_path / "tiny.zip"
        with zipfile.ZipFile(path, "w") as packed:
            for file in tiny_bundle.rglob("*"):
                if file.is_file():
                    packed.write(file, f"tiny/{file.relative_to(tiny_bundle).as_posix()}")
            for name, text in extra.items():
                packed.writestr(name, text)
        return path

    return archive


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


def said(dialog, name):
    found = part(dialog, name)
    return "" if found.isHidden() else found.said


def cells(dialog):
    model = dialog.table.model()
    return {
        model.index(row, 0).data(): [model.index(row, i).data() for i in range(1, len(COLUMNS))]
        for row in range(model.rowCount())
    }


def settled(session, qtbot):
    qtbot.waitUntil(lambda: not session.models.busy, timeout=LONG)
    done = []
    session.controller.history.aside("waiting", lambda: None, lambda _: done.append(1))
    qtbot.waitUntil(lambda: bool(done), timeout=LONG)


def refreshed(session, qtbot, condition):
    session.models.refresh()
    qtbot.waitUntil(condition, timeout=LONG)


def test_table_tells_name_version_state_size_and_samplers(dialog, session):
    shown = cells(dialog)
    assert shown["tiny"][:2] == ["0.0.1", "cached"]
    assert shown["tiny"][2].endswith("kB")
    assert shown["tiny"][3] == "teacher, kd, flow, mse"
    assert shown["fluo2d"][1] == "shipped"
    assert shown["fluo2d"][2].endswith("MB")


def test_sizes_are_sorted_as_numbers(dialog):
    dialog.table.sortByColumn(COLUMNS.index("Size"), Qt.SortOrder.AscendingOrder)
    assert list(cells(dialog)) == ["tiny", "fluo2d"]
    assert [size_words(n) for n in (999, 12_300_000, 2_500_000_000)] == [
        "1 kB",
        "12.3 MB",
        "2.50 GB",
    ]


def test_filter_shows_what_holds_the_text_in_any_column(dialog):
    part(dialog, "models_filter").setText("SHIP")
    assert list(cells(dialog)) == ["fluo2d"]
    assert dialog.table.chosen.name == "fluo2d"
    part(dialog, "models_filter").setText("nothing like it")
    assert cells(dialog) == {}
    assert said(dialog, "models_title") == "No model holds this text."
    assert not part(dialog, "models_verify").isEnabled()
    part(dialog, "models_filter").setText("")
    assert dialog.table.chosen is not None


def test_altered_size_and_missing_card_are_told_by_word_and_reason(
    dialog, session, cached, tiny_bundle, qtbot
):
    (cached / "tiny" / "LICENSE").write_text("changed")
    shutil.copytree(tiny_bundle, cached / "broken")
    (cached / "broken" / "posterior.json").write_text("{}")
    refreshed(session, qtbot, lambda: "broken" in cells(dialog))
    assert cells(dialog)["tiny"][1] == "refused"
    assert cells(dialog)["broken"][1] == "refused"
    dialog.table.choose("tiny")
    assert "LICENSE has 7 bytes instead of" in said(dialog, "models_reason")
    dialog.table.choose("broken")
    assert "is not the card of a napari-posterior bundle" in said(dialog, "models_reason")


def test_model_that_a_run_needs_and_that_is_not_there_is_missing(
    dialog, session, stored_run, qtbot
):
    session.controller.add_run(stored_run(model="elsewhere"))
    refreshed(session, qtbot, lambda: "elsewhere" in cells(dialog))
    assert cells(dialog)["elsewhere"][1:3] == ["missing", ""]
    dialog.table.choose("elsewhere")
    assert said(dialog, "models_reason").startswith("#1 teacher-4 was drawn with it; import it")
    for name in ("models_verify", "models_files", "models_remove", "models_card"):
        assert not part(dialog, name).isEnabled(), name


def test_model_is_imported_from_a_folder_and_can_be_chosen(
    dialog, session, cached, tiny_bundle, monkeypatch, qtbot
):
    shutil.rmtree(cached / "tiny")
    refreshed(session, qtbot, lambda: "tiny" not in cells(dialog))
    assert [one.name for one in session.state.restore.models] == ["fluo2d"]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tiny_bundle))
    menu = part(dialog, "models_import").menu()
    menu.actions()[0].trigger()
    qtbot.waitUntil(lambda: "tiny" in cells(dialog), timeout=LONG)
    assert said(dialog, "models_words") == "tiny was imported; its files match their checksums."
    assert "tiny" in [one.name for one in session.state.restore.models]


@pytest.mark.parametrize("name", ["../evil", "/evil"])
def test_archive_that_leads_outside_is_refused_in_a_sentence(
    dialog, session, cached, archive, monkeypatch, tmp_path, name, qtbot
):
    shutil.rmtree(cached / "tiny")
    path = archive(**{name: "x"})
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    part(dialog, "models_import").menu().actions()[1].trigger()
    qtbot.waitUntil(lambda: "leads outside" in said(dialog, "models_words"), timeout=LONG)
    assert not list(tmp_path.rglob("evil"))
    assert not (cached / "tiny").exists()
    assert part(dialog, "models_import").isEnabled()


def test_model_that_is_there_is_not_imported_over(dialog, session, archive, qtbot):
    session.models.import_model(archive())
    qtbot.waitUntil(lambda: "already" in said(dialog, "models_words"), timeout=LONG)


def test_verify_compares_files_and_draws_the_self_test(dialog, session, qtbot):
    dialog.table.choose("tiny")
    part(dialog, "models_verify").click()
    assert not part(dialog, "models_verify").isEnabled()
    job = session.models.job
    qtbot.waitUntil(lambda: job.state in ENDED, timeout=LONG)
    qtbot.waitUntil(lambda: "self-test passed" in said(dialog, "models_words"), timeout=LONG)
    assert "files match their checksums" in said(dialog, "models_words")
    assert job.progress.fraction == 1
    qtbot.waitUntil(part(dialog, "models_verify").isEnabled, timeout=LONG)
    assert cells(dialog)["tiny"][1] == "cached"


def test_tampered_weights_are_refused_by_the_name_of_the_file(dialog, session, cached, qtbot):
    weights = cached / "tiny" / "students" / "kd" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1  # of the same size, so that only a checksum tells
    weights.write_bytes(data)
    dialog.table.choose("tiny")
    part(dialog, "models_verify").click()
    qtbot.waitUntil(lambda: cells(dialog)["tiny"][1] == "refused", timeout=LONG)
    assert "students/kd/model.safetensors does not match" in said(dialog, "models_reason")
    session.models.refresh()
    settled(session, qtbot)
    assert cells(dialog)["tiny"][1] == "refused"  # as long as it was not looked at again


def test_looking_at_a_model_can_be_stopped(dialog, session, monkeypatch, qtbot):
    from napari_posterior.session import verify_job

    let_go, reached = threading.Event(), threading.Event()

    def slow(folder, files, *, on_file):
        for name in sorted(files):
            reached.set()
            assert let_go.wait(60)
            on_file(name)
        return []

    monkeypatch.setattr(verify_job, "find_problems", slow)
    dialog.table.choose("tiny")
    part(dialog, "models_verify").click()
    qtbot.waitUntil(reached.is_set, timeout=LONG)
    qtbot.waitUntil(lambda: part(dialog, "models_stop").isVisible(), timeout=LONG)
    part(dialog, "models_stop").click()
    let_go.set()
    job = session.models.job
    qtbot.waitUntil(lambda: job.state == "cancelled", timeout=LONG)
    qtbot.waitUntil(lambda: not part(dialog, "models_stop").isVisible(), timeout=LONG)
    assert cells(dialog)["tiny"][1] == "cached"


def test_only_imported_models_are_removed_and_after_a_question(dialog, session, cached, qtbot):
    dialog.table.choose("fluo2d")
    remove = part(dialog, "models_remove")
    assert not remove.isEnabled()
    assert "only imported models" in remove.toolTip()
    with pytest.raises(InputError, match="came with napari-posterior"):
        session.models.remove("fluo2d")
    dialog.table.choose("tiny")
    assert remove.isEnabled()
    for text, there in (("Cancel", True), ("Remove", False)):
        remove.click()
        box = dialog.findChildren(QMessageBox)[-1]
        assert "Remove the model tiny 0.0.1?" in box.text()
        [button] = [b for b in box.buttons() if b.text().replace("&", "") == text]
        button.click()
        settled(session, qtbot)
        assert (cached / "tiny").exists() is there
    qtbot.waitUntil(lambda: "tiny" not in cells(dialog), timeout=LONG)


def test_models_are_neither_removed_nor_unloaded_while_a_run_is_drawn(
    dialog, session, measured, quick, gate, qtbot
):
    job = session.restore(measured, model="tiny", **quick)
    qtbot.waitUntil(gate.reached.is_set, timeout=LONG)
    part(dialog, "models_unload").click()
    assert "a run is being drawn" in said(dialog, "models_words").lower()
    with pytest.raises(RunError, match="being drawn"):
        session.models.remove("tiny")
    gate.open.set()
    qtbot.waitUntil(lambda: job.state in ENDED, timeout=LONG)
    part(dialog, "models_unload").click()
    qtbot.waitUntil(lambda: "kept in memory" in said(dialog, "models_words"), timeout=LONG)


def test_unload_lets_go_of_the_networks_of_a_model_that_was_opened_in_the_console(
    dialog, session, measured, quick, tiny_bundle, qtbot
):
    bundle = npo.load_model(tiny_bundle)
    job = session.restore(measured, model=bundle, **quick)
    qtbot.waitUntil(lambda: job.state in ENDED, timeout=LONG)
    nets = [weakref.ref(net) for net in bundle._nets.values()]
    size = sum(p.numel() * 4 for net in bundle._nets.values() for p in net.parameters())
    assert nets
    part(dialog, "models_unload").click()
    told = f"was unloaded: its networks took {size / 1e6:.3g} MB of memory"
    qtbot.waitUntil(lambda: told in said(dialog, "models_words"), timeout=LONG)
    gc.collect()
    assert [net() for net in nets] == [None] * len(nets)
    again = session.restore(measured, model=bundle, **{**quick, "seed": 1})  # it can be used on
    qtbot.waitUntil(lambda: again.state in ENDED, timeout=LONG)
    assert again.state == "done"


def test_card_and_folder_are_shown(dialog, cached, monkeypatch):
    dialog.table.choose("tiny")
    part(dialog, "models_card").click()
    card = part(dialog, "card_window", QDialog)
    assert card.windowTitle() == "Card of tiny"
    card.close()
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    part(dialog, "models_files").click()
    assert opened == [str(cached / "tiny")]


def test_files_are_read_in_no_thread_of_the_window(
    viewer, session, archive, cached, monkeypatch, qtbot
):
    from napari_posterior.session import model_files, verify_job

    threads = set()

    def watched(work):
        def noted(*args, **options):
            threads.add(threading.current_thread())
            return work(*args, **options)

        return noted

    for home, name in (
        (model_files, "read_rows"),
        (model_files, "import_bundle"),
        (model_files, "remove_bundle"),
        (verify_job, "find_problems"),
    ):
        monkeypatch.setattr(home, name, watched(getattr(home, name)))
    dialog = open_models_dialog(viewer)
    qtbot.waitUntil(lambda: "tiny" in cells(dialog), timeout=LONG)
    session.models.remove("tiny")
    qtbot.waitUntil(lambda: "tiny" not in cells(dialog), timeout=LONG)
    session.models.import_model(archive())
    qtbot.waitUntil(lambda: "tiny" in cells(dialog), timeout=LONG)
    job = session.models.verify("tiny")
    qtbot.waitUntil(lambda: job.state in ENDED, timeout=LONG)
    assert threading.main_thread() not in threads
    assert len(threads) > 1
    dialog.close()


def test_dialog_is_opened_once_and_freed_though_work_goes_on(viewer, session, qtbot):
    dialog = open_models_dialog(viewer)
    assert open_models_dialog(viewer) is dialog
    session.models.refresh()
    gone = weakref.ref(dialog)
    dialog.close()
    del dialog
    qtbot.waitUntil(lambda gone=gone: freed(gone))
    settled(session, qtbot)


def test_every_control_says_what_it_does_and_none_is_clipped(dialog):
    assert dialog.width() <= 900
    assert dialog.height() <= 650
    for button in dialog.findChildren(QAbstractButton):
        if not button.objectName().startswith("models_"):
            continue
        assert button.toolTip(), button.objectName()
        if button.isVisible():
            assert button.width() >= button.minimumSizeHint().width(), button.objectName()
