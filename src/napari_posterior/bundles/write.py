"""Write a bundle: the same parts give the same bytes, and every file is hashed."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_posterior.bundles.card import (
    CARD_FILE,
    CONFIG_FILE,
    POINT,
    SAMPLER_FILE,
    TEACHER,
    WEIGHTS_FILE,
    Conditioning,
    ModelCard,
    NetworkConfig,
    TrainingRange,
    TrainingRecord,
)
from napari_posterior.bundles.checksums import check_files, file_record
from napari_posterior.bundles.parts import part_folder, read_parts
from napari_posterior.bundles.reading import read_card
from napari_posterior.bundles.readme import make_readme
from napari_posterior.bundles.selftest import SELFTEST_FILE, make_selftest
from napari_posterior.bundles.weights import pack_weights
from napari_posterior.errors import ModelError, OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pydantic import BaseModel
    from torch import Tensor

    from napari_posterior.bundles.card import SamplerConfig

__all__ = ["CardFields", "Part", "check_place", "write_bundle", "write_evaluation"]


@dataclass(frozen=True)
class Part:
    """One network to be written.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
        Its weights.
    config : NetworkConfig
        Architecture and stored type; ``parent`` is filled in from the teacher when it is None.
    sampler : SolverConfig, FlowMapConfig or PointConfig
        How it is sampled.
    """

    state_dict: Mapping[str, Tensor]
    config: NetworkConfig
    sampler: SamplerConfig


@dataclass(frozen=True)
class CardFields:
    """What a card says besides measured figures and checksums; see :class:`ModelCard`."""

    id: str
    name: str
    version: str
    license: str
    description: str
    intended_use: str
    known_limits: tuple[str, ...]
    path: str
    conditioning: Conditioning
    training: TrainingRecord
    training_range: TrainingRange


def write_bundle(
    folder: str | os.PathLike[str],
    *,
    card: CardFields,
    parts: Mapping[str, Part],
    licence_text: str,
    evaluation: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a bundle folder; it appears at `folder` whole or not at all.

    Parameters
    ----------
    folder : str or path
        Where to write.
    card : CardFields
        Identity, conditioning and training of the bundle.
    parts : mapping of str to Part
        ``"teacher"``, ``"point"``, the students by name, and ``"mse"`` where it has a network.
    licence_text : str
        Content of the file LICENSE.
    evaluation : mapping, optional
        Measured figures, of JSON types.
    overwrite : bool
        Replace a bundle that is there.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        If the folder exists and `overwrite` is False, or cannot be written.
    ModelError
        If the parts do not belong together, or a sampler gives numbers that are not finite.
    """
    target = Path(folder)
    check_place(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        _fill(scratch, card, parts, licence_text, evaluation or {})
        _check_and_add_selftest(scratch)
        scratch.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        scratch.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target


def check_place(folder: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse a folder that :func:`write_bundle` would not write to, before hours of training.

    Raises
    ------
    OutputError
        If the folder exists and `overwrite` is False, or it is there and no bundle.
    """
    target = Path(folder)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists; choose another folder or allow it to be overwritten")
    if target.exists() and any(target.iterdir()) and not (target / CARD_FILE).is_file():
        raise OutputError(f"{target} is not a bundle and is not overwritten; choose another folder")


def write_evaluation(folder: str | os.PathLike[str], evaluation: Mapping[str, Any]) -> Path:
    """Put measured figures into the card and the README of a bundle, in place of those there.

    Parameters
    ----------
    folder : str or path
        A bundle.
    evaluation : mapping
        Measured figures, of JSON types.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ModelError
        If the folder is not an undamaged bundle.
    OutputError
        If it cannot be written.
    """
    where = Path(folder)
    card = read_card(where)
    check_files(where, card.files)
    try:
        _rewrite_card(where, card, evaluation)
    except OSError as error:
        raise _cannot_write(where, error) from error
    return where


def _fill(
    folder: Path,
    card: CardFields,
    parts: Mapping[str, Part],
    licence_text: str,
    evaluation: Mapping[str, Any],
) -> None:
    if TEACHER not in parts or POINT not in parts:
        raise ModelError(f"a bundle needs the parts {TEACHER!r} and {POINT!r}")
    parent = None
    for name in sorted(parts, key=lambda key: (key != TEACHER, key)):
        part, where = parts[name], folder / part_folder(name)
        where.mkdir(parents=True)
        weights = where / WEIGHTS_FILE
        weights.write_bytes(pack_weights(part.state_dict, part.config.dtype))
        config = part.config
        if config.parent is None and name != TEACHER:
            config = config.model_copy(update={"parent": parent})
        _write_json(where / CONFIG_FILE, config)
        _write_json(where / SAMPLER_FILE, part.sampler)
        if name == TEACHER:
            parent = file_record(weights).sha256
    (folder / "LICENSE").write_text(licence_text, encoding="utf-8", newline="\n")
    samplers = {name: part.sampler for name, part in parts.items()}
    _write_card(folder, vars(card), samplers, evaluation)


def _write_card(
    folder: Path,
    fields: Mapping[str, Any],
    samplers: Mapping[str, SamplerConfig],
    evaluation: Mapping[str, Any],
) -> None:
    told = {**fields, "evaluation": dict(evaluation), "files": {}}
    try:
        card = ModelCard.model_validate(told)
    except ValidationError as error:
        raise ModelError(f"the fields of the card do not fit it: {error}") from error
    readme = folder / "README.md"
    readme.write_text(make_readme(card, samplers), encoding="utf-8", newline="\n")
    files = {
        path.relative_to(folder).as_posix(): file_record(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / CARD_FILE
    }
    scratch = folder / f".{CARD_FILE}"
    _write_json(scratch, card.model_copy(update={"files": files}))
    scratch.replace(folder / CARD_FILE)


def _rewrite_card(folder: Path, card: ModelCard, evaluation: Mapping[str, Any]) -> None:
    samplers = {name: part.sampler for name, part in read_parts(folder, card).items()}
    _write_card(folder, card.model_dump(), samplers, evaluation)


def _check_and_add_selftest(folder: Path) -> None:
    # Drawing from what was written proves parents, grids, keys and shapes before it is moved.
    from napari_posterior.bundles.bundle import open_bundle

    bundle = open_bundle(folder)
    expected = pack_weights(make_selftest(bundle), "float32")
    (folder / SELFTEST_FILE).write_bytes(expected)
    _rewrite_card(folder, bundle.card, bundle.card.evaluation)


def _write_json(path: Path, value: BaseModel) -> None:
    text = json.dumps(value.model_dump(mode="json"), indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _cannot_write(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"the bundle {target} cannot be written ({error.strerror or error}); "
        "choose a folder that can be written and has free space"
    )
