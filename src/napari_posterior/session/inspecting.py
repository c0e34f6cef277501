"""What of a viewer is inspected: a pixel or a punctum, read on a worker, the newest wish only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from psygnal import SignalGroupDescriptor

from napari_posterior.errors import InputError
from napari_posterior.runs.faults import explain
from napari_posterior.session.pixels import NamedRun, PixelReading, read_pixel
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.punctum import PunctaReader, PunctumReading, find_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_posterior.checks.finding import Finding
    from napari_posterior.checks.report import Report
    from napari_posterior.image import Geometry
    from napari_posterior.session.aside import Aside
    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["Inspected", "Inspecting", "RegionReading", "findings_in"]


@dataclass(frozen=True)
class RegionReading:
    """What a report says of a region that was clicked into.

    Parameters
    ----------
    name : str
        As in the report.
    findings : tuple of Finding
        Those of the region.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """A line of each finding: its title and its verdict in words, and what it rests on."""
        told = (
            f"{one.title}: {one.verdict or 'estimate only'}. {one.sentence}"
            for one in self.findings
        )
        return tuple(f"{line[:1].upper()}{line[1:]}" for line in told)


def _same(one: object, other: object) -> bool:
    return one is other


@dataclass
class Inspected:
    """What is inspected now.

    Attributes
    ----------
    reading : PixelReading, PunctumReading or None
        The last answer; None while nothing is inspected.
    region : RegionReading or None
        The region that was clicked into, where the report has verdicts of it.
    reading_now : bool
        Whether an answer is on its way.
    problem : str
        Why there is none, in one sentence; empty otherwise.
    """

    reading: PixelReading | PunctumReading | None = None
    region: RegionReading | None = None
    reading_now: bool = False
    problem: str = ""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(
        equality_operators={"reading": _same, "region": _same}
    )


class Inspecting:
    """Looks at pixels and puncta of the runs that are compared.

    Everything belongs to the main thread, and returns at once: answers come into `state`.

    Parameters
    ----------
    session : SessionState
        With the runs and the comparison.
    aside : callable
        Does the reading.

    Attributes
    ----------
    state : Inspected
        What is shown.
    """

    def __init__(self, session: SessionState, aside: Aside) -> None:
        self.state = Inspected()
        self._session = session
        self._aside = aside
        self._asked = 0  # a late answer to an older question is dropped
        self._reader: tuple[Report, PunctaReader] | None = None
        session.compare.events.report.connect(self.refresh)

    def runs(self, sha256: str | None = None) -> tuple[RunEntry | None, RunEntry | None]:
        """Return the runs that are looked at: those that are chosen for a comparison.

        Parameters
        ----------
        sha256 : str, optional
            Of the image that is meant. Of another image than that of the chosen runs the newest
            runs of each role are taken.
        """
        compare = self._session.compare
        chosen = [one if _holds(one) else None for one in (compare.teacher, compare.student)]
        wanted = sha256
        if wanted is None:
            ended = [one for one in self._session.runs if _holds(one) and one.role != "point"]
            first = next((one for one in (*chosen, *reversed(ended)) if one is not None), None)
            wanted = _sha256(first)
        found = (
            one if one is not None and _sha256(one) == wanted else self._newest(role, wanted)
            for role, one in zip(("teacher", "student"), chosen, strict=True)
        )
        teacher, student = found
        return teacher, student

    def geometry(self, sha256: str | None = None) -> tuple[Geometry, tuple[int, ...]] | None:
        """Return where the pixels lie that can be looked at, and how many; None without a run."""
        entry = next((one for one in self.runs(sha256) if one is not None), None)
        run = None if entry is None else entry.run
        return None if run is None else (run.geometry, run.request.image.shape)

    def look_at(
        self,
        place: Sequence[float],
        *,
        sha256: str | None = None,
        regions: Sequence[str] = (),
    ) -> None:
        """Look at the punctum at a place, else at the pixel.

        Parameters
        ----------
        place : sequence of float
            In pixels along all axes of the image.
        sha256 : str, optional
            Of the image; by default that of the runs that are chosen.
        regions : sequence of str
            Regions that the place lies in.
        """
        self.state.region = findings_in(self.report, regions)
        rank = self._punctum_at(place, sha256)
        if rank is None:
            self.look_at_pixel([round(one) for one in place], sha256=sha256)
        else:
            self.look_at_punctum(rank)

    def look_at_pixel(self, index: Sequence[int], *, sha256: str | None = None) -> None:
        """Look at the samples at a pixel.

        Parameters
        ----------
        index : sequence of int
            Along all axes of the image, from 0.
        sha256 : str, optional
            Of the image; by default that of the runs that are chosen.

        Raises
        ------
        InputError
            If there is no run yet, or the image has no such pixel.
        """
        teacher, student = (_named(one, role) for one, role in self._pair(sha256))
        some = teacher or student
        if some is None:
            raise InputError("there is no run that has ended; draw samples first")
        shape = some.run.request.image.shape
        at = tuple(int(i) for i in index)
        if len(at) != len(shape) or not all(
            0 <= i < size for i, size in zip(at, shape, strict=True)
        ):
            size = " x ".join(map(str, shape))
            raise InputError(f"there is no pixel {at} in an image of {size}; count from 0")
        self._ask("reading a pixel", partial(read_pixel, at, teacher=teacher, student=student))

    def look_at_punctum(self, rank: int = 0) -> None:
        """Look at a punctum of the last comparison.

        Parameters
        ----------
        rank : int
            From 0, those first whose probabilities differ most.

        Raises
        ------
        InputError
            If the last comparison counted no puncta, or has fewer.
        """
        reader = self._puncta()
        if reader is None:
            raise InputError("no puncta were compared yet; compare two runs by their puncta count")
        if not 0 <= rank < len(reader.table):
            raise InputError(
                f"there is no punctum {rank}; choose one from 0 to {len(reader.table) - 1}"
            )
        self._ask("reading a punctum", partial(reader.read, rank))

    def step(self, by: int = 1) -> None:
        """Go on to the punctum with the next smaller difference, or back; over the ends."""
        reader = self._puncta()
        if reader is None or not len(reader.table):
            return
        now = self.state.reading
        rank = now.rank + by if isinstance(now, PunctumReading) else 0
        self.state.region = None
        self.look_at_punctum(rank % len(reader.table))

    def close(self) -> None:
        """Look at nothing any more."""
        self._asked += 1
        state = self.state
        state.reading, state.region, state.reading_now, state.problem = None, None, False, ""

    def refresh(self, *_: object) -> None:
        """Take in a new comparison: what is inspected is read again where it still is."""
        now, region = self.state.reading, self.state.region
        if now is None:
            return
        self.state.region = None if region is None else findings_in(self.report, (region.name,))
        if isinstance(now, PixelReading):
            try:
                self.look_at_pixel(now.index, sha256=now.sha256)
            except InputError:  # its runs have gone
                self.close()
            return
        rank = self._punctum_at(now.centre, now.sha256)
        if rank is None:
            self.close()
        else:
            self.look_at_punctum(rank)

    @property
    def report(self) -> Report | None:
        """The last comparison."""
        return self._session.compare.report

    def _pair(self, sha256: str | None) -> tuple[tuple[RunEntry | None, str], ...]:
        return tuple(zip(self.runs(sha256), ("teacher", "student"), strict=True))

    def _newest(self, role: str, sha256: str | None) -> RunEntry | None:
        return next(
            (
                one
                for one in reversed(list(self._session.runs))
                if one.role == role and _holds(one) and _sha256(one) == sha256
            ),
            None,
        )

    def _puncta(self) -> PunctaReader | None:
        """Return what reads the puncta of the last comparison; None where there are none."""
        report, compared = self.report, self._session.compare.compared
        if report is None or compared is None or report.figures.sites is None:
            return None
        if self._reader is None or self._reader[0] is not report:
            teacher, student = (
                _named(one, role)
                for one, role in zip(compared, ("teacher", "student"), strict=True)
            )
            if teacher is None or student is None:
                return None
            self._reader = report, PunctaReader(report, teacher, student)
        return self._reader[1]

    def _punctum_at(self, place: Sequence[float], sha256: str | None) -> int | None:
        reader, compared = self._puncta(), self._session.compare.compared
        if reader is None or compared is None:
            return None
        image = compared[0].run.request.image if compared[0].run is not None else None
        if image is None or (sha256 is not None and image.sha256 != sha256):
            return None
        plane = 0
        for position, size in zip(place[:-2], image.shape[:-2], strict=True):
            plane = plane * size + round(position)
        return find_site(reader.table, plane, float(place[-2]), float(place[-1]))

    def _ask(self, title: str, work: Callable[[], Any]) -> None:
        self._asked += 1
        self.state.reading_now = True
        number = self._asked
        self._aside(title, work, partial(self._take, number), partial(self._fail, number))

    def _take(self, number: int, reading: PixelReading | PunctumReading) -> None:
        if number == self._asked:
            self.state.problem = ""
            self.state.reading = reading
            self.state.reading_now = False

    def _fail(self, number: int, error: Exception) -> None:
        if number == self._asked:
            self.state.problem = sentence_of(explain(error, "reading the samples"))
            self.state.reading_now = False


def findings_in(report: Report | None, regions: Sequence[str]) -> RegionReading | None:
    """Return what a report says of the first of some regions that it knows."""
    for name in regions:
        found = tuple(
            one for one in (() if report is None else report.findings) if one.region == name
        )
        if found:
            return RegionReading(name, found)
    return None


def _holds(entry: RunEntry | None) -> bool:
    return entry is not None and entry.run is not None and len(entry.run) > 0


def _sha256(entry: RunEntry | None) -> str | None:
    return None if entry is None or entry.run is None else entry.run.request.image.sha256


def _named(entry: RunEntry | None, role: str) -> NamedRun | None:
    if entry is None or entry.run is None:
        return None
    label = entry.label if entry.label.startswith(role) else f"{role} {entry.label}"
    return NamedRun(f"#{entry.number} {label}", entry.run)
