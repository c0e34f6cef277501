"""Bias per band of spatial frequency, against laws whose bands are known."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.sampling.bands import BANDS, compare_bands, measure_bands

SIZE = 48


def draw(rng: np.random.Generator, count: int, gains=(1.0, 1.0, 1.0, 1.0), slope: float = 0.0):
    """Stationary Gaussian fields, the amplitude of band i times gains[i], power ~ f^-slope."""
    return shape(rng.standard_normal((count, SIZE, SIZE)), gains, slope)


def shape(white: np.ndarray, gains=(1.0, 1.0, 1.0, 1.0), slope: float = 0.0) -> np.ndarray:
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in white.shape[1:]), indexing="ij"))
    band = np.searchsorted(BANDS, f, side="right") - 1
    transfer = np.asarray(gains)[band] * np.maximum(f, 1 / SIZE) ** (-slope / 2)
    return np.fft.ifft2(np.fft.fft2(white) * transfer).real


def test_the_powers_of_all_bands_add_up_to_the_windowed_variance():
    x = draw(np.random.default_rng(0), 6)
    measured = measure_bands(x, x)
    w = np.sin(np.pi * (np.arange(SIZE) + 0.5) / SIZE) ** 2
    window = np.outer(w, w) / np.sqrt((np.outer(w, w) ** 2).mean())
    expected = ((x.var(0, ddof=1)) * window**2).mean()
    assert measured.base.sum() / 5 == pytest.approx(expected, rel=1e-10)


def test_on_shared_noise_the_lost_variance_is_found_in_its_band_and_in_no_other():
    white = np.random.default_rng(1).standard_normal((4, 6, SIZE, SIZE))
    pairs = [(shape(w), shape(w, (1, 1, 0.97, 1))) for w in white]
    bands = compare_bands([measure_bands(a, b) for a, b in pairs])
    # the window mixes a band with its neighbours by a frequency or two
    assert bands[2].variance == pytest.approx(0.97**2 - 1, abs=0.008)
    assert [abs(bands[i].variance) < 0.01 for i in (0, 1, 3)] == [True] * 3
    assert bands[2].variance_interval[1] < -0.04
    assert all(abs(band.mean) < 0.001 for band in bands)


def test_power_that_leaks_out_of_coarse_structure_does_not_hide_a_loss_at_fine_frequencies():
    # a ramp across the image is no period: without a window its edges fill every frequency
    rng = np.random.default_rng(2)
    ramp = 300 * rng.standard_normal((8, 1, 1)) * np.linspace(-1, 1, SIZE)[None, :, None]
    white = rng.standard_normal((8, SIZE, SIZE))
    a, b = shape(white) + ramp, shape(white, (1, 1, 1, 0.95)) + ramp
    band = compare_bands([measure_bands(a, b)])[3]
    assert band.variance == pytest.approx(0.95**2 - 1, abs=0.01)


def test_a_moved_mean_is_found_and_is_no_variance():
    rng = np.random.default_rng(3)
    x = [draw(rng, 6) for _ in range(3)]
    wave = np.sqrt(2) * 0.2 * np.sin(2 * np.pi * 0.125 * np.arange(SIZE))[None, :]
    bands = compare_bands([measure_bands(a, a + wave) for a in x])
    share = bands[2].share
    assert bands[2].mean == pytest.approx(0.2**2 / share, rel=0.1)
    assert bands[2].mean_interval[0] > 0.5 * bands[2].mean
    assert all(abs(band.variance) < 1e-9 for band in bands)


def test_independent_samples_of_one_law_show_neither_lost_variance_nor_a_moved_mean():
    rng = np.random.default_rng(4)
    means, found = [], []
    for _ in range(40):
        bands = compare_bands([measure_bands(draw(rng, 4), draw(rng, 4)) for _ in range(3)])
        means.append([band.mean for band in bands])
        found.append([band.variance for band in bands])
    for values in (np.array(means), np.array(found)):
        # a plain squared mean difference would be 2/K = 0.5 here
        assert (np.abs(values.mean(0)) < 4 * values.std(0, ddof=1) / np.sqrt(40) + 0.01).all()


@pytest.mark.parametrize(("unit", "scenes", "samples"), [("scene", 8, 3), ("sample", 1, 10)])
def test_intervals_hold_the_ratio_about_as_often_as_they_say(unit, scenes, samples):
    rng = np.random.default_rng(5)
    repeats, hits, widths = 150, 0, []
    gains = np.array([1.0, 1.0, 0.98, 1.0])
    for _ in range(repeats):
        parts = []
        for _ in range(scenes):
            white, extra = rng.standard_normal((2, samples, 32, 32))
            a = shape(white)
            b = shape(white + 0.1 * extra, gains)
            parts.append(measure_bands(a, b))
        band = compare_bands(parts, unit=unit)[3]
        low, high = band.variance_interval
        hits += low <= 0.01 <= high
        widths.append(high - low)
    assert 0.90 <= hits / repeats <= 0.99
    assert np.median(widths) < 0.02


def test_scenes_that_differ_widen_the_interval_over_scenes_and_not_the_one_over_samples():
    rng = np.random.default_rng(6)
    parts = []
    for gain in (0.90, 0.95, 1.0, 1.05, 1.1):
        white = rng.standard_normal((6, SIZE, SIZE))
        parts.append(measure_bands(shape(white), shape(white, [gain] * 4)))
    reach = {
        unit: np.ptp(compare_bands(parts, unit=unit)[3].variance_interval)
        for unit in ("scene", "sample")
    }
    assert reach["scene"] > 0.15
    assert reach["sample"] < 0.02


def test_every_scene_counts_alike_whatever_its_brightness():
    rng = np.random.default_rng(7)
    white = rng.standard_normal((2, 6, SIZE, SIZE))
    first = measure_bands(shape(white[0]), shape(white[0], [0.9] * 4))
    second = shape(white[1]), shape(white[1])
    dim = compare_bands([first, measure_bands(*second)])
    bright = compare_bands([first, measure_bands(*(1000 * x for x in second))])
    assert dim[3].variance == pytest.approx(bright[3].variance, rel=1e-9)
    assert dim[3].variance == pytest.approx((0.81 - 1) / 2, abs=0.01)


def test_what_cannot_be_measured_is_refused_in_a_sentence():
    x = draw(np.random.default_rng(8), 4)
    with pytest.raises(InputError, match="3 samples or more"):
        measure_bands(x[:2], x[:2])
    with pytest.raises(InputError, match="3 samples or more"):
        measure_bands(x, x[:3])
    with pytest.raises(InputError, match="no frequency"):
        measure_bands(x[:, :8, :8], x[:, :8, :8])
    with pytest.raises(InputError, match="do not vary"):
        compare_bands([measure_bands(np.ones_like(x), x)])
    with pytest.raises(InputError, match="two scenes"):
        compare_bands([measure_bands(x, x)], unit="scene")
