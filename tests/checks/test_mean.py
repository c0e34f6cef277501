"""The mean gap: unbiased, and its interval holds the gap as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.affine import explain_gap
from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.mean import find_mean_gap, gap_squared, mean_gap

PIXELS = 120


def gram_of(teacher, student):
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def experiments(gap: float, *, count: int, k: tuple[int, int], rho: float = 0.0, seed: int = 0):
    """Gram matrices of Gaussian runs whose means are `gap` posterior SD apart."""
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=PIXELS)
    direction *= gap * np.sqrt(PIXELS) / np.linalg.norm(direction)
    for _ in range(count):
        teacher = generator.normal(size=(k[0], PIXELS))
        student = generator.normal(size=(k[1], PIXELS))
        if rho:
            student = rho * teacher + np.sqrt(1 - rho**2) * student
        yield gram_of(teacher, student + direction)


@pytest.mark.parametrize("gap", [0.0, 0.15, 0.4])
def test_squared_gap_is_unbiased(gap: float) -> None:
    found = [gap_squared(g) for g in experiments(gap, count=400, k=(8, 12), seed=1)]
    se = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - gap**2 * PIXELS) < 3 * se


@pytest.mark.parametrize(("gap", "k"), [(0.0, (16, 16)), (0.15, (16, 32)), (0.4, (12, 12))])
def test_interval_holds_the_gap(gap: float, k: tuple[int, int]) -> None:
    held = []
    for gram in experiments(gap, count=300, k=k, seed=2):
        low, high = mean_gap(gram, level=0.9, paired=False).interval
        held.append(low <= gap <= high)
    assert np.mean(held) >= 0.87


@pytest.mark.parametrize("gap", [0.0, 0.15])
def test_paired_interval_holds_the_gap_and_is_narrower(gap: float) -> None:
    held, widths = [], []
    apart = experiments(gap, count=300, k=(16, 16), seed=4)
    together = experiments(gap, count=300, k=(16, 16), rho=0.9, seed=3)
    for gram, other in zip(together, apart, strict=True):
        alone = mean_gap(other, level=0.9, paired=False).interval
        paired = mean_gap(gram, level=0.9, paired=True).interval
        held.append(paired[0] <= gap <= paired[1])
        widths.append([high - low for low, high in (paired, alone)])
    assert np.mean(held) >= 0.87
    assert np.median(widths, 0)[0] < 0.6 * np.median(widths, 0)[1]


def spectral_runs(sds, shift, *, k: tuple[int, int], rho: float | None, count: int, seed: int):
    """Gram matrices of Gaussian runs with these SDs, the means `shift` apart."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        teacher = sds * generator.normal(size=(k[0], len(sds)))
        student = sds * generator.normal(size=(k[1], len(sds)))
        if rho:
            student = rho * teacher + np.sqrt(1 - rho**2) * student
        rows = np.concatenate([teacher, student + shift])
        yield Gram(rows @ rows.T, *k, len(sds))


FLAT = np.ones(100)
STEEP = np.arange(1, 201) ** -0.38  # 53 effective dimensions


def along(sds, mode: int | None, gap: float):
    """A shift of `gap` posterior SD along one mode, or spread evenly over all."""
    shift = np.full(len(sds), len(sds) ** -0.5) if mode is None else np.eye(len(sds))[mode]
    return gap * np.sqrt((sds**2).sum()) * shift


def share_missed(sds, mode, gap, *, k, rho=None, tail=0.05, count=400, seed=21):
    """How often the interval ends below the gap, and how often it begins above it."""
    runs = spectral_runs(sds, along(sds, mode, gap), k=k, rho=rho, count=count, seed=seed)
    ends = np.array(
        [mean_gap(gram, level=1 - 2 * tail, paired=rho is not None).interval for gram in runs]
    )
    return np.mean(ends[:, 1] < gap), np.mean(ends[:, 0] > gap)


@pytest.mark.parametrize(
    ("sds", "mode", "gap", "k"),
    [
        (FLAT, None, 0.4, (16, 16)),
        (FLAT, None, 0.4, (16, 64)),
        (FLAT, None, 0.8, (32, 32)),
        (STEEP, 0, 0.4, (32, 32)),
        (STEEP, None, 0.8, (64, 16)),
        (STEEP, -1, 0.8, (64, 64)),
    ],
)
def test_interval_of_independent_runs_holds_the_gap_as_often_as_it_says(sds, mode, gap, k) -> None:
    assert 0.86 <= 1 - sum(share_missed(sds, mode, gap, k=k)) <= 0.95


@pytest.mark.parametrize(
    ("sds", "mode", "gap", "k", "rho"),
    [
        (FLAT, None, 0.2, 32, 0.5),
        (FLAT, None, 0.4, 16, 0.9),
        (FLAT, None, 0.8, 32, 0.9),
        (STEEP, 0, 0.4, 32, 0.9),
        (STEEP, -1, 0.8, 64, 0.9),
    ],
)
def test_interval_of_pairs_holds_the_gap_as_often_as_it_says(sds, mode, gap, k, rho) -> None:
    assert 0.86 <= 1 - sum(share_missed(sds, mode, gap, k=(k, k), rho=rho)) <= 0.95


@pytest.mark.parametrize("rho", [None, 0.9])
def test_a_gap_along_the_strongest_mode_is_rarely_taken_for_a_larger_one(rho) -> None:
    gap = 0.2 if rho is None else 0.1
    low, high = share_missed(STEEP, 0, gap, k=(16, 16), rho=rho, tail=0.0122, count=1000)
    assert low <= 0.025
    assert high <= 0.025  # .04 by a normal law of U, which is skewed


def test_runs_of_one_law_are_compatible_with_no_gap() -> None:
    lows = [
        mean_gap(g, level=0.9, paired=False).interval[0]
        for g in experiments(0.0, count=200, k=(16, 16), seed=4)
    ]
    assert np.mean(np.array(lows) == 0) >= 0.9


def test_equal_samples_have_no_gap() -> None:
    x = np.random.default_rng(5).normal(size=(8, 30))
    estimate = mean_gap(gram_of(x, x), level=0.9, paired=True)
    assert estimate.value == pytest.approx(0, abs=1e-6)
    assert estimate.interval == pytest.approx((0, 0), abs=1e-6)


def test_squared_gap_does_not_change_when_the_runs_are_swapped() -> None:
    generator = np.random.default_rng(6)
    a, b = generator.normal(size=(6, 40)), generator.normal(0.3, 1.5, size=(9, 40))
    assert gap_squared(gram_of(a, b)) == pytest.approx(gap_squared(gram_of(b, a)))


def test_a_teacher_without_spread_gives_no_estimate_and_says_so() -> None:
    x = np.random.default_rng(7).normal(size=(8, 30))
    finding = find_mean_gap(gram_of(np.ones((8, 30)), x), level=0.9, paired=False, rho=None)
    assert finding.estimate is None
    assert "do not vary" in finding.sentence


def test_finding_carries_what_a_verdict_needs() -> None:
    gram = next(experiments(0.4, count=1, k=(24, 24), seed=8))
    finding = find_mean_gap(gram, level=0.9, paired=False, rho=None)
    assert (finding.question, finding.kind, finding.distance) == ("mean", "mean", True)
    assert finding.p_value < 0.01
    low, high = finding.interval
    # the ends of the interval are where the evidence has the p-value of a tail
    assert finding.evidence.above(low) == pytest.approx(0.05, abs=1e-6)
    assert finding.evidence.below(high) == pytest.approx(0.05, abs=1e-6)


def means_of(*runs):
    return [run.mean(0) for run in runs]


@pytest.mark.parametrize("paired", [False, True])
def test_a_change_of_brightness_is_recovered_and_taken_out(paired: bool) -> None:
    found = []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        image = generator.gamma(2.0, 1.0, 400)
        noise = generator.normal(size=(2, 12, 400))
        if paired:
            noise[1] = 0.9 * noise[0] + np.sqrt(0.19) * noise[1]
        teacher, student = image + noise[0], 1.3 * image - 0.5 + noise[1]
        gram = gram_of(teacher, student)
        line = explain_gap(gram, *means_of(teacher, student), paired=paired)
        found.append((line.gain, line.offset, line.gap, line.left, line.explains))
    gain, offset, gap, left, explains = np.mean(found, 0)
    # without the correction for noise in the teacher's mean the gain would be 1.25
    assert gain == pytest.approx(1.3, abs=0.012)
    assert offset == pytest.approx(-0.5, abs=0.04)
    assert gap == pytest.approx(np.sqrt(np.mean((0.3 * 2 - 0.5) ** 2) + 0.09 * 2), abs=0.03)
    assert left < 0.12
    assert explains == 1


def test_brightness_is_told_and_does_not_change_the_estimate() -> None:
    generator = np.random.default_rng(9)
    image = generator.gamma(2.0, 1.0, 400)
    teacher, student = generator.normal(size=(2, 24, 400)) + image
    student = student + 0.3 * image
    gram = gram_of(teacher, student)
    line = explain_gap(gram, *means_of(teacher, student), paired=False)
    told = find_mean_gap(gram, level=0.9, paired=False, rho=None, brightness=line)
    plain = find_mean_gap(gram, level=0.9, paired=False, rho=None)
    assert "change of brightness" in told.notes[0]
    assert told.extra["brightness"]["gain"] == pytest.approx(1.3, abs=0.05)
    assert told.interval == plain.interval
    assert plain.notes == ()


def test_a_change_of_form_is_not_put_down_to_brightness() -> None:
    generator = np.random.default_rng(10)
    image = generator.gamma(2.0, 1.0, 400)
    teacher, student = generator.normal(size=(2, 24, 400)) + image
    student = student + 0.4 * np.sign(generator.normal(size=400))
    gram = gram_of(teacher, student)
    line = explain_gap(gram, *means_of(teacher, student), paired=False)
    assert not line.explains
    finding = find_mean_gap(gram, level=0.9, paired=False, rho=None, brightness=line)
    assert finding.notes == ()


def test_means_of_other_pixels_are_refused() -> None:
    x = np.random.default_rng(11).normal(size=(8, 30))
    with pytest.raises(ValueError, match="pixels"):
        explain_gap(gram_of(x, x), np.ones(20), np.ones(20), paired=False)
