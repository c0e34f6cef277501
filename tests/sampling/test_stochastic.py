"""Solvers of the SDE and re-noising: exact laws, and the variance each solver keeps."""

from __future__ import annotations

import math

import pytest
import torch

from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import make_grid, uniform
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.solvers import SOLVERS, coarsen, renoise, solve
from napari_posterior.toys import (
    GaussianPosterior,
    MixturePosterior,
    blur_matrix,
    smooth_covariance,
)

Grid = tuple[float, ...]
DOUBLE = torch.float64
WIDTHS = (1.0, 0.1, 0.01, 0.001)
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)
stochastic = pytest.mark.parametrize(
    "solver", [n for n in sorted(SOLVERS) if SOLVERS[n].needs_noise]
)


def eta_of(solver: str) -> float | None:
    return 0.7 if solver == "sde" else None


def probe(toy: GaussianPosterior, path: Path, solver: str, grid: Grid, eta: float | None = None):
    """Return mean (d,) and covariance (d, d) of a draw, which is affine in all of its noise."""
    d, steps = len(toy.mean), len(grid) - 1
    rows = torch.cat([torch.zeros(1, steps * d, dtype=DOUBLE), torch.eye(steps * d, dtype=DOUBLE)])
    noise = rows.reshape(-1, steps, d)
    end = solve(
        lambda x, t: toy.velocity(path, x, t),
        path,
        solver,
        grid,
        noise[:, 0],
        fresh=lambda i: noise[:, i],
        eta=eta,
    )
    root = (end[1:] - end[0]).T
    return end[0], root @ root.T


def kept(path: Path, solver: str, grid: Grid, c: float, eta: float | None = None) -> float:
    """Return the share of the variance c of a one-dimensional posterior that a draw has."""
    toy = GaussianPosterior(
        torch.tensor([0.7], dtype=DOUBLE),
        torch.tensor([c], dtype=DOUBLE),
        torch.eye(1, dtype=DOUBLE),
    )
    return float(probe(toy, path, solver, grid, eta)[1]) / c


def image_posterior() -> GaussianPosterior:
    shape, sd = (4, 4), 0.3
    H = blur_matrix(shape, 1.0)
    return GaussianPosterior.from_measurement(
        y=torch.linspace(-1, 1, 16, dtype=DOUBLE),
        H=H,
        noise_covariance=sd**2 * torch.eye(16, dtype=DOUBLE),
        prior_mean=torch.zeros(16, dtype=DOUBLE),
        prior_covariance=smooth_covariance(shape, length=3.0, variance=1.0),
    )


TABLE = {
    ("vpcosine", "euler", "uniform"): [
        (0.74, 0.58, 0.19, 0.02),
        (0.86, 0.76, 0.44, 0.09),
        (0.93, 0.87, 0.67, 0.27),
        (0.96, 0.94, 0.82, 0.53),
    ],
    ("vpcosine", "ancestral", "uniform"): [
        (0.63, 0.47, 0.18, 0.02),
        (0.77, 0.63, 0.38, 0.09),
        (0.87, 0.76, 0.55, 0.25),
        (0.93, 0.86, 0.69, 0.44),
    ],
    ("linear", "euler", "uniform"): [
        (0.73, 0.62, 0.29, 0.05),
        (0.85, 0.79, 0.56, 0.17),
        (0.92, 0.89, 0.75, 0.42),
        (0.96, 0.94, 0.87, 0.66),
    ],
    ("vpcosine", "euler", "logsnr"): [(s,) * 4 for s in (0.47, 0.70, 0.84, 0.92)],
    ("vpcosine", "dpmpp2m", "logsnr"): [
        (1.08, 1.04, 1.00, 0.93),
        (1.05, 1.05, 1.05, 1.05),
        (1.01, 1.01, 1.01, 1.01),
        (1.00, 1.00, 1.00, 1.00),
    ],
    ("vpcosine", "dpmpp2m_sde", "logsnr"): [
        (1.01, 0.92, 0.84, 0.80),
        (1.10, 1.10, 1.09, 1.06),
        (1.04, 1.04, 1.04, 1.04),
        (1.01, 1.01, 1.01, 1.01),
    ],
}
"""Share of the variance that a draw has, for 8, 16, 32 and 64 steps and posteriors of `WIDTHS`."""


@pytest.mark.parametrize(("path", "solver", "grid"), sorted(TABLE))
def test_solvers_keep_the_tabulated_share_of_the_variance(path: str, solver: str, grid: str):
    paths = {"linear": LinearFlow(), "vpcosine": VPCosine()}
    for n, row in zip((8, 16, 32, 64), TABLE[path, solver, grid], strict=True):
        for c, share in zip(WIDTHS, row, strict=True):
            times = make_grid(grid, n, paths[path])
            assert kept(paths[path], solver, times, c) == pytest.approx(share, abs=0.015)


@both_paths
def test_a_smallest_noise_level_that_is_too_large_costs_variance_whatever_the_steps(path: Path):
    for n in (32, 64):
        wide = make_grid("logsnr", n, path, sigma_max=20.0, sigma_min=0.02)
        shares = [kept(path, "dpmpp2m", wide, c) for c in WIDTHS]
        assert shares == pytest.approx([1.0, 1.0, 0.97, 0.71], abs=0.01)


@both_paths
def test_log_snr_times_make_2m_the_same_on_both_paths(path: Path):
    """In log-SNR the two paths are one process; only the times of the states differ."""
    share = kept(path, "dpmpp2m", make_grid("logsnr", 12, path), 0.1)
    other = VPCosine() if path.name == "linear" else LinearFlow()
    assert kept(other, "dpmpp2m", make_grid("logsnr", 12, other), 0.1) == pytest.approx(share)


@both_paths
@stochastic
def test_the_law_of_the_draws_goes_to_the_exact_posterior_of_a_blurred_image(
    path: Path, solver: str
):
    toy, errors = image_posterior(), []
    for n in (16, 32, 64):
        mean, covariance = probe(toy, path, solver, make_grid("logsnr", n, path), eta_of(solver))
        error = torch.linalg.norm(covariance - toy.covariance) / torch.linalg.norm(toy.covariance)
        assert torch.allclose(mean, toy.mean, atol=1e-4)
        errors.append(float(error))
    order = 2 if solver == "dpmpp2m_sde" else 1
    assert math.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.35)
    assert errors[2] < (0.02 if order == 2 else 0.2)


@both_paths
@pytest.mark.parametrize(
    ("solver", "steps", "close"), [("ancestral", 256, 0.02), ("dpmpp2m_sde", 48, 0.01)]
)
def test_two_modes_get_their_weights_and_their_widths(
    path: Path, solver: str, steps: int, close: float
):
    toy = MixturePosterior(
        weights=torch.tensor([[0.3, 0.7]], dtype=DOUBLE),
        means=torch.tensor([[-1.0, 1.0]], dtype=DOUBLE),
        variances=torch.tensor([[0.05, 0.02]], dtype=DOUBLE),
    )
    dice = torch.Generator().manual_seed(3)

    def noise(step: int) -> torch.Tensor:
        return torch.randn(20000, 1, generator=dice, dtype=DOUBLE)

    x = solve(
        lambda x, t: toy.velocity(path, x, t),
        path,
        solver,
        make_grid("logsnr", steps, path),
        noise(0),
        fresh=noise,
    )
    right = x > 0
    assert float(right.double().mean()) == pytest.approx(0.7, abs=0.012)
    assert float(x[right].mean()) == pytest.approx(1.0, abs=0.01)
    assert float(x[right].var()) == pytest.approx(0.02, rel=0.05 + close)
    assert float(x[~right].var()) == pytest.approx(0.05, rel=0.05 + close)


@both_paths
def test_no_new_noise_is_euler_and_all_of_it_is_ancestral(path: Path):
    toy, grid = image_posterior(), uniform(6)
    noise = torch.randn(6, 3, 16, generator=torch.Generator().manual_seed(1), dtype=DOUBLE)

    def end(solver: str, eta: float | None = None) -> torch.Tensor:
        return solve(
            lambda x, t: toy.velocity(path, x, t),
            path,
            solver,
            grid,
            noise[0],
            fresh=lambda i: noise[i],
            eta=eta,
        )

    assert torch.equal(end("sde", 0.0), end("euler"))
    assert torch.equal(end("sde", 1.0), end("ancestral"))
    assert not torch.allclose(end("sde", 0.5), end("euler"), atol=1e-3)


@stochastic
def test_noise_is_asked_for_once_at_every_time_between_the_ends(solver: str):
    asked: list[int] = []
    z = torch.zeros(2, 3)

    def fresh(step: int) -> torch.Tensor:
        asked.append(step)
        return torch.zeros_like(z)

    solve(lambda x, t: x, VPCosine(), solver, uniform(5), z, fresh=fresh, eta=eta_of(solver))
    assert asked == [1, 2, 3, 4]


@stochastic
def test_a_solver_without_the_noise_it_needs_is_a_fault(solver: str):
    z = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="pass fresh"):
        solve(lambda x, t: x, VPCosine(), solver, uniform(5), z, eta=eta_of(solver))


@pytest.mark.parametrize("eta", [None, -0.1, 1.1, float("nan")])
def test_a_share_of_new_noise_out_of_range_is_refused(eta: float | None):
    with pytest.raises(ModelError, match="eta from 0 to 1"):
        solve(lambda x, t: x, VPCosine(), "sde", uniform(2), torch.zeros(1), eta=eta)


def test_a_solver_that_has_no_share_of_new_noise_refuses_one():
    with pytest.raises(ModelError, match="remove it"):
        solve(lambda x, t: x, VPCosine(), "heun", uniform(2), torch.zeros(1), eta=0.5)


@both_paths
def test_coarsened_noise_is_standard_and_brings_draws_of_two_grids_together(path: Path):
    fine, coarse = uniform(128), uniform(64)
    dice = torch.Generator().manual_seed(5)
    noise = torch.randn(128, 4000, generator=dice, dtype=DOUBLE)
    merged = coarsen(path, fine, coarse, lambda i: noise[i])
    for step in (1, 2, 40, 63):
        assert float(merged(step).var()) == pytest.approx(1.0, abs=0.1)
    toy = GaussianPosterior(
        torch.tensor([0.7], dtype=DOUBLE),
        torch.tensor([0.5], dtype=DOUBLE),
        torch.eye(1, dtype=DOUBLE),
    )

    def end(grid: Grid, fresh) -> torch.Tensor:
        return solve(
            lambda x, t: toy.velocity(path, x, t),
            path,
            "ancestral",
            grid,
            noise[0][:, None],
            fresh=lambda i: fresh(i)[:, None],
        )[:, 0]

    fine_end = end(fine, lambda i: noise[i])
    other = torch.randn(64, 4000, generator=dice, dtype=DOUBLE)
    shared, apart = end(coarse, merged), end(coarse, lambda i: other[i])
    pair = torch.corrcoef(torch.stack([fine_end, shared]))[0, 1]
    assert float(pair) > 0.99
    assert abs(float(torch.corrcoef(torch.stack([fine_end, apart]))[0, 1])) < 0.3


def test_a_coarse_time_that_the_fine_grid_lacks_is_refused():
    with pytest.raises(ModelError, match=r"lacks the time 0\.5"):
        coarsen(VPCosine(), uniform(3), uniform(2), lambda i: torch.zeros(1))


@both_paths
@pytest.mark.parametrize("steps", [1, 2, 4])
def test_renoising_with_the_exact_map_to_the_clean_end_draws_exactly(path: Path, steps: int):
    """A draw is affine in its noise; only what joins last is left in it, through the map."""
    toy, grid = image_posterior(), uniform(steps)
    d = 16
    rows = torch.cat([torch.zeros(1, steps * d, dtype=DOUBLE), torch.eye(steps * d, dtype=DOUBLE)])
    noise = rows.reshape(-1, steps, d)
    asked: list[tuple[float, float]] = []

    def jump(x: torch.Tensor, s: float, t: float) -> torch.Tensor:
        asked.append((s, t))
        return toy.flow(path, x, s, t)

    end = renoise(jump, path, grid, noise[:, 0], lambda i: noise[:, i])
    root = (end[1:] - end[0]).T
    assert torch.allclose(end[0], toy.mean, atol=1e-10)
    assert torch.allclose(root @ root.T, toy.covariance, atol=1e-10)
    assert asked == [(s, 0.0) for s in grid[:-1]]


def test_renoising_loses_the_canvas_and_following_keeps_it():
    toy, path, grid = image_posterior(), VPCosine(), uniform(4)
    dice = torch.Generator().manual_seed(2)
    noise = torch.randn(4, 4000, 16, generator=dice, dtype=DOUBLE)
    straight = toy.flow(path, noise[0], 1.0, 0.0)
    end = renoise(lambda x, s, t: toy.flow(path, x, s, t), path, grid, noise[0], lambda i: noise[i])
    pair = torch.corrcoef(torch.stack([straight[:, 5], end[:, 5]]))[0, 1]
    assert abs(float(pair)) < 0.3
