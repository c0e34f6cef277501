"""What became of one punctum: who shows it, how bright it is there, and what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from napari_posterior.checks.finding import confidence, percent
from napari_posterior.errors import RunError
from napari_posterior.session.pixels import place_in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_posterior.checks.counted.site_changes import SiteTable
    from napari_posterior.checks.report import Report
    from napari_posterior.session.pixels import NamedRun
    from napari_posterior.statistics import StatisticContext
    from napari_posterior.statistics.existence import Existence

__all__ = ["CROP", "PunctaReader", "PunctumReading", "Shown", "compared_samples", "find_site"]

CROP: Final = 48
"""Side of a thumbnail in pixels."""

_PICTURES: Final = 2
_WORDS: Final = {
    "shared": "as probable in the student as in the teacher",
    "lost": "lost: less probable in the student",
    "invented": "invented: more probable in the student",
    "undecidable": "undecided: too few samples to say what became of it",
}


@dataclass(frozen=True, eq=False)
class Shown:
    """A punctum in the samples of one run.

    Parameters
    ----------
    name : str
        What the run is called.
    count, samples : int
        How many samples show it, of how many.
    interval : tuple of float
        Wilson interval of its probability, of the level of the reading.
    light : ndarray, (n,) float64
        Its light in photoelectrons in the samples that show it.
    pictures_with, pictures_without : tuple of (int, ndarray)
        Place of a sample in the run, from 1, and the crop of `CROP` pixels around the punctum that
        it shows, float32 photoelectrons per pixel, NaN outside of the image.
    """

    name: str
    count: int
    samples: int
    interval: tuple[float, float]
    light: np.ndarray
    pictures_with: tuple[tuple[int, np.ndarray], ...]
    pictures_without: tuple[tuple[int, np.ndarray], ...]

    @property
    def words(self) -> str:
        """How probable it is: ``"91 % (76 to 97 %), 29 of 32"``."""
        low, high = (f"{100 * end:.0f}" for end in self.interval)
        share = percent(self.count / self.samples)
        return f"{share} ({low} to {high} %), {self.count} of {self.samples}"


@dataclass(frozen=True, eq=False)
class PunctumReading:
    """What is known of one punctum.

    Parameters
    ----------
    rank : int
        Its place among the listed ones, from 0, those of the largest difference first.
    total : int
        How many are listed.
    number : int
        What it is called in the report, from 1.
    index : tuple of int
        Of its pixel, along all axes of the image.
    centre : tuple of float
        Where it is, in pixels along the same axes.
    radius : float
        How far from there its detections may lie, in pixels.
    place : str
        The same in words.
    kind : str
        *shared*, *lost*, *invented* or *undecidable*.
    teacher, student : Shown
        What each run shows.
    level : float
        Confidence level of their intervals.
    difference : float
        Student minus teacher, of probabilities.
    difference_interval : tuple of float
        Newcombe interval.
    difference_level : float
        Its confidence level.
    tolerance : float
        Difference that does not matter.
    merged : bool
        Whether it may be two close puncta.
    limits : tuple of float
        Contrast limits shared by all pictures, photoelectrons per pixel.
    sha256 : str
        Of the image.
    """

    rank: int
    total: int
    number: int
    index: tuple[int, ...]
    centre: tuple[float, ...]
    radius: float
    place: str
    kind: str
    teacher: Shown
    student: Shown
    level: float
    difference: float
    difference_interval: tuple[float, float]
    difference_level: float
    tolerance: float
    merged: bool
    limits: tuple[float, float]
    sha256: str

    @property
    def verdict(self) -> str:
        """What became of it, in words."""
        told = _WORDS[self.kind]
        if self.kind == "shared":
            told = f"shared: {told}, within ±{percent(self.tolerance)}"
        return f"{told}{'; perhaps two close puncta' if self.merged else ''}."

    @property
    def change(self) -> str:
        """The difference in words: ``"−57 % (−72 to −36 %)"``."""
        low, high = (percent(end, sign=True) for end in self.difference_interval)
        return f"{percent(self.difference, sign=True)} ({low.removesuffix(' %')} to {high})"

    @property
    def levels(self) -> str:
        """The confidence levels in words."""
        told = f"{confidence(self.level)} intervals"
        if abs(self.level - self.difference_level) > 1e-9:
            told += f", of the difference {confidence(self.difference_level)}"
        return f"{told}; shares of samples that show it, difference student − teacher."


def find_site(table: SiteTable, plane: int, row: float, column: float) -> int | None:
    """Find the listed punctum at a place, the nearest within the radius of the sites.

    Parameters
    ----------
    table : SiteTable
        Of a report.
    plane : int
        From 0, in the order of the axes before y and x.
    row, column : float
        In pixels.

    Returns
    -------
    int or None
        Its place in the table.
    """
    if not len(table):
        return None
    radius = table.existence.sites.radius
    positions = table.positions
    away = (positions[:, 1:] - (row, column)) / np.asarray(radius[-2:])
    distance = np.where(np.round(positions[:, 0]) == plane, np.hypot(*away.T), np.inf)
    nearest = int(distance.argmin())
    return nearest if distance[nearest] <= 1 else None


class PunctaReader:
    """Reads the puncta of a comparison one by one; for a worker.

    Parameters
    ----------
    report : Report
        One that counted puncta.
    teacher, student : NamedRun
        The runs that it compares.

    Raises
    ------
    ValueError
        If the report has no puncta.
    """

    def __init__(self, report: Report, teacher: NamedRun, student: NamedRun) -> None:
        table = report.figures.sites
        if table is None:
            raise ValueError("this report counted no puncta")
        self.table = table
        self._runs = teacher, student
        self._rows = compared_samples(report)
        self._contexts: dict[int, StatisticContext] = {}

    def read(self, rank: int) -> PunctumReading:
        """Read one punctum in all samples; of each only the chunks around it are read.

        Parameters
        ----------
        rank : int
            Its place in the table.

        Raises
        ------
        RunError
            If a sample of the comparison is not there any more.
        """
        existence, site = self.table.existence, int(self.table.order[rank])
        position = existence.sites.positions[site]
        run = self._runs[0].run
        plane = round(float(position[0]))
        before = run.request.image.shape[:-2]
        lead = tuple(int(i) for i in np.unravel_index(plane, before)) if before else ()
        shown = [self._show(which, existence, site, lead, plane, position[1:]) for which in (0, 1)]
        place = (*lead, *(float(one) for one in position[1:]))
        return PunctumReading(
            rank=rank,
            total=len(self.table),
            number=site + 1,
            index=tuple(round(one) for one in place),
            centre=tuple(float(one) for one in place),
            radius=float(np.mean(existence.sites.radius[-2:])),
            place=place_in_words(place, run.geometry),
            kind=str(existence.classes[site]),
            teacher=shown[0],
            student=shown[1],
            level=existence.level,
            difference=float(existence.difference[site]),
            difference_interval=_ends(existence.difference_interval[site]),
            difference_level=1 - 2 * existence.tail,
            tolerance=existence.tolerance,
            merged=bool(existence.sites.merged[site]),
            limits=_limits(shown),
            sha256=run.request.image.sha256,
        )

    def _show(
        self,
        which: int,
        existence: Existence,
        site: int,
        lead: tuple[int, ...],
        plane: int,
        centre: np.ndarray,
    ) -> Shown:
        named, rows = self._runs[which], self._rows[which]
        sites = existence.sites
        present = (sites.teacher, sites.student)[which][:, site]
        interval = (existence.teacher_interval, existence.student_interval)[which][site]
        stack = named.run.samples
        places = {index: place for place, index in enumerate(stack.indices)}
        if rows is None:
            rows = stack.indices[: len(present)]
        if not set(rows) <= set(places):
            raise RunError(f"{named.name} has lost samples since it was compared; compare again")
        box = _Box(centre, stack.shape[-2:])
        crops = [np.asarray(stack[(places[row], *lead, *box.slices)]) for row in rows]
        light = [
            self._light(crop, existence, plane, box, centre)
            for crop, there in zip(crops, present, strict=True)
            if there
        ]
        kept = {
            there: [k for k in range(len(rows)) if bool(present[k]) is there][:_PICTURES]
            for there in (True, False)
        }
        pictures = {
            there: tuple((places[rows[k]] + 1, box.filled(crops[k])) for k in which_rows)
            for there, which_rows in kept.items()
        }
        found = np.asarray(light, np.float64)
        return Shown(
            named.name,
            int(present.sum()),
            len(present),
            _ends(interval),
            found[np.isfinite(found)],
            pictures[True],
            pictures[False],
        )

    def _light(
        self,
        crop: np.ndarray,
        existence: Existence,
        plane: int,
        box: _Box,
        centre: np.ndarray,
    ) -> float:
        """Return the light of the punctum in a crop, by the detector that made the sites."""
        from napari_posterior.statistics import Objects, get_statistic
        from napari_posterior.statistics.sites import match_points

        found = get_statistic("puncta").measure(crop, self._context(plane))
        assert isinstance(found, Objects)
        positions = existence.sites.positions
        near = positions[(np.round(positions[:, 0]) == plane) & box.holds(positions[:, 1:])][:, 1:]
        matched = match_points(found.positions + box.start, near, existence.sites.radius[-2:])
        own = np.flatnonzero((near == centre).all(1))
        at = np.flatnonzero(np.isin(matched, own))
        return float(found.columns["intensity"][at[0]]) if len(at) else float("nan")

    def _context(self, plane: int) -> StatisticContext:
        """Return the thresholds of a plane, which were fixed from the measurement."""
        from napari_posterior.statistics import make_context

        if plane not in self._contexts:
            self._contexts[plane] = make_context(self._runs[0].run.measurement(plane))
        return self._contexts[plane]


def compared_samples(report: Report) -> tuple[Sequence[int] | None, Sequence[int] | None]:
    """Return which samples of each run were compared, in their order; None for all in order."""
    samples = next((one.samples for one in report.figures.values if one.samples), None)
    if samples is None:
        return None, None
    first, second = ([int(i) for i in one] for one in samples)
    return first, second


class _Box:
    """The square around a place, as far as it lies in the image."""

    def __init__(self, centre: np.ndarray, shape: Sequence[int]) -> None:
        self._corner = np.round(np.asarray(centre)).astype(int) - CROP // 2
        start = np.maximum(self._corner, 0)
        stop = np.minimum(self._corner + CROP, shape)
        self.start, self.stop = start, stop
        self.slices = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))

    def holds(self, positions: np.ndarray) -> np.ndarray:
        return np.asarray(((positions >= self.start) & (positions < self.stop)).all(1))

    def filled(self, crop: np.ndarray) -> np.ndarray:
        """Return a whole square, NaN outside of the image."""
        whole = np.full((CROP, CROP), np.nan, np.float32)
        rows, columns = self.start - self._corner
        whole[rows : rows + crop.shape[0], columns : columns + crop.shape[1]] = crop
        return whole


def _ends(interval: np.ndarray) -> tuple[float, float]:
    low, high = (float(end) for end in interval)
    return low, high


def _limits(shown: Sequence[Shown]) -> tuple[float, float]:
    """Choose contrast limits that all pictures share."""
    pictures = [crop for one in shown for _, crop in (*one.pictures_with, *one.pictures_without)]
    values = np.concatenate([crop[np.isfinite(crop)] for crop in pictures])
    low, high = (float(end) for end in np.percentile(values, [1, 99.7]))
    return low, max(high, low + 1e-3)
