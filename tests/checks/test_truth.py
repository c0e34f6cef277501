"""Coverage and spread-skill of samplers that are calibrated, too narrow, or full of ties."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.truth import LEVELS, attainable, find_calibration, score_blocks


def score(samples, truth, seed: int = 0):
    return score_blocks(samples, truth, block=16, generator=np.random.default_rng(seed))


def draws(seed: int, *, count: int = 15, scale: float = 1.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(128, 128))
    return scale * generator.normal(size=(count, 128, 128)), truth


@pytest.mark.parametrize("count", [4, 8, 15, 16, 64])
def test_attainable_levels_are_those_of_order_statistics(count: int) -> None:
    for level in LEVELS:
        j, covers = attainable(count, level)
        assert 1 <= j <= count // 2
        assert covers == pytest.approx((count + 1 - 2 * j) / (count + 1))
        assert abs(covers - level) <= max(1 / (count + 1), level - (count - 1) / (count + 1))


@pytest.mark.parametrize("count", [8, 15, 64])
def test_a_calibrated_sampler_covers_what_it_should(count: int) -> None:
    samples, truth = draws(1, count=count)
    found = score(samples, truth)
    for index, level in enumerate(LEVELS):
        _, expected = attainable(count, level)
        assert found.coverage(index) == pytest.approx(expected, abs=0.01)
    assert found.spread_skill() == pytest.approx(1.0, abs=0.02)


def test_a_narrow_sampler_covers_too_little() -> None:
    samples, truth = draws(2, scale=0.5)
    found = score(samples, truth)
    assert found.coverage(2) < attainable(15, 0.9)[1] - 0.2
    assert found.spread_skill() < 0.6


def test_ties_are_broken_at_random() -> None:
    generator = np.random.default_rng(3)
    truth = generator.poisson(0.7, (128, 128)).astype(float)
    samples = generator.poisson(0.7, (15, 128, 128)).astype(float)
    found = score(samples, truth)
    for index, level in enumerate(LEVELS):
        assert found.coverage(index) == pytest.approx(attainable(15, level)[1], abs=0.012)


def test_edges_that_do_not_fill_a_block_count_too() -> None:
    generator = np.random.default_rng(4)
    found = score(generator.normal(size=(8, 37, 50)), generator.normal(size=(37, 50)))
    assert found.pixels.sum() == 37 * 50


def test_a_narrower_student_is_found() -> None:
    teacher, truth = draws(5)
    student = draws(6, scale=0.7)[0]
    findings = find_calibration(
        score(teacher, truth), score(student, truth), level=0.9, coupled=False
    )
    named = {finding.id: finding for finding in findings}
    assert named["coverage.90"].interval[1] < 0
    low, high = named["spread_skill.teacher"].interval
    assert low < 1 < high
    assert named["spread_skill.student"].interval[1] < 1


def test_interval_of_the_coverage_difference_holds_zero_for_equal_laws() -> None:
    held = []
    for seed in range(40):
        generator = np.random.default_rng(seed)
        truth = generator.normal(size=(64, 64))
        runs = [score(generator.normal(size=(8, 64, 64)), truth, seed) for _ in range(2)]
        low, high = find_calibration(*runs, level=0.9, coupled=False)[1].interval
        held.append(low <= 0 <= high)
    assert np.mean(held) >= 0.78
