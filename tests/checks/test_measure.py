"""Numbers of samples, measured one by one and gathered."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks import build_report
from napari_posterior.checks.measure import SampleMeter
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import FunctionStatistic

TWO = FunctionStatistic(
    lambda x, context: {"": float(x.max()), "darkest_pixel": float(x.min())}, "ends", "ends", "e-"
)


def test_samples_measured_one_by_one_give_the_numbers_of_the_report(fake_run):
    generator = np.random.default_rng(0)
    y = generator.poisson(20, (2, 32, 32)) * 2.0 + 100
    samples = generator.gamma(20, 1, (9, 2, 32, 32)).astype(np.float32)
    runs = fake_run(samples[:5], y, role="teacher", seed=1), fake_run(samples[5:], y)
    chosen = ("puncta_count", "total_intensity", TWO)
    report = build_report(*runs, statistics=chosen)
    for run, role in zip(runs, ("teacher", "student"), strict=True):
        meter = SampleMeter([run.measurement(0), run.measurement(1)], chosen)
        found = meter.values([meter.measure(list(sample)) for sample in run.samples])
        assert [(v.id, v.title, v.unit) for v in found] == [
            (v.id, v.title, v.unit) for v in report.figures.values
        ]
        for one, there in zip(found, report.figures.values, strict=True):
            np.testing.assert_array_equal(one.values, getattr(there, role))
    assert [one.id for one in found] == [
        "puncta_count",
        "total_intensity",
        "ends",
        "ends.darkest_pixel",
        "likelihood",
    ]
    assert found[3].title == "ends, darkest pixel"


def test_a_statistic_that_is_not_known_is_refused_before_anything_is_measured():
    plane = Measurement(np.full((16, 16), 120, np.float32), Camera(2.0, 100.0, 1.5), Psf(1.5))
    with pytest.raises(InputError, match="there is no statistic 'vesicles'"):
        SampleMeter([plane], ("vesicles",))


def test_residuals_without_an_expected_value_are_headed_consistency_only():
    y = 100 + 2 * np.random.default_rng(0).poisson(20.0, (64, 64)).astype(np.float32)
    guessed = Camera(2.0, 100.0, 1.5, "estimated", gain_interval=(0.0, 9.0))
    titles = []
    for camera in (Camera(2.0, 100.0, 1.5), guessed):
        meter = SampleMeter([Measurement(y, camera, Psf(1.5))], ())
        (residual,) = meter.values([meter.measure([np.full((64, 64), 20.0, np.float32)])])
        titles.append((residual.title, residual.expected))
    assert titles == [
        ("likelihood residual", 1.0),
        ("likelihood residual (consistency only)", None),
    ]
