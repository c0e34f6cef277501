"""The parts of a bundle, teacher, students and point estimate, and the rules that tie them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import (
    CONFIG_FILE,
    POINT,
    SAMPLER_FILE,
    TEACHER,
    WEIGHTS_FILE,
    NetworkConfig,
    SolverConfig,
    part_folder,
)
from napari_posterior.bundles.reading import parse, read_json, read_sampler
from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.solvers import nfe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_posterior.bundles.card import FileRecord, ModelCard, SamplerConfig

__all__ = ["PartFiles", "check_parts", "part_folder", "read_parts", "teacher_grid"]

_KINDS = {"teacher": "solver", "student": "flowmap", "point": "point"}


@dataclass(frozen=True)
class PartFiles:
    """One part of a bundle as its files describe it.

    Attributes
    ----------
    name : str
        Name of the sampler.
    folder : str
        Folder relative to the bundle, with forward slashes.
    config : NetworkConfig
        The network.
    sampler : SolverConfig, FlowMapConfig or PointConfig
        How it is sampled.
    weights : FileRecord
        Checksum of the weights file.
    """

    name: str
    folder: str
    config: NetworkConfig
    sampler: SamplerConfig
    weights: FileRecord

    @property
    def role(self) -> str:
        """``"teacher"``, ``"student"`` or ``"point"``."""
        return {TEACHER: "teacher", POINT: "point"}.get(self.name, "student")

    @property
    def weights_path(self) -> str:
        """Path of the weights relative to the bundle."""
        return f"{self.folder}/{WEIGHTS_FILE}"


def read_parts(folder: Path, card: ModelCard) -> dict[str, PartFiles]:
    """Read the JSON files of every part that the card lists.

    Raises
    ------
    ModelError
        If a part is incomplete, wrong, or does not belong to the teacher of this bundle.
    """
    parts = {}
    for name in card.samplers:
        where = part_folder(name)
        for file in (CONFIG_FILE, SAMPLER_FILE, WEIGHTS_FILE):
            if f"{where}/{file}" not in card.files:
                raise ModelError(f"the bundle {folder} lacks {where}/{file}; get the bundle again")
        path = folder / where / CONFIG_FILE
        parts[name] = PartFiles(
            name=name,
            folder=where,
            config=parse(NetworkConfig, read_json(path), path),
            sampler=read_sampler(folder / where / SAMPLER_FILE),
            weights=card.files[f"{where}/{WEIGHTS_FILE}"],
        )
    check_parts(parts, card.path)
    return parts


def check_parts(parts: Mapping[str, PartFiles], path: str) -> None:
    """Refuse parts that do not belong together.

    Parameters
    ----------
    parts : mapping of str to PartFiles
        The parts by name.
    path : str
        Probability path of the bundle.

    Raises
    ------
    ModelError
        If the teacher or the point estimate is missing, a sampler has the wrong kind, or a part
        has another parent than the teacher.
    """
    for name in (TEACHER, POINT):
        if name not in parts:
            raise ModelError(f"the bundle has no {part_folder(name)} folder; get the bundle again")
    teacher = parts[TEACHER]
    for part in parts.values():
        if part.sampler.kind != _KINDS[part.role]:
            raise ModelError(
                f"{part.folder}/{SAMPLER_FILE} has the kind {part.sampler.kind!r}, which does not "
                f"fit a {part.role}; get the bundle again"
            )
        parent = None if part is teacher else teacher.weights.sha256
        if part.config.parent != parent:
            raise ModelError(
                f"{part.folder} was made for another teacher than the one in this bundle; "
                "distil it again from this teacher"
            )
        if part.role != "point" and part.config.arch_kwargs.get("path", path) != path:
            raise ModelError(f"{part.folder}/{CONFIG_FILE} names another path than {path!r}")
    config = teacher.sampler
    if isinstance(config, SolverConfig):
        teacher_grid(config, config.steps)
        if config.nfe != nfe(config.solver, config.steps):
            raise ModelError(
                f"teacher/{SAMPLER_FILE} says {config.nfe} network evaluations, and "
                f"{config.steps} steps of {config.solver} take {nfe(config.solver, config.steps)}"
            )


def teacher_grid(config: SolverConfig, steps: int) -> tuple[float, ...]:
    """Return the times of a teacher's sampler, ``steps + 1`` of them from 1 to 0."""
    return make_grid(config.grid, steps, **grid_options(config))


def grid_options(config: SolverConfig) -> dict[str, float]:
    """Return the options of a teacher's grid."""
    return {} if config.rho is None else {"rho": config.rho}
