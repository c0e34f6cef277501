"""Permutation tests from the Gram matrix: against SciPy, their size, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.checks.gram import Gram, GramAccumulator
from napari_posterior.checks.mean import gap_squared
from napari_posterior.checks.two_sample import (
    energy_distance,
    permutation_p,
    permutation_test,
    permutation_words,
    split_half_floor,
    squared_distances,
)
from napari_posterior.errors import InputError

EVERY = ["mean", "variance", "energy", "mmd", "sliced", "neighbours"]


def gram_of(teacher, student) -> Gram:
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]))
    return accumulator.result()


def test_distances_are_those_of_the_samples() -> None:
    x = np.random.default_rng(0).normal(50, 2, (9, 40))
    found = squared_distances(gram_of(x[:4], x[4:]))
    np.testing.assert_allclose(found, ((x[:, None] - x) ** 2).sum(2), atol=1e-8)


def test_energy_distance_in_one_dimension_is_scipys() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(20, 1)), generator.gamma(2, size=(31, 1))
    expected = stats.energy_distance(x.ravel(), y.ravel()) ** 2
    assert energy_distance(gram_of(x, y)) == pytest.approx(expected)


@pytest.mark.parametrize("statistic", ["mean", "energy"])
def test_permutations_in_one_dimension_agree_with_scipy(statistic: str) -> None:
    generator = np.random.default_rng(3)
    x, y = generator.normal(size=14), generator.normal(0.15, 1, 20)
    measure = {
        "mean": lambda a, b: abs(a.mean() - b.mean()),
        "energy": stats.energy_distance,
    }[statistic]
    expected = stats.permutation_test(
        (x, y), measure, n_resamples=1999, alternative="greater", rng=np.random.default_rng(4)
    ).pvalue
    found = permutation_p(
        gram_of(x[:, None], y[:, None]), statistic=statistic, paired=False, permutations=1999
    )
    assert 0.01 < expected < 0.3
    # the unbiased gap takes the spread of the groups off, and so orders permutations a little else
    assert found == pytest.approx(expected, abs=0.06)


def test_swaps_in_one_dimension_agree_with_scipys_paired_test() -> None:
    generator = np.random.default_rng(5)
    x = generator.normal(size=16)
    y = x + generator.normal(0.3, 0.6, 16)
    expected = stats.permutation_test(
        (y - x,),
        lambda d: abs(d.mean()),
        permutation_type="samples",
        n_resamples=1999,
        alternative="greater",
        rng=np.random.default_rng(6),
    ).pvalue
    found = permutation_p(
        gram_of(x[:, None], y[:, None]), statistic="mean", paired=True, permutations=1999
    )
    assert found == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("statistic", EVERY)
def test_one_law_is_called_different_as_rarely_as_it_should(statistic: str, paired: bool) -> None:
    generator = np.random.default_rng(7)
    found = []
    for seed in range(300):
        common = generator.standard_t(5, (12, 6)) if paired else 0.0
        x, y = (generator.standard_t(5, (12, 6)) + common for _ in range(2))
        gram = gram_of(x, y)
        found.append(
            permutation_p(gram, statistic=statistic, paired=paired, permutations=99, seed=seed)
        )
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


def test_each_statistic_finds_what_it_is_meant_for() -> None:
    generator = np.random.default_rng(8)
    x = generator.normal(size=(32, 10))
    shifted = gram_of(x, generator.normal(size=(24, 10)) + 0.6)
    narrow = gram_of(x, 0.7 * generator.normal(size=(24, 10)))
    for statistic in ("mean", "energy", "mmd"):
        assert permutation_p(shifted, statistic=statistic, paired=False) == 0.001
    assert permutation_p(narrow, statistic="variance", paired=False) == 0.001
    assert permutation_p(narrow, statistic="mean", paired=False) > 0.05


def test_pairs_find_a_gap_that_independent_runs_do_not() -> None:
    generator = np.random.default_rng(9)
    x = generator.normal(size=(16, 8))
    gram = gram_of(x, x + 0.2 + 0.1 * generator.normal(size=(16, 8)))
    assert permutation_p(gram, statistic="mean", paired=True) == 0.001
    assert permutation_p(gram, statistic="mean", paired=False) > 0.1


def test_an_image_repeated_differs_in_variance() -> None:
    x = np.random.default_rng(10).normal(size=(16, 30))
    gram = gram_of(x, np.repeat(x.mean(0, keepdims=True), 16, axis=0))
    assert permutation_p(gram, statistic="variance", paired=False) == 0.001


@pytest.mark.parametrize("statistic", EVERY)
def test_two_runs_of_one_image_do_not_differ(statistic: str) -> None:
    gram = gram_of(np.ones((8, 5)), np.ones((8, 5)))
    assert permutation_p(gram, statistic=statistic, paired=False) == 1.0


@pytest.mark.parametrize("statistic", EVERY)
def test_exchanging_the_runs_leaves_the_statistic(statistic: str) -> None:
    generator = np.random.default_rng(11)
    x, y = generator.normal(size=(10, 6)), generator.normal(0.3, 1, (15, 6))
    there, back = (
        permutation_p(gram, statistic=statistic, paired=False, permutations=1999)
        for gram in (gram_of(x, y), gram_of(y, x))
    )
    assert there == pytest.approx(back, abs=0.03)
    assert energy_distance(gram_of(x, y)) == pytest.approx(energy_distance(gram_of(y, x)))


def test_the_same_seed_gives_the_same_p_value() -> None:
    generator = np.random.default_rng(12)
    gram = gram_of(generator.normal(size=(9, 6)), generator.normal(size=(9, 6)))
    found = {permutation_p(gram, statistic="energy", paired=False, seed=3) for _ in range(3)}
    assert len(found) == 1


def test_runs_of_different_length_are_no_pairs() -> None:
    gram = gram_of(np.zeros((4, 3)), np.ones((5, 3)))
    with pytest.raises(InputError, match="as many of each"):
        permutation_p(gram, statistic="mean", paired=True)


def test_the_method_is_said_in_words() -> None:
    assert permutation_words(paired=True) == "999 swaps within pairs"
    assert permutation_words(paired=False, permutations=199) == "199 permutations of the labels"


def test_halves_of_the_teacher_hold_zero_and_narrow_with_the_samples() -> None:
    generator = np.random.default_rng(13)
    widths = []
    for count in (16, 64):
        x = generator.normal(size=(count, 100))
        low, high = split_half_floor(gram_of(x, x[:2]))
        assert low < 0 < high
        widths.append(high - low)
    # V0 falls with the square of the samples
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.35)


def test_the_floor_is_the_gap_of_two_samplers_with_half_as_many_samples() -> None:
    generator = np.random.default_rng(14)
    x = generator.normal(size=(32, 100))
    low, high = split_half_floor(gram_of(x, x[:2]), halves=400)
    gaps = [gap_squared(gram_of(*generator.normal(size=(2, 16, 100)))) / 100 for _ in range(400)]
    assert [low, high] == pytest.approx(np.quantile(gaps, [0.05, 0.95]), abs=0.02)


def test_halves_need_four_samples() -> None:
    with pytest.raises(InputError, match="4 or more"):
        split_half_floor(gram_of(np.zeros((3, 5)), np.zeros((4, 5))))


@pytest.mark.parametrize(
    ("case", "count", "powers"),
    [
        # of energy distance, MMD and the variance ratio
        ("a form lost", 64, (0.21, 0.21, 0.18)),
        ("one form left", 32, (0.65, 0.68, 0.38)),
        ("SD x 0.8", 32, (0.18, 0.22, 0.98)),
    ],
)
def test_generic_tests_are_as_weak_as_planned(case: str, count: int, powers) -> None:
    generator = np.random.default_rng(15)
    middles = np.zeros((3, 10))
    middles[1, 0], middles[2, 1] = 3, 3

    def draw(shares) -> np.ndarray:
        return generator.normal(size=(count, 10)) + middles[generator.choice(3, count, p=shares)]

    found = []
    for seed in range(100):
        x = draw((0.6, 0.25, 0.15))
        y = {
            "a form lost": lambda: draw((0.6 / 0.85, 0.25 / 0.85, 0)),
            "one form left": lambda: draw((1, 0, 0)),
            "SD x 0.8": lambda: 0.8 * draw((0.6, 0.25, 0.15)),
        }[case]()
        gram = gram_of(x, y)
        found.append(
            [
                permutation_p(gram, statistic=one, paired=False, permutations=99, seed=seed) <= 0.05
                for one in ("energy", "mmd", "variance")
            ]
        )
    assert np.mean(found, axis=0) == pytest.approx(powers, abs=0.16)


def test_sliced_distance_in_one_dimension_is_scipys_wasserstein() -> None:
    generator = np.random.default_rng(16)
    x, y = generator.normal(size=(20, 1)), generator.gamma(2, size=(31, 1))
    found = permutation_test(gram_of(x, y), statistic="sliced", paired=False)
    assert found.value == pytest.approx(stats.wasserstein_distance(x.ravel(), y.ravel()))


def test_sliced_distance_is_that_along_random_directions_of_the_pixels() -> None:
    generator = np.random.default_rng(17)
    # more pixels than samples, as in an image: most of a direction lies outside their span
    x, y = generator.normal(size=(16, 200)), generator.normal(0.4, 1.3, (12, 200))
    directions = generator.normal(size=(4000, 200))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = [stats.wasserstein_distance(x @ one, y @ one) for one in directions]
    found = [
        permutation_test(
            gram_of(x, y), statistic="sliced", paired=False, permutations=1, seed=seed
        ).value
        for seed in range(20)
    ]
    error = np.std(expected) / np.sqrt(20 * 64)
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=3 * error)


def test_neighbours_are_counted_for_either_run_alike() -> None:
    x = np.arange(8.0)[:, None]  # the neighbours of each lie among these
    apart = permutation_test(gram_of(x, x + 1000), statistic="neighbours", paired=False)
    assert apart.value == 1.0
    generator = np.random.default_rng(18)
    x, y = generator.normal(size=(12, 3)), generator.normal(size=(30, 3))
    found = permutation_test(gram_of(x, y), statistic="neighbours", paired=False)
    both = np.concatenate([x, y])
    distances = ((both[:, None] - both) ** 2).sum(2)
    near = np.argsort(distances, axis=1)[:, 1:6]
    own = ((near < 12) == (np.arange(42) < 12)[:, None]).mean(1)
    assert found.value == pytest.approx((own[:12].mean() + own[12:].mean()) / 2)
    # a neighbour is any of the 41 others
    assert found.by_chance == pytest.approx((11 / 41 + 29 / 41) / 2, abs=0.01)


def test_copies_of_one_sample_share_the_places_of_neighbours() -> None:
    x = np.zeros((7, 2))
    y = np.concatenate([np.zeros((3, 2)), np.full((6, 2), 50.0)])
    found = permutation_test(gram_of(x, y), statistic="neighbours", paired=False)
    # each of ten copies has nine equal neighbours; the six others have five of their own run
    expected = (6 / 9 + (3 * (2 / 9) + 6 * 1.0) / 9) / 2
    assert found.value == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "count", "powers"),
    [
        # of nearest neighbours and sliced distance; statistics.md, section 7
        ("one law", 64, (0.05, 0.05)),
        ("a form lost", 128, (0.28, 0.36)),
        ("one form left", 32, (0.40, 0.42)),
        ("one form left", 64, (0.63, 0.78)),
        ("SD x 0.8", 64, (0.22, 0.37)),
    ],
)
def test_the_other_generic_tests_are_as_weak(case: str, count: int, powers) -> None:
    generator = np.random.default_rng(19)
    middles = np.zeros((3, 10))
    middles[1, 0], middles[2, 1] = 3, 3

    def draw(shares, scale=1.0) -> np.ndarray:
        of = generator.choice(3, count, p=shares)
        return scale * (generator.normal(size=(count, 10)) + middles[of])

    whole = (0.6, 0.25, 0.15)
    student = {
        "one law": lambda: draw(whole),
        "a form lost": lambda: draw((0.6 / 0.85, 0.25 / 0.85, 0)),
        "one form left": lambda: draw((1, 0, 0)),
        "SD x 0.8": lambda: draw(whole, 0.8),
    }[case]
    found = []
    for seed in range(200):
        gram = gram_of(draw(whole), student())
        found.append(
            [
                permutation_p(gram, statistic=one, paired=False, permutations=199, seed=seed)
                <= 0.05
                for one in ("neighbours", "sliced")
            ]
        )
    found = np.mean(found, axis=0)
    if case == "one law":
        assert (found >= 0.01).all()
        assert (found <= 0.085).all()  # .05 and 2.3 standard errors
    else:
        # directions and neighbours here find up to .22 more than those of the plan
        assert (found > np.array(powers) - 0.12).all()
        assert (found < np.array(powers) + 0.25).all()
