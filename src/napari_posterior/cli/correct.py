"""``napari-posterior correct``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_posterior.cli.options import Overwrite, Statistics
from napari_posterior.cli.outcome import reported, say
from napari_posterior.errors import OutputError

if TYPE_CHECKING:
    from napari_posterior.api.corrections import Corrections

__all__ = ["correct", "tell_corrections"]


@reported
def correct(
    teacher_run: Annotated[Path, typer.Argument(metavar="TEACHER_RUN", help="Run of the teacher.")],
    student_run: Annotated[
        Path,
        typer.Argument(
            metavar="STUDENT_RUN",
            help="Run of the student, on the same image and seed, with more samples.",
        ),
    ],
    statistic: Statistics = None,
    pilot: Annotated[
        int, typer.Option(help="First pairs to leave out, because they chose the numbers.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write, NAME.corrected.zarr.  [default: none]"),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Estimate the teacher's mean, variance and statistics from two runs, without bias.

    Samples of one number in both runs start from the same noise and are pairs; what the student
    has more of makes the estimates exact.
    """
    from napari_posterior.api.correcting import correct as correct_runs
    from napari_posterior.api.saved_corrections import corrections_folder

    if out is not None and (folder := corrections_folder(out)).exists() and not overwrite:
        raise OutputError(f"{folder} exists; choose another --out, or add --overwrite")
    found = correct_runs(teacher_run, student_run, statistic or (), pilot=pilot)
    tell_corrections(found)
    if out is not None:
        say(f"The corrections are in {found.save(out, overwrite=overwrite)}.")


def tell_corrections(found: Corrections) -> None:
    """Write the sentences of corrections, a line each."""
    for sentence in found.told():
        say(sentence)
