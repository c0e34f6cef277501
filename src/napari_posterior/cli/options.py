"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Background",
    "Batch",
    "CameraFile",
    "Device",
    "Gain",
    "Limits",
    "LookCounts",
    "Measured",
    "Model",
    "Offset",
    "Out",
    "Overwrite",
    "Precision",
    "PsfSigma",
    "Question",
    "ReadNoise",
    "Seed",
    "StartAnew",
    "Statistics",
    "Steps",
    "Tile",
]

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the run.  [default: IMAGE-SAMPLER]"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Name of a model, or its folder.")]
Gain = Annotated[float | None, typer.Option(help="Camera gain, ADU per e-.")]
Offset = Annotated[float | None, typer.Option(help="Camera offset, ADU.")]
ReadNoise = Annotated[float | None, typer.Option(help="Camera read noise, e-.")]
CameraFile = Annotated[
    Path | None,
    typer.Option(help="Camera file: JSON of numbers, or TIFF of gain, offset, read variance."),
]
PsfSigma = Annotated[float | None, typer.Option(help="Gaussian PSF sigma, pixels.")]
Background = Annotated[float, typer.Option(help="Camera-side constant, photoelectrons per pixel.")]
Precision = Annotated[str, typer.Option(help="float32, bfloat16, or auto.")]
Tile = Annotated[str, typer.Option(help="Side of a tile in pixels, auto or none.")]
Batch = Annotated[str, typer.Option(help="Samples drawn together, or auto.")]
Steps = Annotated[int | None, typer.Option(help="Steps, if not those of the model.")]
Seed = Annotated[int, typer.Option(help="Seed of the noise.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]

Question = Annotated[
    str | None,
    typer.Option(
        help="restoration, puncta, intensity or filaments: what is measured, and what decides."
    ),
]
Limits = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="NAME=LIMIT",
        help="As puncta_count=20%, mean=0.3 or variance=0.8..1.25; may be repeated.",
    ),
]
Measured = Annotated[
    list[str] | None,
    typer.Option(
        "--statistic",
        metavar="NAME",
        help="Computed on every sample; may be repeated.  [default: those of the question]",
    ),
]
LookCounts = Annotated[
    str | None,
    typer.Option(
        "--looks",
        metavar="K,K,...",
        help="Samples at which it decides.  [default: 16,32,64,128,256]",
    ),
]
StartAnew = Annotated[
    bool,
    typer.Option("--overwrite", help="Begin anew; looks taken before are then not paid for."),
]
Statistics = Annotated[
    list[str] | None,
    typer.Option(
        "--statistic",
        metavar="NAME",
        help="Computed on every sample, as puncta; may be repeated.",
    ),
]
