from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special

from napari_posterior.errors import InputError
from napari_posterior.physics.kernel import fit_gaussian
from napari_posterior.physics.optics import confocal_psf, defocus_psf, widefield_psf
from napari_posterior.physics.psf import Psf

NA, WAVELENGTH, INDEX = 1.4, 0.52, 1.515


def airy(r, wavelength=WAVELENGTH):
    v = 2 * math.pi * NA / wavelength * np.maximum(np.abs(r), 1e-12)
    return (2 * special.j1(v) / v) ** 2


def middle_row(kernel):
    return kernel[kernel.shape[0] // 2, kernel.shape[1] // 2 :]


def test_a_widefield_psf_of_fine_pixels_is_the_airy_pattern():
    row = middle_row(widefield_psf(NA, WAVELENGTH, 0.01))
    r = np.arange(row.size) * 0.01
    assert row / row[0] == pytest.approx(airy(r), abs=3e-3)
    dark = r[10 + np.argmin(row[10:35])]
    assert dark == pytest.approx(0.61 * WAVELENGTH / NA, abs=0.01)


def test_a_camera_pixel_averages_the_pattern_over_its_area():
    pixel = 0.08
    kernel = widefield_psf(NA, WAVELENGTH, pixel)
    at = (np.arange(40) + 0.5) / 40 - 0.5
    means = [airy(np.hypot((at + c)[:, None], at) * pixel).mean() for c in (0, 1, 2)]
    assert middle_row(kernel)[:3] / kernel.max() == pytest.approx(
        np.array(means) / means[0], abs=5e-3
    )


@pytest.mark.parametrize("pixel", [0.02, 0.05, 0.07])
def test_the_gaussian_of_a_widefield_psf_has_the_width_of_the_text_books(pixel):
    psf = Psf.widefield(na=NA, wavelength=WAVELENGTH, pixel_size=pixel)
    assert (psf.kernel, psf.source) == (None, "computed")
    width = math.hypot(0.21 * WAVELENGTH / NA, pixel / math.sqrt(12)) / pixel
    assert psf.sigma == pytest.approx(width, rel=0.03)


def test_a_closed_pinhole_multiplies_and_an_open_one_leaves_the_excitation():
    pixel, excitation = 0.02, 0.488
    r = np.arange(20) * pixel
    closed = middle_row(confocal_psf(NA, excitation, WAVELENGTH, pixel, 0.0))[:20]
    assert closed / closed[0] == pytest.approx(airy(r, excitation) * airy(r), abs=1e-3)
    opened = middle_row(confocal_psf(NA, excitation, WAVELENGTH, pixel, 30.0))[:20]
    assert opened / opened[0] == pytest.approx(airy(r, excitation), abs=5e-3)


def test_the_detection_through_a_pinhole_is_the_pattern_averaged_over_it():
    pixel, excitation, pinhole = 0.02, 0.488, 1.0
    row = middle_row(confocal_psf(NA, excitation, WAVELENGTH, pixel, pinhole))
    radius = pinhole * 1.22 * WAVELENGTH / NA / 2

    def seen(r):
        def ring(a, p):
            return float(airy(math.hypot(r - a * math.cos(p), a * math.sin(p)))) * a

        return integrate.dblquad(ring, 0, math.pi, 0, radius)[0]

    expected = [float(airy(r, excitation)) * seen(r) for r in (0.0, 0.1, 0.2)]
    assert row[[5, 10]] / row[0] == pytest.approx(np.array(expected[1:]) / expected[0], abs=1e-4)


def test_a_smaller_pinhole_gives_a_narrower_psf():
    sizes = [
        Psf.confocal(na=NA, excitation=0.488, emission=0.52, pixel_size=0.04, pinhole=pinhole).sigma
        for pinhole in (0.2, 0.5, 1.0, 1.5)
    ]
    assert sizes == sorted(sizes)
    # for equal wavelengths two equal Gaussians multiplied are narrower by the root of two
    closed = fit_gaussian(confocal_psf(NA, 0.5, 0.5, 0.02, 0.0)).sigma
    opened = fit_gaussian(confocal_psf(NA, 0.5, 0.5, 0.02, 30.0)).sigma
    assert closed / opened == pytest.approx(1 / math.sqrt(2), rel=0.05)


@pytest.fixture(scope="module")
def stack():
    return defocus_psf(NA, WAVELENGTH, 0.065, 0.2, INDEX, 13)


def test_the_plane_in_focus_of_a_stack_is_the_widefield_psf(stack):
    flat = widefield_psf(NA, WAVELENGTH, 0.065)
    focus = stack[6]
    middle, half = focus.shape[0] // 2, flat.shape[0] // 2
    part = focus[middle - half : middle + half + 1, middle - half : middle + half + 1]
    assert part / part.max() == pytest.approx(flat / flat.max(), abs=1e-5)


def test_every_plane_of_a_stack_holds_the_same_light_and_lies_as_its_mirror(stack):
    light = stack.sum((1, 2))
    assert stack.sum() == pytest.approx(1.0)
    assert light == pytest.approx(light[6], rel=0.01)
    assert stack == pytest.approx(stack[::-1], abs=1e-12)
    assert stack == pytest.approx(stack[:, :, ::-1], abs=1e-12)


def test_a_point_out_of_focus_is_the_integral_over_the_pupil():
    fine = defocus_psf(0.9, WAVELENGTH, 0.01, 0.5, 1.33, 5, size=31)

    def intensity(r, z):
        def field(p, part):
            phase = 2 * math.pi / WAVELENGTH * z * math.sqrt(1.33**2 - (0.9 * p) ** 2)
            return special.j0(2 * math.pi * 0.9 * r * p / WAVELENGTH) * part(phase) * p

        return sum(integrate.quad(field, 0, 1, args=(f,))[0] ** 2 for f in (math.cos, math.sin))

    for plane, column in ((2, 5), (3, 0), (4, 10)):
        told = intensity(column * 0.01, (plane - 2) * 0.5) / intensity(0.0, 0.0)
        seen = fine[plane, 15, 15 + column] / fine[2, 15, 15]
        assert seen == pytest.approx(told, abs=3e-3)


def test_the_light_on_the_axis_first_vanishes_where_paraxial_theory_says():
    na, index = 0.3, 1.0
    zero = 2 * index * WAVELENGTH / na**2
    stack = defocus_psf(na, WAVELENGTH, 0.1, zero / 10, index, 31, size=5)
    axis = stack[15:, 2, 2] / stack[15, 2, 2]
    assert np.argmin(axis[:14]) == 10
    assert axis[5] == pytest.approx(np.sinc(0.5) ** 2, abs=0.03)


def test_a_stack_psf_is_sampled_with_its_axial_width():
    psf = Psf.defocus(
        na=0.8, wavelength=0.5, pixel_size=0.1, z_step=0.4, refractive_index=1.33, planes=15
    )
    assert (psf.ndim, psf.source, psf.kernel.shape[0]) == (3, "computed", 15)
    # B. Zhang et al. 2007, table 2: paraxial widefield, 2 sqrt(6) n / (k NA^2)
    paraxial = 2 * math.sqrt(6) * 1.33 / (2 * math.pi / 0.5 * 0.8**2) / 0.4
    assert psf.axial_sigma == pytest.approx(paraxial, rel=0.15)
    assert psf.misfit < 0.05


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: widefield_psf(0.0, 0.5, 0.1), "na is 0.0; give a finite number above 0"),
        (lambda: widefield_psf(1.4, -0.5, 0.1), "wavelength is -0.5"),
        (lambda: widefield_psf(14.0, 0.5, 0.1), "the NA is 14"),
        (lambda: widefield_psf(1.4, 520.0, 0.1), "check that all lengths are in um"),
        (lambda: confocal_psf(1.4, 0.5, 0.52, 0.05, -1.0), "pinhole is -1"),
        (lambda: confocal_psf(1.4, 0.52, 0.5, 0.05, 1.0), "shorter than the excitation"),
        (lambda: defocus_psf(1.4, 0.5, 0.1, 0.2, 1.33, 11), "the NA is 1.4"),
        (lambda: defocus_psf(1.2, 0.5, 0.1, 0.2, 1.33, 10), "planes is 10; give an odd"),
        (lambda: Psf.widefield(na=1.4, wavelength=0.5, pixel_size=0.2), "undersampled"),
    ],
)
def test_optics_that_cannot_be_are_refused_with_the_reason(call, told):
    with pytest.raises(InputError, match=told):
        call()
