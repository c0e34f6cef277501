"""Runs in napari's activity bar, each with a Cancel button."""

from __future__ import annotations

import io
import time
import weakref
from typing import TYPE_CHECKING

from napari.utils.progress import cancelable_progress
from qtpy.QtWidgets import QLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qtpy.QtWidgets import QWidget

    from napari_posterior.session.models import RunEntry

__all__ = ["ActivityBars", "RunBar"]

_PERCENT = 100

_INTERVAL = 1.0
"""Seconds between two changes of a bar: at each napari lets Qt paint the whole window."""

_CALM = 20
"""Per cent of its speed at which napari's picture of work in progress turns while a bar is shown.

It would have Qt compose the whole window 33 times a second, and those who sample wait for that.
"""


class RunBar(cancelable_progress):
    """The bar of one run; to be used in the main thread only.

    Parameters
    ----------
    cancel : callable
        Called when the user clicks *Cancel*. The one of napari only acts where somebody loops over
        the bar.
    words : str
        What to say beside it.
    interval : float
        Seconds in which it changes at most once.
    """

    total: int

    def __init__(self, cancel: Callable[[], None], words: str, *, interval: float = 0.0) -> None:
        self._forward = cancel
        self._interval = interval
        self._shown_at = time.monotonic()
        # The words hold samples and time left; what tqdm makes up goes nowhere.
        super().__init__(
            desc=words,
            total=0,
            file=io.StringIO(),
            bar_format="{desc}|",
            dynamic_ncols=False,
            mininterval=0,
        )

    def cancel(self) -> None:
        """Stop the run."""
        super().cancel()
        self._forward()

    def show(self, fraction: float, words: str, *, known: bool) -> None:
        """Bring the bar up to date, unless that was done a moment ago.

        Parameters
        ----------
        fraction : float
            Done part, 0 to 1.
        words : str
            What to say beside it.
        known : bool
            Whether the total is known; the bar goes to and fro before.
        """
        now = time.monotonic()
        if now - self._shown_at < self._interval:
            return
        self._shown_at = now
        if known and self.total != _PERCENT:
            self.total = _PERCENT
        step = round(_PERCENT * fraction) - self.n
        if known and step > 0:
            self.update(step)
        # Any of these lets Qt process events, which may close the bar.
        if not self.disable and words != self.desc.removesuffix(": "):
            self.set_description(words)


class ActivityBars:
    """Keeps one bar for every run that is being drawn.

    napari processes events whenever a bar changes, so `refresh` and `close` may be called while
    `refresh` is at work: it then begins again.

    Parameters
    ----------
    window : QWidget
        Where they are shown; held weakly.
    interval : float
        Seconds in which a bar changes at most once.
    """

    def __init__(self, window: QWidget, *, interval: float = _INTERVAL) -> None:
        self._window = weakref.ref(window)
        self._interval = interval
        self._speed = _PERCENT
        self._bars: dict[RunEntry, RunBar] = {}
        self._asked = False
        self._busy = False
        self._closed = False

    @property
    def bars(self) -> tuple[RunBar, ...]:
        """The bars that are shown."""
        return tuple(self._bars.values())

    def refresh(self, entries: Iterable[RunEntry]) -> None:
        """Show what is being drawn, and nothing else.

        Parameters
        ----------
        entries : iterable of RunEntry
            The runs of the viewer; looked at again where anything happened meanwhile.
        """
        self._asked = True
        if self._busy:
            return
        self._busy = True
        try:
            while self._asked and not self._closed:
                self._asked = False
                self._follow(tuple(entries))
        finally:
            self._busy = False

    def close(self) -> None:
        """Take all bars away."""
        self._closed = True
        for entry in [*self._bars]:
            self._drop(entry)

    def _follow(self, entries: tuple[RunEntry, ...]) -> None:
        for entry in [*self._bars]:
            if entry not in entries or entry.state != "running":
                self._drop(entry)
        for entry in entries:
            if entry.state == "running" and not self._closed:
                self._show(entry)
        if not self._closed:  # its window may be gone
            self._turn_pictures(_CALM if self._bars else _PERCENT)

    def _show(self, entry: RunEntry) -> None:
        job, progress = entry.job, entry.progress
        if job is None:
            return
        words = f"{entry.title}: {progress.sentence}"
        bar = self._bars.get(entry)
        if bar is None:
            bar = self._bars[entry] = RunBar(job.cancel, words, interval=self._interval)
        if self._closed:
            self._drop(entry)
        elif not bar.disable:
            bar.show(progress.fraction, words, known=progress.total > 0)

    def _drop(self, entry: RunEntry) -> None:
        bar = self._bars.pop(entry, None)
        if bar is not None and not bar.disable:  # else it was closed with the window it was in
            bar.close()

    def _turn_pictures(self, speed: int) -> None:
        """Let pictures that move do so at so many per cent of their speed."""
        if speed == self._speed:
            return
        self._speed = speed
        window = self._window()
        for label in () if window is None else window.findChildren(QLabel):
            if (movie := label.movie()) is not None:
                movie.setSpeed(speed)
