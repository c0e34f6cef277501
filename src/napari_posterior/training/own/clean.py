"""A folder of clean images: what x can look like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_posterior.errors import InputError
from napari_posterior.physics.estimate import estimate_camera, noise_correlation
from napari_posterior.physics.psf import TARGET_SIGMA, Psf
from napari_posterior.physics.records import to_record
from napari_posterior.physics.widths import estimate_psf_sigma
from napari_posterior.training.batches import TrainingRange
from napari_posterior.training.own.folder import list_images, read_image
from napari_posterior.training.own.store import DataWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera
    from napari_posterior.training.own.streams import OwnData

__all__ = ["CleanFolder", "clean_planes", "noise_share"]

_LEVEL: Final = 0.005
_BRIGHT: Final = 0.999
_LEAST_READ_NOISE: Final = 0.1
_PSF_BAND: Final = 1.1
_NOISE_BAND: Final = 1.25
_NOISY: Final = 0.5
_BLURRED: Final = 1.2


@dataclass(frozen=True)
class CleanFolder:
    """Clean images, and the microscope whose measurements of them are simulated.

    Parameters
    ----------
    folder : pathlib.Path
        Of TIFF, PNG and NPY files.
    camera : Camera
        Gain, offset and read noise of the measurements.
    psf : Psf
        Of the measurements.
    peak : (float, float)
        Photoelectrons per pixel of bright structure in the measurements, from the dimmest to the
        brightest; drawn log-uniformly.
    """

    folder: Path
    camera: Camera
    psf: Psf
    peak: tuple[float, float] = TrainingRange().peak

    def __post_init__(self) -> None:
        low, high = self.peak
        if not 0 < low < high < math.inf:
            raise InputError(
                f"the photon levels {low:g} to {high:g} cannot be used; give two positive numbers, "
                "the lower one first"
            )

    @property
    def trained(self) -> TrainingRange:
        """The ranges that measurements are drawn from.

        PSF and read noise are drawn around those given, 10 % and a quarter to either side, as
        neither is known better and both are told to the networks.
        """
        read = max(self.camera.typical.read_noise, _LEAST_READ_NOISE)
        sigma = self.psf.sigma
        return TrainingRange(
            peak=self.peak,
            psf_sigma=(max(TARGET_SIGMA, sigma / _PSF_BAND), sigma * _PSF_BAND),
            read_noise=(read / _NOISE_BAND, read * _NOISE_BAND),
        )

    def settings(self) -> dict[str, Any]:
        """Return what training depends on besides the files, of JSON types."""
        return {
            "kind": "images",
            "camera": to_record(self.camera),
            "psf": to_record(self.psf),
            "peak": list(self.peak),
        }

    def files(self) -> list[Path]:
        """Return the files; see :func:`list_images`."""
        return list_images(self.folder)

    def prepare(self, into: Path, note: Callable[[str], None]) -> OwnData:
        """Check the images and write what training reads.

        Parameters
        ----------
        into : pathlib.Path
            Folder to write.
        note : callable
            Called with a sentence for each file that is left out, and with warnings.

        Raises
        ------
        InputError
            If too few images are left.
        """
        writer = DataWriter(into)
        noise: dict[str, float] = {}
        widths: list[float] = []
        for file in self.files():
            try:
                image = read_image(file)
            except InputError as error:
                note(f"Left out: {error}.")
                continue
            writer.add(file.name, clean_planes(image))
            brightest = max(image.planes(), key=lambda plane: float(plane.sum(dtype=np.float64)))
            noise[file.name] = noise_share(brightest)
            widths.extend(_width(brightest))
        if not len(writer):
            raise InputError(f"no image of {self.folder} can be used; see the reasons above")
        for text in (*self._told_of_noise(noise), *self._told_of_blur(widths)):
            note(text)
        data, told = writer.finish("images", self.trained)
        note(told)
        return data

    def _told_of_noise(self, noise: dict[str, float]) -> list[str]:
        """Warn where the noise in x is half of that of the brightest simulated measurements."""
        high = self.peak[1]
        noisy = {name: share for name, share in noise.items() if share * high**0.5 > _NOISY}
        if not noisy:
            return []
        worst = max(noisy, key=lambda name: noisy[name])
        most = (_NOISY / noisy[worst]) ** 2
        remedy = "give averages of more frames or longer exposures"
        if most > 2 * self.peak[0]:
            remedy += f", or train for dimmer measurements with --peak {self.peak[0]:g} {most:.2g}"
        return [
            f"{len(noisy)} of {len(noise)} images are noisy themselves ({worst}: "
            f"{noisy[worst]:.1%} of its bright structure), and samples will show such noise as "
            f"structure; {remedy}."
        ]

    def _told_of_blur(self, widths: list[float]) -> list[str]:
        if not widths or np.median(widths) < _BLURRED:
            return []
        width = float(np.median(widths))
        same = math.sqrt(max(self.psf.sigma**2 - width**2, 0.0) + TARGET_SIGMA**2)
        return [
            f"Small spots of the images are {width:.2g} px wide (sigma), more than the "
            f"{TARGET_SIGMA:g} px of the target, and restored images will be as blurred; if the "
            f"images come from the microscope to be restored, train and restore with a PSF of "
            f"{same:.3g} px instead of {self.psf.sigma:g}."
        ]


def clean_planes(image: Image) -> np.ndarray:
    """Return the planes of a clean image above their level, in units of bright structure.

    The level, offset and background of its own camera, is the 0.5 % quantile of all planes of a
    channel after a Gaussian blur of 1 px, and bright structure the 99.9 % quantile. What is below
    the level is set to it: x is light.

    Parameters
    ----------
    image : Image
        Of any number of planes.

    Returns
    -------
    ndarray, (P, H, W), float32
    """
    planes = np.stack(list(image.planes())).astype(np.float32)
    channels = np.array([image.channel_of(plane) for plane in range(image.n_planes)])
    for channel in np.unique(channels):
        own = channels == channel
        smooth = np.stack([gaussian_filter(plane, 1.0) for plane in planes[own]])
        level, bright = np.quantile(smooth, (_LEVEL, _BRIGHT))
        planes[own] = (planes[own] - level) / max(float(bright - level), 1e-6)
    return planes.clip(min=0.0)


def noise_share(plane: np.ndarray) -> float:
    """Return the noise at bright structure as a part of it, 0 where noise cannot be told.

    The noise is that of the camera estimated from the plane, so for an image that was scaled or
    averaged of an equivalent one. Where neighbouring pixels vary together, as after denoising, what
    looks like noise is structure.

    Parameters
    ----------
    plane : ndarray, (H, W)
        Grey levels.
    """
    level, bright = np.quantile(gaussian_filter(plane.astype(np.float64), 1.0), (_LEVEL, _BRIGHT))
    if noise_correlation(plane).kind == "correlated" or not bright > level:
        return 0.0
    gain, offset, read = estimate_camera(plane).camera.typical
    noise = gain * math.sqrt(max((bright - offset) / gain, 0.0) + read**2)
    return float(noise / (bright - level))


def _width(plane: np.ndarray) -> list[float]:
    """Return the lower end of the width of small spots, or nothing where there are none."""
    try:
        return [estimate_psf_sigma(plane).interval[0]]
    except InputError:
        return []
