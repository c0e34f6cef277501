"""The ruler, measured against independent formulas: quadrature, autograd, finite differences."""

from __future__ import annotations

import pytest
import torch

from napari_posterior.physics.psf import gaussian_blur
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.toys import (
    GaussianFamily,
    GaussianPosterior,
    MixtureFamily,
    MixturePosterior,
    Toy,
    blur_matrix,
    exact_student,
    exact_teacher,
    smooth_covariance,
)

DOUBLE = torch.float64
TIMES = [0.05, 0.4, 0.9]
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=DOUBLE)


def make_gaussian() -> GaussianPosterior:
    rng = torch.Generator().manual_seed(1)
    H = torch.randn(3, 4, generator=rng, dtype=DOUBLE)
    root = torch.randn(4, 4, generator=rng, dtype=DOUBLE)
    return GaussianPosterior.from_measurement(
        y=tensor(0.3, -1.0, 2.0),
        H=H,
        noise_covariance=torch.diag(tensor(0.1, 0.5, 0.2)),
        prior_mean=tensor(1.0, 0.0, -1.0, 2.0),
        prior_covariance=root @ root.T + 0.1 * torch.eye(4, dtype=DOUBLE),
    )


def make_mixture() -> MixturePosterior:
    return MixturePosterior.from_measurement(
        y=tensor(0.3, -0.8, 0.0, 2.5),
        noise_variance=1.0,
        weights=tensor(0.3, 0.7),
        means=tensor(-1.0, 1.0),
        variances=tensor(0.0625, 0.25),
    )


both_toys = pytest.mark.parametrize("toy", [make_gaussian(), make_mixture()], ids=["gauss", "gmm"])


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)


def test_the_linear_gaussian_posterior_equals_the_information_form():
    rng = torch.Generator().manual_seed(1)
    H = torch.randn(3, 4, generator=rng, dtype=DOUBLE)
    root = torch.randn(4, 4, generator=rng, dtype=DOUBLE)
    prior = root @ root.T + 0.1 * torch.eye(4, dtype=DOUBLE)
    noise, mu, y = torch.diag(tensor(0.1, 0.5, 0.2)), tensor(1, 0, -1, 2), tensor(0.3, -1.0, 2.0)
    C = torch.linalg.inv(torch.linalg.inv(prior) + H.T @ torch.linalg.inv(noise) @ H)
    m = mu + C @ H.T @ torch.linalg.inv(noise) @ (y - H @ mu)
    toy = make_gaussian()
    assert torch.allclose(toy.mean, m, atol=1e-10)
    assert torch.allclose(toy.covariance, C, atol=1e-10)


def test_mixture_posterior_moments_equal_quadrature_of_prior_times_likelihood():
    toy = make_mixture()
    grid = -8 + (torch.arange(16000, dtype=DOUBLE) + 0.5) * 1e-3  # 0 is an edge of two cells
    prior = sum(
        weight / c**0.5 * torch.exp(-((grid - m) ** 2) / (2 * c))
        for weight, m, c in ((0.3, -1.0, 0.0625), (0.7, 1.0, 0.25))
    )
    for i, y in enumerate((0.3, -0.8, 0.0, 2.5)):
        density = prior * torch.exp(-((y - grid) ** 2) / 2)
        density = density / density.sum()
        mean = (density * grid).sum()
        assert toy.mean[i] == pytest.approx(float(mean), abs=1e-10)
        spread = (density * (grid - mean) ** 2).sum()
        assert toy.variance[i] == pytest.approx(float(spread), abs=1e-10)
        right = density[grid > 0].sum()
        _, above = toy.tails(LinearFlow(), torch.zeros(4, dtype=DOUBLE), 0.0)
        assert above[i] == pytest.approx(float(right), abs=1e-6)


@both_paths
@both_toys
@pytest.mark.parametrize("t", TIMES)
def test_data_velocity_and_score_are_conversions_of_each_other(
    toy: Toy, path: Path, x: torch.Tensor, t: float
):
    F = toy.velocity(path, x, t)
    assert torch.allclose(path.data_from_F(x, t, F), toy.data(path, x, t), atol=1e-6)
    assert torch.allclose(path.score_from_F(x, t, F), toy.score(path, x, t), atol=1e-6)
    assert torch.allclose(path.F_from_data(x, t, toy.data(path, x, t)), F, atol=1e-6)
    assert torch.allclose(path.F_from_score(x, t, toy.score(path, x, t)), F, atol=1e-6)


@both_paths
@both_toys
def test_velocity_is_regular_and_right_at_both_ends(toy: Toy, path: Path, x: torch.Tensor):
    noise_end = path.data_from_F(x, 1.0, toy.velocity(path, x, 1.0))
    assert torch.allclose(noise_end, toy.mean.expand_as(x), atol=1e-12)
    assert torch.allclose(path.data_from_F(x, 0.0, toy.velocity(path, x, 0.0)), x, atol=1e-12)


@both_paths
@pytest.mark.parametrize("t", TIMES)
def test_scores_are_gradients_of_the_log_density(path: Path, x: torch.Tensor, t: float):
    gauss = make_gaussian()
    V = path.alpha(t) ** 2 * gauss.covariance + path.beta(t) ** 2 * torch.eye(4, dtype=DOUBLE)
    law = torch.distributions.MultivariateNormal(path.alpha(t) * gauss.mean, V)
    place = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(law.log_prob(place).sum(), place)
    assert torch.allclose(gauss.score(path, x, t), slope, atol=1e-8)

    mixture = make_mixture()
    place = x.clone().requires_grad_()
    below, _ = mixture.tails(path, place, t)
    (density,) = torch.autograd.grad(below.sum(), place, create_graph=True)
    (slope,) = torch.autograd.grad(density.log().sum(), place)
    assert torch.allclose(mixture.score(path, x, t), slope, atol=1e-8)


@both_paths
@both_toys
@pytest.mark.parametrize("t", TIMES)
def test_the_flow_map_follows_the_velocity(toy: Toy, path: Path, x: torch.Tensor, t: float):
    h = 1e-4
    speed = (toy.flow(path, x, t, t + h) - toy.flow(path, x, t, t - h)) / (2 * h)
    assert torch.allclose(speed, path.drift(toy.velocity(path, x, t)), atol=2e-5)


@both_paths
@both_toys
def test_the_flow_map_composes_and_inverts(toy: Toy, path: Path, x: torch.Tensor):
    through = toy.flow(path, toy.flow(path, x, 1.0, 0.35), 0.35, 0.0)
    straight = toy.flow(path, x, 1.0, 0.0)
    assert torch.allclose(through, straight, atol=1e-9)
    assert torch.allclose(toy.flow(path, straight, 0.0, 1.0), x, atol=1e-9)


@both_paths
def test_the_gaussian_flow_map_carries_unit_noise_to_the_posterior(path: Path):
    toy = make_gaussian()
    eye = torch.eye(4, dtype=DOUBLE)
    root = (toy.flow(path, eye, 1.0, 0.0) - toy.flow(path, torch.zeros_like(eye), 1.0, 0.0)).T
    assert torch.allclose(root @ root.T, toy.covariance, atol=1e-12)
    centre = toy.flow(path, torch.zeros(4, dtype=DOUBLE), 1.0, 0.0)
    assert torch.allclose(centre, toy.mean, atol=1e-12)


def test_a_mixture_of_one_component_is_the_gaussian(x: torch.Tensor):
    mean, c = tensor(0.3, -1.0, 0.0, 2.0), 0.2
    gauss = GaussianPosterior.from_covariance(mean, c * torch.eye(4, dtype=DOUBLE))
    ones = torch.ones(4, 1, dtype=DOUBLE)
    mixture = MixturePosterior(weights=ones, means=mean[:, None], variances=c * ones)
    path = VPCosine()
    a, b = gauss.velocity(path, x, 0.6), mixture.velocity(path, x, 0.6)
    assert torch.allclose(a, b, atol=1e-12)
    a, b = gauss.flow(path, x, 0.9, 0.1), mixture.flow(path, x, 0.9, 0.1)
    assert torch.allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("z", [-8.0, 8.0])
def test_the_quantile_map_keeps_its_digits_far_out_in_both_tails(z: float):
    toy, path = make_mixture(), LinearFlow()
    start = torch.full((4,), z, dtype=DOUBLE)
    assert torch.allclose(toy.flow(path, toy.flow(path, start, 1.0, 0.0), 0.0, 1.0), start)


@both_paths
@both_toys
def test_networks_of_a_toy_take_a_time_for_each_state(toy: Toy, path: Path, x: torch.Tensor):
    images = x.reshape(6, 1, 2, 2)
    s = torch.linspace(0.5, 1.0, 6, dtype=DOUBLE)
    t = torch.linspace(0.0, 0.4, 6, dtype=DOUBLE)
    nothing = torch.zeros(6, 0)
    F = exact_teacher(toy, path)(images, s, s, nothing, nothing)
    G = exact_student(toy, path)(images, s, t, nothing, nothing)
    for i in range(6):
        s_i, t_i = float(s[i]), float(t[i])
        assert torch.allclose(F[i].flatten(), toy.velocity(path, x[i : i + 1], s_i)[0], atol=1e-9)
        there = path.jump(x[i], s_i, t_i, G[i].flatten())
        assert torch.allclose(there, toy.flow(path, x[i : i + 1], s_i, t_i)[0], atol=1e-9)


MIXTURES = MixtureFamily(tensor(0.3, 0.7), tensor(-1.0, 1.0), tensor(0.0625, 0.25), 1.0)
both_families = pytest.mark.parametrize(
    "family", [GaussianFamily(1.0, 0.25), MIXTURES], ids=["gauss", "gmm"]
)


@both_families
def test_a_family_has_the_posterior_of_each_measurement(family):
    # posterior mean: the line of x0 on D(y) has slope 1, whatever the prior
    x0, y = family.draw((200_000, 1), torch.Generator().manual_seed(1))
    mean = family.posterior(y).mean
    error = x0 - mean
    slope = (mean * x0).mean() / (mean * mean).mean()
    assert slope == pytest.approx(1, abs=0.01)
    assert (error * y).mean().abs() < 0.01
    assert error.mean().abs() < 0.01


def test_the_spread_of_a_gaussian_family_is_what_the_measurement_leaves():
    family = GaussianFamily(1.0, 0.25)
    x0, y = family.draw((200_000, 1), torch.Generator().manual_seed(1))
    left = (x0 - family.posterior(y).mean).var()
    assert left == pytest.approx(family.posterior_variance, rel=0.01)


@both_paths
@both_families
def test_networks_of_a_family_read_the_measurement_of_each_state(family, path: Path):
    x, y = (torch.randn(5, 1, 2, 2, dtype=DOUBLE) for _ in range(2))
    s, t = torch.linspace(0.6, 1, 5, dtype=DOUBLE), torch.linspace(0, 0.4, 5, dtype=DOUBLE)
    nothing = torch.zeros(5, 0)
    F = exact_teacher(family, path)(x, s, s, y, nothing)
    G = exact_student(family, path)(x, s, t, y, nothing)
    for i in range(5):
        toy = family.posterior(y[i : i + 1].flatten(1))
        state, s_i, t_i = x[i : i + 1].flatten(1), float(s[i]), float(t[i])
        assert torch.allclose(F[i].flatten(), toy.velocity(path, state, s_i)[0], atol=1e-9)
        there = path.jump(state[0], s_i, t_i, G[i].flatten())
        assert torch.allclose(there, toy.flow(path, state, s_i, t_i)[0], atol=1e-9)


@both_paths
@both_toys
def test_a_jump_of_no_length_has_the_velocity(toy: Toy, path: Path, x: torch.Tensor):
    images, s = x.reshape(6, 1, 2, 2), torch.linspace(0.0, 1.0, 6, dtype=DOUBLE)
    nothing = torch.zeros(6, 0)
    F = exact_student(toy, path)(images, s, s, nothing, nothing)
    assert torch.equal(F, exact_teacher(toy, path)(images, s, s, nothing, nothing))
    near = exact_student(toy, path)(images, s + 1e-5, s, nothing, nothing)
    assert torch.allclose(F, near, atol=1e-3)


def test_the_blur_matrix_blurs():
    image = torch.rand(5, 6, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    by_matrix = (blur_matrix((5, 6), 1.2) @ image.flatten()).reshape(5, 6)
    assert torch.allclose(by_matrix, gaussian_blur(image, 1.2), atol=1e-12)


def test_the_smooth_covariance_is_symmetric_positive_and_decays():
    covariance = smooth_covariance((4, 5), length=2.0, variance=3.0)
    assert torch.allclose(covariance, covariance.T)
    assert torch.allclose(covariance.diagonal(), tensor(3.0))
    assert float(torch.linalg.eigvalsh(covariance)[0]) > 0
    assert float(covariance[0, 1]) == pytest.approx(3 * torch.exp(tensor(-0.5)).item())
