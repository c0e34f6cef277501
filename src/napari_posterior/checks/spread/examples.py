"""Samples that stand for the forms of the answer, and those that are far from the other run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from napari_posterior.checks.source import Stack
    from napari_posterior.checks.spread.forms import Form
    from napari_posterior.checks.spread.modes import Forms
    from napari_posterior.checks.spread.moments import Moments

__all__ = ["Example", "FormExamples", "read_examples"]

SIDE: Final = 128
"""Longest side in pixels of what is shown of a sample."""


@dataclass(frozen=True, eq=False)
class Example:
    """A part of a sample.

    Parameters
    ----------
    image : ndarray, (h, w) float32
        Photoelectrons per pixel.
    sample : int
        Number of the sample in its run, from 0.
    apart : float or None
        Its distance from the other run, in times that of the median sample of its own run; None
        where it stands for a form.
    """

    image: np.ndarray
    sample: int
    apart: float | None = None


@dataclass(frozen=True, eq=False)
class FormExamples:
    """Parts of samples, all of the same place.

    Parameters
    ----------
    forms : tuple of Form
        The forms; none where the samples are one cloud.
    teacher, student : tuple of tuple of Example
        For each form the samples nearest to its middle, the nearest first; none where the run does
        not draw it.
    far_teacher, far_student : tuple of Example
        Samples that are farthest from any of the other run, the farthest first.
    crop : tuple of int
        Top, left, height and width of the place, in pixels.
    """

    forms: tuple[Form, ...]
    teacher: tuple[tuple[Example, ...], ...]
    student: tuple[tuple[Example, ...], ...]
    far_teacher: tuple[Example, ...]
    far_student: tuple[Example, ...]
    crop: tuple[int, int, int, int]


def read_examples(
    found: Forms,
    stacks: tuple[Stack, Stack],
    moments: tuple[Moments, Moments],
    *,
    plane: int = 0,
    side: int = SIDE,
) -> FormExamples:
    """Read the samples that stand for the forms, where the samples vary most.

    Only these samples are read, and of them only the rows that are shown.

    Parameters
    ----------
    found : Forms
        Of `find_modes`.
    stacks : tuple of Stack
        Samples of teacher and student.
    moments : tuple of Moments
        Of the plane that is shown.
    plane : int
        Which plane is shown.
    side : int
        Longest side in pixels of what is shown.
    """
    crop = _most_varying(sum(one.sd.astype(np.float64) ** 2 for one in moments), side)
    top, left, tall, wide = crop

    def read(run: int, sample: int, apart: float | None = None) -> Example:
        rows = stacks[run].rows(sample, plane, top, top + tall)
        image = np.array(rows[:, left : left + wide], np.float32)
        return Example(image, int(stacks[run].indices[sample]), apart)

    def far(run: int, samples: np.ndarray, apart: np.ndarray) -> tuple[Example, ...]:
        pairs = zip(samples.tolist(), apart.tolist(), strict=True)
        return tuple(read(run, sample, times) for sample, times in pairs)

    near = [
        tuple(tuple(read(run, sample) for sample in one.examples[run]) for one in found.forms)
        for run in (0, 1)
    ]
    return FormExamples(
        forms=found.forms,
        teacher=near[0],
        student=near[1],
        far_teacher=far(0, found.far_teacher, found.apart_teacher),
        far_student=far(1, found.far_student, found.apart_student),
        crop=crop,
    )


def _most_varying(variance: np.ndarray | int, side: int) -> tuple[int, int, int, int]:
    """Return the place with the largest mean variance: top, left, height and width."""
    known = np.nan_to_num(np.asarray(variance, np.float64))
    height, width = known.shape
    tall, wide = min(side, height), min(side, width)
    total = np.zeros((height + 1, width + 1))
    total[1:, 1:] = known.cumsum(0).cumsum(1)
    inside = (
        total[tall:, wide:] - total[:-tall, wide:] - total[tall:, :-wide] + total[:-tall, :-wide]
    )
    top, left = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(top), int(left), tall, wide
