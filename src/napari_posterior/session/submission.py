"""From what is chosen to a job: settings, title, and what tells one run from another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_posterior.api.settings import Settings
from napari_posterior.errors import InputError
from napari_posterior.session.models import RunEntry
from napari_posterior.session.psf_choice import as_psf
from napari_posterior.session.restore_job import RestoreJob

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from napari_posterior.image import Image
    from napari_posterior.sampling.corrections import Correction
    from napari_posterior.session.choices import ModelChoice, SamplerChoice
    from napari_posterior.session.models import ImageChoice, RestoreState

__all__ = [
    "Submission",
    "chosen_steps",
    "correction_for",
    "key_of",
    "key_of_run",
    "read_once",
    "sampler_of",
    "samples_of",
    "settings_of",
    "student_of",
    "submit_choice",
    "submit_pair",
]


@dataclass(frozen=True)
class Submission:
    """A run that can be put on the list.

    Attributes
    ----------
    job : RestoreJob
        Not started yet.
    label, role : str
        As in `RunEntry`.
    image_key : Hashable
        As in `RunEntry`; None: the pixels tell, when they are read.
    samples : int
        How many are asked for.
    """

    job: RestoreJob
    label: str
    role: str
    image_key: Hashable
    samples: int

    def entry(self, number: int) -> RunEntry:
        """Return a line for the list, which waits."""
        return RunEntry(
            number=number,
            label=self.label,
            role=self.role,
            image_key=self.image_key,
            samples=self.samples,
            job=self.job,
            state="waiting",
        )


def submit_choice(
    restore: RestoreState,
    image: ImageChoice,
    model: ModelChoice,
    sampler: SamplerChoice,
    *,
    read: Callable[[], Image] | None = None,
    partner: RestoreJob | None = None,
    hooks: Mapping[str, Any],
) -> Submission:
    """Make the job of what is chosen in a window.

    Parameters
    ----------
    restore : RestoreState
        Where everything but image, model and sampler is taken from.
    image, model, sampler
        Checked before.
    read : callable, optional
        Reads the image; by default that of `image`.
    partner : RestoreJob, optional
        The teacher's job, whose camera is taken.
    hooks : mapping
        More arguments of `RestoreJob`.
    """
    settings = settings_of(restore, sampler)
    label = sampler.label(settings.steps, correction=settings.correction)
    job = RestoreJob(
        read or image.read,
        model.name,
        settings,
        title=f"{image.name}, {label}",
        key=key_of_run(restore, image, model, sampler),
        partner=partner,
        **hooks,
    )
    return Submission(
        job, label, sampler.role, key_of(restore, image), samples_of(restore, sampler)
    )


def submit_pair(
    restore: RestoreState,
    image: ImageChoice,
    model: ModelChoice,
    student: SamplerChoice,
    *,
    samples: tuple[int, int] | None = None,
    hooks: Mapping[str, Any],
) -> tuple[Submission, Submission]:
    """Make the jobs of a teacher and a student on the same pixels, noise and camera.

    Parameters
    ----------
    restore, image, model, hooks
        As of `submit_choice`.
    student : SamplerChoice
        Of the model.
    samples : tuple of int, optional
        Of teacher and student, which is then drawn without a correction; by default what is
        chosen, for both.
    """
    ways = restore, restore
    if samples is not None:
        first, second = (replace(restore, samples=n, correction=None) for n in samples)
        ways = first, second
    options: dict[str, Any] = {"read": read_once(image.read), "hooks": hooks}
    teacher = submit_choice(ways[0], image, model, sampler_of(model, "teacher"), **options)
    after = submit_choice(ways[1], image, model, student, partner=teacher.job, **options)
    return teacher, after


def sampler_of(model: ModelChoice, name: str) -> SamplerChoice:
    """Return the sampler of a model.

    Raises
    ------
    InputError
        If it has none of this name.
    """
    found = model.sampler(name)
    if found is None:
        names = ", ".join(one.name for one in model.samplers)
        raise InputError(f"{model.name} has no sampler {name!r}; choose one of: {names}")
    return found


def settings_of(restore: RestoreState, sampler: SamplerChoice) -> Settings:
    """Return what is chosen in a window, for this sampler."""
    return Settings(
        sampler=sampler.name,
        steps=chosen_steps(restore, sampler),
        samples=samples_of(restore, sampler),
        seed=restore.seed,
        camera=restore.camera,
        psf=as_psf(restore.psf),
        background=restore.background,
        device=restore.device,
        correction=correction_for(restore, sampler),
    )


def samples_of(restore: RestoreState, sampler: SamplerChoice) -> int:
    """Return how many samples are drawn: a point estimate is one image."""
    return 1 if sampler.role == "point" else restore.samples


def chosen_steps(restore: RestoreState, sampler: SamplerChoice) -> int | None:
    """Return the steps that were chosen for this sampler; None for those of the model."""
    chosen = restore.steps if sampler.name == restore.sampler else None
    return chosen if sampler.steps.enabled else None


def correction_for(restore: RestoreState, sampler: SamplerChoice) -> Correction | None:
    """Return how the teacher corrects this sampler: only a student is corrected."""
    return restore.correction if sampler.role == "student" else None


def student_of(restore: RestoreState, model: ModelChoice) -> str | None:
    """Return the student to draw beside the teacher: as chosen, else the first; None without."""
    students = model.students
    for name in (restore.sampler, restore.student):
        if name in students:
            return name
    return students[0] if students else None


def key_of(restore: RestoreState, image: ImageChoice) -> Hashable:
    """Return what is equal for runs of one part of one image."""
    region = restore.region if image == restore.image else "whole"
    return image.key, region, image.shape


def key_of_run(
    restore: RestoreState, image: ImageChoice, model: ModelChoice, sampler: SamplerChoice
) -> Hashable:
    """Return what is equal for jobs of `submit_choice` that would draw the same."""
    return key_of(restore, image), model.name, settings_of(restore, sampler)


def read_once(read: Callable[[], Image]) -> Callable[[], Image]:
    """Read an image at the first call only, so that two runs have the same pixels."""
    kept: list[Image] = []

    def read_first() -> Image:
        if not kept:
            kept.append(read())
        return kept[0]

    return read_first
