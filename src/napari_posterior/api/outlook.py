"""What can be said of a run before it is drawn: is the image like those of training, how long."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os

    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf

__all__ = ["MOST_PIXELS", "range_outlook", "seconds_per_pixel"]

MOST_PIXELS: Final = 2**25
"""Larger images are not looked at ahead: the run itself says what is outside."""


def range_outlook(
    image: Image,
    model: str | os.PathLike[str],
    *,
    camera: Camera | None = None,
    psf: Psf | None = None,
    background: float = 0.0,
) -> tuple[str, ...]:
    """Say which numbers of an image lie outside the range that a model was trained on.

    Takes the steps that :func:`napari_posterior.restore` takes before it loads any weights, so
    that the run will say the same.

    Parameters
    ----------
    image : Image
        Grey levels in ADU.
    model : str or path
        A name of the catalogue, or the folder of a bundle; only its card is read.
    camera : Camera, optional
        By default estimated from the image.
    psf : Psf, optional
        By default that of the restored image.
    background : float
        In photoelectrons per pixel.

    Returns
    -------
    tuple of str
        One sentence for each number that is outside; empty also for an image of more than
        `MOST_PIXELS` pixels, or one without a usable number.

    Raises
    ------
    InputError, ModelError
        If image, camera or model cannot be used.
    """
    import numpy as np

    from napari_posterior.api.camera import choose_camera
    from napari_posterior.api.ranges import range_warnings
    from napari_posterior.bundles.catalogue import find_model
    from napari_posterior.bundles.reading import read_card
    from napari_posterior.image import check_image
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.physics.psf import TARGET_SIGMA, Psf
    from napari_posterior.sampling.conditioning import Conditioner, Normaliser

    if math.prod(image.data.shape) > MOST_PIXELS:
        return ()
    check_image(image)
    card = read_card(find_model(model))
    chosen = choose_camera(image, camera, blind=None)
    if chosen.blind:  # photoelectrons are a choice of units: there is no range to be outside of
        return ()
    normaliser = Normaliser(**card.conditioning.normaliser)  # type: ignore[arg-type]  # from JSON
    conditioner = Conditioner(normaliser, _no_network)
    psf = psf or Psf(TARGET_SIGMA)
    by_channel: dict[int, list[Measurement]] = {}
    for place, plane in enumerate(image.planes()):
        measured = Measurement(np.asarray(plane, np.float32), chosen.camera, psf, background)
        by_channel.setdefault(image.channel_of(place), []).append(measured)
    stats = [conditioner.stats(by_channel[channel]) for channel in sorted(by_channel)]
    if not all(math.isfinite(pair.photon_scale) for pair in stats):
        return ()
    first = by_channel[min(by_channel)][0]
    return tuple(range_warnings(card.training_range, first, stats))


def seconds_per_pixel(
    model: str | os.PathLike[str], sampler: str = "teacher", *, device: str = "auto"
) -> tuple[str, float | None]:
    """Return what a pixel of a network call costs on a device, recalled or timed once.

    The first time on a device and network it takes about a second of computing, which is
    remembered in the user's cache; see `napari_posterior.bundles.speed`.

    Parameters
    ----------
    model, sampler, device : str
        As of :func:`napari_posterior.restore`.

    Returns
    -------
    device : str
        The one that ``"auto"`` stands for.
    seconds : float or None
        Of a pixel in one call, in float32; None for a point estimate, or where it was not timed.

    Raises
    ------
    InputError, ModelError
        If device or model cannot be used.
    """
    from napari_posterior.api import load_model
    from napari_posterior.api.sizing import find_speed
    from napari_posterior.bundles.device import pick_device

    found = pick_device(device)
    bundle = load_model(model)
    info = bundle.info(sampler)
    if info.role == "point":
        return found, None
    speed = find_speed(bundle, info, device=found, probe=True)
    seconds = None if speed is None else speed.float32.seconds
    return found, seconds or None


def _no_network(maps: Any, vector: Any) -> Any:
    raise InputError("no network is asked before a run")
