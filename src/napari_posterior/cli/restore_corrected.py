"""``napari-posterior restore-corrected``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_posterior.cli.correct import tell_corrections
from napari_posterior.cli.lines import Lines
from napari_posterior.cli.options import (
    Background,
    Batch,
    CameraFile,
    Device,
    Gain,
    Model,
    Offset,
    Overwrite,
    Precision,
    PsfSigma,
    ReadNoise,
    Seed,
    Statistics,
    Steps,
    Tile,
)
from napari_posterior.cli.outcome import INTERRUPTED, note, reported, say
from napari_posterior.cli.restore import given_camera, whole_number

if TYPE_CHECKING:
    from napari_posterior.correction.allocation import Plan

__all__ = ["restore_corrected"]


@reported
def restore_corrected(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="TIFF, NPY, PNG or JPEG file, grey levels.")
    ],
    model: Model = "fluo2d",
    student: Annotated[
        str | None, typer.Option(help="Name of a student.  [default: the best by the card]")
    ] = None,
    steps: Steps = None,
    seconds: Annotated[float | None, typer.Option(help="Time to spend on drawing, s.")] = None,
    se: Annotated[
        float | None,
        typer.Option("--se", help="Or the standard error wanted of the mean, e- per pixel."),
    ] = None,
    statistic: Statistics = None,
    pilot: Annotated[
        int | None,
        typer.Option(help="Pairs that choose the numbers and are left out, not the card."),
    ] = None,
    seed: Seed = 0,
    camera: CameraFile = None,
    gain: Gain = None,
    offset: Offset = None,
    read_noise: ReadNoise = None,
    psf_sigma: PsfSigma = None,
    background: Background = 0.0,
    device: Device = "auto",
    precision: Precision = "float32",
    tile: Tile = "auto",
    batch: Batch = "auto",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Name of both runs and the result.  [default: IMAGE]"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Estimate the teacher's mean and uncertainty of IMAGE in a given time.

    Many samples of a student, corrected by few of the teacher on the same noise. The plan is said
    first. Writes NAME-teacher.posterior.zarr, NAME-STUDENT.posterior.zarr, NAME.corrected.zarr.
    """
    from napari_posterior import api
    from napari_posterior.api.restoring_corrected import (
        CorrectionStoppedError,
        restore_corrected,
    )
    from napari_posterior.api.saved_corrections import corrections_folder
    from napari_posterior.physics.psf import Psf

    name = out or Path(Path(image).name.split(".")[0])
    try:
        found = restore_corrected(
            image,
            model=api.load_model(model),
            student=student,
            steps=steps,
            seconds=seconds,
            se=se,
            statistics=statistic or (),
            pilot=pilot,
            seed=seed,
            camera=given_camera(camera, gain, offset, read_noise),
            psf=None if psf_sigma is None else Psf(psf_sigma),
            background=background,
            device=device,
            precision=precision,
            tile=None if tile == "none" else whole_number(tile, "--tile", "auto or none"),
            batch=whole_number(batch, "--batch", "auto"),
            out=name,
            overwrite=overwrite,
            on_plan=_tell_plan,
            on_event=Lines("samples"),
        )
    except CorrectionStoppedError as error:
        note(f"napari-posterior: {error}")
        raise typer.Exit(INTERRUPTED) from error
    tell_corrections(found)
    say(f"The corrections are in {corrections_folder(name).absolute()}.")


def _tell_plan(plan: Plan, unit: str) -> None:
    """Write what teacher, student and correction promise, before the bulk is drawn."""
    from napari_posterior.correction.telling import tell_plan

    for sentence in tell_plan(plan, unit=unit):
        say(sentence)
