"""Camera and PSF in the dock Restore: typed, estimated, from files and from layers."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QWidget

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.widgets.session import session as session_of

pytestmark = pytest.mark.gui

LONG = 60_000


@pytest.fixture
def viewer(make_napari_viewer_proxy, tiny_model):
    viewer = make_napari_viewer_proxy()
    yield viewer
    assert session_of(viewer).controller.close(60)


@pytest.fixture
def session(viewer, qtbot):
    found = session_of(viewer)
    qtbot.waitUntil(lambda: bool(found.state.restore.models), timeout=LONG)
    found.state.restore.model, found.state.restore.samples = "tiny", 1
    return found


@pytest.fixture
def dock(viewer, session):
    data = (2 * np.random.default_rng(0).poisson(20, (64, 72)) + 100).astype(np.uint16)
    viewer.add_image(data, name="cell", scale=(0.2, 0.2), units=("um", "um"))
    return viewer.window.add_plugin_dock_widget("napari-posterior", "Restore")[1]


@pytest.fixture
def point():
    """One point of sigma 1.6 px, 15 x 15, in grey levels."""
    y, x = np.mgrid[-7:8, -7:8]
    return (1000 * np.exp(-(y**2 + x**2) / (2 * 1.6**2))).astype(np.float32)


def part(dock, name):
    found = dock.findChild(QWidget, name)
    assert found is not None, name
    return found


def said(dock, name):
    widget = part(dock, name)
    return "" if widget.isHidden() else widget.said


def choose(menu, *texts):
    """Open a menu and its submenus, and take what is called so."""
    menu.aboutToShow.emit()
    for text in texts[:-1]:
        [menu] = [one.menu() for one in menu.actions() if one.text() == text]
    [action] = [one for one in menu.actions() if one.text() == texts[-1]]
    action.trigger()


def test_a_psf_is_taken_from_a_layer_and_described_and_a_number_takes_its_place(
    dock, viewer, session, point, qtbot
):
    restore = session.state.restore
    restore.psf = 2.5
    viewer.add_image(point, name="bead", scale=(0.2, 0.2), units=("um", "um"))
    choose(part(dock, "psf_source").menu(), "Layer bead")
    qtbot.waitUntil(lambda: restore.psf == Psf(kernel=point), timeout=LONG)
    words = "PSF sampled, 15 x 15, equivalent sigma 1.6 px (0.32 µm), from bead"
    assert words in said(dock, "camera_words")
    assert said(dock, "psf_units") == "Sampled, 15 x 15, equivalent sigma 1.6 px = 0.32 µm"
    assert part(dock, "psf_given").isChecked()

    part(dock, "psf_none").click()
    assert restore.psf is None
    part(dock, "psf_given").click()
    assert restore.psf == Psf(kernel=point)  # it was kept while it was not used
    part(dock, "background").setValue(2)
    assert restore.psf == Psf(kernel=point)

    part(dock, "psf_sigma").setValue(1.8)
    assert restore.psf == 1.8
    assert "PSF sigma 1.8 px (0.36 µm), typed" in said(dock, "camera_words")
    part(dock, "estimate_undo").click()
    assert restore.psf == 2.5


def test_what_is_no_psf_is_refused_with_its_sentence(dock, viewer, session, point, tmp_path, qtbot):
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, np.concatenate([point, point]))
    dock.camera._finding.take_psf_file(str(path))
    qtbot.waitUntil(lambda: "separate peaks" in said(dock, "estimate_fault"), timeout=LONG)
    viewer.add_image(point, name="fine", scale=(0.05, 0.05), units=("um", "um"))
    choose(part(dock, "psf_source").menu(), "Layer fine")
    told = "pixels of 0.05 µm and the image has pixels of 0.2 µm"
    qtbot.waitUntil(lambda: told in said(dock, "estimate_fault"), timeout=LONG)
    assert session.state.restore.psf is None
    assert not part(dock, "psf_given").isChecked()


def test_beads_in_a_layer_are_averaged(dock, viewer, session, qtbot):
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    light = np.full(y.shape, 10.0)
    for row in range(20, 120, 29):
        for column in range(20, 120, 29):
            where = row + rng.uniform(-1, 1), column + rng.uniform(-1, 1)
            light += 2000 * np.exp(-((y - where[0]) ** 2 + (x - where[1]) ** 2) / (2 * 1.7**2))
    viewer.add_image(rng.poisson(light).astype(np.float32), name="beads")
    choose(part(dock, "psf_source").menu(), "Mean of the beads in", "Layer beads")
    qtbot.waitUntil(lambda: session.state.restore.psf is not None, timeout=LONG)
    assert session.state.restore.psf.sigma == pytest.approx(1.7, rel=0.05)
    assert "mean of 16 beads" in said(dock, "estimate_notes")


def test_a_part_of_an_image_is_restored_with_its_part_of_the_camera_maps_and_a_sampled_psf(
    dock, viewer, session, point, tmp_path, qtbot
):
    restore = session.state.restore
    gain = 2.0 * np.linspace(0.9, 1.1, 64 * 72).reshape(64, 72)
    maps = np.stack([gain, np.full(gain.shape, 100.0), np.full(gain.shape, 9.0)])
    tifffile.imwrite(tmp_path / "maps.tif", maps, photometric="minisblack")
    dock.camera._finding.take_file(str(tmp_path / "maps.tif"))
    qtbot.waitUntil(lambda: restore.camera is not None, timeout=LONG)
    assert "(medians of maps), from maps.tif" in said(dock, "camera_words")
    tifffile.imwrite(tmp_path / "psf.tif", point)
    dock.camera._finding.take_psf_file(str(tmp_path / "psf.tif"))
    qtbot.waitUntil(lambda: restore.psf is not None, timeout=LONG)

    corners = 0.2 * np.array([[10, 20], [10, 59], [49, 59], [49, 20]])
    viewer.add_shapes([corners], scale=(1, 1), units=("um", "um"))
    part(dock, "region_shape").click()
    qtbot.waitUntil(part(dock, "run").isEnabled, timeout=LONG)
    part(dock, "run").click()
    [entry] = session.state.runs
    qtbot.waitUntil(lambda: entry.run is not None, timeout=LONG)

    request = entry.run.request
    assert request.psf == Psf(kernel=point)
    row, column = request.image.origin[-2:]
    height, width = request.image.shape[-2:]
    expected = gain[row : row + height, column : column + width]
    assert (height, width) < gain.shape
    assert isinstance(request.camera, Camera)
    np.testing.assert_array_equal(request.camera.gain, expected)


def test_numbers_that_were_estimated_show_their_intervals(dock, session):
    session.state.restore.camera = Camera(
        2.0, 99.0, 1.5, "estimated", None, None, (1.8, 2.2), (98.5, 99.5), (1.2, 1.9)
    )
    words = "2 ADU/e- (1.8-2.2), 99 ADU (98.5-99.5), 1.5 e- (1.2-1.9)"
    assert words in said(dock, "camera_words")
