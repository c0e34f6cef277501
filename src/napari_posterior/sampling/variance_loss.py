"""What teacher guidance costs in variance, before anything is drawn.

For a Gaussian posterior and a student that is exact everything is linear. With the posterior
variance c, ``rho_r = alpha_r^2 c / (alpha_r^2 c + beta_r^2)`` and the weight lam, the clean image
of a led step has ``1 - (1 - rho_r) lam (2 - lam)`` of its variance, and re-noised to the same time
``1 - rho_r (1 - rho_r) lam (2 - lam)`` of that of its state; later steps, if exact, keep the
latter. No torch here.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.sampling.corrections import Guided
    from napari_posterior.sampling.path import Path

__all__ = ["LEVELS", "PredictedLoss", "predicted_variance_loss"]

LEVELS: Final = (0.05, 0.95)
"""Earliest and latest time of a look at a random noise."""

_NODES: Final = 64


@dataclass(frozen=True, eq=False)
class PredictedLoss:
    """Share of the posterior variance that a guided student is expected to lose.

    Parameters
    ----------
    map : ndarray
        Share lost, float64, of the shape of the variance that was given.
    mean : float
        Share lost of all variance together.
    exact : bool
        Whether nothing is lost by construction.
    """

    map: np.ndarray
    mean: float
    exact: bool

    @property
    def sentence(self) -> str:
        """Say what is expected, and under which assumption."""
        if self.exact:
            return "Guidance takes no variance from a student that is exact."
        low, high = float(self.map.min()), float(self.map.max())
        spread = f" ({low:.1%} to {high:.1%} over the pixels)" if high - low > 5e-4 else ""
        return (
            f"Guidance by the teacher's mean is expected to take {self.mean:.1%} of the posterior "
            f"variance{spread} from a student that is exact, taking the posterior as Gaussian."
        )


def predicted_variance_loss(
    guided: Guided,
    path: Path,
    variance: float | np.ndarray,
    *,
    grid: Sequence[float],
    renoised: bool = False,
) -> PredictedLoss:
    """Predict the variance that guidance takes from an exact student of a Gaussian posterior.

    Parameters
    ----------
    guided : Guided
        Weight, steps, noise and kernel.
    path : Path
        Of the bundle.
    variance : float or ndarray
        Posterior variance c in network units squared, above 0: that of a student's samples over
        the condition's ``spread ** 2`` at each pixel, or 1, what the model expects, before there
        are any. A pixel is taken as if it were a direction of its own.
    grid : sequence of float
        Times of the student, from 1.0 to 0.0.
    renoised : bool
        Whether the student adds new noise between its steps instead of following the teacher.

    Returns
    -------
    PredictedLoss

    Raises
    ------
    InputError
        If a variance is not positive.
    """
    c = np.asarray(variance, np.float64)
    if not (np.isfinite(c).all() and (c > 0).all()):
        raise InputError("the variance has to be positive everywhere; leave other pixels out")
    if guided.draws:
        return PredictedLoss(np.zeros_like(c), 0.0, exact=True)
    kept = np.ones_like(c)
    for step, (s, t) in enumerate(itertools.pairwise(grid)):
        if t == 0:
            break
        lam = guided.lam if step < guided.k else 0.0
        rhos = [_rho(path, r, c) for r in _levels(guided, t)]
        # levels are drawn anew each step and all is linear: variances average
        kept = np.mean([_step(path, s, t, c, kept, rho, lam, renoised) for rho in rhos], axis=0)
    lost = 1 - kept
    return PredictedLoss(lost, float((lost * c).sum() / c.sum()), exact=False)


def _step(
    path: Path,
    s: float,
    t: float,
    c: np.ndarray,
    kept: np.ndarray,
    rho: np.ndarray,
    lam: float,
    renoised: bool,
) -> np.ndarray:
    """Return the share of the state's variance at t that is left, from that at s."""
    alpha_s, beta_s, alpha_t, beta_t = (
        float(value) for value in (path.alpha(s), path.beta(s), path.alpha(t), path.beta(t))
    )
    V = alpha_t**2 * c + beta_t**2
    added = lam**2 * c * rho * (1 - rho)  # lam^2 rho^2 beta_r^2 / alpha_r^2: the noise of the look
    if renoised:
        clean = (1 - lam * (1 - rho)) ** 2 * kept * c + added
        return np.asarray((alpha_t**2 * clean + beta_t**2) / V)
    weight = alpha_t - beta_t * alpha_s / beta_s
    followed = np.sqrt(V) - weight * lam * (1 - rho) * np.sqrt(c)
    return np.asarray((followed**2 * kept + weight**2 * added) / V)


def _rho(path: Path, r: float, c: np.ndarray) -> np.ndarray:
    signal = float(path.alpha(r)) ** 2 * c
    return np.asarray(signal / (signal + float(path.beta(r)) ** 2))


def _levels(guided: Guided, t: float) -> Sequence[float]:
    if guided.renoise == "next":
        return (t,)
    low, high = LEVELS
    return [low + (high - low) * (i + 0.5) / _NODES for i in range(_NODES)]
