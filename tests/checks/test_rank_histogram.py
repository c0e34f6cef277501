"""Rank histograms: flat of a calibrated sampler, and named after what is wrong with others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_posterior.checks.known.rank_histogram import (
    correlation_length,
    coverage_curve,
    map_misses,
    rank_histogram,
)
from napari_posterior.checks.known.truth import rank_pixels, score_blocks


def scores_of(seed: int, *, count: int = 15, scale: float = 1.0, shift: float = 0.0):
    generator = np.random.default_rng(seed)
    samples = shift + scale * generator.normal(size=(count, 128, 128))
    truth = generator.normal(size=(128, 128))
    return score_blocks(samples, truth, block=16, generator=generator)


@pytest.mark.parametrize("count", [8, 15, 16, 64])
def test_ten_bins_are_equally_full_whatever_the_number_of_samples(count: int) -> None:
    found = rank_histogram(scores_of(1, count=count))
    assert found.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.shares, 0.1, atol=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": 0.6}, "too narrow"),
        ({"scale": 1.6}, "too wide"),
        ({"shift": 0.5}, "too high"),
        ({"shift": -0.5}, "too low"),
    ],
)
def test_what_is_wrong_is_named(changes, words: str) -> None:
    found = rank_histogram(scores_of(2, **changes))
    assert found.words == words
    assert found.p_value < 0.01


def test_a_calibrated_sampler_leaves_the_band_as_rarely_as_it_should() -> None:
    found = [rank_histogram(scores_of(seed, count=8)) for seed in range(100)]
    assert np.mean([bool(one.words) for one in found]) <= 0.11
    inside = [((one.low <= one.shares) & (one.shares <= one.high)).all() for one in found]
    assert np.mean(inside) >= 0.88


def test_the_band_starts_and_ends_at_zero() -> None:
    found = rank_histogram(scores_of(3))
    assert found.reach[0] == found.reach[-1] == found.deviation[0] == 0
    assert found.deviation[-1] == pytest.approx(0)
    assert len(found.reach) == len(found.deviation) == 11


def test_the_curve_has_the_levels_that_samples_attain() -> None:
    found = coverage_curve(scores_of(4), level=0.95)
    assert found["nominal"] == pytest.approx(
        [2 / 16, 4 / 16, 6 / 16, 8 / 16, 10 / 16, 12 / 16, 14 / 16]
    )
    np.testing.assert_allclose(found["value"], found["nominal"], atol=0.02)
    held = [
        low <= n <= high
        for n, low, high in zip(*map(found.get, ("nominal", "low", "high")), strict=True)
    ]
    assert sum(held) >= 5


def test_the_curve_of_many_samples_is_no_longer_than_a_plot_needs() -> None:
    assert len(coverage_curve(scores_of(5, count=64), level=0.9)["nominal"]) == 19


@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_correlation_length_is_that_of_the_smoothing(sigma: float) -> None:
    generator = np.random.default_rng(6)
    smooth = ndimage.gaussian_filter(generator.normal(size=(10, 200, 200)), (0, sigma, sigma))
    ranks = rank_pixels(smooth[1:], smooth[0], generator=generator)
    # the correlation exp(-d^2 / 4 sigma^2) falls to 1/e at 2 sigma
    assert correlation_length(ranks) == pytest.approx(2 * sigma, rel=0.15)


def test_white_and_flat_ranks_have_the_shortest_length() -> None:
    assert correlation_length(np.random.default_rng(7).integers(0, 9, (64, 64))) == 1
    assert correlation_length(np.full((8, 8), 3)) == 1


def test_the_map_tells_which_run_misses() -> None:
    teacher = np.array([[0, 5], [0, 10]])
    student = np.array([[5, 0], [10, 5]])
    found = map_misses(teacher, student, 10)
    assert found.name == "misses"
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values, [[1, 2], [3, 1]])
