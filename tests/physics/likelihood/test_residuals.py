"""Quantile residuals against the normal law they must have, and the true quantiles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import Likelihood
from napari_posterior.physics.likelihood.residuals import cells_of, quantile_residuals
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

SIDE = 512
LIMIT = 1.95 / SIDE  # Kolmogorov-Smirnov at n = 512^2: exceeded by 1 in 1000 exact samples


def distance(y: np.ndarray, camera: Camera, mean: float) -> float:
    """Return the Kolmogorov-Smirnov distance of the residuals of a flat truth from normal."""
    likelihood = Likelihood(Measurement(y, camera, Psf()))
    x = torch.full((1, *y.shape), mean, dtype=torch.float64)
    residuals = likelihood.quantile_residuals(x, seed=3)
    return float(stats.kstest(residuals.numpy().ravel(), "norm").statistic)


def electrons(mean: float, read_noise: float, seed: int = 1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.poisson(mean, (SIDE, SIDE)) + read_noise * generator.normal(size=(SIDE, SIDE))


def distribution(z: np.ndarray, mean: float, noise: float) -> np.ndarray:
    n = np.arange(0, int(mean + 12 * math.sqrt(mean) + 30))[:, None]
    return (stats.poisson.pmf(n, mean) * stats.norm.cdf((z - n) / noise)).sum(0)


@pytest.mark.parametrize("mean", [0.05, 0.3, 1.0, 5.0, 30.0, 1000.0])
@pytest.mark.parametrize("read_noise", [0.5, 1.0, 1.6, 3.0])
def test_residuals_of_the_truth_are_normal(mean: float, read_noise: float) -> None:
    camera = Camera(gain=2.1, offset=100.3, read_noise=read_noise)
    assert distance(camera.to_adu(electrons(mean, read_noise)), camera, mean) < LIMIT


@pytest.mark.parametrize("mean", [0.05, 1.0, 30.0])
def test_residuals_of_counts_without_read_noise_are_normal(mean: float) -> None:
    assert distance(electrons(mean, 0.0), Camera(read_noise=0.0), mean) < LIMIT


@pytest.mark.parametrize("mean", [0.05, 5.0, 1000.0])
@pytest.mark.parametrize(("gain", "read_noise"), [(0.2, 1.0), (0.2, 1.6), (0.5, 0.5), (2.0, 3.0)])
def test_residuals_of_whole_grey_levels_are_normal(
    mean: float, gain: float, read_noise: float
) -> None:
    camera = Camera(gain=gain, offset=100.3, read_noise=read_noise, bits=16)
    y = np.round(camera.to_adu(electrons(mean, read_noise, seed=4)))
    assert distance(y, camera, mean) < LIMIT


@pytest.mark.parametrize("change", [{"gain": 2.2}, {"read_noise": 1.2}, {"offset": 100.4}])
def test_residuals_of_a_wrong_camera_are_not_normal(change: dict[str, float]) -> None:
    camera = Camera(gain=2.1, offset=100.3, read_noise=1.0)
    y = camera.to_adu(electrons(5.0, 1.0))
    assert distance(y, camera.with_levels(**change), 5.0) > LIMIT


def test_a_gaussian_standing_for_little_read_noise_is_not_normal() -> None:
    y = electrons(2.0, 0.5)
    assert stats.kstest(((y - 2) / math.sqrt(2.25)).ravel(), "norm").statistic > 5 * LIMIT


@pytest.mark.parametrize(("noise", "error"), [(0.5, 1e-12), (1.2, 1e-12), (1.6, 2e-4), (5.0, 2e-5)])
@pytest.mark.parametrize("mean", [1e-3, 0.5, 6.0, 40.0, 300.0])
def test_probabilities_are_those_of_the_full_sum(noise: float, error: float, mean: float) -> None:
    sd = math.sqrt(mean + noise**2)
    z = np.concatenate([mean + sd * np.linspace(-6, 8, 141), [mean, mean + 1e-9 * sd]])
    y = z.reshape(1, -1)
    cells = cells_of(y, Camera(read_noise=noise), seed=0)
    residuals = quantile_residuals(cells, torch.full((1, z.size), mean, dtype=torch.float64))
    assert bool(torch.isfinite(residuals).all())
    np.testing.assert_allclose(
        stats.norm.cdf(residuals[0]), distribution(z, mean, noise), rtol=0, atol=error + 1e-9
    )


def test_far_pixels_keep_finite_residuals_that_grow() -> None:
    z = np.array([[-300.0, -30.0, 1.0, 30.0, 300.0, 30000.0]])
    for noise in (0.0, 1.0, 3.0):
        cells = cells_of(z + 0.01, Camera(read_noise=noise), seed=0)
        for mean in (1e-3, 1.0, 1e5):
            residuals = quantile_residuals(cells, torch.full((1, 6), mean, dtype=torch.float64))
            assert bool(torch.isfinite(residuals).all())
            assert bool((residuals.diff() >= 0).all())


def test_the_point_within_a_grey_level_is_shared_by_samples_and_set_by_the_seed() -> None:
    y = np.random.default_rng(0).poisson(3.0, (24, 24))
    likelihood = Likelihood(Measurement(y, Camera(read_noise=0.5), Psf()))
    x = torch.full((2, 24, 24), 3.0)
    first = likelihood.quantile_residuals(x, seed=5)
    assert torch.equal(first[0], first[1])
    assert torch.equal(first, likelihood.quantile_residuals(x, seed=5))
    assert not torch.equal(first, likelihood.quantile_residuals(x, seed=6))
    unrounded = Likelihood(Measurement(y + 0.25, Camera(read_noise=0.5), Psf()))
    seeds = [unrounded.quantile_residuals(x, seed=seed) for seed in (5, 6)]
    assert torch.equal(*seeds)


def test_rounding_is_not_counted_twice_where_the_bits_are_not_known() -> None:
    read_noise, gain = 1.0, 0.4
    y = np.round(gain * electrons(3.0, read_noise, seed=2) + 100.3)
    total = math.sqrt(read_noise**2 + 1 / (12 * gain**2))  # as an estimate from y would find it
    assert distance(y, Camera(gain, 100.3, total), 3.0) < LIMIT
