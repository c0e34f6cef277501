"""What the card of a bundle says that was trained on the user's own images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.training.words import LINEAR, PLANES, CardWords

if TYPE_CHECKING:
    from napari_posterior.training.own.streams import OwnData

__all__ = ["describe"]


def describe(data: OwnData, *, origin: str | None, licence: str) -> CardWords:
    """Return what the card says in words.

    Parameters
    ----------
    data : OwnData
        What was learned from.
    origin : str or None
        What weights were gone on from.
    licence : str
        Of the weights.
    """
    trained, record = data.trained, data.record
    low, high = trained.psf_sigma
    if record.kind == "images":
        what = f"{record.files} clean images, measured anew by a simulated camera at every step"
        use = (
            f"Single planes of such specimens, from a camera with a read noise of about "
            f"{_middle(trained.read_noise):.2g} e- and a Gaussian PSF of sigma {low:.3g} to "
            f"{high:.3g} px."
        )
        limits = (
            "What it draws where the measurement says little comes from the images it was trained "
            "on: structures that these do not show are not to be expected.",
            "An object is as sharp as those images show it: where they are more blurred than the "
            "target of 1 px, or noisy, so are the samples.",
            "The level of each image, offset and even background, was taken off, and an even "
            "background put back at random; what is below the level was set to 0.",
        )
    else:
        what = f"{record.files} pairs of a noisy and a clean image, with the noise as measured"
        use = (
            f"Single planes of such specimens from the same camera, restored with its numbers and "
            f"a PSF sigma of {low:.3g} px."
        )
        limits = (
            "An object x is what the clean image of a pair shows, in photoelectrons of the noisy "
            "one, even background included: the target resolution is that of the clean images, and "
            "their noise is part of the samples.",
            f"The PSF sigma of {low:.3g} px says how much more blurred the noisy images are than "
            "the clean ones (1: not at all), and is not that of the microscope.",
            "It was trained on the noise of one camera, gain, offset and shift of each clean image "
            "fitted once; give measurements of that camera only.",
        )
    return CardWords(
        description=(
            f"Posterior samples of two-dimensional fluorescence images: conditional flow matching "
            f"of the standardised residual around a point estimate, trained on {what}."
        ),
        intended_use=use,
        known_limits=(*limits, LINEAR, PLANES),
        license=licence,
        licence_text=f"Licence of these weights, as stated by who trained them: {licence}\n",
        kinds=(),
        own=record,
        start=origin,
    )


def _middle(span: tuple[float, float]) -> float:
    return float((span[0] * span[1]) ** 0.5)
