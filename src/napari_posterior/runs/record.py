"""run.json: the one file that says what a run is; replaced as a whole, never half written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_posterior.errors import InputError, RunError
from napari_posterior.runs.arrays import read_arrays
from napari_posterior.runs.provenance import Provenance  # noqa: TC001 - read by pydantic
from napari_posterior.runs.request import RestoreRequest  # noqa: TC001 - read by pydantic
from napari_posterior.runs.solver import (  # noqa: TC001 - read by pydantic
    ImageCheckRecord,
    SolverBias,
)

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "EXTREMES",
    "HIGHEST",
    "INPUT",
    "LOWEST",
    "MEAN",
    "RECORD",
    "SAMPLES",
    "SCHEMA_VERSION",
    "SD",
    "RunRecord",
    "RunState",
    "rank_folder",
    "read_record",
    "sample_folder",
    "stored_samples",
    "write_record",
]

RECORD: Final = "run.json"
INPUT: Final = "input"
MEAN: Final = "mean"
SD: Final = "sd"
SAMPLES: Final = "samples"
EXTREMES: Final = "extremes"
LOWEST: Final = "extremes/lowest"
HIGHEST: Final = "extremes/highest"

SCHEMA_VERSION: Final = 1

RunState: TypeAlias = Literal["running", "finished", "cancelled", "failed", "interrupted"]


class RunRecord(BaseModel):
    """What run.json holds.

    Parameters
    ----------
    schema_version : int
        `SCHEMA_VERSION` of the program that wrote it.
    request : RestoreRequest
        What was asked for.
    provenance : Provenance
        Where, when and with what.
    state : str
        How the run ended; ``"running"`` until then. A run that reads ``"running"`` when it is
        opened was interrupted.
    message : str
        Why it ended so.
    completed : tuple of int
        Indices of the samples that are kept.
    moments_of : int
        How many samples the stored mean and sd belong to; 0 where there are none.
    extremes : int
        How many of the smallest, and of the largest, values of each pixel are stored, of as many
        samples as mean and sd.
    warnings : tuple of str
        What the run warned of.
    solver_bias : SolverBias or None
        What the solver was measured to leave open; None for a student or a point estimate, and in
        runs of earlier versions, which did not keep it.
    image_check : ImageCheckRecord or None
        What the check of the solver on the image found; None where it was not made.
    seconds : float
        Time that was spent, all parts of a resumed run together.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    request: RestoreRequest
    provenance: Provenance
    state: RunState = "running"
    message: str = ""
    completed: tuple[int, ...] = ()
    moments_of: int = 0
    extremes: int = Field(default=0, ge=0)
    warnings: tuple[str, ...] = ()
    solver_bias: SolverBias | None = None
    image_check: ImageCheckRecord | None = None
    seconds: float = Field(default=0.0, ge=0)


def sample_folder(folder: Path, index: int) -> Path:
    """Where a run keeps one sample."""
    return folder / SAMPLES / f"{index:04d}"


def rank_folder(end: str, rank: int) -> str:
    """Where in a run an order statistic is kept: `rank` from 0 at `LOWEST` or `HIGHEST`."""
    return f"{end}/{rank:04d}"


def stored_samples(folder: Path) -> tuple[int, ...]:
    """List the indices of the samples that are whole on disk, in order.

    The folders are looked at, not the record: a crash may fall between the two.
    """
    found = (folder / SAMPLES).glob("[0-9][0-9][0-9][0-9]/zarr.json")
    return tuple(sorted(int(file.parent.name) for file in found))


def write_record(folder: Path, record: RunRecord) -> None:
    """Replace the record of a run in one step."""
    part = folder / f"{RECORD}.part"
    with part.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / RECORD)


def read_record(folder: Path) -> RunRecord:
    """Read the record of a run.

    Raises
    ------
    RunError
        If the folder is missing or not a run, or the record cannot be read.
    """
    if not folder.exists():
        raise RunError(f"{folder} does not exist; check the name of the run")
    try:
        text = (folder / RECORD).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunError(
            f"{folder} is not a run: it has no {RECORD}; give a folder NAME.posterior.zarr"
        ) from error
    except OSError as error:
        raise RunError(f"{folder} cannot be read ({error.strerror}); check its permissions") from (
            error
        )
    try:
        record = RunRecord.model_validate_json(text, context=read_arrays(folder))
    except (ValidationError, InputError) as error:
        raise RunError(
            f"{folder / RECORD} cannot be understood; it is damaged or from another version, so "
            "restore the image again"
        ) from error
    if record.schema_version > SCHEMA_VERSION:
        raise RunError(f"{folder} was written by a newer version; update napari-posterior")
    return record
