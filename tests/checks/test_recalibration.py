"""The recalibration factor holds what it promises on images that it has not seen."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.known.recalibration import (
    control_risk,
    fewest_images,
    hoeffding_bentkus,
    needed_factors,
    recalibrate,
)
from napari_posterior.errors import InputError


def image(generator, *, narrow: float = 0.5, pixels: int = 400) -> np.ndarray:
    """Factors of one image whose bars of 90 % are `narrow` times what they should be."""
    own = narrow * np.exp(generator.normal(0, 0.2))  # images differ
    truth = generator.normal(size=pixels)
    return needed_factors(np.zeros(pixels), 1.645 * own, truth)


def test_needed_factors_bring_the_end_of_the_interval_to_the_known_value() -> None:
    found = needed_factors(
        np.array([1.0, 1, 1, 1]), np.array([2.0, 2, 0, 0]), np.array([5.0, 0, 1, 2])
    )
    np.testing.assert_array_equal(found, [2, 0.5, 0, math.inf])


@pytest.mark.parametrize(("target", "least"), [(0.1, 9), (0.2, 4), (0.05, 19)])
def test_the_fewest_images_are_those_with_which_no_miss_is_enough(
    target: float, least: int
) -> None:
    assert fewest_images(target) == least
    assert control_risk(np.zeros(least), target)
    assert not control_risk(np.zeros(least - 1), target)


def test_conformal_control_keeps_the_mean_miss_on_new_images() -> None:
    generator = np.random.default_rng(0)
    misses, factors = [], []
    for _ in range(150):
        found = recalibrate([image(generator) for _ in range(12)])
        factors.append(found.factor)
        misses.append(np.mean([(image(generator) > found.factor).mean() for _ in range(10)]))
    assert np.mean(misses) <= 0.1 + 3 * np.std(misses) / math.sqrt(150)
    # and no wider than it has to be: 1 / (n + 1) is left
    assert np.mean(misses) >= 0.02
    assert np.median(factors) > 2


def test_strict_control_keeps_the_miss_with_high_probability() -> None:
    generator = np.random.default_rng(1)
    fresh = np.concatenate([image(generator) for _ in range(2000)])
    over = []
    for _ in range(60):
        found = recalibrate([image(generator, pixels=100) for _ in range(60)], strict=True)
        over.append((fresh > found.factor).mean() > 0.1)
    assert np.mean(over) <= 0.1


def test_strict_factors_are_wider() -> None:
    generator = np.random.default_rng(2)
    images = [image(generator) for _ in range(60)]
    plain, strict = recalibrate(images), recalibrate(images, strict=True)
    assert strict.factor > plain.factor > 1
    assert "with probability 90 %" in strict.sentence
    assert "on average" in plain.sentence


def test_wide_bars_are_narrowed() -> None:
    generator = np.random.default_rng(3)
    assert recalibrate([image(generator, narrow=3) for _ in range(30)]).factor < 1


def test_the_factor_is_the_smallest_that_holds() -> None:
    generator = np.random.default_rng(4)
    images = [image(generator) for _ in range(20)]
    found = recalibrate(images)
    shares = [
        np.array([(one > f).mean() for one in images]) for f in (found.factor, 0.999 * found.factor)
    ]
    assert control_risk(shares[0], 0.1)
    assert not control_risk(shares[1], 0.1)
    assert found.miss == pytest.approx(shares[0].mean())


def test_bars_of_no_width_have_no_factor() -> None:
    found = recalibrate([np.full(10, math.inf)] * 10)
    assert math.isinf(found.factor)
    assert "no factor" in found.sentence


def test_the_bound_is_a_p_value_of_coins() -> None:
    # coins are the least favourable law, whose exact p-value the bound must not be below
    for hits in range(0, 12):
        exact = stats.binom.cdf(hits, 100, 0.1)
        assert hoeffding_bentkus(hits / 100, 100, 0.1) >= exact - 1e-12
    assert hoeffding_bentkus(0.0, 100, 0.1) == pytest.approx(0.9**100)
    assert hoeffding_bentkus(0.3, 100, 0.1) == 1.0


def test_too_few_images_are_told_how_many_it_takes() -> None:
    with pytest.raises(InputError, match="give 9 or more"):
        recalibrate([np.ones(4)] * 8)


@pytest.mark.parametrize("bad", [np.empty(0), np.array([1.0, np.nan])])
def test_images_that_cannot_be_used_are_refused(bad) -> None:
    with pytest.raises(InputError, match="leave it out"):
        recalibrate([np.ones(4)] * 9 + [bad])


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1])
def test_a_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        recalibrate([np.ones(4)] * 20, target=target)
