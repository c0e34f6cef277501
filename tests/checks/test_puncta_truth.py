"""Probabilities of puncta against known ones, with scores that do not depend on K."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.known.puncta_truth import (
    fair_brier,
    fair_crps,
    judge_sites,
    reliability,
)
from napari_posterior.errors import InputError
from napari_posterior.statistics import pool_sites


def test_sites_are_matched_and_missed_puncta_count_with_probability_zero() -> None:
    near, far, false = np.array([[5.0, 5.0]]), np.array([[20.0, 20.0]]), np.array([[40.0, 5.0]])
    teacher = [np.concatenate([near, far])] * 3 + [near]
    student = [np.concatenate([near, false])] * 2
    known = np.concatenate([near + 0.4, far, [[30.0, 30.0]]])
    found = judge_sites(pool_sites(teacher, student), known)
    assert found.missed == 1
    rows = sorted(zip(found.teacher, found.student, found.there, strict=True))
    assert rows == [(0.0, 0.0, True), (0.0, 1.0, False), (0.75, 0.0, True), (1.0, 1.0, True)]
    assert (found.n_teacher, found.n_student) == (4, 2)


def test_reliable_probabilities_lie_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    p = generator.uniform(size=5000)
    found = reliability(p, generator.uniform(size=5000) < p)
    np.testing.assert_allclose(found.found, found.probability, atol=0.04)
    assert ((found.low <= found.probability) & (found.probability <= found.high)).sum() >= 4
    assert found.count.sum() == 5000


def test_bins_at_both_ends_and_empty_ones() -> None:
    found = reliability(np.array([0.0, 0.0, 1.0]), np.array([False, True, True]), bins=4)
    np.testing.assert_array_equal(found.count, [2, 0, 0, 1])
    np.testing.assert_array_equal(found.found, [0.5, np.nan, np.nan, 1.0])
    assert (found.low[1], found.high[1]) == (0.0, 1.0)


def test_fair_brier_does_not_depend_on_the_samples_and_the_plain_one_does() -> None:
    generator = np.random.default_rng(1)
    truth = generator.beta(0.5, 0.5, 40_000)
    there = generator.uniform(size=truth.size) < truth
    expected = (truth * (1 - truth)).mean()
    fair, plain = [], []
    for count in (4, 16):
        p = generator.binomial(count, truth) / count
        fair.append(fair_brier(p, there, count).mean())
        plain.append(((p - there) ** 2).mean())
    assert fair == pytest.approx([expected, expected], abs=0.004)
    assert plain[0] > expected + 0.02


def test_fair_crps_does_not_depend_on_the_samples_and_is_least_of_the_right_law() -> None:
    generator = np.random.default_rng(2)
    known = generator.normal(size=20_000)
    found = {
        (count, scale): fair_crps(scale * generator.normal(size=(count, known.size)), known).mean()
        for count in (4, 32)
        for scale in (0.5, 1.0, 2.0)
    }
    # of a Gaussian: sd / sqrt(pi)
    assert found[4, 1.0] == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)
    assert found[32, 1.0] == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)
    assert found[4, 1.0] < min(found[4, 0.5], found[4, 2.0]) - 0.02


def test_fair_crps_is_that_of_its_definition() -> None:
    x = np.random.default_rng(3).normal(size=7)
    apart = np.abs(x[:, None] - x).sum() / (2 * 7 * 6)
    assert fair_crps(x, 0.3) == pytest.approx(np.abs(x - 0.3).mean() - apart)


def test_one_sample_has_no_fair_score() -> None:
    with pytest.raises(InputError, match="2 or more"):
        fair_brier(np.array([0.5]), np.array([True]), 1)
    with pytest.raises(InputError, match="2 or more"):
        fair_crps(np.array([0.5]), 1.0)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        reliability(np.array([1.2]), np.array([True]))
