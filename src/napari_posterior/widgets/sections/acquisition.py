"""What an image says of its camera, PSF and background, and what was taken over from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.layers.choices import sample_settings

if TYPE_CHECKING:
    from napari_posterior.session.models import RestoreState

__all__ = ["comes_from", "pixel_size", "take_settings", "told_parts"]


def comes_from(layer: Any, state: RestoreState) -> bool:
    """Whether camera, PSF and background are those that the metadata of a layer tell."""
    told = None if layer is None else sample_settings(layer)
    return told is not None and (
        (told.camera, told.psf, told.background) == (state.camera, state.psf, state.background)
    )


def told_parts(layer: Any, state: RestoreState) -> tuple[str, ...]:
    """Return which of ``"camera"`` and ``"psf"`` are those that a layer tells."""
    told = None if layer is None else sample_settings(layer)
    return tuple(
        name
        for name in ("camera", "psf")
        if told is not None and getattr(told, name) == getattr(state, name)
    )


def take_settings(state: RestoreState, layer: Any, *, before: Any = None) -> None:
    """Fill in what the metadata of a layer tell.

    What the layer chosen before had told is not kept for one that tells nothing; what the user
    entered is.

    Parameters
    ----------
    state : RestoreState
        Camera, PSF and background are set there.
    layer, before : napari layer or None
        What is chosen now, and what was.
    """
    told = None if layer is None else sample_settings(layer)
    if told is not None:
        state.camera, state.psf = told.camera, told.psf
        state.background = told.background
    elif comes_from(before, state):
        state.camera, state.psf, state.background = None, None, 0.0


def pixel_size(layer: Any) -> tuple[float, str] | None:
    """Return the width of a pixel and its unit; None where it is not known."""
    if layer is None:
        return None
    unit = f"{layer.units[-1]:~}" if hasattr(layer.units[-1], "dimensionality") else ""
    if unit in ("", "px", "pixel"):
        return None
    return float(layer.scale[-1]), unit
