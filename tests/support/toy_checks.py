"""Every check on draws of toy laws, with the verdicts that a comparison would give.

Used by the known answers and by ``docs/make_operating_characteristics.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_posterior.checks.counted.site_changes import find_site_changes
from napari_posterior.checks.counted.task import find_difference, find_spread_ratio
from napari_posterior.checks.experiments.dependence import find_dependence
from napari_posterior.checks.experiments.self_calibration import find_self_calibration
from napari_posterior.checks.gram import Gram, GramAccumulator, group
from napari_posterior.checks.known.truth import find_calibration, score_blocks
from napari_posterior.checks.likelihood import ResidualMeter, find_residual_difference
from napari_posterior.checks.mean import find_mean_gap
from napari_posterior.checks.solver import SolverTrust
from napari_posterior.checks.spread.bands import BandMeter, make_bands, optical_cutoff
from napari_posterior.checks.spread.diversity import find_dimension, find_diversity
from napari_posterior.checks.spread.modes import find_modes, principal_coordinates
from napari_posterior.checks.spread.moments import Moments
from napari_posterior.checks.spread.scale import pooled_scale
from napari_posterior.checks.spread.spectrum import find_spectrum
from napari_posterior.checks.spread.tiles import TileSums, choose_tile, find_tiles
from napari_posterior.checks.spread.variance import find_variance_ratio
from napari_posterior.checks.trust import NoiseTrust
from napari_posterior.checks.verdicts.judging import settle
from napari_posterior.checks.verdicts.tolerances import DEFAULTS, Tolerances

if TYPE_CHECKING:
    from napari_posterior.checks.experiments.ranks import Ranks
    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.verdicts.looks import Looks
    from napari_posterior.physics.measurement import Measurement
    from napari_posterior.toys.laws import Draws

COUNT = "puncta_count"
RANKED = 15
"""Samples that a simulated object is ranked among."""

_JITTER = 0.2  # px that a detector is off


@dataclass(frozen=True, eq=False)
class Case:
    """What is compared.

    Parameters
    ----------
    teacher, student : Draws
        Samples; in pairs, as many of each.
    measurement : Measurement or None
        For the likelihood and the optical cut-off.
    truth : ndarray, (n, n), or None
        For the coverage.
    sites : ndarray, (m, 2), or None
        Of the puncta.
    paired : bool
        Whether samples share their noise.
    follow : tuple of ndarray, (B, K, B), or None
        ``ln p(y_j | x_k(y_b))`` of teacher and student, for the dependence on the measurement.
    simulated : tuple of mapping
        Ranks of simulated objects, for the self-calibration.
    """

    teacher: Draws
    student: Draws
    measurement: Measurement | None = None
    truth: np.ndarray | None = None
    sites: np.ndarray | None = None
    paired: bool = False
    follow: tuple[np.ndarray, np.ndarray] | None = None
    simulated: tuple[dict[str, tuple[Ranks, Ranks]], ...] = ()

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.teacher.samples), len(self.student.samples)

    @property
    def shape(self) -> tuple[int, int]:
        return self.teacher.samples.shape[1:]

    @property
    def both(self) -> tuple[np.ndarray, np.ndarray]:
        return self.teacher.samples, self.student.samples

    def first(self, samples: int) -> Case:
        """Return the first samples of each run."""
        return replace(
            self, teacher=self.teacher.first(samples), student=self.student.first(samples)
        )


def gram_of(teacher: np.ndarray, student: np.ndarray) -> Gram:
    """Return the Gram matrix of samples, (K, n, n)."""
    accumulator = GramAccumulator(len(teacher), len(student))
    accumulator.add(np.concatenate([teacher, student]).reshape(len(teacher) + len(student), -1))
    return accumulator.result()


def find(case: Case, names: tuple[str, ...], *, level: float) -> dict[str, Finding]:
    """Return the findings of some checks by their ids.

    Parameters
    ----------
    case : Case
        What is compared.
    names : tuple of str
        Keys of `FINDERS`.
    level : float
        Of the intervals.
    """
    found = [one for name in names for one in FINDERS[name](case, level)]
    return {one.id: one for one in found}


def judge_all(
    found: dict[str, Finding], looks: Looks, tolerances: Tolerances | None = None
) -> dict[str, Finding]:
    """Return the findings with the verdicts of a comparison."""
    settled = settle(list(found.values()), tolerances or Tolerances(), looks, solver=SolverTrust())
    return {one.id: one for one in settled}


def _moments(samples: np.ndarray) -> Moments:
    mean = samples.mean(0, dtype=np.float64).astype(np.float32)
    return Moments(mean, samples.std(0, ddof=1, dtype=np.float64).astype(np.float32))


def _mean(case: Case, level: float) -> list[Finding]:
    gram = gram_of(*case.both)
    return [find_mean_gap(gram, level=level, paired=case.paired, rho=None)]


def _variance(case: Case, level: float) -> list[Finding]:
    return [find_variance_ratio(gram_of(*case.both), level=level, paired=case.paired)]


def _dimension(case: Case, level: float) -> list[Finding]:
    return [find_dimension(gram_of(*case.both), level=level, paired=case.paired)]


def _diversity(case: Case, level: float) -> list[Finding]:
    moments = _moments(case.teacher.samples), _moments(case.student.samples)
    scale = pooled_scale(*moments, case.counts).astype(np.float32)
    standardised = gram_of(case.teacher.samples / scale, case.student.samples / scale)
    return [find_diversity(standardised, level=level, paired=case.paired)]


def _spectrum(case: Case, level: float) -> list[Finding]:
    cutoff = None if case.measurement is None else optical_cutoff(case.measurement.psf)
    bands = make_bands(case.shape, cutoff=cutoff)
    moments = _moments(case.teacher.samples), _moments(case.student.samples)
    meter = BandMeter(bands, *moments, case.counts)
    powers = [
        np.array([meter.measure(sample, run) for sample in samples])
        for run, samples in enumerate(case.both)
    ]
    return [find_spectrum(*powers, bands, level=level, paired=case.paired)[0]]


def _tiles(case: Case, level: float) -> list[Finding]:
    sums = TileSums(*case.counts, case.shape)
    sums.add(np.concatenate(case.both), 0)
    gram = gram_of(*case.both)
    side = choose_tile(group(gram.matrix[: case.counts[0], : case.counts[0]]).dimension, case.shape)
    limits = DEFAULTS["tiles"].resolve()
    assert limits is not None
    return [find_tiles(sums.result(), side=side, limits=limits, level=level, paired=case.paired)[0]]


def _count(case: Case, level: float) -> list[Finding]:
    values = case.teacher.counts, case.student.counts
    title = "puncta count"
    return [
        find_difference(
            COUNT, title, "puncta", *values, level=level, paired=case.paired
        ),
        find_spread_ratio(COUNT, title, *values, level=level, paired=case.paired),
    ]  # fmt: skip


def _sites(case: Case, level: float) -> list[Finding]:
    assert case.sites is not None
    generator = np.random.default_rng(len(case.teacher.samples))
    runs = []
    for draws in (case.teacher, case.student):
        places = []
        for present in draws.present:
            at = case.sites[present] + _JITTER * generator.standard_normal((present.sum(), 2))
            places.append(np.insert(at, 0, 0.0, axis=1))
        runs.append(places)
    return list(find_site_changes(*runs, level=level, paired=case.paired)[0][:2])


def _likelihood(case: Case, level: float) -> list[Finding]:
    assert case.measurement is not None
    meter = ResidualMeter([case.measurement])
    runs = [[meter.measure([sample]) for sample in samples] for samples in case.both]
    return [find_residual_difference(*runs, level=level, paired=case.paired, trust=NoiseTrust())]


def _coverage(case: Case, level: float) -> list[Finding]:
    assert case.truth is not None
    few = min(case.counts)
    scores = [
        score_blocks(
            samples[:few], case.truth, block=16, generator=np.random.default_rng(0)
        )
        for samples in case.both
    ]  # fmt: skip
    found = find_calibration(*scores, level=level, coupled=case.paired)
    return [replace(one, kind="coverage") for one in found if one.id == "coverage.90"]


def _modes(case: Case, level: float) -> list[Finding]:
    features = principal_coordinates(gram_of(*case.both))
    return [find_modes(features, case.counts[0], level=level, paired=case.paired)[0]]


def _dependence(case: Case, level: float) -> list[Finding]:
    assert case.follow is not None
    return [find_dependence(*case.follow, level=level, paired=case.paired)]


def _self_calibration(case: Case, level: float) -> list[Finding]:
    return find_self_calibration(case.simulated, samples=RANKED, level=level, coupled=case.paired)


FINDERS = {
    "mean": _mean,
    "variance": _variance,
    "spectrum": _spectrum,
    "tiles": _tiles,
    "count": _count,
    "sites": _sites,
    "likelihood": _likelihood,
    "coverage": _coverage,
    "dimension": _dimension,
    "diversity": _diversity,
    "modes": _modes,
    "dependence": _dependence,
    "self_calibration": _self_calibration,
}
"""What returns the findings of a check, by its name."""
