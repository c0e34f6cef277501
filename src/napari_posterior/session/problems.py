"""What keeps a run or a comparison from starting, in one clear sentence each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_posterior.errors import PosteriorError
from napari_posterior.runs.request import check_samples
from napari_posterior.session.correction_choice import info_of
from napari_posterior.session.progress import ENDED
from napari_posterior.session.psf_choice import as_psf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_posterior.session.choices import ModelChoice
    from napari_posterior.session.models import CompareState, RestoreState

__all__ = ["find_model", "problem_of_pair", "problems_of", "sentence_of"]

_MOST_SEEDS = 2**64


def find_model(state: RestoreState) -> ModelChoice | None:
    """Return the model that is chosen; None where there is none of that name."""
    return next((one for one in state.models if one.name == state.model), None)


def problems_of(state: RestoreState) -> tuple[str, ...]:
    """Say what keeps a run from starting."""
    return tuple(map(sentence_of, _problems(state)))


def problem_of_pair(state: CompareState) -> str:
    """Say what keeps a comparison from starting; empty if nothing does."""
    from napari_posterior.checks.source import MIN_SAMPLES

    teacher, student = state.teacher, state.student
    if teacher is None or student is None:
        missing = [
            word
            for word, entry in (("the teacher", teacher), ("a student", student))
            if entry is None
        ]
        return f"Choose a run of {' and one of '.join(missing)}."
    if teacher.role != "teacher":
        return f"{teacher.title} is not a run of the teacher; choose one that is."
    if student.role == "point":
        return f"{student.title} is a point estimate: one image, not a draw; choose another run."
    if teacher is student:
        return "Both runs are the same one; choose two."
    for entry in (teacher, student):
        if entry.run is None and entry.state in ENDED:
            return f"{entry.title} holds no samples; choose another run."
        if entry.run is None:
            return f"{entry.title} has not ended; wait for it."
    if teacher.image_key != student.image_key:
        return "The runs are of two images or regions; choose two of one."
    for entry in (teacher, student):
        count = 0 if entry.run is None else len(entry.run)
        if count < MIN_SAMPLES:
            return f"{entry.title} holds {count} samples; draw {MIN_SAMPLES} or more to compare it."
    return ""


def sentence_of(text: str, *, name: str = "") -> str:
    """Write words as a sentence, with a capital and one full stop; nothing where there are none.

    Words that begin with `name` keep its letters.
    """
    text = text.rstrip(".")
    if not text:
        return ""
    if not (name and text.startswith(name)):
        text = f"{text[0].upper()}{text[1:]}"
    return f"{text}."


def _problems(state: RestoreState) -> Iterator[str]:
    if state.image is None:
        yield "choose an image to restore, or open a file"
    elif state.image.problem:
        yield state.image.problem
    yield from _about_the_model(state)
    yield from _refusal(lambda: check_samples(state.samples))
    if not 0 <= state.seed < _MOST_SEEDS:
        yield f"the seed is {state.seed}; give 0 or a larger whole number"
    yield from _refusal(lambda: _check_acquisition(state))
    if not (math.isfinite(state.background) and state.background >= 0):
        yield f"the background is {state.background}; give photoelectrons per pixel, 0 or more"
    for device in state.devices:
        if device.name == state.device and not device.available:
            yield f"the device {device.name!r} cannot be used ({device.words}); choose another"


def _check_acquisition(state: RestoreState) -> None:
    """Refuse a PSF that cannot be, and camera maps or a PSF that the image is no place for."""
    psf = as_psf(state.psf)
    if state.image is None or len(state.image.shape) < 2:
        return
    plane = state.image.shape[-2:]
    if psf is not None:
        psf.check_fits(plane)
    if state.camera is not None and state.region != "shape":  # of a part, the maps are cut too
        state.camera.check_fits(plane)


def _about_the_model(state: RestoreState) -> Iterator[str]:
    if not state.models:
        yield "no model was found yet; wait a moment, or add one"
        return
    model = find_model(state)
    if model is None:
        names = ", ".join(one.name for one in state.models)
        yield f"there is no model called {state.model!r}; choose one of: {names}"
        return
    if model.problem:
        yield model.problem
        return
    sampler = model.sampler(state.sampler)
    if sampler is None:
        names = ", ".join(one.name for one in model.samplers)
        yield f"{model.name} has no sampler {state.sampler!r}; choose one of: {names}"
    else:
        yield from _refusal(lambda: info_of(state, sampler))


def _refusal(check: Callable[[], object]) -> Iterator[str]:
    try:
        check()
    except PosteriorError as error:
        yield str(error)
