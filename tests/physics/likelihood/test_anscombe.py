"""The generalised Anscombe transform against its known mean shift and variance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.likelihood import anscombe


@pytest.mark.parametrize(
    ("read_noise", "mean", "shift", "variance"),
    [
        (0.7, 0.5, -0.18, 0.91),
        (0.7, 2.0, -0.16, 1.05),
        (0.7, 10.0, -0.08, 1.00),
        (1.0, 0.5, -0.18, 1.05),
        (1.0, 2.0, -0.15, 1.09),
        (1.0, 10.0, -0.08, 1.01),
        (1.6, 0.5, -0.16, 1.18),
        (1.6, 2.0, -0.13, 1.12),
        (1.6, 10.0, -0.07, 1.01),
        (2.5, 0.5, -0.11, 1.13),
        (2.5, 2.0, -0.09, 1.08),
        (2.5, 10.0, -0.06, 1.02),
    ],
)
def test_mean_shift_and_variance_are_those_of_the_integral(
    read_noise: float, mean: float, shift: float, variance: float
) -> None:
    camera = Camera(gain=2.0, offset=100.0, read_noise=read_noise)
    z = np.linspace(-20, 70, 18001)
    n = np.arange(60)[:, None]
    density = (stats.poisson.pmf(n, mean) * stats.norm.pdf(z, n, read_noise)).sum(0) * (z[1] - z[0])
    shown = anscombe(camera.to_adu(z), camera)
    first = float((shown * density).sum())
    second = float((shown**2 * density).sum())
    at_mean = float(anscombe(camera.to_adu(np.array(mean)), camera))
    assert first - at_mean == pytest.approx(shift, abs=0.0055)
    assert second - first**2 == pytest.approx(variance, abs=0.0055)


def test_dark_pixels_are_not_nan_and_maps_are_taken_pixel_by_pixel() -> None:
    noise = np.array([[0.5, 2.0]])
    shown = anscombe(np.array([[-50.0, 10.0]]), Camera(read_noise=noise))
    np.testing.assert_allclose(shown, [[0.0, 2 * np.sqrt(10 + 0.375 + 4)]])
    with pytest.raises(InputError, match="crop the maps"):
        anscombe(np.ones((3, 3)), Camera(read_noise=noise))
