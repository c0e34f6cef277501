"""How much better a sample explains its own measurement than other ones of the same object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.physics.measurement import Measurement

__all__ = ["CLEAR", "PATCH", "GapMeter", "likelihood_gaps"]

PATCH: Final = 4
"""Side in pixels of the patches that are scored; whole images are told apart by anyone."""

CLEAR: Final = 4.0
"""Standard errors by which a teacher's gap has to be away from none, for a ratio to it."""


class GapMeter:
    """Scores samples on every one of the redrawn measurements, patch by patch.

    Parameters
    ----------
    measurements : sequence of sequence of Measurement
        For each redraw its planes, with one camera and one PSF.
    patch : int
        Side of a patch in pixels; those at the edges may be smaller.
    """

    def __init__(
        self, measurements: Sequence[Sequence[Measurement]], *, patch: int = PATCH
    ) -> None:
        from napari_posterior.physics.likelihood import Likelihood

        first = [Likelihood(one) for one in measurements[0]]
        # one formula for a pixel of all redraws: the two would not cancel in their difference
        others = [
            [Likelihood(one, mask=known.mask) for one, known in zip(planes, first, strict=True)]
            for planes in measurements[1:]
        ]
        self._redraws: Final = [first, *others]
        self._patch: Final = patch
        self._counts: Final = [
            np.logical_and.reduce([planes[i].valid for planes in measurements])
            for i in range(len(first))
        ]

    def measure(self, planes: Sequence[np.ndarray]) -> np.ndarray:
        """Return ``ln p(y_j | x)`` of every patch less its mean over j, (B, P, h, w) float32.

        Pixels that are saturated in one of the redraws are left out of all.

        Parameters
        ----------
        planes : sequence of ndarray, (H, W)
            A sample of any of the redraws, photoelectrons per pixel.
        """
        import torch

        found = []
        with torch.inference_mode():
            objects = [torch.from_numpy(np.array(one, np.float32))[None] for one in planes]
            for redraw in self._redraws:
                nats = [
                    one.per_pixel(x)[0].numpy().astype(np.float64) * counts
                    for one, x, counts in zip(redraw, objects, self._counts, strict=True)
                ]
                found.append(-np.stack([_patch_sums(plane, self._patch) for plane in nats]))
        logs = np.stack(found)
        return np.asarray(logs - logs.mean(0), np.float32)


def likelihood_gaps(logs: np.ndarray) -> np.ndarray:
    """Return by how much each sample explains its own measurement better than the others.

    Parameters
    ----------
    logs : ndarray, (B, K, B, ...)
        ``ln p(y_j | x_k(y_b))`` at ``[b, k, j]``, in nats.

    Returns
    -------
    ndarray, (B, K, ...)
        ``l(x_k(y_b), y_b) - mean_{j != b} l(x_k(y_b), y_j)``, in nats.
    """
    count = len(logs)
    own = np.stack([logs[b, :, b] for b in range(count)]).astype(np.float64)
    return np.asarray(own - (logs.sum(2, dtype=np.float64) - own) / (count - 1))


def _patch_sums(plane: np.ndarray, side: int) -> np.ndarray:
    rows = np.add.reduceat(plane, np.arange(0, plane.shape[0], side), axis=0)
    return np.asarray(np.add.reduceat(rows, np.arange(0, plane.shape[1], side), axis=1))
