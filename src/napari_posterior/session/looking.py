"""The samples that the next look of a comparison needs: drawn for both runs, then compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_posterior.errors import InputError, PosteriorError
from napari_posterior.session.problems import sentence_of
from napari_posterior.session.progress import ENDED, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_posterior.session.comparing import DrawMore
    from napari_posterior.session.models import CompareState, RunEntry

__all__ = ["LookAwaited"]


class LookAwaited:
    """Draws both runs up to a look, and compares them when both hold enough.

    Parameters
    ----------
    state : CompareState
        ``state.awaited`` is the look while its samples are drawn.
    draw_more : callable or None
        As `comparing.DrawMore`.
    compare : callable
        Compares the runs that are chosen.
    """

    def __init__(
        self,
        state: CompareState,
        *,
        draw_more: DrawMore | None,
        compare: Callable[[], object],
    ) -> None:
        self._state, self._draw_more, self._compare = state, draw_more, compare
        self._runs: tuple[RunEntry, ...] = ()

    def begin(self, teacher: RunEntry, student: RunEntry) -> int:
        """Ask for the samples of both runs that lack some.

        Raises
        ------
        InputError
            If no further look is planned, or samples cannot be drawn.
        RunError
            If one of the runs is in use.
        """
        look = self._state.next_look
        if look is None:
            raise InputError("no further look is planned for these runs; the verdicts stand")
        if self._draw_more is None:
            raise InputError("no more samples can be drawn here; restore with more samples")
        if self._state.awaited is not None:
            raise InputError("samples for the next look are being drawn; wait for them")
        self.forget()
        self._state.awaited = look
        self._runs = teacher, student
        try:
            for entry in self._runs:
                if _held(entry) < look:
                    self._draw_more(entry, look)
        except PosteriorError:
            self.cancel()
            raise
        for entry in self._runs:
            entry.events.state.connect(self._on_state)
        self._on_state()
        return look

    def cancel(self) -> None:
        """Draw no more for the look; samples that were drawn are kept."""
        runs = self._runs
        self.forget()
        for entry in runs:
            if entry.job is not None and entry.state not in ENDED:
                entry.job.cancel()

    def forget(self) -> None:
        """Wait for the samples no longer."""
        for entry in self._runs:
            entry.events.state.disconnect(self._on_state, missing_ok=True)
        self._runs, self._state.awaited = (), None

    def _on_state(self, *_: object) -> None:
        look, runs = self._state.awaited, self._runs
        if look is None or any(entry.state in ("waiting", "running") for entry in runs):
            return
        self.forget()
        if (self._state.teacher, self._state.student) != runs:
            return  # other runs were chosen meanwhile
        if any(_held(entry) < look for entry in runs):
            self._say(f"the samples for the look at {look} were not drawn; ask for them again")
            return
        try:
            self._compare()
        except PosteriorError as error:
            self._say(str(error))

    def _say(self, words: str) -> None:
        self._state.state, self._state.progress = "failed", Progress(sentence=sentence_of(words))


def _held(entry: RunEntry) -> int:
    return 0 if entry.run is None else len(entry.run)
