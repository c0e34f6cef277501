"""Which camera to restore with: the one that is given, or one estimated from the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_posterior.errors import InputError
from napari_posterior.physics.estimate import estimate_camera, noise_correlation

if TYPE_CHECKING:
    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera

__all__ = ["CameraChoice", "choose_camera"]

_BLIND = "The networks are told nothing of camera and PSF, {}."


@dataclass(frozen=True)
class CameraChoice:
    """A camera and how it was come by.

    Attributes
    ----------
    camera : Camera
        Gain, offset and read noise.
    blind : bool
        Whether the networks are told nothing of camera and PSF.
    warnings : tuple of str
        One sentence each.
    """

    camera: Camera
    blind: bool
    warnings: tuple[str, ...]


def choose_camera(image: Image, given: Camera | None, *, blind: bool | None) -> CameraChoice:
    """Take the camera that is given, or estimate one from all planes together.

    Parameters
    ----------
    image : Image
        Grey levels in ADU.
    given : Camera, optional
        The user's; of maps of the whole image, a part takes its part.
    blind : bool, optional
        The user's choice; by default blind only where the estimate does not resolve the gain.

    Returns
    -------
    CameraChoice

    Raises
    ------
    InputError
        If the camera has maps of another shape, or an offset above every pixel.
    """
    if given is not None:
        given = _of_part(given, image)
        given.check_fits(image.plane_shape)
        _check_offset(image, given)
        told = [_BLIND.format("as was asked")] if blind else []
        noise = noise_correlation(image.data)
        if noise.kind == "correlated":
            told.append(noise.sentence)
        return CameraChoice(given, bool(blind), tuple(told))
    estimate = estimate_camera(image.data)
    is_blind = not estimate.resolved if blind is None else blind
    told = list(estimate.notes)
    if is_blind:
        told.append(_BLIND.format("as was asked" if blind else "because the gain is not resolved"))
    return CameraChoice(estimate.camera, is_blind, tuple(told))


def _of_part(camera: Camera, image: Image) -> Camera:
    """Return the part of maps of the whole image that an image knows to be."""
    if camera.shape is None or camera.shape != image.whole[-2:] or image.whole == image.data.shape:
        return camera
    part = (slice(a, a + n) for a, n in zip(image.corner, image.plane_shape, strict=True))
    return camera.crop(*part)


def _check_offset(image: Image, camera: Camera) -> None:
    offset, brightest = camera.typical.offset, float(image.data.max())
    if offset >= brightest:
        raise InputError(
            f"the camera offset, {offset:g} ADU, is not below any pixel of {image.name} (the "
            f"brightest has {brightest:g} ADU); give the grey level of a dark pixel"
        )
