from __future__ import annotations

import numpy as np
import pytest
from coupled_toys import MixturePair, NormalPair, repeat

from napari_posterior.correction.costs import Costs
from napari_posterior.correction.estimate import About
from napari_posterior.correction.terms import mean_term, variance_term
from napari_posterior.correction.two_level import TwoLevel, correct, weight_of
from napari_posterior.errors import InputError

ABOUT = About("value")
REPEATS = 4000
LAWS = {
    "normal": NormalPair(),
    "loose": NormalPair(r=0.6, factor=1.2),
    "mixture": MixturePair(),
}
QUANTITIES = ("mean", "variance")


def _estimate(both: TwoLevel, quantity: str, **options):
    return getattr(both, quantity)(ABOUT, **options)


def _truth(pair, quantity: str) -> float:
    return pair.truth[QUANTITIES.index(quantity)]


@pytest.fixture(scope="module", params=LAWS)
def experiments(request):
    pair = LAWS[request.param]
    return pair, repeat(pair, pairs=20, students=300, repeats=REPEATS, seed=2)


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("slope", [1.0, 0.8])
def test_estimate_has_no_bias_and_the_error_that_is_told(experiments, quantity, nested, slope):
    pair, both = experiments
    found = _estimate(both, quantity, nested=nested, slope=slope)
    truth = _truth(pair, quantity)
    spread = found.value.std()
    assert abs(found.value.mean() - truth) < 4 * spread / np.sqrt(REPEATS)
    assert found.value.var() == pytest.approx(float(np.mean(found.se**2)), rel=0.1)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_intervals_cover_as_promised(experiments, quantity):
    pair, both = experiments
    truth = _truth(pair, quantity)
    found = _estimate(both, quantity)
    held = np.mean((found.low <= truth) & (truth <= found.high))
    # with little correlation the interval of a variance is wider than it need be
    loose = quantity == "variance" and np.mean(found.r) < 0.7
    assert 0.93 < held < (1.0 if loose else 0.97)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_intervals_of_other_weights_hold_nearly_as_much(experiments, quantity):
    pair, both = experiments
    truth = _truth(pair, quantity)
    found = _estimate(both, quantity, slope=0.8, nested=True)
    assert np.mean((found.low <= truth) & (truth <= found.high)) > 0.91


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_student_alone_is_biased_and_the_paired_difference_is_its_bias(experiments, quantity):
    pair, both = experiments
    found = _estimate(both, quantity)
    se = found.student.value.std() / np.sqrt(REPEATS)
    bias = float(found.student.value.mean() - _truth(pair, quantity))
    assert abs(bias) > 20 * se
    paired = found.difference
    allowed = 4 * np.hypot(se, paired.value.std() / np.sqrt(REPEATS))
    assert paired.value.mean() == pytest.approx(bias, abs=allowed)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_formula_for_normal_pairs_holds_with_second_moments_alone(quantity):
    pair = NormalPair()
    both = repeat(pair, pairs=60, students=600, repeats=REPEATS, seed=5, order=2)
    found = _estimate(both, quantity)
    truth = _truth(pair, quantity)
    assert found.value.var() == pytest.approx(float(np.mean(found.se**2)), rel=0.1)
    assert 0.93 < np.mean((found.low <= truth) & (truth <= found.high)) < 0.97
    r = pair.r if quantity == "mean" else pair.r**2
    assert float(np.mean(found.r)) == pytest.approx(r, abs=0.01)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_closed_form_variance_of_independent_sets(quantity):
    pair, pairs, students = NormalPair(), 40, 400
    both = repeat(pair, pairs=pairs, students=students, repeats=REPEATS, seed=6, order=2)
    teacher, student = pair.sd**2, (pair.factor * pair.sd) ** 2
    crossed = pair.r * pair.factor * pair.sd**2
    if quantity == "mean":
        formula = student / students + (teacher + student - 2 * crossed) / pairs
    else:
        rest = 2 * (teacher**2 + student**2 - 2 * crossed**2) / (pairs - 1)
        formula = 2 * student**2 / (students - 1) + rest
    found = _estimate(both, quantity, nested=False)
    assert found.value.var() == pytest.approx(formula, rel=0.1)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_shuffled_noise_destroys_the_gain_but_not_the_unbiasedness(quantity):
    pair = NormalPair(r=0.99)
    options = {"pairs": 20, "students": 300, "repeats": REPEATS, "seed": 7}
    coupled = _estimate(repeat(pair, **options), quantity)
    shuffled = _estimate(repeat(pair, **options, shuffled=True), quantity)
    assert coupled.gain > 5
    assert shuffled.gain < 0.8
    se = shuffled.value.std() / np.sqrt(REPEATS)
    assert abs(shuffled.value.mean() - _truth(pair, quantity)) < 4 * se
    assert abs(np.mean(shuffled.r)) < 0.05


def test_slope_of_another_pilot_keeps_the_estimate_unbiased_and_its_own_does_not():
    pair = MixturePair(weight=0.1)
    pilot = repeat(pair, pairs=5, students=2, repeats=REPEATS, seed=8)
    both = repeat(pair, pairs=5, students=200, repeats=REPEATS, seed=9)
    others, own = (
        _mean_with(slope_of.pairs.covariance(0, 1) / slope_of.pairs.covariance(1, 1), both)
        for slope_of in (pilot, both)
    )
    truth = pair.truth[0]
    assert abs(others.mean() - truth) < 4 * others.std() / np.sqrt(REPEATS)
    assert abs(own.mean() - truth) > 4 * own.std() / np.sqrt(REPEATS)


def _mean_with(slopes: np.ndarray, both: TwoLevel) -> np.ndarray:
    """A slope for each experiment: the weighted sum written out."""
    gap = both.pairs.mean(0) - slopes * both.pairs.mean(1)
    return gap + slopes * both.students.mean()


def test_best_slope_nested_is_the_best_weight_of_independent_sets():
    pair = NormalPair(r=0.8)
    both = repeat(pair, pairs=30, students=120, repeats=REPEATS, seed=10, order=2)
    slope = pair.r / pair.factor
    errors = [
        float(np.mean(both.mean(ABOUT, slope=slope * f, nested=False).se ** 2))
        for f in (1.0, 120 / 150, 0.6)
    ]
    assert errors[1] == min(errors)
    assert np.mean(both.mean(ABOUT, slope=slope).se ** 2) == pytest.approx(errors[1])
    assert weight_of(slope, students=120, pairs=30) == pytest.approx(slope * 0.8)


def test_streams_merge():
    parts = [repeat(NormalPair(), pairs=9, students=30, repeats=6, seed=s) for s in (0, 1)]
    shifted = [repeat(NormalPair(), pairs=9, students=30, repeats=6, seed=s) for s in (1, 0)]
    parts[0].merge(parts[1])
    shifted[0].merge(shifted[1])
    one, other = (p.variance(ABOUT) for p in (parts[0], shifted[0]))
    assert one.pairs == 18 and one.students == 60
    assert np.allclose(one.value, other.value) and np.allclose(one.se, other.se)


def test_variance_map_is_stored_raw_where_it_comes_out_negative():
    both = repeat(NormalPair(sd=1.0, factor=3.0), pairs=4, students=8, repeats=400, seed=11)
    assert (both.variance(ABOUT).value < 0).any()


def test_discoveries_are_where_the_student_is_off():
    generator = np.random.default_rng(12)
    shift = np.zeros(500)
    shift[:100] = 1.5
    both = TwoLevel()
    for _ in range(20):
        z = generator.standard_normal(500)
        both.add_pair(z, z + shift + 0.3 * generator.standard_normal(500))
    for _ in range(30):
        both.add_student(generator.standard_normal(500) + shift)
    found = both.mean(ABOUT).difference.found(rate=0.05)
    assert found[:100].all() and found[100:].mean() < 0.05


def test_identical_samplers_differ_by_nothing():
    both = TwoLevel()
    for value in (1.0, 2.0, 4.0):
        both.add_pair(value, value)
        both.add_student(value + 1)
    found = both.mean(ABOUT)
    assert found.difference.value == 0 and found.difference.p_values == 1
    assert found.r == 1


def test_speed_up_counts_what_the_students_cost():
    costs = Costs(student=1.0, teacher=30.0)
    both = repeat(NormalPair(r=0.99), pairs=20, students=300, repeats=500, seed=13)
    found = both.mean(About("value", costs=costs))
    spent = 20 * 31 + 300
    assert found.speed_up == pytest.approx(found.gain * 20 * 30 / spent)
    assert both.mean(ABOUT).speed_up is None


@pytest.mark.parametrize("estimator", [mean_term, variance_term])
def test_too_few_samples_are_refused(estimator):
    both = TwoLevel()
    both.add_pair(1.0, 2.0)
    both.add_student(1.0)
    with pytest.raises(InputError, match="two samples or more"):
        correct(estimator, both.pairs, both.students, ABOUT)


def test_images_of_another_size_are_refused():
    both = TwoLevel()
    for _ in range(3):
        both.add_pair(np.zeros((4, 4)), np.zeros((4, 4)))
        both.add_student(np.zeros((4, 5)))
    with pytest.raises(InputError, match="differ in shape"):
        both.mean(ABOUT)
