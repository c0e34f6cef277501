"""Welch, paired and jackknife intervals against SciPy and by coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.intervals import (
    jackknife_log_ratio,
    leave_one_out_variance,
    mean_difference,
)


def test_independent_difference_is_welch() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(5, 1, 12), generator.normal(6, 3, 20)
    found = mean_difference(a, b, level=0.9, paired=False)
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.9)
    assert found.interval == pytest.approx((expected.low, expected.high))


def test_paired_difference_is_the_one_sample_t() -> None:
    generator = np.random.default_rng(1)
    a = generator.normal(5, 1, 12)
    b = a + generator.normal(0.2, 0.1, 12)
    found = mean_difference(a, b, level=0.9, paired=True)
    expected = stats.ttest_1samp(b - a, 0).confidence_interval(0.9)
    assert found.interval == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("rate", [3.0, 40.0])
def test_interval_of_counts_holds_the_difference(rate: float) -> None:
    generator = np.random.default_rng(2)
    held = []
    for _ in range(600):
        found = mean_difference(
            generator.poisson(rate, 16), generator.poisson(1.2 * rate, 24), level=0.9, paired=False
        )
        held.append(found.interval[0] <= 0.2 * rate <= found.interval[1])
    assert 0.86 <= np.mean(held) <= 0.94


def test_swapping_flips_the_sign_only() -> None:
    a, b = np.array([1.0, 3.0, 4.0]), np.array([2.0, 7.0, 5.0, 6.0])
    forth = mean_difference(a, b, level=0.9, paired=False)
    back = mean_difference(b, a, level=0.9, paired=False)
    assert forth.value == pytest.approx(-back.value)
    assert forth.interval == pytest.approx((-back.interval[1], -back.interval[0]))


def test_values_that_do_not_vary_have_an_interval_without_width() -> None:
    found = mean_difference(np.full(5, 3.0), np.full(6, 4.0), level=0.9, paired=False)
    assert found.interval == (1.0, 1.0)


def test_leave_one_out_variance() -> None:
    x = np.random.default_rng(3).normal(size=7)
    expected = [np.delete(x, i).var(ddof=1) for i in range(7)]
    np.testing.assert_allclose(leave_one_out_variance(x), expected)


def test_a_variance_that_one_sample_makes_has_no_interval() -> None:
    x = np.array([1.0, 1, 1, 1, 2])
    one = (float(x.var(ddof=1)), leave_one_out_variance(x))
    found = jackknife_log_ratio(one, one, level=0.9, paired=False)
    assert found.value == pytest.approx(1)
    assert found.interval == (None, None)
