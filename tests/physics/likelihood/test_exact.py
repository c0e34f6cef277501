"""The exact Poisson-Gaussian sum against high precision, integrals, limits and derivatives."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from napari_posterior.physics.likelihood.densities import gaussian_nats
from napari_posterior.physics.likelihood.exact import NOISE_FLOOR, exact_nats

Z = np.array([-50.0, -12.3, -3.0, -0.2, 0.0, 0.37, 1.0, 4.5, 17.0, 60.2, 150.0, 400.0])
MEANS = np.array([1e-3, 0.02, 0.3, 1.0, 7.0, 30.0, 90.0, 200.0])


def tensor(value) -> torch.Tensor:
    return torch.as_tensor(np.asarray(value, np.float64))


def noise_of(value: float, count: int) -> torch.Tensor:
    return torch.full((count,), value, dtype=torch.float64)


def full_sum(z: float, mean: float, noise: float) -> float:
    """Sum every term that could matter, in 30 digits."""
    with mpmath.workdps(30):
        z, mean, noise = mpmath.mpf(z), mpmath.mpf(mean), mpmath.mpf(noise)
        last = int(max(z, mean) + 20 * noise + 12 * mpmath.sqrt(mean) + 30)
        poisson, total = mpmath.exp(-mean), mpmath.mpf(0)
        for n in range(last):
            total += poisson * mpmath.exp(-((z - n) ** 2) / (2 * noise**2))
            poisson *= mean / (n + 1)
        return float(-mpmath.log(total / (noise * mpmath.sqrt(2 * mpmath.pi))))


@pytest.mark.parametrize("noise", [0.3, 1.0, 1.6, 8.0])
def test_sum_agrees_with_the_full_sum_to_1e_10_nat_at_extreme_values_too(noise: float) -> None:
    means = np.tile(MEANS[:, None], (1, len(Z)))
    got = exact_nats(tensor(Z), tensor(means), noise_of(noise, len(Z))).numpy()
    expected = [[full_sum(z, mean, noise) for z in Z] for mean in MEANS]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)


def test_one_sample_gives_what_it_gives_among_many() -> None:
    means = tensor(np.tile(MEANS[:, None], (1, len(Z))))
    for noise in (0.5, 5.0):
        together = exact_nats(tensor(Z), means, noise_of(noise, len(Z)))
        alone = [exact_nats(tensor(Z), row[None], noise_of(noise, len(Z))) for row in means]
        torch.testing.assert_close(torch.cat(alone), together, rtol=0, atol=1e-10)


def test_every_pixel_takes_its_own_read_noise() -> None:
    noise = tensor([0.4, 1.0, 3.0])
    got = exact_nats(tensor([2.0, 2.0, 2.0]), tensor([[3.0, 3.0, 3.0]]), noise)[0]
    expected = [full_sum(2.0, 3.0, float(s)) for s in noise]
    np.testing.assert_allclose(got, expected, atol=1e-10)


@pytest.mark.parametrize("mean", [0.2, 3.0, 25.0])
def test_density_integrates_to_one_over_z(mean: float) -> None:
    z = np.linspace(-12, 80, 9200)
    nats = exact_nats(tensor(z), torch.full((1, 9200), mean).double(), noise_of(1.2, 9200))
    assert float(torch.exp(-nats).sum()) * 92 / 9199 == pytest.approx(1.0, abs=1e-9)


def test_sum_tends_to_the_gaussian_at_many_electrons() -> None:
    generator = np.random.default_rng(0)
    mean = np.full(4096, 900.0)
    z = tensor(generator.poisson(mean) + generator.normal(0, 1.0, mean.shape))
    noise = noise_of(1.0, 4096)
    exact = exact_nats(z, tensor(mean)[None], noise)
    gaussian = gaussian_nats(z, tensor(mean)[None], noise)
    assert float((exact - gaussian).mean().abs()) < 1e-3


def test_without_read_noise_a_count_has_the_poisson_probability() -> None:
    count = np.arange(6.0)
    got = exact_nats(tensor(count), torch.full((1, 6), 2.5).double(), noise_of(0.0, 6))[0]
    spread = np.log(NOISE_FLOOR * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(got, spread - stats.poisson.logpmf(count, 2.5), atol=1e-10)


@pytest.mark.parametrize("noise", [0.7, 6.0])
def test_derivative_is_that_of_finite_differences(noise: float) -> None:
    z = tensor([-4.0, 0.3, 5.0, 30.0])
    means = tensor([[0.5, 0.01, 3.0, 4.0], [1.0, 0.2, 7.0, 33.0], [600.0, 60.0, 2.0, 9.0]])
    means.requires_grad_()
    noises = noise_of(noise, 4)
    assert torch.autograd.gradcheck(lambda mean: exact_nats(z, mean, noises), (means,), rtol=1e-5)


def test_float32_arithmetic_is_good_to_six_digits() -> None:
    means = np.tile(MEANS[:, None], (1, len(Z)))
    single = [level.float() for level in (tensor(Z), tensor(means), noise_of(1.0, len(Z)))]
    double = exact_nats(tensor(Z), tensor(means), noise_of(1.0, len(Z)))
    torch.testing.assert_close(exact_nats(*single).double(), double, rtol=3e-6, atol=3e-5)
