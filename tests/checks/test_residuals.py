"""Reduced chi-squared of posterior draws that are exact, too narrow, too wide or biased."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.likelihood import ResidualMeter, find_residual_difference
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

LEVEL, PRIOR_SD, SIDE = 4000.0, 60.0, 96


@pytest.fixture(scope="module")
def posterior():
    """Closed-form posterior of independent pixels at many photons: meter, mean, sd."""
    generator = np.random.default_rng(0)
    noise_variance = LEVEL + 2.0**2
    truth = LEVEL + PRIOR_SD * generator.normal(size=(SIDE, SIDE))
    y = generator.poisson(truth) + 2.0 * generator.normal(size=truth.shape)
    measurement = Measurement(y, Camera(read_noise=2.0), Psf(1.0))
    weight = PRIOR_SD**2 / (PRIOR_SD**2 + noise_variance)
    mean = LEVEL + weight * (y - LEVEL)
    return ResidualMeter([measurement]), mean, np.sqrt(weight * noise_variance)


def scores(posterior, count: int, *, seed: int, scale: float = 1.0, bias: float = 0.0):
    meter, mean, sd = posterior
    noise = np.random.default_rng(seed).normal(size=(count, SIDE, SIDE))
    return [meter.measure([x]) for x in mean + sd * (scale * noise + bias)]


def compare(teacher, student):
    return find_residual_difference(teacher, student, level=0.9, paired=False, camera_given=True)


def test_an_exact_draw_has_one_and_the_mean_less(posterior) -> None:
    meter, mean, _ = posterior
    drawn = scores(posterior, 8, seed=1)
    assert np.mean([r.chi2 for r in drawn]) == pytest.approx(1.0, abs=3 * drawn[0].chi2_sd)
    assert meter.measure([mean]).chi2 < 0.7


@pytest.mark.parametrize(
    ("change", "sign"),
    [({"scale": 0.5}, -1), ({"scale": 1.5}, 1), ({"bias": 0.3}, 1)],
    ids=["too narrow", "too wide", "biased"],
)
def test_a_wrong_spread_or_bias_moves_the_difference(posterior, change, sign) -> None:
    finding = compare(scores(posterior, 12, seed=2), scores(posterior, 12, seed=3, **change))
    assert np.sign(finding.estimate) == sign
    assert all(np.sign(bound) == sign for bound in finding.interval)


def test_draws_of_one_law_do_not_differ_most_of_the_time(posterior) -> None:
    held = []
    for seed in range(40):
        low, high = compare(
            scores(posterior, 6, seed=2 * seed + 10), scores(posterior, 8, seed=2 * seed + 11)
        ).interval
        held.append(low <= 0 <= high)
    assert np.mean(held) >= 0.8


def test_an_estimated_camera_is_mentioned(posterior) -> None:
    drawn = scores(posterior, 4, seed=4)
    finding = find_residual_difference(drawn, drawn, level=0.9, paired=True, camera_given=False)
    assert "camera was estimated" in finding.sentence
    assert finding.extra["expected"] == 1.0


def test_planes_are_averaged() -> None:
    camera = Camera(read_noise=1.0)
    planes = [np.full((16, 16), level) for level in (10.0, 40.0)]
    measurements = [Measurement(p + 3.0, camera, Psf(1.0)) for p in planes]
    both = ResidualMeter(measurements).measure(planes).chi2
    alone = [
        ResidualMeter([m]).measure([p]).chi2 for m, p in zip(measurements, planes, strict=True)
    ]
    assert both == pytest.approx(np.mean(alone))
