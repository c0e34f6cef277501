"""``napari-posterior compare-images``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_posterior import api
from napari_posterior.api.pairs import find_pairs
from napari_posterior.cli.compare import read_looks, read_tolerances
from napari_posterior.cli.experiments import show_progress
from napari_posterior.cli.folders import free_folder
from napari_posterior.cli.options import Limits, LookCounts, Measured, Question, StartAnew
from napari_posterior.cli.outcome import note, reported, say

if TYPE_CHECKING:
    from napari_posterior.checks.images.many_report import ManyReport

__all__ = ["compare_images"]


@reported
def compare_images(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Runs of teacher and student, or folders of them; paired by their image.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of all comparisons; again is a look.")
    ] = Path("images"),
    student: Annotated[
        str | None,
        typer.Option(metavar="SAMPLER", help="Which student, where there are runs of several."),
    ] = None,
    question: Question = None,
    tolerance: Limits = None,
    statistic: Measured = None,
    looks: LookCounts = None,
    overwrite: StartAnew = False,
) -> None:
    """Say what a student keeps of its teacher on images like these; the image is the unit.

    Five images or more are needed for a verdict on the next one. The folder keeps the comparison
    of each image, with its tolerances and looks.
    """
    limits = read_tolerances(tolerance or [], question=question)
    counts = None if looks is None else read_looks(looks)
    pairs = find_pairs(runs, student=student)
    kept = any(out.glob("*/plan.json"))
    free_folder(out, "images.json", overwrite=overwrite or kept)
    found = api.compare_images(
        pairs,
        statistics=statistic or None,
        tolerances=limits,
        looks=counts,
        out=out,
        overwrite=overwrite,
        on_step=show_progress("images compared"),
    )
    _tell(found)
    say(f"The numbers are in {(out / 'images.json').absolute()} and images.csv beside it.")


def _tell(found: ManyReport) -> None:
    """Write what was found over all images, what each gave, and the verdict last."""
    for sentence in found.notes:
        note(f"note: {sentence}")
    for finding in found.findings:
        say(f"- {finding.sentence}")
        mark = " (Post hoc limit.)" if finding.post_hoc else ""
        say(f"  {finding.verdict_sentence}{mark}")
        told = "; ".join(f"{one.image}: {one.finding.verdict}" for one in finding.images)
        say(f"  {told}.")
    say(found.headline)
    say(found.footer)
