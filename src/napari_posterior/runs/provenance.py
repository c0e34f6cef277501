"""How a run came about, and the same run as a Python script."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import fields
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

import napari_posterior
from napari_posterior.physics.records import arrays_of
from napari_posterior.sampling.corrections import correction_source

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.runs.request import RestoreRequest

__all__ = ["Provenance", "collect_provenance", "to_script"]


class Provenance(BaseModel):
    """Where, when and with what a run was made.

    Parameters
    ----------
    package, python, torch, numpy : str
        Versions.
    platform : str
        Operating system and processor.
    device : str
        Name of the device that the network ran on.
    threads : int
        CPU threads that were used.
    bundle, bundle_hash, weights_hash : str
        The model, the hash of its files and the hash of its weights.
    date : str
        Start of the run, ISO 8601 in UTC.
    """

    model_config = ConfigDict(frozen=True)

    package: str
    python: str
    torch: str
    numpy: str
    platform: str
    device: str
    threads: int
    bundle: str
    bundle_hash: str
    weights_hash: str
    date: str


def collect_provenance(request: RestoreRequest, *, weights_hash: str = "") -> Provenance:
    """Note versions, machine and time; torch is asked only where it is loaded already."""
    return Provenance(
        package=napari_posterior.__version__,
        python=platform.python_version(),
        torch=_version("torch"),
        numpy=_version("numpy"),
        platform=platform.platform(),
        device=_device_name(request.device),
        threads=_threads(),
        bundle=request.model,
        bundle_hash=request.bundle_hash,
        weights_hash=weights_hash,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def to_script(request: RestoreRequest, *, run: Path | str | None = None) -> str:
    """Write a run as a Python script that makes it again.

    Parameters
    ----------
    request : RestoreRequest
        What the run was asked to do.
    run : path, optional
        The folder of the run; the script then takes the image from there instead of from the file
        that it was read from.

    Returns
    -------
    str
        Source text of the script.
    """
    record = request.image
    if run is not None:
        image = f"npo.open_run({str(run)!r}).image"
    elif record.source is not None:
        image = repr(record.source)
    else:
        image = f"...  # put the image {record.name!r} here, shape {record.shape}"
    options = {
        "model": repr(request.model),
        "sampler": repr(request.sampler),
        "steps": repr(request.steps),
        "samples": repr(request.samples),
        "seed": repr(request.seed),
        "camera": _source(request.camera, "camera", run),
        "psf": _source(request.psf, "psf", run),
        "device": repr(request.device),
        "tile": repr(request.tile),
        "batch": repr(request.batch),
    }
    if request.role == "point":
        del options["steps"]  # a point estimate has none to choose
    # said only where they differ from what restore() does by itself
    options |= {
        name: repr(value)
        for name, value, usual in (
            ("background", request.background, 0.0),
            ("blind", request.blind, False),
            ("precision", request.precision, "float32"),
        )
        if value != usual
    }
    if request.correction is not None:
        options["correction"] = correction_source(request.correction)
    lines = "".join(f"    {name}={value},\n" for name, value in options.items())
    missing = "".join(
        f"# put the {name} with the arrays of the run where ... stands below\n"
        for name in ("camera", "psf")
        if options[name] == "..."
    )
    return (
        f'"""Restore {record.name} again."""\n\n'
        "import napari_posterior as npo\n\n"
        f"{missing}# sha256 of the pixels: {record.sha256}\n"
        f"image = {image}\n"
        f"run = npo.restore(\n    image,\n{lines}"
        f"    out={record.name + '-again.posterior.zarr'!r},\n)\n"
    )


def _source(value: Camera | Psf, name: str, run: Path | str | None) -> str:
    """Python source of a camera or PSF; one with arrays is taken from the run, or left open."""
    if arrays_of(value):
        return "..." if run is None else f"npo.open_run({str(run)!r}).request.{name}"
    known = {field.name: getattr(value, field.name) for field in fields(value)}
    given = [f"{name}={entry!r}" for name, entry in known.items() if entry is not None]
    return f"npo.{type(value).__name__}({', '.join(given)})"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _device_name(device: str) -> str:
    torch = sys.modules.get("torch")
    if device.startswith("cuda") and torch is not None and torch.cuda.is_available():
        return str(torch.cuda.get_device_name(device))
    return platform.processor() or platform.machine() if device == "cpu" else device


def _threads() -> int:
    torch = sys.modules.get("torch")
    return int(torch.get_num_threads()) if torch is not None else os.cpu_count() or 1
