"""Estimates of the teacher from many samples of a student and few pairs, out of two runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from napari_posterior.correction.estimate import Corrected
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic, StatisticContext

    Given = Run | str | os.PathLike[str]

__all__ = ["correct"]


def correct(
    teacher_run: Given,
    student_run: Given,
    statistics: Sequence[str | Statistic] = (),
    *,
    pilot: int = 0,
    level: float = 0.95,
    on_sample: Callable[[], None] | None = None,
) -> dict[str, Corrected]:
    """Estimate the teacher's mean, variance and statistics without bias.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Of one image and one seed; the student's holds more samples than the teacher's.
    statistics : sequence of str or Statistic
        As in `measure`; the mean of each number is estimated.
    pilot : int
        Pairs to leave out, because they chose how many samples to draw.
    level : float
        Confidence level of the intervals.
    on_sample : callable, optional
        Called after each pair and each student; may raise to end it.

    Returns
    -------
    dict of str to Corrected
        ``"mean"`` and ``"variance"``, maps of the shape of a sample, and one entry for each
        number; numbers that some sample does not have, such as the mean width of puncta where
        there is none, are left out. `napari_posterior.correction.telling` puts them in sentences.

    Raises
    ------
    InputError
        If the runs cannot be compared, start from different noise or share too few samples, or a
        statistic is unknown.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.api.measuring import prepare_run
    from napari_posterior.api.pairs import open_pair
    from napari_posterior.checks.source import describe
    from napari_posterior.correction.estimate import About
    from napari_posterior.correction.of_runs import couple_runs
    from napari_posterior.correction.stream import Accumulator, stream_samples
    from napari_posterior.correction.two_level import TwoLevel
    from napari_posterior.errors import InputError
    from napari_posterior.statistics import get_statistic

    teacher, student = open_pair(teacher_run, student_run)
    both = couple_runs(teacher, student, pilot=pilot)
    try:
        costs = both.costs
    except InputError:
        costs = None  # an old run that does not know its time

    def about(quantity: str, unit: str) -> About:
        steps = (describe(one).label.partition(", ")[2] for one in (teacher, student))
        first, second = ("" if not one else f" ({one})" for one in steps)
        return About(
            quantity,
            unit,
            teacher=f"the teacher{first}",
            student=f"the student {student.request.sampler}{second}",
            costs=costs,
        )

    maps = TwoLevel(order=4)
    _, contexts = prepare_run(teacher)
    numbers = [_Numbers(get_statistic(one), contexts) for one in statistics]
    accumulators: list[Accumulator] = [maps, *numbers]
    stream_samples(accumulators, pairs=both.pairs(), students=both.students(), on_sample=on_sample)
    found = {
        "mean": maps.mean(about("mean of each pixel", "e-"), level=level),
        "variance": maps.variance(about("variance of each pixel", "e-²"), level=level),
    }
    for one in numbers:
        for name, (unit, kept) in one.kept().items():
            found[name] = kept.mean(about(f"mean of {name}", unit), level=level)
    return found


class _Numbers:
    """All numbers of one statistic, but for those that some sample does not have."""

    def __init__(self, statistic: Statistic, contexts: Sequence[StatisticContext]) -> None:
        self._statistic, self._contexts = statistic, contexts
        self._kept: dict[str, tuple[str, Any]] = {}
        self._missing: set[str] = set()
        self._first = True

    def add_pair(self, teacher: np.ndarray, student: np.ndarray) -> None:
        self._add("add_pair", teacher, student)

    def add_student(self, student: np.ndarray) -> None:
        self._add("add_student", student)

    def kept(self) -> dict[str, tuple[str, Any]]:
        return {key: one for key, one in self._kept.items() if key not in self._missing}

    def _add(self, how: str, *samples: np.ndarray) -> None:
        from napari_posterior.correction.two_level import TwoLevel
        from napari_posterior.statistics import quantify

        measured = []
        for sample in samples:
            planes = list(sample.reshape(-1, *sample.shape[-2:]))
            measured.append(quantify(self._statistic, planes, self._contexts))
        names = set().union(*measured)
        if self._first:
            self._kept = {
                self._name(key): (one.unit, TwoLevel()) for key, one in measured[0].items()
            }
            self._first = False
        self._missing |= set(self._kept) ^ {self._name(key) for key in names}
        for key in names:
            values = [one[key].value if key in one else math.nan for one in measured]
            if not np.isfinite(values).all():
                self._missing.add(self._name(key))
            elif self._name(key) not in self._missing:
                getattr(self._kept[self._name(key)][1], how)(*values)

    def _name(self, key: str) -> str:
        return f"{self._statistic.name}.{key}" if key else self._statistic.name
