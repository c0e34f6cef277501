"""Pairs and students out of two runs on disk that share a seed.

Sample k of both runs starts from the noise canvas (seed, k). So the samples that both hold are
pairs, and those that only the student holds are students on noise of their own. A pilot takes the
first pairs, and they are left out of the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.correction.costs import Costs
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_posterior.runs.run import Run

__all__ = ["CoupledRuns", "couple_runs"]

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class CoupledRuns:
    """Two runs, and which of their samples serve for what.

    Parameters
    ----------
    teacher, student : Run
        Of one image, with one seed.
    pilot, paired, alone : tuple of int
        Numbers of samples: pairs of the pilot, other pairs, and students without a partner.
    """

    teacher: Run
    student: Run
    pilot: tuple[int, ...]
    paired: tuple[int, ...]
    alone: tuple[int, ...]

    def pilot_pairs(self) -> Iterator[Pair]:
        """Read the pairs of the pilot, (..., H, W) float32 each."""
        return self._read(self.pilot)

    def pairs(self) -> Iterator[Pair]:
        """Read the other pairs, (..., H, W) float32 each."""
        return self._read(self.paired)

    def students(self) -> Iterator[np.ndarray]:
        """Read the students without a partner, (..., H, W) float32."""
        places = _places(self.student)
        return (_sample(self.student, places[k]) for k in self.alone)

    @property
    def costs(self) -> Costs:
        """Seconds that one sample of each run took when it was drawn.

        Raises
        ------
        InputError
            If a run does not know.
        """
        return Costs(
            student=self.student.seconds / max(len(self.student), 1),
            teacher=self.teacher.seconds / max(len(self.teacher), 1),
        )

    def _read(self, numbers: tuple[int, ...]) -> Iterator[Pair]:
        first, second = _places(self.teacher), _places(self.student)
        for k in numbers:
            yield _sample(self.teacher, first[k]), _sample(self.student, second[k])


def couple_runs(teacher: Run, student: Run, *, pilot: int = 0) -> CoupledRuns:
    """Sort the samples of two runs of one image.

    Parameters
    ----------
    teacher, student : Run
        That they belong to one image, camera and bundle is checked before, as for a comparison.
    pilot : int
        How many of the first pairs only choose sizes or a slope.

    Raises
    ------
    InputError
        If the seeds differ, the runs differ in shape, or too few samples are left: 2 pairs and 2
        students are the least.
    """
    seeds = teacher.request.seed, student.request.seed
    if seeds[0] != seeds[1]:
        raise InputError(
            f"the runs start from different noise (seeds {seeds[0]} and {seeds[1]}); draw the "
            f"student again with seed {seeds[0]}"
        )
    if teacher.samples.shape[1:] != student.samples.shape[1:]:
        raise InputError("the runs differ in shape; restore both from one image and one crop")
    first, second = _places(teacher), _places(student)
    shared = sorted(first.keys() & second.keys())
    alone = tuple(sorted(second.keys() - first.keys()))
    if len(shared) - pilot < 2 or len(alone) < 2:
        raise InputError(
            f"the runs share {len(shared)} samples and the student has {len(alone)} more; give "
            f"{pilot + 2} or more of the teacher, and more of the student than of the teacher"
        )
    return CoupledRuns(teacher, student, tuple(shared[:pilot]), tuple(shared[pilot:]), alone)


def _places(run: Run) -> dict[int, int]:
    """Return where each sample of a run stands in its stack, by its number."""
    return {int(number): place for place, number in enumerate(run.samples.indices)}


def _sample(run: Run, place: int) -> np.ndarray:
    return np.asarray(run.samples[place], np.float32)
