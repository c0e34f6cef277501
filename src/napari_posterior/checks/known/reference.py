"""A better image of the same field as what is known: at the resolution of its microscope.

It is as blurred as the measurement, has a gain and an offset of its own, and some noise. So samples
are seen through the PSF, ``k * x``; it is brought to them by the straight line that fits the
teacher's mean best, once, for both runs; and its noise is drawn on every sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_posterior.checks.source import Stack
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.physics.measurement import Measurement

__all__ = ["REFERENCE", "REFERENCE_NOTE", "Reference", "SeenStack", "fit_reference"]

REFERENCE: Final = "reference image"
"""What samples are scored against then, in words."""

REFERENCE_NOTE: Final = (
    "Coverage is scored against a reference image and not the object: samples are seen through the "
    "PSF, with the noise of that image drawn on them, and it is brought to the teacher's mean by "
    "one straight line. What the PSF or that line get wrong counts as a miss."
)
"""What to keep in mind about the coverage of a reference."""

_BLOCK: Final = 16  # px, for the noise
_SEED: Final = 0


@dataclass(frozen=True, eq=False)
class Reference:
    """A better image in the units of samples that are seen through the PSF.

    Parameters
    ----------
    values : ndarray, (P, H, W)
        Photoelectrons per pixel.
    noise : ndarray, (P, H, W)
        Standard deviation of its own noise, photoelectrons per pixel.
    gain, offset : float
        Its grey levels are ``gain * k * x + offset``.
    """

    values: np.ndarray
    noise: np.ndarray
    gain: float
    offset: float


class SeenStack(Stack):
    """Samples seen through the PSF, with noise drawn on each.

    Parameters
    ----------
    stack : Stack
        Samples in photoelectrons per pixel.
    measurements : sequence of Measurement
        One for each plane.
    noise : ndarray, (P, H, W), optional
        Standard deviation of the noise; none by default.
    seed : int
        Of the noise.
    """

    def __init__(
        self,
        stack: Stack,
        measurements: Sequence[Measurement],
        *,
        noise: np.ndarray | None = None,
        seed: int = _SEED,
    ) -> None:
        super().__init__(_Seen(stack, measurements, noise, seed))


class _Seen:
    """What `SeenStack` indexes: samples that are seen through the PSF when they are read.

    The last plane is kept, as it is read band by band.
    """

    def __init__(
        self,
        stack: Stack,
        measurements: Sequence[Measurement],
        noise: np.ndarray | None,
        seed: int,
    ) -> None:
        self._of, self._measurements, self._noise, self._seed = stack, measurements, noise, seed
        self.indices, self.shape = stack.indices, stack.shape
        self._last: tuple[tuple[int, int], np.ndarray] | None = None

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        """Return rows of one plane of one sample, float32; indexed like the samples."""
        sample, *where, rows = index
        plane = int(np.ravel_multi_index(where, self.shape[1:-2])) if where else 0
        if self._last is None or self._last[0] != (sample, plane):
            self._last = (sample, plane), self._see(sample, plane)
        return np.asarray(self._last[1][rows])

    def _see(self, sample: int, plane: int) -> np.ndarray:
        import torch

        with torch.inference_mode():
            x = torch.from_numpy(np.array(self._of.plane(sample, plane), np.float32))[None]
            seen = np.array(self._measurements[plane].forward.mean(x)[0].numpy(), np.float32)
        if seen.shape != self._of.plane_shape:
            raise InputError("a reference cannot be used with binned images; leave it out")
        if self._noise is not None:
            key = (self._seed, int(self.indices[sample]), plane)
            drawn = np.random.default_rng(key).standard_normal(seen.shape)
            seen += (self._noise[plane] * drawn).astype(np.float32)
        return seen


def fit_reference(
    teacher: Stack, measurements: Sequence[Measurement], better: np.ndarray
) -> Reference:
    """Bring a better image to the samples, by the teacher's mean.

    Parameters
    ----------
    teacher : Stack
        Samples of the teacher.
    measurements : sequence of Measurement
        One for each plane.
    better : ndarray, (P, H, W)
        A longer exposure or an average of the same field, in grey levels of its own.

    Raises
    ------
    InputError
        If it has another shape, holds NaN, or does not grow with the teacher's mean.
    """
    from napari_posterior.physics.estimate.line import fit_line
    from napari_posterior.physics.estimate.points import laplacian_points

    shape = (teacher.planes, *teacher.plane_shape)
    if better.size != np.prod(shape) or better.shape[-2:] != shape[1:]:
        raise InputError(
            f"the reference has shape {better.shape} and the image {shape}; give an image of the "
            "same field and crop"
        )
    grey = np.asarray(better, np.float64).reshape(shape)
    if not np.isfinite(grey).all():
        raise InputError("the reference has NaN or infinite values; replace them first")
    mean = np.zeros(shape)
    seen = SeenStack(teacher, measurements)
    for plane in range(teacher.planes):
        for sample in range(teacher.count):
            mean[plane] += seen.plane(sample, plane)
    mean /= teacher.count
    gain, offset = np.polyfit(mean.ravel(), grey.ravel(), 1)
    if not gain > 0:
        raise InputError(
            "the reference does not grow with what was restored; give a better image of the same "
            "field, registered to it"
        )
    points = laplacian_points(grey, _BLOCK)
    line = fit_line(points)
    level = float(np.median(points.variance)) if len(points) else 0.0
    variance = line.intercept + line.gain * (gain * mean + offset) if line.gain > 0 else level
    noise = np.sqrt(np.maximum(variance, 0.0)) / gain
    return Reference(
        (grey - offset) / gain, np.broadcast_to(noise, shape).copy(), float(gain), float(offset)
    )
