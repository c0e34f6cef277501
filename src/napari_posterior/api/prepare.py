"""From an image and settings to a job that can be drawn, and what the user should know of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.api.camera import choose_camera
from napari_posterior.api.conditions import Conditions
from napari_posterior.api.ranges import range_warnings
from napari_posterior.api.settings import DEFAULT_SAMPLES
from napari_posterior.api.sizing import find_sizing
from napari_posterior.api.solver import solver_bias, solver_check
from napari_posterior.bundles.device import pick_device
from napari_posterior.errors import InputError
from napari_posterior.physics.measurement import Measurement
from napari_posterior.physics.psf import TARGET_SIGMA, Psf
from napari_posterior.runs.request import ImageRecord, RestoreRequest, check_samples
from napari_posterior.runs.runner import Fallback, PreparedJob
from napari_posterior.sampling.corrections import Guided
from napari_posterior.sampling.noise import stream
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.variance_loss import predicted_variance_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_posterior.api.settings import Settings
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.image import Image
    from napari_posterior.runs.solver import SolverBias
    from napari_posterior.sampling.conditioning import PlaneStats
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.sampling.noise import Stream

__all__ = ["Preparation", "prepare"]

_SMALLER_TILES = (512, 256)


@dataclass(frozen=True)
class Preparation:
    """A job, with what the user should know before it is drawn.

    Attributes
    ----------
    job : PreparedJob
        What the runner draws.
    weights : str
        SHA-256 of the weights of the sampler.
    warnings : tuple of str
        One sentence each.
    solver_bias : SolverBias or None
        What the solver of a teacher was measured to leave open.
    """

    job: PreparedJob
    weights: str
    warnings: tuple[str, ...]
    solver_bias: SolverBias | None = None


def prepare(image: Image, bundle: Bundle, settings: Settings, *, model: str) -> Preparation:
    """Check the settings against model and image, and load what is needed to draw.

    Parameters
    ----------
    image : Image
        Checked by ``check_image``.
    bundle : Bundle
        The model.
    settings : Settings
        What is asked for.
    model : str
        How the user calls the model, for the record of the run.

    Returns
    -------
    Preparation

    Raises
    ------
    InputError, ModelError
        If a setting cannot be used, or weights do not fit.
    """
    precision = "float32" if settings.precision == "auto" else settings.precision
    describe = partial(
        bundle.info, settings.sampler, steps=settings.steps, correction=settings.correction
    )
    info = describe(precision=precision)
    samples = settings.samples
    if samples is None:
        samples = 1 if info.role == "point" else DEFAULT_SAMPLES
    check_samples(samples)
    device = pick_device(settings.device)
    shape = image.data.shape
    sizing = find_sizing(bundle, info, device=device, shape=shape, samples=samples)
    precision = sizing.precision(settings.precision)
    info = describe(precision=precision)
    tile = sizing.tile(settings.tile, image.plane_shape, precision)
    batch = sizing.batch(
        settings.batch,
        image.plane_shape,
        precision,
        tile=tile,
        samples=samples,
        planes=image.n_planes,
    )
    warnings = [*_about_the_sampler(bundle, info), *_about(settings.correction, bundle, info)]
    if image.data.min() < 0:
        warnings.append(
            f"{int((image.data < 0).sum())} pixels of the image are negative; where a background "
            "was subtracted before, restore the raw image and give its offset instead."
        )
    choice = choose_camera(image, settings.camera, blind=settings.blind)
    warnings += choice.warnings
    saturated = float(choice.camera.is_saturated(image.data).mean())
    if saturated > 0:
        warnings.append(
            f"{saturated:.2%} of the pixels are saturated (at or above "
            f"{choice.camera.saturation:g} ADU), where the object may be brighter than restored."
        )
    psf = settings.psf
    if psf is None:
        psf = Psf(TARGET_SIGMA)
        warnings.append(
            f"No PSF was given, so it is taken as {TARGET_SIGMA:g} px and the image is denoised "
            "only; give the PSF sigma in pixels to have its blur removed too."
        )
    if not (math.isfinite(settings.background) and settings.background >= 0):
        raise InputError(
            f"the background is {settings.background}; give photoelectrons per pixel, 0 or more"
        )
    request = RestoreRequest(
        model=model,
        bundle_hash=bundle.weights_hash,
        sampler=info.name,
        role=info.role,
        steps=info.steps,
        nfe=info.nfe,
        samples=samples,
        seed=settings.seed,
        camera=choice.camera,
        psf=psf,
        background=settings.background,
        blind=choice.blind,
        device=device,
        precision=precision,  # type: ignore[arg-type]  # checked by the bundle
        tile=tile,
        batch=batch,
        correction=settings.correction,
        image=ImageRecord.of(image),
    )
    measurements = [
        Measurement(np.asarray(plane, np.float32), choice.camera, psf, settings.background)
        for plane in image.planes()
    ]
    stats = _stats_of_planes(image, bundle, measurements)
    if not all(math.isfinite(pair.photon_scale) for pair in stats):
        raise InputError(
            "the image in photoelectrons is too large to compute with; check gain, offset and "
            "read noise"
        )
    by_channel = dict(zip(map(image.channel_of, range(image.n_planes)), stats, strict=True))
    warnings += range_warnings(
        bundle.card.training_range, measurements[0], [by_channel[c] for c in sorted(by_channel)]
    )
    noise = _Noise(
        settings.seed, image.corner, tuple(map(image.plane_in_whole, range(image.n_planes)))
    )
    load = partial(_load, request, bundle, measurements, stats, noise)
    job = load(device, tile)
    job = replace(
        job,
        fallbacks=_fallbacks(load, device, tile, image.plane_shape),
        check=solver_check(job),
    )
    return Preparation(job, info.weights, tuple(warnings), solver_bias(bundle, info))


def _about_the_sampler(bundle: Bundle, info: SamplerInfo) -> Iterator[str]:
    if info.role == "teacher" and not info.reference:
        reference = bundle.info(info.name)
        yield (
            f"{info.steps} steps in {info.precision} are the teacher, not the reference; the "
            f"reference of {bundle.card.name} is {reference.steps} steps in {reference.precision}."
        )
    if info.role == "point":
        yield f"The run of {info.name!r} is a point estimate: one image, not a draw."


def _about(correction: Correction | None, bundle: Bundle, info: SamplerInfo) -> Iterator[str]:
    """Say what a corrected sample is, and what a correction is known to cost."""
    if correction is None:
        return
    yield correction.meaning
    if isinstance(correction, Guided) and not correction.draws:
        # 1: as wide as the point estimate of the bundle expects the posterior to be
        yield predicted_variance_loss(
            correction,
            get_path(bundle.card.path),
            1.0,
            grid=info.grid,
            renoised=info.solver == "renoise",
        ).sentence


def _load(
    request: RestoreRequest,
    bundle: Bundle,
    measurements: Sequence[Measurement],
    stats: Sequence[PlaneStats],
    noise: _Noise,
    device: str,
    tile: int | None,
) -> PreparedJob:
    conditions = Conditions(
        bundle, measurements, stats, device=device, blind=request.blind, tile=tile
    )
    # A point estimate has no steps to choose.
    steps = None if request.role == "point" else request.steps
    sampler = bundle.sampler(
        request.sampler,
        steps=steps,
        device=device,
        precision=request.precision,
        tile=tile,
        correction=request.correction,
    )
    canvases = replace(noise, shape=conditions[0].padded_shape, device=device)
    return PreparedJob(request, conditions, sampler, canvases)


@dataclass(frozen=True)
class _Noise:
    """The noise of an image: that of the pixels and planes of the whole it is a part of."""

    seed: int
    corner: tuple[int, int]
    planes: tuple[int, ...]
    shape: tuple[int, int] = (0, 0)
    device: str = "cpu"

    def __call__(self, samples: Sequence[int], plane: int, *, step: int = 0) -> Tensor:
        return self._stream(samples, plane)(step)

    def chances(self, samples: Sequence[int], plane: int, *, step: int) -> Tensor:
        return self._stream(samples, plane).chances(step)

    def _stream(self, samples: Sequence[int], plane: int) -> Stream:
        return stream(
            samples,
            self.shape,
            seed=self.seed,
            plane=self.planes[plane],
            origin=self.corner,
            device=self.device,
        )


def _stats_of_planes(
    image: Image, bundle: Bundle, measurements: Sequence[Measurement]
) -> list[PlaneStats]:
    """Background level and photon scale of each plane, the same for all planes of a channel."""
    channels = [image.channel_of(plane) for plane in range(image.n_planes)]
    conditioner = bundle.conditioner()
    of_channel = {
        channel: conditioner.stats(
            [m for m, c in zip(measurements, channels, strict=True) if c == channel]
        )
        for channel in sorted(set(channels))
    }
    return [of_channel[channel] for channel in channels]


def _fallbacks(
    load: Callable[[str, int | None], PreparedJob],
    device: str,
    tile: int | None,
    shape: tuple[int, int],
) -> tuple[Fallback, ...]:
    """List what to try when memory runs out: smaller tiles, then the CPU."""
    present = max(shape) if tile is None else tile
    smaller = [size for size in _SMALLER_TILES if size < present]
    steps = [Fallback(f"with tiles of {size} px", partial(load, device, size)) for size in smaller]
    if device != "cpu":
        last = smaller[-1] if smaller else tile
        steps.append(Fallback("on the CPU", partial(load, "cpu", last)))
    return tuple(steps)
