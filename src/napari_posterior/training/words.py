"""What the card of a trained bundle says in words, beside its numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from napari_posterior.physics.scenes import KINDS
from napari_posterior.training.files import licence

if TYPE_CHECKING:
    from napari_posterior.bundles.card import DataRecord

__all__ = ["LINEAR", "PLANES", "CardWords"]

LINEAR: Final = (
    "The PSF is Gaussian and the same everywhere; the camera is linear, with one gain, offset and "
    "read noise for all pixels."
)
PLANES: Final = (
    "Planes of a stack are restored separately; samples of neighbouring planes are not drawn "
    "jointly."
)


@dataclass(frozen=True)
class CardWords:
    """What a card says of a bundle; by default, of one trained on simulated scenes.

    Parameters
    ----------
    description, intended_use : str
        A sentence or two.
    known_limits : tuple of str
        What it is known not to do, a sentence each.
    license, licence_text : str
        Name of the licence of the weights, and the text of the file LICENSE.
    kinds : tuple of str
        Kinds of simulated scenes that were drawn.
    own : DataRecord, optional
        What was learned from instead.
    start : str, optional
        What weights were gone on from.
    """

    description: str = (
        "Posterior samples of two-dimensional fluorescence images: conditional flow matching of "
        "the standardised residual around a point estimate, trained on simulated puncta, "
        "filaments, sheets, nuclei and haze."
    )
    intended_use: str = (
        "Denoising and mild deconvolution of single planes whose camera and Gaussian PSF are known "
        "or estimated, and comparison of distilled students with the teacher."
    )
    known_limits: tuple[str, ...] = (
        "Trained on simulated scenes only: what it draws where the measurement says little comes "
        "from them.",
        LINEAR,
        PLANES,
    )
    license: str = "BSD-3-Clause"
    licence_text: str = field(default_factory=licence)
    kinds: tuple[str, ...] = KINDS
    own: DataRecord | None = None
    start: str | None = None
