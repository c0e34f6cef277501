"""The PSF as it is chosen: a width that was typed, a PSF that was read, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, overload

from napari_posterior.physics.psf import Psf

if TYPE_CHECKING:
    PsfChoice: TypeAlias = Psf | float | None

__all__ = ["as_psf", "sampled_words", "sigma_of"]


def as_psf(chosen: PsfChoice) -> Psf | None:
    """Return the PSF of a choice; None where there is none.

    Raises
    ------
    InputError
        If it is a width that no PSF can have.
    """
    return chosen if chosen is None or isinstance(chosen, Psf) else Psf(chosen)


@overload
def sigma_of(chosen: Psf | float) -> float: ...
@overload
def sigma_of(chosen: None) -> None: ...
def sigma_of(chosen: PsfChoice) -> float | None:
    """Return the width of a choice in pixels, as it was typed; None where there is none."""
    return chosen.sigma if isinstance(chosen, Psf) else chosen


def sampled_words(chosen: PsfChoice) -> str:
    """Describe a sampled PSF: ``"sampled, 15 x 15, equivalent sigma 1.6 px"``; empty for others."""
    if not isinstance(chosen, Psf) or chosen.kernel is None:
        return ""
    size = " x ".join(str(n) for n in chosen.kernel.shape)
    return f"sampled, {size}, equivalent sigma {chosen.sigma:.3g} px"
