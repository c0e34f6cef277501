"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Device", "Gain", "Model", "Offset", "Out", "Overwrite", "ReadNoise", "Seed"]

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder of the run.  [default: IMAGE-SAMPLER]"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
Model = Annotated[str, typer.Option("--model", "-m", help="Name of a model, or its folder.")]
Gain = Annotated[float | None, typer.Option(help="Camera gain, ADU per e-.")]
Offset = Annotated[float | None, typer.Option(help="Camera offset, ADU.")]
ReadNoise = Annotated[float | None, typer.Option(help="Camera read noise, e-.")]
Seed = Annotated[int, typer.Option(help="Seed of the noise.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
