"""Corrections on disk: a folder NAME.corrected.zarr of OME-Zarr images and one JSON file.

Other programs read the images ``mean``, ``sd``, ``variance``, ``se`` and ``correlation``, float32;
``estimates`` holds every array of both maps in float64, so that what is opened is what was saved.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from napari_posterior.api.corrections import CorrectedSites, Corrections, Source
from napari_posterior.api.folder_names import folder_named
from napari_posterior.correction.records import (
    ArrayRecord,
    DistributionRecord,
    EstimateRecord,
    SpectrumRecord,
    arrays_of,
)
from napari_posterior.errors import OutputError, PosteriorError, RunError
from napari_posterior.image import Geometry
from napari_posterior.runs.ome import StoredImage, write_group, write_image

if TYPE_CHECKING:
    import os

    from napari_posterior.correction.estimate import Corrected

__all__ = ["SUFFIX", "corrections_folder", "open_corrections", "save_corrections"]

SUFFIX: Final = ".corrected.zarr"
"""How the folder of a correction is called."""

RECORD: Final = "corrected.json"
_VERSION: Final = 1
_ESTIMATES: Final = "estimates"
_MAPS: Final = ("mean", "variance")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _SitesRecord(_Record):
    positions: ArrayRecord
    probability: EstimateRecord
    found_in: tuple[int, ...]
    radius: float


class _SourceRecord(_Record):
    label: str
    path: str
    sha256: str
    samples: tuple[int, ...]


class _Corrected(_Record):
    """What corrected.json holds; `Corrections` says what each is."""

    format: Literal["napari-posterior correction"] = "napari-posterior correction"
    schema_version: int = _VERSION
    name: str
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    translate: tuple[float, ...]
    teacher: _SourceRecord
    student: _SourceRecord
    estimates: dict[str, EstimateRecord]
    bands: SpectrumRecord
    distributions: dict[str, DistributionRecord]
    sites: dict[str, _SitesRecord]


class _Version(BaseModel):
    schema_version: int = 0


def corrections_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder of corrections of this name: the ending is added where it is missing.

    Raises
    ------
    InputError
        If the name is empty.
    """
    return folder_named(path, SUFFIX, what="corrections")


def save_corrections(
    found: Corrections, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write corrections to a folder; see `Corrections.save`.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written.
    """
    folder = corrections_folder(path)
    if folder.exists() and not overwrite:
        raise OutputError(f"{folder} exists already; choose another name, or ask to overwrite it")
    if folder.exists() and not (folder / RECORD).is_file():
        raise OutputError(f"{folder} holds no corrections and is left alone; choose another name")
    part = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        _write(found, part)
        if folder.exists():
            shutil.rmtree(folder)
        part.rename(folder)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder, or "
            "free some space"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # after Ctrl-C too
    return folder


def open_corrections(path: str | os.PathLike[str]) -> Corrections:
    """Open corrections that were saved.

    Parameters
    ----------
    path : path
        Their folder; the ending ``.corrected.zarr`` may be left out.

    Returns
    -------
    Corrections
        Its ``teacher`` and ``student`` are the runs that it was made of, where they still are what
        they were; else None.

    Raises
    ------
    RunError
        If there are none, or they are damaged or from a newer version.
    """
    given = Path(path).expanduser()
    folder = given if given.exists() else corrections_folder(path)
    try:
        text = (folder / RECORD).read_text(encoding="utf-8")
    except OSError as error:
        raise RunError(
            f"{folder} holds no corrections: its {RECORD} cannot be read; give a folder "
            f"NAME{SUFFIX}"
        ) from error
    try:
        if _Version.model_validate_json(text).schema_version > _VERSION:
            raise RunError(f"{folder} was written by a newer version; update napari-posterior")
        return _read(folder, _Corrected.model_validate_json(text))
    except PosteriorError:
        raise
    except Exception as error:  # a damaged store makes its library raise anything
        what = RECORD if isinstance(error, ValidationError) else type(error).__name__
        raise RunError(
            f"{folder} is damaged and cannot be opened ({what}); copy it again, or correct the "
            "runs again"
        ) from error


def _write(found: Corrections, folder: Path) -> None:
    geometry = found.geometry
    shown = {
        "mean": found.mean,
        "sd": found.sd,
        "variance": found["variance"].value,
        "se": found.se,
        "correlation": found.correlation,
    }
    write_group(folder)
    for name, image in shown.items():
        _write_image(folder / name, image.astype(np.float32), geometry)
    (folder / _ESTIMATES).mkdir()
    write_group(folder / _ESTIMATES)
    records = {name: EstimateRecord.of(found[name]) for name in found if name not in _MAPS}
    for name in _MAPS:
        apart = _maps_of(found[name])
        (folder / _ESTIMATES / name).mkdir()
        write_group(folder / _ESTIMATES / name)
        for key, array in apart.items():
            _write_image(folder / _ESTIMATES / name / key, array, geometry)
        records[name] = EstimateRecord.of(found[name], apart=tuple(apart))
    first, second = (
        _SourceRecord(label=s.label, path=s.path, sha256=s.sha256, samples=s.samples)
        for s in found.sources
    )
    record = _Corrected(
        name=found.name,
        axes=geometry.axes,
        scale=geometry.scale,
        units=geometry.units,
        translate=geometry.translate,
        teacher=first,
        student=second,
        estimates={name: records[name] for name in found},
        bands=SpectrumRecord.of(found.bands),
        distributions={k: DistributionRecord.of(v) for k, v in found.distributions.items()},
        sites={
            name: _SitesRecord(
                positions=ArrayRecord.of(one.positions),
                probability=EstimateRecord.of(one.probability),
                found_in=tuple(map(int, one.found_in)),
                radius=one.radius,
            )
            for name, one in found.sites.items()
        },
    )
    (folder / RECORD).write_text(record.model_dump_json(indent=1), encoding="utf-8")


def _read(folder: Path, record: _Corrected) -> Corrections:
    geometry = Geometry(record.axes, record.scale, record.units, record.translate)
    estimates: dict[str, Corrected] = {}
    for name, one in record.estimates.items():
        places = sorted((folder / _ESTIMATES / name).glob("*/zarr.json")) if name in _MAPS else []
        apart = {p.parent.name: StoredImage(p.parent, geometry).read() for p in places}
        estimates[name] = one.read(apart)
    first, second = (
        Source(s.label, s.path, s.sha256, s.samples) for s in (record.teacher, record.student)
    )
    beside = folder.absolute().parent
    return Corrections(
        estimates=estimates,
        bands=record.bands.read(),
        distributions={name: one.read() for name, one in record.distributions.items()},
        sites={
            name: CorrectedSites(
                positions=one.positions.read(),
                probability=one.probability.read(),
                found_in=np.array(one.found_in, np.int64),
                radius=one.radius,
            )
            for name, one in record.sites.items()
        },
        name=record.name,
        geometry=geometry,
        sources=(first, second),
        runs=(first.find(beside), second.find(beside)),
    )


def _maps_of(found: Corrected) -> dict[str, np.ndarray]:
    """Return the arrays that have a value for each pixel."""
    shape = found.value.shape
    return {name: array for name, array in arrays_of(found).items() if array.shape == shape}


def _write_image(folder: Path, data: np.ndarray, geometry: Geometry) -> None:
    folder.mkdir()
    write_image(folder, data, geometry, name=folder.name)
