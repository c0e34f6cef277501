"""Expected puncta lost and invented, and the test of any difference, against planted truth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from napari_posterior.errors import InputError
from napari_posterior.statistics.changes import estimate_changes, permutation_test

# 60 sites, 33 expected; a student that doubles the logits loses 2.88.
P = np.repeat([0.15, 0.2, 0.5, 0.8, 0.95, 0.99], [17, 6, 11, 8, 11, 7])
DOUBLED = expit(2 * logit(P))


def draw(rng, p, samples, *, repeats=1, together=0.0):
    """Draw puncta, (samples, sites * repeats); those of one sample may go together."""
    p = np.tile(p, repeats)
    return draw_pair(rng, p, p, samples, 0.0, together=together)[0]


def draw_pair(rng, p, q, samples, correlation, *, together=0.0):
    """Draw puncta of two runs whose samples share some of their noise."""
    shape = (2, samples, len(p))
    own = rng.normal(size=shape)
    own[1] = correlation * own[0] + math.sqrt(1 - correlation**2) * own[1]
    common = rng.normal(size=(2, samples, 1))
    noise = math.sqrt(together) * common + math.sqrt(1 - together) * own
    uniform = 0.5 * (1 + np.vectorize(math.erf)(noise / math.sqrt(2)))
    return uniform[0] < p, uniform[1] < q


def test_the_planted_example_is_that_of_the_numbers_below():
    assert P.sum() == pytest.approx(33, abs=0.1)
    assert np.maximum(P - DOUBLED, 0).sum() == pytest.approx(2.87, abs=0.02)


@pytest.mark.parametrize(
    ("samples", "plug_in", "cross_fit", "nothing"),
    [
        (16, 3.80, 1.73, 2.82),
        (32, 3.48, 2.30, 1.92),
        (64, 3.26, 2.66, 1.45),
        (128, 3.14, 2.82, 1.02),
    ],
)
def test_the_estimates_are_biased_up_and_down_as_planned(samples, plug_in, cross_fit, nothing):
    # Many repeats as many sites: the estimates are sums over sites.
    rng, n = np.random.default_rng(samples), 60
    teacher, same, student = (draw(rng, p, samples, repeats=n) for p in (P, P, DOUBLED))
    lost = estimate_changes(teacher, student, resamples=2, splits=40).lost
    assert lost.plug_in / n == pytest.approx(plug_in, abs=0.13)
    assert lost.cross_fit / n == pytest.approx(cross_fit, abs=0.2)
    unchanged = estimate_changes(teacher, same, resamples=2, splits=40).lost
    assert unchanged.plug_in / n == pytest.approx(nothing, abs=0.13)
    assert unchanged.cross_fit / n == pytest.approx(0.0, abs=0.2)


def test_squared_probabilities_lose_the_sum_of_p_minus_p_squared():
    rng = np.random.default_rng(1)
    p = rng.beta(0.7, 0.6, 80)
    truth = (p - p**2).sum()
    found = estimate_changes(draw(rng, p, 256), draw(rng, p**2, 256))
    assert found.lost.cross_fit == pytest.approx(truth, abs=0.8)
    assert found.lost.lower < truth < found.lost.upper
    assert found.lost.cross_fit < found.lost.plug_in
    assert found.invented.lower == 0.0
    assert found.teacher_count == pytest.approx(p.sum(), abs=1.0)
    assert found.student_count == pytest.approx((p**2).sum(), abs=1.0)


@pytest.mark.parametrize("together", [0.0, 0.3])
@pytest.mark.parametrize("samples", [16, 64])
def test_the_bounds_hold_also_where_puncta_of_a_sample_go_together(samples, together):
    rng = np.random.default_rng(2)
    truth = {"none": 0.0, "doubled": np.maximum(P - DOUBLED, 0).sum()}
    for name, q in (("none", P), ("doubled", DOUBLED)):
        upper, lower = [], []
        for _ in range(60):
            teacher, student = (draw(rng, p, samples, together=together) for p in (P, q))
            lost = estimate_changes(teacher, student, resamples=200, splits=30).lost
            upper.append(lost.upper >= truth[name])
            lower.append(lost.lower <= truth[name] + 1e-12)
        assert np.mean(upper) >= 0.93
        assert np.mean(lower) >= 0.9


def test_pairs_that_share_their_noise_give_narrower_bounds_and_stay_unbiased():
    rng = np.random.default_rng(3)
    teacher, student = draw_pair(rng, np.tile(P, 30), np.tile(P, 30), 32, 0.95)
    paired = estimate_changes(teacher, student, paired=True, splits=50)
    apart = estimate_changes(teacher, student, splits=50)
    assert paired.lost.se < 0.6 * apart.lost.se
    assert paired.lost.plug_in == pytest.approx(apart.lost.plug_in)
    assert abs(paired.lost.cross_fit) / 30 < 0.1
    # Halves drawn apart hold partners, so what is chosen in one is punished in the other.
    assert apart.lost.cross_fit / 30 < -0.2


def test_invented_is_lost_with_the_runs_exchanged():
    rng = np.random.default_rng(4)
    teacher, student = draw(rng, P, 24), draw(rng, DOUBLED, 32)
    one, other = estimate_changes(teacher, student), estimate_changes(student, teacher)
    assert one.invented.plug_in == pytest.approx(other.lost.plug_in)
    assert one.invented.cross_fit == pytest.approx(other.lost.cross_fit, abs=0.15)
    assert one.lost.upper == pytest.approx(other.invented.upper, rel=0.1)


def test_what_all_samples_have_still_leaves_room_for_a_rare_loss():
    everywhere = np.ones((32, 5), bool)
    found = estimate_changes(everywhere, everywhere).lost
    assert (found.plug_in, found.cross_fit, found.lower) == (0.0, 0.0, 0.0)
    assert found.upper == pytest.approx(-math.log(0.05) / 32)


def test_few_samples_give_no_bound_and_one_no_estimate():
    few = estimate_changes(np.ones((7, 3), bool), np.zeros((20, 3), bool)).lost
    assert (few.lower, few.upper) == (0.0, math.inf)
    assert few.cross_fit == pytest.approx(3.0)
    one = estimate_changes(np.ones((1, 3), bool), np.zeros((1, 3), bool))
    assert one.lost.plug_in == 3.0
    assert math.isnan(one.lost.cross_fit)
    nothing = estimate_changes(np.ones((9, 0), bool), np.ones((9, 0), bool))
    assert nothing.lost.plug_in == nothing.lost.cross_fit == nothing.teacher_count == 0.0


MATRICES = st.tuples(st.integers(2, 10), st.integers(2, 10), st.integers(0, 9), st.integers(0, 999))


@settings(max_examples=40, deadline=None)
@given(given_shape=MATRICES, paired=st.booleans())
def test_the_order_of_the_samples_does_not_matter(given_shape, paired):
    k_t, k_s, sites, seed = given_shape
    k_s = k_t if paired else k_s
    rng = np.random.default_rng(seed)
    teacher, student = rng.random((k_t, sites)) < 0.5, rng.random((k_s, sites)) < 0.5
    order_t = rng.permutation(k_t)
    order_s = order_t if paired else rng.permutation(k_s)
    for function, options in (
        (estimate_changes, {"resamples": 20, "splits": 10}),
        (permutation_test, {"permutations": 49}),
    ):
        one = function(teacher, student, paired=paired, **options)
        other = function(teacher[order_t], student[order_s], paired=paired, **options)
        assert one == other


def test_the_null_mean_is_that_of_all_exchanges():
    rng = np.random.default_rng(5)
    teacher, student = rng.random((3, 6)) < 0.6, rng.random((4, 6)) < 0.4
    rows = np.concatenate([teacher, student]).astype(float)
    distances = []
    for chosen in itertools.combinations(range(7), 3):
        first = np.isin(np.arange(7), chosen)
        distances.append(((rows[first].mean(0) - rows[~first].mean(0)) ** 2).sum())
    found = permutation_test(teacher, student)
    assert found.null_mean == pytest.approx(np.mean(distances))
    assert found.distance == pytest.approx(((teacher.mean(0) - student.mean(0)) ** 2).sum())
    assert found.statistic == pytest.approx(found.distance - found.null_mean)
    exact = np.mean(np.array(distances) >= found.distance - 1e-9)
    assert found.p_value == pytest.approx(exact, abs=0.06)


def test_the_null_mean_of_pairs_is_that_of_all_sign_flips():
    rng = np.random.default_rng(6)
    teacher, student = rng.random((5, 6)) < 0.6, rng.random((5, 6)) < 0.4
    gap = student.astype(float) - teacher
    flips = [
        ((np.array(signs)[:, None] * gap).mean(0) ** 2).sum()
        for signs in itertools.product((-1, 1), repeat=5)
    ]
    found = permutation_test(teacher, student, paired=True)
    assert found.null_mean == pytest.approx(np.mean(flips))
    assert found.p_value == pytest.approx(
        np.mean(np.array(flips) >= found.distance - 1e-9), abs=0.06
    )


def rejected(rng, q, samples, *, repeats=100, **options):
    found = []
    for _ in range(repeats):
        teacher, student = draw_pair(rng, P, q, samples, options.get("correlation", 0.0))
        test = permutation_test(
            teacher, student, permutations=199, paired=options.get("paired", False)
        )
        found.append(test.p_value <= 0.05)
    return np.mean(found)


def test_one_model_is_seldom_called_different():
    rng = np.random.default_rng(7)
    assert rejected(rng, P, 16, repeats=200) <= 0.09
    assert rejected(rng, P, 16, repeats=200, correlation=0.9, paired=True) <= 0.09
    # Pairs taken for independent samples are never called different.
    assert rejected(rng, P, 16, repeats=50, correlation=0.9) == 0.0


def test_a_student_that_overdecides_or_drops_the_doubtful_is_found():
    rng = np.random.default_rng(8)
    dropped = np.where(P <= 0.2, 0.0, P)
    assert 0.4 < rejected(rng, DOUBLED, 16)
    assert rejected(rng, DOUBLED, 32) > 0.95
    assert rejected(rng, dropped, 32) > 0.95


@pytest.mark.parametrize("function", [estimate_changes, permutation_test])
def test_arrays_that_do_not_belong_together_are_refused(function):
    with pytest.raises(InputError, match="same sites"):
        function(np.ones((4, 3), bool), np.ones((4, 2), bool))
    with pytest.raises(InputError, match="no samples"):
        function(np.ones((4, 3), bool), np.ones((0, 3), bool))
    with pytest.raises(InputError, match="pairs"):
        function(np.ones((4, 3), bool), np.ones((5, 3), bool), paired=True)


def test_a_tail_that_is_none_is_refused():
    with pytest.raises(InputError, match="tail"):
        estimate_changes(np.ones((9, 3), bool), np.ones((9, 3), bool), tail=0.6)
