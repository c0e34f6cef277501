from __future__ import annotations

import npe2
import pytest

pytestmark = pytest.mark.gui

DOCKS = {
    "Restore by posterior samples": "napari_posterior_restore",
    "Compare teacher and student": "napari_posterior_compare",
}


def widgets_of_the_manifest():
    manifest = npe2.PluginManifest.from_distribution("napari-posterior")
    return {one.display_name: one.command for one in manifest.contributions.widgets}


def test_manifest_offers_both_docks():
    assert set(widgets_of_the_manifest()) == set(DOCKS)


@pytest.mark.parametrize("name", DOCKS)
def test_dock_opens_by_its_name_in_the_viewer_that_plugins_get(
    make_napari_viewer_proxy, tiny_model, name
):
    viewer = make_napari_viewer_proxy()
    _, widget = viewer.window.add_plugin_dock_widget("napari-posterior", name)
    assert widget.objectName() == DOCKS[name]


def test_docks_are_in_the_menus_for_filters_and_measurements():
    menus = npe2.PluginManifest.from_distribution("napari-posterior").contributions.menus
    found = {menu: [item.command for item in items] for menu, items in menus.items()}
    commands = widgets_of_the_manifest()
    assert found == {
        "napari/layers/filter": [commands["Restore by posterior samples"]],
        "napari/layers/measure": [commands["Compare teacher and student"]],
    }
