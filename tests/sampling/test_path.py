"""The algebra of paths: one prediction F, everything else a line away."""

from __future__ import annotations

import math

import pytest
import torch

from napari_posterior.errors import ModelError
from napari_posterior.sampling.path import PATHS, LinearFlow, Path, VPCosine, get_path

TIMES = [0.02, 0.3, 0.5, 0.77, 0.98]
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    x0 = 3 * torch.randn(2, 1, 4, 5, generator=rng, dtype=torch.float64) + 1
    return x0, torch.randn(2, 1, 4, 5, generator=rng, dtype=torch.float64)


@both_paths
def test_derivatives_match_central_differences_and_the_wronskian_is_constant(path: Path):
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    h = 1e-5
    for value, slope in [(path.alpha, path.dalpha), (path.beta, path.dbeta)]:
        numeric = (value(t + h) - value(t - h)) / (2 * h)
        assert torch.allclose(numeric, torch.as_tensor(slope(t), dtype=t.dtype), atol=1e-8)
    wronskian = path.alpha(t) * path.dbeta(t) - path.dalpha(t) * path.beta(t)
    assert torch.allclose(wronskian, torch.full_like(t, path.W), atol=1e-12)


@both_paths
def test_ends_are_exact_noise_and_exact_data(path: Path, pair):
    x0, eps = pair
    assert torch.allclose(path.noise(x0, 1.0, eps), eps, atol=1e-14)
    assert torch.equal(path.noise(x0, 0.0, eps), x0)


@both_paths
@pytest.mark.parametrize("t", TIMES)
def test_every_prediction_of_a_pair_is_found_from_F(path: Path, pair, t: float):
    x0, eps = pair
    x, F = path.noise(x0, t, eps), path.F_of(x0, eps, t)
    assert torch.allclose(path.data_from_F(x, t, F), x0, atol=1e-12)
    assert torch.allclose(path.eps_from_F(x, t, F), eps, atol=1e-12)
    score = (path.alpha(t) * x0 - x) / path.beta(t) ** 2
    assert torch.allclose(path.score_from_F(x, t, F), score, rtol=1e-9)


@both_paths
@pytest.mark.parametrize("t", TIMES)
def test_conversions_invert(path: Path, pair, t: float):
    x, F = pair
    assert torch.allclose(path.F_from_data(x, t, path.data_from_F(x, t, F)), F, atol=1e-10)
    assert torch.allclose(path.F_from_eps(x, t, path.eps_from_F(x, t, F)), F, atol=1e-10)
    assert torch.allclose(path.F_from_score(x, t, path.score_from_F(x, t, F)), F, atol=1e-10)


@both_paths
@pytest.mark.parametrize("t", [0.0, *TIMES, 1.0])
def test_v_and_the_velocity_give_F_up_to_both_ends(path: Path, pair, t: float):
    x0, eps = pair
    x, F = path.noise(x0, t, eps), path.F_of(x0, eps, t)
    v = path.alpha(t) * eps - path.beta(t) * x0
    u = path.dalpha(t) * x0 + path.dbeta(t) * eps
    assert torch.allclose(path.F_from_v(x, t, v), F, atol=1e-12)
    assert torch.allclose(path.F_from_velocity(u), F, atol=1e-12)


@both_paths
def test_times_noise_levels_and_log_snr_belong_together(path: Path):
    for sigma in (1e-3, 0.5, 1.0, 80.0):
        t = path.time_of_sigma(sigma)
        assert path.beta(t) / path.alpha(t) == pytest.approx(sigma)
        assert path.logsnr(t) == pytest.approx(-math.log(sigma))
    assert path.logsnr(1.0) == -math.inf
    assert path.logsnr(0.0) == math.inf


@both_paths
def test_conversions_invert_to_1e_6_in_float32_away_from_the_ends(path: Path, pair):
    x, F = (part.float() for part in pair)
    for t in (0.3, 0.5, 0.7):
        assert torch.allclose(path.F_from_data(x, t, path.data_from_F(x, t, F)), F, atol=3e-6)
        assert torch.allclose(path.F_from_eps(x, t, path.eps_from_F(x, t, F)), F, atol=3e-6)


@both_paths
@pytest.mark.parametrize(("s", "t"), [(1.0, 0.0), (1.0, 0.6), (0.8, 0.3), (0.4, 0.0)])
def test_a_jump_with_the_F_of_a_pair_stays_on_its_path(path: Path, pair, s: float, t: float):
    x0, eps = pair
    F = path.F_of(x0, eps, s)
    there = path.jump(path.noise(x0, s, eps), s, t, F)
    assert torch.allclose(there, path.noise(x0, t, eps), atol=1e-12)


@both_paths
@pytest.mark.parametrize(("s", "t"), [(1.0, 0.0), (1.0, 0.6), (0.8, 0.3), (0.4, 0.0)])
def test_unjump_undoes_the_jump(path: Path, pair, s: float, t: float):
    x, F = pair
    assert torch.allclose(path.unjump(x, path.jump(x, s, t, F), s, t), F, atol=1e-12)


@both_paths
def test_a_jump_to_the_same_time_stays(path: Path, pair):
    x, F = pair
    assert torch.allclose(path.jump(x, 0.4, 0.4, F), x, atol=1e-14)


@both_paths
def test_the_drift_is_the_time_derivative_of_the_path(path: Path, pair):
    x0, eps = pair
    h = 1e-5
    numeric = (path.noise(x0, 0.4 + h, eps) - path.noise(x0, 0.4 - h, eps)) / (2 * h)
    assert torch.allclose(path.drift(path.F_of(x0, eps, 0.4)), numeric, atol=1e-8)


@both_paths
def test_a_time_for_each_image_gives_what_each_time_gives_alone(path: Path, pair):
    x, F = pair
    s = torch.tensor([0.9, 0.5], dtype=x.dtype).reshape(-1, 1, 1, 1)
    t = torch.tensor([0.2, 0.0], dtype=x.dtype).reshape(-1, 1, 1, 1)
    together = path.jump(x, s, t, F)
    for i, (s_i, t_i) in enumerate([(0.9, 0.2), (0.5, 0.0)]):
        assert torch.allclose(together[i], path.jump(x[i], s_i, t_i, F[i]), atol=1e-12)


def test_the_cosine_jump_is_a_rotation_and_the_linear_one_a_straight_line(pair):
    x, F = pair
    angle = torch.tensor(torch.pi / 2 * 0.3, dtype=x.dtype)
    rotated = torch.cos(angle) * x - torch.sin(angle) * F
    assert torch.allclose(VPCosine().jump(x, 0.8, 0.5, F), rotated, atol=1e-12)
    assert torch.allclose(LinearFlow().jump(x, 0.8, 0.5, F), x - 0.3 * F, atol=1e-12)


def test_paths_are_found_by_name_and_an_unknown_one_is_refused():
    assert all(get_path(name).name == name for name in PATHS)
    with pytest.raises(ModelError, match="cubic"):
        get_path("cubic")
