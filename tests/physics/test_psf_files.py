from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import Psf
from napari_posterior.physics.psf_files import read_beads, read_psf


@pytest.fixture
def point() -> np.ndarray:
    """One point of sigma 1.6 px, 15 x 15, in grey levels."""
    y, x = np.mgrid[-7:8, -7:8]
    return (1000 * np.exp(-(y**2 + x**2) / (2 * 1.6**2))).astype(np.float32)


@pytest.fixture
def beads() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :128]
    light = np.full(y.shape, 10.0)
    for row in range(20, 120, 29):
        for column in range(20, 120, 29):
            where = row + rng.uniform(-1, 1), column + rng.uniform(-1, 1)
            r2 = (y - where[0]) ** 2 + (x - where[1]) ** 2
            light += 2000 * np.exp(-r2 / (2 * 1.7**2))
    return rng.poisson(light).astype(np.float32)


@pytest.mark.parametrize("kind", ["tif", "npy", "array", "stack of one"])
def test_the_image_of_one_point_becomes_a_sampled_psf(tmp_path, point, kind):
    source: object = point
    if kind == "tif":
        source = tmp_path / "psf.tif"
        tifffile.imwrite(source, point)
    elif kind == "npy":
        source = tmp_path / "psf.npy"
        np.save(source, point)
    elif kind == "stack of one":
        source = point[None]
    psf = read_psf(source)
    assert psf == Psf(kernel=point)
    assert psf.kernel.shape == (15, 15)
    assert psf.sigma == pytest.approx(1.6, rel=0.01)


def test_beads_are_averaged_and_counted(beads):
    found = read_beads(beads)
    assert len(found.beads) == 16
    assert found.psf.sigma == pytest.approx(1.7, rel=0.03)


def test_what_is_no_psf_gets_one_sentence(tmp_path, point):
    two = np.concatenate([point, point])
    for bad, words in (
        (two, "separate peaks"),
        (point[:, :8], "peak of the PSF lies on its edge"),
        (point + 500, "does not fall off"),
        (tmp_path / "none.tif", "does not exist"),
    ):
        with pytest.raises(InputError, match=words) as error:
            read_psf(bad)
        assert "\n" not in str(error.value)
