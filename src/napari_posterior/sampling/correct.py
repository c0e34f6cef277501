"""From a student, its teacher and a correction to the sampler that draws with both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.errors import ModelError
from napari_posterior.sampling.corrections import HandOver, Refine
from napari_posterior.sampling.guided import GuidedSampler
from napari_posterior.sampling.hand_over import HandOverSampler
from napari_posterior.sampling.refine import RefinedSampler

if TYPE_CHECKING:
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.sampling.samplers import StudentSampler, TeacherSampler

    Corrected = HandOverSampler | RefinedSampler | GuidedSampler

__all__ = ["correct"]


def correct(student: StudentSampler, teacher: TeacherSampler, correction: Correction) -> Corrected:
    """Return the sampler that draws with a student and corrects with its teacher.

    Parameters
    ----------
    student : StudentSampler
        With its own grid.
    teacher : TeacherSampler
        The reference of the same bundle: its solver and grid are those of the teacher's part.
    correction : HandOver, Refine or Guided
        What is done.

    Raises
    ------
    ModelError
        If the two are not on one path.
    InputError
        If the student cannot be corrected so.
    """
    if student.model.path != teacher.model.path:
        raise ModelError(
            f"the student {student.name!r} and its teacher have different paths; use those of one "
            "bundle"
        )
    if isinstance(correction, HandOver):
        return HandOverSampler(student, teacher, correction)
    if isinstance(correction, Refine):
        return RefinedSampler(student, teacher, correction)
    return GuidedSampler(student, teacher, correction)
