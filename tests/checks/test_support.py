"""Precision, recall, density and coverage: known values, and what they make of faults."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from napari_posterior.checks.detail import detail_of
from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.spread.support import find_support, measure_support


def gram_of(teacher, student) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def distances(x) -> np.ndarray:
    return ((x[:, None] - x) ** 2).sum(2)


def test_points_on_a_line_give_what_counting_gives() -> None:
    first, second = np.arange(4.0), np.array([0.4, 1.4, 20.0, 21.5, 22.5])
    found = measure_support(distances(np.concatenate([first, second])[:, None]), 4, neighbours=1)
    # balls of the first reach 1 to each side; of the second 1, 1, 1.5, 1 and 1
    assert found.precision == 2 / 5
    assert found.recall == 3 / 4
    assert found.coverage == 3 / 4
    assert found.density == (2 + 2) / 5


def test_two_groups_of_one_law_have_the_values_of_the_plan() -> None:
    generator = np.random.default_rng(0)
    found = np.mean(
        [
            astuple(measure_support(distances(generator.normal(size=(128, 10))), 64))
            for _ in range(60)
        ],
        axis=0,
    )
    assert found == pytest.approx([0.91, 0.91, 1.0, 0.97], abs=0.06)


def test_a_student_and_the_other_half_of_its_teacher_look_alike() -> None:
    generator = np.random.default_rng(1)
    apart = []
    for _ in range(20):
        found = find_support(
            gram_of(generator.normal(size=(40, 10)), generator.normal(size=(50, 10))),
            level=0.9,
            paired=False,
        )
        rows = np.array([row[1:] for row in detail_of(found).rows])
        apart.append(rows[:, 0] - rows[:, 1])
        assert (rows[:, 2] <= rows[:, 1]).all()
        assert (rows[:, 1] <= rows[:, 3]).all()
    error = np.std(apart, axis=0) / np.sqrt(20)
    assert (np.abs(np.mean(apart, axis=0)) < 3.5 * error).all()
    assert found.extra["group"] == 20


def test_a_lost_form_lowers_recall_and_an_invented_one_precision() -> None:
    generator = np.random.default_rng(2)
    two = generator.normal(size=(64, 6))
    two[::2, 0] += 15
    one = generator.normal(size=(64, 6))
    lost, invented = (
        dict(
            zip(
                ("precision", "recall", "density", "coverage"),
                [row[1] - row[2] for row in detail_of(found).rows],
                strict=True,
            )
        )
        for found in (
            find_support(gram_of(two, one), level=0.9, paired=False),
            find_support(gram_of(one, two), level=0.9, paired=False),
        )
    )
    assert lost["recall"] < -0.3
    assert lost["coverage"] < -0.3
    assert abs(lost["precision"]) < 0.1
    assert invented["precision"] < -0.3
    assert abs(invented["recall"]) < 0.1


def test_of_pairs_no_partner_is_compared_with() -> None:
    generator = np.random.default_rng(3)
    x = generator.normal(size=(32, 10))
    gram = gram_of(x, x + 1e-3 * generator.normal(size=(32, 10)))
    paired, apart = (find_support(gram, level=0.9, paired=one) for one in (True, False))
    # the student is nearly the other half itself
    assert paired.estimate == pytest.approx(0.0, abs=0.03)
    assert apart.estimate > paired.estimate + 0.01


def test_few_samples_are_not_described_and_nothing_is_judged() -> None:
    generator = np.random.default_rng(4)
    x = generator.normal(size=(16, 4))
    assert find_support(gram_of(x[:15], x), level=0.9, paired=False) is None
    assert find_support(gram_of(x, x[:7]), level=0.9, paired=False) is None
    found = find_support(gram_of(x, x[:8]), level=0.9, paired=False)
    assert (found.id, found.question, found.kind) == ("support", "diversity", "")
    assert found.interval == (None, None)


def test_the_order_of_the_samples_decides_nothing_beyond_the_cuts() -> None:
    generator = np.random.default_rng(5)
    x, y = generator.normal(size=(40, 8)), generator.normal(size=(40, 8))
    found = [
        find_support(gram_of(one, y), level=0.9, paired=False).estimate for one in (x, x[::-1])
    ]
    assert found[0] == pytest.approx(found[1], abs=0.03)
