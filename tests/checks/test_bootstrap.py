"""Bootstrap intervals of medians and ratios: SciPy's, and they hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.counted.bootstrap import bootstrap, find_median


def median_gap(teacher, student, axis=-1):
    return np.median(student, axis=axis) - np.median(teacher, axis=axis)


def mean_ratio(teacher, student, axis=-1):
    return student.mean(axis=axis) / teacher.mean(axis=axis)


def poisson(mean):
    return lambda rng, k: rng.poisson(mean, k).astype(float)


def rare_jump(chance):
    return lambda rng, k: 20 + 5.0 * (rng.random(k) < chance)


def exponential(mean):
    return lambda rng, k: rng.exponential(mean, k)


def find(teacher, student, *, paired=False):
    return find_median("h", "height", "µm", teacher, student, level=0.9, paired=paired)


def test_a_shift_of_the_median_is_found_whatever_the_outliers() -> None:
    rng = np.random.default_rng(0)
    teacher, student = rng.normal(10, 1, 40), rng.normal(12, 1, 48)
    student[:3] = 1000
    found = find(teacher, student)
    assert found.estimate == pytest.approx(np.median(student) - np.median(teacher))
    # the mean is 62 higher; three of 48 move the median by a sixteenth of the samples
    assert 1.3 < found.interval[0] < found.estimate < found.interval[1] < 3.2
    assert (found.id, found.kind, found.question) == ("h.median", "", "task")
    assert found.method == "BCa bootstrap of samples, 2000 resamples"
    assert found.sentence.startswith("On this image the median height is")


def test_the_order_of_the_samples_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    teacher, student = rng.gamma(2, size=(2, 40))
    there, back = (
        bootstrap(*runs, mean_ratio, level=0.9, paired=False).interval
        for runs in ((teacher, student), (teacher[::-1], rng.permutation(student)))
    )
    assert there == pytest.approx(back, rel=1e-12)


def test_pairs_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    teacher = rng.normal(50, 10, 40)
    student = teacher + rng.normal(1, 0.5, 40)
    paired, apart = (
        bootstrap(teacher, student, mean_ratio, level=0.9, paired=one).interval
        for one in (True, False)
    )
    assert paired[1] - paired[0] < 0.1 * (apart[1] - apart[0])
    assert paired[0] < 1.02 < paired[1]
    assert "pairs" in find(teacher, student, paired=True).method


def test_fewer_than_32_samples_of_a_run_are_not_resampled() -> None:
    rng = np.random.default_rng(3)
    teacher, student = rng.normal(size=31), rng.normal(size=64)
    assert find(teacher, student) is None
    found = bootstrap(teacher, student, median_gap, level=0.9, paired=False)
    assert found.interval == (None, None)


def test_medians_that_no_sample_moves_have_a_percentile_interval_and_no_warning() -> None:
    rng = np.random.default_rng(4)
    teacher, student = rare_jump(0.05)(rng, 40), rare_jump(0.05)(rng, 40)
    found = find(teacher, student)
    assert found.estimate == 0
    assert found.interval == (0, 0)
    assert found.method.startswith("percentile bootstrap")
    assert "resampling never moves it" in found.sentence


def test_a_ratio_to_a_mean_near_zero_is_not_given() -> None:
    rng = np.random.default_rng(5)
    near, away = (
        find(rng.normal(size=(40)), rng.normal(size=40)),
        find(rng.normal(9, 1, 40), rng.normal(9, 1, 40)),
    )
    assert "mean_ratio" not in near.extra
    assert away.extra["mean_ratio_interval"][0] < away.extra["mean_ratio"]
    assert "times the teacher's" in away.sentence
    assert "times the teacher's" not in near.sentence


@pytest.mark.slow
@pytest.mark.parametrize("count", [32, 64])
@pytest.mark.parametrize(
    ("laws", "gap", "ratio"),
    [
        ((poisson(3), poisson(3)), 0, 1),
        ((poisson(40), poisson(44)), 4, 1.1),
        ((rare_jump(0.1), rare_jump(0.1)), 0, 1),
        ((rare_jump(0.1), rare_jump(0.3)), 0, 21.5 / 20.5),
        ((exponential(1), exponential(2)), np.log(2), 2),
    ],
    ids=["few", "many", "rare jumps", "other jumps", "lopsided"],
)
def test_intervals_hold_the_median_gap_and_the_ratio(laws, gap, ratio, count) -> None:
    rng = np.random.default_rng(6)
    held = []
    for seed in range(250):
        runs = laws[0](rng, count), laws[1](rng, count)
        low, high = bootstrap(*runs, median_gap, level=0.9, paired=False, seed=seed).interval
        first, last = bootstrap(*runs, mean_ratio, level=0.9, paired=False, seed=seed).interval
        held.append((low <= gap <= high, first <= ratio <= last))
    # of counts the medians are coarse, and their intervals hold more often
    assert np.mean(held, axis=0)[0] >= 0.85
    assert 0.82 <= np.mean(held, axis=0)[1] <= 0.96
