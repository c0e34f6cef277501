"""What became of each punctum: how many a student loses and invents, and which."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.stats import false_discovery_control

from napari_posterior.checks.finding import Finding, confidence, number, percent, rounded
from napari_posterior.errors import InputError
from napari_posterior.statistics import Objects, get_statistic
from napari_posterior.statistics.changes import (
    FEWEST_SAMPLES,
    estimate_changes,
    permutation_test,
)
from napari_posterior.statistics.evaluate import measure_planes
from napari_posterior.statistics.existence import CLASSES, TOLERANCE, classify, compare_sites
from napari_posterior.statistics.proportions import mcnemar_mid_p, paired_interval
from napari_posterior.statistics.sites import default_radius, pool_sites

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from napari_posterior.statistics import Statistic, StatisticContext
    from napari_posterior.statistics.changes import Change, Changes, PermutationTest
    from napari_posterior.statistics.existence import Existence
    from napari_posterior.statistics.sites import Sites

__all__ = ["SiteTable", "bounds_in_words", "find_site_changes", "locate", "pool_planes"]

_PLANES_APART: Final = 0.5  # px of a plane: puncta of different planes are different puncta
_LARGEST: Final = 5
_DISCOVERIES: Final = 0.05  # false-discovery rate of puncta that differ in pairs

_NONE: Final = (None, None)
_WAYS: Final = {"lost": ("loses", "of them"), "invented": ("invents", "others")}


@dataclass(frozen=True, eq=False)
class SiteTable:
    """Every punctum with its probabilities, for circles on an image and a table.

    Of the sites of `existence` those that are listed, by decreasing difference; the arrays are
    over these, (n,).

    Parameters
    ----------
    existence : Existence
        All sites.
    order : ndarray, (n,) int64
        The listed ones among them.
    """

    existence: Existence
    order: np.ndarray

    def __len__(self) -> int:
        """Return the number of listed sites."""
        return len(self.order)

    @property
    def positions(self) -> np.ndarray:
        """Plane, row and column in pixels, (n, 3) float64."""
        return np.asarray(self.existence.sites.positions[self.order])

    @property
    def teacher_probability(self) -> np.ndarray:
        """Share of the teacher samples that have it."""
        return np.asarray(self.existence.teacher_probability[self.order])

    @property
    def student_probability(self) -> np.ndarray:
        """Share of the student samples that have it."""
        return np.asarray(self.existence.student_probability[self.order])

    @property
    def teacher_interval(self) -> np.ndarray:
        """Wilson interval of the teacher's, (n, 2)."""
        return np.asarray(self.existence.teacher_interval[self.order])

    @property
    def student_interval(self) -> np.ndarray:
        """Wilson interval of the student's, (n, 2)."""
        return np.asarray(self.existence.student_interval[self.order])

    @property
    def classes(self) -> np.ndarray:
        """*shared*, *lost*, *invented* or *undecidable*, (n,) str."""
        return np.asarray(self.existence.classes[self.order])

    @property
    def sentences(self) -> tuple[str, ...]:
        """One of each site; see `Existence.describe`."""
        return tuple(self.existence.describe(int(site)) for site in self.order)

    def to_frame(
        self, *, pixel_size: tuple[float, float] | None = None, unit: str = "pixel"
    ) -> pd.DataFrame:
        """Make a table of one row a site; see `Existence.to_frame`."""
        return self.existence.to_frame(pixel_size=pixel_size, unit=unit)


def locate(
    planes: Sequence[np.ndarray],
    contexts: Sequence[StatisticContext],
    *,
    statistic: str | Statistic = "puncta",
) -> np.ndarray:
    """Find where the objects of one sample are.

    Parameters
    ----------
    planes : sequence of ndarray, (H, W)
        The planes of the sample, photoelectrons per pixel.
    contexts : sequence of StatisticContext
        One for each plane.
    statistic : str or Statistic
        The detector: one that gives objects.

    Returns
    -------
    ndarray, (n, 3) float64
        Plane, row and column in pixels.

    Raises
    ------
    InputError
        If the statistic is unknown or gives numbers and no objects.
    """
    chosen = get_statistic(statistic)
    places = [np.empty((0, 3))]
    for plane, found in enumerate(measure_planes(chosen, planes, contexts)):
        if not isinstance(found, Objects):
            raise InputError(
                f"{chosen.name} gives numbers and no objects; choose a detector such as puncta"
            )
        places.append(np.insert(np.asarray(found.positions, np.float64), 0, plane, axis=1))
    return np.concatenate(places)


def pool_planes(
    teacher: Sequence[np.ndarray], student: Sequence[np.ndarray], *, radius: float | None = None
) -> Sites:
    """Pool the detections of both runs into sites, planes apart.

    Parameters
    ----------
    teacher, student : sequence of ndarray, (n, 3)
        For each sample plane, row and column of its detections in pixels.
    radius : float, optional
        How far in pixels a detection may lie from its site within the plane; by default the full
        width at half maximum at which x is seen.

    Returns
    -------
    Sites

    Raises
    ------
    InputError
        If positions are not finite numbers, or the radius is not positive.
    """
    reach = default_radius() if radius is None else radius
    return pool_sites(teacher, student, (_PLANES_APART, reach, reach))


def find_site_changes(
    teacher: Sequence[np.ndarray],
    student: Sequence[np.ndarray],
    *,
    level: float,
    paired: bool,
    radius: float | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> tuple[tuple[Finding, ...], SiteTable]:
    """Find how many puncta of the teacher the student loses, how many it invents, and which.

    Parameters
    ----------
    teacher, student : sequence of ndarray, (n, 3)
        For each sample plane, row and column of its detections in pixels; in pairs, as many
        samples of both.
    level : float
        Confidence level of the intervals.
    paired : bool
        Whether sample i of both runs share their noise.
    radius : float, optional
        As of `pool_planes`.
    tolerance : float
        Difference of two existence probabilities that does not matter, for the classes.
    seed : int
        Of the bootstrap, the halves and the exchanges.

    Returns
    -------
    tuple of tuple of Finding, SiteTable
        ``"sites.lost"`` and ``"sites.invented"``, as shares of the puncta of a teacher sample, and
        ``"sites"`` with the p-value, the numbers of each class and the largest changes.

    Raises
    ------
    InputError
        If positions are not finite numbers, pairs are not complete, or a run has no samples.
    """
    tail = (1 - level) / 2
    sites = pool_planes(teacher, student, radius=radius)
    changes = estimate_changes(sites.teacher, sites.student, paired=paired, tail=tail, seed=seed)
    test = permutation_test(sites.teacher, sites.student, paired=paired, seed=seed)
    existence = compare_sites(sites, tolerance=tolerance, level=level, tail=tail)
    ranked = np.argsort(-np.abs(existence.difference), kind="stable")
    table = SiteTable(existence, ranked[existence.listed[ranked]])
    shared: dict[str, Any] = {
        "question": "task",
        "level": level,
        "n_teacher": len(teacher),
        "n_student": len(student),
        "coupled": paired,
    }
    found = [
        _find_change(way, change, changes, shared)
        for way, change in (("lost", changes.lost), ("invented", changes.invented))
    ]
    return (*found, _find_any(table, test, shared)), table


def bounds_in_words(change: Change) -> str:
    """Write the puncta lost or invented in a sample, with bounds."""
    shown = max(change.cross_fit, 0.0)
    if math.isinf(change.upper):
        few = f"{FEWEST_SAMPLES} samples of each run or more would bound it from above"
        return f"{shown:.1f} a sample (at least {change.lower:.1f}; {few})"
    return f"{shown:.1f} a sample ({change.lower:.1f} to {change.upper:.1f})"


def _find_change(way: str, change: Change, changes: Changes, shared: dict[str, Any]) -> Finding:
    count = changes.teacher_count
    known = count > 0 and math.isfinite(change.cross_fit)
    puncta = max(change.cross_fit, 0.0)
    upper = change.upper if math.isfinite(change.upper) else None
    interval = (change.lower / count, None if upper is None else upper / count) if known else _NONE
    first, second = ("p_T", "p_S") if way == "lost" else ("p_S", "p_T")
    return Finding(
        id=f"sites.{way}",
        title=f"puncta {way}",
        estimand=f"sum over sites of max({first} − {second}, 0) / sum over sites of p_T",
        unit="share of puncta",
        estimate=puncta / count if known else None,
        interval=interval,
        method="cross-fit, bounded above by the plug-in estimate; bootstrap over samples",
        sentence=_tell_change(way, change, count, shared["level"]),
        kind=f"sites.{way}",
        distance=True,
        untestable="" if count > 0 else "no teacher sample has a punctum to take a share of",
        extra={
            "puncta": change.cross_fit,
            "puncta_plug_in": change.plug_in,
            "puncta_se": change.se,
            "puncta_interval": (change.lower, upper),
            "teacher_count": count,
            "student_count": changes.student_count,
        },
        **shared,
    )


def _tell_change(way: str, change: Change, count: float, level: float) -> str:
    """Say how many, in puncta and as a share."""
    verb, of = _WAYS[way]
    if not count > 0:
        return (
            f"On this image no teacher sample has a punctum; the student {verb} "
            f"{bounds_in_words(change)}."
        )
    shown = max(change.cross_fit, 0.0)
    if not math.isfinite(change.upper):
        return (
            f"On this image a teacher sample has {number(count)} puncta; the student {verb} "
            f"{bounds_in_words(change)}."
        )
    puncta, ends = rounded(shown, (change.lower, change.upper))
    scale = 100 / count
    share, span = rounded(scale * shown, (scale * change.lower, scale * change.upper))
    told = f"{puncta} {of}, {share} %" if shown else "none beyond chance"
    return (
        f"On this image a teacher sample has {number(count)} puncta; the student {verb} {told} "
        f"({confidence(level)} interval {ends} puncta, {span} %)."
    )


def _find_any(table: SiteTable, test: PermutationTest, shared: dict[str, Any]) -> Finding:
    """Say what became of the sites, with the test of any difference."""
    existence = table.existence
    classes = existence.count_classes()
    told = _count(classes)
    merged = int(existence.sites.merged[table.order].sum())
    notes = []
    if merged:
        notes.append(
            f"{merged} of the puncta may be two that lie closer than "
            f"{number(existence.sites.radius[-1], 2)} px."
        )
    hidden = len(existence) - len(table)
    if hidden:
        notes.append(f"{hidden} sites with a single detection count in sums and are not listed.")
    pairs = _test_pairs(table) if shared["coupled"] and len(table) else {}
    if pairs:
        notes.append(
            f"Compared in pairs of one noise canvas, {_count(pairs['classes'])}; "
            f"{pairs['differ']} of {len(table)} differ beyond chance (McNemar's mid-p at each, "
            f"false discovery rate {percent(_DISCOVERIES)})."
        )
    changed = table.order[existence.difference[table.order] != 0][:_LARGEST]
    return Finding(
        id="sites",
        title="each punctum",
        estimand="sum over sites of (p_S − p_T)^2, minus its mean over exchanges of samples",
        unit="squared probability",
        estimate=test.statistic,
        interval=_NONE,
        method=f"{test.permutations} exchanges of samples",
        sentence=(
            f"Of {len(table)} puncta on this image: {told}, where shared means within "
            f"±{existence.tolerance:g} of each other in probability (p = "
            f"{number(test.p_value, 2)} if none differs)."
        ),
        p_value=test.p_value,
        p_method=f"{test.permutations} exchanges of samples between the runs",
        notes=tuple(notes),
        extra={
            "classes": classes,
            "largest": [existence.describe(int(site)) for site in changed],
            "distance": test.distance,
            "distance_by_chance": test.null_mean,
            "tolerance": existence.tolerance,
            **({"pairs": pairs} if pairs else {}),
        },
        **shared,
    )


def _count(classes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in classes.items())


def _test_pairs(table: SiteTable) -> dict[str, Any]:
    """Compare each listed punctum in pairs: what both samples have or miss says nothing."""
    existence = table.existence
    sites = existence.sites
    teacher, student = (run[:, table.order].astype(bool) for run in (sites.teacher, sites.student))
    lost, won = (teacher & ~student).sum(0), (student & ~teacher).sum(0)
    p_value = mcnemar_mid_p(lost, won)
    q_value = false_discovery_control(p_value)
    ends = paired_interval(lost, won, len(teacher), level=1 - 2 * existence.tail)
    named = classify(*ends, existence.tolerance)
    return {
        "p_value": p_value,
        "q_value": q_value,
        "differ": int((q_value <= _DISCOVERIES).sum()),
        "fdr": _DISCOVERIES,
        "low": ends[0],
        "high": ends[1],
        "classes": {name: int((named == name).sum()) for name in CLASSES},
    }
