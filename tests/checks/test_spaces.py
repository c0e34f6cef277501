"""Distances of samples in fine detail and in what was measured on them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_posterior.checks.report import Values
from napari_posterior.checks.spread.bands import BandMeter, Bands, make_bands
from napari_posterior.checks.spread.moments import Moments
from napari_posterior.checks.spread.spaces import (
    find_feature_diversity,
    find_fine_diversity,
    fine_bands,
)

LEVEL = {"level": 0.9, "paired": False}


def measured(teacher, student, bands):
    runs = [
        Moments(one.mean(0).astype(np.float32), one.std(0, ddof=1).astype(np.float32))
        for one in (teacher, student)
    ]
    meter = BandMeter(bands, *runs, (len(teacher), len(student)))
    return [
        np.array([meter.measure(x.astype(np.float32), group) for x in run])
        for group, run in enumerate((teacher, student))
    ]


def noise(generator, count, *, fine=1.0):
    """White noise whose detail finer than 5 px is multiplied, 48 x 48."""
    values = np.fft.fft2(generator.normal(size=(count, 48, 48)))
    radius = np.hypot(np.fft.fftfreq(48)[:, None], np.fft.fftfreq(48))
    return np.fft.ifft2(values * np.where(radius > 0.2, fine, 1.0)).real


def values_of(*columns):
    return [Values(f"h{i}", f"number {i}", "", t, s) for i, (t, s) in enumerate(columns)]


def test_the_finest_octave_ends_at_the_cut_off() -> None:
    bands = Bands((0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.48), cutoff=0.2)
    assert fine_bands(bands) == slice(2, 4)
    assert fine_bands(Bands(bands.edges)) == slice(5, 6)  # of 0.24 and up begins one band
    assert fine_bands(Bands((0.1, 0.48), cutoff=0.1)) == slice(0, 0)
    made = make_bands((128, 128), cutoff=0.3)
    rows = fine_bands(made)
    assert made.edges[rows.stop] == pytest.approx(0.3)
    assert 0.14 < made.edges[rows.start] < 0.3
    assert rows.stop > rows.start


def test_lost_fine_detail_is_nearer_by_the_square() -> None:
    generator = np.random.default_rng(0)
    bands = Bands((0.02, 0.1, 0.2, 0.4), cutoff=0.4)
    assert fine_bands(bands) == slice(2, 3)
    runs = noise(generator, 16), noise(generator, 20, fine=0.8)
    found = find_fine_diversity(*measured(*runs, bands), bands, **LEVEL)
    low, high = found.interval
    # the taper lets a little through from the band beside it
    assert low < 0.66 < high
    assert high < 0.75
    assert (found.id, found.kind, found.question) == ("diversity.fine", "", "diversity")
    assert found.extra["edges"] == (0.2, 0.4)
    assert "2.5 px to 5.0 px" in found.sentence


def test_intervals_of_fine_detail_hold_one_as_often_as_they_should() -> None:
    generator = np.random.default_rng(1)
    bands = Bands((0.02, 0.1, 0.2, 0.4))
    held = []
    for _ in range(100):
        runs = noise(generator, 16), noise(generator, 16)
        low, high = find_fine_diversity(*measured(*runs, bands), bands, **LEVEL).interval
        held.append(low <= 1 <= high)
    assert 0.82 <= np.mean(held) <= 0.98


def test_samples_that_do_not_vary_have_no_fine_detail() -> None:
    bands = Bands((0.02, 0.1, 0.2, 0.4))
    assert find_fine_diversity(np.zeros((8, 3)), np.ones((8, 3)), bands, **LEVEL) is None


def test_numbers_count_in_units_of_their_spread() -> None:
    generator = np.random.default_rng(2)
    ratios = []
    for _ in range(60):
        columns = [
            (scale * generator.normal(size=30), 0.8 * scale * generator.normal(size=40))
            for scale in (1.0, 1000.0, 1e-3, 5.0)
        ]
        found = find_feature_diversity(values_of(*columns), (30, 40), **LEVEL)
        ratios.append(np.log(found.estimate))
    error = np.std(ratios) / np.sqrt(60)
    assert np.mean(ratios) == pytest.approx(2 * np.log(0.8), abs=3 * error + 0.01)
    assert (found.id, found.kind) == ("diversity.measured", "")
    assert found.extra["statistics"] == [f"number {i}" for i in range(4)]


@pytest.mark.parametrize("paired", [False, True])
def test_intervals_of_what_was_measured_hold_one_as_often_as_they_should(paired) -> None:
    generator = np.random.default_rng(3)
    held = []
    for _ in range(200):
        common = generator.normal(size=(2, 24)) if paired else np.zeros((2, 24))
        counts = (
            generator.poisson(40, 24) + 6 * common[0],
            generator.poisson(40, 24) + 6 * common[0],
        )
        others = [2 * common[1] + generator.normal(size=24) for _ in range(2)]
        found = find_feature_diversity(
            values_of(counts, tuple(others)), (24, 24), level=0.9, paired=paired
        )
        held.append(found.interval[0] <= 1 <= found.interval[1])
    assert 0.83 <= np.mean(held) <= 0.97


def test_one_number_or_one_that_some_samples_lack_is_no_space() -> None:
    generator = np.random.default_rng(4)
    x, y = generator.normal(size=20), generator.normal(size=20)
    one = values_of((x, y))
    assert find_feature_diversity(one, (20, 20), **LEVEL) is None
    short = values_of((x, y), (x[:18], y))
    assert find_feature_diversity(short, (20, 20), **LEVEL) is None
    constant = values_of((x, y), (np.full(20, 3.0), np.full(20, 3.0)))
    assert find_feature_diversity(constant, (20, 20), **LEVEL) is None
