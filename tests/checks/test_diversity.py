"""Effective dimension, distances, spectra and the alarm against known laws."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.gram import Gram, GramAccumulator, group
from napari_posterior.checks.spread.dimension import dimension_ratio
from napari_posterior.checks.spread.diversity import (
    eigen_spectrum,
    find_alarm,
    find_dimension,
    find_diversity,
    vendi_score,
)

POWER = np.arange(1, 401) ** -0.5


def gram_of(teacher, student) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def white(generator, count: int, size: int = 100) -> np.ndarray:
    return generator.normal(size=(count, size))


def test_the_dimension_of_white_noise_is_its_size() -> None:
    generator = np.random.default_rng(0)
    for count, spread in ((16, 13.0), (64, 3.2)):
        found = []
        for _ in range(60):
            x = white(generator, count)
            found.append(group(x @ x.T).dimension)
        assert np.mean(found) == pytest.approx(100, abs=3 * spread / np.sqrt(60) + 1)
        assert np.std(found) == pytest.approx(spread, rel=0.35)


LAWS = {
    "white": lambda generator, count: white(generator, count),
    "power law": lambda generator, count: white(generator, count, 400) * POWER,
    "t5": lambda generator, count: generator.standard_t(5, (count, 150)),
    "brightness jitter": lambda generator, count: (
        white(generator, count, 200) * np.sqrt(generator.gamma(10, 0.1, (count, 1)))
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_interval_of_the_dimension_holds_one_as_often_as_it_should(name: str) -> None:
    generator = np.random.default_rng(1)
    held = []
    for _ in range(100):
        runs = [LAWS[name](generator, 16) for _ in range(2)]
        low, high = dimension_ratio(gram_of(*runs), level=0.9, paired=False).interval
        held.append(low <= 1 <= high)
    assert 0.82 <= np.mean(held) <= 0.98


def test_the_plain_jackknife_would_be_half_as_wide_again() -> None:
    generator = np.random.default_rng(2)
    logs, ses = [], []
    for _ in range(40):
        estimate = dimension_ratio(
            gram_of(white(generator, 32), white(generator, 32)), level=0.9, paired=False
        )
        logs.append(np.log(estimate.value))
        ses.append(estimate.se)
    assert np.mean(ses) == pytest.approx(np.std(logs), rel=0.25)


def test_pairs_narrow_the_interval_of_the_dimension() -> None:
    generator = np.random.default_rng(3)
    x = white(generator, 24)
    gram = gram_of(x, 0.95 * x + np.sqrt(1 - 0.95**2) * white(generator, 24))
    paired, apart = (dimension_ratio(gram, level=0.9, paired=one).se for one in (True, False))
    assert paired < 0.7 * apart


def test_a_student_of_fewer_directions_is_found() -> None:
    generator = np.random.default_rng(4)
    student = np.sqrt(2.5) * white(generator, 32, 40) @ np.eye(40, 100)
    found = find_dimension(gram_of(white(generator, 32), student), level=0.95, paired=False)
    assert found.interval[1] < 0.6
    assert found.estimate == pytest.approx(0.4, rel=0.25)
    assert found.kind == found.id == "dimension"
    assert found.question == "diversity"
    assert found.evidence is not None
    assert found.evidence.below(0.67) < 0.025
    assert "independent directions" in found.sentence


def test_exchanging_the_runs_inverts_the_ratio() -> None:
    generator = np.random.default_rng(5)
    x, y = white(generator, 20), white(generator, 20, 60) @ np.eye(60, 100)
    there, back = (
        dimension_ratio(g, level=0.9, paired=False) for g in (gram_of(x, y), gram_of(y, x))
    )
    assert there.value == pytest.approx(1 / back.value)
    assert there.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]))


def test_fewer_than_sixteen_samples_have_no_interval_of_the_dimension() -> None:
    generator = np.random.default_rng(6)
    found = find_dimension(
        gram_of(white(generator, 15), white(generator, 20)), level=0.9, paired=False
    )
    assert found.estimate is not None
    assert found.interval == (None, None)
    assert found.evidence is None
    assert "16 samples" in found.sentence


def test_an_image_repeated_has_no_dimension_and_no_diversity() -> None:
    x = white(np.random.default_rng(7), 16)
    gram = gram_of(x, np.repeat(x[:1], 16, axis=0))
    assert find_dimension(gram, level=0.9, paired=False).estimate is None
    found = find_diversity(gram, level=0.9, paired=False)
    assert found.estimate == 0
    assert "not draws" in found.sentence
    assert find_diversity(gram_of(x[:1].repeat(16, 0), x), level=0.9, paired=False).estimate is None


def test_narrower_samples_are_nearer_by_the_square() -> None:
    generator = np.random.default_rng(8)
    logs = []
    for _ in range(40):
        gram = gram_of(white(generator, 16), 0.8 * white(generator, 16))
        logs.append(np.log(find_diversity(gram, level=0.9, paired=False).estimate))
    assert np.mean(logs) == pytest.approx(-0.446, abs=0.02)


def test_diversity_counts_the_distance_of_two_samples() -> None:
    generator = np.random.default_rng(9)
    x, y = white(generator, 16), 0.8 * white(generator, 20)
    found = find_diversity(gram_of(x, y), level=0.9, paired=False)
    apart = [((one[:, None] - one) ** 2).sum(2) for one in (x, y)]
    means = [one[np.triu_indices(len(one), 1)].mean() for one in apart]
    assert found.estimate == pytest.approx(means[1] / means[0])
    assert found.extra["teacher_distance_per_px"] == pytest.approx(np.sqrt(means[0] / 100))
    assert found.kind == "diversity"
    assert "closer together" in found.sentence


def test_the_alarm_tells_and_never_judges() -> None:
    generator = np.random.default_rng(10)
    quiet = [
        find_alarm(gram_of(*(white(generator, 16, 10) for _ in range(2))), level=0.9, paired=False)
        for _ in range(40)
    ]
    assert np.mean([one.p_value <= 0.05 for one in quiet]) <= 0.15
    assert all(("no difference" in one.sentence) == (one.p_value > 0.05) for one in quiet)
    x = white(generator, 32, 10)
    loud = find_alarm(gram_of(x, white(generator, 32, 10) + 0.8), level=0.9, paired=False)
    assert loud.p_value == 0.001
    assert "no other check names" in loud.sentence
    for one in (*quiet, loud):
        assert one.kind == ""
        assert one.interval == (None, None)
        assert one.p_method == "999 permutations of the labels"


def test_the_spectrum_of_equal_laws_lies_in_the_band() -> None:
    generator = np.random.default_rng(11)
    inside = []
    for _ in range(30):
        found = eigen_spectrum(gram_of(*(white(generator, 32, 400) * POWER for _ in range(2))))
        inside.append(np.mean((found.low <= found.student) & (found.student <= found.high)))
    assert np.mean(inside) >= 0.85
    assert found.samples == 16
    assert len(found.teacher) == len(found.student) == 15
    assert (np.diff(found.teacher) <= 0).all()


def test_the_spectrum_of_a_collapsed_student_leaves_the_band() -> None:
    generator = np.random.default_rng(12)
    teacher = white(generator, 40, 400) * POWER
    student = white(generator, 32, 400) * POWER * np.where(np.arange(400) < 3, 1, 0.2)
    found = eigen_spectrum(gram_of(teacher, student))
    assert (found.student[4:] < found.low[4:]).all()
    assert found.vendi_samples == 32
    assert found.student_vendi < 0.7 * found.teacher_vendi


def test_the_spectrum_adds_up_to_the_variance() -> None:
    generator = np.random.default_rng(13)
    gram = gram_of(white(generator, 32), white(generator, 32))
    found = eigen_spectrum(gram, halves=200)
    assert found.teacher.sum() == pytest.approx(
        group(gram.matrix[:32, :32]).total_variance, rel=0.01
    )


def test_few_samples_have_no_spectrum() -> None:
    x = white(np.random.default_rng(14), 3)
    assert eigen_spectrum(gram_of(x, x)) is None


def test_vendi_scores_of_white_noise_grow_with_the_samples() -> None:
    generator = np.random.default_rng(15)
    # 14.8 and 46.6 about a known mean; one direction goes with a mean that is estimated
    for count, expected in ((16, 14.0), (64, 46.1)):
        found = [vendi_score((x := white(generator, count)) @ x.T) for _ in range(20)]
        assert np.mean(found) == pytest.approx(expected, abs=0.3)


def test_vendi_scores_of_copies_count_the_different_ones() -> None:
    x = np.repeat(np.eye(4), 5, axis=0)
    # four corners of a simplex about their middle span three directions
    assert vendi_score(x @ x.T) == pytest.approx(3)
    assert vendi_score(np.ones((5, 5))) == 1
