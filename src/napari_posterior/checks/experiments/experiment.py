"""Experiments: new measurements of objects that the teacher drew, for both samplers to restore.

Some questions cannot be answered from the samples of one image: whether the answer follows the
measurement, and whether error bars hold what they promise. They need new measurements of a known
object, simulated with the camera and the PSF of the run. An `Experiment` says which, and what that
costs; ``napari_posterior.api.experiments`` restores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from napari_posterior.durations import duration
from napari_posterior.errors import InputError

if TYPE_CHECKING:
    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.maps import MapImage
    from napari_posterior.checks.source import SampleSource

__all__ = ["Experiment", "ExperimentResult", "Redraw", "check_number"]

_OF_THE_CAMERA: Final = 0
_OF_THE_SAMPLES: Final = 1

Name = Literal["dependence", "self_calibration"]


@dataclass(frozen=True, eq=False)
class Redraw:
    """A new measurement of an object that is known.

    Parameters
    ----------
    index : int
        Which measurement of the experiment, from 0.
    star : int
        Position, in the teacher's run, of the sample that is its object.
    x_star : ndarray, (..., H, W)
        The object, float32, photoelectrons per pixel.
    y : ndarray, (..., H, W)
        The measurement, float32, ADU.
    """

    index: int
    star: int
    x_star: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Experiment:
    """Which new measurements to simulate, and how often to restore each.

    Parameters
    ----------
    name : str
        ``"dependence"`` or ``"self_calibration"``.
    question, title : str
        Which of `finding.QUESTIONS` it answers, and in a few words.
    source : SampleSource
        The teacher's run: its samples are the objects, its camera, PSF and background make the
        measurements.
    stars : tuple of int
        The sample that is the object of each measurement.
    samples : tuple of int
        Samples of teacher and of student for each measurement.
    seed : int
        Of the new camera noise, and of the noise that the samples start from.
    coupled : bool
        Whether both samplers start from the same noise.
    limited : str
        Why there are fewer measurements than were asked for, as a clause; empty where there are
        as many.
    """

    name: Name
    question: str
    title: str
    source: SampleSource
    stars: tuple[int, ...]
    samples: tuple[int, int]
    seed: int = 0
    coupled: bool = True
    limited: str = ""

    def __len__(self) -> int:
        """Return the number of measurements."""
        return len(self.stars)

    @property
    def restorations(self) -> int:
        """Samples of teacher and student for all measurements."""
        return len(self) * sum(self.samples)

    def redraw(self, index: int) -> Redraw:
        """Simulate one of the measurements; the same one whenever it is asked for.

        It is recorded as the image was: in whole grey levels from 0 to the largest one where the
        image has whole ones, clipped where the camera saturates.

        Parameters
        ----------
        index : int
            Which, from 0.
        """
        import torch

        x_star = np.asarray(self.source.samples[self.stars[index]], np.float32)
        planes = x_star.reshape(-1, *x_star.shape[-2:])
        measured = []
        for number, plane in enumerate(planes):
            forward = self.source.measurement(number).forward
            x = torch.from_numpy(np.array(plane))
            seed = _derive(self.seed, _OF_THE_CAMERA, index, number) >> 1  # torch takes 63 bits
            measured.append(forward.sample(x, seed=seed).numpy())
        y = _record_like(np.stack(measured).reshape(x_star.shape), np.asarray(self.source.input))
        return Redraw(index, self.stars[index], x_star, y)

    def noise_seed(self, index: int, role: Literal["teacher", "student"]) -> int:
        """Return the seed of the noise that samples of one measurement start from.

        It differs from measurement to measurement and from that of the runs, whose samples are the
        objects here; it is the same for both samplers where they are coupled.
        """
        other = int(role == "student" and not self.coupled)
        return _derive(self.seed, _OF_THE_SAMPLES, index, other)

    def cost(self, seconds: tuple[float, float] | None = None) -> str:
        """Say in a sentence what the experiment costs.

        Parameters
        ----------
        seconds : tuple of float, optional
            That one sample of the teacher and one of the student take; without them the time is
            not said.
        """
        teacher, student = self.samples
        each = f"{teacher} samples" if teacher == student else f"{teacher} and {student} samples"
        why = f" ({self.limited})" if self.limited else ""
        told = (
            f"{self.title}: restores {len(self)} simulated measurements{why} with teacher and "
            f"student, {each} of each ({self.restorations} restorations)"
        )
        if seconds is None:
            return f"{told}; the time is known after the first of them."
        total = len(self) * (teacher * seconds[0] + student * seconds[1])
        return f"{told}: about {duration(total)} at the speed of the two runs."


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """What an experiment found.

    Parameters
    ----------
    experiment : Experiment
        What was done.
    findings : tuple of Finding
        Without verdicts.
    maps : tuple of MapImage
        Where in the image.
    """

    experiment: Experiment
    findings: tuple[Finding, ...]
    maps: tuple[MapImage, ...] = ()


def check_number(given: Any, words: str, least: int) -> int:
    """Return a whole number that is large enough.

    Raises
    ------
    InputError
        If it is not.
    """
    if not isinstance(given, int | np.integer) or isinstance(given, bool) or given < least:
        raise InputError(f"{given} {words} cannot be used; give a whole number of {least} or more")
    return int(given)


def _derive(*keys: int) -> int:
    """Return a seed of 64 bits that belongs to these keys."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0])


def _record_like(y: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Round and clip simulated grey levels as those of the image are."""
    whole = image.dtype.kind in "iu" or bool((image == np.rint(image)).all())
    if not whole:
        return np.asarray(y, np.float32)
    levels = np.rint(y)
    if image.min() >= 0:
        levels = np.maximum(levels, 0)
    if image.dtype.kind in "iu":
        ends = np.iinfo(image.dtype)
        levels = np.clip(levels, ends.min, ends.max)
    return np.asarray(levels, np.float32)
