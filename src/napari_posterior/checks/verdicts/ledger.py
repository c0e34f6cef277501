"""plan.json: what was planned before looking and every look since; replaced as a whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_posterior.checks.verdicts.looks import Looks
from napari_posterior.checks.verdicts.planned_region import PlannedRegion  # noqa: TC001 - pydantic
from napari_posterior.checks.verdicts.tolerances import Tolerances
from napari_posterior.checks.verdicts.verdict import Verdict  # noqa: TC001 - read by pydantic
from napari_posterior.errors import InputError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.checks.source import Description

__all__ = [
    "PLAN",
    "SCHEMA",
    "Look",
    "Pair",
    "Plan",
    "RunIdentity",
    "now",
    "read_plan",
    "set_aside",
    "write_plan",
]

PLAN: Final = "plan.json"
SCHEMA: Final = "napari-posterior/plan/1"

_CONDITIONS: Final = ("camera", "psf", "background", "blind", "image_shape", "scale", "translate")


class _Record(BaseModel):
    """Frozen and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class RunIdentity(_Record):
    """What tells a run from others; how many samples it has by now does not.

    Parameters
    ----------
    image_sha256, bundle_hash, sampler, steps, seed, precision
        As in `Description`; None where a run does not say so.
    conditions : str
        SHA-256 of camera, PSF, background, conditioning, crop and pixel size.
    """

    image_sha256: str | None = None
    bundle_hash: str | None = None
    sampler: str | None = None
    steps: int | None = None
    seed: int | None = None
    precision: str | None = None
    conditions: str = ""

    @classmethod
    def of(cls, described: Description) -> RunIdentity:
        """Take it from what a run says of itself."""
        told = json.dumps(
            {name: getattr(described, name) for name in _CONDITIONS}, sort_keys=True, default=str
        )
        known = {
            name: getattr(described, name) for name in cls.model_fields if name != "conditions"
        }
        return cls(**known, conditions=hashlib.sha256(told.encode()).hexdigest())


class Pair(_Record):
    """The two runs of a comparison."""

    teacher: RunIdentity
    student: RunIdentity

    @classmethod
    def of(cls, teacher: Description, student: Description) -> Pair:
        """Take it from what the runs say of themselves."""
        return cls(teacher=RunIdentity.of(teacher), student=RunIdentity.of(student))

    def difference(self, other: Pair) -> str:
        """Say in which respect two pairs differ first; empty where they do not."""
        for which in ("teacher", "student"):
            mine, theirs = getattr(self, which), getattr(other, which)
            for name, words in _WORDS.items():
                if getattr(mine, name) != getattr(theirs, name):
                    return f"the {words} of the {which} is another one"
        return ""


_WORDS: Final = {
    "image_sha256": "image",
    "bundle_hash": "model bundle",
    "sampler": "sampler",
    "steps": "number of steps",
    "seed": "seed",
    "precision": "precision",
    "conditions": "camera, PSF or crop",
}


class Look(_Record):
    """One time that the samples were looked at.

    Parameters
    ----------
    samples_teacher, samples_student : int
        Samples of each run.
    look : int or None
        The planned look that they belong to; None before the first.
    created : str
        When, ISO 8601, UTC.
    tolerances : dict
        Those in force, see `Tolerances.to_dict`.
    statistics : tuple of str
        What was measured.
    regions : dict
        Where beside the whole image: SHA-256 of the pixels by name, see `PlannedRegion`.
    verdicts : dict
        By id of the finding: those given or left standing then; None for an estimate only.
    post_hoc : tuple of str
        Ids whose tolerance, or themselves, were chosen after samples had been looked at.
    """

    samples_teacher: int = Field(ge=0)
    samples_student: int = Field(ge=0)
    look: int | None
    created: str
    tolerances: dict[str, Any]
    statistics: tuple[str, ...]
    regions: dict[str, str] = {}
    verdicts: dict[str, Verdict | None]
    post_hoc: tuple[str, ...] = ()

    @field_validator("tolerances")
    @classmethod
    def _can_be_read(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _check_tolerances(value)


class Plan(_Record):
    """What was planned, for which runs, and what was looked at since.

    Parameters
    ----------
    schema_name : str
        `SCHEMA`; ``"schema"`` in the file.
    created, declared_at : str
        When the comparison was begun, and when its tolerances were set; ISO 8601, UTC.
    looks : tuple of int
        From how many samples of the smaller run on it decides.
    tolerances : dict
        See `Tolerances.to_dict`.
    statistics : tuple of str
        What is measured on every sample.
    regions : tuple of PlannedRegion
        Where it is measured beside the whole image.
    pair : Pair or None
        The runs; None where they were not named.
    restarts : int
        How often tolerances, statistics or regions were changed after a look, or the comparison
        was begun anew over another.
    earlier : tuple of str
        Files beside it that hold the plans it was begun over; their looks are not paid for.
    ledger : tuple of Look
        In the order they were taken.
    """

    schema_name: Literal["napari-posterior/plan/1"] = Field(default=SCHEMA, alias="schema")
    created: str
    declared_at: str
    looks: tuple[int, ...]
    tolerances: dict[str, Any]
    statistics: tuple[str, ...]
    regions: tuple[PlannedRegion, ...] = ()
    pair: Pair | None = None
    restarts: int = Field(default=0, ge=0)
    earlier: tuple[str, ...] = ()
    ledger: tuple[Look, ...] = ()

    @field_validator("tolerances")
    @classmethod
    def _can_be_read(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _check_tolerances(value)

    @field_validator("looks")
    @classmethod
    def _can_be_planned(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        try:
            return Looks(value).samples
        except InputError as error:
            raise ValueError(str(error)) from error

    def to_json(self) -> str:
        """Return the text of the file."""
        return self.model_dump_json(indent=1, by_alias=True) + "\n"


def now() -> str:
    """Return date and time, ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_plan(folder: Path) -> tuple[Plan, str] | None:
    """Read the plan of a comparison and the text it was read from; None where there is none.

    Raises
    ------
    InputError
        If it cannot be read, is damaged or from a newer version.
    """
    path = folder / PLAN
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read; check the file, or choose another folder") from (
            error
        )
    try:
        return Plan.model_validate_json(text), text
    except ValidationError as error:
        raise InputError(
            f"{path} is damaged or from another version of the program; restore it from a copy, "
            "choose another folder, or begin anew with overwrite, which sets the file aside"
        ) from error


def write_plan(folder: Path, plan: Plan, *, before: str | None) -> str:
    """Replace the plan of a comparison in one step; return its text.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    plan : Plan
        What to write.
    before : str or None
        The text that was read before, None where there was none: a plan that somebody else wrote
        since is never replaced.

    Raises
    ------
    OutputError
        If it cannot be written, or was written by somebody else meanwhile.
    """
    path, text = folder / PLAN, plan.to_json()
    part = folder / f".{PLAN}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = path.read_text(encoding="utf-8") if path.exists() else None
        if there != before:
            raise OutputError(
                f"{path} was changed by another program since it was read; compare again"
            )
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        reason = error.strerror or type(error).__name__
        raise OutputError(
            f"{path} cannot be written ({reason}); choose another folder or free some space"
        ) from error
    return text


def set_aside(folder: Path) -> str:
    """Rename the plan of a comparison to the first free of ``plan-1.json``, ...; return the name.

    Raises
    ------
    OutputError
        If it cannot be renamed.
    """
    number = 1
    while (folder / f"plan-{number}.json").exists():
        number += 1
    name = f"plan-{number}.json"
    try:
        (folder / PLAN).rename(folder / name)
    except OSError as error:
        raise OutputError(
            f"{folder / PLAN} cannot be set aside ({error.strerror}); choose another folder"
        ) from error
    return name


def _check_tolerances(value: dict[str, Any]) -> dict[str, Any]:
    try:
        Tolerances.from_dict(value)
    except (InputError, KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no tolerances") from error
    return value
