"""Camera or PSF estimated from an image, or read from a file, as a job."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA, Psf
from napari_posterior.runs.events import Failed, Finished
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera
    from napari_posterior.runs.events import Event, TerminalEvent
    from napari_posterior.session.psf_choice import PsfChoice

__all__ = ["ESTIMATES", "Estimate", "EstimateJob", "Subject", "read_on_pixels"]

Subject: TypeAlias = Literal["camera", "psf", "camera file", "psf file", "beads"]

ESTIMATES: Final = "estimates"
"""The lane of the jobs that look at an image before it is restored."""

_DOING: Final = {
    "camera": "looking at the noise of the image",
    "psf": "looking at the small spots of the image",
    "camera file": "reading the camera",
    "psf file": "reading the PSF",
    "beads": "averaging the beads",
}
_SAME_PIXELS: Final = 0.05
_MOST_PIXELS: Final = 2**23


@dataclass(frozen=True)
class Estimate:
    """What came of it; of camera and PSF the one that was asked for.

    Attributes
    ----------
    camera : Camera or None
        With 95 % intervals where it was estimated.
    psf : Psf, float or None
        A float is the sigma of a Gaussian in pixels.
    psf_interval : (float, float) or None
        95 % interval of that sigma.
    notes : tuple of str
        What the user should know, a sentence each.
    """

    camera: Camera | None = None
    psf: PsfChoice = None
    psf_interval: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class EstimateJob(ThreadedJob["Estimate"]):
    """Find camera or PSF in the thread of the job; the result is an `Estimate`.

    Parameters
    ----------
    what : str
        ``"camera"`` and ``"psf"`` are estimated from an image, ``"camera file"`` and ``"psf file"``
        are read, ``"beads"`` are averaged.
    read : callable
        Called in the thread of the job: returns the image, or what `read_camera` or `read_psf`
        take.
    name : str
        Of the image or file.
    """

    doing = "the estimate"
    preparing = "reading the image"

    def __init__(self, what: Subject, read: Callable[[], Any], *, name: str) -> None:
        super().__init__(f"{what} of {name}", lane=ESTIMATES, key=(what, name, id(read)))
        self.what = what
        self._read = read

    @property
    def estimate(self) -> Estimate | None:
        """The result; None before, and where there is none."""
        return self._outcome

    def _work(self, report: Callable[[Event], None]) -> TerminalEvent:
        self._token.raise_if_cancelled()
        source = self._read()
        self._token.raise_if_cancelled()
        self._say(_DOING[self.what])
        found = _FIND[self.what](source)
        self._token.raise_if_cancelled()
        self._outcome = found
        return Finished(0)

    def _describe_end(self, end: TerminalEvent, seconds: float) -> str:
        if isinstance(end, Failed):
            return end.message
        return f"done in {seconds:.1f} s" if isinstance(end, Finished) else "cancelled"


def _camera_of(image: Image) -> Estimate:
    from napari_posterior.physics.estimate import estimate_camera

    found = estimate_camera(image.data)
    return Estimate(camera=found.camera, notes=found.notes)


def _psf_of(image: Image) -> Estimate:
    from napari_posterior.physics.widths import estimate_psf_sigma

    found = estimate_psf_sigma(_planes_of(image))
    low, high = found.interval
    notes: tuple[str, ...] = (found.note,)
    sigma = found.sigma
    if sigma < TARGET_SIGMA <= high:  # narrower by chance: a PSF below the target is refused
        sigma = TARGET_SIGMA
        notes = (*notes, f"It is taken as {TARGET_SIGMA:g} px, the blur of the restored image.")
    return Estimate(psf=sigma, psf_interval=(low, high), notes=notes)


def _planes_of(image: Image) -> np.ndarray:
    """Return the planes of one focus series, or one plane: spots are followed along z only."""
    data, axes = np.asarray(image.data), image.geometry.axes
    depth = 1 if axes[-3:-2] == ("z",) else 0
    data = np.asarray(data[(0,) * (data.ndim - 2 - depth)])
    most = max(1, _MOST_PIXELS // (data.shape[-1] * data.shape[-2]))
    if depth and len(data) > most:  # a part that stays together
        first = (len(data) - most) // 2
        data = data[first : first + most]
    return data


def _camera_from(source: Any) -> Estimate:
    from napari_posterior.physics.camera_files import read_camera

    return Estimate(camera=read_camera(source))


def read_on_pixels(source: Any, pixel_um: float | None) -> Image:
    """Take an image of points, for an image whose pixels are so wide.

    Parameters
    ----------
    source : path, array, Image or callable
        What `as_image` takes, or returns it.
    pixel_um : float or None
        Width of a pixel in micrometres; where one of the two does not tell it, all are taken.

    Raises
    ------
    InputError
        If it cannot be read, or has other pixels.
    """
    from napari_posterior.image import as_image
    from napari_posterior.statistics.lengths import in_micrometres

    image = as_image(source() if callable(source) else source)
    scale, unit = image.geometry.scale, image.geometry.units[-1]
    own = in_micrometres((scale[-2], scale[-1]), unit)
    if own and pixel_um and not math.isclose(own[1], pixel_um, rel_tol=_SAME_PIXELS):
        raise InputError(
            f"the PSF has pixels of {own[1]:.3g} µm and the image has pixels of {pixel_um:.3g} µm; "
            "give the PSF on the pixels of the image"
        )
    return image


def _psf_from(source: Any) -> Estimate:
    from napari_posterior.physics.psf_files import read_psf

    return Estimate(psf=_of_a_plane(read_psf(source)))


def _beads_of(source: Any) -> Estimate:
    from napari_posterior.physics.psf_files import read_beads

    found = read_beads(source)
    note = f"The PSF is the mean of {len(found.beads)} beads"
    note += f"; {len(found.left_out)} more were left out." if found.left_out else "."
    return Estimate(psf=_of_a_plane(found.psf), notes=(note,))


def _of_a_plane(psf: Psf) -> Psf:
    if psf.ndim == 3:
        raise InputError(
            "the PSF is that of a stack, and planes are restored one by one; give the plane of it "
            "that is in focus"
        )
    return psf


_FIND: Final[dict[str, Callable[[Any], Estimate]]] = {
    "camera": _camera_of,
    "psf": _psf_of,
    "camera file": _camera_from,
    "psf file": _psf_from,
    "beads": _beads_of,
}
