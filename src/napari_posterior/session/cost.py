"""What a run will cost, said before it begins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_posterior.durations import duration
from napari_posterior.session.progress import count_of

if TYPE_CHECKING:
    from napari_posterior.bundles.info import SamplerInfo

__all__ = ["Cost", "PairCost", "Rates", "estimate_cost", "size_words"]

_BYTES = 4  # of a float32


@dataclass(frozen=True)
class Cost:
    """What a run will cost.

    Attributes
    ----------
    calls_per_sample : int
        Network calls for all planes of one sample.
    seconds : float or None
        Expected; None where nothing was measured on this device yet.
    stack_bytes : int
        Of all samples as a float32 stack.
    """

    calls_per_sample: int
    seconds: float | None
    stack_bytes: int

    @property
    def sentence(self) -> str:
        """All of it in words: ``"31 calls a sample, about 14 s, 16 MB of samples"``."""
        if self.seconds is None:
            time = "time not known yet"
        else:
            time = f"about {duration(self.seconds)}"
        per_sample = f"{count_of(self.calls_per_sample, 'call')} a sample"
        return f"{per_sample}, {time}, {size_words(self.stack_bytes)} of samples"


@dataclass(frozen=True)
class PairCost:
    """What the runs of teacher and student will cost.

    Attributes
    ----------
    student : str
        Its name.
    of_teacher, of_student : Cost
        One after the other.
    """

    student: str
    of_teacher: Cost
    of_student: Cost

    @property
    def sentence(self) -> str:
        """Both in words: ``"teacher 47 calls, about 70 s; kd 1 call, about 3 s"``."""
        parts = (("teacher", self.of_teacher), (self.student, self.of_student))
        return "; ".join(f"{name} {_calls_and_time(cost)}" for name, cost in parts)


def _calls_and_time(cost: Cost) -> str:
    calls = count_of(cost.calls_per_sample, "call")
    return calls if cost.seconds is None else f"{calls}, about {duration(cost.seconds)}"


class Rates:
    """Seconds that one pixel takes in one network call, as measured on each device."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str, str], float] = {}

    def learn(
        self, model: str, device: str, precision: str, *, pixel_calls: float, seconds: float
    ) -> None:
        """Keep what a run took; a run of few calls or no time teaches nothing.

        Parameters
        ----------
        model, device, precision : str
            What was measured.
        pixel_calls : float
            Pixels times network calls that were made.
        seconds : float
            Time they took.
        """
        if pixel_calls > 0 and seconds > 0:
            self._seconds[model, device, precision] = seconds / pixel_calls

    def knows(self, model: str, device: str, precision: str) -> bool:
        """Whether something was measured."""
        return (model, device, precision) in self._seconds

    def expect(
        self, model: str, device: str, precision: str, *, pixel_calls: float
    ) -> float | None:
        """Return the seconds that a run will take; None where nothing was measured."""
        rate = self._seconds.get((model, device, precision))
        return None if rate is None else rate * pixel_calls


def estimate_cost(
    info: SamplerInfo,
    *,
    samples: int,
    shape: tuple[int, ...],
    model: str,
    device: str,
    rates: Rates,
) -> Cost:
    """Estimate what a run will cost.

    Parameters
    ----------
    info : SamplerInfo
        The sampler with its steps.
    samples : int
        How many.
    shape : tuple of int
        Of the image, ending with y and x.
    model, device : str
        As they are chosen.
    rates : Rates
        What was measured so far.
    """
    values = samples * math.prod(shape)
    return Cost(
        calls_per_sample=info.nfe * math.prod(shape[:-2]),
        seconds=rates.expect(model, device, info.precision, pixel_calls=float(info.nfe * values)),
        stack_bytes=values * _BYTES,
    )


def size_words(count: int) -> str:
    """Write a number of bytes: ``"340 MB"``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{max(1, round(count / 1e3))} kB"
