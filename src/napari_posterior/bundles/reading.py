"""Read the JSON files of a bundle; whatever is wrong is one sentence that names the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from napari_posterior.bundles.card import (
    CARD_FILE,
    FlowMapConfig,
    ModelCard,
    PointConfig,
    SamplerConfig,
    SolverConfig,
)
from napari_posterior.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["parse", "read_card", "read_json", "read_sampler"]

Model = TypeVar("Model", bound=BaseModel)
_SAMPLER: TypeAdapter[SolverConfig | FlowMapConfig | PointConfig] = TypeAdapter(SamplerConfig)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
        File to read.

    Returns
    -------
    dict
        The object.

    Raises
    ------
    ModelError
        If the file is missing, unreadable, not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"the file {path} is missing; give the folder of a complete bundle"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the file {path} cannot be read as JSON ({error}); copy the bundle again"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"the file {path} holds no JSON object; copy the bundle again")
    return value


def parse(model: type[Model], value: Mapping[str, Any], path: Path) -> Model:
    """Turn a JSON object into a checked value.

    Raises
    ------
    ModelError
        Naming the file and the first field that is wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ModelError(_explain(path, error)) from error


def read_card(folder: Path) -> ModelCard:
    """Read ``posterior.json`` of a bundle; imports no torch and checks no weights.

    Raises
    ------
    ModelError
        If the card is missing or wrong.
    """
    path = folder / CARD_FILE
    value = read_json(path)
    if value.get("format") != "napari-posterior":
        raise ModelError(
            f"the file {path} is not the card of a napari-posterior bundle; give another folder"
        )
    if value.get("format_version") != 1:
        raise ModelError(
            f"the bundle {folder} has format version {value.get('format_version')!r} and this "
            "napari-posterior reads version 1; upgrade napari-posterior"
        )
    return parse(ModelCard, value, path)


def read_sampler(path: Path) -> SolverConfig | FlowMapConfig | PointConfig:
    """Read a ``sampler.json``.

    Raises
    ------
    ModelError
        If the file is missing or wrong.
    """
    value = read_json(path)
    try:
        return _SAMPLER.validate_python(value)
    except ValidationError as error:
        raise ModelError(_explain(path, error)) from error


def _explain(path: Path, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole file"
    return f"the file {path} is wrong at {where} ({first['msg']}); get the bundle again"
