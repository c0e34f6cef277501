"""The forms that an answer takes: which groups the samples fall into, and how often each run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_posterior.checks.finding import Finding, confidence, rounded
from napari_posterior.checks.gram import Gram, centred
from napari_posterior.checks.spread.clusters import find_clusters
from napari_posterior.checks.spread.forms import Form, FormEvidence, compare_forms

__all__ = [
    "Forms",
    "find_modes",
    "principal_coordinates",
]

_MOST_AXES: Final = 10
_SHOWN: Final = 3
_WHOLE: Final = 0.95  # of one run more than of the other: a form is that run
_TOLD_APART: Final = 4  # SD: of two forms in 10 dimensions 28 of 100 trials and fewer miss them


@dataclass(frozen=True, eq=False)
class Forms:
    """The samples of both runs in groups, for pictures.

    Parameters
    ----------
    coordinates : ndarray, (K_T + K_S, 2) float64
        First two principal coordinates of the samples, teacher first.
    n_teacher : int
        Samples of the teacher.
    labels : ndarray, (K_T + K_S,) int64
        The form of each sample; the most frequent is 0.
    forms : tuple of Form
        One for each form; empty where the samples are one cloud.
    far_teacher, far_student : ndarray, (<= 3,) int64
        Samples of one run that are farthest from any sample of the other, the farthest first.
    apart_teacher, apart_student : ndarray, (<= 3,) float64
        Their distances from the other run, in times that of the median sample of their own.
    """

    coordinates: np.ndarray
    n_teacher: int
    labels: np.ndarray
    forms: tuple[Form, ...]
    far_teacher: np.ndarray
    far_student: np.ndarray
    apart_teacher: np.ndarray
    apart_student: np.ndarray


def principal_coordinates(gram: Gram, *, most: int = _MOST_AXES) -> np.ndarray:
    """Return the leading principal coordinates of the pooled samples, (K_T + K_S, f).

    The eigenvectors of the Gram matrix of both runs about their common mean, times the root of
    their eigenvalues; no label has a part in them, and no pixel is read.

    Parameters
    ----------
    gram : Gram
        Of both runs; a Gram matrix of one region gives the forms of that region.
    most : int
        Coordinates at most.
    """
    values, vectors = np.linalg.eigh(centred(gram.matrix))
    order = np.argsort(-values)[: min(most, len(values) - 1)]
    order = order[values[order] > 1e-9 * max(float(values.max()), 0.0)]
    if not len(order):
        return np.zeros((len(values), 1))
    kept = vectors[:, order]
    # an eigenvector has no sign of its own
    kept = kept * np.sign(kept[np.abs(kept).argmax(0), np.arange(len(order))])
    return np.asarray(kept * np.sqrt(values[order]))


def find_modes(
    features: np.ndarray,
    n_teacher: int,
    *,
    level: float,
    paired: bool,
    region: str | None = None,
    seed: int = 0,
) -> tuple[Finding, Forms]:
    """Compare the forms that the samples of two runs take.

    Parameters
    ----------
    features : ndarray, (K_T + K_S, f)
        Principal coordinates, teacher first; see `principal_coordinates`.
    n_teacher : int
        Samples of the teacher.
    level : float
        Confidence level.
    paired : bool
        Whether sample i of both runs share their noise; the intervals, of independent samples, are
        then too wide.
    region : str, optional
        Where in the image.
    seed : int
        Of the starts of the search for groups.

    Returns
    -------
    tuple of Finding and Forms
        ``"modes"``: the difference of the shares of the form that differs most, with the interval
        from the lowest to the highest end of those of all forms; an estimate without a verdict
        where the samples are one cloud.
    """
    x = np.asarray(features, np.float64)
    found = find_clusters(x, seed=seed)
    rows = np.arange(len(x)) < n_teacher

    def examples(form: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        away = ((x - found.centres[form]) ** 2).sum(1)
        own = [np.flatnonzero((found.labels == form) & run) for run in (rows, ~rows)]
        first, second = (i[np.argsort(away[i], kind="stable")[:_SHOWN]].tolist() for i in own)
        return tuple(first), tuple(sample - n_teacher for sample in second)

    forms: tuple[Form, ...] = ()
    if len(found) > 1:
        forms = compare_forms(found.labels, n_teacher, level=level, examples=examples)
    apart = np.sqrt(((x[rows][:, None] - x[~rows]) ** 2).sum(2))
    far, times = zip(*(_farthest(apart.min(axis)) for axis in (1, 0)), strict=True)
    plane = np.zeros((len(x), 2))
    plane[:, : min(x.shape[1], 2)] = x[:, :2]
    picture = Forms(
        coordinates=plane,
        n_teacher=n_teacher,
        labels=found.labels,
        forms=forms,
        far_teacher=far[0],
        far_student=far[1],
        apart_teacher=times[0],
        apart_student=times[1],
    )
    finding = _tell(picture, len(x) - n_teacher, level=level, paired=paired, region=region)
    return finding, picture


def _farthest(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples that are farthest, and how many times as far as the median one."""
    far = np.argsort(-distances, kind="stable")[:_SHOWN]
    middle = float(np.median(distances))
    return far, distances[far] / middle if middle > 0 else np.ones(len(far))


def _tell(
    found: Forms, n_student: int, *, level: float, paired: bool, region: str | None
) -> Finding:
    place = f"in {region} of this image" if region else "on this image"
    forms = found.forms
    estimate: float | None = None
    interval: tuple[float | None, float | None] = (None, None)
    notes: tuple[str, ...] = ()
    sentence = (
        f"The samples form one cloud {place}: there are no separate forms to compare. Forms less "
        f"than about {_TOLD_APART} standard deviations apart are mostly taken for one cloud."
    )
    if forms:
        # of two forms that differ alike, the one that is lost
        worst = max(range(len(forms)), key=lambda i: (abs(forms[i].difference), -i))
        worst = min(
            (i for i in range(len(forms)) if _alike(forms[i], forms[worst])),
            key=lambda i: forms[i].difference,
        )
        estimate = forms[worst].difference
        interval = min(f.interval[0] for f in forms), max(f.interval[1] for f in forms)
        written, ends = rounded(100 * estimate, (100 * interval[0], 100 * interval[1]), sign=True)
        sentence = (
            f"The samples fall into {len(forms)} forms {place}. The shares of form {worst + 1} "
            f"differ most: {written} percentage points (all forms within {ends}, "
            f"{confidence(level)} intervals). {forms[worst].sentence}"
        )
        notes = (
            "The forms were sought in the pooled samples; a lopsided cloud can be cut into forms, "
            "whose shares are then compared all the same.",
        )
        if any(_mirrored(one) for one in forms):
            notes += (
                "Nearly every sample of a form is of one run: the two runs lie apart as a whole, "
                "as by a shift that all samples share, which the gap between the means measures.",
            )
    return Finding(
        id="modes",
        title="forms of the answer",
        estimand="share of student samples − share of teacher samples, in the form that differs "
        "most",
        unit="share of samples",
        estimate=estimate,
        interval=interval,
        level=level,
        method="Gaussian groups by BIC in the pooled samples, Newcombe intervals"
        + (", taken as independent" if paired else ""),
        n_teacher=found.n_teacher,
        n_student=n_student,
        coupled=paired,
        sentence=sentence,
        question="diversity",
        kind="modes" if forms else "",
        evidence=FormEvidence(forms) if forms else None,
        p_value=min((one.p_value for one in forms), default=None),
        p_method=f"Fisher's mid-p, Benjamini-Hochberg over {len(forms)} forms" if forms else "",
        region=region,
        notes=notes,
        extra={
            "forms": [
                {
                    "teacher": one.teacher,
                    "student": one.student,
                    "difference": one.difference,
                    "interval": list(one.interval),
                    "p_value": one.p_value,
                    "sentence": one.sentence,
                }
                for one in forms
            ],
            "farthest_teacher": found.far_teacher,
            "farthest_student": found.far_student,
        },
    )


def _mirrored(form: Form) -> bool:
    """Tell whether nearly all samples of one run and none of the other take a form."""
    return abs(form.difference) >= _WHOLE


def _alike(one: Form, other: Form) -> bool:
    return math.isclose(abs(one.difference), abs(other.difference), abs_tol=1e-12)
