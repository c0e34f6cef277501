from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.correction.bands import BandCorrection
from napari_posterior.correction.estimate import About
from napari_posterior.errors import InputError
from napari_posterior.physics.frequency_bands import BandPower, Bands, hann, make_bands

ABOUT = About("spectrum")
SHAPE = (24, 20)
BANDS = Bands((0.05, 0.15, 0.3, 0.5))
R = np.array([0.98, 0.9, 0.3])
FACTOR = np.array([1.0, 0.8, 0.5])


def _place() -> np.ndarray:
    radius = np.hypot(np.fft.fftfreq(SHAPE[0])[:, None], np.fft.rfftfreq(SHAPE[1]))
    return np.clip(np.searchsorted(BANDS.edges, radius, side="right") - 1, 0, 2)


def _filtered(z: np.ndarray, gains: np.ndarray) -> np.ndarray:
    return np.fft.irfft2(np.fft.rfft2(z) * gains[_place()], SHAPE)


def _pair(generator) -> tuple[np.ndarray, np.ndarray]:
    """White teacher; a student that follows it the less, the finer the detail."""
    z, own = generator.standard_normal((2, *SHAPE))
    student = _filtered(z, FACTOR * R) + _filtered(own, FACTOR * np.sqrt(1 - R**2))
    return 5 + z, 6 + student


def _filled(generator, *, pairs: int, students: int, flat: bool = True) -> BandCorrection:
    weight = np.full(SHAPE, 1 / np.sqrt(np.prod(SHAPE))) if flat else None
    kept = BandCorrection(SHAPE, bands=BANDS, weight=weight)
    for _ in range(pairs):
        kept.add_pair(*_pair(generator))
    for _ in range(students):
        kept.add_student(_pair(generator)[1])
    return kept


def _shares() -> np.ndarray:
    """Share of the frequencies in each band: the power of white noise of variance 1."""
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in SHAPE), indexing="ij"))
    place = np.maximum(np.searchsorted(BANDS.edges, radius, side="right") - 1, 0)
    return np.bincount(place.ravel(), minlength=4)[:3] / radius.size


def test_spectrum_is_unbiased_with_the_error_that_is_told():
    generator = np.random.default_rng(0)
    found = [_filled(generator, pairs=10, students=40).spectrum(ABOUT) for _ in range(300)]
    values = np.array([f.value for f in found])
    truth = _shares()
    assert (np.abs(values.mean(0) - truth) < 4 * values.std(0) / np.sqrt(300)).all()
    told = np.mean([f.se**2 for f in found], axis=0)
    assert values.var(0) == pytest.approx(told, rel=0.25)  # 3 standard errors of 300 repeats
    held = np.mean([(f.low <= truth) & (truth <= f.high) for f in found])
    assert 0.92 < held < 0.97
    alone = np.mean([f.student.value for f in found], axis=0)
    assert alone == pytest.approx(truth * FACTOR**2, rel=0.05)


def test_estimate_is_the_variance_of_all_samples_at_once():
    generator = np.random.default_rng(1)
    kept = BandCorrection(SHAPE, bands=BANDS)
    samples = [_pair(generator) for _ in range(7)]
    for pair in samples:
        kept.add_pair(*pair)
    power = BandPower(BANDS, shape=SHAPE)
    teacher = np.array([power.transform(t) for t, _ in samples])
    gaps = teacher - teacher.mean(0)
    expected = sum(power.products(gap, gap) for gap in gaps) / 6
    assert kept.pairs.squares.mean(0) == pytest.approx(expected, rel=1e-5)


def test_correlation_is_seen_band_by_band():
    kept = _filled(np.random.default_rng(2), pairs=60, students=0)
    assert kept.correlation() == pytest.approx(R, abs=0.05)


def test_streams_merge():
    parts = [_filled(np.random.default_rng(s), pairs=6, students=9) for s in (3, 4)]
    whole = BandCorrection(SHAPE, bands=BANDS, weight=np.full(SHAPE, 1 / np.sqrt(np.prod(SHAPE))))
    for seed in (3, 4):
        generator = np.random.default_rng(seed)
        for _ in range(6):
            whole.add_pair(*_pair(generator))
        for _ in range(9):
            whole.add_student(_pair(generator)[1])
    parts[0].merge(parts[1])
    one, other = parts[0].spectrum(ABOUT, nested=False), whole.spectrum(ABOUT, nested=False)
    assert one.value == pytest.approx(other.value, rel=1e-6)
    assert parts[0].correlation() == pytest.approx(whole.correlation(), abs=1e-6)


def test_powers_sum_to_the_mean_square_of_the_weighted_plane():
    bands = Bands((0.1, 0.8))
    power = BandPower(bands, shape=SHAPE)
    plane = np.random.default_rng(5).standard_normal(SHAPE)
    values = power.transform(plane)
    window = hann(SHAPE)
    expected = ((plane * window) ** 2).sum() / (window**2).sum()
    assert power.products(values, values).sum() == pytest.approx(expected, rel=1e-6)


def test_bands_are_those_of_the_checks_by_default():
    assert BandCorrection((64, 64)).bands == make_bands((64, 64))


def test_values_that_are_not_finite_and_single_pairs_are_refused():
    kept = BandCorrection(SHAPE, bands=BANDS)
    with pytest.raises(InputError, match="not finite"):
        kept.add_student(np.full(SHAPE, np.nan))
    kept.add_student(np.zeros(SHAPE))
    kept.add_pair(np.zeros(SHAPE), np.ones(SHAPE))
    with pytest.raises(InputError, match="two pairs"):
        kept.correlation()
