"""Which solver may be the reference: against posteriors whose bias per band is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.sampling.bands import BANDS, compare_bands, measure_bands
from napari_posterior.sampling.certify import MODERATE, SolverChoice, certify, refine
from napari_posterior.sampling.grid import check_grid, make_grid
from napari_posterior.sampling.path import LinearFlow, Path, VPCosine
from napari_posterior.sampling.solvers import solve

both_paths = pytest.mark.parametrize("path", [LinearFlow(), VPCosine()], ids=lambda p: p.name)
SIZE = 32
RULER = SolverChoice("heun", "uniform", 96)


@dataclass(frozen=True)
class Bands:
    """A stationary Gaussian posterior with variance c[i] in band i, drawn K times.

    `slope` scales the velocity: other than 1 it is that of no score.
    """

    path: Path
    c: tuple[float, float, float, float]
    seed: int
    samples: int = 4
    slope: float = 1.0

    def __call__(self, solver: str, times: tuple[float, ...]) -> np.ndarray:
        frequencies = torch.fft.fftfreq(SIZE, dtype=torch.float64)
        radius = torch.hypot(frequencies[:, None], frequencies[None, :])
        c = torch.tensor(self.c, dtype=torch.float64)[
            torch.bucketize(radius, torch.tensor(BANDS, dtype=torch.float64), right=True) - 1
        ]
        path = self.path

        def velocity(x: torch.Tensor, t: float) -> torch.Tensor:
            a, b = path.alpha(t), path.beta(t)
            gain = (path.dalpha(t) * a * c + path.dbeta(t) * b) / (a**2 * c + b**2) / path.W
            return self.slope * torch.fft.ifft2(gain * torch.fft.fft2(x)).real

        def fresh(step: int) -> torch.Tensor:
            dice = torch.Generator().manual_seed(1000 * self.seed + step)
            return torch.randn(self.samples, 1, SIZE, SIZE, generator=dice, dtype=torch.float64)

        return solve(velocity, path, solver, times, fresh(0), fresh=fresh)[:, 0].numpy()


def scenes(path: Path, *c: float, count: int = 3, **options) -> list[Bands]:
    return [Bands(path, c, seed, **options) for seed in range(count)]


def euler_law(path: Path, times: tuple[float, ...], c: float) -> float:
    """Variance ratio of Euler's samples: the product of cos^2 of the angles it turns."""
    angles = [math.atan2(path.beta(t), path.alpha(t) * math.sqrt(c)) for t in times]
    return math.prod(math.cos(s - t) ** 2 for s, t in itertools.pairwise(angles))


@both_paths
@pytest.mark.parametrize("name", ["uniform", "power_late", "logsnr"])
@pytest.mark.parametrize("n", [1, 2, 5, 24])
def test_refining_doubles_the_steps_halves_the_last_noise_level_and_keeps_every_time(
    path: Path, name: str, n: int
):
    times = make_grid(name, n, path)
    fine = refine(times, path)
    check_grid(fine)
    assert len(fine) == 2 * (len(times) - 1) + 1
    assert set(times) <= set(fine)
    if n > 1:
        before, after = (path.beta(g[-2]) / path.alpha(g[-2]) for g in (times, fine))
        assert after == pytest.approx(before / 2)


@both_paths
def test_the_bias_of_euler_in_each_band_is_that_of_the_angle_law(path: Path):
    choice = SolverChoice("euler", "uniform", 32)
    c = (1.0, 0.3, 0.1, 0.03)
    found = certify(scenes(path, *c), [choice], path=path, ruler=RULER)
    for band, variance in zip(found.candidates[0].bands, c, strict=True):
        law = euler_law(path, choice.times(path), variance) - 1
        # neighbouring bands mix by a frequency or two of the window
        assert band.variance == pytest.approx(law, abs=0.035)
        assert band.variance_interval[0] <= band.variance <= band.variance_interval[1]
    assert found.candidates[0].bands[3].variance == pytest.approx(law, abs=0.01)


def test_a_grid_that_ends_too_early_passes_step_doubling_and_not_the_refinement():
    # log-SNR from 20 to .02 keeps .71 of a variance of 1e-3, at any step count
    path, ends = LinearFlow(), (("sigma_max", 20.0), ("sigma_min", 0.02))
    coarse, double = (SolverChoice("dpmpp2m", "logsnr", n, ends) for n in (64, 128))
    draw = Bands(path, (1e-3,) * 4, seed=0)
    once, twice, fine = (
        draw("dpmpp2m", times)
        for times in (coarse.times(path), double.times(path), refine(coarse.times(path), path))
    )
    doubled = compare_bands([measure_bands(twice, once)])[3]
    refined = compare_bands([measure_bands(fine, once)])[3]
    assert abs(doubled.variance) < 0.02
    assert refined.variance < -0.15


def test_the_cheapest_solver_whose_remaining_bias_is_small_in_every_band_is_the_reference():
    path = LinearFlow()
    candidates = [
        *(SolverChoice("heun", "uniform", n) for n in (64, 32, 10, 6)),
        SolverChoice("euler", "uniform", 48),
    ]
    found = certify(scenes(path, 1, 1, 0.5, 0.2), candidates, path=path, ruler=RULER)
    costs = [m.choice.nfe for m in found.candidates]
    assert costs == sorted(costs)
    passing = [m.choice for m in found.candidates if found.passes(m)]
    reference = found.chosen
    assert reference.choice == passing[0]
    assert found.shortfall is None
    assert reference.choice.solver == "heun"
    assert max(found.remaining(reference)) < 0.02
    cheaper = [m for m in found.candidates if m.choice.nfe < reference.choice.nfe]
    assert len(cheaper) >= 2
    assert not any(found.passes(m) for m in cheaper)


def test_the_total_variance_does_not_excuse_a_band():
    path = LinearFlow()
    choice = SolverChoice("heun", "uniform", 20)
    draws = scenes(path, 1, 1, 1, 0.01)
    found = certify(draws, [choice], path=path, ruler=SolverChoice("heun", "logsnr", 64))
    whole = (0.0, BANDS[-1])
    fine = refine(found.ruler.choice.times(path), path)
    total = compare_bands(
        [
            measure_bands(draw("heun", fine), draw("heun", choice.times(path)), edges=whole)
            for draw in draws
        ],
        edges=whole,
    )[0]
    assert total.worst < 0.02
    assert found.reference is None
    assert found.candidates[0].bands[3].variance < -0.05


def test_where_no_solver_passes_the_best_one_is_named_with_what_it_leaves_open():
    path = LinearFlow()
    candidates = [SolverChoice("euler", "uniform", n) for n in (8, 16)]
    found = certify(scenes(path, 1, 1, 1, 1), candidates, path=path, ruler=RULER)
    assert found.reference is None
    assert found.chosen == found.candidates[1]
    assert found.doubled is not None
    assert "euler, 16 steps on uniform comes closest" in found.shortfall
    assert f"{max(found.remaining(found.candidates[1])):.1%}" in found.shortfall


def test_a_ruler_that_still_changes_certifies_nothing_and_says_so():
    path, ruler = LinearFlow(), SolverChoice("euler", "uniform", 24)
    # as biased as its ruler, it looks unbiased
    found = certify(
        scenes(path, 1, 1, 1, 1), [SolverChoice("euler", "uniform", 48)], path=path, ruler=ruler
    )
    assert abs(found.candidates[0].bands[3].variance) < 0.002
    assert found.reference is None
    assert found.shortfall.startswith("The ruler itself")


def test_a_bias_that_the_scenes_leave_open_is_not_certified():
    path, rng = LinearFlow(), np.random.default_rng(0)
    times = SolverChoice("heun", "uniform", 32).times(path)

    def wavering(seed: int):
        draw, wave = Bands(path, (1, 1, 1, 1), seed), 1 + 0.03 * rng.standard_normal()
        return lambda solver, t: draw(solver, t) * (wave if t == times else 1)

    choice = SolverChoice("heun", "uniform", 32)
    found = certify([wavering(i) for i in range(3)], [choice], path=path, ruler=RULER)
    assert not found.passes(found.candidates[0])
    steady = certify(scenes(path, 1, 1, 1, 1), [choice], path=path, ruler=RULER)
    assert steady.passes(steady.candidates[0])


@pytest.mark.parametrize(("slope", "agree"), [(1.0, True), (0.8, False)])
def test_ode_and_sde_agree_where_the_velocity_is_that_of_the_score_and_not_otherwise(
    slope: float, agree: bool
):
    path = LinearFlow()
    draws = scenes(path, 1, 1, 0.5, 0.2, count=6, samples=5, slope=slope)
    found = certify(
        draws,
        [SolverChoice("heun", "uniform", 40)],
        path=path,
        ruler=SolverChoice("heun", "uniform", 48),
        stochastic=SolverChoice("dpmpp2m_sde", "logsnr", 48),
    )
    assert found.self_check is not None
    fine = found.self_check.bands[3]
    low, high = fine.variance_interval
    assert high - low < 0.12
    assert (low <= 0.012 <= high) is agree
    assert found.passes(found.candidates[0])


def test_without_a_certified_one_the_least_biased_of_moderate_cost_is_chosen():
    path = LinearFlow()
    offered = {n: SolverChoice("euler", "uniform", n) for n in (12, MODERATE, MODERATE + 16)}
    draws = scenes(path, 1, 1, 1, 1, count=2)
    found = certify(draws, list(offered.values()), path=path, ruler=RULER)
    assert found.reference is None
    left = [max(found.remaining(m)) for m in found.candidates]
    assert left == sorted(left, reverse=True)
    assert found.chosen.choice == offered[MODERATE]
    dear = certify(draws, [offered[MODERATE + 16]], path=path, ruler=RULER)
    assert dear.chosen.choice == offered[MODERATE + 16]


def test_stopping_early_chooses_the_same_without_measuring_what_costs_more():
    path = LinearFlow()
    candidates = [
        SolverChoice("heun", "uniform", 48),
        SolverChoice("dpmpp2m", "uniform", 63),
        SolverChoice("heun", "uniform", 32),
        SolverChoice("euler", "uniform", 8),
    ]
    draws = scenes(path, 1, 1, 0.5, 0.2)
    whole, early = (
        certify(draws, candidates, path=path, ruler=RULER, stop_early=stop)
        for stop in (False, True)
    )
    assert [m.choice.nfe for m in early.candidates] == [8, 63, 63]
    assert early.candidates == whole.candidates[:3]
    assert (early.chosen, early.doubled) == (whole.chosen, whole.doubled)
    assert early.passes(early.chosen)


@pytest.mark.parametrize("stop_early", [False, True])
def test_the_same_scenes_certify_alike_and_progress_ends_where_it_said(stop_early: bool):
    path, told = LinearFlow(), []
    one, two = (
        certify(
            scenes(path, 1, 1, 1, 1, count=2),
            [SolverChoice("heun", "uniform", n) for n in (24, 32)],
            path=path,
            ruler=RULER,
            stop_early=stop_early,
            report=lambda *progress: told.append(progress),
        )
        for _ in range(2)
    )
    assert one == two
    assert told[: len(told) // 2] == told[len(told) // 2 :]
    done = [d for d, _ in told[: len(told) // 2]]
    assert done == sorted(set(done))
    # two scenes, the candidates that were measured, and the doubling
    assert len(done) == 2 + len(one.candidates) + 1
    assert told[-1][0] == told[-1][1] <= told[0][1]


def test_one_scene_or_no_candidate_is_refused():
    path = LinearFlow()
    with pytest.raises(InputError, match="two scenes"):
        certify(scenes(path, 1, 1, 1, 1, count=1), [RULER], path=path, ruler=RULER)
    with pytest.raises(InputError, match="candidate"):
        certify(scenes(path, 1, 1, 1, 1), [], path=path, ruler=RULER)
