"""RSE and RSP in a report, and the pixels that are left out of it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks import build_report
from napari_posterior.checks.familiar import familiar_numbers
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf


@pytest.fixture
def measurement(scene) -> Measurement:
    _, y = scene
    return Measurement(y, Camera(2.0, 100.0, 1.5), Psf(1.5))


def test_a_mean_that_lost_light_does_not_get_it_back_from_the_fit(scene, measurement) -> None:
    truth, _ = scene
    dim = np.minimum(truth, 15)
    found = familiar_numbers(measurement, truth, dim)
    assert found.rse[1] > 1.05 * found.rse[0]
    assert found.rsp[1] < found.rsp[0] - 0.01
    # against the noise that is there: gain * sqrt(electrons + read noise^2)
    noise = 2 * np.sqrt(truth.mean() + 1.5**2)
    assert found.rse[0] == pytest.approx(noise, rel=0.15)
    assert "RSP" in found.words()
    assert "decide nothing" in found.words()


def test_a_mean_that_shows_nothing_of_the_measurement_has_no_such_numbers(measurement) -> None:
    flat = np.full((64, 64), 7.0)
    assert familiar_numbers(measurement, flat, flat) is None


def test_a_report_holds_the_numbers_and_counts_saturated_pixels(scene, fake_run) -> None:
    truth, y = scene
    noise = np.random.default_rng(1).normal(size=(2, 6, 64, 64)).astype(np.float32)
    full = float(np.sort(y.ravel())[-3])
    saturating = Camera(2.0, 100.0, 1.5, saturation=full)
    runs = [
        fake_run(truth + one, y, role=role, camera=saturating)
        for one, role in zip(noise, ("teacher", "student"), strict=True)
    ]
    report = build_report(*runs)
    told = report.to_dict()
    assert told["squirrel"]["rsp"][0] == pytest.approx(told["squirrel"]["rsp"][1], abs=0.01)
    count = int((y >= full).sum())
    assert report["likelihood"].extra["saturated_pixels"] == count
    assert any(text.startswith(f"{count} pixels are saturated") for text in report.warnings)
