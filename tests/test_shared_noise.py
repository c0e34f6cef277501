"""What the script that compares students with their teacher says of students that are known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_posterior.sampling.bands import measure_bands

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        spec = importlib.util.spec_from_file_location("shared_noise", FOLDER / "students.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "shared_noise", module)
        spec.loader.exec_module(module)
        yield module
        sys.modules.pop("calibration", None)


@pytest.fixture(scope="module")
def teacher():
    """Samples of twelve scenes of very different brightness, (12, 16, 64, 64)."""
    generator = np.random.default_rng(0)
    light = generator.lognormal(size=(12, 1, 1, 1))
    return light * generator.normal(size=(12, 16, 64, 64))


def told(script, teacher, student, counts=None):
    found = []
    for i, (base, other) in enumerate(zip(teacher, student, strict=True)):
        bands = measure_bands(base, other)
        covariance = script.covariance_of(base, other, bands)
        found.append(script.Shared(bands, covariance, counts and counts[i]))
    return script.summarise(found)


def test_a_student_that_follows_and_loses_spread_is_told_so_in_every_band(script, teacher):
    figures = told(script, teacher, 0.9 * teacher)
    for value, low, high in figures["variance_ratio"].values():
        assert (value, low, high) == pytest.approx((0.81, 0.81, 0.81), abs=1e-3)
    for value, *_ in figures["noise_correlation"].values():
        assert value == pytest.approx(1)


def test_the_correlation_of_noise_kept_in_part_is_within_its_interval(script, teacher):
    rng = np.random.default_rng(1)
    fresh = teacher.std((1, 2, 3), keepdims=True) * rng.normal(size=teacher.shape)
    figures = told(script, teacher, 0.6 * teacher + 0.8 * fresh)
    for value, low, high in figures["noise_correlation"].values():
        assert low - 0.02 < 0.6 < high + 0.02
        assert low <= value <= high
    assert figures["variance_ratio"]["all"][0] == pytest.approx(1, abs=0.02)


def test_a_mean_that_is_off_is_told_in_sd_and_finite_samples_add_nothing(script, teacher):
    rng = np.random.default_rng(2)
    scale = teacher.std((1, 2, 3), keepdims=True)
    other = scale * rng.normal(size=teacher.shape)
    off = scale * rng.normal(size=(len(teacher), 1, 64, 64))
    # finite samples alone put the means of 16 and 16 samples 0.35 sd apart
    assert told(script, teacher, other)["mean_gap_in_sd"]["all"][0] < 0.1
    assert told(script, teacher, other + 0.5 * off)["mean_gap_in_sd"]["all"][0] == pytest.approx(
        0.5, abs=0.03
    )


def test_puncta_are_counted_over_scenes_and_only_where_there_are_some(script, teacher):
    assert "puncta_count" not in told(script, teacher, teacher)
    counts = [(100.0 + 10 * i, 0.95 * (100.0 + 10 * i)) for i in range(len(teacher))]
    value, low, high = told(script, teacher, teacher, counts)["puncta_count"]["shift_in_percent"]
    assert (value, low, high) == pytest.approx((-5, -5, -5))


def test_every_student_is_measured_at_every_step_count_it_is_offered_at(script, tiny_bundle):
    from napari_posterior.bundles.bundle import open_bundle

    assert script.offered(open_bundle(tiny_bundle)) == [("flow", 1), ("flow", 2), ("kd", 1)]
    assert script.called("flow", 2) == "flow, 2 steps"
