"""Where the answer follows the measurement: patches told apart, and a map of the ratio."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy import optimize, special

from napari_posterior.checks.experiments.likelihood_gaps import CLEAR, PATCH, likelihood_gaps
from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.intervals import mean_difference
from napari_posterior.checks.maps import MapImage

__all__ = ["find_patch_accuracy", "ratio_map"]

_TILE_PATCHES: Final = 4
"""Patches along the side of a tile of the map."""

_MOST_SHARPNESS: Final = 20.0
_MOST_PATCHES: Final = 4096  # that beta is fitted on


def find_patch_accuracy(
    teacher: np.ndarray, student: np.ndarray, *, level: float, paired: bool
) -> Finding:
    """Compare in how many patches a sample tells its own measurement from the others.

    Parameters
    ----------
    teacher, student : ndarray, (B, K, B, ...)
        ``ln p(y_j | x_k(y_b))`` of every patch, as for `find_dependence`.
    level, paired
        As for `find_dependence`.

    Notes
    -----
    InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) with logits ``beta ln p(y_j | x(y_i))``:
    beta is fitted on every second sample of the teacher and reused. It is a bound that depends on
    beta and B, no estimate of mutual information.
    """
    count = len(teacher)
    flat = [one.reshape(*one.shape[:3], -1) for one in (teacher, student)]
    shares = [_told_apart(one) for one in flat]
    estimate = mean_difference(*(one.ravel() for one in shares), level=level, paired=paired)
    means = [float(one.mean()) for one in shares]
    few = [one[..., :: max(one.shape[-1] // _MOST_PATCHES, 1)] for one in flat]
    sharpness = _fit_sharpness(few[0][:, ::2])
    rest = [few[0][:, 1::2], few[1]]
    bounds = [math.log(count) + _mean_log_softmax(one, sharpness) for one in rest]
    value, span = rounded(estimate.value, estimate.interval, sign=True)
    return Finding(
        id="dependence.patches",
        title="patches told apart",
        estimand="share of patches in which a sample explains its own measurement best, difference",
        unit="share of patches",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=f"{estimate.method} over samples",
        n_teacher=shares[0].size,
        n_student=shares[1].size,
        coupled=paired,
        sentence=(
            f"On this image a student sample tells its own one of {count} redrawn measurements "
            f"from the others in {percent(means[1], 1)} of the patches, a teacher sample in "
            f"{percent(means[0], 1)}; chance is {percent(1 / count)}. The difference is {value} "
            f"({confidence(level)} interval {span})."
        ),
        question="dependence",
        notes=("It only compares the two: it is no measure of how much is known.",),
        extra={
            "teacher": means[0],
            "student": means[1],
            "chance": 1 / count,
            "infonce_teacher_nats": bounds[0],
            "infonce_student_nats": bounds[1],
            "infonce_sharpness": sharpness,
            "se": estimate.se,
            "df": estimate.df,
        },
    )


def ratio_map(
    teacher: np.ndarray, student: np.ndarray, *, shape: tuple[int, int], patch: int = PATCH
) -> MapImage:
    """Map how strongly the student's answer follows the data, tile by tile of 4 x 4 patches.

    Parameters
    ----------
    teacher, student : ndarray, (B, K, B, h, w)
        ``ln p(y_j | x_k(y_b))`` of every patch of one plane.
    shape : tuple of int
        Height and width of the plane in pixels.
    patch : int
        Side of a patch in pixels.

    Returns
    -------
    MapImage
        NaN where the teacher's own gap is less than 4 standard errors away from none.
    """
    gaps = [
        np.apply_along_axis(_in_tiles, -1, np.apply_along_axis(_in_tiles, -2, likelihood_gaps(one)))
        for one in (teacher, student)
    ]
    count, each = gaps[0].shape[:2]
    means = [one.mean((0, 1)) for one in gaps]
    noise = np.sqrt(gaps[0].var(1, ddof=1).sum(0) / (each * count**2))
    clear = means[0] > CLEAR * noise
    ratio = np.where(clear, means[1] / np.where(clear, means[0], 1.0), np.nan)
    side = patch * _TILE_PATCHES
    values = ratio.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]
    return MapImage(
        name="dependence",
        title="how strongly the student follows the data",
        values=values.astype(np.float32),
        unit="",
        words=(
            f"Likelihood gap of the student over that of the teacher in tiles of {side} × {side} "
            "pixels on this image: 1 where both follow the measurement alike; blank where the "
            "teacher's own is not clear."
        ),
    )


def _in_tiles(line: np.ndarray) -> np.ndarray:
    return np.asarray(np.add.reduceat(line, np.arange(0, len(line), _TILE_PATCHES)))


def _told_apart(logs: np.ndarray) -> np.ndarray:
    """Return the share of patches in which measurement b explains itself best, (B, K)."""
    best = logs.max(2)
    ties = (logs == best[:, :, None]).sum(2)
    own = np.stack([logs[b, :, b] for b in range(len(logs))])
    return np.asarray(np.where(own == best, 1 / ties, 0.0).mean(-1))


def _mean_log_softmax(logs: np.ndarray, sharpness: float) -> float:
    scaled = sharpness * logs.astype(np.float64)
    own = np.stack([scaled[b, :, b] for b in range(len(scaled))])
    return float((own - special.logsumexp(scaled, axis=2)).mean())


def _fit_sharpness(logs: np.ndarray) -> float:
    """Return the beta that makes the own measurements most probable."""
    found = optimize.minimize_scalar(
        lambda beta: -_mean_log_softmax(logs, beta), bounds=(0.0, _MOST_SHARPNESS), method="bounded"
    )
    return float(found.x)
