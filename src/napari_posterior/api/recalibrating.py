"""How much wider error bars have to be to hold what they promise, learned on known objects."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_posterior.checks.known.recalibration import Recalibration
    from napari_posterior.runs.run import Run

__all__ = ["recalibrate"]


def recalibrate(
    images: Iterable[tuple[Run | str | os.PathLike[str], Any]],
    *,
    target: float = 0.1,
    strict: bool = False,
) -> Recalibration:
    """Find by which factor to widen the intervals of one sampler, on images whose object is known.

    The interval of a pixel is that between the quantiles ``target / 2`` and ``1 - target / 2`` of
    the samples. The factor is for images of the same kind, sampler and light; it widens error bars
    and does not repair what they are about.

    Parameters
    ----------
    images : iterable of tuple of Run or path, and array-like or path
        A run of each image and its known object, photoelectrons per pixel; ``1 / target - 1`` or
        more, 9 for a target of 0.1.
    target : float
        Share of pixels that may be missed.
    strict : bool
        Whether it has to hold for these images with 90 % probability instead of on average; that
        takes about 50 images.

    Returns
    -------
    Recalibration
        ``result.factor`` and ``result.sentence``.

    Raises
    ------
    InputError
        If the images are too few, of several samplers, or an object has another shape.
    """
    from napari_posterior.api import open_run
    from napari_posterior.checks.known.recalibration import needed_factors
    from napari_posterior.checks.known.recalibration import recalibrate as find_factor
    from napari_posterior.image import load_image

    factors, samplers = [], set()
    for given, truth in images:
        run = open_run(given) if isinstance(given, str | os.PathLike) else given
        known = load_image(truth).data if isinstance(truth, str | os.PathLike) else truth
        known = np.asarray(known, np.float64)
        low, high = run.quantile([target / 2, 1 - target / 2])
        if known.shape != low.shape:
            raise InputError(
                f"the known object has shape {known.shape} and the run {low.shape}; give an object "
                "of the shape of the image"
            )
        samplers.add((run.request.bundle_hash, run.request.sampler, run.request.steps))
        factors.append(needed_factors((low + high) / 2, (high - low) / 2, known))
    if len(samplers) > 1:
        raise InputError(
            f"the runs are of {len(samplers)} samplers; give runs of one, with the same steps"
        )
    return find_factor(factors, target=target, strict=strict)
