"""Reduced chi-squared of posterior draws that are exact, too narrow, too wide or biased."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import zoom

from napari_posterior.checks.likelihood import ResidualMeter, find_residual_difference
from napari_posterior.checks.trust import NoiseTrust, noise_trust
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding

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
    return find_residual_difference(teacher, student, level=0.9, paired=False, trust=NoiseTrust())


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


@pytest.fixture
def rng_image() -> tuple[np.ndarray, np.ndarray]:
    """A raw image of 20 photoelectrons a pixel, and one scaled up from a quarter of its pixels."""
    raw = np.random.default_rng(5).poisson(20.0, (256, 256)).astype(np.float32)
    return raw, zoom(raw[:128, :128], 2, order=1, mode="nearest")


def test_an_estimated_camera_is_mentioned(posterior) -> None:
    drawn = scores(posterior, 4, seed=4)

    def told(trust: NoiseTrust) -> Finding:
        return find_residual_difference(drawn, drawn, level=0.9, paired=True, trust=trust)

    assert "(expected 1.000)." in told(NoiseTrust()).sentence
    doubtful = told(NoiseTrust(0.05))
    assert "expected 0.90 to 1.10, because the camera was estimated" in doubtful.sentence
    assert doubtful.extra["expected"] == 1.0
    for trust in (NoiseTrust(np.inf), NoiseTrust(correlated="The image was scaled.")):
        finding = told(trust)
        assert "no value can be expected" in finding.sentence
        assert finding.extra["expected"] is None
        json.dumps(finding.extra, allow_nan=False)


def test_the_doubt_of_the_noise_comes_of_the_gain_and_of_neighbours(rng_image) -> None:
    raw, scaled = rng_image
    estimated = Camera(1.0, 0.0, 1.0, "estimated", gain_interval=(0.951, 1.049))
    assert noise_trust([Measurement(raw, Camera(), Psf())]) == NoiseTrust()
    assert noise_trust([Measurement(raw, estimated, Psf())]).doubt == pytest.approx(0.05)
    for interval in (None, (0.0, 6.7)):
        guessed = replace(estimated, gain_interval=interval)
        assert noise_trust([Measurement(raw, guessed, Psf())]).expected is None
    assert noise_trust([Measurement(scaled, Camera(), Psf())]).correlated


def test_planes_are_averaged() -> None:
    camera = Camera(read_noise=1.0)
    planes = [np.full((16, 16), level) for level in (10.0, 40.0)]
    measurements = [Measurement(p + 3.0, camera, Psf(1.0)) for p in planes]
    both = ResidualMeter(measurements).measure(planes).chi2
    alone = [
        ResidualMeter([m]).measure([p]).chi2 for m, p in zip(measurements, planes, strict=True)
    ]
    assert both == pytest.approx(np.mean(alone))
