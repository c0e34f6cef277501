"""What a correction takes from those who type: two runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_posterior.errors import InputError
from napari_posterior.widgets.console import find_run

if TYPE_CHECKING:
    from napari_posterior.session.controller import Controller
    from napari_posterior.session.correct_job import CorrectJob

__all__ = ["correct_runs"]


def correct_runs(controller: Controller, teacher: Any, student: Any, statistics: Any) -> CorrectJob:
    """Ask for a corrected estimate of two runs; None stands for the one that is compared.

    Raises
    ------
    InputError
        If one is missing, or they cannot be corrected.
    RunError
        If a correction is going on, or the session is closed.
    """
    chosen = controller.state.compare
    given = ((teacher, chosen.teacher), (student, chosen.student))
    first, second = (now if one is None else find_run(controller, one) for one, now in given)
    if first is None or second is None:
        raise InputError("there are no two runs to correct; draw a teacher and a student first")
    wanted = (statistics,) if isinstance(statistics, str) else statistics
    return controller.correcting.start(first, second, statistics=wanted)
