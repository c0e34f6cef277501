"""Teacher and student runs of one image and seed that are drawn on, part by part, and timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from napari_posterior.correction.allocation import TooLittleCorrelation
from napari_posterior.errors import InputError, OutputError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_posterior.bundles.bundle import Bundle
    from napari_posterior.correction.allocation import Plan
    from napari_posterior.correction.costs import Costs
    from napari_posterior.correction.pilot import Pilot
    from napari_posterior.image import Image
    from napari_posterior.runs.events import Event
    from napari_posterior.runs.run import Run

__all__ = ["CorrectionStoppedError", "GrowingRuns", "NotWorthCorrectingError"]

_WARM: Final = 2  # samples that no time is taken of
_TIMED: Final = {"teacher": 4, "student": 16}
_QUICKEST: Final = 1e-6  # s a sample, so that a cost is above 0 on any clock


class NotWorthCorrectingError(TooLittleCorrelation):
    """The correction would gain nothing; what was drawn to see that is in `teacher`, `student`."""

    def __init__(self, message: str, teacher: Run, student: Run) -> None:
        super().__init__(message)
        self.teacher, self.student = teacher, student


class CorrectionStoppedError(RunError):
    """Drawing was cancelled; what was drawn before is in `runs`."""

    def __init__(self, message: str, runs: tuple[Run, ...]) -> None:
        super().__init__(message)
        self.runs = runs


@dataclass(eq=False)
class GrowingRuns:
    """Two runs of one image and seed that grow through `restore` and `resume`.

    Parameters
    ----------
    image : Image
        What is restored.
    bundle : Bundle
        The model.
    name : str
        Of the student.
    steps : int or None
        Of the student; None for those of the model, which are then filled in.
    out : Path or None
        What the names of the folders begin with; None for temporary ones.
    overwrite : bool
        Whether runs that are there are replaced.
    options : dict
        More options of `restore`, for both.
    on_event : callable or None
        Gets every event, a warning once.

    Raises
    ------
    InputError
        If there is no such student, or it cannot take these steps.
    """

    image: Image
    bundle: Bundle
    name: str
    steps: int | None
    out: Path | None
    overwrite: bool
    options: dict[str, Any]
    on_event: Callable[[Event], None] | None

    def __post_init__(self) -> None:
        if self.name not in self.bundle.card.students:
            known = ", ".join(self.bundle.card.students) or "none"
            raise InputError(
                f"{self.bundle.card.name} has no student {self.name!r}; its students: {known}"
            )
        self.steps = self.bundle.info(self.name, steps=self.steps).steps
        self._runs: dict[str, Run] = {}
        self._marks: dict[str, tuple[int, float]] = {}
        self._pace: dict[str, float] = {}
        self._warned: set[str] = set()

    @property
    def teacher(self) -> Run:
        """The run of the teacher so far."""
        return self._runs["teacher"]

    @property
    def student(self) -> Run:
        """The run of the student so far."""
        return self._runs["student"]

    @property
    def seconds(self) -> float:
        """Time that drawing both took so far."""
        return self.teacher.seconds + self.student.seconds

    @property
    def kept(self) -> str:
        """Words for where the runs are; empty where they are temporary."""
        if self.out is None:
            return ""
        return "; kept: " + ", ".join(str(run.path) for run in self._runs.values())

    def check_out(self) -> None:
        """Say before time is spent that the result cannot be written."""
        from napari_posterior.api.saved_corrections import corrections_folder

        if self.out is None:
            return
        folder = corrections_folder(self.out)
        if folder.exists() and not self.overwrite:
            raise OutputError(
                f"{folder} exists already; choose another name, or ask to overwrite it"
            )

    def time_both(self) -> Costs:
        """Draw some samples of each and return what one takes, without what comes once a run."""
        for who, count in _TIMED.items():
            self._draw(who, _WARM)
            self._mark(who)
            self._draw(who, count)
        return self.pace()

    def pace(self) -> Costs:
        """Return the seconds of one sample of each, of those drawn since the last call."""
        from napari_posterior.correction.costs import Costs

        took = {}
        for who, (count, seconds) in self._marks.items():
            run = self._runs[who]
            more = len(run) - count
            took[who] = (run.seconds - seconds) / more if more else self._pace[who]
        self._pace = took
        for who in took:
            self._mark(who)
        return Costs(
            student=max(took["student"], _QUICKEST), teacher=max(took["teacher"], _QUICKEST)
        )

    def draw(self, *, teachers: int, students: int) -> None:
        """Go on with both runs until they hold so many samples."""
        self._draw("teacher", teachers)
        self._draw("student", students)

    def draw_plan(self, plan: Plan, left_out: int) -> None:
        """Go on as planned, beside the pairs that are left out."""
        pairs = left_out + plan.pairs
        self.draw(teachers=pairs, students=max(pairs, len(self.teacher)) + plan.students)

    def measure(self, pairs: int) -> Pilot:
        """Return what the first pairs tell of the mean of a pixel."""
        from napari_posterior.correction.comoments import CoMoments
        from napari_posterior.correction.of_runs import couple_runs
        from napari_posterior.correction.pilot import measure_pilot

        if len(self.student) < pairs + _WARM:
            self._draw("student", pairs + _WARM)
        moments = CoMoments(variables=2)
        for number, pair in enumerate(couple_runs(self.teacher, self.student).pairs()):
            if number < pairs:
                moments.add(*pair)
        return measure_pilot(moments)

    def refuse(self, plan: Plan) -> None:
        """Raise where a plan says that nothing should be corrected."""
        if plan.refusal:
            told = plan.refusal[0].lower() + plan.refusal[1:].rstrip(".")
            raise NotWorthCorrectingError(f"{told}{self.kept}", self.teacher, self.student)

    def _mark(self, who: str) -> None:
        run = self._runs[who]
        self._marks[who] = len(run), run.seconds

    def _draw(self, who: str, samples: int) -> None:
        from napari_posterior.api import restore

        before = self._runs.get(who)
        if before is not None and len(before) >= samples:
            return
        sampler = self.name if who == "student" else "teacher"
        place: dict[str, Any] = {"resume": before.path} if before is not None else {}
        if before is None and self.out is not None:
            name = self.out.name.removesuffix(".zarr").removesuffix(".corrected")
            out = self.out.with_name(f"{name}-{sampler}")
            place = {"out": out, "overwrite": self.overwrite}
        run = restore(
            self.image,
            model=self.bundle,
            sampler=sampler,
            steps=self.steps if who == "student" else None,
            samples=samples,
            on_event=self._tell,
            **self.options,
            **place,
        )
        if before is not None:
            run.keep(before)
        self._runs[who] = run
        self.options["precision"] = run.request.precision  # "auto" is settled once for both
        if run.state == "cancelled":
            raise CorrectionStoppedError(
                f"stopped after {len(run)} of {samples} samples of {sampler}; start again for a "
                f"correction{self.kept}",
                tuple(self._runs.values()),
            )

    def _tell(self, event: Event) -> None:
        from napari_posterior.runs.events import Warned

        if isinstance(event, Warned):
            if event.message in self._warned:
                return  # a run that is gone on with says again what it said at its beginning
            self._warned.add(event.message)
        if self.on_event is not None:
            self.on_event(event)
