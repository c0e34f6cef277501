"""Intensity of known planes, in regions and above their background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf
from napari_posterior.statistics import Region, evaluate, get_statistic, make_context
from napari_posterior.statistics.intensity import intensity_weights

NAMES = ("total_intensity", "mean_intensity", "corrected_intensity", "corrected_mean_intensity")


@pytest.fixture
def context():
    plain = make_context(Measurement(np.full((32, 32), 10.0), Camera(), Psf(1.5)))
    return replace(plain, background=10.0)


@pytest.fixture
def region():
    mask = np.zeros((40, 50), bool)
    mask[10:20, 15:35] = True
    return Region("cell", mask)


def read(name, x, context, region=None):
    return evaluate(get_statistic(name), [x], [context], region=region)[""]


def test_everything_of_a_plane_is_added_up(context) -> None:
    x = np.full((40, 50), 12.0, np.float32)
    x[5, 5] += 100
    assert [read(name, x, context) for name in NAMES] == pytest.approx([24_100, 12.05, 4_100, 2.05])


def test_only_pixels_of_the_region_count(context, region) -> None:
    x = np.full((40, 50), 500.0)
    x[region.mask] = 30.0
    assert [read(name, x, context, region) for name in NAMES] == pytest.approx(
        [6_000, 30.0, 4_000, 20.0]
    )


def test_regions_that_share_out_the_plane_add_up(context, region) -> None:
    x = np.random.default_rng(0).gamma(2.0, 10.0, (40, 50))
    rest = Region("rest", ~region.mask)
    for name in ("total_intensity", "corrected_intensity"):
        parts = [read(name, x, context, part) for part in (region, rest)]
        assert sum(parts) == pytest.approx(read(name, x, context))


def test_a_ring_takes_the_background_from_around_the_region(context, region) -> None:
    yy, xx = np.indices((40, 50), dtype=np.float64)
    slope = 100 + 3.0 * (yy - 14.5) - 2.0 * (xx - 24.5)
    x = slope + 20.0 * region.mask
    # What spills over the edge by less than two pixels is not taken for background.
    x[region.mask ^ np.pad(region.mask, 1)[2:, 1:-1]] += (
        50.0 * ~region.mask[region.mask ^ np.pad(region.mask, 1)[2:, 1:-1]]
    )
    assert read("corrected_mean_intensity(ring=5.0)", x, context, region) == pytest.approx(20.0)
    assert read("corrected_intensity(ring=5.0)", x, context, region) == pytest.approx(4_000)
    assert read("corrected_mean_intensity", x, context, region) == pytest.approx(110.0)


@pytest.mark.parametrize("ring", [0.0, 4.0])
def test_the_mean_over_samples_is_that_of_the_mean_image(context, region, ring: float) -> None:
    samples = np.random.default_rng(1).gamma(2.0, 10.0, (6, 40, 50))
    name = f"corrected_intensity(ring={ring})"
    values = [read(name, x, context, region) for x in samples]
    assert read(name, samples.mean(0), context, region) == pytest.approx(np.mean(values))
    weights, constant = intensity_weights((40, 50), context.within(region.mask), ring=ring)
    np.testing.assert_allclose((weights * samples).sum((1, 2)) + constant, values)


def test_large_planes_are_added_up_without_rounding(context) -> None:
    x = np.full((1500, 1500), 16_777.2, np.float32)
    assert read("total_intensity", x, context) == pytest.approx(float(x[0, 0]) * x.size, rel=1e-12)


def test_rings_and_regions_that_cannot_be_are_refused(context) -> None:
    x = np.zeros((40, 50))
    with pytest.raises(InputError, match="give a region"):
        read("corrected_intensity(ring=3.0)", x, context)
    whole = Region("all", np.ones((40, 50), bool))
    with pytest.raises(InputError, match="holds no pixel"):
        read("corrected_intensity(ring=3.0)", x, context, whole)
    with pytest.raises(InputError, match="0 at least"):
        read("corrected_intensity(ring=-1.0)", x, context, whole)
    with pytest.raises(InputError, match="draw it larger"):
        get_statistic("mean_intensity").measure(x, context.within(np.zeros((40, 50), bool)))
