"""Is the reference's solver fine enough for the image at hand: measured on a small part of it.

The reference is fixed when its bundle is built, on simulated scenes. An image unlike them may need
more steps. A few samples of the part with the most posterior variance are drawn twice, as they are
and with the grid refined; a difference beyond the tolerance is told, and nothing is re-chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from torch.nn.functional import avg_pool2d

from napari_posterior.sampling.bands import compare_bands, measure_bands
from napari_posterior.sampling.certify import TOLERANCE, refine
from napari_posterior.sampling.noise import canvas
from napari_posterior.sampling.solvers import coarsen, nfe

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_posterior.sampling.bands import BandBias
    from napari_posterior.sampling.conditioning import Condition
    from napari_posterior.sampling.samplers import TeacherSampler

__all__ = ["ImageCheck", "check_on_image", "cost_share", "crop_condition"]

SIDE: Final = 96
"""Side of the part that is looked at, in pixels."""

SAMPLES: Final = 4
"""Samples drawn of it: on shared noise four left 0.1 to 0.4 % of the variance open on an image."""


@dataclass(frozen=True)
class ImageCheck:
    """What refining the grid changes on a part of the image.

    Parameters
    ----------
    bands : tuple of BandBias
        The sampler against its own refinement; intervals over samples.
    tolerance : float
        Change beyond which it is told.
    place : (int, int)
        First row and column of the part, in pixels.
    side : (int, int)
        Its height and width, in pixels.
    samples : int
        Samples of each grid.
    level : float
        Confidence level of the intervals.
    """

    bands: tuple[BandBias, ...]
    tolerance: float
    place: tuple[int, int]
    side: tuple[int, int]
    samples: int
    level: float

    @property
    def worst(self) -> BandBias:
        """The band with the largest change of variance."""
        return max(self.bands, key=lambda band: abs(band.variance))

    @property
    def warning(self) -> str | None:
        """One sentence where a change is beyond the tolerance and its sign is known, or None."""
        over = [band for band in self.bands if _is_over(band, self.tolerance)]
        if not over:
            return None
        band = max(over, key=lambda band: abs(band.variance))
        ends = sorted(abs(end) for end in band.variance_interval)
        word = "less" if band.variance < 0 else "more"
        return (
            f"On this image the steps are coarse: the samples have {abs(band.variance):.1%} {word} "
            f"variance ({ends[0]:.1%} to {ends[1]:.1%}) at {band.low:g} to {band.high:g} cycles "
            "per pixel than they have with twice the steps; use more steps to see whether that "
            "matters to you."
        )


def check_on_image(
    sampler: TeacherSampler,
    condition: Condition,
    *,
    seed: int = 0,
    plane: int = 0,
    samples: int = SAMPLES,
    side: int = SIDE,
    tolerance: float = TOLERANCE,
    level: float = 0.95,
    on_step: Callable[[int, int], None] | None = None,
) -> ImageCheck:
    """Draw a few samples of a part of the image with the grid as it is and refined.

    Parameters
    ----------
    sampler : TeacherSampler
        The sampler of the run.
    condition : Condition
        The prepared measurement, whole.
    seed, plane : int
        Keys of the noise.
    samples : int
        Samples of each grid, 3 or more.
    side : int
        Height and width of the part in pixels, rounded down to whole strides.
    tolerance : float
        Change beyond which it is told, as a share of the variance in a band.
    level : float
        Confidence level of the intervals.
    on_step : callable, optional
        Called as ``on_step(done, total)`` after every network call; an exception it raises ends
        the check.

    Returns
    -------
    ImageCheck

    Raises
    ------
    InputError
        If there are fewer than 3 samples, or the samples do not vary.
    """
    part, place = crop_condition(condition, side)

    def fresh(step: int) -> Tensor:
        keys, device = range(samples), part.maps.device
        return canvas(keys, part.padded_shape, seed=seed, plane=plane, step=step, device=device)

    path = sampler.model.path
    fine = replace(sampler, grid=refine(sampler.grid, path))
    # the coarse steps of a stochastic solver take the sum of the noise of the fine ones
    summed = coarsen(path, fine.grid, sampler.grid, fresh)
    total = sampler.nfe + fine.nfe
    drawn = []
    for done, one, noise in ((0, fine, fresh), (fine.nfe, sampler, summed)):
        told = _after(on_step, done, total)
        drawn.append(one.draw(fresh(0), part, told, fresh=noise).cpu().numpy())
    bands = compare_bands([measure_bands(*drawn)], level=level)
    return ImageCheck(
        bands=bands,
        tolerance=tolerance,
        place=place,
        side=part.shape,
        samples=samples,
        level=level,
    )


def cost_share(
    sampler: TeacherSampler,
    shape: tuple[int, int],
    run_samples: int,
    *,
    samples: int = SAMPLES,
    side: int = SIDE,
) -> float:
    """Return what the check costs as a share of a run, in network calls times pixels.

    Parameters
    ----------
    sampler : TeacherSampler
        The sampler of the run.
    shape : (H, W)
        The plane, in pixels.
    run_samples : int
        Samples the run draws of all its planes together.
    samples, side : int
        As for :func:`check_on_image`.
    """
    calls = sampler.nfe + nfe(sampler.solver, 2 * sampler.steps)
    part = min(side, shape[0]) * min(side, shape[1])
    return samples * part * calls / (run_samples * shape[0] * shape[1] * sampler.nfe)


def crop_condition(
    condition: Condition, side: int, *, stride: int = 8
) -> tuple[Condition, tuple[int, int]]:
    """Return the square of a condition where the posterior variance is largest, and its corner.

    Parameters
    ----------
    condition : Condition
        Of a whole plane.
    side : int
        Height and width in pixels, rounded down to whole strides; the plane's where it is smaller.
    stride : int
        Corners are multiples of it, as those of tiles are.

    Returns
    -------
    Condition
        Views of the maps.
    tuple of int
        First row and column, in pixels.
    """
    size = [min(max(side // stride, 1) * stride, n) for n in condition.padded_shape]
    power = condition.spread.square()
    # corners whose square ends inside the measured plane, where there are any
    last = [max(n - s, 0) // stride for n, s in zip(condition.shape, size, strict=True)]
    sums = avg_pool2d(power, (size[0], size[1]), stride=stride)[0, 0, : last[0] + 1, : last[1] + 1]
    best = int(sums.argmax())
    top, left = (stride * i for i in divmod(best, sums.shape[1]))
    cut = (..., slice(top, top + size[0]), slice(left, left + size[1]))
    height, width = condition.shape
    return replace(
        condition,
        maps=condition.maps[cut],
        centre=condition.centre[cut],
        spread=condition.spread[cut],
        shape=(min(size[0], height - top), min(size[1], width - left)),
    ), (top, left)


def _is_over(band: BandBias, tolerance: float) -> bool:
    low, high = band.variance_interval
    return abs(band.variance) > tolerance and (low > 0 or high < 0)


def _after(
    on_step: Callable[[int, int], None] | None, done: int, total: int
) -> Callable[[int, int], None] | None:
    if on_step is None:
        return None
    return lambda now, _: on_step(done + now, total)
