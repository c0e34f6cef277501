"""``napari-posterior compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior import api
from napari_posterior.checks import write_report
from napari_posterior.cli.outcome import note, say
from napari_posterior.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.checks import Report

__all__ = ["free_folder", "run_compare", "tell_findings"]


def run_compare(
    teacher_run: Path,
    student_run: Path,
    *,
    statistics: list[str],
    out: Path,
    truth: Path | None,
    level: float,
    overwrite: bool,
) -> None:
    """Compare two runs on disk and write the report.

    Raises
    ------
    PosteriorError
        As `napari_posterior.compare` does; `OutputError` also if a report is there already.
    """
    free_folder(out, "report.json", overwrite=overwrite)
    report = api.compare(teacher_run, student_run, statistics=statistics, truth=truth, level=level)
    page = write_report(report, out)
    tell_findings(report)
    say(f"The report is {page.absolute()}; open it in a browser.")


def tell_findings(report: Report) -> None:
    """Write every finding as a sentence, and the warnings to the standard error stream.

    What is known of the teacher's solver follows once: it is part of every finding.
    """
    for warning in report.warnings:
        note(f"note: {warning}")
    for finding in report.findings:
        say(f"- {finding.sentence}")
    say(report.solver.sentence)


def free_folder(folder: Path, holds: str, *, overwrite: bool) -> None:
    """Make a folder to write to before time is spent on what goes into it.

    Parameters
    ----------
    folder : Path
        Made with its parents.
    holds : str
        The file that may be overwritten only if that is asked for.
    overwrite : bool
        Whether it is.

    Raises
    ------
    OutputError
        If the file is there and may not be overwritten, or the folder cannot be made.
    """
    if (folder / holds).exists() and not overwrite:
        raise OutputError(f"{folder / holds} exists; choose another --out, or add --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"{folder} is a file; choose another --out") from error
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror or error}); choose another --out"
        ) from error
