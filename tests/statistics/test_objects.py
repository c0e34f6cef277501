"""Objects of known shape, in regions and pixels of any size, and nuclei of real images."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import Region, evaluate, get_statistic, make_context
from napari_posterior.statistics.objects import (
    measure_objects,
    object_threshold,
    objects_in,
    segment,
)

if TYPE_CHECKING:
    from pathlib import Path

LEVEL = 5.0


@pytest.fixture
def context():
    plain = make_context(Measurement(np.full((32, 32), 10.0), Camera(), Psf(1.5)))
    return replace(plain, object_threshold=LEVEL)


def ellipse(shape, centre, radii, angle=0.0):
    """Where the centre of a pixel lies inside an ellipse of two half axes."""
    yy, xx = np.indices(shape, dtype=np.float64) - np.reshape(centre, (2, 1, 1))
    turn = math.radians(angle)
    along, across = (
        xx * math.cos(turn) + yy * math.sin(turn),
        yy * math.cos(turn) - xx * math.sin(turn),
    )
    return (along / radii[0]) ** 2 + (across / radii[1]) ** 2 <= 1


def discs(shape, centres, radius, height=2 * LEVEL):
    found = np.zeros(shape)
    for centre in centres:
        found[ellipse(shape, centre, (radius, radius))] = height
    return found


@pytest.mark.parametrize("angle", [0, 30, 45, 90])
@pytest.mark.parametrize(("long", "short"), [(20.0, 20.0), (24.0, 12.0), (30.0, 10.0)])
def test_shape_of_an_ellipse_is_known(long: float, short: float, angle: float) -> None:
    image = 10.0 * ellipse((90, 90), (44.3, 45.6), (long, short), angle)
    found = measure_objects(segment(image, LEVEL, smoothing=0.0), image)
    assert len(found) == 1
    assert found.columns["area"][0] == pytest.approx(math.pi * long * short, rel=0.02)
    expected = math.sqrt(1 - (short / long) ** 2)
    assert found.columns["eccentricity"][0] == pytest.approx(expected, abs=0.15 - 0.14 * expected)
    assert 0.95 < found.columns["solidity"][0] <= 1
    assert found.columns["intensity"][0] == pytest.approx(10.0)
    np.testing.assert_allclose(found.positions, [[44.3, 45.6]], atol=0.1)
    assert set(found.units) == set(found.columns)


def test_solidity_is_the_share_of_the_convex_hull() -> None:
    labels = np.zeros((80, 80), int)
    labels[10:70, 10:70] = 1
    labels[10:40, 40:70] = 0
    (solidity,) = measure_objects(labels).columns["solidity"]
    assert solidity == pytest.approx(6 / 7, abs=0.01)


def test_pixels_that_are_not_square_are_measured_in_lengths() -> None:
    # Round in micrometres, with pixels twice as high as wide.
    labels = ellipse((60, 90), (30.0, 45.0), (30.0, 15.0)).astype(int)
    (square,) = measure_objects(labels).columns["eccentricity"]
    found = measure_objects(labels, pixel_size=(200.0, 100.0), unit="nanometer")
    assert square == pytest.approx(math.sqrt(3) / 2, abs=0.01)
    assert found.columns["eccentricity"][0] < 0.2
    assert found.columns["area"][0] == labels.sum()
    assert found.columns["area_um2"][0] == pytest.approx(math.pi * 3.0**2, rel=0.01)
    assert found.units["area_um2"] == "µm²"
    np.testing.assert_allclose(found.positions, [[30.0, 45.0]], atol=0.01)
    unknown = measure_objects(labels, pixel_size=(1.0, 1.0), unit="pixel")
    assert "area_um2" not in unknown.columns


def test_planted_objects_are_counted_and_measured(context) -> None:
    centres = np.array([[20.0, 20.0], [25.0, 70.0], [70.0, 40.0]])
    image = discs((100, 100), centres, 9.0)
    found = get_statistic("objects").measure(image, context)
    order = np.lexsort(found.positions.T[::-1])
    np.testing.assert_allclose(found.positions[order], centres, atol=0.1)
    numbers = evaluate(get_statistic("objects"), [image], [context])
    assert numbers[""] == 3
    assert numbers["mean_area"] == pytest.approx(math.pi * 81, rel=0.05)
    assert set(numbers) == {
        "",
        *(f"mean_{one}" for one in ("area", "eccentricity", "solidity", "intensity")),
    }


def test_what_is_small_is_no_object_and_holes_are_filled() -> None:
    image = discs((80, 80), [(20.0, 20.0)], 12.0)
    image[18:23, 18:23] = 0.0
    image[60:65, 60:65] = 10.0
    labels = segment(image, LEVEL, smoothing=0.0)
    assert labels.max() == 1
    assert labels[20, 20] == 1
    assert segment(image, LEVEL, smoothing=0.0, fill_holes=False)[20, 20] == 0
    assert segment(image, LEVEL, smoothing=0.0, minimum_area=25).max() == 2
    assert segment(image, LEVEL, smoothing=0.0, minimum_area=26).max() == 1


def test_a_gap_that_is_open_at_the_edge_of_the_plane_is_no_hole() -> None:
    image = np.zeros((40, 40))
    image[:, 10:30] = 10.0
    image[:12, 15:25] = 0.0
    labels = segment(image, LEVEL, smoothing=0.0)
    assert labels[5, 20] == 0
    assert labels[20, 20] == 1


def test_objects_that_touch_at_a_corner_are_one() -> None:
    image = np.zeros((40, 40))
    image[5:20, 5:20] = image[20:35, 20:35] = 10.0
    assert segment(image, LEVEL, smoothing=0.0).max() == 1


def test_smoothing_takes_the_grain_from_outlines() -> None:
    generator = np.random.default_rng(0)
    image = discs((80, 80), [(40.0, 40.0)], 20.0) + generator.normal(0, 4.0, (80, 80))
    solidity = [
        measure_objects(segment(image, LEVEL, smoothing=width)).columns["solidity"][0]
        for width in (0.0, 1.0)
    ]
    assert solidity[1] > 0.94 > solidity[0]


def test_an_empty_plane_has_no_objects_and_no_mean_area(context) -> None:
    numbers = evaluate(get_statistic("objects"), [np.zeros((50, 50))], [context])
    assert numbers[""] == 0
    assert math.isnan(numbers["mean_area"])


def test_objects_belong_to_the_region_that_holds_their_centre(context) -> None:
    image = discs((100, 100), [(30.0, 30.0), (30.0, 52.0), (70.0, 70.0)], 8.0)
    left = np.zeros((100, 100), bool)
    left[:, :50] = True
    parts = [
        evaluate(get_statistic("objects"), [image], [context], region=Region("part", mask))
        for mask in (left, ~left)
    ]
    assert [part[""] for part in parts] == [1, 2]
    # The one that is cut by the edge is measured whole.
    assert parts[1]["mean_area"] == pytest.approx(parts[0]["mean_area"])


def test_the_order_of_labels_changes_no_number() -> None:
    image = discs((120, 120), [(20.0, 20.0), (30.0, 90.0), (80.0, 50.0)], 9.0)
    image[100:115, 100:118] = 7.0
    labels = segment(image, LEVEL)
    renamed = np.array([0, 40, 7, 3, 12])[labels]
    first, second = measure_objects(labels, image), measure_objects(renamed, image)
    order = np.argsort([40, 7, 3, 12])
    for name, column in first.columns.items():
        np.testing.assert_allclose(second.columns[name], column[order])
    np.testing.assert_allclose(second.positions, first.positions[order])


def test_given_outlines_are_the_same_in_every_sample(context) -> None:
    labels = np.zeros((60, 60), np.uint8)
    labels[5:25, 5:25], labels[35:50, 30:55] = 9, 4
    given = objects_in(labels, name="cells")
    flat, bright = (given.measure(np.full((60, 60), value), context) for value in (3.0, 8.0))
    np.testing.assert_array_equal(flat.columns["area"], [375, 400])
    np.testing.assert_array_equal(bright.columns["area"], [375, 400])
    np.testing.assert_allclose(bright.columns["intensity"], 8.0)
    corner = np.zeros((60, 60), bool)
    corner[:30, :30] = True
    inside = evaluate(given, [np.ones((60, 60))], [context], region=Region("corner", corner))
    assert (inside[""], inside["mean_area"]) == (1, 400)
    with pytest.raises(InputError, match="size of the image"):
        given.measure(np.zeros((50, 60)), context)


def test_what_cannot_be_segmented_is_refused(context) -> None:
    with pytest.raises(InputError, match="plane by plane"):
        segment(np.zeros((2, 9, 9)), 1.0)
    with pytest.raises(InputError, match="finite"):
        segment(np.zeros((9, 9)), math.nan)
    with pytest.raises(InputError, match="plane of integers"):
        objects_in(np.zeros((9, 9)))
    with pytest.raises(InputError, match="make_context"):
        get_statistic("objects").measure(np.zeros((9, 9)), replace(context, object_threshold=None))


def measured(x, *, gain=1.0, offset=0.0, read_noise=1.0, background=0.0, sigma=1.5, seed=3):
    generator = np.random.default_rng(seed)
    light = generator.poisson(ndimage.gaussian_filter(x, math.sqrt(sigma**2 - 1)) + background)
    y = gain * (light + generator.normal(0, read_noise, x.shape)) + offset
    return Measurement(y, Camera(gain, offset, read_noise), Psf(sigma), background)


def nuclei(heights, level=4.0):
    plane = np.full((160, 160), level)
    places = [(40, 40), (40, 115), (115, 40), (115, 115)]
    for place, height in zip(places, heights, strict=True):
        plane[ellipse(plane.shape, place, (22.0, 16.0), 30)] += height
    return ndimage.gaussian_filter(plane, 1.0)


@pytest.mark.parametrize("heights", [(30, 30, 30, 30), (40, 60, 100, 160), (200, 40, 40, 40)])
def test_dim_objects_are_found_beside_bright_ones(heights) -> None:
    x = nuclei(heights)
    found = measure_objects(segment(x, object_threshold(measured(x))))
    assert len(found) == 4
    np.testing.assert_allclose(found.columns["area"], math.pi * 22 * 16, rtol=0.25)


def test_the_threshold_does_not_depend_on_gain_and_offset() -> None:
    x = nuclei((40, 60, 80, 100))
    first = measured(x)
    others = [
        Measurement(3.0 * first.y + 100.0, Camera(3.0, 100.0, 1.0), Psf(1.5)),
        Measurement(first.y, Camera(0.5, -50.0, 1.0), Psf(1.5)),
    ]
    threshold = object_threshold(first)
    assert object_threshold(others[0]) == pytest.approx(threshold, rel=1e-5)
    # A camera that is guessed wrongly changes the unit of the threshold, not the objects.
    assert object_threshold(others[1]) * 0.5 - 50.0 == pytest.approx(threshold, rel=1e-5)


def test_light_that_the_camera_adds_is_not_in_the_threshold() -> None:
    x = nuclei((60, 60, 60, 60), level=1.0)
    plain, added = object_threshold(measured(x)), object_threshold(measured(x, background=9.0))
    assert added == pytest.approx(plain, rel=0.25)
    assert measure_objects(segment(x, added)).columns["area"].size == 4


@pytest.mark.parametrize("level", [0.0, 2.0, 50.0])
def test_a_plane_of_nothing_but_noise_has_no_objects(level: float) -> None:
    flat = np.full((200, 200), level)
    measurement = measured(flat)
    threshold = object_threshold(measurement)
    noisy = ndimage.gaussian_filter(measurement.electrons, 1.5)
    assert segment(flat, threshold).max() == 0
    assert segment(noisy, threshold).max() == 0


@pytest.mark.parametrize("level", [0.0, 10.0])
def test_a_plane_without_any_structure_still_fixes_a_threshold(level: float) -> None:
    flat = np.full((32, 32), level)
    threshold = object_threshold(Measurement(flat, Camera(), Psf(1.5)))
    assert threshold > level
    assert segment(flat, threshold).max() == 0


@pytest.mark.realdata
def test_nuclei_of_real_images_are_counted(real_data: Path) -> None:
    hoechst = tifffile.imread(real_data / "cellprofiler_h2ax_foci_hoechst.tif")[1]
    mouse = tifffile.imread(real_data / "fmd_confocal_mouse_nuclei_raw4.tif")[:2]
    found = []
    for plane, offset in ((hoechst, 200.0), (mouse[0], 2.0), (mouse[1], 2.0)):
        measurement = Measurement(plane, Camera(1.0, offset, 2.0), Psf(1.5))
        x = ndimage.gaussian_filter(measurement.electrons, 1.0)
        found.append(measure_objects(segment(x, object_threshold(measurement))))
    # Seven nuclei, two of which touch.
    assert len(found[0]) == 6
    assert np.median(found[0].columns["area"]) == pytest.approx(20_900, rel=0.1)
    solidity = np.sort(found[0].columns["solidity"])
    assert solidity[0] < 0.9 < 0.95 < solidity[1]
    # Two captures of one field.
    counts = [len(one) for one in found[1:]]
    assert all(60 <= count <= 85 for count in counts)
    assert abs(counts[0] - counts[1]) <= 4
