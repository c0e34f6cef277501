from __future__ import annotations

import tracemalloc

import numpy as np

from napari_posterior.correction.bands import BandCorrection
from napari_posterior.correction.estimate import About
from napari_posterior.correction.events import Events, Thresholds
from napari_posterior.correction.stream import Measured, stream_samples
from napari_posterior.correction.two_level import TwoLevel

SHAPE = (256, 256)


def _images(count: int, seed: int, shape: tuple[int, int] = SHAPE):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield generator.standard_normal(shape, dtype=np.float32)


def _pairs(count: int, shape: tuple[int, int] = SHAPE):
    for z in _images(count, 0, shape):
        yield z, np.float32(0.9) * z


def test_all_quantities_are_taken_from_one_pass_over_the_samples():
    maps, number, bright, grid = TwoLevel(), TwoLevel(), Events(), Thresholds(np.linspace(-1, 1, 9))
    bands, seen = BandCorrection(SHAPE), []
    stream_samples(
        [
            maps,
            bands,
            Measured(np.mean, number),
            Measured(lambda x: bool(x[0, 0] > 0), bright),
            Measured(lambda x: float(x[0, 0]), grid),
        ],
        pairs=_pairs(6),
        students=_images(10, 1),
        on_sample=lambda: seen.append(1),
    )
    assert len(seen) == 16
    about = About("value")
    assert maps.mean(about).value.shape == SHAPE
    assert np.isclose(maps.mean(about).value.mean(), number.mean(about).value, atol=1e-6)
    assert bright.probability(about).pairs == 6
    assert grid.distribution(about).cdf.shape == (9,)
    assert bands.spectrum(about).value.shape == (bands.bands.count,)


def test_memory_is_that_of_a_few_maps_whatever_the_number_of_samples():
    shape = 512, 512
    tracemalloc.start()
    try:
        stream_samples([TwoLevel(order=4)], pairs=_pairs(30, shape), students=_images(30, 1, shape))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    one_map = 8 * shape[0] * shape[1]
    assert peak < 22 * one_map  # 16 are kept; 90 samples in float32 would be 45 more
