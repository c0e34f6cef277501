"""The parts of a bundle, teacher, students and point estimate, and the rules that tie them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_posterior.bundles.card import (
    CONFIG_FILE,
    MSE,
    POINT,
    SAMPLER_FILE,
    TEACHER,
    WEIGHTS_FILE,
    FlowMapConfig,
    NetworkConfig,
    SolverConfig,
    part_folder,
)
from napari_posterior.bundles.reading import parse, read_json, read_sampler
from napari_posterior.errors import ModelError
from napari_posterior.sampling.grid import make_grid
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.solvers import get_solver, nfe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path as Folder

    from napari_posterior.bundles.card import FileRecord, ModelCard, SamplerConfig
    from napari_posterior.sampling.path import Path

__all__ = [
    "PartFiles",
    "by_sampler",
    "check_parts",
    "grid_options",
    "part_folder",
    "read_parts",
    "student_grid",
    "teacher_grid",
]

_KINDS = {"teacher": "solver", "student": "flowmap", "point": "point"}


@dataclass(frozen=True)
class PartFiles:
    """One part of a bundle as its files describe it.

    Attributes
    ----------
    name : str
        Name of the part.
    folder : str
        Folder relative to the bundle, with forward slashes.
    config : NetworkConfig
        The network.
    sampler : SolverConfig, FlowMapConfig or PointConfig
        How it is sampled.
    weights : FileRecord
        Checksum of the weights file.
    path : str
        Probability path of the bundle.
    """

    name: str
    folder: str
    config: NetworkConfig
    sampler: SamplerConfig
    weights: FileRecord
    path: str

    @property
    def role(self) -> str:
        """``"teacher"``, ``"student"`` or ``"point"``."""
        return {TEACHER: "teacher", POINT: "point", MSE: "point"}.get(self.name, "student")

    @property
    def weights_path(self) -> str:
        """Path of the weights relative to the bundle."""
        return f"{self.folder}/{WEIGHTS_FILE}"


def read_parts(folder: Folder, card: ModelCard) -> dict[str, PartFiles]:
    """Read the JSON files of every part that the card lists.

    Raises
    ------
    ModelError
        If a part is incomplete, wrong, or does not belong to the teacher of this bundle.
    """
    parts = {}
    for name in card.parts:
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
            path=card.path,
        )
    check_parts(parts, card.path)
    return parts


def by_sampler(parts: Mapping[str, PartFiles]) -> dict[str, PartFiles]:
    """Return the parts by the names that a user asks for: teacher, students, ``"mse"``.

    Students of fewer steps come first: the first is taken where none is named. Where no network was
    trained for ``"mse"``, the point estimate that centres the samples is it.
    """
    students = sorted(
        (part.sampler.default_steps, name)
        for name, part in parts.items()
        if isinstance(part.sampler, FlowMapConfig)
    )
    mse = parts.get(MSE) or replace(parts[POINT], name=MSE)
    return {TEACHER: parts[TEACHER], **{name: parts[name] for _, name in students}, MSE: mse}


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
        If a sampler has the wrong kind, or a part has another parent than the teacher.
    """
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
        if part.config.arch_kwargs.get("path", path) != path:
            raise ModelError(f"{part.folder}/{CONFIG_FILE} names another path than {path!r}")
        if isinstance(part.sampler, FlowMapConfig) and part.sampler.any_steps is not None:
            make_grid(part.sampler.any_steps, 1, get_path(path))
    config = teacher.sampler
    if isinstance(config, SolverConfig):
        teacher_grid(config, config.steps, get_path(path))
        get_solver(config.solver, config.eta)
        if config.nfe != nfe(config.solver, config.steps):
            raise ModelError(
                f"teacher/{SAMPLER_FILE} says {config.nfe} network evaluations, and "
                f"{config.steps} steps of {config.solver} take {nfe(config.solver, config.steps)}"
            )


def teacher_grid(config: SolverConfig, steps: int, path: Path | None = None) -> tuple[float, ...]:
    """Return the times of a teacher's sampler, ``steps + 1`` of them from 1 to 0.

    Parameters
    ----------
    config : SolverConfig
        Names the grid.
    steps : int
        Grid intervals.
    path : Path, optional
        Path of the bundle; needed by the grids ``"logsnr"`` and ``"karras"``.

    Raises
    ------
    ModelError
        If the grid or one of its options is unknown, or it needs the path.
    """
    return make_grid(config.grid, steps, path, **grid_options(config))


def student_grid(config: FlowMapConfig, steps: int, path: Path) -> tuple[float, ...] | None:
    """Return the times of a student's sampler; None where it was not trained for these steps.

    Raises
    ------
    ModelError
        If its grid for any number of steps is unknown.
    """
    if str(steps) in config.grids:
        return config.grids[str(steps)]
    return None if config.any_steps is None else make_grid(config.any_steps, steps, path)


def grid_options(config: SolverConfig) -> dict[str, float]:
    """Return the options of a teacher's grid."""
    given = {"rho": config.rho, "sigma_max": config.sigma_max, "sigma_min": config.sigma_min}
    return {name: value for name, value in given.items() if value is not None}
