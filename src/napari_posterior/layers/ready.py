"""What the layers of runs are made of, read and computed in the threads of jobs."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_posterior.checks.page.pictures import symmetric_limits
from napari_posterior.errors import PosteriorError
from napari_posterior.layers.limits import expected_limits, shared_by
from napari_posterior.layers.live import begun_stack
from napari_posterior.layers.out import (
    RESIDUAL_REACH,
    comparison_layers,
    residual_layer,
    run_layers,
)
from napari_posterior.layers.puncta_points import gather_puncta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from napari_posterior.checks.report import Report
    from napari_posterior.image import Image
    from napari_posterior.layers.limits import Limits
    from napari_posterior.layers.live import GrowingStack
    from napari_posterior.layers.out import LayerData
    from napari_posterior.runs.run import Run
    from napari_posterior.session.restore_job import RunInProgress

    T = TypeVar("T")

__all__ = ["Beginning", "Comparison", "Ending", "KnownRuns", "begin", "compare", "end"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Beginning:
    """What is shown of a run before its first sample.

    Attributes
    ----------
    image : Image
        What is restored.
    limits : Limits
        Guessed from the measurement.
    automatic : tuple of float or None
        The contrast limits that napari would choose for the measurement.
    stack : ndarray or GrowingStack
        The samples to come.
    """

    image: Image
    limits: Limits
    automatic: tuple[float, float] | None
    stack: np.ndarray | GrowingStack


@dataclass(frozen=True, eq=False)
class Ending:
    """What is shown of a run that has ended.

    Attributes
    ----------
    layers : list of LayerData
        Of the run itself, by their default names.
    ratio : list of LayerData
        The sd ratio of the run and the newest one of the other role, if there is one.
    pair : tuple of Run or None
        Teacher and student of that ratio.
    limits : Limits
        Shared by all runs of the image that are known.
    number : int
        Grows with the runs that the limits were chosen from.
    automatic : tuple of float or None
        The contrast limits that napari would choose for the measurement.
    """

    layers: list[LayerData]
    ratio: list[LayerData]
    pair: tuple[Run, Run] | None
    limits: Limits
    number: int
    automatic: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is shown of a comparison.

    Attributes
    ----------
    teacher, student : Run
        What was compared.
    ratio : list of LayerData
        The sd ratio; empty where there are too few samples for one.
    residuals : list of LayerData
        Of both runs, with the same contrast limits.
    limits : Limits
        Shared by all runs of the image that are known.
    number : int
        Grows with the runs that the limits were chosen from.
    puncta : LayerData or None
        The puncta as points, where they were counted.
    """

    teacher: Run
    student: Run
    ratio: list[LayerData]
    residuals: list[LayerData]
    limits: Limits
    number: int
    puncta: LayerData | None = None


@dataclass
class KnownRuns:
    """The runs that are shown, so that those of one image share their limits; for any thread."""

    _runs: list[Run] = field(default_factory=list)
    _number: int = 0
    _lock: Lock = field(default_factory=Lock)

    def add(self, *runs: Run) -> tuple[tuple[Run, ...], int]:
        """Return all runs of the image of these, them included, and a number that grows."""
        with self._lock:
            self._number += 1
            paths = {run.path for run in runs}
            self._runs = [*(run for run in self._runs if run.path not in paths), *runs]
            return self._of(runs[0].request.image.sha256), self._number

    def of(self, sha256: str) -> tuple[Run, ...]:
        """Return the runs of an image, by the hash of its pixels."""
        with self._lock:
            return self._of(sha256)

    def keep(self, paths: Iterable[Path | str]) -> None:
        """Forget all runs but those in these folders."""
        kept = set(map(str, paths))
        with self._lock:
            self._runs = [run for run in self._runs if str(run.path) in kept]

    def _of(self, sha256: str) -> tuple[Run, ...]:
        return tuple(run for run in self._runs if run.request.image.sha256 == sha256)


def begin(run: RunInProgress) -> Beginning:
    """Make what is shown of a run before its first sample."""
    return Beginning(
        run.image,
        expected_limits(run.image, run.request),
        _automatic_limits(run.image.data),
        begun_stack(run.request, run.path, run.drawn),
    )


def end(run: Run, known: KnownRuns) -> Ending:
    """Make what is shown of a run that has ended, with the limits of all runs of its image.

    Raises
    ------
    RunError
        If the run holds no sample or is damaged.
    """
    layers = run_layers(run)  # first, so that a damaged run does not become known
    runs, number = known.add(run)
    limits = shared_by(runs)
    pair = _pair(run, runs)
    ratio = [] if pair is None else _or_nothing(partial(comparison_layers, *pair, visible=False))
    return Ending(
        layers,
        [] if ratio is None else ratio,
        pair,
        limits,
        number,
        _automatic_limits(run.input),
    )


def compare(
    teacher: Run, student: Run, known: KnownRuns, report: Report | None = None
) -> Comparison:
    """Make what is shown of a comparison: what cannot be made is left out."""
    runs, number = known.add(teacher, student)
    ratio = _or_nothing(partial(comparison_layers, teacher, student))
    made = [_or_nothing(partial(residual_layer, run)) for run in (teacher, student)]
    residuals = [one for one in made if one is not None]
    if residuals:
        values = np.concatenate([_thin(data) for data, _, _ in residuals])
        limits = symmetric_limits(values, least=RESIDUAL_REACH)
        for _, look, _ in residuals:
            look["contrast_limits"] = limits
    puncta = None
    if report is not None:
        import pandas as pd  # noqa: F401  # else napari brings it in, in the main thread: a second

        puncta = _or_nothing(partial(gather_puncta, report, teacher, student))
    return Comparison(teacher, student, ratio or [], residuals, shared_by(runs), number, puncta)


def _pair(run: Run, runs: tuple[Run, ...]) -> tuple[Run, Run] | None:
    """Return the run and the newest one of the other role, the teacher first."""
    wanted = {"teacher": "student", "student": "teacher"}.get(run.role)
    other = next((one for one in reversed(runs) if one.role == wanted), None)
    if other is None:
        return None
    return (run, other) if run.role == "teacher" else (other, run)


def _automatic_limits(data: np.ndarray) -> tuple[float, float] | None:
    # here, as it brings in much of napari
    from napari.layers.utils.layer_utils import calc_data_range

    found = _or_nothing(partial(calc_data_range, data))
    return None if found is None else (float(found[0]), float(found[1]))


def _thin(values: np.ndarray) -> Any:
    """Keep some millions of the values, enough for percentiles."""
    flat = values.ravel()
    return flat[:: max(1, flat.size // 2_000_000)]


def _or_nothing(make: Callable[[], T]) -> T | None:
    """Return None where something cannot be shown: that must not end a run or a comparison."""
    try:
        return make()
    except (PosteriorError, ValueError, OSError, MemoryError):
        _LOG.debug("a layer is left out", exc_info=True)
        return None
