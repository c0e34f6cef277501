"""What became of each punctum: classes, intervals, tests, sentences and the table."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.errors import InputError
from napari_posterior.statistics.existence import CLASSES, compare_sites
from napari_posterior.statistics.proportions import wilson_interval
from napari_posterior.statistics.sites import pool_sites


def sites_with(teacher, student, k_t=32, k_s=32, *, ndim=2):
    """Sites 10 px apart with given numbers of detections, by way of the detections."""
    places = np.zeros((len(teacher), ndim))
    places[:, -1] = 10.0 * np.arange(len(teacher))
    runs = [
        [places[np.asarray(counts) > k] for k in range(size)]
        for counts, size in ((teacher, k_t), (student, k_s))
    ]
    sites = pool_sites(*runs, 2.0)
    return sites.select(np.argsort(sites.positions[:, -1]))


def test_a_site_is_described_in_words():
    sites = sites_with([32] * 16 + [29, 30], [32] * 16 + [11, 29])
    found = compare_sites(sites)
    assert (
        found.describe(16) == "Punctum 17: teacher 29/32 (76-97 %), student 11/32 (20-52 %): lost."
    )
    with pytest.raises(InputError, match="no site 18"):
        found.describe(18)
    with pytest.raises(InputError, match="no site -1"):
        found.describe(-1)


def test_a_merged_site_says_so():
    pair = np.array([[5.0, 5.0], [5.0, 6.2]])
    found = compare_sites(pool_sites([pair] * 16, [pair] * 16, 2.355))
    assert found.describe(0).endswith("perhaps two close puncta.")


def test_classes_follow_from_the_interval_and_the_tolerance():
    sites = sites_with([64, 60, 5, 40, 64], [63, 10, 60, 30, 50], 64, 64)
    found = compare_sites(sites)
    assert found.classes.tolist() == ["shared", "lost", "invented", "undecidable", "undecidable"]
    assert found.count_classes() == {"shared": 1, "lost": 1, "invented": 1, "undecidable": 2}
    strict, loose = (compare_sites(sites, tolerance=t) for t in (0.05, 0.6))
    assert strict.classes.tolist()[-1] == "lost"
    assert loose.classes.tolist()[-2:] == ["shared", "shared"]
    exchanged = compare_sites(sites_with([63, 10, 60], [64, 60, 5], 64, 64))
    assert exchanged.classes.tolist() == ["shared", "invented", "lost"]


def test_estimates_and_intervals_are_those_of_the_counts():
    sites = sites_with([29, 4], [11, 30], 32, 48)
    found = compare_sites(sites, level=0.9)
    np.testing.assert_allclose(found.teacher_probability, [29 / 32, 4 / 32])
    np.testing.assert_allclose(found.student_probability, [11 / 48, 30 / 48])
    np.testing.assert_allclose(found.difference, [11 / 48 - 29 / 32, 30 / 48 - 4 / 32])
    np.testing.assert_allclose(
        found.student_interval.T, wilson_interval(np.array([11, 30]), 48, level=0.9)
    )
    low, high = found.difference_interval.T
    assert ((low < found.difference) & (found.difference < high)).all()


def outcomes(total):
    """Every pair of counts but that of no detection, and the class of each."""
    a, b = (grid.ravel()[1:] for grid in np.meshgrid(np.arange(total + 1), np.arange(total + 1)))
    return a, b, compare_sites(sites_with(a, b, total, total)).classes


def test_equal_puncta_are_found_shared_as_often_as_planned():
    planned = {0.99: (0.75, 0.99, 1.0), 0.9: (0.15, 0.62, 0.96), 0.5: (0.0, 0.10, 0.46)}
    for place, total in enumerate((16, 32, 64)):
        a, b, classes = outcomes(total)
        for p, shares in planned.items():
            chance = stats.binom.pmf(a, total, p) * stats.binom.pmf(b, total, p)
            assert chance[classes == "shared"].sum() == pytest.approx(shares[place], abs=0.025)


@pytest.mark.parametrize("total", [16, 48])
def test_wrong_classes_are_seldom(total):
    a, b, classes = outcomes(total)

    def chance(p, q, name):
        weight = stats.binom.pmf(a, total, p) * stats.binom.pmf(b, total, q)
        return weight[classes == name].sum()

    edge = np.linspace(0.25, 0.95, 15)
    assert np.mean([chance(p, p - 0.2, "lost") for p in edge]) < 0.06
    assert np.mean([chance(p, p - 0.2, "shared") for p in edge]) < 0.06
    assert max(chance(p, p, "lost") for p in np.linspace(0.05, 0.95, 10)) < 0.005
    assert max(chance(p, p, "invented") for p in np.linspace(0.05, 0.95, 10)) < 0.005


def test_sites_of_a_single_detection_are_kept_and_not_listed():
    found = compare_sites(sites_with([30, 1, 0, 1], [30, 0, 1, 1]))
    assert len(found) == 4
    np.testing.assert_array_equal(found.listed, [True, False, False, True])
    assert sum(found.count_classes().values()) == 2
    assert np.isnan(found.q_value).tolist() == [False, True, True, False]
    assert len(found.to_frame()) == 2
    assert len(found.to_frame(hidden=True)) == 4


def test_tests_are_corrected_over_the_listed_sites():
    teacher, student = [30] * 20 + [28, 27], [30] * 20 + [2, 19]
    found = compare_sites(sites_with(teacher, student))
    np.testing.assert_allclose(
        found.q_value, stats.false_discovery_control(found.p_value), rtol=1e-12
    )
    assert found.q_value[20] < 1e-6
    assert found.p_value[21] < 0.05 < found.q_value[21]


def test_the_table_has_units_in_its_columns_and_the_largest_difference_first():
    sites = sites_with([30, 29, 10], [29, 11, 16])
    found = compare_sites(sites)
    table = found.to_frame(pixel_size=(200.0, 100.0), unit="nanometer")
    assert table["punctum"].tolist() == [2, 3, 1]
    assert table["column [px]"].tolist() == [10.0, 20.0, 0.0]
    np.testing.assert_allclose(table["column [um]"], [1.0, 2.0, 0.0])
    np.testing.assert_allclose(table["row [um]"], 0.0)
    assert table["class"].tolist()[0] == "lost"
    assert table["teacher detections"].tolist() == [29, 10, 30]
    assert set(table["class"]) <= set(CLASSES)
    assert "row [um]" not in found.to_frame()
    assert table.attrs == {"level": 0.95, "tail": 0.05, "tolerance": 0.2}


def test_the_table_in_three_dimensions_names_the_plane():
    table = compare_sites(sites_with([3, 4], [3, 2], ndim=3)).to_frame(
        pixel_size=(0.1, 0.1), unit="micrometer"
    )
    assert table.columns.tolist()[1:6] == [
        "plane",
        "row [px]",
        "column [px]",
        "row [um]",
        "column [um]",
    ]
    np.testing.assert_allclose(np.sort(table["column [um]"]), [0.0, 1.0])


def test_no_sites_and_no_student_are_no_fault():
    empty = np.empty((0, 2))
    nothing = compare_sites(pool_sites([empty] * 3, [empty] * 2))
    assert len(nothing) == 0
    assert len(nothing.to_frame()) == 0
    alone = compare_sites(sites_with([5, 3], [0, 0], 8, 0))
    assert set(alone.classes) == {"undecidable"}
    assert np.isnan(alone.student_probability).all()
    assert alone.describe(0) == (
        "Punctum 1: teacher 5/8 (31-86 %), student no samples: undecidable."
    )


def test_a_single_sample_decides_nothing():
    assert set(compare_sites(sites_with([1, 0, 1], [0, 1, 1], 1, 1)).classes) == {"undecidable"}


@pytest.mark.parametrize(
    ("option", "message"),
    [({"tolerance": 0.0}, "tolerance"), ({"tail": 0.5}, "tail"), ({"level": 95}, "level")],
)
def test_options_that_make_no_sense_are_refused(option, message):
    with pytest.raises(InputError, match=message):
        compare_sites(sites_with([3], [4]), **option)
