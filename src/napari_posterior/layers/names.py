"""What layers are called, and what they say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_posterior.runs.provenance import Provenance
    from napari_posterior.runs.request import RestoreRequest

__all__ = [
    "KEY",
    "Quantity",
    "choose_label",
    "corrected_name",
    "layer_name",
    "metadata_of",
    "quantity_of",
    "ratio_name",
    "unit_of",
]

KEY: Final = "napari_posterior"
"""Where `Layer.metadata` holds what this package says of a layer."""

Quantity: TypeAlias = Literal[
    "input",
    "samples",
    "mean",
    "sd",
    "variance",
    "point estimate",
    "residual",
    "sd ratio",
    "puncta",
    "variation",
    "corrected mean",
    "corrected sd",
    "standard error of the mean",
    "correlation",
]

_UNITS: Final[dict[str, str]] = {
    "input": "ADU",
    "samples": "photoelectrons/px",
    "mean": "photoelectrons/px",
    "sd": "photoelectrons/px",
    "variance": "(photoelectrons/px)^2",
    "point estimate": "photoelectrons/px",
    "residual": "noise sd",
    "sd ratio": "log2",
    "puncta": "probability",
    "variation": "photoelectrons/px",
    "corrected mean": "photoelectrons/px",
    "corrected sd": "photoelectrons/px",
    "standard error of the mean": "photoelectrons/px",
    "correlation": "no unit, -1 to 1",
}


def unit_of(quantity: Quantity) -> str:
    """Return the unit of the values of a layer."""
    return _UNITS[quantity]


def layer_name(request: RestoreRequest, quantity: Quantity, *, label: str | None = None) -> str:
    """Return the name of a layer of a run, as in ``"cell | teacher samples"``.

    Parameters
    ----------
    request : RestoreRequest
        Of the run.
    quantity : str
        What the layer shows; the input is called like the image.
    label : str, optional
        What the run is called; by default its role.
    """
    image = request.image.name
    if quantity == "input":
        return image
    if quantity == "point estimate":
        return f"{image} | point estimate"
    return f"{image} | {label or request.role} {quantity}"


def ratio_name(image: str, *, student: str = "student", teacher: str = "teacher") -> str:
    """Return the name of the layer that compares the spread of two runs, called by their labels."""
    return f"{image} | sd ratio ({student}/{teacher})"


def corrected_name(image: str, quantity: Quantity) -> str:
    """Return the name of a map of a corrected estimate, as in ``"cell | corrected mean"``."""
    return f"{image} | {quantity}"


def choose_label(layers: Iterable[Any], request: RestoreRequest) -> str:
    """Return what to call a run beside the layers that are there.

    ``"teacher"`` and ``"student"``, unless a run of the same image and role by another sampler is
    shown already: then the sampler is named too, as in ``"student kd"``.
    """
    others = {
        told["sampler"]
        for told in (dict(layer.metadata.get(KEY) or {}) for layer in layers)
        if told.get("image_sha256") == request.image.sha256 and told.get("role") == request.role
    }
    if others - {request.label} and request.label != request.role:
        return f"{request.role} {request.label}"
    return request.role


def metadata_of(
    request: RestoreRequest,
    quantity: Quantity,
    *,
    provenance: Provenance | None = None,
    path: Path | None = None,
    state: str = "running",
    samples: int | None = None,
    warnings: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the metadata of a layer: JSON-able, and enough to make its run again.

    Parameters
    ----------
    request : RestoreRequest
        What was asked for.
    quantity : str
        What the layer shows.
    provenance : Provenance, optional
        Where, when and with what the run was made, once that is known.
    path : Path, optional
        The folder of the run.
    state : str
        How the run ended.
    samples : int, optional
        How many samples the layer rests on.
    warnings : tuple of str
        What the run warned of.
    """
    return {
        KEY: {
            "quantity": quantity,
            "unit": unit_of(quantity),
            "role": request.role,
            "sampler": request.label,
            "image": request.image.name,
            "image_sha256": request.image.sha256,
            "samples": samples,
            "state": state,
            "run": None if path is None else str(path),
            "request": request.model_dump(mode="json"),
            "provenance": None if provenance is None else provenance.model_dump(mode="json"),
            "warnings": list(warnings),
        }
    }


def quantity_of(layer: Any) -> str | None:
    """Return what a layer of this package shows; None for any other layer."""
    told = layer.metadata.get(KEY)
    quantity = told.get("quantity") if isinstance(told, dict) else None
    return None if quantity is None else str(quantity)
