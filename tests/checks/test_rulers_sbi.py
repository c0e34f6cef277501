"""Ranks, coverage and distances are those of sbi where it defines them alike.

``pip install -e ".[rulers]"`` brings it. Where definitions differ a test shows how.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
import torch
from scipy import stats

from napari_posterior.checks.experiments.experiment import Redraw
from napari_posterior.checks.experiments.ranks import RankMeter, rank
from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.known.truth import attainable, rank_pixels
from napari_posterior.checks.two_sample import permutation_test, squared_distances
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf

pytest.importorskip("sbi", reason="sbi is not installed: pip install -e '.[rulers]'")

# sbi and what it stands on warn of one another
pytestmark = pytest.mark.filterwarnings("ignore")

SIMULATIONS: Final = 150
SAMPLES: Final = 100
SIDE: Final = 16


class Drawn:
    """A posterior in the eyes of sbi, whose samples, (K, n, d), are drawn already."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = torch.from_numpy(samples.astype(np.float32))

    def sample_batched(self, shape: Any, x: torch.Tensor, **_: Any) -> torch.Tensor:
        assert (*shape, len(x)) == self._samples.shape[:2]
        return self._samples


def toy(*, scale: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Objects, (n, d), measurements of them, and posterior samples, (K, n, d).

    Independent normal pixels with prior 30 +- 4 and noise 3; `scale` is of the standard deviation
    of the samples, 1 for the posterior itself.
    """
    generator = np.random.default_rng(seed)
    pixels = SIDE**2
    theta = generator.normal(30, 4, (SIMULATIONS, pixels))
    y = theta + generator.normal(0, 3, theta.shape)
    precision = 1 / 16 + 1 / 9
    mean = (30 / 16 + y / 9) / precision
    noise = generator.normal(size=(SAMPLES, *theta.shape))
    samples = mean + scale * noise / np.sqrt(precision)
    return tuple(one.astype(np.float32) for one in (theta, y, samples))  # type: ignore[return-value]


def ranks_of_sbi(theta: np.ndarray, y: np.ndarray, samples: np.ndarray) -> np.ndarray:
    from sbi.diagnostics import run_sbc

    found, _ = run_sbc(
        *map(torch.from_numpy, (theta, y)),
        Drawn(samples),
        num_posterior_samples=len(samples),
        show_progress_bar=False,
    )
    return np.asarray(found.numpy())


def test_ranks_are_those_of_run_sbc() -> None:
    theta, y, samples = (one[..., :6] for one in toy())
    found = rank_pixels(samples, theta, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(found, ranks_of_sbi(theta, y, samples))


def test_coverage_of_an_interval_is_the_share_of_ranks_of_run_sbc_inside() -> None:
    theta, y, samples = (one[..., :6] for one in toy(scale=0.7))
    ranks = ranks_of_sbi(theta, y, samples)
    j, exact = attainable(SAMPLES, 0.9)
    inside = (ranks >= j) & (ranks <= SAMPLES - j)
    found = np.mean([rank(samples[:, i], theta[i]).covered for i in range(SIMULATIONS)])
    assert found == pytest.approx(inside.mean())
    assert found < exact - 0.1


def test_the_p_value_of_check_sbc_and_ours_say_the_same_of_continuous_ranks() -> None:
    """Their Kolmogorov-Smirnov test takes ranks for continuous: with 100 samples that is little."""
    from sbi.diagnostics import check_sbc

    for scale, fits in ((1.0, True), (0.5, False)):
        theta, y, samples = (one[..., :4] for one in toy(scale=scale))
        ranks = ranks_of_sbi(theta, y, samples)
        told = check_sbc(
            *map(torch.from_numpy, (ranks, theta, samples[0])), num_posterior_samples=SAMPLES
        )
        ours = rank_pixels(samples, theta, generator=np.random.default_rng(0))
        spread = (ours + np.random.default_rng(1).uniform(size=ours.shape)) / (SAMPLES + 1)
        expected = stats.kstest(spread, "uniform", axis=0).pvalue
        np.testing.assert_allclose(told["ks_pvals"].numpy(), expected, atol=0.12)
        assert (min(expected) > 0.01) == fits


def test_ranks_of_counts_differ_by_the_ties_that_run_sbc_puts_below() -> None:
    """run_sbc counts samples strictly below: ranks of counts are then too low on average."""
    generator = np.random.default_rng(3)
    rate = generator.gamma(4, 0.5, (SIMULATIONS, 1))
    counts = generator.poisson(rate).astype(np.float32)
    samples = generator.poisson(rate, (SAMPLES, SIMULATIONS, 1)).astype(np.float32)
    theirs = ranks_of_sbi(counts, rate.astype(np.float32), samples)
    ours = rank_pixels(samples, counts, generator=generator)
    ties = (samples == counts).sum(0)
    assert ((theirs <= ours) & (ours <= theirs + ties)).all()
    expected = [SAMPLES * rank(samples[:, i, 0], counts[i, 0]).below for i in range(SIMULATIONS)]
    np.testing.assert_allclose(expected, theirs[:, 0] + ties[:, 0] / 2, rtol=1e-6)
    share = (ours + generator.uniform(size=ours.shape)) / (SAMPLES + 1)
    assert stats.kstest(share[:, 0], "uniform").pvalue > 0.05
    assert stats.kstest((theirs[:, 0] + 0.5) / (SAMPLES + 1), "uniform").pvalue < 1e-3


@pytest.fixture(scope="module")
def distances() -> dict[float, tuple[np.ndarray, Any]]:
    """Ranks of the distance from a reference by `RankMeter`, and what `run_tarp` gives."""
    from sbi.diagnostics import run_tarp

    blank = Measurement(np.full((SIDE, SIDE), 160.0, np.float32), Camera(2.0, 100.0, 1.5), Psf(1.2))
    found = {}
    for scale in (1.0, 0.8):
        theta, y, samples = toy(scale=scale)
        references = toy(seed=1)[2][0]
        meter = RankMeter([blank])

        def image(x: np.ndarray) -> np.ndarray:
            return x.reshape(*x.shape[:-1], SIDE, SIDE)

        below = []
        for i in range(SIMULATIONS):
            group = np.concatenate([samples[:, i], references[i : i + 1]])
            redraw = Redraw(i, i, image(theta[i]), blank.y)
            scores = meter.score(redraw, image(group), image(samples[:, i]))
            below.append(scores["distance"][0].below)
        theirs = run_tarp(
            *map(torch.from_numpy, (theta, y)),
            Drawn(samples),
            references=torch.from_numpy(references),
            num_posterior_samples=SAMPLES,
            num_bins=10,
            z_score_theta=False,
            show_progress_bar=False,
        )
        found[scale] = np.array(below), theirs
    return found


@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_ranks_of_distances_give_the_coverage_of_run_tarp(distances: Any, scale: float) -> None:
    below, (expected, levels) = distances[scale]
    # a share on the edge of two bins belongs to the upper one but for the last, as in run_tarp
    counts, _ = np.histogram(below.astype(np.float32), bins=levels.numpy())
    found = np.concatenate([[0], np.cumsum(counts) / SIMULATIONS])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_the_p_value_of_check_tarp_knows_bins_and_not_simulations(distances: Any) -> None:
    """It compares the points of the curve with its grid: error bars 20 % too small pass."""
    from sbi.diagnostics import check_tarp

    below, (expected, levels) = distances[0.8]
    _, theirs = check_tarp(expected, levels)
    ours = stats.kstest(below, "uniform").pvalue
    assert ours < 1e-3 < 0.05 < theirs


def test_the_kernel_discrepancy_is_the_square_of_biased_mmd() -> None:
    from sbi.utils.metrics import biased_mmd

    generator = np.random.default_rng(6)
    x, y = generator.normal(size=(20, 8)), generator.normal(0.3, 1, (27, 8))
    accumulator = GramAccumulator(20, 27)
    accumulator.add(np.concatenate([x, y]))
    gram = accumulator.result()
    apart = squared_distances(gram)[np.triu_indices(47, 1)]
    theirs = biased_mmd(torch.from_numpy(x), torch.from_numpy(y), float(np.sqrt(np.median(apart))))
    found = permutation_test(gram, statistic="mmd", paired=False, permutations=1)
    assert found.value == pytest.approx(float(theirs) ** 2, rel=1e-6)
