"""Coverage and spread-skill of samplers that are calibrated, too narrow, or full of ties."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_posterior.checks.known.rank_histogram import correlation_length
from napari_posterior.checks.known.truth import (
    LEVELS,
    attainable,
    find_calibration,
    fit_blocks,
    rank_pixels,
    score_blocks,
    sum_blocks,
)


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


def by_id(teacher, student, **options):
    found = find_calibration(teacher, student, **({"level": 0.9, "coupled": False} | options))
    return {one.id: one for one in found}


def test_ninety_percent_alone_gets_a_verdict_and_says_what_decides() -> None:
    teacher, truth = draws(7)
    named = by_id(score(teacher, truth), score(draws(8)[0], truth))
    assert {one.kind for one in named.values()} == {"", "coverage"}
    decides = named["coverage.90"]
    assert decides.kind == "coverage"
    assert decides.question == "calibration"
    assert decides.maps == ("misses",)
    assert not decides.untestable
    assert decides.evidence is not None
    tail = decides.evidence.below(decides.interval[1])
    assert tail == pytest.approx(0.05, abs=1e-6)
    assert all("On this image" in one.sentence for one in named.values())


def test_the_reference_is_held_to_its_own_nominal_coverage() -> None:
    teacher, truth = draws(9)
    narrow = draws(10, scale=0.6)[0]
    good, bad = (
        by_id(score(run, truth), score(teacher, truth))["reference.coverage"]
        for run in (teacher, narrow)
    )
    assert good.interval[0] < 0 < good.interval[1]
    assert bad.interval[1] < bad.extra["limits"][0]
    assert good.kind == bad.kind == ""
    assert bad.n_student == 0


def test_a_small_image_has_no_verdict_on_coverage() -> None:
    teacher, truth = draws(11)
    runs = [score(teacher[:, :64, :64], truth[:64, :64])] * 2
    assert "16 independent blocks" in by_id(*runs)["coverage.90"].untestable


def test_blocks_of_bands_and_planes_join_to_those_of_the_whole() -> None:
    generator = np.random.default_rng(12)
    truth = generator.normal(size=(2, 40, 50))
    samples = generator.normal(size=(6, 2, 40, 50))
    parts, whole = [], []
    for plane in range(2):
        whole.append(
            score_blocks(
                samples[:, plane], truth[plane], block=16, generator=generator, plane=plane
            )
        )
        for start in (0, 16, 32):
            rows = slice(start, start + 16)
            parts.append(
                score_blocks(
                    samples[:, plane, rows],
                    truth[plane, rows],
                    block=8,
                    generator=generator,
                    plane=plane,
                    start=start,
                )
            )
    found, expected = sum_blocks(parts).merge(2), sum_blocks(whole)
    assert found.side == expected.side == 16
    for name in ("pixels", "ranks", "places", "variance", "error", "covered"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name))


def test_ranks_given_are_those_scored() -> None:
    generator = np.random.default_rng(13)
    samples, truth = generator.normal(size=(9, 32, 32)), generator.normal(size=(32, 32))
    ranks = rank_pixels(samples, truth, generator=generator)
    np.testing.assert_array_equal(ranks, (samples < truth).sum(0))
    found = score_blocks(samples, truth, block=8, generator=generator, ranks=ranks)
    np.testing.assert_array_equal(found.ranks.sum(0), np.bincount(ranks.ravel(), minlength=10))


def test_without_each_block_in_turn_is_what_is_left_of_the_others() -> None:
    teacher, truth = draws(14)
    found = score(teacher, truth)
    keep = np.arange(len(found.pixels)) != 3
    assert found.coverage_without(1)[3] == pytest.approx(found.coverage(1, keep))
    assert found.spread_skill_without()[3] == pytest.approx(found.spread_skill(keep))


def test_interpolated_quantiles_cover_too_little_and_ranks_exactly_enough() -> None:
    generator = np.random.default_rng(15)
    for count, interpolated in ((8, 0.72), (16, 0.81), (32, 0.85), (64, 0.87)):
        samples, truth = generator.normal(size=(count, 100, 300)), generator.normal(size=(100, 300))
        low, high = np.quantile(samples, [0.05, 0.95], axis=0)
        assert ((low <= truth) & (truth <= high)).mean() == pytest.approx(interpolated, abs=0.012)
        exact = attainable(count, 0.9)[1]
        assert score(samples, truth).coverage(2) == pytest.approx(exact, abs=0.006)


def test_blocks_grow_with_the_correlation_and_keep_the_interval_right() -> None:
    held, pooled = [], []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        smooth = ndimage.gaussian_filter(
            generator.normal(size=(19, 128, 128)), (0, 2, 2), mode="wrap"
        )
        truth, runs = smooth[0], (smooth[1:10], smooth[10:])
        length = max(
            correlation_length(rank_pixels(run, truth, generator=generator)) for run in runs
        )
        for kept, blocks in ((held, length), (pooled, 0.1)):
            scores = [
                fit_blocks(score_blocks(run, truth, block=2, generator=generator), blocks)
                for run in runs
            ]
            low, high = by_id(*scores)["coverage.90"].interval
            kept.append(low <= 0 <= high)
        assert 3 < length < 6
    assert np.mean(held) >= 0.82
    assert np.mean(pooled) < np.mean(held) - 0.1


def test_a_single_block_has_estimates_without_intervals() -> None:
    teacher, truth = draws(16)
    named = by_id(*[score(teacher[:, :12, :12], truth[:12, :12])] * 2)
    for one in named.values():
        assert one.estimate is not None
        assert one.interval == (None, None)
