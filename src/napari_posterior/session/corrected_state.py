"""What is asked of a corrected estimate, what it promises, and what came of it."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from psygnal import SignalGroupDescriptor

from napari_posterior.durations import duration
from napari_posterior.numerals import number
from napari_posterior.session.progress import ENDED, JobState, Progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_posterior.correction.allocation import Offer, Plan
    from napari_posterior.session.correct_job import CorrectJob
    from napari_posterior.session.models import RunEntry

__all__ = ["DEFAULT_SECONDS", "CorrectedState", "OfferRow", "offer_rows", "phase_words"]

DEFAULT_SECONDS: Final = 60.0

_BY_IDENTITY = dict.fromkeys(("job", "teacher", "student", "found"), operator.is_)


@dataclass
class CorrectedState:
    """A corrected estimate: a run of the teacher and one of a student, taken together.

    Attributes
    ----------
    seconds : float
        Time to spend on samples.
    name : str
        The student that the plan is for.
    plan : Plan or None
        How many samples to draw, and what that promises; errors in sd of a teacher's sample.
    stack_bytes : int
        Of the samples that the plan draws.
    problem : str
        Why there is no plan, or why it should not be followed; empty if it can be.
    job : CorrectJob or None
        The last one: it waits for the runs, then corrects.
    state : str
        State of that job.
    progress : Progress
        How far it is.
    teacher, student : RunEntry or None
        The runs of the last one.
    found : Corrections or None
        What came of it.
    told : tuple of str
        The same in sentences.
    saved : Path or None
        Where it was saved.
    fault : str
        What went wrong since, in one sentence; empty if nothing did.
    """

    seconds: float = DEFAULT_SECONDS
    name: str = ""
    plan: Plan | None = None
    stack_bytes: int = 0
    problem: str = ""
    job: CorrectJob | None = None
    state: JobState = "idle"
    progress: Progress = field(default_factory=Progress)
    teacher: RunEntry | None = None
    student: RunEntry | None = None
    found: Any = None
    told: tuple[str, ...] = ()
    saved: Path | None = None
    fault: str = ""

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor(equality_operators=_BY_IDENTITY)

    @property
    def going_on(self) -> bool:
        """Whether runs are drawn for it, or it is computed."""
        return self.job is not None and self.state not in ENDED

    def uses(self, entry: RunEntry) -> bool:
        """Whether it still needs a run."""
        return self.going_on and entry in (self.teacher, self.student)


@dataclass(frozen=True)
class OfferRow:
    """What one way of sampling promises, in words.

    Attributes
    ----------
    name, samples, time, error : str
        Such as ``"Corrected"``, ``"8 + 120"``, ``"60 s"`` and ``"0.12 sd"``.
    """

    name: str
    samples: str
    time: str
    error: str

    @property
    def sentence(self) -> str:
        """All of it, for who cannot see a table."""
        return f"{self.name}: {self.samples} samples, {self.time}, expected error {self.error}."


def offer_rows(plan: Plan) -> tuple[OfferRow, ...]:
    """Tell what the teacher alone, the student alone and the correction promise."""

    def row(name: str, samples: str, offer: Offer) -> OfferRow:
        return OfferRow(name, samples, duration(offer.seconds), f"{number(offer.error, 2)} sd")

    alone = (
        row("Teacher alone", str(plan.teacher.teachers), plan.teacher),
        row("Student, biased", str(plan.student.students), plan.student),
    )
    if not plan.pairs:
        return alone
    both = f"{plan.corrected.teachers} + {plan.corrected.students}"
    return (*alone, row("Corrected", both, plan.corrected))


def phase_words(state: CorrectedState) -> str:
    """Say in one sentence how far the last one is; empty where there was none."""
    if state.job is None:
        return ""
    if state.state in ENDED:
        return f"{state.progress.sentence[:1].upper()}{state.progress.sentence[1:].rstrip('.')}."
    for number_, doing, entry in (
        (1, "drawing the teacher", state.teacher),
        (2, "drawing the student", state.student),
    ):
        if entry is not None and entry.state not in ENDED:
            return f"{number_} of 3, {doing}: {entry.progress.sentence.rstrip('.')}."
    return f"3 of 3, correcting: {state.progress.sentence.rstrip('.')}."
