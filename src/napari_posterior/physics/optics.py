"""PSFs computed from the optics: scalar diffraction at a round pupil, in focus and out of it.

Lengths are in um in the object. A point of a pixel array is that of the light: what a camera
pixel adds by its area is averaged over 5 x 5 points of each pixel; a scanned confocal image has
no such area. Polarisation, aberrations and the mismatch of refractive indices are left out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import special

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import check_positive

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["confocal_psf", "defocus_psf", "widefield_psf"]

_POINTS: Final = 5
_RINGS: Final = 5
_NODES: Final = 200
_STEPS: Final = 50
_LARGEST: Final = 1023
_HIGHEST_INDEX: Final = 2.5


def widefield_psf(na: float, wavelength: float, pixel_size: float) -> np.ndarray:
    """Return the Airy pattern of a widefield microscope, as pixels see it.

    ``I(r) = (2 J1(v) / v)^2`` with ``v = 2 pi na r / wavelength`` (J.W. Goodman, Introduction to
    Fourier Optics, 3rd ed., section 4.4.2), out to the fifth dark ring, where 96 % of its light
    is. Its Gaussian of least squares has a sigma near 0.21 wavelength / na (B. Zhang, J. Zerubia,
    J.-C. Olivo-Marin, Applied Optics 46 (2007) 1819-1829).

    Parameters
    ----------
    na : float
        Numerical aperture.
    wavelength, pixel_size : float
        Emission wavelength and pixel size.

    Returns
    -------
    ndarray, (n, n) float64
        n odd; sum 1.

    Raises
    ------
    InputError
        If a number is not positive, or the NA larger than any refractive index.
    """
    check_positive(wavelength=wavelength, pixel_size=pixel_size)
    _check_na(na, _HIGHEST_INDEX)
    half = _half_size(_RINGS * 0.61 * wavelength / na, pixel_size)
    return _unit(_on_pixels(lambda r: _airy(r, na, wavelength), half, pixel_size, _POINTS))


def confocal_psf(
    na: float, excitation: float, emission: float, pixel_size: float, pinhole: float
) -> np.ndarray:
    """Return the PSF in focus of a point-scanning confocal microscope.

    Excitation times detection, ``I_ex(r) (I_em * pinhole)(r)`` (T. Wilson and C. Sheppard, Theory
    and Practice of Scanning Optical Microscopy, 1984, chapter 5). The detection is the Hankel
    transform of the transfer function of a round pupil (Goodman, section 6.3.2) times that of the
    disc, ``2 J1(pi d f) / (pi d f)``.

    Parameters
    ----------
    na : float
        Numerical aperture.
    excitation, emission, pixel_size : float
        Wavelengths and pixel size.
    pinhole : float
        Diameter in Airy units: times 1.22 emission / na in the object.

    Returns
    -------
    ndarray, (n, n) float64
        n odd; sum 1.

    Raises
    ------
    InputError
        As `widefield_psf`, or if the pinhole is negative or the emission shorter in wavelength
        than the excitation is.
    """
    check_positive(excitation=excitation, emission=emission, pixel_size=pixel_size)
    _check_na(na, _HIGHEST_INDEX)
    if not 0 <= pinhole < math.inf:
        raise InputError(f"pinhole is {pinhole!r}; give its diameter in Airy units, such as 1")
    if emission < excitation:
        raise InputError(
            f"the emission wavelength, {emission:g} um, is shorter than the excitation, "
            f"{excitation:g} um; give both in um, emission the longer"
        )
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    q, weights = (nodes + 1) / 2, weights / 2
    cutoff, diameter = 2 * na / emission, pinhole * 1.22 * emission / na
    transfer = 2 / np.pi * (np.arccos(q) - q * np.sqrt(1 - q**2))
    transfer *= _jinc(np.pi * diameter * q * cutoff) * q * weights

    def pattern(r: np.ndarray) -> np.ndarray:
        detection = special.j0(2 * np.pi * cutoff * r[..., None] * q) @ transfer
        product: np.ndarray = _airy(r, na, excitation) * np.clip(detection, 0.0, None)
        return product

    reach = _RINGS * 0.61 * excitation / na
    half = _half_size(reach, pixel_size)
    return _unit(_on_pixels(_tabulated(pattern, reach, excitation / na), half, pixel_size, 1))


def defocus_psf(
    na: float,
    wavelength: float,
    pixel_size: float,
    z_step: float,
    refractive_index: float,
    planes: int,
    *,
    size: int | None = None,
) -> np.ndarray:
    """Return the PSF of a widefield stack, from a round pupil with the phase of defocus.

    ``h(r, z) = |int_0^1 J0(2 pi na r p / wavelength)
    exp(2 pi i z sqrt(n^2 - na^2 p^2) / wavelength) p dp|^2``: S.F. Gibson and F. Lanni, J. Opt.
    Soc. Am. A 8 (1991) 1601-1613, without mismatch of refractive indices. Every plane holds the
    same light but for what lies beyond the array.

    Parameters
    ----------
    na, refractive_index : float
        Numerical aperture and refractive index of immersion and specimen.
    wavelength, pixel_size, z_step : float
        Emission wavelength, pixel size and distance of the planes.
    planes, size : int
        Planes, and pixels across, odd. By default the cone of light in the last plane and five
        dark rings around it.

    Returns
    -------
    ndarray, (planes, size, size) float64
        Sum 1; the plane in focus is the middle one.

    Raises
    ------
    InputError
        As `widefield_psf`, or if planes or size are even, or the array would be very large.
    """
    check_positive(
        wavelength=wavelength,
        pixel_size=pixel_size,
        z_step=z_step,
        refractive_index=refractive_index,
    )
    _check_na(na, refractive_index)
    for name, count in (("planes", planes), ("size", planes if size is None else size)):
        if count not in range(3, _LARGEST + 1, 2):
            raise InputError(f"{name} is {count!r}; give an odd whole number from 3 to {_LARGEST}")
    furthest = planes // 2 * z_step
    cone = furthest * na / math.sqrt(refractive_index**2 - na**2)
    reach = cone + _RINGS * 0.61 * wavelength / na
    half = _half_size(reach, pixel_size) if size is None else size // 2
    corner = (half + 1) * pixel_size * math.sqrt(2)
    # the integrand turns by this phase at most over the pupil; a node each radian is ample
    turns = 2 * np.pi / wavelength * (na * corner + furthest * refractive_index)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES + int(turns))
    p = (nodes + 1) / 2
    z = (np.arange(planes) - planes // 2) * z_step
    # only what changes over the pupil counts; the phase of its middle is the same everywhere
    path = np.sqrt(refractive_index**2 - (na * p) ** 2) - refractive_index
    pupil = np.exp(2j * np.pi / wavelength * path[:, None] * z) * (p * weights)[:, None]

    def pattern(r: np.ndarray) -> np.ndarray:
        field = special.j0(2 * np.pi * na / wavelength * r[:, None] * p) @ pupil
        intensity: np.ndarray = np.abs(field) ** 2
        return intensity

    look_up = _tabulated(pattern, corner, wavelength / na)
    stack = _on_pixels(look_up, half, pixel_size, _POINTS)
    return _unit(np.moveaxis(stack, -1, 0))


def _check_na(na: float, index: float) -> None:
    check_positive(na=na)
    if na >= index:
        raise InputError(
            f"the NA is {na:g}, which a refractive index of {index:g} does not allow; give the NA "
            "of the objective and the index of its immersion"
        )


def _half_size(reach: float, pixel_size: float) -> int:
    half = math.ceil(reach / pixel_size)
    if 2 * half + 1 > _LARGEST:
        raise InputError(
            f"the PSF would be {2 * half + 1} pixels wide; check that all lengths are in um, or "
            "give fewer planes"
        )
    return max(half, 2)


def _jinc(v: np.ndarray) -> np.ndarray:
    """Return 2 J1(v) / v, which is 1 at 0."""
    near = np.abs(v) < 1e-8
    held = np.where(near, 1.0, v)
    return np.where(near, 1.0, 2 * special.j1(held) / held)


def _airy(r: np.ndarray, na: float, wavelength: float) -> np.ndarray:
    return _jinc(2 * np.pi * na / wavelength * r) ** 2


def _tabulated(
    pattern: Callable[[np.ndarray], np.ndarray], reach: float, width: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that looks a radial pattern up, 50 cubic pieces a resolution length."""
    from scipy.interpolate import CubicSpline

    radius = np.linspace(0.0, 1.5 * reach, math.ceil(1.5 * reach / width * _STEPS) + 2)
    spline = CubicSpline(radius, pattern(radius))
    return lambda r: np.clip(spline(r), 0.0, None)


def _on_pixels(
    pattern: Callable[[np.ndarray], np.ndarray], half: int, pixel_size: float, points: int
) -> np.ndarray:
    """Return the mean of a radial pattern over the points of each pixel, (n, n, ...)."""
    step, reach = pixel_size / points, half * points + points // 2
    # a quadrant tells the others, as the pattern is round; the points of a pixel are odd in number
    at = np.arange(reach + 1) * step
    part = pattern(np.hypot(at[:, None], at))
    part = np.concatenate([part[:0:-1], part])
    whole = np.concatenate([part[:, :0:-1], part], axis=1)
    n = 2 * half + 1
    return np.asarray(whole.reshape(n, points, n, points, *whole.shape[2:]).mean((1, 3)))


def _unit(values: np.ndarray) -> np.ndarray:
    unit: np.ndarray = values / values.sum()
    return unit
