"""Camera or PSF estimated from an image, or read from a file, as a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from napari_posterior.physics.psf import TARGET_SIGMA
from napari_posterior.runs.events import Failed, Finished
from napari_posterior.session.threaded_job import ThreadedJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.image import Image
    from napari_posterior.physics.camera import Camera
    from napari_posterior.runs.events import Event, TerminalEvent

__all__ = ["ESTIMATES", "Estimate", "EstimateJob", "Subject"]

Subject: TypeAlias = Literal["camera", "psf", "camera file"]

ESTIMATES: Final = "estimates"
"""The lane of the jobs that look at an image before it is restored."""

_DOING: Final = {
    "camera": "looking at the noise of the image",
    "psf": "looking at the small spots of the image",
    "camera file": "reading the camera",
}
_MOST_PIXELS: Final = 2**23


@dataclass(frozen=True)
class Estimate:
    """What came of it; of camera and PSF the one that was asked for.

    Attributes
    ----------
    camera : Camera or None
        With 95 % intervals where it was estimated.
    psf_sigma : float or None
        In pixels.
    psf_interval : (float, float) or None
        95 % interval of `psf_sigma`.
    notes : tuple of str
        What the user should know, a sentence each.
    """

    camera: Camera | None = None
    psf_sigma: float | None = None
    psf_interval: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


class EstimateJob(ThreadedJob["Estimate"]):
    """Find camera or PSF in the thread of the job; the result is an `Estimate`.

    Parameters
    ----------
    what : str
        ``"camera"`` and ``"psf"`` are estimated from an image, ``"camera file"`` is read.
    read : callable
        Called in the thread of the job: returns the image, or what `read_camera` takes.
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
    return Estimate(psf_sigma=sigma, psf_interval=(low, high), notes=notes)


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


_FIND: Final[dict[str, Callable[[Any], Estimate]]] = {
    "camera": _camera_of,
    "psf": _psf_of,
    "camera file": _camera_from,
}
