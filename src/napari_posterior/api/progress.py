"""A progress bar with the time left, for a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_posterior.durations import duration
from napari_posterior.runs.events import SampleDone, Started, StepDone, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_posterior.runs.events import Event
    from napari_posterior.runs.request import RestoreRequest

__all__ = ["progress_bar", "time_left"]


@contextmanager
def progress_bar(request: RestoreRequest, *, shown: bool) -> Iterator[Callable[[Event], None]]:
    """Give a function that shows events; it shows nothing where there is no terminal.

    Parameters
    ----------
    request : RestoreRequest
        Names what is drawn.
    shown : bool
        Whether to show anything.

    Yields
    ------
    callable
        Takes every event of the run.
    """
    if not shown or not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}  {task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(request.sampler, total=1.0, count="", left="")
        drawn = 0

        def show(event: Event) -> None:
            nonlocal drawn
            if isinstance(event, Started):
                drawn = event.samples - event.missing
            elif isinstance(event, SampleDone):
                drawn += 1
            elif isinstance(event, StepDone):
                bar.update(task, completed=event.fraction, left=time_left(event.seconds_left))
            elif isinstance(event, Warned):
                bar.console.print(f"note: {event.message}", markup=False, highlight=False)
            bar.update(task, count=f"{drawn} of {request.samples} samples")

        yield show


def time_left(seconds: float | None) -> str:
    """Return words for the time that is left: ``"3 s left"``, ``"2 min left"``."""
    return "" if seconds is None else f"{duration(seconds)} left"


def _ignore(event: Event) -> None:
    """Show nothing."""
