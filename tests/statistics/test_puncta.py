"""The puncta detector against spots of known amplitude and position."""

from __future__ import annotations

import math

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import detect_puncta, get_statistic, make_context
from napari_posterior.statistics.context import amplitude_sd
from napari_posterior.statistics.puncta import spot_response


def spots(shape, positions, amplitudes, *, sigma=1.0, level=0.0):
    yy, xx = np.indices(shape, dtype=np.float64)
    image = np.full(shape, level)
    for (y, x), a in zip(positions, amplitudes, strict=True):
        image += a * np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * sigma**2))
    return image


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
    assert get_statistic("puncta_count").compute(image, context) == 1.0


def test_stacks_and_thresholds_of_zero_are_refused() -> None:
    with pytest.raises(InputError, match="plane by plane"):
        detect_puncta(np.zeros((2, 9, 9)), 1.0)
    with pytest.raises(InputError, match="positive"):
        detect_puncta(np.zeros((9, 9)), 0.0)
