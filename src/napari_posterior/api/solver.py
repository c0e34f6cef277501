"""The solver of a teacher's run: what its bundle says of it, and the look at it on the image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, cast

from napari_posterior.bundles.card import SAMPLER_FILE, SolverConfig, part_folder
from napari_posterior.bundles.reading import read_sampler
from napari_posterior.runs.solver import ImageCheckRecord, SolverBias, SolverCheck
from napari_posterior.sampling.on_image import check_on_image, cost_share
from napari_posterior.sampling.samplers import TeacherSampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.runs.runner import PreparedJob
    from napari_posterior.sampling.conditioning import Condition

__all__ = ["DEAREST_CHECK", "solver_bias", "solver_check"]

DEAREST_CHECK: Final = 0.10
"""Largest share of a run that the check may cost: more is a wait that nobody asked for."""

_SIDES: Final = (96, 64, 48, 32)
"""Sides in pixels of the part that is looked at, the largest that is cheap enough: 64 for 16
samples of 256 x 256 pixels; a smaller part has hardly any coarse structure to compare."""


def solver_bias(bundle: Bundle, info: SamplerInfo) -> SolverBias | None:
    """Return what the bundle measured of a teacher with these settings; None for other samplers.

    A certificate holds for the reference only: with other steps or precision there is none.

    Raises
    ------
    ModelError
        If ``sampler.json`` cannot be read any more.
    """
    if info.role != "teacher":
        return None
    config = read_sampler(bundle.folder / part_folder(info.name) / SAMPLER_FILE)
    measured = config.certificate if isinstance(config, SolverConfig) else None
    return SolverBias(reference=info.reference, certificate=measured if info.reference else None)


def solver_check(job: PreparedJob) -> SolverCheck | None:
    """Prepare the look at a teacher's solver on the plane in the middle of the image.

    Parameters
    ----------
    job : PreparedJob
        The run; the condition of the middle plane is asked for when the check is made.

    Returns
    -------
    SolverCheck or None
        None where the sampler is no teacher, or the check would cost more than `DEAREST_CHECK`.
    """
    request, sampler = job.request, job.sampler
    if not isinstance(sampler, TeacherSampler):
        return None
    height, width = request.image.shape[-2:]
    planes = request.image.n_planes
    cost = partial(cost_share, sampler, (height, width), request.samples * planes)
    side = next((side for side in _SIDES if cost(side=side) <= DEAREST_CHECK), None)
    if side is None:
        return None
    plane = planes // 2

    def look(on_step: Callable[[int, int], None]) -> ImageCheckRecord:
        condition = cast("Condition", job.conditions[plane])  # those of `prepare` are
        found = check_on_image(
            sampler, condition, seed=request.seed, plane=plane, side=side, on_step=on_step
        )
        return ImageCheckRecord.of(found, plane=plane)

    return SolverCheck(cost(side=side), plane, look)
