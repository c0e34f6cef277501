"""From what is typed in a console to a job; what cannot be used is said at once."""

from __future__ import annotations

import math
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_posterior.api.settings import DEFAULT_SAMPLES, Settings
from napari_posterior.bundles.info import PRECISIONS
from napari_posterior.errors import InputError
from napari_posterior.physics.camera import Camera
from napari_posterior.physics.psf import Psf
from napari_posterior.runs.request import check_samples, check_seed
from napari_posterior.sampling.corrections import read_correction
from napari_posterior.session.choices import label_of, read_model
from napari_posterior.session.models import ImageChoice
from napari_posterior.session.restore_job import RestoreJob
from napari_posterior.session.submission import Submission, key_of, read_once, sampler_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.bundles.info import SamplerInfo
    from napari_posterior.session.choices import ModelChoice
    from napari_posterior.session.models import RestoreState

__all__ = ["choose_student", "submit_typed", "submit_typed_pair"]

_DEVICES = ("auto", "cpu", "cuda", "mps")


def submit_typed(
    restore: RestoreState,
    image: Any,
    *,
    model: str | os.PathLike[str] | Bundle | None,
    label: str | None,
    image_key: Hashable,
    options: Mapping[str, Any],
    partner: RestoreJob | None = None,
    hooks: Mapping[str, Any],
) -> Submission:
    """Make the job of what was typed.

    Parameters
    ----------
    restore : RestoreState
        For the models that are known, and the one that is chosen.
    image : ImageChoice, Image, ndarray, path or callable
        What is restored.
    model, label, image_key
        As of `Controller.restore`.
    options : mapping
        Of `Settings`.
    partner, hooks
        As of `submit_choice`.

    Raises
    ------
    InputError, ModelError
        If something cannot be used; the weights are not looked at, nor are the pixels.
    """
    chosen = restore.model if model is None else model
    settings = _settings_of(options)
    for device in restore.devices:
        if device.name == settings.device and not device.available:
            raise InputError(
                f"the device {device.name!r} cannot be used ({device.words}); choose another"
            )
    info = _info_of(restore, chosen, settings)
    if info.role == "point" and settings.samples not in (None, 1):
        raise InputError(
            f"{info.name} is a point estimate, not a draw, so it has one image; ask for 1 sample "
            f"instead of {settings.samples}"
        )
    source, name, key = image, _name_of(image), None
    if isinstance(image, ImageChoice):
        if image.problem:
            raise InputError(image.problem)
        image_key = key_of(restore, image) if image_key is None else image_key
        source, key = image.read, (image_key, str(chosen), settings)
    words = label or label_of(info, settings.correction)
    job = RestoreJob(
        source,
        chosen,
        settings,
        title=f"{name}, {words}",
        key=key,
        partner=partner,
        **hooks,
    )
    expected = 1 if info.role == "point" else DEFAULT_SAMPLES
    samples = expected if settings.samples is None else int(settings.samples)
    return Submission(job, words, info.role, image_key, samples)


def choose_student(
    restore: RestoreState, model: str | os.PathLike[str] | Bundle | None, name: str | None = None
) -> str:
    """Return a student of a model: by default the one that is chosen, else the first.

    Raises
    ------
    InputError, ModelError
        If the model has none, or none of this name, or there is no such model.
    """
    chosen = restore.model if model is None else model
    if isinstance(chosen, str | os.PathLike):
        known = _known(restore, chosen)
        title, students = known.name, known.students
    else:
        title = chosen.card.name
        students = tuple(one for one in chosen.names if chosen.info(one).role == "student")
    if not students:
        raise InputError(f"{title} has no student; choose another model")
    if name is None:
        wanted = [one for one in (restore.sampler, restore.student) if one in students]
        return str((wanted or students)[0])
    if name not in students:
        raise InputError(f"{title} has no student {name!r}; choose one of: {', '.join(students)}")
    return name


def submit_typed_pair(
    restore: RestoreState,
    image: Any,
    *,
    model: str | os.PathLike[str] | Bundle | None,
    student: str | None,
    steps: int | None,
    image_key: Hashable,
    options: Mapping[str, Any],
    hooks: Mapping[str, Any],
) -> tuple[Submission, Submission]:
    """Make the jobs of a teacher and a student of what was typed; the image is read once.

    Parameters
    ----------
    restore, image, model, image_key, options, hooks
        As of `submit_typed`; a correction is that of the student.
    student : str, optional
        By default the one that is chosen, else the first of the model.
    steps : int, optional
        Of the teacher; the student takes those that it states.

    Raises
    ------
    InputError, ModelError
        As `submit_typed` does, and if the model has no student, or none of this name.
    """
    if "sampler" in options:
        raise InputError("a pair is teacher and student; name the student by `student`")
    shared: dict[str, Any] = {
        "model": model,
        "label": None,
        "image_key": image_key,
        "hooks": hooks,
    }
    name = choose_student(restore, model, student)
    source = image
    if isinstance(image, ImageChoice):
        source = replace(image, read=read_once(image.read))
    elif callable(image) and not hasattr(image, "data"):
        source = read_once(image)
    of_teacher = {**options, "sampler": "teacher", "steps": steps, "correction": None}
    of_student = {**options, "sampler": name}
    teacher = submit_typed(restore, source, options=of_teacher, **shared)
    after = submit_typed(restore, source, options=of_student, partner=teacher.job, **shared)
    return teacher, after


def _settings_of(options: Mapping[str, Any]) -> Settings:
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            raise InputError(f"there is no option {name!r}; choose from {', '.join(known)}")
    settings = Settings(**{**options, "correction": read_correction(options.get("correction"))})
    if settings.samples is not None:
        check_samples(settings.samples)
    check_seed(settings.seed)
    if not (settings.steps is None or isinstance(settings.steps, int | np.integer)):
        raise InputError(f"steps is {settings.steps!r}; give a whole number")
    if not (settings.camera is None or isinstance(settings.camera, Camera)):
        raise InputError(
            f"camera is {settings.camera!r}; give Camera(gain=..., offset=..., read_noise=...)"
        )
    if not (settings.psf is None or isinstance(settings.psf, Psf)):
        raise InputError(f"psf is {settings.psf!r}; give Psf(sigma=...) with sigma in pixels")
    if not _is_background(settings.background):
        raise InputError(
            f"the background is {settings.background!r}; give photoelectrons per pixel, 0 or more"
        )
    if settings.precision not in PRECISIONS:
        raise InputError(
            f"precision {settings.precision!r} is unknown; use {' or '.join(PRECISIONS)}"
        )
    if str(settings.device).split(":")[0] not in _DEVICES:
        raise InputError(f"{settings.device!r} is not a device; use 'auto', 'cpu', 'cuda' or 'mps'")
    return settings


def _is_background(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    return is_number and math.isfinite(value) and value >= 0


def _info_of(
    restore: RestoreState, model: str | os.PathLike[str] | Bundle, settings: Settings
) -> SamplerInfo:
    """Say what the sampler is with these settings; refuse what it cannot take."""
    if not isinstance(model, str | os.PathLike):
        return model.info(
            settings.sampler,
            steps=settings.steps,
            precision=settings.precision,
            correction=settings.correction,
        )
    known = _known(restore, model)
    if known.problem:
        raise InputError(known.problem)
    sampler = sampler_of(known, settings.sampler)
    return sampler.info(settings.steps, settings.precision, correction=settings.correction)


def _known(restore: RestoreState, model: str | os.PathLike[str]) -> ModelChoice:
    """Return a model, also one that no window has read yet."""
    found = next((one for one in restore.models if one.name == model), None)
    return read_model(model) if found is None else found


def _name_of(image: Any) -> str:
    if isinstance(image, str | os.PathLike):
        return Path(image).stem
    name = getattr(image, "name", None)
    return name if isinstance(name, str) and name else "image"
