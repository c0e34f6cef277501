"""The point spread function, and the blur that is left beyond the target resolution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.records import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["TARGET_SIGMA", "Psf", "gaussian_blur"]

TARGET_SIGMA: Final = 1.0
"""Width in pixels at which the object x is seen; the PSF of a microscope is no narrower."""

_MOST_MISFIT: Final = 0.05
_FIT_ERROR: Final = 0.02


@dataclass(frozen=True, eq=False)
class Psf:
    """Point spread function: Gaussian, or sampled.

    The object x is seen at the target resolution, a Gaussian of 1 px in every axis, so the
    forward model blurs it with k, what the PSF is beyond the target. For a Gaussian PSF k is the
    Gaussian of ``sigma_k^2 = sigma^2 - target^2``, whose transfer function is
    ``exp(-2 pi^2 sigma_k^2 f^2)``; for a sampled one see `blur_kernel`. Two PSFs are equal if
    all their numbers are.

    Parameters
    ----------
    sigma : float
        Standard deviation in camera pixels, at least `TARGET_SIGMA` (1 px). Of a sampled PSF, the
        one of its Gaussian of least squares, whatever is given.
    axial_sigma : float, optional
        The same along z, in planes, of the PSF of a stack; None for that of a plane.
    kernel : ndarray, (h, w) or (d, h, w), optional
        Samples of the PSF, kept as they are if odd-sized, centred and of sum 1, and brought to
        that if not; None for a Gaussian. Stored as float64, read-only.
    source : str
        Where the numbers come from: ``"given"``, ``"measured"``, ``"computed"`` ...

    Raises
    ------
    InputError
        If the PSF is narrower than the target resolution, not finite, or not a PSF.
    """

    sigma: float = TARGET_SIGMA
    axial_sigma: float | None = None
    kernel: np.ndarray | None = None
    source: str = "given"

    def __post_init__(self) -> None:
        if self.kernel is not None:
            self._take_kernel(self.kernel)
        object.__setattr__(self, "sigma", _width("PSF sigma", self.sigma, "px"))
        if self.axial_sigma is not None:
            width = _width("axial PSF sigma", self.axial_sigma, "planes")
            object.__setattr__(self, "axial_sigma", width)
        if self.misfit > _MOST_MISFIT:
            raise InputError(
                f"the PSF has detail finer than the target resolution of {TARGET_SIGMA:g} px "
                f"({self.misfit:.0%} of it is lost there); give a smoother PSF, such as the mean "
                "of more beads, or a Gaussian one"
            )

    def _take_kernel(self, kernel: Any) -> None:
        from napari_posterior.physics.kernel import fit_gaussian, sampled_psf

        sampled = sampled_psf(kernel)
        fit = fit_gaussian(sampled)
        object.__setattr__(self, "kernel", sampled)
        object.__setattr__(self, "sigma", _at_least_target(fit.sigma))
        axial = None if fit.axial_sigma is None else _at_least_target(fit.axial_sigma)
        object.__setattr__(self, "axial_sigma", axial)

    @classmethod
    def from_um(
        cls,
        sigma: float,
        pixel_size: float,
        *,
        axial_sigma: float | None = None,
        z_step: float | None = None,
    ) -> Psf:
        """Return a Gaussian PSF of a width in micrometres.

        Parameters
        ----------
        sigma, axial_sigma : float
            Standard deviations in um, laterally and along z.
        pixel_size, z_step : float
            Distance of pixels and of planes in um.

        Raises
        ------
        InputError
            If a size is not positive, the axial ones are not given together, or the PSF is
            narrower than a pixel.
        """
        check_positive(sigma=sigma, pixel_size=pixel_size)
        if (axial_sigma is None) != (z_step is None):
            raise InputError("give both axial_sigma and z_step in um, or neither")
        if axial_sigma is None or z_step is None:
            return cls(sigma / pixel_size)
        check_positive(axial_sigma=axial_sigma, z_step=z_step)
        return cls(sigma / pixel_size, axial_sigma / z_step)

    @classmethod
    def widefield(
        cls, *, na: float, wavelength: float, pixel_size: float, sampled: bool = False
    ) -> Psf:
        """Return the PSF in focus of a widefield microscope; see `optics.widefield_psf`.

        Parameters
        ----------
        na : float
            Numerical aperture.
        wavelength, pixel_size : float
            Emission wavelength and pixel size in the object, in um.
        sampled : bool
            Keep the Airy pattern with its rings, instead of its Gaussian of least squares.
        """
        from napari_posterior.physics.optics import widefield_psf

        return _computed(widefield_psf(na, wavelength, pixel_size), sampled=sampled)

    @classmethod
    def confocal(
        cls,
        *,
        na: float,
        excitation: float,
        emission: float,
        pixel_size: float,
        pinhole: float = 1.0,
        sampled: bool = False,
    ) -> Psf:
        """Return the PSF in focus of a confocal microscope; see `optics.confocal_psf`.

        Parameters
        ----------
        na : float
            Numerical aperture.
        excitation, emission, pixel_size : float
            Wavelengths and pixel size in the object, in um.
        pinhole : float
            Diameter in Airy units (1.22 emission / na).
        sampled : bool
            Keep the pattern, instead of its Gaussian of least squares.
        """
        from napari_posterior.physics.optics import confocal_psf

        kernel = confocal_psf(na, excitation, emission, pixel_size, pinhole)
        return _computed(kernel, sampled=sampled)

    @classmethod
    def defocus(
        cls,
        *,
        na: float,
        wavelength: float,
        pixel_size: float,
        z_step: float,
        refractive_index: float,
        planes: int,
        size: int | None = None,
    ) -> Psf:
        """Return the sampled PSF of a widefield stack; see `optics.defocus_psf`.

        Parameters
        ----------
        na, refractive_index : float
            Numerical aperture and refractive index of immersion and specimen.
        wavelength, pixel_size, z_step : float
            Emission wavelength, pixel size and distance of the planes in the object, in um.
        planes, size : int
            Planes, and pixels across; odd. By default as wide as its light in the last plane.
        """
        from napari_posterior.physics.optics import defocus_psf

        kernel = defocus_psf(
            na, wavelength, pixel_size, z_step, refractive_index, planes, size=size
        )
        return cls(kernel=kernel, source="computed")

    @classmethod
    def measured(cls, image: Any, **options: Any) -> Psf:
        """Return the mean of the beads of an image or stack; see `beads.measure_beads`.

        Parameters
        ----------
        image : ndarray, (H, W) or (D, H, W)
            Sub-resolution beads, in any unit that is linear in the light.
        **options
            Those of `beads.measure_beads`.
        """
        from napari_posterior.physics.beads import measure_beads

        return measure_beads(image, **options).psf

    @property
    def ndim(self) -> int:
        """3 for the PSF of a stack, 2 for that of a plane."""
        return 2 if self.axial_sigma is None else 3

    def check_fits(self, shape: Sequence[int]) -> None:
        """Refuse the PSF of a stack for a plane, and a sampled one that is larger than the image.

        Parameters
        ----------
        shape : sequence of int
            Of the image, in pixels; only its last axes count.

        Raises
        ------
        InputError
            If it does not fit.
        """
        if len(shape) < self.ndim:
            raise InputError(
                f"the PSF is that of a stack and the image has {len(shape)} axes; give planes x "
                "height x width, or the PSF of a plane"
            )
        if self.kernel is not None:
            from napari_posterior.physics.kernel import check_size

            check_size(self.kernel.shape, shape)

    @property
    def words(self) -> str:
        """The widths with their units, for people to read."""
        kind = "" if self.kernel is None else f", sampled on {_times(self.kernel.shape)}"
        axial = "" if self.axial_sigma is None else f" and {self.axial_sigma:.3g} planes along z"
        return f"sigma {self.sigma:.3g} px{axial}{kind} ({self.source})"

    @property
    def blur_sigma(self) -> float:
        """Width in pixels of k, the blur beyond the target: ``sqrt(sigma^2 - target^2)``."""
        return _beyond(self.sigma)

    @property
    def axial_blur_sigma(self) -> float:
        """The same along z, in planes; 0 for the PSF of a plane."""
        return 0.0 if self.axial_sigma is None else _beyond(self.axial_sigma)

    @property
    def blur_kernel(self) -> np.ndarray | None:
        """The k of a sampled PSF, float64 of odd sizes and sum 1; None for a Gaussian.

        `beyond.beyond_target` derives it.
        """
        return self._blur[0]

    @property
    def misfit(self) -> float:
        """Part of the PSF that the target resolution and k do not make up; 0 for a Gaussian.

        ``|G k - PSF| / |PSF|``, root sums of squares, with G the Gaussian of the target.
        """
        return self._blur[1]

    @cached_property
    def _blur(self) -> tuple[np.ndarray | None, float]:
        if self.kernel is None:
            return None, 0.0
        from napari_posterior.physics.beyond import beyond_target

        return beyond_target(self.kernel, TARGET_SIGMA)

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return key_of(self)

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Psf) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)


def gaussian_blur(x: Tensor, sigma: float | Tensor) -> Tensor:
    """Blur with the exact Gaussian transfer function ``exp(-2 pi^2 sigma^2 f^2)``.

    By FFT, with mirrored edges; see `blur.blur_gaussian` for more ways.

    Parameters
    ----------
    x : Tensor, (..., H, W)
        Images; the dtype is kept.
    sigma : float or Tensor, (..., 1, 1)
        Standard deviation in pixels, one for all images or one each; 0 returns `x` itself.

    Returns
    -------
    Tensor, (..., H, W)
    """
    from napari_posterior.physics.blur import blur_gaussian

    return blur_gaussian(x, sigma, method="fft")


def check_positive(**values: Any) -> None:
    """Refuse numbers, named by their keyword, that are not finite and above 0.

    Raises
    ------
    InputError
        For the first such number.
    """
    for name, value in values.items():
        if not (isinstance(value, (int, float, np.number)) and 0 < value < math.inf):
            raise InputError(f"{name.replace('_', ' ')} is {value!r}; give a finite number above 0")


def _computed(kernel: np.ndarray, *, sampled: bool) -> Psf:
    exact = Psf(kernel=kernel, source="computed")
    return exact if sampled else Psf(exact.sigma, exact.axial_sigma, source="computed")


def _beyond(sigma: float) -> float:
    return math.sqrt(max(sigma**2 - TARGET_SIGMA**2, 0.0))


def _at_least_target(sigma: float) -> float:
    # the fit of a sampled Gaussian of 1 px must not be refused for its rounding
    return TARGET_SIGMA if TARGET_SIGMA * (1 - _FIT_ERROR) <= sigma < TARGET_SIGMA else sigma


def _width(name: str, sigma: Any, unit: str) -> float:
    try:
        width = float(sigma)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {sigma!r}; give a number of {_long(unit)}") from error
    if not math.isfinite(width):
        raise InputError(f"{name} is {width}; give a finite number of {_long(unit)}")
    if width < TARGET_SIGMA - 1e-6:
        article = "an" if name.startswith("a") else "a"
        raise InputError(
            f"{name} is {width:g} {unit}, narrower than the target resolution of "
            f"{TARGET_SIGMA:g} {unit}: the image is undersampled for this model; give "
            f"{article} {name} of {TARGET_SIGMA:g} {unit} or more, or up-sample the "
            "acquisition, not the image"
        )
    return width


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) + " px"


def _long(unit: str) -> str:
    return "pixels" if unit == "px" else unit
