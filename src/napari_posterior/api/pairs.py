"""Two runs that are compared."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.runs.run import Run

    Given = Run | str | os.PathLike[str]

__all__ = ["open_pair"]


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
    from napari_posterior.api import open_run
    from napari_posterior.checks.source import check_comparable

    teacher, student = (
        open_run(run) if isinstance(run, str | os.PathLike) else run
        for run in (teacher_run, student_run)
    )
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
