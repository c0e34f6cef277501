"""Progress as lines of text, for logs and pipes; a terminal gets a bar instead."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

from napari_posterior.api.progress import time_left
from napari_posterior.cli.outcome import note
from napari_posterior.runs.events import SampleDone, Started, StepDone, Warned

if TYPE_CHECKING:
    from napari_posterior.runs.events import Event

__all__ = ["Lines"]

_EVERY: Final = 10.0


class Lines:
    """Writes the events of a run to the standard error stream where it is not a terminal.

    Parameters
    ----------
    label : str
        What is drawn.
    every : float
        Seconds between two lines, at least.
    """

    def __init__(self, label: str, *, every: float = _EVERY) -> None:
        self._label = label
        self._every = every
        self._silent = sys.stderr.isatty()
        self._drawn = self._samples = 0
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if self._silent:
            return
        if isinstance(event, Warned):
            note(f"note: {event.message}")
        elif isinstance(event, Started):
            self._samples, self._drawn = event.samples, event.samples - event.missing
            calls = f"{event.nfe} network evaluation{'s' * (event.nfe != 1)} each"
            count = f"{event.missing} sample{'s' * (event.missing != 1)}"
            note(f"{self._label}: {count} to draw, {calls}")
        elif isinstance(event, SampleDone):
            self._drawn += 1
        elif isinstance(event, StepDone) and time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            told = f"{self._label}: {self._drawn} of {self._samples} samples"
            note(", ".join(filter(None, (told, time_left(event.seconds_left)))))
