"""The same object in every sample of two runs: existence, and shape where it exists.

Which objects there are is found from the samples of both runs together, every sample counting
alike. Objects of one run alone would be missed more often by the other, even between two runs of
one model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from napari_posterior.errors import InputError
from napari_posterior.statistics.objects import measure_objects

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MatchedObjects", "ObjectSamples", "match_objects"]

OVERLAP: Final = 0.3
"""Intersection over union above which two outlines are one object."""

_MERGED: Final = 0.5  # of an outline: covered by other objects, it is not missing but merged

Box = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class ObjectSamples:
    """The objects in the samples of one run.

    Parameters
    ----------
    exists : ndarray, (n, K) bool
        Whether a sample has the object.
    merged : ndarray, (n, K) bool
        Whether it has none of its own there, while other objects cover more than half of its
        outline: it was joined to a neighbour rather than lost.
    columns : mapping of str to ndarray, (n, K)
        Area, eccentricity, solidity ... of `measure_objects`; NaN where the object is absent.
    """

    exists: np.ndarray
    merged: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def probability(self) -> np.ndarray:
        """Share of the samples in which each object exists, (n,)."""
        return np.asarray(self.exists.mean(1))


@dataclass(frozen=True, eq=False)
class MatchedObjects:
    """Objects of two runs under the same numbers, those found most often first.

    What is said of each object holds for it alone. Objects of one sample are not independent, so
    a population is compared by the mean over its objects in each sample, never by all objects of
    all samples.

    Parameters
    ----------
    positions : ndarray, (n, 2)
        Row and column in pixels of the centre of each outline.
    outlines : tuple of ndarray, (m,) int
        Pixels of each object, as indices into the flat plane; outlines may overlap.
    shape : tuple of int
        Height and width of the plane.
    teacher, student : ObjectSamples
        The objects in the samples of each run.
    units : mapping of str to str
        Unit of each column.
    """

    positions: np.ndarray
    outlines: tuple[np.ndarray, ...]
    shape: tuple[int, int]
    teacher: ObjectSamples
    student: ObjectSamples
    units: Mapping[str, str]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(self.outlines)

    def labels(self) -> np.ndarray:
        """Draw the outlines, (H, W) int32, from 1 on; of two that overlap the first is on top."""
        drawn = np.zeros(self.shape, np.int32)
        for number in range(len(self), 0, -1):
            drawn.flat[self.outlines[number - 1]] = number
        return drawn


def match_objects(
    teacher_labels: Sequence[np.ndarray] | np.ndarray,
    student_labels: Sequence[np.ndarray] | np.ndarray,
    *,
    overlap: float = OVERLAP,
    pixel_size: tuple[float, float] | None = None,
    unit: str = "pixel",
) -> MatchedObjects:
    """Find the objects of both runs together and match them one to one in every sample.

    Where most samples have an object, one of these is taken that is most like what they share,
    and the pixels that more than half of the objects like it have are the outline. Two objects
    are alike if they overlap (intersection over union) by more than `overlap`. In each sample the
    object most like the outline is that object, and is taken out. This goes on until every object
    of every sample is one of the found, so that rare ones and those of one run are there too.
    Exchanging samples between the runs changes neither outlines nor matches, but where two fit
    equally well.

    Parameters
    ----------
    teacher_labels, student_labels : (K_T, H, W) and (K_S, H, W) int
        Labels of each sample, such as `segment` gives; 0 for none. They need not be consistent
        between samples.
    overlap : float
        At least 0, below 1.
    pixel_size : tuple of float, optional
        Height and width of a pixel in `unit`.
    unit : str
        Unit of length.

    Raises
    ------
    InputError
        If a run has no sample, the planes differ in size, or `overlap` is out of range.
    """
    if not 0 <= overlap < 1:
        raise InputError(f"the overlap of two outlines is {overlap}; give 0 or more, below 1")
    if not len(teacher_labels) or not len(student_labels):
        raise InputError("matching objects needs a sample of each run at least; draw more samples")
    planes = [np.asarray(one) for one in (*teacher_labels, *student_labels)]
    shape = planes[0].shape
    if len(shape) != 2:
        raise InputError(f"objects are matched plane by plane; the labels have {len(shape)} axes")
    usable = all(one.shape == shape and one.dtype.kind in "iu" for one in planes)
    if not usable or any((one < 0).any() for one in planes):
        raise InputError("give labels of every sample as planes of integers of one size, from 0 on")
    outlines, found, merged = _Pool(planes, overlap).empty()
    order = np.argsort(-(found > 0).sum(1), kind="stable")
    outlines, found, merged = [outlines[i] for i in order], found[order], merged[order]
    tables = [measure_objects(one, pixel_size=pixel_size, unit=unit) for one in planes]
    columns = {name: np.full(found.shape, np.nan) for name in tables[0].columns}
    for k, (plane, table) in enumerate(zip(planes, tables, strict=True)):
        here = found[:, k] > 0
        rows = np.searchsorted(np.unique(plane[plane > 0]), found[here, k])
        for name, column in columns.items():
            column[here, k] = table.columns[name][rows]
    centres = [np.stack(np.unravel_index(one, shape), axis=1).mean(0) for one in outlines]
    split = len(teacher_labels)
    runs = [
        ObjectSamples(
            found[:, part] > 0,
            merged[:, part],
            {name: column[:, part] for name, column in columns.items()},
        )
        for part in (slice(None, split), slice(split, None))
    ]
    return MatchedObjects(
        np.reshape(np.asarray(centres, np.float64), (-1, 2)),
        tuple(outlines),
        (shape[0], shape[1]),
        runs[0],
        runs[1],
        tables[0].units,
    )


class _Pool:
    """Objects of all samples that have not been matched yet."""

    def __init__(self, planes: Sequence[np.ndarray], overlap: float) -> None:
        highest = max(int(one.max()) for one in planes)
        kind = np.uint16 if highest < 2**16 else np.int64
        self._labels = np.stack([one.astype(kind, copy=False) for one in planes])
        self._overlap = overlap
        self._areas = np.stack([np.bincount(one.ravel(), minlength=highest + 1) for one in planes])
        self._boxes: list[list[Box | None]] = [list(ndimage.find_objects(one)) for one in planes]
        self._left = self._areas > 0
        self._left[:, 0] = False
        # How many objects that are left cover each pixel.
        self._cover: np.ndarray = (self._labels > 0).sum(0, dtype=np.int32)

    def empty(self) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
        """Return outlines, the label of each in every sample (n, K), and whether it is merged."""
        outlines, found, merged = [], [], []
        while self._cover.any():
            box, mask, labels, covered = self._next(int(self._cover.argmax()))
            for k in np.flatnonzero(labels):
                self._take(int(k), int(labels[k]))
            rows, columns = np.nonzero(mask)
            index = (rows + box[0].start) * self._cover.shape[1] + columns + box[1].start
            outlines.append(index)
            found.append(labels)
            merged.append(covered & (labels == 0))
        shape = (len(outlines), len(self._labels))
        return outlines, np.reshape(found, shape).astype(int), np.reshape(merged, shape) > 0

    def _next(self, peak: int) -> tuple[Box, np.ndarray, np.ndarray, np.ndarray]:
        """Return box and mask of the object over a pixel, its labels, and where it is covered."""
        over = self._labels.reshape(len(self._labels), -1)[:, peak].astype(int)
        over[~self._left[np.arange(len(over)), over]] = 0
        # What all share may be a scrap that no object looks like, so the object that is most like
        # it is asked which others are like itself.
        _, (k, label), _ = self._match(*self._share(over))
        box = self._box(k, label)
        mask = self._labels[k][box] == label
        labels, _, covered = self._match(box, mask)
        shared = self._share(labels)
        again, _, over_shared = self._match(*shared)
        return (*shared, again, over_shared) if again.any() else (box, mask, labels, covered)

    def _share(self, labels: np.ndarray) -> tuple[Box, np.ndarray]:
        """Return what more than half of some objects share, as box and mask."""
        some = np.flatnonzero(labels)
        boxes = [self._box(int(k), int(labels[k])) for k in some]
        rows, columns = (
            slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes))
            for axis in (0, 1)
        )
        count = (self._labels[some, rows, columns] == labels[some, None, None]).sum(0)
        return (rows, columns), 2 * count > len(some)

    def _match(self, box: Box, mask: np.ndarray) -> tuple[np.ndarray, tuple[int, int], np.ndarray]:
        """Return the label in each sample or 0, sample and label that fit best, what is covered."""
        size, (count, width) = int(mask.sum()), self._areas.shape
        under = self._labels[:, box[0], box[1]][:, mask] + width * np.arange(count)[:, None]
        shared = np.bincount(under.ravel(), minlength=count * width).reshape(count, width)
        ratio = np.where(self._left, shared / (size + self._areas - shared), 0.0)
        labels, rows = ratio.argmax(1), np.arange(count)
        highest = ratio[rows, labels]
        best = int(highest.argmax())
        covered = size - shared[:, 0] > _MERGED * size
        return np.where(highest > self._overlap, labels, 0), (best, int(labels[best])), covered

    def _take(self, k: int, label: int) -> None:
        box = self._box(k, label)
        self._left[k, label] = False
        self._cover[box] -= self._labels[k][box] == label

    def _box(self, k: int, label: int) -> Box:
        box = self._boxes[k][label - 1]
        assert box is not None
        return box
