"""Samples that pass by once, and all quantities that are taken from them on the way.

Each accumulator (`TwoLevel`, `Events`, `Thresholds`, `BandCorrection`) takes pairs and students;
`Measured` puts a statistic before one. `stream_samples` gives every sample to all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np

__all__ = ["Accumulator", "Measured", "stream_samples"]


class Accumulator(Protocol):
    """Takes samples one at a time and keeps none."""

    def add_pair(self, teacher: Any, student: Any) -> None:
        """Add a teacher's sample and the student's on the same noise."""

    def add_student(self, student: Any) -> None:
        """Add a student's sample on noise of its own."""


class Measured:
    """An accumulator of what a statistic gives on every sample.

    Parameters
    ----------
    statistic : callable
        Takes a sample (..., H, W) and returns what `into` takes: a number, a vector or events.
    into : Accumulator
        What keeps it.
    """

    def __init__(self, statistic: Callable[[np.ndarray], Any], into: Accumulator) -> None:
        self._statistic, self._into = statistic, into

    def add_pair(self, teacher: np.ndarray, student: np.ndarray) -> None:
        """Measure and add a pair, (..., H, W) each."""
        self._into.add_pair(self._statistic(teacher), self._statistic(student))

    def add_student(self, student: np.ndarray) -> None:
        """Measure and add a student's sample, (..., H, W)."""
        self._into.add_student(self._statistic(student))


def stream_samples(
    accumulators: Sequence[Accumulator],
    *,
    pairs: Iterable[tuple[np.ndarray, np.ndarray]] = (),
    students: Iterable[np.ndarray] = (),
    on_sample: Callable[[], None] | None = None,
) -> None:
    """Give every sample to every accumulator, one at a time.

    Parameters
    ----------
    accumulators : sequence of Accumulator
        They are filled; none keeps a sample.
    pairs : iterable of tuple of ndarray, (..., H, W)
        Teacher and student on the same noise.
    students : iterable of ndarray, (..., H, W)
        On noise that no pair has.
    on_sample : callable, optional
        Called after each pair and each student; may raise to end it.
    """
    for teacher, student in pairs:
        for accumulator in accumulators:
            accumulator.add_pair(teacher, student)
        if on_sample is not None:
            on_sample()
    for sample in students:
        for accumulator in accumulators:
            accumulator.add_student(sample)
        if on_sample is not None:
            on_sample()
