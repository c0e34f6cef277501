"""How much better than before a model is on the images that were held out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from napari_posterior.bundles.bundle import open_bundle
from napari_posterior.bundles.card import MSE, TEACHER
from napari_posterior.sampling.noise import canvas
from napari_posterior.training.held_out import HELD_OUT

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.training.batches import BatchStream
    from napari_posterior.training.plan import TrainingPlan

__all__ = ["crps", "measure_held_out"]

_CROPS_A_SCENE: Final = 2


def measure_held_out(plan: TrainingPlan, bundle: Path) -> dict[str, Any]:
    """Restore crops that were held out, with the model and with the one it began from.

    Parameters
    ----------
    plan : TrainingPlan
        Of the training; twice as many crops are restored as scenes are certified on.
    bundle : pathlib.Path
        What came of it.

    Returns
    -------
    dict
        For the card, of JSON types: the root mean squared error of the point estimate, and the
        continuous ranked probability score of the teacher's samples, which is lower for samples
        that are closer to the object or whose spread fits their error better (T. Gneiting and A.E.
        Raftery, Journal of the American Statistical Association 102 (2007) 359-378). Both are means
        over crops, in units of their photon scale.
    """
    stream = plan.stream(HELD_OUT, 0)
    folders = {"after": str(bundle)}
    if plan.start is not None:
        folders = {"before": plan.start, **folders}
    crops, samples = _CROPS_A_SCENE * plan.certify.scenes, plan.certify.samples
    scores = {
        when: _score(folder, stream, crops, samples, plan.device)
        for when, folder in folders.items()
    }
    names = ("point_error", "sample_crps")
    return {
        "crops": crops,
        "samples": samples,
        "unit": "photon scale of the crop",
        **{
            name: {when: float(f"{pair[i]:.3g}") for when, pair in scores.items()}
            for i, name in enumerate(names)
        },
    }


def _score(
    folder: str, stream: BatchStream, crops: int, samples: int, device: str
) -> tuple[float, float]:
    """Return the error of the point estimate and the score of samples, mean over crops."""
    bundle = open_bundle(folder)
    conditioner = bundle.conditioner(device)
    point, teacher = (bundle.sampler(name, device=device) for name in (MSE, TEACHER))
    found = []
    for number in range(crops):
        step, index = divmod(number, stream.batch)
        batch = stream.batch_at(step)
        measurement = batch.measurements()[index]
        condition = conditioner.prepare(measurement, device=device)
        scale = float(conditioner.stats([measurement]).photon_scale)
        z = canvas(range(samples), condition.padded_shape, seed=number, device=device)
        truth = batch.x[index, 0]
        error = point.draw(z[:1], condition)[0] - truth
        drawn = teacher.draw(z, condition)
        found.append((float(error.square().mean().sqrt()) / scale, crps(drawn, truth) / scale))
    first, second = np.mean(found, axis=0)
    return float(first), float(second)


def crps(samples: torch.Tensor, truth: torch.Tensor) -> float:
    """Return the continuous ranked probability score, the mean over pixels.

    Parameters
    ----------
    samples : Tensor, (K, H, W)
        Draws; the score is unbiased for their number.
    truth : Tensor, (H, W)
        The object, in the same unit.
    """
    count = len(samples)
    apart = torch.pdist(samples.flatten(1), p=1).sum() / truth.numel()
    return float((samples - truth).abs().mean() - apart / (count * (count - 1)))
