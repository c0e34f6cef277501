"""Whole distributions: SciPy's numbers, permutations that hold their size, shifts where planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.stats.mstats import hdquantiles

from napari_posterior.checks.counted.distribution import (
    QUANTILES,
    compare_distributions,
    find_distribution,
)
from napari_posterior.errors import InputError


def compare(teacher, student, **options):
    return compare_distributions(
        teacher, student, **({"paired": False, "permutations": 199} | options)
    )


@pytest.mark.parametrize("law", ["counts", "normal"])
def test_the_distances_are_those_of_scipy(law: str) -> None:
    rng = np.random.default_rng(0)
    draw = rng.poisson if law == "counts" else rng.normal
    teacher, student = draw(4, size=30), draw(5, size=21)
    found = compare(teacher, student)
    assert found.wasserstein.value == pytest.approx(stats.wasserstein_distance(teacher, student))
    assert found.energy.value == pytest.approx(stats.energy_distance(teacher, student))
    other = stats.cramervonmises_2samp(teacher, student)
    assert found.cramer_von_mises.value == pytest.approx(other.statistic)
    u = stats.mannwhitneyu(student, teacher).statistic
    assert found.greater == pytest.approx(u / (30 * 21))


def test_the_p_values_are_those_of_scipys_permutation_test() -> None:
    rng = np.random.default_rng(1)
    teacher, student = rng.normal(size=20), rng.normal(0.6, 1, size=24)
    found = compare(teacher, student, permutations=1999)
    for one, distance in (
        (found.wasserstein, stats.wasserstein_distance),
        (found.energy, stats.energy_distance),
    ):
        theirs = stats.permutation_test(
            (teacher, student), distance, n_resamples=999, alternative="greater", rng=rng
        )
        assert one.p_value == pytest.approx(theirs.pvalue, abs=0.035)
        assert one.by_chance == pytest.approx(theirs.null_distribution.mean(), rel=0.1)


def test_the_p_value_of_pairs_is_that_of_exchanges_within_pairs() -> None:
    rng = np.random.default_rng(2)
    teacher = rng.normal(size=16)
    student = teacher + 0.15 * rng.normal(size=16) + 0.1
    found = compare(teacher, student, paired=True, permutations=1999)
    theirs = stats.permutation_test(
        (teacher, student),
        stats.wasserstein_distance,
        permutation_type="samples",
        n_resamples=1999,
        alternative="greater",
        rng=rng,
    )
    assert found.wasserstein.p_value == pytest.approx(theirs.pvalue, abs=0.04)
    assert found.wasserstein.p_value < compare(teacher, student).wasserstein.p_value


@pytest.mark.parametrize("paired", [False, True])
def test_one_law_is_seldom_called_different(paired: bool) -> None:
    rng, found = np.random.default_rng(3), []
    for _ in range(300):
        teacher = rng.poisson(3, 16)
        student = np.where(rng.random(16) < 0.7, teacher, rng.poisson(3, 16))
        if not paired:
            student = rng.poisson(3, 16)
        result = compare(teacher, student, paired=paired, permutations=99)
        found.append([result.wasserstein.p_value, result.energy.p_value,
                      result.cramer_von_mises.p_value, result.wasserstein.effect])  # fmt: skip
    table = np.array(found)
    assert (table[:, :3] <= 0.05).mean(0).max() <= 0.085
    assert abs(table[:, 3].mean()) < 3 * table[:, 3].std() / np.sqrt(300)


def test_a_shift_and_a_narrower_student_are_found() -> None:
    rng = np.random.default_rng(4)
    found = [
        [
            compare(rng.normal(size=48), law(31), permutations=99).energy.p_value <= 0.05
            for _ in range(60)
        ]
        for law in (lambda k: rng.normal(1, 1, k), lambda k: rng.normal(0, 0.3, k))
    ]
    assert np.mean(found, axis=1).min() > 0.9


def test_exchanging_the_runs_keeps_the_distances_and_mirrors_the_rest() -> None:
    rng = np.random.default_rng(5)
    teacher, student = rng.poisson(9, 40), rng.poisson(11, 64)
    one, other = compare(teacher, student), compare(student, teacher)
    assert one.wasserstein.value == pytest.approx(other.wasserstein.value)
    assert one.greater == pytest.approx(1 - other.greater)
    assert one.greater_interval == pytest.approx([1 - e for e in other.greater_interval[::-1]])
    for a, b in zip(one.quantiles, other.quantiles, strict=True):
        assert a.shift == pytest.approx(-b.shift)


@pytest.mark.parametrize("paired", [False, True])
def test_the_order_of_the_samples_does_not_matter(paired: bool) -> None:
    rng = np.random.default_rng(6)
    teacher, student = rng.poisson(9, 40), rng.poisson(11, 40)
    order = rng.permutation(40)
    other = order if paired else rng.permutation(40)
    assert compare(teacher, student, paired=paired) == compare(
        teacher[order], student[other], paired=paired
    )


CASES = {
    "equal": (lambda r, k: r.normal(size=k), lambda r, k: r.normal(size=k), 0.5),
    "narrow and higher": (
        lambda r, k: r.normal(size=k),
        lambda r, k: r.normal(1, 0.5, k),
        float(stats.norm.cdf(1 / np.sqrt(1.25))),
    ),
    "rare": (
        lambda r, k: r.random(k) < 0.1,
        lambda r, k: r.random(k) < 0.02,
        0.5 + (0.02 - 0.1) / 2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_interval_of_which_is_larger_holds_it(case: str) -> None:
    first, second, share = CASES[case]
    rng, held = np.random.default_rng(7), []
    for _ in range(300):
        found = compare(first(rng, 24), second(rng, 20), permutations=1)
        held.append(found.greater_interval[0] <= share <= found.greater_interval[1])
    assert 0.86 <= np.mean(held) <= (1.0 if case == "rare" else 0.96)


def test_the_interval_of_which_is_larger_holds_it_in_pairs_and_stays_unbiased() -> None:
    rng, held, shares = np.random.default_rng(8), [], []
    truth = float(stats.norm.cdf(0.5 / np.sqrt(2)))
    for _ in range(300):
        teacher = rng.normal(size=24)
        student = 0.9 * teacher + np.sqrt(1 - 0.81) * rng.normal(size=24) + 0.5
        found = compare(teacher, student, paired=True, permutations=1)
        shares.append(found.greater)
        held.append(found.greater_interval[0] <= truth <= found.greater_interval[1])
    assert np.mean(shares) == pytest.approx(truth, abs=0.01)
    assert np.mean(held) >= 0.9


def test_runs_wholly_apart_leave_room() -> None:
    found = compare(np.arange(16.0), np.arange(16.0) + 100)
    assert found.greater == 1
    assert 0.8 < found.greater_interval[0] < 0.95
    assert found.greater_interval[1] == 1


def test_quantile_shifts_are_those_of_harrell_and_davis_in_a_band() -> None:
    rng = np.random.default_rng(9)
    teacher, student = rng.normal(size=64), rng.normal(size=40) * 2
    found = compare(teacher, student)
    theirs = [np.asarray(hdquantiles(v, prob=QUANTILES)) for v in (teacher, student)]
    np.testing.assert_allclose([q.teacher for q in found.quantiles], theirs[0])
    np.testing.assert_allclose([q.shift for q in found.quantiles], theirs[1] - theirs[0])
    for one, planted in zip(found.quantiles, stats.norm.ppf(QUANTILES), strict=True):
        assert one.low <= one.shift <= one.high
        assert one.low - 0.2 < planted < one.high + 0.2
    assert compare(teacher[:31], student).quantiles == ()


def test_the_band_of_the_median_holds_the_shift() -> None:
    rng, held, widths = np.random.default_rng(10), [], []
    for repeat in range(60):
        teacher = rng.normal(size=32)
        student = teacher + 0.4 * rng.normal(size=32) + 1
        middle = compare(teacher, student, paired=True, permutations=1).quantiles[2]
        held.append(middle.low <= 1 <= middle.high)
        if repeat < 10:
            apart = compare(teacher, student, permutations=1).quantiles[2]
            widths.append((middle.high - middle.low) / (apart.high - apart.low))
    assert np.mean(held) >= 0.8  # of .90, less 2.5 standard errors
    assert np.mean(widths) < 0.8


def test_values_that_are_all_the_same_are_no_difference() -> None:
    found = compare(np.full(40, 3.0), np.full(40, 3.0))
    assert (found.wasserstein.value, found.energy.p_value) == (0.0, 1.0)
    assert found.greater == 0.5


def test_the_finding_has_a_p_value_and_no_verdict() -> None:
    rng = np.random.default_rng(11)
    found = find_distribution(
        "puncta_count", "puncta count", "puncta", rng.poisson(9, 32), rng.poisson(20, 40),
        level=0.9, paired=False,
    )  # fmt: skip
    assert (found.id, found.kind, found.question) == ("puncta_count.distribution", "", "task")
    assert found.p_value == pytest.approx(0.001)
    assert found.estimate == pytest.approx(11, abs=2.5)
    assert found.interval == (None, None)
    assert "On this image" in found.sentence
    assert "300 samples" in found.notes[0]
    values = found.to_dict()
    assert len(values["extra"]["quantiles"]) == 5
    assert values["extra"]["energy"]["p_value"] == found.p_value


def test_values_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(InputError, match="two values"):
        compare(np.ones(1), np.ones(5))
    with pytest.raises(InputError, match="not finite"):
        compare(np.array([1.0, np.nan]), np.ones(5))
    with pytest.raises(InputError, match="pairs"):
        compare(np.ones(4), np.ones(5), paired=True)
