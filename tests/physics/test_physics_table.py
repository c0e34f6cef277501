"""The tables of docs/physics.md: what real images must show, and that the page shows it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_posterior.physics.camera import Camera

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def script(repository: Path) -> Any:
    place = repository / "docs" / "make_physics_table.py"
    spec = importlib.util.spec_from_file_location("make_physics_table", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.realdata
@pytest.mark.parametrize("channel", ["mito", "nuclei"])
def test_frames_of_a_calibrated_camera_scatter_as_their_maps_say(
    script: Any, real_data: Path, channel: str
) -> None:
    gain, offset, variance = script.read(real_data, "miro_scmos_calibration")
    camera = Camera(gain, offset, np.sqrt(variance) / gain)
    truth = script.read(real_data, f"miro_tirf_{channel}_gt")
    frames = script.read(real_data, f"miro_tirf_{channel}_raw")
    assert len(frames) == 4
    for y in frames:
        assert 1.05 < script.z_scores(y, truth, camera, script.LOW_PASS).std() < 1.21
        plain = script.grey_level_z_scores(y, truth, gain, offset, variance)
        assert 1.05 < plain.std() < 1.21
        # a camera of half the gain would not do
        wrong = Camera(gain / 2, offset, np.sqrt(variance) / gain * 2)
        assert not 1.05 < script.z_scores(y, truth, wrong, script.LOW_PASS).std() < 1.21


def test_a_frame_drawn_from_its_own_noise_has_a_spread_of_one(script: Any) -> None:
    rng = np.random.default_rng(0)
    truth = 200 * np.exp(np.cumsum(0.05 * rng.standard_normal((128, 128)), axis=0))
    gain, offset = 2.1 + 0.3 * rng.random((2, 128, 128)) * [[[1]], [[30]]]
    camera = Camera(gain, offset, 1.6)
    electrons = rng.poisson(0.2 * truth) + 1.6 * rng.standard_normal(truth.shape)
    z = script.z_scores(camera.to_adu(electrons), truth, camera, script.LOW_PASS)
    assert z.std() == pytest.approx(1, abs=0.02)


def test_the_page_holds_the_tables_that_the_script_makes(repository: Path, script: Any) -> None:
    page = (repository / "docs" / "physics.md").read_text()
    assert all(page.count(mark) == 1 for mark in script.MARKS)
    tables = page.partition(script.MARKS[0])[2].partition(script.MARKS[1])[0]
    assert tables.count("### ") == 4
    spreads = [row.split("|")[4] for row in tables.splitlines() if " ms |" in row][:8]
    assert all(1.05 < float(cell.strip(" *")) < 1.21 for cell in spreads)
