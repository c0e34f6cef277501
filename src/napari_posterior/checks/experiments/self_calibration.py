"""Do error bars hold what they promise, without a known object: paired self-simulation.

A teacher sample x* is taken as the object, a measurement y* of it is simulated, and both samplers
restore y*. Where x* lies among the samples of each tells how often their intervals hold it. The
samples of one image are no draws from the prior, so that these ranks are not uniform even for a
perfect sampler; but they are the same for both where nothing is lost, whatever the law of x*. So
only the difference of student and teacher is judged, with the simulation as the unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.experiments.experiment import Experiment, check_number
from napari_posterior.checks.experiments.ranks import LEVEL, PIXELS
from napari_posterior.checks.experiments.sizes import CALIBRATION_SAMPLES, SIMULATIONS
from napari_posterior.checks.finding import Finding, confidence, percent, rounded
from napari_posterior.checks.intervals import mean_difference
from napari_posterior.checks.known.truth import attainable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_posterior.checks.experiments.ranks import Ranks
    from napari_posterior.checks.source import SampleSource

__all__ = ["find_self_calibration", "plan_self_calibration"]

_FEWEST_SIMULATIONS: Final = 8
_FEWEST_SAMPLES: Final = 7
_FLIPS: Final = 999

_WHAT: Final = (
    "This tests whether samples and forward model agree with each other; it cannot show that what "
    "the model has learned is right."
)


def plan_self_calibration(
    source: SampleSource,
    *,
    simulations: int = SIMULATIONS,
    samples: int = CALIBRATION_SAMPLES,
    seed: int = 0,
    coupled: bool = True,
) -> Experiment:
    """Plan to take teacher samples as objects, and to restore a new measurement of each.

    Every simulation has an object of its own, so there are at most as many as the teacher's run
    has samples. The teacher restores each once more than the student: the last of its samples is
    what distances are measured from.

    Parameters
    ----------
    source : SampleSource
        The teacher's run.
    simulations : int
        Measurements to simulate, at most.
    samples : int
        Samples that the object is ranked among; 15 attain a coverage of 87.5 %.
    seed : int
        Chooses the objects, and makes the noise.
    coupled : bool
        Whether both samplers start from the same noise.

    Raises
    ------
    InputError
        If a number is too small.
    """
    asked = check_number(simulations, "simulations", _FEWEST_SIMULATIONS)
    each = check_number(samples, "samples", _FEWEST_SAMPLES)
    there = int(source.samples.shape[0])
    order = np.random.default_rng(seed).permutation(there)
    return Experiment(
        name="self_calibration",
        question="calibration",
        title="Calibration by self-simulation",
        source=source,
        stars=tuple(int(star) for star in order[:asked]),
        samples=(each + 1, each),
        seed=seed,
        coupled=coupled,
        limited=f"the teacher's run has {there} samples" if there < asked else "",
    )


def find_self_calibration(
    simulations: Sequence[Mapping[str, tuple[Ranks, Ranks]]],
    *,
    samples: int,
    level: float,
    titles: Mapping[str, str] | None = None,
    coupled: bool = True,
    seed: int = 0,
) -> list[Finding]:
    """Compare how often intervals of teacher and student hold the object, over simulations.

    Parameters
    ----------
    simulations : sequence of mapping
        For each simulation the ranks under teacher and student by quantity, see `ranks.RankMeter`.
    samples : int
        That each object was ranked among.
    level : float
        Confidence level.
    titles : mapping, optional
        Words for each quantity.
    coupled : bool
        Whether both samplers started from the same noise.
    seed : int
        Of the sign flips.

    Returns
    -------
    list of Finding
        ``"self_calibration"`` for the pixels, then ``"self_calibration.<quantity>"``, estimates
        without a verdict. Simulations are the unit.
    """
    _, nominal = attainable(samples, LEVEL)
    keys = dict.fromkeys(key for one in simulations for key in one)
    found = []
    for key in keys:
        pairs = [one[key] for one in simulations if key in one]
        if len(pairs) < 2:
            continue
        left_out = len(simulations) - len(pairs)
        covered, below = (
            np.array([[getattr(run, name) for run in pair] for pair in pairs]).T
            for name in ("covered", "below")
        )
        title = (titles or {}).get(key, key)
        found.append(_find_one(key, title, covered, below, nominal, level, coupled, seed, left_out))
    return found


def _find_one(
    key: str,
    title: str,
    covered: np.ndarray,
    below: np.ndarray,
    nominal: float,
    level: float,
    coupled: bool,
    seed: int,
    left_out: int,
) -> Finding:
    """Compare one quantity; `covered` and `below` are (2, n), teacher first."""
    count = covered.shape[1]
    estimate = mean_difference(covered[0], covered[1], level=level, paired=True)
    shift = mean_difference(below[0], below[1], level=level, paired=True)
    means = covered.mean(1)
    value, span = _shares(estimate.value, estimate.interval)
    lies = below.mean(1)
    of_pixels = key == PIXELS
    where = "of the pixels" if of_pixels else f"of the simulations ({title})"
    notes = [
        _WHAT,
        "The objects come from one image, so that these shares need not be the nominal one even "
        "for a perfect sampler; only their difference tells.",
    ]
    if left_out:
        notes.append(f"{title} is not defined in {left_out} simulations, which are left out.")
    return Finding(
        id="self_calibration" if of_pixels else f"self_calibration.{key}",
        title="coverage in self-simulation" + ("" if of_pixels else f", {title}"),
        estimand="coverage of student intervals − coverage of teacher intervals, same x* and y*",
        unit="share of pixels" if of_pixels else "share of simulations",
        estimate=estimate.value,
        interval=estimate.interval,
        level=level,
        method=f"{estimate.method} over simulations",
        n_teacher=count,
        n_student=count,
        coupled=coupled,
        sentence=(
            f"In {count} simulated measurements of this image, {percent(nominal, 1)} intervals of "
            f"the student hold the simulated object in {percent(float(means[1]), 1)} {where}, "
            f"those of the teacher in {percent(float(means[0]), 1)}: a difference of {value} "
            f"({confidence(level)} interval {span}). On average it lies above "
            f"{percent(float(lies[1]), 1)} of the student's samples and above "
            f"{percent(float(lies[0]), 1)} of the teacher's."
        ),
        question="calibration",
        # a single number of each simulation leaves too much open for a verdict
        kind="self_calibration" if of_pixels else "",
        counted="simulations",
        evidence=estimate.evidence,
        p_value=_flip_signs(covered[1] - covered[0], below[1] - below[0], seed=seed),
        p_method=f"{_FLIPS} sign flips of simulations, larger of coverage and rank",
        notes=tuple(notes),
        extra={
            "nominal": nominal,
            "teacher": float(means[0]),
            "student": float(means[1]),
            "se": estimate.se,
            "df": estimate.df,
            "rank_teacher": float(lies[0]),
            "rank_student": float(lies[1]),
            "rank_shift": shift.value,
            "rank_shift_interval": list(shift.interval),
        },
    )


def _flip_signs(*differences: np.ndarray, seed: int) -> float:
    """Return the p-value that no difference has a mean, the largest of them taken."""
    rng = np.random.default_rng(seed)
    rows = np.stack([d / np.sqrt((d**2).sum()) if d.any() else d for d in differences])
    signs = rng.choice([-1.0, 1.0], (_FLIPS, rows.shape[1]))
    own = np.abs(rows.sum(1)).max()
    dealt = np.abs(signs @ rows.T).max(1)
    return float((1 + (dealt >= own * (1 - 1e-9)).sum()) / (_FLIPS + 1))


def _shares(value: float | None, interval: tuple[float | None, float | None]) -> tuple[str, str]:
    """Write a difference of shares in points of a percentage."""
    low, high = interval
    scaled = None if value is None else 100 * value
    ends = None if low is None else 100 * low, None if high is None else 100 * high
    written, span = rounded(scaled, ends, sign=True)
    return f"{written} percentage points", span
