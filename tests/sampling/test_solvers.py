"""Solvers, against exact flow maps of closed-form posteriors, and what all of them promise."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import make_grid, uniform
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.solvers import SOLVERS, nfe, renoise, solve, trace, walk
from napari_posterior.toys import GaussianPosterior, MixturePosterior, Toy

DOUBLE = torch.float64
both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=DOUBLE)


GAUSS = GaussianPosterior(
    mean=tensor(0.7, -1.0, 2.0),
    variances=tensor(1.0, 0.25, 0.1),
    directions=torch.eye(3, dtype=DOUBLE),
)
MIXTURE = MixturePosterior.from_measurement(
    y=tensor(0.3, -0.8, 2.5),
    noise_variance=1.0,
    weights=tensor(0.5, 0.5),
    means=tensor(-1.0, 1.0),
    variances=tensor(0.0625, 0.0625),
)
both_toys = pytest.mark.parametrize("toy", [GAUSS, MIXTURE], ids=["gauss", "gmm"])
NOISE = torch.linspace(-2, 2, 9, dtype=DOUBLE)[:, None].expand(9, 3)


every_solver = pytest.mark.parametrize("solver", sorted(SOLVERS))


def settings(solver: str, z: torch.Tensor) -> dict:
    """Fresh noise for those that take it, and the share of it for the one that asks."""
    return {"fresh": lambda i: torch.full_like(z, 0.1 * i), "eta": 0.5 if solver == "sde" else None}


def run(toy: Toy, path: Path, solver: str, grid: tuple[float, ...], z: torch.Tensor):
    return solve(
        lambda x, t: toy.velocity(path, x, t), path, solver, grid, z, **settings(solver, z)
    )


def error(toy: Toy, path: Path, solver: str, n: int) -> float:
    end = run(toy, path, solver, uniform(n), NOISE)
    return float((end - toy.flow(path, NOISE, 1.0, 0.0)).square().mean().sqrt())


def variance_ratio(path: Path, grid: tuple[float, ...], c: float) -> float:
    """Of an Euler draw to the posterior N(m, c): the map from noise to draw is affine."""
    toy = GaussianPosterior(tensor(0.7), tensor(c), torch.eye(1, dtype=DOUBLE))
    ends = run(toy, path, "euler", grid, tensor(0.0, 1.0)[:, None])
    return float((ends[1] - ends[0]) ** 2) / c


@pytest.mark.parametrize(
    ("n", "ratio"),
    [(1, 0.0), (2, 0.25), (4, 0.5308), (8, 0.7331), (16, 0.8569), (32, 0.9258), (64, 0.9622)],
)
def test_euler_loses_the_tabulated_variance_on_a_unit_gaussian(n: int, ratio: float):
    assert variance_ratio(VPCosine(), uniform(n), 1.0) == pytest.approx(ratio, abs=6e-5)


@both_paths
@pytest.mark.parametrize("c", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("name", ["uniform", "power_late", "power_early"])
def test_euler_obeys_the_angle_law_for_every_posterior_width_and_grid(
    path: Path, c: float, name: str
):
    grid = make_grid(name, 8)
    angles = [math.atan2(path.beta(t), path.alpha(t) * math.sqrt(c)) for t in grid]
    law = math.prod(math.cos(s - t) ** 2 for s, t in itertools.pairwise(angles))
    assert variance_ratio(path, grid, c) == pytest.approx(law, rel=1e-10)


@both_paths
@both_toys
def test_heun_is_second_order_against_the_exact_flow_map(toy: Toy, path: Path):
    errors = [error(toy, path, "heun", n) for n in (16, 32, 64)]
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine == pytest.approx(4, abs=0.5)


@both_paths
@both_toys
def test_euler_is_first_order_and_far_behind_heun_at_equal_cost(toy: Toy, path: Path):
    assert error(toy, path, "euler", 32) / error(toy, path, "euler", 64) == pytest.approx(
        2, abs=0.1
    )
    assert error(toy, path, "heun", 32) < error(toy, path, "euler", 63) / 2


def test_on_the_linear_path_the_euler_jump_is_the_plain_euler_step():
    path = LinearFlow()
    x = NOISE
    for s, t in itertools.pairwise(uniform(5)):
        x = x + (t - s) * path.drift(GAUSS.velocity(path, x, s))
    assert torch.allclose(run(GAUSS, path, "euler", uniform(5), NOISE), x, atol=1e-12)


@both_paths
@every_solver
def test_one_step_is_one_jump_to_the_posterior_mean(path: Path, solver: str):
    end = run(GAUSS, path, solver, uniform(1), NOISE)
    assert torch.allclose(end, GAUSS.mean.expand_as(end), atol=1e-12)


@both_paths
@both_toys
def test_dpmpp2m_is_second_order_in_log_snr_at_one_call_a_step(toy: Toy, path: Path):
    errors = []
    for n in (64, 128, 256):
        grid = make_grid("logsnr", n, path, sigma_max=1e3, sigma_min=1e-5)
        end = run(toy, path, "dpmpp2m", grid, NOISE)
        errors.append(float((end - toy.flow(path, NOISE, 1.0, 0.0)).square().mean().sqrt()))
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine == pytest.approx(4, abs=0.1)


@both_paths
@both_toys
def test_dpmpp2m_is_far_ahead_of_euler_on_equal_steps_too(toy: Toy, path: Path):
    assert error(toy, path, "dpmpp2m", 64) < error(toy, path, "euler", 64) / 4


def test_evaluations_are_2n_minus_1_for_heun_and_n_for_all_others():
    assert [nfe("heun", n) for n in (1, 4, 16)] == [1, 7, 31]
    others = sorted(set(SOLVERS) - {"heun"})
    assert [[nfe(name, n) for n in (1, 4, 16)] for name in others] == [[1, 4, 16]] * 5


@every_solver
@pytest.mark.parametrize("n", [1, 2, 5])
def test_every_evaluation_is_reported_once_and_in_order(solver: str, n: int):
    evaluated: list[float] = []
    reported: list[tuple[int, int]] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        assert len(reported) == len(evaluated)
        evaluated.append(t)
        return torch.zeros_like(x)

    solve(
        velocity,
        LinearFlow(),
        solver,
        uniform(n),
        NOISE,
        lambda *call: reported.append(call),
        **settings(solver, NOISE),
    )
    total = nfe(solver, n)
    assert reported == [(i, total) for i in range(1, total + 1)]
    assert len(evaluated) == total


@every_solver
def test_a_solver_never_asks_for_the_velocity_at_the_clean_end(solver: str):
    times: list[float] = []

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        times.append(t)
        return torch.zeros_like(x)

    solve(velocity, VPCosine(), solver, uniform(6), NOISE, **settings(solver, NOISE))
    assert times[0] == 1.0
    assert min(times) == pytest.approx(1 / 6)


@pytest.mark.parametrize("stop_at", [1, 2, 3, 4])
def test_an_exception_of_the_callback_stops_before_the_next_evaluation(stop_at: int):
    calls = 0

    def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return torch.zeros_like(x)

    def stop(done: int, total: int) -> None:
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve(velocity, LinearFlow(), "heun", uniform(8), NOISE, stop)
    assert calls == stop_at


@every_solver
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dtype_of_the_noise_is_kept_and_the_noise_is_not_changed(solver: str, dtype):
    z = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    before = z.clone()
    end = solve(lambda x, t: 0.5 * x, VPCosine(), solver, uniform(4), z, **settings(solver, z))
    assert end.dtype == dtype
    assert torch.equal(z, before)


def test_an_unknown_solver_or_a_grid_that_does_not_end_is_refused():
    with pytest.raises(ModelError, match="rk4"):
        run(GAUSS, LinearFlow(), "rk4", uniform(4), NOISE)
    with pytest.raises(ModelError, match="rk4"):
        nfe("rk4", 4)
    with pytest.raises(ModelError, match="decrease"):
        renoise(lambda x, s, t: x, LinearFlow(), (1.0, 0.5), NOISE, lambda i: NOISE)
    with pytest.raises(ModelError, match="decrease"):
        run(GAUSS, LinearFlow(), "heun", (1.0, 0.5), NOISE)
    with pytest.raises(ModelError, match="decrease"):
        walk(lambda x, s, t: x, (1.0, 0.5), NOISE)


@both_paths
@both_toys
@pytest.mark.parametrize("n", [1, 2, 4])
def test_walking_along_the_exact_flow_map_is_exact_for_any_number_of_steps(
    toy: Toy, path: Path, n: int
):
    reported: list[tuple[int, int]] = []
    end = walk(
        lambda x, s, t: toy.flow(path, x, s, t),
        uniform(n),
        NOISE,
        lambda *call: reported.append(call),
    )
    assert torch.allclose(end, toy.flow(path, NOISE, 1.0, 0.0), atol=1e-9)
    assert reported == [(i, n) for i in range(1, n + 1)]


@every_solver
def test_a_trace_yields_the_state_of_every_time_and_ends_where_the_solver_does(solver: str):
    path, grid = VPCosine(), uniform(5)
    states = list(
        trace(
            lambda x, t: GAUSS.velocity(path, x, t),
            path,
            solver,
            grid,
            NOISE,
            **settings(solver, NOISE),
        )
    )
    assert len(states) == 5
    assert torch.equal(states[-1], run(GAUSS, path, solver, grid, NOISE))
    assert not torch.equal(states[-1], states[-2])


@every_solver
def test_a_solver_remembers_nothing_from_one_draw_to_the_next(solver: str):
    first = run(MIXTURE, LinearFlow(), solver, uniform(6), NOISE)
    assert torch.equal(run(MIXTURE, LinearFlow(), solver, uniform(6), NOISE), first)


@every_solver
def test_the_clean_image_is_told_after_every_call_and_before_it_is_counted(solver: str):
    path, told = VPCosine(), []
    solve(
        lambda x, t: GAUSS.velocity(path, x, t),
        path,
        solver,
        uniform(4),
        NOISE,
        lambda done, total: told.append(done),
        lambda x, t, F: told.append(path.data_from_F(x, t, F)),
        **settings(solver, NOISE),
    )
    data, counts = told[::2], told[1::2]
    assert counts == list(range(1, nfe(solver, 4) + 1))
    assert torch.allclose(data[0], GAUSS.mean.expand_as(NOISE), atol=1e-12)
