"""``napari-posterior compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_posterior import api
from napari_posterior.cli.experiments import run_experiment
from napari_posterior.cli.folders import free_folder
from napari_posterior.cli.options import Limits, LookCounts, Measured, Question, StartAnew
from napari_posterior.cli.outcome import note, reported, say
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks import Report

__all__ = ["compare", "read_looks", "read_regions", "read_tolerances", "tell_findings"]


@reported
def compare(
    teacher_run: Annotated[Path, typer.Argument(metavar="TEACHER_RUN", help="Run of the teacher.")],
    student_run: Annotated[
        Path,
        typer.Argument(metavar="STUDENT_RUN", help="Run of the student, on the same image."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the comparison; again is a look.")
    ] = Path("report"),
    question: Question = None,
    tolerance: Limits = None,
    statistic: Measured = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Where it is also computed: a mask, labels, or shapes that napari saved as CSV; "
            "may be repeated.",
        ),
    ] = None,
    looks: LookCounts = None,
    truth: Annotated[
        Path | None, typer.Option(help="Image of the known object, in photoelectrons per pixel.")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="A better image of the field, where the object is not known."),
    ] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Charts as PDF too; needs matplotlib (extra figures).")
    ] = False,
    with_dependence: Annotated[
        bool,
        typer.Option("--dependence", help="Also restore redrawn measurements; the cost is said."),
    ] = False,
    with_self_calibration: Annotated[
        bool,
        typer.Option("--self-calibration", help="Also restore measured samples; the cost is said."),
    ] = False,
    overwrite: StartAnew = False,
) -> None:
    """Say what a student run keeps of a teacher run, with a verdict on each question.

    The folder keeps the tolerances and every look: set tolerances before the first, and call again
    when there are more samples.
    """
    limits = read_tolerances(tolerance or [], question=question)
    regions = read_regions(region or [])
    kept = (out / "plan.json").exists()
    free_folder(out, "report.json", overwrite=overwrite or kept)
    found = []
    if with_dependence:
        found.append(run_experiment("dependence", teacher_run, student_run))
    if with_self_calibration:
        found.append(run_experiment("self_calibration", teacher_run, student_run))
    report = api.compare(
        teacher_run,
        student_run,
        statistics=statistic or None,
        truth=truth,
        reference=reference,
        tolerances=limits,
        looks=None if looks is None else read_looks(looks),
        experiments=found,
        out=out,
        overwrite=overwrite,
        regions=regions or None,
    )
    if pdf:
        from napari_posterior.checks import write_report

        write_report(report, out, formats=("png", "svg", "pdf"))
    tell_findings(report)
    say(f"The report is {(out / 'report.html').absolute()}; open it in a browser.")


def read_tolerances(given: list[str], *, question: str | None = None) -> dict[str, Any] | None:
    """Read tolerances as they are written on the command line; None where there are none.

    Parameters
    ----------
    given : list of str
        ``"NAME=LIMIT"``: a number, two as ``0.8..1.25`` of which one may be left out, ``20%`` of
        the teacher's mean, or ``0.5sd``.
    question : str, optional
        What they go with.

    Raises
    ------
    InputError
        If there is no name or no limit.
    """
    found: dict[str, Any] = {}
    for entry in given:
        # from the right: parameters of a statistic are written with = too
        name, equals, limit = (part.strip() for part in entry.rpartition("="))
        if not (name and equals and limit):
            raise InputError(
                f"--tolerance {entry!r} is no NAME=LIMIT; give one as variance=0.8..1.25"
            )
        ends = limit.split("..")
        try:
            numbers = [float(end) if end else None for end in ends]
        except ValueError:
            found[name] = limit
        else:
            found[name] = numbers[0] if len(numbers) == 1 else tuple(numbers)
    if question is not None:
        found["question"] = question
    return found or None


def read_regions(given: list[str]) -> dict[str, Path]:
    """Read regions as they are written on the command line, ``"NAME=FILE"``.

    Raises
    ------
    InputError
        If there is no name, no file, or one name twice.
    """
    found: dict[str, Path] = {}
    for entry in given:
        name, equals, file = (part.strip() for part in entry.partition("="))
        if not (name and equals and file):
            raise InputError(f"--region {entry!r} is no NAME=FILE; give one as cell=cell.tif")
        if name in found:
            raise InputError(f"two regions are called {name!r}; give each a name of its own")
        found[name] = Path(file)
    return found


def read_looks(given: str) -> tuple[int, ...]:
    """Read numbers of samples, as ``"16,32,64"``.

    Raises
    ------
    InputError
        If they are no whole numbers.
    """
    try:
        return tuple(int(part) for part in given.split(","))
    except ValueError as error:
        raise InputError(f"--looks {given!r} are no numbers of samples; give 16,32,64") from error


def tell_findings(report: Report) -> None:
    """Write verdicts and findings as sentences, and the warnings to the standard error stream.

    Why the reference is questionable comes first; the overall verdict comes last. What is known of
    the teacher's solver follows once: it is part of every finding.
    """
    for warning in report.warnings:
        note(f"note: {warning}")
    for doubt in report.overall.questionable:
        say(f"The reference itself is questionable: {doubt}")
    for finding in report.findings:
        say(f"- {finding.sentence}")
        if finding.judgement is not None:
            mark = " (Post hoc limit.)" if finding.judgement.origin == "post hoc" else ""
            say(f"  {finding.judgement.sentence}{mark}")
    say(report.solver.sentence)
    say(report.overall.headline)
    say(report.footer)
