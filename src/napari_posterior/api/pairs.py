"""Two runs that are compared, and finding those that belong together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.runs.run import Run

    Given = Run | str | os.PathLike[str]

__all__ = ["find_pairs", "open_given", "open_pair"]

_RUNS: Final = "*.posterior.zarr"


def open_given(run: Given) -> Run:
    """Open a run that is given by its path, and return one that is open already.

    Raises
    ------
    RunError
        If it cannot be opened.
    """
    from napari_posterior.api import open_run

    return open_run(run) if isinstance(run, str | os.PathLike) else run


def open_pair(teacher_run: Given, student_run: Given) -> tuple[Run, Run]:
    """Open two runs, and refuse those that cannot be teacher and student of one comparison.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Two runs of one image.

    Raises
    ------
    InputError
        If one is a point estimate, the first is not of a teacher, or they differ in what they have
        to share; see `check_comparable`.
    RunError
        If one cannot be opened.
    """
    from napari_posterior.checks.source import check_comparable

    teacher, student = open_given(teacher_run), open_given(student_run)
    for run in (teacher, student):
        if run.role == "point":
            raise InputError(
                f"the run of {run.request.sampler!r} is a point estimate: one image, not a draw; "
                "give runs of the teacher and of a student"
            )
    if teacher.role != "teacher":
        raise InputError(
            f"the first run is of the {teacher.role} {teacher.request.sampler!r}; give the run of "
            "the teacher first"
        )
    check_comparable(teacher, student)
    return teacher, student


def find_pairs(
    places: Sequence[str | os.PathLike[str]], *, student: str | None = None
) -> list[tuple[Run, Run]]:
    """Find teacher and student runs, and pair those of one image.

    Parameters
    ----------
    places : sequence of path
        Runs, in any order, and folders that hold runs, ``NAME.posterior.zarr``, themselves or one
        folder down. Point estimates are passed over.
    student : str, optional
        The sampler of the student, where there are runs of several.

    Returns
    -------
    list of tuple of Run
        Teacher and student of each image, in the order of the teachers.

    Raises
    ------
    InputError
        If an image has no teacher, no student or several, or a folder holds no run.
    RunError
        If a run cannot be opened.
    """
    teachers: dict[tuple[object, ...], Run] = {}
    students: dict[tuple[object, ...], Run] = {}
    for run in (run for place in places for run in _runs_in(Path(place).expanduser())):
        if run.role == "point":
            continue
        if run.role == "student" and student not in (None, run.request.sampler):
            continue
        image = run.request.image
        key: tuple[object, ...] = (image.sha256, image.shape, image.translate)
        found = teachers if run.role == "teacher" else students
        if key in found:
            hint = ", or name the student" if run.role == "student" else ""
            raise InputError(
                f"{image.name} has two {run.role} runs, {found[key].path.name} and "
                f"{run.path.name}; give one of each image{hint}"
            )
        found[key] = run
    for mine, theirs, words in ((teachers, students, "student"), (students, teachers, "teacher")):
        alone = next((run for image, run in mine.items() if image not in theirs), None)
        if alone is not None:
            raise InputError(
                f"{alone.path.name} has no {words} run on the same image; give that too, or leave "
                "it out"
            )
    if not teachers:
        raise InputError("there are no runs of a teacher and a student; name those to compare")
    return [(teacher, students[key]) for key, teacher in teachers.items()]


def _runs_in(place: Path) -> list[Run]:
    """Open a run, or those in a folder, by name."""
    from napari_posterior.api import open_run

    found = (
        [] if place.suffix == ".zarr" else sorted([*place.glob(_RUNS), *place.glob(f"*/{_RUNS}")])
    )
    return [open_run(one) for one in found or [place]]
