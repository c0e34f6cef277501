"""Where a known object lies among samples: ranks, in pixels and in quantities of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.known.truth import attainable
from napari_posterior.statistics import get_statistic, make_context, quantify

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.experiments.experiment import Redraw
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.statistics import Statistic

__all__ = ["LEVEL", "PIXELS", "RankMeter", "Ranks", "rank"]

LEVEL: Final = 0.9
"""Nominal coverage that is looked at; the nearest one that so many samples attain is taken."""

PIXELS: Final = "pixels"
"""Name of the quantity that is ranked pixel by pixel."""

_LIKELIHOOD: Final = "likelihood"
_DISTANCE: Final = "distance"


@dataclass(frozen=True)
class Ranks:
    """Where the object of one simulation lies among samples, in one quantity.

    Parameters
    ----------
    covered : float
        Whether the interval of `attainable` coverage holds it; the share of pixels in which one
        does, or the probability where samples are tied with it.
    below : float
        Share of the samples that lie below it, ties as half.
    """

    covered: float
    below: float


def rank(samples: np.ndarray, known: np.ndarray | float) -> Ranks:
    """Rank a known value among samples, or many of them pixel by pixel.

    Ties are averaged over the ranks they may take, instead of broken at random: the expectation is
    the same and the noise of the dice is spared.

    Parameters
    ----------
    samples : ndarray, (K, ...)
        Of any unit.
    known : ndarray, (...), or float
        In the same unit.
    """
    count = len(samples)
    below = (samples < known).sum(0)
    tied = (samples == known).sum(0)
    j, _ = attainable(count, LEVEL)
    inside = np.minimum(below + tied, count - j) - np.maximum(below, j) + 1
    covered = np.maximum(inside, 0) / (tied + 1)
    return Ranks(float(covered.mean()), float(((below + tied / 2) / count).mean()))


class RankMeter:
    """Ranks the object of a simulation among its restorations, in every quantity.

    These are the pixels; the log likelihood of the measurement, which sees a sampler that does not
    look at it; the distance from a reference that depends on the measurement (TARP, Lemos
    et al. 2023, ICML, arXiv:2302.03026), which is a teacher sample that is not ranked; and
    statistics, with the thresholds of the image that was restored.

    Parameters
    ----------
    measurements : sequence of Measurement
        Planes of the image that was restored.
    statistics : sequence of str or Statistic
        Ranked too.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Raises
    ------
    InputError
        If a statistic is unknown.
    """

    def __init__(
        self,
        measurements: Sequence[Measurement],
        statistics: Sequence[str | Statistic] = (),
        *,
        pixel_size: tuple[float, float] | None = None,
        unit: str = "pixel",
    ) -> None:
        asked = [get_statistic(one) for one in statistics]
        self._statistics: Final = [one for one in asked if not one.volume]
        self._contexts: Final = [
            make_context(one, pixel_size=pixel_size, unit=unit) for one in measurements
        ]
        self._measurements: Final = measurements
        self.titles: Final = {
            PIXELS: "pixels",
            _LIKELIHOOD: "log likelihood of the measurement",
            _DISTANCE: "distance from another sample",
        }
        """Words for each quantity; those of statistics come with the first simulation."""

    def score(
        self, redraw: Redraw, teacher: np.ndarray, student: np.ndarray
    ) -> dict[str, tuple[Ranks, Ranks]]:
        """Rank the object among the samples of teacher and student.

        Parameters
        ----------
        redraw : Redraw
            The object and its measurement.
        teacher : ndarray, (K + 1, ...)
            Samples of the teacher; the last one is the reference of distances.
        student : ndarray, (K, ...)
            Samples of the student.

        Returns
        -------
        dict
            For each quantity the ranks under teacher and student; without a quantity that is not
            defined in one of them.
        """
        *_, height, width = redraw.x_star.shape
        runs = [teacher[:-1], student]
        found = {PIXELS: (rank(runs[0], redraw.x_star), rank(runs[1], redraw.x_star))}
        star, *groups = (
            one.reshape(-1, len(self._measurements), height, width)
            for one in (redraw.x_star, *runs, teacher[-1])
        )
        reference = groups.pop()[0]
        numbers = [
            _join([_apart(group, reference), self._explain(redraw, group), self._measure(group)])
            for group in (star, *groups)
        ]
        for key, known in numbers[0].items():
            columns = [one[key] for one in numbers[1:]]
            if all(np.isfinite(one).all() for one in (known, *columns)):
                found[key] = rank(columns[0], known[0]), rank(columns[1], known[0])
        return found

    def _explain(self, redraw: Redraw, group: np.ndarray) -> dict[str, np.ndarray]:
        """Return ``ln p(y*|x)`` of samples, (K,) nats."""
        import torch

        from napari_posterior.physics.likelihood import Likelihood

        total = np.zeros(len(group))
        planes = redraw.y.reshape(group.shape[1:])
        with torch.inference_mode():
            for number, (y, known) in enumerate(zip(planes, self._measurements, strict=True)):
                one = Likelihood(type(known)(y, known.camera, known.psf, known.background))
                x = torch.from_numpy(np.ascontiguousarray(group[:, number], np.float32))
                total -= one.total(x).numpy()
        return {_LIKELIHOOD: total}

    def _measure(self, group: np.ndarray) -> dict[str, np.ndarray]:
        """Return every statistic of every sample, (K,) each."""
        found: dict[str, list[float]] = {}
        for planes in group:
            for one in self._statistics:
                for key, value in quantify(one, list(planes), self._contexts).items():
                    name = f"{one.name}.{key}" if key else one.name
                    found.setdefault(name, []).append(value.value)
                    words = key.replace("_", " ")
                    self.titles[name] = f"{one.title}, {words}" if key else one.title
        return {key: np.array(values) for key, values in found.items()}


def _apart(group: np.ndarray, reference: np.ndarray) -> dict[str, np.ndarray]:
    """Return the distance of samples from the reference, (K,) photoelectrons."""
    squares = ((group - reference).astype(np.float64) ** 2).sum((1, 2, 3))
    return {_DISTANCE: np.sqrt(squares)}


def _join(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {key: values for part in parts for key, values in part.items()}
