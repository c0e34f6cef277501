"""The puncta detector against spots of known amplitude and position."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import detect_puncta, get_statistic, make_context
from napari_posterior.statistics.context import amplitude_sd
from napari_posterior.statistics.measured_puncta import detect_in_measurement
from napari_posterior.statistics.puncta import CURVE_FACTORS, count_curve, spot_response
from napari_posterior.statistics.spot_filter import response_gain, response_sd

SCALES = (1.0, 1.5, 2.0, 2.5, 3.0)
IN_STACK = (1.7, 1.2, 1.2)


def spots(shape, positions, amplitudes, *, sigma=1.0, level=0.0):
    """Gaussian spots on a level; `sigma` is one width, one for each axis, or one for each spot."""
    grid = np.indices(shape, dtype=np.float64)
    image = np.full(shape, level)
    many = np.ndim(sigma) == 1 and len(sigma) != len(shape)
    for number, (place, a) in enumerate(zip(positions, amplitudes, strict=True)):
        widths = np.broadcast_to(sigma[number] if many else sigma, len(shape))
        away = sum(((g - p) / w) ** 2 for g, p, w in zip(grid, place, widths, strict=True))
        image += a * np.exp(-away / 2)
    return image


def apart(shape, step, seed=0):
    """Positions on a grid, each moved by up to half a pixel."""
    axes = [np.arange(step // 2, size - step // 2 + 1, step) for size in shape]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(shape))
    return places + np.random.default_rng(seed).uniform(-0.5, 0.5, places.shape)


def distances(found, places):
    return np.linalg.norm(found.positions[:, None] - places[None], axis=-1)


@pytest.mark.parametrize("width", [1.0, 1.5, 2.5])
def test_response_at_the_centre_follows_the_width(width: float) -> None:
    image = spots((61, 61), [(30, 30)], [40.0], sigma=width, level=7.0)
    expected = 40.0 * 4 * width**2 / (width**2 + 1) ** 2
    assert spot_response(image)[30, 30] == pytest.approx(expected, rel=0.04)


def test_amplitude_and_position_of_spots_between_pixels() -> None:
    generator = np.random.default_rng(0)
    places = np.stack(np.meshgrid(np.arange(15, 230, 20), np.arange(15, 230, 20)), -1).reshape(
        -1, 2
    )
    places = places + generator.uniform(-0.5, 0.5, places.shape)
    found = detect_puncta(spots((245, 245), places, np.full(len(places), 20.0), level=3.0), 10.0)
    assert len(found) == len(places)
    distance = np.linalg.norm(found.positions[:, None] - places[None], axis=-1).min(1)
    assert distance.max() < 0.02
    np.testing.assert_allclose(found.amplitudes, 20.0, rtol=0.015)


def test_only_amplitudes_above_the_threshold_are_counted() -> None:
    image = spots((40, 60), [(20, 15), (20, 45)], [9.0, 12.0])
    assert len(detect_puncta(image, 10.0)) == 1
    assert len(detect_puncta(image, 8.0)) == 2
    assert len(detect_puncta(np.full((20, 20), 500.0), 1.0)) == 0


def test_a_constant_added_to_the_image_changes_nothing() -> None:
    image = spots((40, 40), [(20, 20)], [30.0])
    a, b = detect_puncta(image, 5.0), detect_puncta(image + 1000.0, 5.0)
    np.testing.assert_allclose(a.amplitudes, b.amplitudes, atol=2e-3)


def test_amplitude_sd_is_that_of_the_matched_filter() -> None:
    generator = np.random.default_rng(1)
    sigma, background, read = 1.7, 6.0, 1.5
    yy, xx = np.indices((25, 25)) - 12
    g = np.exp(-(yy**2 + xx**2) / (2 * sigma**2)) / (2 * math.pi * sigma**2)
    noise = generator.poisson(background, (3000, 25, 25)) - background
    noise = noise + generator.normal(0, read, noise.shape)
    amplitude = (noise * g).sum((1, 2)) / (g**2).sum() / (2 * math.pi)
    expected = amplitude_sd(background=background, read_noise=read, psf_sigma=sigma)
    assert amplitude.std() == pytest.approx(expected, rel=0.04)


def test_threshold_is_snr_five_at_the_background_of_the_measurement() -> None:
    generator = np.random.default_rng(2)
    camera = Camera(gain=2.0, offset=100.0, read_noise=1.5)
    object_seen = spots((128, 128), [(40, 40), (80, 90)], [900.0, 400.0], sigma=1.6, level=9.0)
    electrons = generator.poisson(object_seen) + generator.normal(0, 1.5, (128, 128))
    context = make_context(Measurement(camera.to_adu(electrons), camera, Psf(1.6)))
    assert context.background == pytest.approx(9.0, abs=0.3)
    expected = 5 * 1.6 * math.sqrt((9.0 + 1.5**2) / math.pi)
    assert context.puncta_threshold == pytest.approx(expected, rel=0.03)
    assert context.puncta_threshold_adu == pytest.approx(2 * context.puncta_threshold)


def test_puncta_count_uses_the_threshold_of_the_context() -> None:
    camera = Camera(read_noise=1.0)
    context = make_context(Measurement(np.full((40, 60), 10.0), camera, Psf(1.0)))
    threshold = context.puncta_threshold
    image = spots((40, 60), [(20, 15), (20, 45)], [0.8 * threshold, 1.3 * threshold])
    assert get_statistic("puncta_count").measure(image, context) == 1.0


def test_rows_times_and_thresholds_of_zero_are_refused() -> None:
    for shape in ((9,), (2, 2, 9, 9)):
        with pytest.raises(InputError, match="planes or stacks"):
            detect_puncta(np.zeros(shape), 1.0)
    with pytest.raises(InputError, match="positive"):
        detect_puncta(np.zeros((9, 9)), 0.0)
    with pytest.raises(InputError, match="each of the 3 axes"):
        detect_puncta(np.zeros((5, 9, 9)), 1.0, sigma=(1.0, 1.0))
    with pytest.raises(InputError, match="small to large"):
        detect_puncta(np.zeros((9, 9)), 1.0, sigmas=(2.0, 1.0))


def test_response_in_stacks_is_the_amplitude_at_the_centre() -> None:
    image = spots((41, 41, 41), [(20, 20, 20)], [40.0], sigma=IN_STACK, level=9.0)
    assert spot_response(image, sigma=IN_STACK)[20, 20, 20] == pytest.approx(40.0, rel=0.01)
    # without the scale of three dimensions: 3 / 2^(5/2) = .5303
    round_one = spots((41, 41, 41), [(20, 20, 20)], [1.0], sigma=2.0)
    plain = spot_response(round_one, sigma=2.0)[20, 20, 20] / (2**2.5 / 3)
    assert plain == pytest.approx(0.5303, abs=0.002)


@pytest.mark.parametrize(("sigma", "ndim"), [(1.3, 2), (IN_STACK, 3)])
def test_response_to_white_noise_has_the_stated_sd(sigma, ndim) -> None:
    noise = np.random.default_rng(3).normal(
        5.0, 2.0, (60, 90, 90)[-ndim:] if ndim == 3 else (400, 400)
    )
    expected = response_sd(2.0, sigma=sigma, ndim=ndim)
    assert spot_response(noise, sigma=sigma).std() == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.4])
def test_spots_between_voxels_keep_amplitude_width_and_light(ratio: float) -> None:
    places = apart((45, 54, 54), 18)
    widths = tuple(ratio * width for width in IN_STACK)
    stack = spots((45, 54, 54), places, [20.0] * len(places), sigma=widths, level=3.0)
    found = detect_puncta(stack, 8.0, sigma=IN_STACK)
    assert len(found) == len(places)
    assert distances(found, places).min(1).max() < 0.01
    np.testing.assert_allclose(found.amplitudes, 20 * response_gain(ratio, 3), rtol=0.01)
    np.testing.assert_allclose(found.widths, ratio * IN_STACK[-1], rtol=0.02)
    light = 20 * (2 * math.pi) ** 1.5 * math.prod(widths)
    np.testing.assert_allclose(found.intensities, light, rtol=0.03)


@pytest.mark.parametrize("width", [0.8, 1.0, 1.3, 2.0])
def test_width_and_light_of_a_spot_are_measured_at_one_scale(width: float) -> None:
    places = apart((160, 160), 32)
    image = spots((160, 160), places, [20.0] * len(places), sigma=width, level=50.0)
    found = detect_puncta(image, 5.0)
    assert len(found) == len(places)
    np.testing.assert_allclose(found.widths, width, rtol=0.03)
    np.testing.assert_allclose(found.intensities, 40 * math.pi * width**2, rtol=0.05)
    noisy = image + np.random.default_rng(1).normal(0, 0.7, image.shape)
    widths = detect_puncta(noisy, 5.0).widths
    assert np.median(widths) == pytest.approx(width, rel=0.05)
    assert np.std(widths) < 0.12 * width**2


@pytest.mark.parametrize("width", [0.9, 1.0, 1.25, 1.7, 2.2, 3.0])
def test_over_several_scales_every_spot_keeps_its_amplitude_and_width(width: float) -> None:
    places = apart((240, 240), 40)
    image = spots((240, 240), places, [20.0] * len(places), sigma=width, level=10.0)
    found = detect_puncta(image, 6.0, sigmas=SCALES)
    assert len(found) == len(places)
    assert distances(found, places).min(1).max() < 0.02
    np.testing.assert_allclose(found.amplitudes, 20.0, rtol=0.02)
    np.testing.assert_allclose(found.widths, width, rtol=0.02)
    np.testing.assert_allclose(found.intensities, 40 * math.pi * width**2, rtol=0.03)


@pytest.mark.parametrize("shape", [(127, 103), (128, 96), (61, 131), (7, 67, 73)])
def test_no_size_and_no_edge_is_different_over_several_scales(shape) -> None:
    generator = np.random.default_rng(8)
    places = generator.uniform(0, np.array(shape) - 1, (40, len(shape)))
    image = spots(shape, places, generator.uniform(10, 40, 40), sigma=1.4, level=5.0)
    found = detect_puncta(image, 6.0, sigmas=SCALES)
    turned = detect_puncta(np.flip(image), 6.0, sigmas=SCALES)
    assert len(found) == len(turned) > 20
    gaps = distances(found, np.array(shape) - 1 - turned.positions)
    assert gaps.min(1).max() < 2e-3
    np.testing.assert_allclose(found.amplitudes, turned.amplitudes[gaps.argmin(1)], rtol=2e-3)
    # as in an image in which the edges are mirrored
    around = np.pad(image, 40, mode="symmetric")
    inside = detect_puncta(around, 6.0, sigmas=SCALES)
    inner = ((inside.positions > 39.4) & (inside.positions < np.array(shape) + 39.6)).all(1)
    gaps = distances(found, inside.positions[inner] - 40)
    assert (gaps.min(1) < 2e-3).mean() > 0.9


def test_threads_over_samples_find_what_one_finds() -> None:
    generator = np.random.default_rng(9)
    images = generator.normal(0, 1, (8, 90, 110)) + 4 * generator.random((8, 90, 110)) ** 20
    work = partial(detect_puncta, threshold=2.0, sigmas=SCALES)
    alone = [work(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, images))
    for a, b in zip(alone, together, strict=True):
        assert len(a) > 20
        np.testing.assert_array_equal(a.positions, b.positions)
        np.testing.assert_array_equal(a.intensities, b.intensities)


def test_scales_that_lie_close_and_widths_of_stacks_are_taken() -> None:
    places = apart((40, 60, 60), 20)
    stack = spots((40, 60, 60), places, [20.0] * len(places), sigma=(1.5, 1.1, 1.1))
    scales = [tuple(factor * width for width in (1.5, 1.1, 1.1)) for factor in (0.8, 0.9, 1, 1.3)]
    found = detect_puncta(stack, 8.0, sigmas=scales)
    assert len(found) == len(places)
    np.testing.assert_allclose(found.amplitudes, 20.0, rtol=0.03)
    np.testing.assert_allclose(found.widths, 1.1, rtol=0.03)


def test_small_spots_on_a_large_weak_one_are_counted_without_it() -> None:
    places = [(40, 36), (40, 44), (100, 40)]
    image = spots((140, 80), places, [20.0, 20.0, 20.0])
    image += spots((140, 80), [(40, 40)], [12.0], sigma=6.0)
    found = detect_puncta(image, 6.0, sigmas=(1.0, 1.5, 2.2, 3.3, 5.0))
    assert len(found) == 3
    assert distances(found, np.array(places)).min(1).max() < 0.3


def test_a_spot_half_way_between_pixels_is_one() -> None:
    for place in ((20.5, 20.0), (20.0, 20.5), (20.5, 20.5)):
        found = detect_puncta(spots((41, 41), [place], [10.0]), 5.0)
        assert len(found) == 1
        assert found.positions[0] == pytest.approx(place, abs=0.01)
        assert found.amplitudes[0] == pytest.approx(10.0, rel=0.02)


@pytest.mark.parametrize("several", [{}, {"sigmas": SCALES}], ids=["one scale", "five"])
def test_curve_counts_what_is_detected_at_each_threshold(several) -> None:
    generator = np.random.default_rng(5)
    places = generator.uniform(3, 125, (60, 2))
    image = spots((128, 128), places, generator.uniform(1, 8, 60)) + generator.normal(
        0, 0.8, (128, 128)
    )
    thresholds = [0.5, 0.8, 1.0, 1.7, 3.0, 5.0]
    counts = count_curve(image, thresholds, **several)
    assert counts.tolist() == [len(detect_puncta(image, t, **several)) for t in thresholds]
    assert (np.diff(counts) < 0).all()


def test_planted_amplitudes_give_the_curve() -> None:
    amplitudes = np.arange(1, 37) - 0.5
    image = spots((120, 120), apart((120, 120), 20), amplitudes)
    assert count_curve(image, [6.0, 12.0, 30.0]).tolist() == [30, 24, 6]


def test_puncta_statistics_agree_and_stay_in_the_region() -> None:
    context = make_context(Measurement(np.full((120, 120), 10.0), Camera(), Psf(1.0)))
    amplitudes = context.puncta_threshold * np.linspace(0.3, 3, 36)
    image = spots((120, 120), apart((120, 120), 20), amplitudes)
    region = np.zeros((120, 120), bool)
    region[60:] = True
    for inside in (context, context.within(region)):
        places = apart((120, 120), 20)[inside.inside(apart((120, 120), 20))]
        curve = get_statistic("puncta_curve").measure(image, inside)
        assert list(curve) == ["x0.5", "x0.8", "x1", "x1.25", "x2"]
        count = get_statistic("puncta_count")
        for factor in CURVE_FACTORS:
            there = inside.inside(apart((120, 120), 20))
            planted = (amplitudes[there] > factor * context.puncta_threshold).sum()
            assert curve[f"x{factor:g}"] == planted
            assert count.set(threshold_factor=factor).measure(image, inside) == planted
        objects = get_statistic("puncta").measure(image, inside)
        assert len(objects) == curve["x1"]
        assert set(objects.columns) == {"amplitude", "intensity", "width"}
        assert distances(objects, places).min(1).max() < 0.02
        np.testing.assert_allclose(objects.columns["width"], 1.0, rtol=0.02)
        light = 2 * math.pi * objects.columns["amplitude"]
        np.testing.assert_allclose(objects.columns["intensity"], light, rtol=0.03)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint16, np.int64])
def test_puncta_do_not_depend_on_the_type_of_numbers(kind) -> None:
    image = np.rint(spots((60, 60), apart((60, 60), 20), [200.0] * 9, level=800.0)).astype(kind)
    expected = detect_puncta(image.astype(np.float64), 50.0)
    found = detect_puncta(image, 50.0)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-4)
    np.testing.assert_allclose(found.amplitudes, expected.amplitudes, rtol=1e-4)


def test_an_image_smaller_than_the_filter_is_measured() -> None:
    assert len(detect_puncta(spots((8, 9), [(4, 4)], [9.0]), 5.0, sigma=1.0)) == 1
    assert len(detect_puncta(np.zeros((3, 8, 8)), 5.0, sigma=(2.0, 1.0, 1.0))) == 0


def test_measured_spots_are_found_above_the_noise_of_their_own_level() -> None:
    generator = np.random.default_rng(6)
    level = np.where(np.arange(200) < 100, 5.0, 400.0)[None, :] + np.zeros((200, 1))
    places = apart((200, 200), 25)
    bright = places[:, 1] > 100
    # 8 times the noise of the response, which is as wide as .8 of that of a pixel
    amplitudes = 8 * response_sd(1.0, sigma=1.3) * np.sqrt(np.where(bright, 400.0, 5.0))
    image = generator.poisson(spots((200, 200), places, amplitudes, sigma=1.3) + level) * 3.0 + 90
    found = detect_in_measurement(image, sigma=1.3)
    near = distances(found, places) < 2
    # around a step the level is neither
    assert near.any(0)[np.abs(places[:, 1] - 99.5) > 15].mean() > 0.96
    assert near.any(1)[np.abs(found.positions[:, 1] - 99.5) > 15].mean() > 0.96
    # the noise of the dark half would find hundreds in the bright one
    alone = detect_in_measurement(image[:, :100], sigma=1.3, snr=5).amplitudes.min()
    assert len(detect_puncta(image[:, 106:], alone, sigma=1.3)) > 3 * bright.sum()


def test_measured_spots_of_one_pixel_and_outside_the_region_are_left_out() -> None:
    generator = np.random.default_rng(7)
    places = apart((120, 120), 30)
    image = generator.normal(100, 1, (120, 120))
    image += spots((120, 120), places, [20.0] * len(places), sigma=1.2)
    image[[33, 77], [80, 33]] += 25
    found = detect_in_measurement(image, sigma=1.2)
    assert len(found) == len(places)
    region = np.zeros((120, 120), bool)
    region[:, :60] = True
    inside = detect_in_measurement(image, sigma=1.2, region=region)
    assert len(inside) == (places[:, 1] < 59.5).sum()
    for wrong in (region[:5], ~(region | ~region)):
        with pytest.raises(InputError, match="region"):
            detect_in_measurement(image, sigma=1.2, region=wrong)
    with pytest.raises(InputError, match="flat"):
        detect_in_measurement(np.full((50, 50), 7), sigma=1.2)
