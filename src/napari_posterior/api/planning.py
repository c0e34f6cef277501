"""How many teacher and student samples a correction needs, said before any is drawn."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.card import ModelCard
    from napari_posterior.correction.allocation import Plan
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.pilot import Pilot

    Model = str | os.PathLike[str] | Bundle | ModelCard

__all__ = ["choose_student", "plan_correction"]

_LONG: Final = 100
"""Teacher samples' worth of time: whole numbers then hardly matter, nor does the size of a run."""


def plan_correction(
    model: Model,
    student: str,
    *,
    steps: int | None = None,
    seconds: float | None = None,
    se: float | None = None,
    costs: Costs,
    pilot: Pilot | None = None,
    drawn: int = 0,
) -> Plan:
    """Choose how many pairs and students to draw for the teacher's mean.

    Parameters
    ----------
    model : str, path, Bundle or ModelCard
        Whose card tells how closely the student follows its teacher.
    student : str
        Name of the student.
    steps : int, optional
        Its steps; by default those that the model states. Of a card alone they can be left out
        only where it has figures of one number of steps.
    seconds, se : float
        One of them: the time to spend, or the standard error wanted, root mean square over the
        image.
    costs : Costs
        Seconds that one sample of each takes on this image and device.
    pilot : Pilot, optional
        Measured on the image itself; the pairs that it saw are then not used again. By default
        the figures of the card.
    drawn : int
        Pairs of a pilot that the runs hold already and that are not used again.

    Returns
    -------
    Plan
        Errors in the unit of the pilot: of the card, in standard deviations of a teacher's
        sample. ``plan.refusal`` says in one sentence why nothing should be corrected; it is empty
        where correcting is worth its time. `napari_posterior.correction.telling.tell_plan` puts
        the plan in sentences.

    Raises
    ------
    InputError
        If the model has no such student, its card tells nothing of it, not exactly one goal is
        given, or the time is too short for 8 pairs and 8 students.
    ModelError
        If the model is unknown or damaged.
    """
    from napari_posterior.correction.allocation import allocate
    from napari_posterior.runs.request import MAX_SAMPLES

    expected = pilot or _expect(model, student, steps)
    return allocate(expected, costs, seconds=seconds, se=se, most=MAX_SAMPLES - drawn)


def choose_student(bundle: Bundle, *, steps: int | None = None) -> tuple[str, int]:
    """Return the student, and its steps, that promises most by the card of its model.

    Parameters
    ----------
    bundle : Bundle
        The model.
    steps : int, optional
        Only students with so many steps.

    Returns
    -------
    tuple of str and int
        Of the least product of variance and network calls, at the best numbers of samples.

    Raises
    ------
    InputError
        If the card tells of no student, or none is worth its calls.
    """
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.expected import measured_steps

    calls = float(bundle.info("teacher").nfe)
    best: tuple[float, str, int] | None = None
    for name in bundle.card.students:
        for count in measured_steps(bundle.card, name):
            if steps not in (None, count):
                continue
            costs = Costs(student=bundle.info(name, steps=count).nfe, teacher=calls)
            plan = plan_correction(
                bundle.card, name, steps=count, seconds=_LONG * calls, costs=costs
            )
            if not plan.refusal and (best is None or plan.speed_up > best[0]):
                best = plan.speed_up, name, count
    if best is None:
        raise InputError(
            f"the card of {bundle.card.name} tells of no student that is worth correcting"
            f"{'' if steps is None else f' with {steps} steps'}; name one to have it tried"
        )
    return best[1:]


def _expect(model: Model, student: str, steps: int | None) -> Pilot:
    """Return the figures of the card.

    Raises
    ------
    InputError
        If it has none.
    """
    from napari_posterior.bundles.card import ModelCard
    from napari_posterior.correction.expected import expected_pilot, measured_steps

    if not isinstance(model, ModelCard):
        model, steps = _read(model, student, steps)
    if student not in model.students:
        known = ", ".join(model.students) or "none"
        raise InputError(f"{model.name} has no student {student!r}; its students: {known}")
    found = expected_pilot(model, student, steps)
    if found is not None:
        return found
    counts = measured_steps(model, student)
    if steps is None and counts:
        told = " or ".join(map(str, counts))
        raise InputError(f"the card of {model.name} knows {student!r} with {told} steps; say which")
    raise InputError(
        f"the card of {model.name} does not tell how closely {student!r} follows its teacher"
        f"{'' if steps is None else f' in {steps} steps'}; draw 8 pairs and give them as a pilot"
    )


def _read(
    model: str | os.PathLike[str] | Bundle, student: str, steps: int | None
) -> tuple[ModelCard, int | None]:
    """Return the card of a model, and the steps of its student where none were asked for."""
    from napari_posterior.api import load_model

    bundle = load_model(model) if isinstance(model, str | os.PathLike) else model
    if steps is None and student in bundle.card.students:
        steps = bundle.info(student).steps
    return bundle.card, steps
