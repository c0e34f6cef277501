from __future__ import annotations

import math

import numpy as np
import pytest

from napari_posterior.errors import InputError
from napari_posterior.physics.beyond import REGULARISATION, beyond_target
from napari_posterior.physics.kernel import fit_gaussian, sampled_psf
from napari_posterior.physics.psf import Psf


def gaussian(shape, sigma, centre=None, angle=0.0):
    """A Gaussian on pixels; sigma is one number, or one an axis."""
    centre = [(n - 1) / 2 for n in shape] if centre is None else centre
    widths = [sigma] * len(shape) if isinstance(sigma, (int, float)) else sigma
    axes = (np.arange(n) - c for n, c in zip(shape, centre, strict=True))
    *z, y, x = np.meshgrid(*axes, indexing="ij")
    cos, sin = math.cos(angle), math.sin(angle)
    at = (*z, cos * y + sin * x, cos * x - sin * y)
    return np.exp(-0.5 * sum((a / s) ** 2 for a, s in zip(at, widths, strict=True)))


def test_a_gaussian_is_given_by_its_sigma_alone():
    assert Psf().sigma == 1.0
    assert Psf(1.6) == Psf(sigma=1.6)
    assert hash(Psf(1.6)) == hash(Psf(sigma=1.6))
    assert (Psf(1.6).ndim, Psf(1.6).kernel, Psf(1.6).misfit) == (2, None, 0.0)
    assert Psf(1.6).blur_sigma == pytest.approx(math.sqrt(1.6**2 - 1))
    assert Psf(1.6) not in (Psf(1.7), Psf(1.6, 2.0), Psf(1.6, source="measured"), 1.6)


def test_a_width_in_micrometres_is_divided_by_the_pixel():
    assert Psf.from_um(0.12, 0.08).sigma == pytest.approx(1.5)
    stack = Psf.from_um(0.12, 0.08, axial_sigma=0.5, z_step=0.25)
    assert (stack.axial_sigma, stack.ndim) == (pytest.approx(2.0), 3)
    assert stack.axial_blur_sigma == pytest.approx(math.sqrt(3))


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: Psf(0.8), "PSF sigma is 0.8 px, narrower than the target resolution of 1 px"),
        (lambda: Psf(2.0, 0.5), "axial PSF sigma is 0.5 planes, narrower than the target"),
        (lambda: Psf(math.nan), "PSF sigma is nan; give a finite number of pixels"),
        (lambda: Psf("wide"), "give a number of pixels"),
        (lambda: Psf.from_um(0.1, 0.0), "pixel size is 0.0; give a finite number above 0"),
        (lambda: Psf.from_um(0.05, 0.1), "narrower than the target resolution"),
        (lambda: Psf.from_um(0.2, 0.1, axial_sigma=0.5), "give both axial_sigma and z_step"),
    ],
)
def test_a_width_that_cannot_be_is_refused_with_the_reason(call, told):
    with pytest.raises(InputError, match=told) as caught:
        call()
    assert str(caught.value).count(". ") == 0


@pytest.mark.parametrize("sigma", [1.0, 1.7, 4.0])
def test_the_gaussian_of_least_squares_of_a_gaussian_is_itself(sigma):
    fit = fit_gaussian(3.0 * gaussian((41, 45), sigma, (20.3, 21.8)))
    assert fit.centre == pytest.approx([20.3, 21.8], abs=1e-3)
    assert fit.sigma == pytest.approx(sigma, rel=3e-4)
    assert fit.elongation == pytest.approx(1.0, abs=2e-3)
    assert fit.amplitude == pytest.approx(3.0, rel=1e-4)


def test_the_fit_of_a_tilted_ellipse_knows_its_axes():
    fit = fit_gaussian(gaussian((61, 61), (5.0, 2.5), angle=0.6))
    assert fit.elongation == pytest.approx(2.0, rel=1e-3)
    assert fit.sigma == pytest.approx(math.sqrt(12.5), rel=1e-3)


def test_the_fit_of_a_pattern_with_rings_is_that_of_least_squares():
    from scipy.optimize import least_squares

    from napari_posterior.physics.optics import widefield_psf

    kernel = widefield_psf(1.4, 0.52, 0.03)
    peak = kernel.max()
    found = least_squares(
        lambda p: (p[0] * gaussian(kernel.shape, float(p[1])) - kernel / peak).ravel(), [1.0, 3.0]
    )
    assert fit_gaussian(kernel).sigma == pytest.approx(found.x[1], rel=1e-4)


@pytest.mark.parametrize(
    ("shape", "sigma"), [((33, 33), (2.0, 2.0)), ((17, 25, 25), (1.6, 2.0, 2.0))]
)
def test_a_sampled_gaussian_has_the_k_of_the_gaussian(shape, sigma):
    psf = Psf(kernel=1e4 * gaussian(shape, sigma))
    assert psf.kernel.sum() == pytest.approx(1.0, abs=1e-12)
    assert psf.sigma == pytest.approx(2.0, rel=1e-3)
    assert psf.axial_sigma == (pytest.approx(1.6, rel=1e-3) if len(shape) == 3 else None)
    k = psf.blur_kernel
    expected = gaussian(k.shape, [math.sqrt(s**2 - 1) for s in sigma])
    assert k == pytest.approx(expected / expected.sum(), abs=0.01 * k.max())
    assert k.sum() == pytest.approx(1.0, abs=1e-12)
    assert psf.misfit < 2e-3


def test_the_misfit_is_what_the_target_and_k_do_not_make_up():
    from scipy.signal import fftconvolve

    psf = Psf.widefield(na=1.4, wavelength=0.52, pixel_size=0.065, sampled=True)
    k = psf.blur_kernel
    target = gaussian((21, 21), 1.0)
    again = fftconvolve(k, target / target.sum())
    face = (again.shape[0] - psf.kernel.shape[0]) // 2 + 2
    left = again[face:-face, face:-face] - psf.kernel[2:-2, 2:-2]
    misfit = np.linalg.norm(left) / np.linalg.norm(psf.kernel)
    assert psf.misfit == pytest.approx(misfit, rel=0.02)
    assert 0 < psf.misfit < 0.01


def test_k_amplifies_no_frequency_beyond_what_it_is_regularised_to():
    noisy = gaussian((25, 25), 1.5) + 1e-2 * np.random.default_rng(0).random((25, 25))
    k, misfit = beyond_target(noisy / noisy.sum(), 1.0)
    gain = np.abs(np.fft.fft2(k, (64, 64))) / np.abs(np.fft.fft2(noisy / noisy.sum(), (64, 64)))
    assert np.median(gain) < 1.1 / (2 * REGULARISATION)
    assert misfit < 0.05


def test_an_array_is_centred_and_made_odd_without_losing_light():
    psf = Psf(kernel=gaussian((30, 36), 2.2, (13.3, 19.4)))
    assert all(size % 2 == 1 for size in psf.kernel.shape)
    middle = (np.array(psf.kernel.shape) - 1) / 2
    assert fit_gaussian(psf.kernel).centre == pytest.approx(middle, abs=0.01)
    assert psf.sigma == pytest.approx(2.2, rel=1e-3)


def test_a_sampled_psf_made_again_of_its_kernel_is_equal():
    rng = np.random.default_rng(3)
    spot = rng.poisson(200 * gaussian((24, 21), 2.0, (11.6, 9.9))).astype(float)
    psf = Psf(kernel=spot)
    assert Psf(psf.sigma, psf.axial_sigma, psf.kernel.copy()) == psf
    assert hash(Psf(kernel=psf.kernel)) == hash(psf)
    assert Psf(kernel=gaussian((21, 21), 2.0)) != psf
    with pytest.raises(ValueError, match="read-only"):
        psf.kernel[0, 0] = 1.0


SPOT = gaussian((31, 31), 2.0)
TWO = gaussian((31, 31), 2.0, (9, 9)) + gaussian((31, 31), 2.0, (21, 20))


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.ones((15, 15)), "is flat"),
        (np.where(SPOT > 0.9, np.nan, SPOT), "NaN or infinite"),
        (SPOT - 0.05, "has negative values of"),
        (SPOT + 0.2, "a background of"),
        (TWO, "has 2 separate peaks"),
        (np.random.default_rng(0).random((31, 31)), "a background of"),
        (SPOT[:15, 16:], "lies on its edge"),
        (SPOT[15], "has shape"),
        (SPOT + 0j, "has shape"),
        ("psf.tif", "not an array of numbers"),
        (np.pad([[1.0]], 7), "narrower than the target resolution"),
        (np.pad([[0.03]], 15) + SPOT / SPOT.sum(), "detail finer than the target resolution"),
    ],
)
def test_an_array_that_is_no_psf_is_refused_with_the_reason(array, told):
    with pytest.raises(InputError, match=told):
        Psf(kernel=array)


def test_a_little_negative_noise_is_taken_as_dark():
    noisy = SPOT + 0.002 * np.random.default_rng(1).normal(size=SPOT.shape)
    assert sampled_psf(noisy).min() == 0.0
    assert Psf(kernel=noisy).sigma == pytest.approx(2.0, rel=0.01)
