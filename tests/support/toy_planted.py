"""Toy images with their posteriors, and students at a known distance from the teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.known.truth import attainable
from napari_posterior.checks.spread.bands import make_bands, optical_cutoff
from napari_posterior.toys.laws import Law, Restoration, add_forms, add_puncta
from napari_posterior.toys.students import with_variance, without_detail

if TYPE_CHECKING:
    from collections.abc import Callable


_APART = 16.0  # SD: a tenth of the variance, which principal coordinates show


@dataclass(frozen=True, eq=False)
class Scene:
    """One image: its object, its measurement and the teacher's law.

    Parameters
    ----------
    toy : Restoration
        How it was made.
    truth, y : ndarray, (n, n)
        Object and measurement, photoelectrons and electrons.
    teacher : Law
        The posterior.
    """

    toy: Restoration
    truth: np.ndarray
    y: np.ndarray
    teacher: Law

    @cached_property
    def measurement(self):
        """The measurement of the package."""
        return self.toy.as_measurement(self.y)


def make_scene(
    *,
    seed: int = 1,
    puncta: np.ndarray | None = None,
    forms: bool = False,
    tails: str = "gaussian",
    **toy: float,
) -> Scene:
    """Draw an object, measure it, and add to its posterior what a check looks at."""
    restoration = Restoration(**toy)
    generator = np.random.default_rng(seed)
    truth = restoration.object(generator)
    y = restoration.measure(truth, generator)
    law = replace(restoration.posterior(y), tails=tails)
    if puncta is not None:
        law = add_puncta(law, puncta)
    if forms:
        law = add_forms(law, apart=_APART)
    return Scene(restoration, truth, y, law)


def moved(share: float) -> Callable[[Scene], Law]:
    """Shift the mean by so many posterior SD in root mean square, along an object."""

    def student(scene: Scene) -> Law:
        along = scene.toy.object(np.random.default_rng(99)) - scene.toy.level
        along *= share * np.sqrt(scene.teacher.total_variance) / np.linalg.norm(along)
        return replace(scene.teacher, mean=scene.teacher.mean + along)

    return student


def ratio(ratio: float) -> Callable[[Scene], Law]:
    return lambda scene: with_variance(scene.teacher, ratio)


def corner(ratio: float) -> Callable[[Scene], Law]:
    def student(scene: Scene) -> Law:
        at = np.indices((scene.toy.size,) * 2).max(0) < scene.toy.size // 2
        return with_variance(scene.teacher, ratio, where=at)

    return student


def fine(kept: float, *, band: int) -> Callable[[Scene], Law]:
    """Keep a share of the power in a band of the spectrum and in all finer ones."""

    def student(scene: Scene) -> Law:
        cutoff = optical_cutoff(scene.measurement.psf)
        edges = make_bands((scene.toy.size,) * 2, cutoff=cutoff).edges
        return without_detail(scene.teacher, kept, above=edges[band])

    return student


def fewer(share: float, *, least: float = 0.0) -> Callable[[Scene], Law]:
    """Make puncta of a probability of `least` or more rarer, so that `share` of all is lost."""

    def student(scene: Scene) -> Law:
        puncta = scene.teacher.puncta
        p = puncta.probabilities
        hit = p >= least
        fewer = np.where(hit, p * (1 - share * p.sum() / p[hit].sum()), p)
        return replace(scene.teacher, puncta=replace(puncta, probabilities=fewer))

    return student


def sharper_counts(scene: Scene) -> Law:
    """Puncta of the same number and .8 times its standard deviation."""
    puncta = scene.teacher.puncta
    p = puncta.probabilities
    wanted, middle = 0.64 * (p * (1 - p)).sum(), np.sort(p)
    low, high = 0.0, 1.0
    for _ in range(60):
        at = (low + high) / 2
        # probabilities move towards 0 or 1 in pairs around one half, which keeps the sum
        moved = np.clip(0.5 + (middle - 0.5) * (1 + at), 0, 1)
        low, high = (at, high) if (moved * (1 - moved)).sum() > wanted else (low, at)
    return replace(scene.teacher, puncta=replace(puncta, probabilities=moved))


def fewer_dimensions(ratio: float) -> Callable[[Scene], Law]:
    """Concentrate the spectrum until the effective dimension is `ratio` times as large."""

    def student(scene: Scene) -> Law:
        law = scene.teacher
        low, high = 1.0, 8.0
        for _ in range(60):
            power = (low + high) / 2
            tilted = law.spectrum**power
            tilted *= law.spectrum.sum() / tilted.sum()
            other = replace(law, spectrum=tilted)
            low, high = (power, high) if other.dimension > ratio * law.dimension else (low, power)
        return other

    return student


def less_likely(scene: Scene) -> Law:
    """Widen the field until reduced chi-squared has risen by its tolerance.

    That is the standard deviation of chi-squared where it is above .02.
    """
    law, toy = scene.teacher, scene.toy
    seen = float((law.spectrum * toy.transfer**2).mean()) / toy.noise**2
    limit = max(0.02, float(np.sqrt(2 / toy.size**2)))
    return with_variance(law, 1 + limit / seen)


@cache
def covering(difference: float, samples: int) -> float:
    """Return the factor of the SD at which intervals of K samples cover so much less."""
    generator = np.random.default_rng(3)
    truth = generator.standard_normal(40_000)
    draws = generator.standard_normal((samples, len(truth)))
    j, _ = attainable(samples, 0.9)

    def coverage(factor: float) -> float:
        rank = (factor * draws < truth).sum(0)
        return float(((rank >= j) & (rank <= samples - j)).mean())

    low, high = 0.3, 1.0
    for _ in range(25):
        factor = (low + high) / 2
        low, high = (
            (factor, high) if coverage(1.0) - coverage(factor) > difference else (low, factor)
        )
    return factor


def ignoring(share: float) -> Callable[[Scene], Law]:
    return lambda scene: replace(
        scene.teacher, mean=scene.toy.posterior(scene.y, heeded=1 - share).mean
    )


def shares(*weights: float) -> Callable[[Scene], Law]:
    """Show the forms with other weights."""

    def student(scene: Scene) -> Law:
        forms = replace(scene.teacher.forms, weights=np.array(weights))
        return replace(scene.teacher, forms=forms)

    return student


def heeding(share: float) -> Callable[[Restoration, np.ndarray], Law]:
    """Restore measurements heeding only a share of each."""
    return lambda toy, y: toy.posterior(y, heeded=share)


def narrower(ratio: float) -> Callable[[Restoration, np.ndarray], Law]:
    """Restore measurements with `ratio` times the variance."""
    return lambda toy, y: with_variance(toy.posterior(y), ratio)


def gap(teacher: Law, student: Law) -> float:
    return float(
        np.linalg.norm(student.expected - teacher.expected) / np.sqrt(teacher.total_variance)
    )


def variances(teacher: Law, student: Law) -> float:
    return student.total_variance / teacher.total_variance


def _count_moments(law: Law) -> tuple[float, float]:
    p = law.puncta.probabilities
    return float(p.sum()), float((p * (1 - p)).sum())


def counts(teacher: Law, student: Law) -> float:
    return _count_moments(student)[0] - _count_moments(teacher)[0]


def spreads(teacher: Law, student: Law) -> float:
    return math.sqrt(_count_moments(student)[1] / _count_moments(teacher)[1])


def dimensions(teacher: Law, student: Law) -> float:
    return student.dimension / teacher.dimension
