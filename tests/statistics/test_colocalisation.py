"""Two channels of known correlation, overlap and pairing, drawn jointly and independently."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import make_context
from napari_posterior.statistics.channel_pairs import Colocalisation, pair_all
from napari_posterior.statistics.colocalisation import manders, neighbour_excess, pearson

SHAPE = (300, 300)


def correlated(generator, rho, size, n=1):
    """Pairs of rough fields, (n, 2, size, size), of correlation rho."""
    white = ndimage.gaussian_filter(generator.normal(size=(n, 2, size, size)), (0, 0, 2, 2))
    white /= white.std()
    return np.stack([white[:, 0], rho * white[:, 0] + math.sqrt(1 - rho**2) * white[:, 1]], axis=1)


def scatter(generator, count, shape=SHAPE):
    return generator.uniform(0, 1, (count, 2)) * np.array(shape) - 0.5


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.8])
def test_correlation_of_two_fields_is_known(rho: float) -> None:
    generator = np.random.default_rng(0)
    pairs = 40 + 7 * correlated(generator, rho, 128, n=20)
    values = [pearson(a, 3 * b, np.ones((128, 128), bool)) for a, b in pairs]
    assert np.mean(values) == pytest.approx(rho, abs=3 * np.std(values) / math.sqrt(20) + 1e-9)


def test_only_pixels_of_the_mask_are_correlated() -> None:
    a, b = correlated(np.random.default_rng(1), 0.0, 64)[0]
    mask = np.zeros((64, 64), bool)
    mask[10:30, 20:50] = True
    b[mask] = 5 - 2 * a[mask]
    assert pearson(a, b, mask) == pytest.approx(-1)
    assert abs(pearson(a, b)) < 0.9
    assert math.isnan(pearson(a, np.full((64, 64), 0.1)))


def test_correlation_of_mean_images_exceeds_that_of_samples() -> None:
    generator = np.random.default_rng(2)
    shared = correlated(generator, 0.9, 64)[0]
    noise = correlated(generator, 0.0, 64, n=16)
    samples = shared + noise
    mean = np.mean([pearson(a, b) for a, b in samples])
    assert pearson(*samples.mean(0)) > mean + 0.2


def test_shares_of_overlapping_light_are_known() -> None:
    first, second = np.ones((40, 60)), np.full((40, 60), 2.0)
    first[10:30, 10:30], second[10:30, 25:45] = 10.0, 30.0
    second[10:30, 40:45] = 60.0
    m1, m2 = manders(first, second, (5.0, 5.0))
    assert m1 == pytest.approx(0.25)
    assert m2 == pytest.approx(5 * 30 / (15 * 30 + 5 * 60))
    left = np.zeros((40, 60), bool)
    left[:, :30] = True
    assert manders(first, second, (5.0, 5.0), left) == pytest.approx((0.25, 1.0))
    m1, m2 = manders(first, second, (50.0, 5.0))
    assert math.isnan(m1)
    assert m2 == 0


def test_thresholds_are_not_taken_from_the_samples() -> None:
    a, b = 20 + 5 * correlated(np.random.default_rng(3), 0.5, 64)[0]
    assert manders(a, b, (22.0, 22.0)) != manders(1.1 * a, b, (22.0, 22.0))
    assert manders(1.1 * a, b, (1.1 * 22.0, 22.0)) == pytest.approx(manders(a, b, (22.0, 22.0)))


def test_puncta_that_know_nothing_of_each_other_have_no_excess() -> None:
    generator = np.random.default_rng(4)
    found = [
        neighbour_excess(scatter(generator, 150), scatter(generator, 200), 4.0, shape=SHAPE)
        for _ in range(60)
    ]
    excess = np.array([one.excess for one in found])
    assert abs(excess.mean()) < 3 * excess.std() / math.sqrt(60)
    # By chance: the share of the plane within 4 px of any of 200 points.
    expected = 1 - math.exp(-200 * math.pi * 16 / 300**2)
    assert np.mean([one.expected for one in found]) == pytest.approx(expected, rel=0.03)
    assert np.mean([one.chance_sd for one in found]) == pytest.approx(excess.std(), rel=0.25)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_planted_share_of_pairs_is_found(share: float) -> None:
    generator = np.random.default_rng(5)
    first = scatter(generator, 200)
    paired = first[: int(share * 200)] + generator.normal(0, 0.5, (int(share * 200), 2))
    second = np.concatenate([paired, scatter(generator, 100)])
    found = neighbour_excess(first, second, 3.0, shape=SHAPE)
    by_chance = found.expected
    assert found.fraction == pytest.approx(share + (1 - share) * by_chance, abs=0.05)
    assert found.excess > 8 * found.chance_sd
    assert found.puncta == 200


def clustered(generator, count, mask):
    centres = generator.permutation(np.argwhere(mask))[:12]
    points = centres[generator.integers(12, size=count)] + generator.normal(0, 4, (count, 2))
    pixels = np.clip(np.rint(points).astype(int), 0, np.array(mask.shape) - 1)
    return points[mask[pixels[:, 0], pixels[:, 1]]]


def test_clusters_and_a_round_mask_make_no_excess() -> None:
    generator = np.random.default_rng(6)
    yy, xx = np.indices(SHAPE)
    mask = np.hypot(yy - 120, xx - 170) < 100
    excess, chance = [], []
    for _ in range(80):
        first, second = (clustered(generator, 120, mask) for _ in range(2))
        found = neighbour_excess(first, second, 4.0, shape=SHAPE, mask=mask)
        excess.append(found.excess)
        chance.append(found.chance_sd)
    error = np.std(excess) / math.sqrt(80)
    assert abs(np.mean(excess)) < 3 * error
    # Clusters make the fraction vary more than single points would.
    single = math.sqrt(0.15 * 0.85 / 120)
    assert np.mean(chance) > 1.5 * single
    # In the bounding box alone, the empty corners would be taken for chance.
    box = [
        neighbour_excess(
            clustered(generator, 120, mask), clustered(generator, 120, mask), 4.0, shape=SHAPE
        ).excess
        for _ in range(40)
    ]
    assert np.mean(box) > 3 * error


def test_puncta_outside_the_mask_count_nothing() -> None:
    generator = np.random.default_rng(7)
    mask = np.zeros(SHAPE, bool)
    mask[:150] = True
    pairs = scatter(generator, 100, (140, 300))
    apart = np.add([150, 0], scatter(generator, 400, (150, 300)))
    with_others = np.concatenate([pairs, apart])
    alone = neighbour_excess(pairs, pairs + 0.5, 2.0, shape=SHAPE, mask=mask)
    found = neighbour_excess(with_others, pairs + 0.5, 2.0, shape=SHAPE, mask=mask)
    assert found == alone
    assert found.fraction == 1


def test_the_same_seed_gives_the_same_shifts_and_more_shifts_less_error() -> None:
    generator = np.random.default_rng(8)
    first, second = scatter(generator, 100), scatter(generator, 100)

    def read(**options):
        return neighbour_excess(first, second, 4.0, shape=SHAPE, **options)

    assert read() == read()
    assert read(seed=1).expected != read().expected
    many = read(shifts=1600)
    assert many.expected_se == pytest.approx(read(shifts=100).expected_se / 4, rel=0.3)
    assert abs(many.expected - read().expected) < 4 * read().expected_se


def test_neighbours_are_found_at_distances_in_any_direction() -> None:
    first, second = np.array([[50.0, 50.0]]), np.array([[52.0, 50.0]])

    def near(distance, **options):
        return neighbour_excess(first, second, distance, shape=SHAPE, **options).fraction

    assert (near(1.9), near(2.0)) == (0, 1)
    assert (near(0.59, pixel_size=(0.3, 0.1)), near(0.61, pixel_size=(0.3, 0.1))) == (0, 1)


def test_channels_without_puncta_are_told() -> None:
    some, none = scatter(np.random.default_rng(9), 20), np.zeros((0, 2))
    found = neighbour_excess(some, none, 3.0, shape=SHAPE)
    assert (found.fraction, found.expected, found.excess) == (0, 0, 0)
    found = neighbour_excess(none, some, 3.0, shape=SHAPE)
    assert found.puncta == 0
    assert math.isnan(found.excess)


def test_planes_masks_and_shifts_that_cannot_be_are_refused() -> None:
    plane, points = np.zeros((20, 20)), np.full((3, 2), 10.0)
    with pytest.raises(InputError, match="one size"):
        pearson(plane, np.zeros((20, 21)))
    with pytest.raises(InputError, match="one size"):
        manders(plane, plane, (1.0, 1.0), np.zeros((20, 20), bool))
    with pytest.raises(InputError, match="too small"):
        neighbour_excess(points, points, 8.0, shape=(20, 20))
    with pytest.raises(InputError, match="2 shifts"):
        neighbour_excess(points, points, 3.0, shape=(20, 20), shifts=1)
    with pytest.raises(InputError, match="size of the image"):
        neighbour_excess(points, points, 3.0, shape=(20, 20), mask=np.ones((9, 9), bool))


@pytest.fixture
def context():
    plain = make_context(Measurement(np.full((32, 32), 10.0), Camera(), Psf(1.5)))
    return replace(plain, object_threshold=15.0, puncta_threshold=20.0)


def spots(points, shape=(120, 120)):
    plane = np.full(shape, 5.0)
    yy, xx = np.indices(shape)
    for row, column in points:
        plane += 60.0 * np.exp(-((yy - row) ** 2 + (xx - column) ** 2) / 2)
    return plane


def grid(rows, columns, offset=0.0):
    return [(r + offset, c + offset) for r in rows for c in columns]


def test_a_pair_of_planes_gives_all_numbers(context) -> None:
    first = spots(grid(range(15, 110, 20), range(15, 110, 20)))
    second = spots(grid(range(15, 110, 20), (15, 35), 1.0))
    found = Colocalisation().measure(first, second, (context, context))
    assert found["pearson"] == pytest.approx(pearson(first, second))
    assert (found["manders_1"], found["manders_2"]) == manders(first, second, (15.0, 15.0))
    assert found["neighbours"] == pytest.approx(0.4)
    assert found["neighbours_excess"] == found["neighbours"] - found["neighbours_by_chance"]
    assert Colocalisation(distance=1.0).measure(first, second, (context, context))[
        "neighbours"
    ] == pytest.approx(0.0)


def test_colocalisation_is_measured_in_the_region_of_both_channels(context) -> None:
    first = spots(grid(range(15, 110, 20), range(15, 110, 20)))
    second = spots(grid(range(15, 110, 20), (15, 35), 1.0))
    left = np.zeros((120, 120), bool)
    left[:, :45] = True
    inside = context.within(left)
    for contexts in ((inside, context), (context, inside), (inside, inside)):
        found = Colocalisation().measure(first, second, contexts)
        assert found["neighbours"] == 1.0
        assert found["pearson"] == pytest.approx(pearson(first, second, left))
    with pytest.raises(InputError, match="share no pixel"):
        Colocalisation().measure(first, second, (inside, context.within(~left)))


def test_parameters_are_told_and_checked() -> None:
    assert Colocalisation().name == "colocalisation"
    assert Colocalisation(distance=2).name == "colocalisation(distance=2.0)"
    told = {one.name: one.default for one in Colocalisation().parameters}
    assert told == {"distance": 3.0, "shifts": 99, "seed": 0}
    with pytest.raises(InputError, match=r"0\.1 at least"):
        Colocalisation(distance=0.0)


def test_a_threshold_that_was_not_fixed_is_asked_for(context) -> None:
    bare = replace(context, object_threshold=None)
    with pytest.raises(InputError, match="make_context"):
        Colocalisation().measure(np.zeros((40, 40)), np.zeros((40, 40)), (context, bare))


def test_pairings_are_what_each_pair_of_samples_gives(context) -> None:
    generator = np.random.default_rng(10)
    draws = [
        [spots(scatter(generator, 12, (110, 110)) + 5) for _ in range(count)] for count in (4, 3)
    ]
    chosen = Colocalisation(shifts=9)
    found = chosen.measure_pairings(*draws, (context, context))
    single = [[chosen.measure(a, b, (context, context)) for b in draws[1]] for a in draws[0]]
    assert set(found) == set(single[0][0])
    for key in ("pearson", "manders_1", "manders_2", "neighbours"):
        expected = [[one[key] for one in row] for row in single]
        np.testing.assert_allclose(found[key].values, expected, atol=1e-6)
        assert found[key].mean == pytest.approx(np.mean(expected), abs=1e-6)
    assert found["neighbours_excess"].mean == pytest.approx(
        found["neighbours"].mean - found["neighbours_by_chance"].mean
    )
    assert "4 x 3 pairings" in found["pearson"].sentence
    assert "taken as zero" in found["pearson"].sentence


def test_standard_error_of_pairings_is_that_of_repeats() -> None:
    generator = np.random.default_rng(11)
    found = [
        pair_all(
            generator.normal(1.0, 1.0, 12),
            generator.normal(2.0, 0.5, 8),
            lambda a, b: a * b + 0.1 * a**2,
        )
        for _ in range(400)
    ]
    means = np.array([one.mean for one in found])
    error = math.sqrt(np.mean([one.se**2 for one in found]))
    assert means.mean() == pytest.approx(2.2, abs=3 * means.std() / 20)
    assert error == pytest.approx(means.std(), rel=0.1)
    # All 96 pairings taken for independent would be far too sure.
    naive = np.mean([one.values.std() / math.sqrt(96) for one in found])
    assert naive < 0.6 * means.std()


def test_pairings_that_are_not_defined_are_left_out() -> None:
    table = np.array([[1.0, np.nan, 3.0], [2.0, np.nan, 4.0]])
    found = pair_all([0, 1], [0, 1, 2], lambda i, j: table[i, j])
    assert found.mean == 2.5
    assert math.isfinite(found.se)
    none = pair_all([0, 1], [0, 1], lambda i, j: math.nan)
    assert math.isnan(none.mean)
    assert math.isnan(none.se)
    with pytest.raises(InputError, match="draw more samples"):
        pair_all([0], [0, 1], lambda i, j: 1.0)
