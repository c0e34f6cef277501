"""What was asked for last: to be continued, or to be compared as soon as it is there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.session.problems import find_model
from napari_posterior.session.progress import ENDED
from napari_posterior.session.submission import key_of_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.models import RunEntry, SessionState

__all__ = ["LastAsked", "is_going_on"]


class LastAsked:
    """Remembers the last run or pair of runs, and lets a comparison follow.

    Parameters
    ----------
    state : SessionState
        Holds the runs and what is compared.
    compare : callable
        Starts the comparison of the runs that are chosen.
    grow : callable
        ``grow(entry, samples)`` continues a run to so many samples in all.
    """

    comparing = Signal()
    """A comparison is about to begin by itself: who shows it may still settle what it takes."""

    refused = Signal(str)
    """It could not begin: one sentence."""

    def __init__(
        self,
        state: SessionState,
        compare: Callable[[], object],
        *,
        grow: Callable[[RunEntry, int], RunEntry],
    ) -> None:
        self._state, self._compare, self._grow = state, compare, grow
        self._entries: tuple[RunEntry, ...] = ()
        self._awaited: tuple[RunEntry, ...] = ()
        self._cuts: list[Callable[[], None]] = []

    @property
    def entries(self) -> tuple[RunEntry, ...]:
        """The last run, or teacher and student of the last pair, as far as they are listed."""
        return tuple(one for one in self._entries if one in self._state.runs)

    @property
    def awaited(self) -> bool:
        """Whether a comparison will follow."""
        return bool(self._awaited)

    @property
    def can_grow(self) -> bool:
        """Whether the last run, or both of the last pair, have ended and can be continued."""
        entries = self.entries
        return bool(entries) and all(
            one.state in ENDED and one.run is not None and len(one.run) > 0 and one.role != "point"
            for one in entries
        )

    def note(self, *entries: RunEntry, then_compare: bool = False) -> None:
        """Remember what was asked for.

        Parameters
        ----------
        *entries : RunEntry
            A run, or teacher and student.
        then_compare : bool
            Whether the pair is compared when both have been drawn. Where one is cancelled, fails
            or is too short to be compared, nothing follows.
        """
        self._let_go()
        self._entries = entries
        if then_compare and len(entries) == 2:
            self._awaited = entries
            for entry in entries:
                listener = partial(self._on_state, entry)
                entry.events.state.connect(listener)
                self._cuts.append(partial(entry.events.state.disconnect, listener))
            self._on_state(entries[0], entries[0].state)

    def draw_more(self, count: int) -> tuple[RunEntry, ...]:
        """Do what `Controller.more_samples` promises."""
        entries = self.entries
        if not self.can_grow:
            raise InputError("no run has ended that could be continued; draw one first")
        for entry in entries:
            held = 0 if entry.run is None else len(entry.run)
            self._grow(entry, held + count)
        self.note(*entries, then_compare=len(entries) == 2 and self._state.restore.then_compare)
        return entries

    def let_go(self) -> None:
        """Listen no more."""
        self._let_go()

    def _on_state(self, entry: RunEntry, state: str) -> None:
        if entry not in self._awaited:
            return
        if state in ENDED and state != "done":
            self._let_go()
        elif all(one.state == "done" for one in self._awaited):
            teacher, student = self._awaited
            self._let_go()
            self._follow(teacher, student)

    def _follow(self, teacher: RunEntry, student: RunEntry) -> None:
        compare = self._state.compare
        if teacher not in self._state.runs or student not in self._state.runs:
            return
        compare.teacher, compare.student = teacher, student
        self.comparing.emit()
        try:
            self._compare()
        except PosteriorError as error:
            self.refused.emit(str(error))

    def _let_go(self) -> None:
        self._awaited = ()
        while self._cuts:
            self._cuts.pop()()


def is_going_on(state: SessionState, sampler: str) -> bool:
    """Say whether the run of this sampler, with all that is chosen, is drawn or waits already."""
    restore = state.restore
    image, model = restore.image, find_model(restore)
    found = None if model is None else model.sampler(sampler)
    if image is None or model is None or found is None or restore.problems:
        return False
    key = key_of_run(restore, image, model, found)
    return any(
        one.job is not None and one.state not in ENDED and one.job.key == key for one in state.runs
    )
