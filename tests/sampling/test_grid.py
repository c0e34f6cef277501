"""Named time grids."""

from __future__ import annotations

import itertools
import math

import pytest

from napari_posterior.errors import InputError, ModelError
from napari_posterior.sampling.grid import (
    GRIDS,
    MAX_STEPS,
    check_grid,
    grid_label,
    karras,
    logsnr,
    make_grid,
    power_early,
    power_late,
    uniform,
)
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)


@both_paths
@pytest.mark.parametrize("name", sorted(GRIDS))
@pytest.mark.parametrize("n", [1, 2, 7, 32, MAX_STEPS])
def test_every_grid_decreases_from_exactly_one_to_exactly_zero_in_n_steps(
    path: Path, name: str, n: int
):
    grid = make_grid(name, n, path)
    assert len(grid) == n + 1
    assert grid[0] == 1.0
    assert grid[-1] == 0.0
    assert all(later < earlier for earlier, later in itertools.pairwise(grid))


def test_grids_follow_their_formulas():
    assert uniform(4) == (1.0, 0.75, 0.5, 0.25, 0.0)
    assert power_late(4, 0.6)[1] == pytest.approx(1 - 0.25**0.6)
    assert power_early(4, 1.67)[1] == pytest.approx(0.75**1.67)
    assert power_late(8, 1.0) == pytest.approx(uniform(8))
    assert power_early(8, 1.0) == pytest.approx(uniform(8))


@pytest.mark.parametrize(("name", "rho"), [("power_late", 0.6), ("power_early", 1.67)])
def test_both_power_grids_shorten_the_last_steps_or_lengthen_the_first(name: str, rho: float):
    grid = make_grid(name, 16, rho=rho)
    assert grid[0] - grid[1] > 1 / 16
    assert grid[-2] - grid[-1] < 1 / 16


@pytest.mark.parametrize("n", [0, -1, MAX_STEPS + 1, 10**9])
@pytest.mark.parametrize("name", sorted(GRIDS))
def test_a_number_of_steps_out_of_range_is_refused_with_the_range(name: str, n: int):
    with pytest.raises(InputError, match=f"from 1 to {MAX_STEPS}"):
        make_grid(name, n, LinearFlow())


@pytest.mark.parametrize("rho", [0.0, -1.0, float("nan"), float("inf")])
def test_an_exponent_that_is_not_a_positive_number_is_refused(rho: float):
    with pytest.raises(InputError, match="positive"):
        make_grid("power_late", 4, rho=rho)


def test_an_unknown_grid_or_option_is_refused_by_name():
    with pytest.raises(ModelError, match="cosine"):
        make_grid("cosine", 4)
    with pytest.raises(ModelError, match="rho"):
        make_grid("uniform", 4, rho=2.0)
    with pytest.raises(ModelError, match="rho"):
        make_grid("logsnr", 4, LinearFlow(), rho=2.0)
    with pytest.raises(ModelError, match="sigma_min"):
        make_grid("power_late", 4, sigma_min=0.1)


def test_an_exponent_so_large_that_times_coincide_is_refused():
    with pytest.raises(ModelError, match="decrease"):
        make_grid("power_late", 100, rho=500.0)


@pytest.mark.parametrize("grid", [(1.0,), (0.0, 1.0), (1.0, 0.5), (0.9, 0.0), (1.0, 0.5, 0.5, 0.0)])
def test_a_grid_that_is_not_one_is_refused(grid: tuple[float, ...]):
    with pytest.raises(ModelError, match="decrease"):
        check_grid(grid)


def test_labels_say_name_and_exponent():
    assert grid_label("power_late", rho=0.6) == "power_late(0.6)"
    assert grid_label("uniform") == "uniform"


@both_paths
def test_log_snr_times_are_equally_far_apart_in_log_snr_down_to_the_smallest_sigma(path: Path):
    grid = logsnr(9, 40.0, 0.01, path=path)
    levels = [path.logsnr(t) for t in grid[1:-1]]
    step = (math.log(40.0) - math.log(0.01)) / 8
    assert levels == pytest.approx([-math.log(40.0) + step * i for i in range(1, 9)])
    assert path.beta(grid[-2]) / path.alpha(grid[-2]) == pytest.approx(0.01)


@both_paths
def test_karras_times_follow_their_formula_and_come_near_log_snr_for_a_large_exponent(path: Path):
    grid = karras(9, 7.0, 40.0, 0.01, path=path)
    roots = [(path.beta(t) / path.alpha(t)) ** (1 / 7) for t in grid[1:-1]]
    high, low = 40 ** (1 / 7), 0.01 ** (1 / 7)
    assert roots == pytest.approx([high + (low - high) * i / 8 for i in range(1, 9)])
    assert karras(9, 1e5, 40.0, 0.01, path=path) == pytest.approx(
        logsnr(9, 40.0, 0.01, path=path), rel=1e-3
    )


@pytest.mark.parametrize("name", ["logsnr", "karras"])
def test_a_grid_in_sigma_without_its_path_is_refused(name: str):
    with pytest.raises(ModelError, match="give the path"):
        make_grid(name, 8)


@pytest.mark.parametrize("name", ["logsnr", "karras"])
@pytest.mark.parametrize(
    "sigmas", [(1.0, 1.0), (0.1, 2.0), (1.0, 0.0), (float("inf"), 1.0), (float("nan"), 1.0)]
)
def test_sigmas_that_do_not_fall_are_refused(name: str, sigmas: tuple[float, float]):
    high, low = sigmas
    with pytest.raises(InputError, match="two positive numbers"):
        make_grid(name, 8, LinearFlow(), sigma_max=high, sigma_min=low)
