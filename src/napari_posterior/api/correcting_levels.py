"""Estimates over several levels: students of few and more steps, teachers of few and more steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from napari_posterior.correction.levels import Telescoped
    from napari_posterior.image import Geometry
    from napari_posterior.runs.run import Run
    from napari_posterior.statistics import Statistic

    Given = Run | str | os.PathLike[str]

__all__ = ["LevelCorrections", "correct_levels"]

_LEAST = 3


@dataclass(frozen=True, eq=False)
class LevelCorrections(Mapping[str, "Telescoped"]):
    """Estimates under the finest level by name: ``"mean"``, ``"variance"`` and numbers.

    Parameters
    ----------
    estimates : mapping of str to Telescoped
        The entries; ``estimates[name].last_step`` is what the finest level changed.
    units : mapping of str to str
        Of each entry.
    correlations : tuple of ndarray
        Of each level with the one below, in pairs, maps of the shape of a sample.
    geometry : Geometry
        Where the pixels of the maps lie.
    """

    estimates: Mapping[str, Telescoped]
    units: Mapping[str, str]
    correlations: tuple[np.ndarray, ...]
    geometry: Geometry

    def __getitem__(self, name: str) -> Telescoped:
        """Return an estimate by its name."""
        return self.estimates[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the estimates."""
        return iter(self.estimates)

    def __len__(self) -> int:
        """Return the number of estimates."""
        return len(self.estimates)

    def told(self) -> list[str]:
        """Say what was found, in sentences."""
        from napari_posterior.correction.telling import tell_levels

        words = {"mean": "mean of each pixel", "variance": "variance of each pixel"}
        told: list[str] = []
        for name, one in self.estimates.items():
            quantity = words.get(name, f"mean of {name}")
            told += tell_levels(one, quantity=quantity, unit=self.units[name])
        return told


def correct_levels(
    runs: Sequence[Given],
    statistics: Sequence[str | Statistic] = (),
    *,
    level: float = 0.95,
    on_sample: Callable[[], None] | None = None,
) -> LevelCorrections:
    """Estimate mean, variance and statistics of the finest of several runs without bias.

    Every sample number serves the finest level that has it: it is a pair of that level and the one
    below, so that all terms of the sum are on noise of their own.

    Parameters
    ----------
    runs : sequence of Run or path
        From the coarsest to the finest, such as a student of 1 step, one of 4 steps, the teacher,
        and the teacher with twice the steps; all of one image and one seed. Each holds the sample
        numbers of the next, and 3 or more besides.
    statistics : sequence of str or Statistic
        As in `measure`; the mean of each number is estimated.
    level : float
        Confidence level of the intervals.
    on_sample : callable, optional
        Called after each sample number; may raise to end it.

    Returns
    -------
    LevelCorrections

    Raises
    ------
    InputError
        If the runs cannot be compared, start from different noise, are two of one sampler, or do
        not nest.
    RunError
        If a run cannot be opened.
    """
    from napari_posterior.api.measuring import prepare_run
    from napari_posterior.correction.levels import Levels
    from napari_posterior.correction.terms import variance_term
    from napari_posterior.statistics import get_statistic, quantify

    opened, names = _open(runs)
    numbers = _nest(opened, names)
    chosen = [get_statistic(one) for one in statistics]
    _, contexts = prepare_run(opened[-1])
    maps = Levels(names, order=4)
    kept: dict[str, Levels] = {}
    missing: set[str] = set()
    units = {"mean": "e-", "variance": "e-²"}

    def add(level: int, samples: Sequence[np.ndarray]) -> None:
        maps.add(level, *samples)
        for one in chosen:
            planes = [list(s.reshape(-1, *s.shape[-2:])) for s in samples]
            measured = [quantify(one, p, contexts) for p in planes]
            for key in set().union(*measured):
                name = f"{one.name}.{key}" if key else one.name
                found = [m[key].value if key in m else np.nan for m in measured]
                if not np.isfinite(found).all():
                    missing.add(name)
                elif name not in missing:
                    units.setdefault(name, measured[0][key].unit)
                    kept.setdefault(name, Levels(names)).add(level, *found)

    for place, alone in enumerate(numbers):
        levels = [opened[place], opened[place - 1]] if place else [opened[0]]
        for number in alone:
            add(place, [_sample(run, number) for run in levels])
            if on_sample is not None:
                on_sample()
    estimates = {
        "mean": maps.estimate(level=level),
        "variance": maps.estimate(estimator=variance_term, level=level),
    }
    complete = {n: one for n, one in kept.items() if n not in missing}
    estimates |= {name: one.estimate(level=level) for name, one in complete.items()}
    return LevelCorrections(estimates, units, maps.correlations(), opened[-1].geometry)


def _open(runs: Sequence[Given]) -> tuple[list[Run], list[str]]:
    """Open the runs, and refuse those that do not belong together."""
    from napari_posterior.api.pairs import open_given
    from napari_posterior.checks.source import check_comparable, describe

    opened = [open_given(run) for run in runs]
    if len(opened) < 2:
        raise InputError("give two runs or more, from the coarsest to the finest")
    for run in opened[:-1]:
        check_comparable(opened[-1], run)
        seeds = opened[-1].request.seed, run.request.seed
        if seeds[0] != seeds[1]:
            raise InputError(
                f"the runs start from different noise (seeds {seeds[1]} and {seeds[0]}); draw all "
                f"with seed {seeds[0]}"
            )
    names = [describe(run).label for run in opened]
    if len(set(names)) < len(names):
        raise InputError("two of the runs are of one sampler with the same steps; give each once")
    return opened, names


def _nest(runs: Sequence[Run], names: Sequence[str]) -> list[list[int]]:
    """Return for each level the sample numbers that no finer level has."""
    held = [set(run.samples.indices) for run in runs]
    alone = [sorted(own - finer) for own, finer in zip(held, [*held[1:], set()], strict=True)]
    for place in range(1, len(runs)):
        if not held[place] <= held[place - 1]:
            raise InputError(
                f"the run of {names[place - 1]} lacks samples that the one of {names[place]} has; "
                "draw more of the coarser one"
            )
    for place in range(len(runs)):
        if len(alone[place]) < _LEAST:
            raise InputError(
                f"the run of {names[place]} has {len(alone[place])} samples that no finer run has; "
                f"draw {_LEAST} or more besides"
            )
    return alone


def _sample(run: Run, number: int) -> np.ndarray:
    place = list(run.samples.indices).index(number)
    return np.asarray(run.samples[place], np.float32)
