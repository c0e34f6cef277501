"""The correction of a student that is chosen in a window: what it draws, and why it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.errors import PosteriorError
from napari_posterior.sampling.corrections import Guided
from napari_posterior.sampling.path import get_path
from napari_posterior.sampling.variance_loss import predicted_variance_loss
from napari_posterior.session.submission import chosen_steps, correction_for, student_of

if TYPE_CHECKING:
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.session.choices import ModelChoice, SamplerChoice
    from napari_posterior.session.models import RestoreState

__all__ = ["correction_words", "info_of", "problem_of_correction"]


def info_of(restore: RestoreState, sampler: SamplerChoice) -> SamplerInfo:
    """Say what a sampler is as it would be drawn now: its steps, and its correction if any.

    Raises
    ------
    InputError
        If it cannot take the steps, or be corrected so.
    """
    steps, correction = chosen_steps(restore, sampler), correction_for(restore, sampler)
    return sampler.info(steps, correction=correction)


def problem_of_correction(restore: RestoreState, model: ModelChoice | None) -> str:
    """Say why the student that is chosen cannot be corrected so; empty if it can or is not."""
    student = _student(restore, model)
    if restore.correction is None or student is None:
        return ""
    try:
        info_of(restore, student)
    except PosteriorError as error:
        return str(error)
    return ""


def correction_words(restore: RestoreState, model: ModelChoice | None) -> tuple[str, ...]:
    """Say what is drawn with the correction that is chosen, a sentence each, before it is drawn.

    Of a guidance by means also the variance that it is expected to take, for a posterior that is
    as wide as the model expects it to be. Nothing where there is no correction, or it cannot be.
    """
    correction, student = restore.correction, _student(restore, model)
    if correction is None or student is None or model is None:
        return ()
    if problem_of_correction(restore, model):
        return ()
    told = [correction.meaning]
    if isinstance(correction, Guided) and not correction.draws and model.card is not None:
        info = info_of(restore, student)
        loss = predicted_variance_loss(
            correction, get_path(model.card.path), 1.0, grid=info.grid, renoised=info.renoised
        )
        told.append(loss.sentence)
    return tuple(told)


def _student(restore: RestoreState, model: ModelChoice | None) -> SamplerChoice | None:
    name = None if model is None else student_of(restore, model)
    return None if model is None or name is None else model.sampler(name)
