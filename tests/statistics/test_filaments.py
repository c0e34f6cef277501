"""Filaments of known length, bridged and broken ones, and what only looks like a filament."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import erf

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import (
    Region,
    connection,
    connections,
    evaluate,
    get_statistic,
    make_context,
)
from napari_posterior.statistics.filaments import (
    filament_threshold,
    ridge_contrast,
    trace_filaments,
)


@pytest.fixture
def context():
    return make_context(Measurement(np.full((32, 32), 10.0), Camera(), Psf(1.5)))


def line(shape, start, end, *, height=1.0, sigma=1.0):
    """A straight line of Gaussian profile, its ends seen at the same resolution."""
    yy, xx = np.indices(shape, dtype=np.float64) - np.reshape(start, (2, 1, 1))
    (dy, dx), length = np.subtract(end, start), math.dist(start, end)
    along, across = (yy * dy + xx * dx) / length, (yy * dx - xx * dy) / length
    reach = (erf(along / sigma / math.sqrt(2)) - erf((along - length) / sigma / math.sqrt(2))) / 2
    return height * reach * np.exp(-(across**2) / (2 * sigma**2))


def turned(angle, length=120.0, centre=(80.3, 79.8)):
    step = length / 2 * np.array([math.sin(math.radians(angle)), math.cos(math.radians(angle))])
    return np.subtract(centre, step), np.add(centre, step)


def read(name, x, context):
    return evaluate(get_statistic(name), [x], [context])


@pytest.mark.parametrize("width", [1.0, 1.5])
def test_contrast_on_the_middle_of_a_line_is_its_height(width: float) -> None:
    image = 7.0 + line((61, 61), (30.0, -40.0), (30.0, 100.0), height=40.0, sigma=width)
    expected = 40.0 * width * ((1 + 1.5**2) / (width**2 + 1.5**2)) ** 1.5
    assert ridge_contrast(image)[30, 30] == pytest.approx(expected, rel=0.05)


def test_threshold_is_five_sd_of_a_line_matched_over_the_reach_of_the_filter() -> None:
    generator = np.random.default_rng(0)
    sigma, background, noise = 2.0, 6.0, 1.5
    stretch = round(2 * math.sqrt(math.pi) * 1.5)
    profile = np.exp(-((np.arange(21) - 10.0) ** 2) / (2 * sigma**2)) / sigma
    seen = generator.poisson(background, (4000, stretch, 21)) - background
    seen = seen + generator.normal(0, noise, seen.shape)
    height = (seen * profile).sum((1, 2)) / (stretch * (profile**2).sum())
    flat = Measurement(np.full((32, 32), background), Camera(read_noise=noise), Psf(sigma))
    assert filament_threshold(make_context(flat)) == pytest.approx(5 * height.std(), rel=0.06)


@pytest.mark.parametrize("angle", [0, 10, 22.5, 30, 45, 60, 75, 90])
def test_length_of_a_straight_line_is_known_at_every_angle(angle: float, context) -> None:
    image = line((160, 160), *turned(angle), height=4 * filament_threshold(context))
    steep = math.radians(min(angle, 90 - angle))
    bias = math.cos(steep) + (math.sqrt(2) - 1) * math.sin(steep)
    found = read("filament_length", image, context)[""]
    assert found / 120.0 == pytest.approx(bias, rel=0.03)
    assert found / 120.0 == pytest.approx(1.0, abs=0.09)


def test_length_of_a_line_hardly_changes_with_the_threshold(context) -> None:
    image = line((160, 160), *turned(20), height=4 * filament_threshold(context))
    found = read("filament_length", image, context)
    assert set(found) == {"", "threshold_x0.8", "threshold_x1.25"}
    assert list(found.values()) == pytest.approx([found[""]] * 3, rel=0.02)


def test_a_row_of_puncta_is_given_away_by_the_threshold(context) -> None:
    yy, xx = np.indices((40, 130), dtype=np.float64)
    row = sum(np.exp(-((yy - 20) ** 2 + (xx - place) ** 2) / 2) for place in range(10, 121, 5))
    between = ridge_contrast(row)[20, 60:71].min()
    image = row * 1.1 * filament_threshold(context) / between
    found = read("filament_length", image, context)
    assert found["threshold_x0.8"] == pytest.approx(110, rel=0.05)
    assert found["threshold_x1.25"] < 0.1 * found["threshold_x0.8"]


def test_single_puncta_have_no_length(context) -> None:
    yy, xx = np.indices((60, 60), dtype=np.float64)
    image = 30 * filament_threshold(context) * np.exp(-((yy - 30) ** 2 + (xx - 28) ** 2) / 2)
    assert ridge_contrast(image).max() > 10 * filament_threshold(context)
    assert set(read("filament_length", image, context).values()) == {0.0}


def test_lines_below_the_threshold_are_not_seen(context) -> None:
    threshold = filament_threshold(context)
    image = line((100, 100), (30.0, 10.0), (30.0, 90.0), height=0.9 * threshold)
    image += line((100, 100), (70.0, 10.0), (70.0, 90.0), height=1.5 * threshold)
    assert read("filament_fragments", image, context) == {"": 1.0}
    assert read("filament_length", image, context)[""] == pytest.approx(80, rel=0.05)


def test_a_spur_is_pruned_and_a_branch_kept(context) -> None:
    threshold = filament_threshold(context)

    def forked(arm):
        image = line((100, 100), (50.0, 10.0), (50.0, 90.0), height=4 * threshold)
        return np.maximum(
            image, line((100, 100), (50.0, 50.0), (50.0 + arm, 50.0), height=4 * threshold)
        )

    lengths = [read("filament_length", forked(arm), context)[""] for arm in (0.01, 4.0, 25.0)]
    assert lengths[1] == pytest.approx(lengths[0], abs=1.5)
    assert lengths[2] == pytest.approx(lengths[0] + 25, abs=1.5)


def test_fragments_of_broken_filaments_are_counted(context) -> None:
    height = 4 * filament_threshold(context)
    image = np.zeros((120, 120))
    for row, breaks in ((20.0, 0), (60.0, 1), (100.0, 2)):
        edges = np.linspace(10, 110, breaks + 2)
        for left, right in pairwise(edges):
            image += line((120, 120), (row, left + 5), (row, right - 5), height=height)
    assert read("filament_fragments", image, context) == {"": 6.0}


def test_micrometres_need_the_pixel_size_and_follow_it(context) -> None:
    image = line((60, 160), (30.0, 20.0), (30.0, 140.0), height=4 * filament_threshold(context))
    pixels = read("filament_length", image, context)[""]
    with pytest.raises(InputError, match="pixel size"):
        read("filament_length_um", image, context)
    for size, unit in ((0.1, "micrometer"), (100.0, "nanometer")):
        known = replace(context, pixel_size=(size, size), unit=unit)
        assert read("filament_length_um", image, known)[""] == pytest.approx(0.1 * pixels)


def test_a_gap_bridged_in_three_samples_of_ten_is_found_in_each_of_them(context) -> None:
    generator = np.random.default_rng(1)
    height, count = 4 * filament_threshold(context), 40
    planted = generator.permutation(np.arange(count) < 12)
    ends = (40.0, 12.0), (55.0, 108.0)
    gap = (46.5, 53.6), (48.5, 66.4)
    samples = np.empty((count, 96, 120))
    for sample, bridged in zip(samples, planted, strict=True):
        pieces = [(ends[0], ends[1])] if bridged else [(ends[0], gap[0]), (gap[1], ends[1])]
        sample[:] = sum(
            line((96, 120), *piece, height=height * generator.uniform(0.7, 1.3)) for piece in pieces
        )
        sample += height * 0.03 * generator.normal(size=sample.shape)
    found = connections(samples, *ends, context)
    assert found.shape == (count,)
    np.testing.assert_array_equal(found, planted)
    assert found.mean() == pytest.approx(0.3)
    through_protocol = [evaluate(connection(*ends), [x], [context])[""] for x in samples]
    np.testing.assert_array_equal(through_protocol, planted)


def test_points_away_from_any_filament_are_not_connected(context) -> None:
    image = line((60, 120), (30.0, 10.0), (30.0, 110.0), height=4 * filament_threshold(context))
    assert connections([image], (32.0, 12.0), (28.0, 108.0), context).tolist() == [1]
    assert connections([image], (30.0, 12.0), (50.0, 60.0), context).tolist() == [0]
    assert connections([0 * image], (30.0, 12.0), (30.0, 60.0), context).tolist() == [0]


def test_points_stacks_and_thresholds_that_cannot_be_are_refused(context) -> None:
    with pytest.raises(InputError, match="outside the plane"):
        connections([np.zeros((20, 20))], (3.0, 3.0), (3.0, 25.0), context)
    with pytest.raises(InputError, match="plane by plane"):
        trace_filaments(np.zeros((2, 9, 9)), 1.0)
    with pytest.raises(InputError, match="positive"):
        trace_filaments(np.zeros((9, 9)), 0.0)


def test_the_same_sample_gives_the_same_numbers_and_a_constant_changes_none(context) -> None:
    generator = np.random.default_rng(2)
    image = line((90, 90), (10.0, 12.0), (80.0, 70.0), height=3 * filament_threshold(context))
    image += filament_threshold(context) * generator.normal(size=image.shape)
    found = read("filament_length", image.astype(np.float32), context)
    assert read("filament_length", image.astype(np.float32), context) == found
    assert read("filament_length", image.astype(np.float32) + 64.0, context) == pytest.approx(
        found, rel=0.02
    )


def halves(shape, column):
    left = np.zeros(shape, bool)
    left[:, :column] = True
    return Region("left", left), Region("right", ~left)


def test_length_in_regions_that_share_out_the_plane_adds_up(context) -> None:
    image = line((60, 160), (20.0, 20.0), (40.0, 140.0), height=4 * filament_threshold(context))
    known = replace(context, pixel_size=(0.1, 0.1), unit="micrometer")
    for name, key in (("filament_length", ""), ("filament_length_um", "")):
        parts = [
            evaluate(get_statistic(name), [image], [known], region=one)[key]
            for one in halves((60, 160), 60)
        ]
        assert sum(parts) == pytest.approx(read(name, image, known)[key])
        assert parts[0] / sum(parts) == pytest.approx(1 / 3, abs=0.03)


def test_an_edge_of_a_region_prunes_nothing(context) -> None:
    image = line((60, 160), (30.0, 20.0), (30.0, 140.0), height=4 * filament_threshold(context))
    corner = np.zeros((60, 160), bool)
    corner[:, 100:103] = True
    found = evaluate(
        get_statistic("filament_length"), [image], [context], region=Region("strip", corner)
    )
    assert found[""] == pytest.approx(3.0)


def test_fragments_that_touch_a_region_are_counted_in_it(context) -> None:
    height = 4 * filament_threshold(context)
    image = sum(
        line((120, 120), (row, left), (row, right), height=height)
        for row, left, right in ((20.0, 10.0, 50.0), (60.0, 10.0, 110.0), (100.0, 70.0, 110.0))
    )
    counts = [
        evaluate(get_statistic("filament_fragments"), [image], [context], region=one)[""]
        for one in halves((120, 120), 60)
    ]
    assert counts == [2, 2]
    assert read("filament_fragments", image, context)[""] == 3


def test_a_connection_in_a_region_stays_inside_it(context) -> None:
    height = 4 * filament_threshold(context)
    corners = [(80.0, 20.0), (20.0, 20.0), (20.0, 100.0), (80.0, 100.0)]
    image = np.max([line((100, 120), *side, height=height) for side in pairwise(corners)], axis=0)
    bottom = np.zeros((100, 120), bool)
    bottom[50:] = True
    asked = connection(corners[0], corners[3])
    assert evaluate(asked, [image], [context]) == {"": 1.0}
    assert evaluate(asked, [image], [context], region=Region("bottom", bottom)) == {"": 0.0}
    arm = connection(corners[0], (55.0, 20.0))
    assert evaluate(arm, [image], [context], region=Region("bottom", bottom)) == {"": 1.0}
    empty = Region("top", np.pad(np.ones((5, 120), bool), ((0, 95), (0, 0))))
    assert evaluate(asked, [image], [context], region=empty) == {"": 0.0}
