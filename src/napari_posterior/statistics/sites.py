"""Sites of puncta: detections of all samples of both runs pooled, and matched one to one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from napari_posterior.errors import InputError
from napari_posterior.physics.psf import TARGET_SIGMA

if TYPE_CHECKING:
    from napari_posterior.statistics.context import StatisticContext

__all__ = ["MERGE_SHARE", "Sites", "default_radius", "match_points", "occupancy", "pool_sites"]

MERGE_SHARE: Final = 0.1
"""A site is flagged where at least this share of its samples have a detection too many."""

_RINGS: Final = 4  # steps in which neighbours weigh less with their distance
_NEAR: Final = 0.5  # of the radius: what is next to a place

Radius = float | Sequence[float]


@dataclass(frozen=True, eq=False)
class Sites:
    """Places where a punctum was detected in some samples, and in which.

    Parameters
    ----------
    positions : ndarray, (S, d) float64
        In pixels, those that most samples have first. No two are closer than the radius.
    teacher, student : ndarray, (K_T, S) and (K_S, S) bool
        Whether a sample has a detection at a site.
    merged : ndarray, (S,) bool
        Whether a site may be two puncta closer than the radius: in at least `MERGE_SHARE` of the
        samples that have it, one more detection next to it found no site.
    spread : ndarray, (S,) float64
        Positional SD of its detections along an axis in pixels, root mean square over the axes;
        NaN where there is only one. A large one tells of a site that drifts, or of two puncta.
    teacher_unmatched, student_unmatched : ndarray, (K_T,) and (K_S,) int64
        Detections of each sample that found no site, as another one had it.
    radius : tuple of float, d
        In pixels along each axis.
    """

    positions: np.ndarray
    teacher: np.ndarray
    student: np.ndarray
    merged: np.ndarray
    spread: np.ndarray
    teacher_unmatched: np.ndarray
    student_unmatched: np.ndarray
    radius: tuple[float, ...]

    def __len__(self) -> int:
        """Return the number of sites."""
        return len(self.positions)

    @property
    def detection_count(self) -> np.ndarray:
        """Samples of both runs that have a site, (S,) int64."""
        return np.asarray(self.teacher.sum(0) + self.student.sum(0), np.int64)

    def select(self, keep: np.ndarray) -> Sites:
        """Return some of the sites, such as those of ``context.inside(sites.positions)``.

        Parameters
        ----------
        keep : ndarray, (S,) bool or (n,) int
            Which. The unmatched detections remain those of the whole image.
        """
        return replace(
            self,
            positions=self.positions[keep],
            teacher=self.teacher[:, keep],
            student=self.student[:, keep],
            merged=self.merged[keep],
            spread=self.spread[keep],
        )


def default_radius(context: StatisticContext | None = None) -> float:
    """Return the full width at half maximum of the PSF at which x is seen, in pixels.

    ``2 sqrt(2 ln 2) * target_sigma``, that is 2.355 pixels for 1 pixel.
    """
    sigma = TARGET_SIGMA if context is None else context.target_sigma
    return 2 * math.sqrt(2 * math.log(2)) * sigma


def pool_sites(
    teacher: Sequence[np.ndarray],
    student: Sequence[np.ndarray],
    radius: Radius | None = None,
) -> Sites:
    """Find the sites of the detections of both runs together, and who has them.

    The detections of **all** samples are pooled: sites of the teacher alone would lack those that
    only the student has, and report a loss between two runs of one model. The place with the
    highest density of detections becomes a site and takes all detections within the radius off
    the list, and so on; only neighbours within half a radius make the density, in four steps, the
    nearer the more, so that a punctum a little farther than the radius does not pull the site to
    itself. Each sample's detections are matched to these sites as in `match_points`. The tail of
    a site beyond the radius, a place next to a denser one, has its turn after that, so
    that it keeps nothing from the site. Neither the order of the samples nor that of the
    detections changes the result.

    Parameters
    ----------
    teacher, student : sequence of ndarray, (n, 2) or (n, 3)
        Positions of the detections in each sample, in pixels. A run may have no samples.
    radius : float or sequence of float, optional
        In pixels, for all axes or for each; by default `default_radius`.

    Returns
    -------
    Sites

    Raises
    ------
    InputError
        If positions are not finite numbers of one dimension, or the radius is not positive.
    """
    points, sample, ndim = _stack([*teacher, *student])
    reach = _reach(default_radius() if radius is None else radius, ndim)
    # One order for all inputs, so that ties are broken by the place and not by the order given.
    order = np.lexsort((sample, *points.T[::-1]))
    points, sample = points[order], sample[order]
    scaled = points / reach
    peaks, matched = _pool(scaled, sample)
    shape = (len(teacher) + len(student), len(peaks))
    present = np.zeros(shape, bool)
    hit = matched >= 0
    present[sample[hit], matched[hit]] = True
    unmatched = np.bincount(sample[~hit], minlength=shape[0])
    sites = Sites(
        positions=points[peaks],
        teacher=present[: len(teacher)],
        student=present[len(teacher) :],
        merged=_find_merged(scaled[~hit], sample[~hit], scaled[peaks], present),
        spread=_measure_spread(points[hit], matched[hit], len(peaks)),
        teacher_unmatched=unmatched[: len(teacher)],
        student_unmatched=unmatched[len(teacher) :],
        radius=tuple(reach.tolist()),
    )
    return sites.select(np.lexsort((*sites.positions.T[::-1], -sites.detection_count)))


def match_points(points: np.ndarray, sites: np.ndarray, radius: Radius) -> np.ndarray:
    """Match points to sites one to one within a radius.

    Where more than one match is possible, that of the least sum of distances is taken, a point
    without a site counting one radius; so a near pair is not split to match a far point.

    Parameters
    ----------
    points : ndarray, (n, d)
        Positions in pixels.
    sites : ndarray, (S, d)
        Positions in pixels.
    radius : float or sequence of float
        In pixels, for all axes or for each.

    Returns
    -------
    ndarray, (n,) int64
        The site of each point; -1 for none.

    Raises
    ------
    InputError
        If positions are not finite numbers of one dimension, or the radius is not positive.
    """
    return _match_samples([points], sites, radius)[0]


def occupancy(samples: Sequence[np.ndarray], sites: np.ndarray, radius: Radius) -> np.ndarray:
    """Say which samples have a detection at which given site, (K, S) bool; see `match_points`."""
    matched = _match_samples(samples, sites, radius)
    present = np.zeros((len(samples), len(np.asarray(sites))), bool)
    for row, found in zip(present, matched, strict=True):
        row[found[found >= 0]] = True
    return present


def _match_samples(
    samples: Sequence[np.ndarray], sites: np.ndarray, radius: Radius
) -> list[np.ndarray]:
    stacked, sample, ndim = _stack([*samples, sites])
    reach = _reach(radius, ndim)
    own = sample < len(samples)
    scaled = stacked / reach
    points, sample, places = scaled[own], sample[own], scaled[~own]
    order = np.lexsort((sample, *points.T[::-1]))
    matched = np.empty(len(points), np.int64)
    matched[order] = _assign(points[order], sample[order], places)
    return np.split(matched, np.cumsum(np.bincount(sample, minlength=len(samples)))[:-1])


def _stack(samples: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return all positions (N, d), the sample of each (N,), and d."""
    arrays = [np.asarray(one, np.float64) for one in samples]
    sizes = {one.shape[1] for one in arrays if one.ndim == 2}
    if len(sizes) > 1 or not sizes <= {2, 3} or any(one.ndim != 2 and one.size for one in arrays):
        raise InputError(
            "the detections are not all (n, 2) or all (n, 3) arrays; give positions in pixels"
        )
    ndim = sizes.pop() if sizes else 2
    points = np.concatenate([np.empty((0, ndim)), *(one.reshape(-1, ndim) for one in arrays)])
    if not np.isfinite(points).all():
        raise InputError("a detection has a position that is not finite; leave it out")
    counts = [one.size // ndim for one in arrays]
    return points, np.repeat(np.arange(len(arrays)), counts), ndim


def _reach(radius: Radius, ndim: int) -> np.ndarray:
    """Return the radius along each axis, (d,)."""
    reach = np.atleast_1d(np.asarray(radius, np.float64))
    if reach.shape not in ((1,), (ndim,)) or not (np.isfinite(reach) & (reach > 0)).all():
        raise InputError(
            f"the radius of the sites is {radius}; give a positive number of pixels, "
            f"or one for each of the {ndim} axes"
        )
    return np.broadcast_to(reach, (ndim,)).copy()


def _pool(points: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the points that are sites (S,), and the site of each point (N,), -1 for none."""
    peaks, matched = np.empty(0, np.int64), np.full(len(points), -1, np.int64)
    left = np.arange(len(points))
    while len(left):
        some, beyond = _find_peaks(points[left])
        found = _assign(points[left], sample[left], points[left[some]])
        matched[left[found >= 0]] = found[found >= 0] + len(peaks)
        peaks = np.append(peaks, left[some])
        left = left[beyond]
    return peaks, matched


def _find_peaks(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return greedy density peaks more than 1 apart (S,), and which points are beyond all (N,)."""
    tree = cKDTree(points)
    density = np.zeros(len(points), np.int64)
    for ring in range(1, _RINGS + 1):
        density += tree.query_ball_point(points, _NEAR * ring / _RINGS, return_length=True)
    order = np.argsort(-density, kind="stable")
    rank = np.argsort(order)
    beyond = np.ones(len(points), bool)
    peaks = []
    for index in order.tolist():
        # The tail of a peak, just beyond 1, is no peak: a denser point is next to it. As a site it
        # would take detections from the one they belong to.
        if beyond[index] and rank[tree.query_ball_point(points[index], _NEAR)].min() == rank[index]:
            peaks.append(index)
            beyond[tree.query_ball_point(points[index], 1.0)] = False
    return np.array(peaks, np.int64), beyond


def _assign(points: np.ndarray, sample: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """Return the site of each point within 1, -1 for none; a site takes one of each sample."""
    matched = np.full(len(points), -1, np.int64)
    if not (len(points) and len(sites)):
        return matched
    pairs = cKDTree(points).sparse_distance_matrix(cKDTree(sites), 1.0, output_type="ndarray")
    point, site, distance = (np.asarray(pairs[key]) for key in ("i", "j", "v"))
    slots, slot = np.unique(sample[point] * len(sites) + site, return_inverse=True)
    nodes = len(points) + len(slots)
    graph = coo_array((np.ones(len(point), bool), (point, len(points) + slot)), (nodes, nodes))
    count, cluster = connected_components(graph, directed=False)
    in_cluster = [
        np.bincount(part, minlength=count)
        for part in (cluster[: len(points)], cluster[len(points) :])
    ]
    order = np.lexsort((site, point, distance, cluster[point]))
    point, site, distance = point[order], site[order], distance[order]
    group = cluster[point]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    # With one point or one site in the cluster the nearest pair is the answer.
    plain = np.minimum(*in_cluster)[group[first]] == 1
    matched[point[first[plain]]] = site[first[plain]]
    last = np.append(first[1:], len(group))
    for start, stop in zip(first[~plain].tolist(), last[~plain].tolist(), strict=True):
        rows, row = np.unique(point[start:stop], return_inverse=True)
        columns, column = np.unique(site[start:stop], return_inverse=True)
        cost = np.ones((len(rows), len(columns)))
        near = np.zeros(cost.shape, bool)
        cost[row, column], near[row, column] = distance[start:stop], True
        chosen = linear_sum_assignment(cost)
        kept = near[chosen]
        matched[rows[chosen[0][kept]]] = columns[chosen[1][kept]]
    return matched


def _find_merged(
    left: np.ndarray, sample: np.ndarray, sites: np.ndarray, present: np.ndarray
) -> np.ndarray:
    """Say at which sites detections are left over in many of the samples that have it, (S,)."""
    crowded = np.zeros(present.shape, bool)
    if len(left):
        crowded[sample, cKDTree(sites).query(left)[1]] = True
    return np.asarray(crowded.any(0) & (crowded.sum(0) >= MERGE_SHARE * present.sum(0)))


def _measure_spread(points: np.ndarray, site: np.ndarray, count: int) -> np.ndarray:
    """Return the positional SD of each site along an axis, (S,); NaN below two detections."""
    number = np.bincount(site, minlength=count)
    mean = np.stack(
        [np.bincount(site, axis, count) / np.maximum(number, 1) for axis in points.T], axis=1
    )
    squares = np.bincount(site, ((points - mean[site]) ** 2).sum(1), count)
    freedom = (number - 1) * points.shape[1]
    return np.where(number > 1, np.sqrt(squares / np.maximum(freedom, 1)), np.nan)
