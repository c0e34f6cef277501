"""Estimates of the teacher from many samples of a student and few pairs, out of two runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from napari_posterior.api.corrections import CorrectedSites, Corrections
    from napari_posterior.correction.estimate import About
    from napari_posterior.correction.of_runs import CoupledRuns
    from napari_posterior.correction.series import Series
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic, StatisticContext

    Given = Run | str | os.PathLike[str]
    Named = Callable[..., About]

__all__ = ["correct"]


def correct(
    teacher_run: Given,
    student_run: Given,
    statistics: Sequence[str | Statistic] = (),
    *,
    pilot: int = 0,
    level: float = 0.95,
    radius: float | None = None,
    on_sample: Callable[[], None] | None = None,
) -> Corrections:
    """Estimate the teacher's mean, variance and statistics without bias.

    Parameters
    ----------
    teacher_run, student_run : Run or path
        Of one image and one seed; the student's holds more samples than the teacher's.
    statistics : sequence of str or Statistic
        As in `measure`; the mean and the distribution of each number are estimated, and of objects
        such as puncta the probability that each is there.
    pilot : int
        Pairs to leave out, because they chose how many samples to draw.
    level : float
        Confidence level of the intervals.
    radius : float, optional
        How far in pixels the detections of one object may lie from its site; by default the full
        width at half maximum at which x is seen.
    on_sample : callable, optional
        Called after each pair and each student; may raise to end it.

    Returns
    -------
    Corrections
        A mapping with ``"mean"`` and ``"variance"``, maps of the shape of a sample, and one entry
        for each number; numbers that some sample does not have, such as the mean width of puncta
        where there is none, are left out. Sentences are in its ``told()``.

    Raises
    ------
    InputError
        If the runs cannot be compared, start from different noise or share too few samples, or a
        statistic is unknown.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.api.corrections import Corrections, source_of
    from napari_posterior.api.measuring import prepare_run
    from napari_posterior.api.pairs import open_pair
    from napari_posterior.correction.bands import BandCorrection
    from napari_posterior.correction.of_runs import couple_runs
    from napari_posterior.correction.stream import Accumulator, stream_samples
    from napari_posterior.correction.two_level import TwoLevel
    from napari_posterior.statistics import get_statistic

    chosen = [get_statistic(one) for one in statistics]
    teacher, student = open_pair(teacher_run, student_run)
    both = couple_runs(teacher, student, pilot=pilot)
    about = _naming(both)
    maps, bands = TwoLevel(order=4), BandCorrection(teacher.request.image.shape[-2:])  # type: ignore[arg-type]  # H, W
    _, contexts = prepare_run(teacher)
    measured = [_Measured(one, contexts) for one in chosen]
    accumulators: list[Accumulator] = [maps, bands, *measured]
    stream_samples(accumulators, pairs=both.pairs(), students=both.students(), on_sample=on_sample)
    estimates = {
        "mean": maps.mean(about("mean of each pixel", "e-"), level=level),
        "variance": maps.variance(about("variance of each pixel", "e-²"), level=level),
    }
    distributions, sites = {}, {}
    for one in measured:
        for name, series in one.series().items():
            estimates[name] = series.mean(about(f"mean of {name}", series.unit), level=level)
            spread = series.distribution(about(name, series.unit), level=level)
            if spread is not None:
                distributions[name] = spread
        if (found := one.sites(about, radius=radius, level=level)) is not None:
            sites[one.name] = found
    return Corrections(
        estimates=estimates,
        bands=bands.figures(about("variance in bands of detail", "e-²"), level=level),
        distributions=distributions,
        sites=sites,
        name=teacher.request.image.name,
        geometry=teacher.geometry,
        sources=(source_of(teacher, both.paired), source_of(student, both.paired + both.alone)),
        runs=(teacher, student),
    )


def _naming(both: CoupledRuns) -> Named:
    """Return a function that says of whom a quantity is, and what their samples cost."""
    from napari_posterior.checks.source import describe
    from napari_posterior.correction.estimate import About
    from napari_posterior.errors import InputError

    try:
        costs = both.costs
    except InputError:
        costs = None  # an old run that does not know its time
    steps = (describe(one).label.partition(", ")[2] for one in (both.teacher, both.student))
    first, second = ("" if not one else f" ({one})" for one in steps)
    return lambda quantity, unit="": About(
        quantity,
        unit,
        teacher=f"the teacher{first}",
        student=f"the student {both.student.request.label}{second}",
        costs=costs,
    )


class _Measured:
    """What one statistic gives on every sample: its numbers, and where its objects are."""

    def __init__(self, statistic: Statistic, contexts: Sequence[StatisticContext]) -> None:
        self.name = statistic.name
        self._statistic, self._contexts = statistic, contexts
        self._series: dict[str, Series] = {}
        self._missing: set[str] = set()
        self._first = True
        self._objects = False
        # for each sample, plane, row and column of its objects
        self._pairs: list[tuple[np.ndarray, ...]] = []
        self._students: list[tuple[np.ndarray, ...]] = []

    def add_pair(self, teacher: np.ndarray, student: np.ndarray) -> None:
        self._pairs.append(self._add("add_pair", teacher, student))

    def add_student(self, student: np.ndarray) -> None:
        self._students.append(self._add("add_student", student))

    def series(self) -> Mapping[str, Series]:
        """Return the numbers, but for those that some sample does not have."""
        return {key: one for key, one in self._series.items() if key not in self._missing}

    def sites(self, about: Named, *, radius: float | None, level: float) -> CorrectedSites | None:
        """Return the probability of each object; None for a statistic of numbers."""
        from napari_posterior.api.corrections import CorrectedSites
        from napari_posterior.checks.counted.site_changes import pool_planes
        from napari_posterior.correction.events import Events
        from napari_posterior.statistics.sites import default_radius

        if not self._objects:
            return None
        reach = default_radius(self._contexts[0]) if radius is None else radius
        alone = [one for (one,) in self._students]
        firsts, seconds = ([one[i] for one in self._pairs] for i in (0, 1))
        pooled = pool_planes(firsts, seconds + alone, radius=reach)
        events = Events()
        for pair in zip(pooled.teacher, pooled.student[: len(firsts)], strict=True):
            events.add_pair(*pair)
        for has in pooled.student[len(firsts) :]:
            events.add_student(has)
        named = about(self._statistic.unit or self.name)
        return CorrectedSites(
            positions=np.asarray(pooled.positions, np.float64).reshape(-1, 3),
            probability=events.probability(named, level=level),
            found_in=pooled.detection_count,
            radius=float(reach),
        )

    def _add(self, how: str, *samples: np.ndarray) -> tuple[np.ndarray, ...]:
        from napari_posterior.correction.series import Series
        from napari_posterior.statistics.base import Objects
        from napari_posterior.statistics.evaluate import combine_planes, measure_planes

        measured, places = [], []
        for sample in samples:
            planes = list(sample.reshape(-1, *sample.shape[-2:]))
            values = measure_planes(self._statistic, planes, self._contexts)
            measured.append(combine_planes(self._statistic, values))
            places.append(_places(values))
            self._objects |= any(isinstance(one, Objects) for one in values)
        names = set().union(*measured)
        if self._first:
            self._series = {self._name(key): Series(one.unit) for key, one in measured[0].items()}
            self._first = False
        self._missing |= set(self._series) ^ {self._name(key) for key in names}
        for key in names:
            values_of = [one[key].value if key in one else math.nan for one in measured]
            if not np.isfinite(values_of).all():
                self._missing.add(self._name(key))
            elif self._name(key) not in self._missing:
                getattr(self._series[self._name(key)], how)(*values_of)
        return tuple(places)

    def _name(self, key: str) -> str:
        return f"{self.name}.{key}" if key else self.name


def _places(values: Sequence[Any]) -> np.ndarray:
    """Return plane, row and column of the objects of a sample, (n, 3); none for numbers."""
    from napari_posterior.statistics.base import Objects

    found = [np.empty((0, 3))]
    for plane, one in enumerate(values):
        if isinstance(one, Objects):
            at = np.asarray(one.positions, np.float64).reshape(-1, 2)
            found.append(np.insert(at, 0, plane, axis=1))
    return np.concatenate(found)
