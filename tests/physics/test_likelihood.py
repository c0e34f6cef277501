"""The likelihood against sums, integrals and limits that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import LAMBDA_FLOOR, Likelihood
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

GAIN, OFFSET = 2.1, 100.0


def measure(electrons: np.ndarray, *, read_noise: float, sigma: float = 1.0, background: float = 0):
    camera = Camera(gain=GAIN, offset=OFFSET, read_noise=read_noise)
    y = np.asarray(electrons, np.float64) * GAIN + OFFSET
    return Measurement(y=y, camera=camera, psf=Psf(sigma), background=background)


def brute_force(z: np.ndarray, mean: np.ndarray, read_noise: float) -> np.ndarray:
    n = np.arange(0, 1500)[:, None]
    terms = stats.poisson.logpmf(n, mean.ravel()) + stats.norm.logpdf(z.ravel(), n, read_noise)
    return -special.logsumexp(terms, axis=0).reshape(z.shape)


@pytest.mark.parametrize("read_noise", [0.3, 0.7, 1.5])
def test_exact_sum_agrees_with_the_full_sum(read_noise: float) -> None:
    z, mean = np.meshgrid(np.linspace(-4, 60, 24), [1e-3, 0.05, 0.6, 4.0, 28.0, 300.0])
    # float64 measurement: the brute force gets the very same z
    likelihood = Likelihood(measure(z, read_noise=read_noise), model="exact")
    z_seen = likelihood.measurement.electrons.astype(np.float64)
    got = likelihood.per_pixel(torch.from_numpy(mean)[None])[0].numpy()
    np.testing.assert_allclose(got, brute_force(z_seen, mean, read_noise), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("model", ["exact", "gaussian"])
@pytest.mark.parametrize("mean", [0.2, 3.0, 25.0])
def test_density_integrates_to_one_over_y(model: str, mean: float) -> None:
    z = np.linspace(-12, 80, 9200).reshape(8, -1)
    likelihood = Likelihood(measure(z, read_noise=1.2), model=model)
    nats = likelihood.per_pixel(torch.full((1, *z.shape), mean, dtype=torch.float64))
    assert float(torch.exp(-nats).sum()) * 92 / 9199 == pytest.approx(1.0, abs=1e-4)


def test_gaussian_keeps_its_log_variance_term() -> None:
    z = np.full((8, 8), 50.0)
    likelihood = Likelihood(measure(z, read_noise=3.0), model="gaussian")
    nats = likelihood.per_pixel(torch.full((1, 8, 8), 40.0, dtype=torch.float64))
    np.testing.assert_allclose(nats.numpy(), -stats.norm.logpdf(50.0, 40.0, 7.0), rtol=1e-12)


def test_exact_sum_tends_to_the_gaussian_at_many_photons() -> None:
    generator = np.random.default_rng(0)
    mean = np.full((64, 64), 900.0)
    z = generator.poisson(mean) + generator.normal(0, 1.0, mean.shape)
    measurement = measure(z, read_noise=1.0)
    x = torch.from_numpy(mean)[None]
    exact = Likelihood(measurement, model="exact").per_pixel(x)
    gaussian = Likelihood(measurement, model="gaussian").per_pixel(x)
    assert float((exact - gaussian).mean().abs()) < 1e-3


def test_exact_pixels_are_chosen_from_the_measurement_alone() -> None:
    electrons = np.full((40, 40), 5.0)
    electrons[:, 20:] = 100.0
    mask = Likelihood(measure(electrons, read_noise=1.0)).mask
    assert bool(mask[:, :14].all())
    assert not bool(mask[:, 26:].any())
    assert not bool(Likelihood(measure(electrons, read_noise=1.6)).mask.any())


@pytest.mark.parametrize(("level", "read_noise"), [(1.0, 0.6), (12.0, 1.0), (300.0, 3.0)])
def test_truth_has_reduced_chi2_of_one(level: float, read_noise: float) -> None:
    generator = torch.Generator().manual_seed(3)
    yy, xx = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    truth = level * (1 + 0.8 * torch.sin(xx / 5) * torch.cos(yy / 7)).double()
    blank = measure(np.zeros((96, 96)), read_noise=read_noise, sigma=1.8, background=0.5)
    y = blank.forward.sample(truth, generator).numpy()
    measurement = Measurement(y, blank.camera, blank.psf, blank.background)
    likelihood = Likelihood(measurement)
    chi2 = float(likelihood.reduced_chi2(truth[None]))
    sd = float(likelihood.chi2_sd(truth[None]))
    assert abs(chi2 - 1) < 3 * sd
    assert math.sqrt(2 / 96**2) <= sd < 1.7 * math.sqrt(2 / 96**2)


def test_chi2_sd_is_the_spread_over_measurements() -> None:
    generator = torch.Generator().manual_seed(5)
    truth = torch.full((1, 24, 24), 0.8, dtype=torch.float64)
    blank = measure(np.zeros((24, 24)), read_noise=0.5)
    values = []
    for _ in range(300):
        y = blank.forward.sample(truth[0], generator).numpy()
        likelihood = Likelihood(Measurement(y, blank.camera, blank.psf))
        values.append(float(likelihood.reduced_chi2(truth)))
    expected = float(likelihood.chi2_sd(truth))
    assert np.std(values) == pytest.approx(expected, rel=0.13)
    assert np.mean(values) == pytest.approx(1.0, abs=3 * expected / math.sqrt(300))


def test_negative_means_are_floored_and_reported() -> None:
    x = torch.ones((2, 16, 16), dtype=torch.float64)
    x[1, :8] = -5.0
    likelihood = Likelihood(measure(np.ones((16, 16)), read_noise=1.0))
    assert likelihood.floored_fraction(x).tolist() == [0.0, 0.5]
    floored = likelihood.per_pixel(x)[1, 0, 0]
    at_floor = likelihood.per_pixel(torch.full_like(x, LAMBDA_FLOOR))[0, 0, 0]
    assert float(floored) == pytest.approx(float(at_floor))


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    measurement = measure(generator.poisson(6.0, (20, 24)), read_noise=1.0, sigma=1.5)
    x = torch.from_numpy(generator.gamma(3.0, 2.0, (5, 20, 24)))
    whole = Likelihood(measurement).per_pixel(x)
    monkeypatch.setattr("napari_posterior.physics.likelihood._CHUNK", 5000)
    likelihood = Likelihood(measurement)
    torch.testing.assert_close(likelihood.per_pixel(x), whole)
    torch.testing.assert_close(likelihood.total(x), whole.sum((1, 2)))


def test_gradient_matches_finite_differences() -> None:
    generator = np.random.default_rng(2)
    likelihood = Likelihood(measure(generator.poisson(3.0, (8, 8)), read_noise=0.8, sigma=1.2))
    x = torch.from_numpy(generator.gamma(3.0, 1.0, (2, 8, 8))).requires_grad_()
    assert torch.autograd.gradcheck(likelihood.total, (x,), atol=1e-5)


def test_float32_agrees_with_float64() -> None:
    generator = np.random.default_rng(4)
    likelihood = Likelihood(measure(generator.poisson(8.0, (16, 16)), read_noise=1.0))
    x = torch.from_numpy(generator.gamma(4.0, 2.0, (3, 16, 16)))
    torch.testing.assert_close(
        likelihood.total(x.float()).double(), likelihood.total(x), rtol=1e-6, atol=0
    )


def test_log_gain_turns_the_density_into_one_per_adu() -> None:
    likelihood = Likelihood(measure(np.ones((8, 8)), read_noise=1.0))
    assert likelihood.log_gain == pytest.approx(64 * math.log(GAIN))


def test_wrong_shape_and_unknown_model_are_refused() -> None:
    measurement = measure(np.ones((8, 8)), read_noise=1.0)
    with pytest.raises(InputError, match="samples, 8, 8"):
        Likelihood(measurement).total(torch.ones(8, 8))
    with pytest.raises(InputError, match="unknown"):
        Likelihood(measurement, model="poisson")  # type: ignore[arg-type]


def test_mean_square_of_the_residuals_is_the_reduced_chi2() -> None:
    z = np.random.default_rng(0).poisson(20.0, (16, 18)).astype(float)
    likelihood = Likelihood(measure(z, read_noise=1.6, sigma=1.5, background=2.0))
    x = torch.rand((3, 16, 18), generator=torch.Generator().manual_seed(0)) * 40
    residuals = likelihood.standardised_residuals(x)
    assert residuals.shape == x.shape
    np.testing.assert_allclose(
        residuals.square().mean((-2, -1)), likelihood.reduced_chi2(x), rtol=1e-5
    )


def test_residual_counts_the_noise_of_shots_and_reading() -> None:
    likelihood = Likelihood(measure(np.full((8, 8), 30.0), read_noise=3.0))
    residuals = likelihood.standardised_residuals(torch.full((1, 8, 8), 16.0))
    np.testing.assert_allclose(residuals, (30 - 16) / 5, rtol=1e-5)
