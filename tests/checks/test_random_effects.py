"""Random effects over images, against published numbers and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.images.random_effects import failing_share, pool_effects
from napari_posterior.errors import InputError

# Thirteen trials of the BCG vaccine, Colditz et al. (1994), JAMA 271:698: cases and others among
# the vaccinated, then among the controls.
BCG = np.array([
    [4, 119, 11, 128], [6, 300, 29, 274], [3, 228, 11, 209], [62, 13536, 248, 12619],
    [33, 5036, 47, 5761], [180, 1361, 372, 1079], [8, 2537, 10, 619], [505, 87886, 499, 87892],
    [29, 7470, 45, 7232], [17, 1699, 65, 1600], [186, 50448, 141, 27197], [5, 2493, 3, 2338],
    [27, 16886, 29, 17825],
], float)  # fmt: skip


def test_a_published_analysis_is_reproduced():
    """Log risk ratios of the BCG trials as the R package metafor gives them, DerSimonian-Laird."""
    a, b, c, d = BCG.T
    effects = np.log(a / (a + b)) - np.log(c / (c + d))
    errors = np.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    found = pool_effects(effects, errors)
    assert found.heterogeneity == pytest.approx(152.2330, abs=5e-5)
    assert found.between == pytest.approx(0.3088, abs=5e-5)
    assert found.mean == pytest.approx(-0.7141, abs=5e-5)
    assert found.se == pytest.approx(0.1787 * np.sqrt(1.02199), abs=1e-4)


def test_equal_errors_give_the_t_interval_of_the_mean():
    effects = np.random.default_rng(0).normal(0.1, 0.5, 9)
    found = pool_effects(effects, np.full(9, 0.05))
    known = stats.ttest_1samp(effects, 0.0).confidence_interval(0.9)
    assert found.interval(0.9) == pytest.approx((known.low, known.high), rel=1e-9)
    assert found.between == pytest.approx(effects.var(ddof=1) - 0.05**2, rel=1e-9)


def test_numbers_computed_by_hand():
    """Effects 1, 2, 6 with errors 1: Q = 14, tau^2 = (14 - 2) / (3 - 1) = 6, weights 1/7."""
    found = pool_effects([1.0, 2.0, 6.0], [1.0, 1.0, 1.0])
    assert (found.mean, found.heterogeneity) == (3.0, 14.0)
    assert found.between == pytest.approx(6.0)
    assert found.se == pytest.approx(np.sqrt(7 / 3))


@pytest.mark.parametrize("images", [5, 12])
def test_images_without_error_give_the_t_prediction_interval(images):
    effects = np.random.default_rng(7).normal(2.0, 0.5, images)
    found = pool_effects(effects, np.full(images, 1e-6))
    reach = stats.t.isf(0.05, images - 1) * effects.std(ddof=1) * np.sqrt(1 + 1 / images)
    expected = effects.mean() - reach, effects.mean() + reach
    assert found.prediction(0.9) == pytest.approx(expected, rel=2e-3)


def test_images_that_differ_by_chance_alone_give_the_interval_of_their_mean():
    """Errors far larger than any difference: no variance between images is believable."""
    found = pool_effects(np.linspace(-0.01, 0.01, 40), np.full(40, 1.0))
    reach = stats.norm.isf(0.05) / np.sqrt(40)
    assert found.prediction(0.9) == pytest.approx((-reach, reach), rel=1e-3)


def test_the_error_is_never_below_that_of_known_weights():
    found = pool_effects([1.0, 1.001, 0.999, 1.0, 1.0], np.full(5, 0.2))
    assert found.between == 0
    assert found.se == pytest.approx(0.2 / np.sqrt(5))


def test_p_values_agree_with_the_prediction_interval():
    found = pool_effects(np.random.default_rng(1).normal(0, 1, 7), np.linspace(0.1, 0.5, 7))
    low, high = found.prediction(0.9)
    assert found.below(high) == pytest.approx(0.05)
    assert found.above(low) == pytest.approx(0.05)
    assert found.below(high + 1) < 0.05 < found.below(high - 0.1)


def test_order_does_not_matter_and_signs_flip():
    generator = np.random.default_rng(2)
    effects, errors = generator.normal(0, 1, 8), generator.uniform(0.1, 1, 8)
    order = generator.permutation(8)
    first = pool_effects(effects, errors)
    assert pool_effects(effects[order], errors[order]).mean == pytest.approx(first.mean)
    assert pool_effects(-effects, errors).prediction(0.9) == pytest.approx(
        tuple(-end for end in reversed(first.prediction(0.9)))
    )


@pytest.mark.parametrize(("images", "between"), [(5, 1.0), (12, 0.5)])
def test_intervals_hold_what_they_promise(images, between):
    """Nominal 97.56 %, that of a look: within 4 standard errors of 500 repeats, or more."""
    generator = np.random.default_rng(3)
    repeats, level, held = 250, 0.9756, np.zeros(2)
    for _ in range(repeats):
        errors = generator.uniform(0.5, 1.5, images)
        found = pool_effects(generator.normal(1.0, np.hypot(errors, between)), errors)
        mean, following = found.interval(level), found.prediction(level)
        held[0] += mean[0] < 1.0 < mean[1]
        held[1] += following[0] < generator.normal(1.0, between) < following[1]
    least = level - 4 * np.sqrt(level * (1 - level) / repeats)
    assert (held / repeats >= least).all()


@pytest.mark.parametrize(("images", "share"), [(5, 0.45), (10, 0.26), (20, 0.14), (59, 0.05)])
def test_images_that_all_pass_bound_the_share_that_fails(images, share):
    assert failing_share(0, images) == pytest.approx(1 - 0.05 ** (1 / images))
    assert failing_share(0, images) == pytest.approx(share, abs=0.005)


def test_images_that_fail_raise_the_bound():
    exact = stats.binomtest(2, 12).proportion_ci(0.9, method="exact").high
    assert failing_share(2, 12) == pytest.approx(exact)
    assert failing_share(12, 12) == 1.0


@pytest.mark.parametrize(
    ("effects", "errors"),
    [([1.0, 2.0], [1.0, 1.0]), ([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]), ([1.0, 2.0, np.nan], [1.0] * 3)],
)
def test_what_cannot_be_pooled_is_refused(effects, errors):
    with pytest.raises(InputError):
        pool_effects(effects, errors)
