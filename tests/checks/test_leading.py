"""The largest variations: no winner's curse, intervals that hold, planted changes found."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.detail import detail_of
from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.spread.leading import LEADING, compare_leading, find_leading

POWER = np.arange(1, 401) ** -0.5


def gram_of(teacher, student) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def draw(generator, count, scale=POWER):
    return generator.normal(size=(count, len(POWER))) * scale


def chosen_and_measured_alike(teacher, student) -> float:
    """What the ratio would be along directions that the measured samples have chosen."""
    _, _, axes = np.linalg.svd(teacher - teacher.mean(0), full_matrices=False)
    both = [(one - one.mean(0)) @ axes[:LEADING].T for one in (teacher, student)]
    return np.sqrt(both[1].var() / both[0].var())


def test_two_runs_of_one_law_agree_where_one_choice_would_call_the_student_narrow() -> None:
    generator = np.random.default_rng(0)
    found, naive = [], []
    for _ in range(40):
        runs = draw(generator, 32), draw(generator, 32)
        found.append(find_leading(gram_of(*runs), level=0.9, paired=False)[0].estimate)
        naive.append(chosen_and_measured_alike(*runs))
    error = np.std(np.log(found)) / np.sqrt(40)
    assert np.mean(np.log(found)) == pytest.approx(0.0, abs=3 * error)
    assert np.mean(naive) < 0.8


def test_pairs_agree_too_although_the_student_varies_with_the_choice() -> None:
    generator = np.random.default_rng(1)
    logs, widths = [], []
    for _ in range(30):
        x = draw(generator, 24)
        y = 0.95 * x + np.sqrt(1 - 0.95**2) * draw(generator, 24)
        gram = gram_of(x, y)
        paired, apart = (compare_leading(gram, level=0.9, paired=one) for one in (True, False))
        logs.append([np.log(one.together.value) for one in (paired, apart)])
        widths.append([one.together.se for one in (paired, apart)])
    error = np.std(logs, axis=0) / np.sqrt(30)
    assert abs(np.mean(logs, axis=0)[0]) < 3 * error[0]
    # partners of the samples that chose are as lucky as these
    assert np.mean(logs, axis=0)[1] > 5 * error[1]
    assert np.mean(widths, axis=0)[0] < 0.5 * np.mean(widths, axis=0)[1]


@pytest.mark.parametrize("changed", [slice(0, 1), slice(0, 5)], ids=["the first", "all five"])
def test_a_student_that_is_narrow_along_them_is_found(changed) -> None:
    generator = np.random.default_rng(2)
    teacher = np.ones(400)
    teacher[:5] = 20, 16, 13, 10, 8
    student = teacher.copy()
    student[changed] *= 0.5
    runs = draw(generator, 64, teacher), draw(generator, 64, student)
    found = compare_leading(gram_of(*runs), level=0.9, paired=False)
    expected = (student[:5] ** 2).sum() / (teacher[:5] ** 2).sum()
    assert found.together.interval[1] < 0.95
    assert found.together.interval[0] < expected < found.together.interval[1]
    low, high = found.each[0].interval
    assert low < 0.25 < high < 0.95
    assert found.each[0].interval[1] < 0.7
    assert found.shares[0] == max(found.shares)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["power law", "one variation", "t5"])
@pytest.mark.parametrize(("teacher", "student", "paired"), [(32, 32, False), (16, 40, False),
                                                            (32, 32, True)])  # fmt: skip
def test_intervals_hold_one_at_least_as_often_as_they_should(law, teacher, student, paired) -> None:
    generator = np.random.default_rng(3)
    one_large = np.where(np.arange(400) < 1, 10.0, 1.0)
    make = {
        "power law": lambda count: draw(generator, count),
        "one variation": lambda count: draw(generator, count, one_large),
        "t5": lambda count: generator.standard_t(5, (count, 400)) * POWER,
    }[law]
    held = []
    for _ in range(120):
        x, y = make(teacher), make(student)
        if paired:
            y = 0.9 * x + np.sqrt(1 - 0.81) * y
        low, high = compare_leading(gram_of(x, y), level=0.9, paired=paired).together.interval
        held.append(low <= 1 <= high)
    # directions that hardly stand out turn with every sample: the jackknife is then too wide
    assert np.mean(held) >= 0.84


def test_few_samples_or_a_teacher_that_does_not_vary_have_no_leading_directions() -> None:
    generator = np.random.default_rng(4)
    x = draw(generator, 16)
    assert find_leading(gram_of(x[:15], x), level=0.9, paired=False) == []
    assert find_leading(gram_of(np.repeat(x[:1], 16, 0), x), level=0.9, paired=False) == []


def test_a_student_that_repeats_one_image_has_no_width() -> None:
    x = draw(np.random.default_rng(5), 16)
    [found] = find_leading(gram_of(x, np.repeat(x[:1], 16, 0)), level=0.9, paired=False)
    assert found.estimate == pytest.approx(0.0, abs=1e-6)


def test_it_is_told_with_a_table_and_never_judged() -> None:
    generator = np.random.default_rng(6)
    [found] = find_leading(
        gram_of(draw(generator, 20), draw(generator, 30)), level=0.9, paired=False
    )
    assert (found.id, found.question, found.kind) == ("leading", "variance", "")
    assert found.no_difference == 1.0
    table = detail_of(found)
    assert len(table.rows) == LEADING
    assert sum(row[1] for row in table.rows) == pytest.approx(100 * found.extra["teacher_share"])
    assert all(low < value < high for _, _, value, low, high in table.rows)
    assert found.sentence.startswith("On this image")


def test_exchanging_samples_of_a_half_changes_nothing() -> None:
    generator = np.random.default_rng(7)
    x, y = draw(generator, 20), draw(generator, 24)
    there = compare_leading(gram_of(x, y), level=0.9, paired=False).together
    order = np.arange(20).reshape(10, 2)[::-1].ravel()
    back = compare_leading(gram_of(x[order], y[::-1]), level=0.9, paired=False).together
    assert (back.value, back.se) == pytest.approx((there.value, there.se))
