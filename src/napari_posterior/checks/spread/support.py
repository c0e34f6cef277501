"""Whether the samples of two runs lie among each other: precision, recall, density, coverage."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.detail import Detail
from napari_posterior.checks.finding import Finding, percent
from napari_posterior.checks.two_sample import NEIGHBOURS, squared_distances

if TYPE_CHECKING:
    from napari_posterior.checks.gram import Gram

__all__ = ["FEWEST_FOR_SUPPORT", "Support", "find_support", "measure_support"]

FEWEST_FOR_SUPPORT: Final = 8
"""Samples of each group below which the 5th neighbour lies anywhere."""

_HALVES: Final = 50
_BAND: Final = (0.05, 0.95)


@dataclass(frozen=True)
class Support:
    """How two groups of samples lie among each other; each sample has a ball to its neighbour.

    Parameters
    ----------
    precision : float
        Share of the second group that lies in the ball of some sample of the first.
    recall : float
        Share of the first group that lies in the ball of some sample of the second.
    density : float
        In how many balls of the first group a sample of the second lies, over the neighbours that
        the balls are drawn to; 1 for one law, and above 1 for samples near the middle.
    coverage : float
        Share of the first group whose ball holds a sample of the second.
    """

    precision: float
    recall: float
    density: float
    coverage: float


_WORDS: Final = (
    ("precision", "student samples that look like teacher samples"),
    ("recall", "teacher samples that look like student samples"),
    ("density", "teacher samples around a student sample, of those expected"),
    ("coverage", "teacher samples with a student sample close by"),
)


def measure_support(apart: np.ndarray, count: int, *, neighbours: int = NEIGHBOURS) -> Support:
    """Return precision, recall, density and coverage from distances.

    Kynkäänniemi et al. (2019, NeurIPS) for the first two, Naeem et al. (2020, ICML) for the others.
    For one law and equal groups of 5 neighbours about .91, .91, 1 and .97 in ten dimensions.

    Parameters
    ----------
    apart : ndarray, (n, n)
        Distances of all samples, squared or not, the first group first.
    count : int
        Samples of the first group; both have more than `neighbours`.
    neighbours : int
        The ball of a sample reaches to this one among its own group.
    """
    first = np.sort(apart[:count, :count], axis=1)[:, neighbours]  # itself comes first
    second = np.sort(apart[count:, count:], axis=1)[:, neighbours]
    across = apart[:count, count:]
    inside = across < first[:, None]
    return Support(
        precision=float(inside.any(0).mean()),
        recall=float((across < second).any(1).mean()),
        density=float(inside.sum(0).mean() / neighbours),
        coverage=float(inside.any(1).mean()),
    )


def find_support(gram: Gram, *, level: float, paired: bool, seed: int = 0) -> Finding | None:
    """Say how the student's samples lie among the teacher's, beside two halves of the teacher.

    Half of the teacher's samples are compared with as many student samples, and with the other
    half; the means of 50 random cuts are told. Of pairs, no student sample enters whose partner is
    in the half that it is compared with.

    Parameters
    ----------
    gram : Gram
        Of both runs.
    level : float
        Confidence level of the report; the numbers have no interval.
    paired : bool
        Whether sample i of both runs share their noise.
    seed : int
        Of the cuts.

    Returns
    -------
    Finding or None
        ``"support"``, an estimate without a verdict: the coverage by the student less that by the
        teacher's other half. None with fewer than 16 teacher or 8 student samples.
    """
    m, n = gram.n_teacher, gram.n_student
    half = min(m // 2, n)
    if half < FEWEST_FOR_SUPPORT:
        return None
    apart = squared_distances(gram)
    generator = np.random.default_rng(seed)
    found = np.empty((2, _HALVES, len(_WORDS)))
    for cut in range(_HALVES):
        order = generator.permutation(m)
        base, other = order[:half], order[half : 2 * half]
        student = m + (other if paired else generator.permutation(n)[:half])
        for group, rows in enumerate((student, other)):
            both = np.concatenate([base, rows])
            found[group, cut] = astuple(measure_support(apart[np.ix_(both, both)], half))
    means = found.mean(1)
    low, high = np.quantile(found[1], _BAND, axis=0)
    by_student, by_teacher = (float(one[-1]) for one in means)
    shares: tuple[tuple[str, float, float, float, float], ...] = tuple(
        (f"{name}: {words}", float(means[0, i]), float(means[1, i]), float(low[i]), float(high[i]))
        for i, (name, words) in enumerate(_WORDS)
    )
    table = Detail(
        f"Do samples lie among each other, {half} against {half}",
        ("share", "student", "teacher's other half", "5 % of halves", "95 % of halves"),
        shares,
        f"Close means nearer than the {NEIGHBOURS}th neighbour of the teacher sample among its "
        "half (of recall, of the student sample among its own). Read the two columns against each "
        "other, not against 1: where many things vary, slightly narrower samples already lie close "
        "to nothing or to everything. No verdict rests on these.",
    )
    return Finding(
        id="support",
        title="samples among each other",
        estimand="coverage of teacher samples by student samples − by other teacher samples",
        unit="share of samples",
        estimate=by_student - by_teacher,
        interval=(None, None),
        level=level,
        method=f"{NEIGHBOURS} nearest neighbours, mean of {_HALVES} cuts into {half} and {half}",
        n_teacher=m,
        n_student=n,
        coupled=paired,
        sentence=(
            f"On this image {percent(by_student)} of teacher samples have a student sample close "
            f"by, where {percent(by_teacher)} have another teacher sample; "
            f"{percent(float(means[0, 0]))} of student samples look like a teacher sample, where "
            f"{percent(float(means[1, 0]))} of other teacher samples do."
        ),
        question="diversity",
        extra={"group": half, **table.to_extra()},
    )
