from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.forward import ForwardModel
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import Psf, gaussian_blur
from napari_posterior.physics.scenes import point_source


@pytest.mark.parametrize("sigma", [1.0, 1.1, 1.6, 3.0])
def test_a_point_source_seen_through_the_psf_has_the_width_of_the_psf(sigma):
    x = point_source(64, (31.3, 32.6), 1000.0).double()
    y = ForwardModel(Camera(), Psf(sigma)).mean(x)[0, 0]
    at = torch.arange(64.0, dtype=torch.float64)
    total = y.sum()
    row, column = (y.sum(1) * at).sum() / total, (y.sum(0) * at).sum() / total
    variance = (y.sum(1) * (at - row) ** 2).sum() / total
    assert total == pytest.approx(1000.0, rel=1e-5)
    assert (row, column) == (pytest.approx(31.3, abs=1e-4), pytest.approx(32.6, abs=1e-4))
    assert variance.sqrt() == pytest.approx(sigma, rel=1e-3)


def test_blurs_add_in_quadrature_even_below_a_pixel():
    x = point_source(64, (30.2, 33.7), 1.0)
    twice = gaussian_blur(gaussian_blur(x, 0.3), 0.4)
    assert torch.allclose(twice, gaussian_blur(x, 0.5), atol=1e-7)


def test_one_sigma_for_each_image_equals_one_call_each():
    # wide enough a spot that nothing is left at the Nyquist frequency, where frames differ
    x = gaussian_blur(point_source(48, (22.4, 25.1), 100.0), 1.5).repeat(3, 1, 1, 1)
    sigma = torch.tensor([0.0, 0.7, 2.0])[:, None, None, None]
    together = gaussian_blur(x, sigma)
    for k, value in enumerate((0.0, 0.7, 2.0)):
        assert torch.allclose(together[k], gaussian_blur(x[k], value), atol=1e-5)


def test_blur_keeps_a_constant_and_the_mean_of_a_mirrored_image():
    assert torch.allclose(gaussian_blur(torch.full((9, 5), 3.0), 4.0), torch.tensor(3.0))


def test_a_psf_at_the_target_leaves_the_object_as_it_is():
    x = torch.rand(1, 1, 16, 16)
    assert torch.equal(ForwardModel(Camera(), Psf(1.0)).mean(x), x)


def test_a_psf_narrower_than_the_target_is_refused_with_the_reason():
    with pytest.raises(InputError, match="narrower than the target resolution"):
        Psf(0.8)


@pytest.mark.parametrize(
    "bad", [{"gain": 0.0}, {"gain": float("nan")}, {"read_noise": -1.0}, {"offset": float("inf")}]
)
def test_a_camera_that_cannot_be_is_refused(bad):
    with pytest.raises(InputError, match="camera"):
        Camera(**bad)


def test_measurements_have_the_mean_and_variance_of_the_forward_model():
    forward = ForwardModel(Camera(gain=2.0, offset=100.0, read_noise=3.0), Psf(1.5), background=4.0)
    x = torch.full((1, 400, 400), 20.0)
    y = forward.sample(x, torch.Generator().manual_seed(0))
    n = y.numel()
    expected = 2.0**2 * (24.0 + 9.0)
    assert y.mean() == pytest.approx(100 + 2 * 24, abs=4 * (expected / n) ** 0.5)
    assert y.var() == pytest.approx(expected, rel=4 * (2 / n) ** 0.5)


def test_a_measurement_in_electrons_undoes_gain_and_offset():
    y = np.array([[100, 300], [90, 110]], np.uint16)
    measurement = Measurement(y, Camera(gain=2.0, offset=100.0), Psf())
    assert measurement.electrons.dtype == np.float32
    assert measurement.electrons.tolist() == [[0.0, 100.0], [-5.0, 5.0]]
