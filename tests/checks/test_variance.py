"""The variance ratio: recovers what was planted, with intervals that hold it."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import GramAccumulator
from napari_posterior.checks.spread.variance import (
    find_variance_ratio,
    log2_variance_ratio_map,
    variance_ratio,
)


def gram_of(teacher, student):
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def draw(generator, law: str, shape):
    if law == "t5":
        return generator.standard_t(5, size=shape) / np.sqrt(5 / 3)
    if law == "brightness":  # every sample has its own brightness
        return generator.normal(size=shape) * generator.gamma(10, 0.1, (shape[0], 1))
    return generator.normal(size=shape)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.6])
def test_planted_ratio_is_recovered(ratio: float) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(32, 4000)), generator.normal(size=(20, 4000))
    estimate = variance_ratio(gram_of(x, y * np.sqrt(ratio)), level=0.9, paired=False)
    assert estimate.value == pytest.approx(ratio, rel=0.03)
    assert estimate.interval[0] < ratio < estimate.interval[1]


@pytest.mark.parametrize("law", ["gaussian", "t5", "brightness"])
def test_interval_holds_the_ratio(law: str) -> None:
    generator = np.random.default_rng(1)
    held = []
    for _ in range(400):
        teacher, student = draw(generator, law, (16, 60)), draw(generator, law, (24, 60))
        gram = gram_of(teacher, student * np.sqrt(0.8))
        low, high = variance_ratio(gram, level=0.9, paired=False).interval
        held.append(low <= 0.8 <= high)
    assert 0.85 <= np.mean(held) <= 0.96


def test_paired_interval_holds_the_ratio_and_is_narrower() -> None:
    generator = np.random.default_rng(2)
    held, widths = [], []
    for _ in range(300):
        teacher = generator.normal(size=(16, 60))
        student = 0.9 * (0.9 * teacher + np.sqrt(1 - 0.81) * generator.normal(size=(16, 60)))
        gram = gram_of(teacher, student)
        paired = variance_ratio(gram, level=0.9, paired=True).interval
        alone = variance_ratio(gram, level=0.9, paired=False).interval
        held.append(paired[0] <= 0.81 <= paired[1])
        widths.append((paired[1] - paired[0]) / (alone[1] - alone[0]))
    assert 0.85 <= np.mean(held) <= 0.96
    assert np.median(widths) < 0.7


def test_swapping_the_runs_inverts_the_ratio() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=(12, 80)), generator.normal(0, 1.4, size=(9, 80))
    forth = variance_ratio(gram_of(a, b), level=0.9, paired=False)
    back = variance_ratio(gram_of(b, a), level=0.9, paired=False)
    assert forth.value == pytest.approx(1 / back.value)
    assert forth.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]))


def test_equal_samples_have_ratio_one() -> None:
    x = np.random.default_rng(4).normal(size=(8, 30))
    estimate = variance_ratio(gram_of(x, x), level=0.9, paired=True)
    assert estimate.interval == pytest.approx((1, 1))


def test_a_student_without_spread_is_said_to_give_one_image() -> None:
    x = np.random.default_rng(5).normal(size=(8, 30))
    finding = find_variance_ratio(gram_of(x, np.ones((8, 30))), level=0.9, paired=False)
    assert finding.estimate == 0
    assert finding.interval == (0, 0)
    assert "not draws" in finding.sentence


def test_map_is_log2_of_the_ratio_and_blank_where_both_are_certain() -> None:
    teacher, student = np.full((20, 20), 2.0), np.full((20, 20), 1.0)
    teacher[:3], student[:3] = 1e-3, 1e-3
    found = log2_variance_ratio_map(teacher, student)
    assert np.isnan(found[:3]).all()
    np.testing.assert_allclose(found[3:], -2.0)


def test_smoothing_averages_variances_before_the_ratio() -> None:
    generator = np.random.default_rng(6)
    sd = [generator.normal(size=(12, 80, 80)).std(0, ddof=1) for _ in range(2)]
    rough, smooth = (log2_variance_ratio_map(*sd, smoothing=s) for s in (0.0, 3.0))
    assert smooth.std() < 0.2 * rough.std()
    assert smooth.mean() == pytest.approx(0, abs=0.03)


def test_finding_carries_what_a_verdict_needs() -> None:
    generator = np.random.default_rng(7)
    x, y = generator.normal(size=(2, 24, 200))
    finding = find_variance_ratio(gram_of(x, y * np.sqrt(0.6)), level=0.9, paired=False)
    assert (finding.question, finding.kind) == ("variance", "variance")
    assert finding.p_value < 0.01
    low, high = finding.interval
    assert finding.evidence.above(low) == pytest.approx(0.05, abs=1e-6)
    assert finding.evidence.below(high) == pytest.approx(0.05, abs=1e-6)
