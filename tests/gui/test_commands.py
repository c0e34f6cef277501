"""Every action is a command in napari's menus and palette."""

from __future__ import annotations

import npe2
import numpy as np
import pytest
from napari._app_model import get_app_model
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from napari_posterior import commands
from napari_posterior.session.models import RunEntry
from napari_posterior.widgets.docks import find_dock, open_dock
from napari_posterior.widgets.session import session as session_of

pytestmark = pytest.mark.gui

PLUGIN = "napari-posterior"
DOCKS = {"Restore": "napari_posterior_restore", "Compare": "napari_posterior_compare"}
LONG = 60_000


@pytest.fixture
def manifest():
    return npe2.PluginManifest.from_distribution(PLUGIN)


@pytest.fixture
def viewer(make_napari_viewer, tiny_model):
    viewer = make_napari_viewer()
    yield viewer
    assert session_of(viewer).controller.close(60)


@pytest.fixture
def session(viewer, qtbot):
    found = session_of(viewer)
    qtbot.waitUntil(lambda: bool(found.state.restore.models), timeout=LONG)
    restore = found.state.restore
    restore.model, restore.samples, restore.then_compare = "tiny", 2, False
    return found


@pytest.fixture
def told():
    """What the user is told while a test runs."""
    found = []
    notification_manager.notification_ready.connect(found.append)
    yield found
    notification_manager.notification_ready.disconnect(found.append)


@pytest.fixture
def cell(viewer):
    rng = np.random.default_rng(0)
    data = (2 * rng.poisson(20, (40, 48)) + 100).astype(np.uint16)
    return viewer.add_image(data, name="cell")


def widgets_of(manifest):
    return {one.display_name: one.command for one in manifest.contributions.widgets}


def test_manifest_offers_both_docks(manifest):
    assert set(widgets_of(manifest)) == set(DOCKS)


@pytest.mark.parametrize("name", DOCKS)
def test_dock_opens_by_its_name_in_the_viewer_that_plugins_get(
    make_napari_viewer_proxy, tiny_model, name
):
    viewer = make_napari_viewer_proxy()
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    assert widget.objectName() == DOCKS[name]


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_is_opened_once_and_then_found(viewer, name):
    assert find_dock(viewer, name) is None
    opened = open_dock(viewer, name)
    assert opened.objectName() == DOCKS[name]
    assert open_dock(viewer, name) is opened
    other = open_dock(viewer, next(one for one in DOCKS if one != name))
    assert find_dock(viewer, name) is opened
    assert other is not opened


def test_commands_are_in_the_menus_where_napari_has_their_like(manifest):
    menus = manifest.contributions.menus
    found = {
        menu: [item.command.removeprefix(f"{PLUGIN}.") for item in items]
        for menu, items in menus.items()
    }
    assert found["napari/layers/filter"][:2] == ["restore_dock", "run_pair"]
    assert found["napari/layers/measure"] == ["compare_dock", "compare_newest", "draw_regions"]
    assert set(found["napari/layers/visualize"]) >= {
        "show_sd", "show_sd_ratio", "show_side_by_side", "show_puncta",
    }  # fmt: skip
    assert set(found["napari/file/io_utilities"]) >= {
        "open_run", "save_report", "open_models", "open_log",
    }  # fmt: skip


def test_what_works_on_a_layer_is_offered_only_where_an_image_layer_is_selected(manifest):
    clauses = {
        one.id.removeprefix(f"{PLUGIN}."): one.enablement for one in manifest.contributions.commands
    }
    for name in ("run_pair", "run_chosen", "run_corrected"):
        assert clauses[name] == "num_selected_image_layers >= 1 and not active_layer_is_rgb"
    assert clauses["open_run"] is None


def test_every_command_is_known_to_the_palette_by_a_name_that_reads_well(viewer, manifest):
    known = get_app_model().commands
    for command in manifest.contributions.commands:
        name = command.id.removeprefix(f"{PLUGIN}.")
        if name == "read_run":
            continue
        assert command.title[0].isupper(), name
        assert "_" not in command.title, name
        if not name.startswith(("open_puncta", "open_filaments", "open_mem", "open_nuclei")):
            if not name.endswith("_dock"):
                assert known[command.id].title.startswith(command.title)


def test_run_pair_restores_the_selected_layer_from_a_fresh_window(viewer, session, cell, qtbot):
    viewer.add_image(np.ones((40, 40), np.uint16), name="other")
    viewer.layers.selection.active = cell
    commands.run_pair()
    assert find_dock(viewer, "Restore") is not None
    assert [run.role for run in session.state.runs] == ["teacher", "student"]
    assert session.state.restore.image.name == "cell"
    qtbot.waitUntil(lambda: {run.state for run in session.state.runs} == {"done"}, timeout=LONG)
    commands.more_samples()
    assert [run.samples for run in session.state.runs] == [4, 4]
    qtbot.waitUntil(
        lambda: [len(run.run or ()) for run in session.state.runs] == [4, 4], timeout=LONG
    )


def test_run_pair_waits_for_the_models_of_a_window_that_has_just_opened(viewer, cell, qtbot):
    session = session_of(viewer)
    session.state.restore.samples, session.state.restore.then_compare = 1, False
    assert not session.state.restore.models
    commands.run_pair()
    assert not session.state.runs
    qtbot.waitUntil(lambda: len(session.state.runs) == 2, timeout=LONG)
    commands.cancel()
    qtbot.waitUntil(
        lambda: {run.state for run in session.state.runs} <= {"cancelled", "done"}, timeout=LONG
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("more_samples", "No run has ended"),
        ("compare_newest", "There are no runs of a teacher and a student on one image"),
        ("save_report", "There is no comparison yet"),
        ("show_sd", "No layer shows the sd of a run; run teacher and student first"),
        ("show_sd_ratio", "No layer shows the sd ratio of a run; compare"),
        ("copy_script", "There is no run yet"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(viewer, session, told, name, words):
    getattr(commands, name)()
    [one] = told
    assert one.message.startswith(words)
    assert one.message.endswith(".")


def test_the_newest_runs_on_one_image_are_compared(viewer, session, stored_run, monkeypatch):
    from napari_posterior.widgets.actions import newest_pair

    runs = [
        RunEntry(number, role, role, key, 2, state="done", run=[None] * 2)
        for number, role, key in (
            (1, "teacher", "a"), (2, "teacher", "b"), (3, "student", "b"), (4, "teacher", "a"),
            (5, "student", "c"),
        )
    ]  # fmt: skip
    assert [one.number for one in newest_pair(runs)] == [2, 3]


def test_sd_layers_come_to_the_eye_and_other_results_go(viewer, session, cell):
    for name in ("mean", "sd"):
        viewer.add_image(
            np.ones((40, 48)), name=name, metadata={"napari_posterior": {"quantity": name}}
        )
    commands.show_sd()
    assert {layer.name for layer in viewer.layers if layer.visible} == {"cell", "sd"}
    assert viewer.layers.selection.active.name == "sd"


def test_regions_are_drawn_into_one_layer_on_the_scale_of_the_image(viewer, session):
    viewer.add_image(np.ones((40, 40), np.uint16), scale=(0.2, 0.2), units=("um", "um"))
    commands.draw_regions()
    commands.draw_regions()
    [layer] = [one for one in viewer.layers if one.name.startswith("regions")]
    assert str(layer.mode) == "add_rectangle"
    np.testing.assert_allclose(layer.scale, (0.2, 0.2))
    assert session.state.compare.regions.name == "regions"
    assert find_dock(viewer, "Compare") is not None
    layer.mode = "pan_zoom"


def test_reset_and_debug_report(viewer, session, told):
    session.state.restore.samples = 99
    commands.reset_settings()
    assert session.state.restore.samples == 16
    commands.copy_debug_report()
    assert "napari-posterior" in QApplication.clipboard().text()
    QApplication.clipboard().clear()
