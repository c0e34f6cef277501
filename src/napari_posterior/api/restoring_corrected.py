"""Draw what a correction needs, in a time or up to an error, and correct it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.api.growing_runs import (
    CorrectionStoppedError,
    GrowingRuns,
    NotWorthCorrectingError,
)
from napari_posterior.correction.allocation import LEAST_SQUARE
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_posterior.api.corrections import Corrections
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.correction.allocation import Plan
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.pilot import Pilot
    from napari_posterior.physics.camera import Camera
    from napari_posterior.physics.psf import Psf
    from napari_posterior.runs.cancel import CancelToken
    from napari_posterior.runs.events import Event
    from napari_posterior.statistics import Statistic

    Told = Callable[[Plan, str], None]

__all__ = ["CorrectionStoppedError", "NotWorthCorrectingError", "restore_corrected"]

_FIRST: Final = 8
"""Pairs after which the correlation is looked at, and those of a pilot."""
_LEAST_PILOT: Final = 4
_COUNTED: Final = 0.8
"""Correlation of counts with their teacher's, as `benchmarks/corrections.py` finds it."""
_LEFT: Final = 0.75  # of the time: with less spent, the plan is made again at the pace seen since


def restore_corrected(
    image: Any,
    *,
    model: str | os.PathLike[str] | Bundle = "fluo2d",
    student: str | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    se: float | None = None,
    statistics: Sequence[str | Statistic] = (),
    pilot: int | None = None,
    seed: int = 0,
    camera: Camera | None = None,
    psf: Psf | None = None,
    background: float = 0.0,
    device: str = "auto",
    precision: str = "float32",
    tile: int | str | None = "auto",
    batch: int | str = "auto",
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    level: float = 0.95,
    progress: bool = True,
    on_plan: Told | None = None,
    on_event: Callable[[Event], None] | None = None,
    token: CancelToken | None = None,
) -> Corrections:
    """Estimate the teacher's mean, uncertainty and statistics of an image in a given time.

    Many samples of a student are corrected by few pairs, samples of the teacher on the same noise.
    How many of each is planned from what the model's card says of the student, so that every pair
    counts. Where it says nothing, or a standard error in photoelectrons is asked for, 8 pairs are
    drawn first as a pilot and left out of the estimates.

    Parameters
    ----------
    image, camera, psf, background, device, precision, tile, batch, seed
        As in `restore`.
    model : str, path or Bundle
        As in `restore`.
    student : str, optional
        Name of a student; by default the one, with its steps, that promises most by the card.
    steps : int, optional
        Steps of the student, if not those of the model.
    seconds, se : float
        One of them: the time to spend on drawing, or the standard error wanted of the mean, root
        mean square over the image, in photoelectrons per pixel.
    statistics : sequence of str or Statistic
        As in `correct`. Counts follow the teacher less closely than pixels: where some are asked
        for, the time goes to more pairs and fewer students, as a correlation of 0.8 wants it.
    pilot : int, optional
        Pairs, 4 or more, that choose the numbers on this image and are left out, instead of the
        figures of the card.
    out : path, optional
        Name of the results: ``NAME-teacher.posterior.zarr``, ``NAME-STUDENT.posterior.zarr`` and
        ``NAME.corrected.zarr`` are written. By default the runs are temporary and nothing is kept
        but what is returned.
    overwrite : bool
        Replace what is there of these.
    level : float
        Confidence level of the intervals.
    progress : bool
        Show a progress bar where the standard error stream is a terminal.
    on_plan : callable, optional
        Gets the plan and the unit of its errors before the bulk is drawn.
    on_event : callable, optional
        Gets every event of every part of both runs, in this thread; a warning comes once.
    token : CancelToken, optional
        Cancels from another thread.

    Returns
    -------
    Corrections
        With the runs, ``corrections.teacher`` and ``corrections.student``.

    Raises
    ------
    InputError
        If the image or a number cannot be used, or the time is too short for 8 pairs and 8
        students.
    ModelError
        If the model or student is unknown or damaged.
    NotWorthCorrectingError
        If the student follows the teacher too loosely, by the card or in the first 8 pairs
        (squared correlation below 0.3), or the teacher alone is as exact; the runs are kept.
    CorrectionStoppedError
        If it was cancelled; the runs are kept.
    OutputError, RunError
        As in `restore`.

    Notes
    -----
    What is looked at before the numbers are settled is the time of samples and the correlation,
    never an estimate; samples that were timed count like all others.
    """
    from napari_posterior.api import load_model
    from napari_posterior.api.correcting import correct
    from napari_posterior.api.planning import choose_student
    from napari_posterior.image import as_image

    if (seconds is None) == (se is None):
        raise InputError("give either seconds, the time to spend, or se, the standard error wanted")
    if pilot is not None and pilot < _LEAST_PILOT:
        raise InputError(
            f"a pilot has {_LEAST_PILOT} pairs or more, not {pilot}; give for instance 8"
        )
    bundle = load_model(model) if isinstance(model, str | os.PathLike) else model
    if student is None:
        student, steps = choose_student(bundle, steps=steps)
    drawing = GrowingRuns(
        as_image(image),
        bundle,
        student,
        steps,
        None if out is None else Path(out).expanduser(),
        overwrite,
        {
            "seed": seed,
            "camera": camera,
            "psf": psf,
            "background": background,
            "device": device,
            "precision": precision,
            "tile": tile,
            "batch": batch,
            "progress": progress,
            "token": token,
        },
        on_event,
    )
    drawing.check_out()
    left_out = _draw(
        drawing,
        seconds=seconds,
        se=se,
        pilot=pilot,
        counting=seconds is not None and len(statistics) > 0,
        on_plan=on_plan,
    )
    found = correct(drawing.teacher, drawing.student, statistics, pilot=left_out, level=level)
    if out is not None:
        found.save(Path(out).expanduser(), overwrite=overwrite)
    return found


def _draw(
    drawing: GrowingRuns,
    *,
    seconds: float | None,
    se: float | None,
    pilot: int | None,
    counting: bool,
    on_plan: Told | None,
) -> int:
    """Draw both runs as large as planned, for counts or the mean; return the pairs of a pilot."""
    from napari_posterior.api.planning import plan_correction
    from napari_posterior.correction.expected import expected_pilot

    known = expected_pilot(drawing.bundle.card, drawing.name, drawing.steps)
    by_card = pilot is None and se is None and known is not None
    left_out = 0 if by_card else pilot or _FIRST

    def time_for(costs: Costs) -> float | None:
        """Return the time that a pilot leaves."""
        if seconds is None:
            return None
        left = seconds - left_out * (costs.teacher + costs.student)
        if left <= 0:
            raise InputError(
                f"{seconds:g} s are too short for a pilot of {left_out} pairs; give more time or a "
                "smaller region"
            )
        return left

    def plan(costs: Costs, seen: Pilot) -> Plan:
        return plan_correction(
            drawing.bundle,
            drawing.name,
            steps=drawing.steps,
            seconds=time_for(costs),
            se=se,
            costs=costs,
            pilot=seen,
            drawn=left_out,
        )

    costs = drawing.time_both()
    time_for(costs)
    if by_card and known is not None:
        drawing.refuse(plan(costs, known))  # before more is spent
    drawing.draw(teachers=left_out or _FIRST, students=left_out or _FIRST)
    seen = drawing.measure(left_out or _FIRST)
    pairs = left_out or _FIRST
    if max(seen.r, 0.0) ** 2 < LEAST_SQUARE:
        raise NotWorthCorrectingError(
            f"in the first {pairs} pairs on this image the student {drawing.name!r} follows the "
            f"teacher too loosely to correct anything (correlation {seen.r:.2f}, "
            f"{LEAST_SQUARE**0.5:.2f} is needed); draw from the teacher alone, or take another "
            f"student{drawing.kept}",
            drawing.teacher,
            drawing.student,
        )
    used = known if by_card and known is not None else seen
    planned = plan(costs, used)
    drawing.refuse(planned)
    unit = "sd of a sample" if by_card else "e-"
    looser = used.at_most(_COUNTED)
    if counting and by_card and not plan(costs, looser).refusal:
        used, planned, unit = looser, plan(costs, looser), "sd of a count"
    if on_plan is not None:
        on_plan(planned, unit)
    drawing.draw_plan(planned, left_out)
    if seconds is not None and drawing.seconds < _LEFT * seconds:
        # larger batches are faster than the few samples that were timed
        drawing.draw_plan(plan(drawing.pace(), used), left_out)
    return left_out
