"""Sites of puncta: pooled over both runs, matched one to one, flagged where two merge."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.statistics import StatisticContext
from napari_posterior.statistics.sites import (
    Sites,
    default_radius,
    match_points,
    occupancy,
    pool_sites,
)

R = 2.355
PLACES = np.stack(np.meshgrid(np.arange(10.0, 90, 10), np.arange(10.0, 90, 10)), -1).reshape(-1, 2)


def draw(rng, places, p, samples, *, jitter=0.3, spurious=0.0, size=100.0):
    """Draw detections: each place with its probability, moved a little, and false ones."""
    made = []
    for _ in range(samples):
        here = places[rng.random(len(places)) < p]
        moved = here + rng.normal(0, jitter, here.shape)
        false = rng.uniform(0, size, (rng.poisson(spurious), places.shape[1]))
        made.append(np.concatenate([moved, false]))
    return made


def shuffled(rng, samples):
    return [one[rng.permutation(len(one))] for one in samples]


def test_planted_puncta_are_found_in_the_samples_that_have_them():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 1.0, len(PLACES))
    planted = rng.random((2, 300, len(PLACES))) < p
    runs = [[PLACES[row] + rng.normal(0, 0.3, (row.sum(), 2)) for row in run] for run in planted]
    sites = pool_sites(*runs, R)
    site = match_points(PLACES, sites.positions, R)
    np.testing.assert_array_equal(sites.teacher[:, site], planted[0])
    np.testing.assert_array_equal(sites.student[:, site], planted[1])
    # The count is Poisson-binomial: mean sum p, variance sum p (1 - p).
    variance = (p * (1 - p)).sum()
    for present in (sites.teacher, sites.student):
        count = present.sum(1)
        assert count.mean() == pytest.approx(p.sum(), abs=4 * np.sqrt(variance / 300))
        assert count.var(ddof=1) == pytest.approx(variance, rel=4 * np.sqrt(2 / 300))


def test_two_runs_of_one_model_lose_nothing_at_pooled_sites_but_seem_to_at_the_teachers():
    rng = np.random.default_rng(1)
    p = np.repeat([0.05, 0.2, 0.5, 0.9], 16)
    pooled, of_teacher = [], []
    for _ in range(12):
        teacher, student = (draw(rng, PLACES, p, 32, spurious=2.0) for _ in range(2))
        sites = pool_sites(teacher, student, R)
        pooled.append(1 - sites.student.sum() / sites.teacher.sum())
        alone = pool_sites(teacher, (), R)
        kept = occupancy(student, alone.positions, R)
        of_teacher.append(1 - kept.sum() / alone.teacher.sum())
    assert abs(np.mean(pooled)) < 0.015
    assert 0.05 < np.mean(of_teacher) < 0.15
    assert min(of_teacher) > 0.02


def test_a_punctum_that_only_one_run_has_is_a_site():
    teacher = [PLACES[:5]] * 4
    student = [PLACES[3:8]] * 4
    sites = pool_sites(teacher, student, R)
    assert len(sites) == 8
    assert sorted(map(tuple, sites.positions)) == sorted(map(tuple, PLACES[:8]))
    only_student = sites.student.all(0) & ~sites.teacher.any(0)
    assert sorted(map(tuple, sites.positions[only_student])) == sorted(map(tuple, PLACES[5:8]))


@pytest.mark.parametrize("jitter", [0.05, 0.3, 0.6])
def test_jittered_detections_make_one_site_at_their_middle_with_their_spread(jitter):
    rng = np.random.default_rng(2)
    sites = pool_sites(
        draw(rng, PLACES, 1.0, 64, jitter=jitter), draw(rng, PLACES, 1.0, 64, jitter=jitter), R
    )
    main = sites.select(np.arange(len(PLACES)))
    assert main.detection_count.min() >= 126
    assert main.detection_count.mean() > 127.5
    site = match_points(PLACES, main.positions, R)
    assert sorted(site) == list(range(len(PLACES)))
    offset = np.linalg.norm(main.positions[site] - PLACES, axis=1)
    assert offset.max() < max(1.1 * jitter, 0.25)
    assert main.spread.mean() == pytest.approx(jitter, rel=0.06)


def test_the_sites_that_most_samples_have_come_first():
    teacher = [PLACES[:3], PLACES[1:3], PLACES[2:3]]
    sites = pool_sites(teacher, [], R)
    np.testing.assert_array_equal(sites.positions, PLACES[[2, 1, 0]])
    np.testing.assert_array_equal(sites.detection_count, [3, 2, 1])


def test_two_close_puncta_are_flagged_and_their_surplus_detections_counted():
    rng = np.random.default_rng(3)
    pair = np.array([[50.0, 50.0], [50.0, 51.1]])
    places = np.concatenate([pair, [[50.0, 80.0]]])
    sites = pool_sites(
        draw(rng, places, 0.8, 32, jitter=0.1), draw(rng, places, 0.8, 32, jitter=0.1), R
    )
    assert len(sites) == 2
    close = np.abs(sites.positions - pair[0]).max(1) < R
    np.testing.assert_array_equal(sites.merged, close)
    assert sites.teacher_unmatched.mean() == pytest.approx(0.64, abs=0.25)
    assert sites.spread[close] > 2 * sites.spread[~close]


@pytest.mark.parametrize("gap", [1.15, 1.4, 2.0])
def test_puncta_farther_apart_than_the_radius_are_two_sites_without_a_flag(gap):
    rng = np.random.default_rng(4)
    places = np.concatenate([PLACES[::2], PLACES[::2] + np.array([0.0, gap * R])])
    runs = [draw(rng, places, 0.7, 64) for _ in range(2)]
    sites = pool_sites(*runs, R)
    assert len(sites) == len(places)
    assert not sites.merged.any()
    share = sites.detection_count / 128
    assert share.mean() == pytest.approx(0.7, abs=0.02)
    assert share.std() == pytest.approx(
        np.sqrt(0.21 / 128), rel=0.35
    )  # and not one at the other's cost


def test_the_tail_of_a_wide_site_does_not_take_its_detections():
    rng = np.random.default_rng(8)
    run = draw(rng, PLACES, 1.0, 128, jitter=0.6)
    tail = [np.concatenate([run[0], PLACES + np.array([0.0, 1.02 * R])]), *run[1:]]
    for samples in (run, tail):
        sites = pool_sites(samples, [], R)
        main = sites.select(match_points(PLACES, sites.positions, 1.0))
        assert main.detection_count.mean() > 127


def test_a_contested_site_goes_to_the_nearer_detection_and_the_other_takes_the_free_one():
    sites = np.array([[0.0, 0.0], [0.0, 3.0]])
    # Both are nearest to site 0; only the second one reaches site 1.
    np.testing.assert_array_equal(
        match_points(np.array([[0.0, -0.9], [0.0, 1.2]]), sites, 2.0), [0, 1]
    )
    # A near pair is not split so that a far detection finds a place.
    near, far = [0.0, 0.1], [0.0, -1.9]
    np.testing.assert_array_equal(
        match_points(np.array([near, far]), np.array([[0.0, 0.0], [1.95, 0.1]]), 2.0), [0, -1]
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_match_has_the_least_sum_of_distances_of_all_there_are(ndim):
    rng = np.random.default_rng(5)
    for _ in range(60):
        points = rng.uniform(0, 3, (rng.integers(1, 6), ndim))
        sites = rng.uniform(0, 3, (rng.integers(1, 6), ndim))
        distance = np.linalg.norm(points[:, None] - sites[None], axis=-1)
        found = match_points(points, sites, 1.2)
        # Every choice of one site or none for each point
        best = min(
            sum(1.2 if j < 0 else distance[i, j] for i, j in enumerate(choice))
            for choice in itertools.product(range(-1, len(sites)), repeat=len(points))
            if len({j for j in choice if j >= 0}) == sum(j >= 0 for j in choice)
            and all(j < 0 or distance[i, j] <= 1.2 for i, j in enumerate(choice))
        )
        cost = sum(1.2 if j < 0 else distance[i, j] for i, j in enumerate(found))
        assert cost == pytest.approx(best, abs=1e-9)


COORDINATE = st.integers(0, 24).map(lambda n: n / 2)  # ties and equal places happen


def samples_of(ndim: int, most: int = 4):
    point = st.tuples(*[COORDINATE] * ndim)
    one = st.lists(point, max_size=8).map(lambda a: np.array(a, float).reshape(-1, ndim))
    return st.lists(one, max_size=most)


RUNS = st.sampled_from([2, 3]).flatmap(lambda d: st.tuples(samples_of(d), samples_of(d)))


@settings(max_examples=150, deadline=None)
@given(runs=RUNS)
def test_matching_is_one_to_one_within_the_radius_and_loses_no_detection(runs):
    teacher, student = runs
    sites = pool_sites(teacher, student, R)
    for samples, present, unmatched in (
        (teacher, sites.teacher, sites.teacher_unmatched),
        (student, sites.student, sites.student_unmatched),
    ):
        assert present.shape == (len(samples), len(sites))
        for one, row, left in zip(samples, present, unmatched, strict=True):
            assert row.sum() + left == len(one)
            here = sites.positions[row]
            reached = np.linalg.norm(one[:, None] - here[None], axis=-1) <= R * (1 + 1e-9)
            pairs = maximum_bipartite_matching(csr_array(reached), perm_type="row")
            assert (pairs >= 0).sum() == row.sum()
    assert (sites.detection_count >= 1).all()
    apart = np.linalg.norm(sites.positions[:, None] - sites.positions[None], axis=-1)
    assert (apart[~np.eye(len(sites), dtype=bool)] > R * (1 - 1e-9)).all()


@settings(max_examples=100, deadline=None)
@given(runs=RUNS, seed=st.integers(0, 2**16))
def test_neither_the_order_of_samples_nor_that_of_detections_matters(runs, seed):
    teacher, student = runs
    rng = np.random.default_rng(seed)
    sites = pool_sites(teacher, student, R)
    order_t, order_s = rng.permutation(len(teacher)), rng.permutation(len(student))
    other = pool_sites(
        shuffled(rng, [teacher[k] for k in order_t]),
        shuffled(rng, [student[k] for k in order_s]),
        R,
    )
    np.testing.assert_array_equal(other.positions, sites.positions)
    np.testing.assert_array_equal(other.teacher, sites.teacher[order_t])
    np.testing.assert_array_equal(other.student, sites.student[order_s])
    np.testing.assert_array_equal(other.merged, sites.merged)
    np.testing.assert_allclose(other.spread, sites.spread, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(runs=RUNS)
def test_exchanging_the_runs_exchanges_the_answer(runs):
    teacher, student = runs
    one, other = pool_sites(teacher, student, R), pool_sites(student, teacher, R)
    np.testing.assert_array_equal(one.positions, other.positions)
    np.testing.assert_array_equal(one.teacher, other.student)
    np.testing.assert_array_equal(one.merged, other.merged)


@pytest.mark.parametrize("ndim", [2, 3])
def test_no_detections_make_no_sites(ndim):
    empty = np.empty((0, ndim))
    sites = pool_sites([empty, empty], [empty], R)
    assert len(sites) == 0
    assert sites.positions.shape == (0, ndim)
    assert sites.teacher.shape == (2, 0)
    assert sites.student.shape == (1, 0)
    assert sites.detection_count.shape == sites.merged.shape == (0,)
    assert len(pool_sites([], [], R)) == 0
    assert match_points(np.ones((3, ndim)), empty, R).tolist() == [-1, -1, -1]


def test_one_sample_alone_gives_its_own_detections():
    sites = pool_sites([PLACES], [], R)
    assert len(sites) == len(PLACES)
    assert sites.teacher.all()
    assert sites.student.shape == (0, len(PLACES))
    assert np.isnan(sites.spread).all()


def test_sites_in_three_dimensions_take_a_radius_for_each_axis():
    rng = np.random.default_rng(6)
    places = np.array([[20.0, 30.0, 30.0], [20.0, 30.0, 34.0], [32.0, 30.0, 30.0]])
    jitter = np.array([1.2, 0.3, 0.3])
    run = [places + rng.normal(size=(3, 3)) * jitter for _ in range(60)]
    sites = pool_sites(run[:30], run[30:], (6.0, R, R))
    assert sites.radius == (6.0, R, R)
    assert len(sites) == 3
    assert sites.teacher.mean() > 0.98
    # A ball of the radius in the plane would not hold what moves along the axis.
    assert len(pool_sites(run[:30], run[30:], R)) > 3


def test_sites_of_a_region_are_selected_by_the_context():
    mask = np.zeros((100, 100), bool)
    mask[:50] = True
    context = StatisticContext(
        camera=Camera(), psf_sigma=1.5, background=1.0, puncta_threshold=5.0, region=mask
    )
    sites = pool_sites([PLACES] * 2, [PLACES] * 3, default_radius(context))
    inside = sites.select(context.inside(sites.positions))
    assert isinstance(inside, Sites)
    assert len(inside) == (PLACES[:, 0] < 49.5).sum()
    assert (inside.positions[:, 0] < 50).all()
    assert inside.student.shape == (3, len(inside))


def test_the_default_radius_is_the_full_width_at_half_maximum_of_the_restored_psf():
    assert default_radius() == pytest.approx(2.35482, abs=1e-5)
    half = np.exp(-((default_radius() / 2) ** 2) / 2)
    assert half == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("teacher", "radius", "message"),
    [
        ([np.ones((3, 4))], R, "n, 2"),
        ([np.ones((3, 2)), np.ones((3, 3))], R, "n, 2"),
        ([np.ones(4)], R, "n, 2"),
        ([np.array([[1.0, np.nan]])], R, "not finite"),
        ([np.ones((3, 2))], 0.0, "radius"),
        ([np.ones((3, 2))], np.inf, "radius"),
        ([np.ones((3, 2))], (1.0, 2.0, 3.0), "radius"),
    ],
)
def test_positions_that_are_none_are_refused(teacher, radius, message):
    with pytest.raises(InputError, match=message):
        pool_sites(teacher, [], radius)


def test_sixty_four_samples_each_with_four_hundred_puncta_take_less_than_three_seconds():
    rng = np.random.default_rng(7)
    places = rng.uniform(0, 512, (450, 2))
    p = rng.beta(0.8, 0.2, 450)
    runs = [draw(rng, places, p, 64, spurious=40, size=512) for _ in range(2)]
    assert np.mean([len(one) for one in runs[0]]) == pytest.approx(400, abs=15)
    pool_sites([runs[0][0]], [], R)
    start = time.process_time()
    pool_sites(*runs, R)
    assert time.process_time() - start < 3.0
