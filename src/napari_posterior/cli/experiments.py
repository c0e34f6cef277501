"""``napari-posterior dependence`` and ``self-calibration``: experiments that restore anew."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from napari_posterior.api import experiments
from napari_posterior.checks.experiments.sizes import (
    CALIBRATION_SAMPLES,
    DEPENDENCE_SAMPLES,
    MEASUREMENTS,
    SIMULATIONS,
)
from napari_posterior.cli.folders import free_folder
from napari_posterior.cli.options import Device, Overwrite, Seed
from napari_posterior.cli.outcome import note, reported, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.checks.experiments.experiment import ExperimentResult

__all__ = ["dependence", "run_experiment", "self_calibration", "show_progress"]

_EVERY: Final = 10.0
"""Seconds between two lines of progress."""

_Teacher = Annotated[Path, typer.Argument(metavar="TEACHER_RUN", help="Run of the teacher.")]
_Student = Annotated[
    Path, typer.Argument(metavar="STUDENT_RUN", help="Run of the student, on the same image.")
]
_OnlyCost = Annotated[bool, typer.Option("--cost", help="Say what it costs, and stop.")]
_Out = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write JSON to.")
]


@reported
def dependence(
    teacher_run: _Teacher,
    student_run: _Student,
    measurements: Annotated[
        int, typer.Option(help="How often the camera noise is drawn anew, 3 or more.")
    ] = MEASUREMENTS,
    samples: Annotated[
        int, typer.Option("--samples", "-k", help="Restorations of each by each sampler.")
    ] = DEPENDENCE_SAMPLES,
    seed: Seed = 0,
    device: Device = "auto",
    cost: _OnlyCost = False,
    out: _Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Redraw the camera noise, restore anew, and see how strongly the student follows the data.

    Says what it costs before it begins; Ctrl-C ends it.
    """
    told = experiments.estimate_cost(
        "dependence", teacher_run, student_run, repeats=measurements, samples=samples
    )
    if _stop_at_cost(told, only=cost):
        return
    _free(out, "dependence.json", overwrite=overwrite)
    found = experiments.check_dependence(
        teacher_run,
        student_run,
        measurements=measurements,
        samples=samples,
        seed=seed,
        device=device,
        on_step=show_progress(),
    )
    _tell(found, out, "dependence.json")


@reported
def self_calibration(
    teacher_run: _Teacher,
    student_run: _Student,
    simulations: Annotated[
        int, typer.Option(help="Teacher samples that are measured and restored anew, at most.")
    ] = SIMULATIONS,
    samples: Annotated[
        int, typer.Option("--samples", "-k", help="Restorations of each by each sampler.")
    ] = CALIBRATION_SAMPLES,
    statistic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Ranked on every sample; may be repeated.  [default: puncta_count]",
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    cost: _OnlyCost = False,
    out: _Out = None,
    overwrite: Overwrite = False,
) -> None:
    """Measure and restore teacher samples, and see how often intervals of the student hold them.

    Says what it costs before it begins; Ctrl-C ends it.
    """
    told = experiments.estimate_cost(
        "self_calibration", teacher_run, student_run, repeats=simulations, samples=samples
    )
    if _stop_at_cost(told, only=cost):
        return
    _free(out, "self_calibration.json", overwrite=overwrite)
    found = experiments.check_self_calibration(
        teacher_run,
        student_run,
        simulations=simulations,
        samples=samples,
        statistics=statistic or ["puncta_count"],
        seed=seed,
        device=device,
        on_step=show_progress(),
    )
    _tell(found, out, "self_calibration.json")


def run_experiment(
    name: Literal["dependence", "self_calibration"], teacher_run: Path, student_run: Path
) -> ExperimentResult:
    """Say what an experiment of the usual size costs, and do it."""
    note(experiments.estimate_cost(name, teacher_run, student_run))
    if name == "dependence":
        return experiments.check_dependence(teacher_run, student_run, on_step=show_progress())
    return experiments.check_self_calibration(teacher_run, student_run, on_step=show_progress())


def show_progress(what: str = "restorations") -> Callable[[int, int], None]:
    """Return what writes progress to the standard error stream, a line every ten seconds."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            end = "\r" if sys.stderr.isatty() else "\n"
            typer.echo(f"{done} of {total} {what}{end}", err=True, nl=False)

    return show


def _stop_at_cost(told: str, *, only: bool) -> bool:
    """Say what an experiment costs; return whether that was all that was asked for."""
    (say if only else note)(told)
    return only


def _free(out: Path | None, name: str, *, overwrite: bool) -> None:
    if out is not None:
        free_folder(out, name, overwrite=overwrite)


def _tell(found: ExperimentResult, out: Path | None, name: str) -> None:
    """Say what was found, and write it where it was asked for."""
    notes: dict[str, None] = {}
    for finding in found.findings:
        say(f"- {finding.sentence}")
        if finding.judgement is not None:
            say(f"  {finding.judgement.sentence}")
        notes |= dict.fromkeys(finding.notes)
    for sentence in notes:
        say(sentence)
    if out is None:
        return
    from napari_posterior.checks.report import write_json

    path = write_json(out / name, {"checks": [one.to_dict() for one in found.findings]})
    say(f"The numbers are in {path.absolute()}.")
